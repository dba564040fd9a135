//! How long a policy takes from text to model: `cargo bench -p rustsocks-compiler --bench check`.
//!
//! Says for each size the best and the middle of several runs; nothing is asserted.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::print_stdout,
    reason = "a bench measures and prints"
)]

use rustsocks_compiler::lint::{self, Options};
use rustsocks_compiler::load::load;
use rustsocks_compiler::model::{HostFacts, Timestamp};
use rustsocks_compiler::promise;
use rustsocks_compiler::source::FileId;
use rustsocks_compiler::syntax;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Duration;

fn main() {
    for rules in [100, 1_000, 10_000] {
        let text = policy(rules);
        let size = text.len();
        report("parse", rules, size, || {
            let mut found = Vec::new();
            black_box(syntax::parse(FileId(0), &text, &mut found));
        });
        let files = BTreeMap::from([("bench.policy".to_owned(), text.clone())]);
        let loaded = load("bench.policy", &files, &HostFacts::default(), None);
        assert!(loaded.model.is_some(), "{:?}", loaded.diagnostics.first());
        report("load", rules, size, || {
            black_box(load("bench.policy", &files, &HostFacts::default(), None));
        });
        // All that `rustsocks check` does, but for reading the file and drawing the findings.
        report("check", rules, size, || {
            let loaded = load("bench.policy", &files, &HostFacts::default(), None);
            let mut options = Options { now: Some(Timestamp(1_767_787_200)), ..Options::default() };
            options.others.extend(loaded.model.iter().flat_map(|model| promise::broken(model)));
            black_box(lint::run(&loaded, &options));
        });
    }
}

fn report(what: &str, rules: usize, size: usize, mut run: impl FnMut()) {
    let mut times: Vec<Duration> = (0..15)
        .map(|_| {
            let start = on_cpu();
            run();
            on_cpu().saturating_sub(start)
        })
        .collect();
    times.sort();
    let at = |at: usize| times.get(at).copied().unwrap_or_default();
    let (best, middle) = (at(0), at(times.len() / 2));
    let speed = size as f64 / 1e6 / best.as_secs_f64();
    println!(
        "{what:>6} {rules:>6} rules {size:>8} bytes  best {best:>10.2?}  median {middle:>10.2?}  {speed:.1} MB/s"
    );
}

/// Time that this thread has had a processor: what others do on the machine does not count.
fn on_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}

/// A policy such as people write, of that many rules.
fn policy(rules: usize) -> String {
    let mut text = String::from("policy 1\ndefault block\nsocksmethod: pam.username, none\n\n");
    let teams = rules / 10 + 1;
    for team in 0..teams {
        let (high, low) = (team / 256 % 256, team % 256);
        let _ = writeln!(text, "set office-{team} {{ 10.{high}.{low}.0/24, 192.168.{low}.0/24 }}");
        let _ = writeln!(text, "set site-{team} {{ .site-{team}.example.com, api-{team}.example.org }}");
        let _ = writeln!(text, "group team-{team} {{ alice-{team}, bob-{team} }}");
    }
    text.push_str("ports web { 80, 443, 8000-8999 }\ntime work { mon-fri 08:00-18:00 }\n\n");
    for rule in 0..rules {
        let team = rule % teams;
        let _ = match rule % 5 {
            0 => writeln!(
                text,
                "socks block r{rule} {{ to: 203.0.{}.0/24  port: {} }}",
                rule % 256,
                rule % 60000 + 1
            ),
            1 => writeln!(
                text,
                "# The team and its site.\nsocks pass r{rule} {{\n    from: @office-{team}\n    group: team-{team}\n    to: @site-{team}\n    port: @web\n    log: connect, disconnect\n}}"
            ),
            2 => writeln!(
                text,
                "socks pass r{rule} {{ user: carol-{rule}  to: *.x{rule}.example.net  port: 443  time: @work }}"
            ),
            3 => writeln!(
                text,
                "socks block r{rule} {{ to: 198.18.0.0/15, host-{rule}.example.com  except {{ user: @team-{team} }} }}"
            ),
            _ => writeln!(
                text,
                "socks pass r{rule} {{ from: @office-{team}  to: 10.0.{}.{}:8443 }}",
                rule % 200,
                rule % 250
            ),
        };
    }
    text
}
