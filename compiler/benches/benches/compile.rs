//! What compiling takes: time and memory, of policies such as offices have and of some made to be
//! expensive; and what a method offer takes. `cargo bench --bench compile`.

use rustsocks_benches::rules::{adversarial, policy, rules};
use rustsocks_benches::{Dice, Times, model, processor_ms};
use rustsocks_compiler::Policy;
use rustsocks_compiler::model::Timestamp;
use rustsocks_compiler::request::{Client, Method};
use std::net::{IpAddr, Ipv4Addr};

fn main() {
    println!("                    from text    compile      memory    nodes  entries  a rule  worst checks");
    for size in [100, 1_000, 10_000, 100_000] {
        let text = policy(&rules(size, &mut Dice(size as u64)));
        measure("office", size, &text);
    }
    for size in [1_000, 10_000, 50_000] {
        let text = adversarial(size, &mut Dice(size as u64));
        measure("adversarial", size, &text);
    }
    println!("nanoseconds per offer             p50       p99     p99.9");
    for size in [1, 10_000] {
        offer(size);
    }
}

/// `from text` is all of loading: reading, resolving, lints and compiling are what it is made of.
fn measure(kind: &str, size: usize, text: &str) {
    let start = processor_ms();
    let model = model(text);
    let loading = processor_ms() - start;
    let mut best = f64::MAX;
    let mut policy = None;
    for _ in 0..(200_000 / size).clamp(3, 50) {
        drop(policy.take());
        let start = processor_ms();
        policy = Some(Policy::compile(model.clone()));
        best = best.min(processor_ms() - start);
    }
    let policy = policy.expect("a policy");
    let figures = policy.statistics();
    println!(
        "{kind:<12} {size:>6} {:>7.1} ms {best:>7.1} ms {:>8.2} MB {:>8} {:>8} {:>7.1} {:>8}",
        loading + best,
        figures.bytes as f64 / 1e6,
        figures.nodes,
        figures.entries,
        figures.entries as f64 / size as f64,
        figures.worst_checks
    );
    for cost in policy.costs() {
        println!("    {}: {}", cost.code, cost.message);
    }
}

/// The methods that a client is offered, for distinct clients.
fn offer(size: usize) {
    let mut dice = Dice(size as u64);
    let policy = Policy::compile(model(&policy(&rules(size, &mut dice))));
    let clients: Vec<IpAddr> =
        (0..100_000).map(|_| Ipv4Addr::from_bits(0x0a00_0000 + dice.throw(1 << 24) as u32).into()).collect();
    let offer = |&address: &IpAddr| {
        policy.offer(&Client {
            address,
            listener: "main",
            time: Timestamp(1_767_600_000),
            method: Method::None,
            certificate: &[],
        })
    };
    println!("{size:>7} rules            {}", Times::of(&clients, |_| (), offer).columns());
}
