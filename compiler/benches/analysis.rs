//! How long proofs take: `cargo bench -p rustsocks-compiler --bench analysis`; `RULES=100,10000`
//! chooses sizes.
//!
//! Says for each size the best and the middle of several runs; nothing is asserted.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::print_stdout,
    reason = "a bench measures and prints"
)]

use rustsocks_compiler::Policy;
use rustsocks_compiler::analysis::{Analysis, Never, Pair, Reach};
use rustsocks_compiler::load::load;
use rustsocks_compiler::model::{HostFacts, Model};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn main() {
    let sizes = std::env::var("RULES").unwrap_or_else(|_| "100,1000,10000,100000".into());
    for rules in sizes.split(',').filter_map(|size| size.parse::<usize>().ok()) {
        let runs = if rules > 10_000 { 3 } else { 9 };
        let model = read(&policy(rules, 0));
        report("sort into classes", rules, runs, || _ = black_box(Analysis::new(&model)));
        let analysis = Analysis::new(&model);
        report("reach of all rules", rules, runs, || _ = black_box(analysis.reach()));
        let reach = analysis.reach();
        let count = |fits: &dyn Fn(&Reach) -> bool| reach.iter().filter(|one| fits(one)).count();
        println!(
            "{:>20} {rules:>7} rules: {} decide, {} shadowed, {} redundant, {} empty, {} undecided",
            "",
            count(&|one| matches!(one, Reach::Decides(_))),
            count(&|one| matches!(one, Reach::Never(Never::Shadowed { .. }))),
            count(&|one| matches!(one, Reach::Never(Never::Redundant { .. }))),
            count(&|one| matches!(one, Reach::Never(Never::Empty))),
            count(&|one| matches!(one, Reach::Undecided)),
        );
        if rules <= 10_000 {
            let (old, new) = (Policy::compile(model.clone()), Policy::compile(read(&policy(rules, 20))));
            report("two in one space", rules, runs, || _ = black_box(Pair::new(&old, &new)));
            let pair = Pair::new(&old, &new);
            report("diff of 20 rules", rules, runs, || _ = black_box(pair.diff()));
            let diff = pair.diff();
            println!(
                "{:>20} {rules:>7} rules: {} differences, complete: {}",
                "",
                diff.differences.len(),
                diff.complete
            );
        }
    }
}

fn read(text: &str) -> Arc<Model> {
    let files = BTreeMap::from([("bench.policy".to_owned(), text.to_owned())]);
    let loaded = load("bench.policy", &files, &HostFacts::default(), None);
    assert!(loaded.model.is_some(), "{:?}", loaded.diagnostics.first());
    loaded.model.unwrap_or_default()
}

/// A policy as companies have them: teams with their services, a few wide blocks and many narrow
/// ones, and a few mistakes. Of `changed` rules another port is passed.
fn policy(rules: usize, changed: usize) -> String {
    let mut text = String::from(
        "policy 1\nsocksmethod: pam.username, none\nset office { 10.0.0.0/8, 192.168.0.0/16 }\n\
         ports web { 80, 443, 8000-8999 }\ntime work { mon-fri 08:00-18:00  zone: \"Europe/Warsaw\" }\n\
         socks block metadata { to: @metadata, @link-local }\nsocks block smtp { port: 25 }\n",
    );
    let mut seed = 7_u64;
    let mut next = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for team in 0..=rules / 20 {
        // Writing to a string does not fail.
        _ = writeln!(text, "group team{team} {{ u{team}a, u{team}b, u{team}c }}");
    }
    for at in 0..rules {
        let (team, net, host) = (next(rules as u64 / 20 + 1), next(250), next(250));
        let port = if at < changed { 9_999 } else { 443 };
        _ = match next(10) {
            0 => writeln!(text, "socks block {{ to: .bad{at}.example }}"),
            1 => writeln!(text, "socks block {{ to: 203.{net}.{host}.0/24 }}"),
            2 => {
                writeln!(text, "socks pass {{ user: u{team}a  to: srv{at}.corp.example  port: 22, {port} }}")
            }
            3 => writeln!(
                text,
                "socks pass {{ from: 10.{net}.{host}.0/24  to: .site{at}.example  port: @web }}"
            ),
            4 => writeln!(
                text,
                "socks pass {{ group: staff{}  to: 10.{net}.{host}.0/24  port: {port} }}",
                team % 50
            ),
            5 => writeln!(text, "socks pass {{ user: @team{team}  to: 172.16.{net}.{host}  port: 5432 }}"),
            6 => writeln!(
                text,
                "socks pass {{ user: @team{team}  to: *.t{team}.example  port: @web  time: @work }}"
            ),
            7 => writeln!(
                text,
                "socks pass {{ from: @office  to: host{}.example  port: {port} }}",
                next(rules as u64)
            ),
            8 => writeln!(text, "socks pass {{ from: 10.{net}.0.0/16  user: u{team}b  command: connect }}"),
            _ => writeln!(
                text,
                "socks pass {{ from: @office  to: 198.51.{net}.{host}  protocol: udp  port: 53 }}"
            ),
        };
    }
    text
}

fn report(what: &str, rules: usize, runs: usize, mut run: impl FnMut()) {
    // What the kernel counts for a thread is brought up to date at its ticks, so what is short is
    // run many times.
    let start = Instant::now();
    run();
    let many = (50_000_000 / start.elapsed().as_nanos().max(1)).clamp(1, 1_000) as u32;
    let mut times: Vec<Duration> = (0..runs)
        .map(|_| {
            let start = on_cpu();
            (0..many).for_each(|_| run());
            on_cpu().saturating_sub(start) / many
        })
        .collect();
    times.sort();
    let at = |at: usize| times.get(at).copied().unwrap_or_default();
    println!("{what:>20} {rules:>7} rules  best {:>10.2?}  median {:>10.2?}", at(0), at(runs / 2));
}

/// Time that this thread has had a processor: what others do on the machine does not count.
fn on_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}
