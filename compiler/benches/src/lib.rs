//! Policies and requests to measure with: of one kind in the language of rustsocks and in Cedar.
//!
//! Nothing is measured twice: requests are distinct, random, and read once before the clock starts,
//! as a request that has just been parsed would be.

pub mod cedar;
pub mod requests;
pub mod rules;

use rustsocks_compiler::model::{HostFacts, Model};
use rustsocks_compiler::source::Loader;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// SplitMix64.
pub struct Dice(pub u64);

impl Dice {
    /// A number below `sides`.
    pub fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % sides
    }

    /// Whether something of so many percent happens.
    pub fn percent(&mut self, chance: u64) -> bool {
        self.throw(100) < chance
    }
}

/// Loads a policy that must have no error.
pub fn model(text: &str) -> Arc<Model> {
    let texts = BTreeMap::from([("bench.policy".to_owned(), text.to_owned())]);
    let loader: &dyn Loader = &texts;
    let loaded = rustsocks_compiler::load("bench.policy", loader, &HostFacts::default(), None);
    match loaded.model {
        Some(model) => model,
        None => panic!("{:#?}", loaded.diagnostics.first()),
    }
}

/// Nanoseconds of single calls, sorted.
pub struct Times(Vec<u32>);

impl Times {
    /// Takes the time of each call, less what the clock itself takes.
    pub fn of<T, R>(inputs: &[T], mut touch: impl FnMut(&T), mut call: impl FnMut(&T) -> R) -> Self {
        let mut times = round(inputs, &mut touch, &mut call);
        times.sort_unstable();
        Self(times)
    }

    /// The same, but of each call the best of three rounds over all inputs: what another machine
    /// on the same processor takes away is not counted, while caches and predictors have seen as
    /// many other inputs in between.
    pub fn best_of<T, R>(inputs: &[T], mut touch: impl FnMut(&T), mut call: impl FnMut(&T) -> R) -> Self {
        let mut best = vec![u32::MAX; inputs.len()];
        for _ in 0..3 {
            let times = round(inputs, &mut touch, &mut call);
            best.iter_mut().zip(times).for_each(|(best, time)| *best = time.min(*best));
        }
        best.sort_unstable();
        Self(best)
    }

    /// The time that so many of a thousand calls do not exceed.
    pub fn permille(&self, share: usize) -> u32 {
        self.0.get((self.0.len() * share / 1000).min(self.0.len() - 1)).copied().unwrap_or(0)
    }

    /// p50, p99 and p99.9 as columns.
    pub fn columns(&self) -> String {
        let [half, most, all] = [500, 990, 999].map(|share| self.permille(share));
        format!("{half:>9} {most:>9} {all:>9}")
    }
}

/// Nanoseconds a call of calls in a row, none of which waits for the one before: what criterion and
/// divan would say. The best of three rounds.
pub fn in_a_row<T, R>(inputs: &[T], mut call: impl FnMut(&T) -> R) -> f64 {
    let round = |_| {
        let start = Instant::now();
        inputs.iter().for_each(|input| _ = black_box(call(black_box(input))));
        start.elapsed().as_nanos() as f64 / inputs.len() as f64
    };
    (0..3).map(round).fold(f64::MAX, f64::min)
}

/// Milliseconds that this thread has had a processor for: what others take meanwhile is not counted.
pub fn processor_ms() -> f64 {
    // The count is brought up to date when the thread gives way, and at the tick otherwise.
    std::thread::yield_now();
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").expect("the kernel counts");
    spent.split_whitespace().next().and_then(|ns| ns.parse::<f64>().ok()).expect("a number") / 1e6
}

fn round<T, R>(inputs: &[T], touch: &mut impl FnMut(&T), call: &mut impl FnMut(&T) -> R) -> Vec<u32> {
    let clock = clock();
    let one = |input| {
        touch(black_box(input));
        let start = Instant::now();
        black_box(call(black_box(input)));
        let spent = start.elapsed().saturating_sub(clock);
        u32::try_from(spent.as_nanos()).unwrap_or(u32::MAX)
    };
    inputs.iter().map(one).collect()
}

fn clock() -> Duration {
    let mut empty: Vec<Duration> = (0..10_001)
        .map(|_| {
            let start = Instant::now();
            black_box(());
            start.elapsed()
        })
        .collect();
    empty.sort_unstable();
    empty[empty.len() / 2]
}
