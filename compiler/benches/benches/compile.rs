//! What compiling takes: time and memory, of policies such as offices have and of some made to be
//! expensive. `cargo bench --bench compile`.

use rustsocks_benches::rules::{adversarial, policy, rules};
use rustsocks_benches::{Dice, model, processor_ms};
use rustsocks_compiler::Policy;

fn main() {
    println!("                     compile     memory    nodes  entries  worst checks");
    for size in [100, 1_000, 10_000, 100_000] {
        let text = policy(&rules(size, &mut Dice(size as u64)));
        measure("office", size, &text);
    }
    for size in [1_000, 10_000, 50_000] {
        let text = adversarial(size, &mut Dice(size as u64));
        measure("adversarial", size, &text);
    }
}

fn measure(kind: &str, size: usize, text: &str) {
    let model = model(text);
    let mut best = f64::MAX;
    let mut policy = None;
    for _ in 0..5 {
        let start = processor_ms();
        policy = Some(Policy::compile(model.clone()));
        best = best.min(processor_ms() - start);
    }
    let policy = policy.expect("a policy");
    let figures = policy.statistics();
    println!(
        "{kind:<12} {size:>6} {best:>8.1} ms {:>7.2} MB {:>8} {:>8} {:>9}",
        figures.bytes as f64 / 1e6,
        figures.nodes,
        figures.entries,
        figures.worst_checks
    );
    for cost in policy.costs() {
        println!("    {}: {}", cost.code, cost.message);
    }
}
