//! What is told in the end.

use crate::server::Cost;
use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::time::Duration;

/// Times in microseconds, up to a minute, three digits exact.
pub type Times = Histogram<u64>;

/// An empty histogram.
pub fn times() -> Times {
    Histogram::new_with_bounds(1, 60_000_000, 3).unwrap_or_else(|_| unreachable_bounds())
}

fn unreachable_bounds() -> Times {
    // The bounds above are right; one that grows is as good.
    Histogram::new(3).unwrap_or_else(|_| std::process::abort())
}

/// Notes a time.
pub fn note(times: &mut Times, taken: Duration) {
    times.saturating_record(u64::try_from(taken.as_micros()).unwrap_or(u64::MAX));
}

/// Figures in the order they are told.
#[derive(Debug, Default)]
pub struct Report {
    figures: Vec<(&'static str, Value, String)>,
    bars: String,
    failures: u64,
    first: Option<String>,
}

impl Report {
    /// Adds a number with its unit.
    pub fn figure(&mut self, name: &'static str, value: f64, unit: &str) {
        let text =
            if value.fract() == 0.0 { format!("{value} {unit}") } else { format!("{value:.3} {unit}") };
        self.figures.push((name, json!((value * 1000.0).round() / 1000.0), text));
    }

    /// Adds the failures, with the first of them in words.
    pub fn failed(&mut self, count: u64, first: Option<String>) {
        self.failures += count;
        self.first = self.first.take().or_else(|| first.clone());
        let text = match first {
            Some(first) => format!("{count}; the first: {first}"),
            None => count.to_string(),
        };
        self.figures.push(("failures", json!(count), text));
    }

    /// Adds a histogram in milliseconds.
    pub fn times(&mut self, name: &'static str, times: &Times) {
        let ms = |us: u64| us as f64 / 1000.0;
        let at = |quantile| ms(times.value_at_quantile(quantile));
        let (p50, p90, p99, max) = (at(0.5), at(0.9), at(0.99), ms(times.max()));
        let text =
            format!("p50 {p50:.3}  p90 {p90:.3}  p99 {p99:.3}  max {max:.3} ms  ({} times)", times.len());
        let buckets: Vec<Value> =
            buckets(times).map(|(to, count)| json!({ "to_ms": ms(to), "count": count })).collect();
        let value = json!({
            "count": times.len(), "p50_ms": p50, "p90_ms": p90, "p99_ms": p99, "max_ms": max, "histogram": buckets
        });
        self.bars.push_str(&bars(name, times));
        self.figures.push((name, value, text));
    }

    /// Adds what the server used between two readings, in all and for each of `per` things.
    pub fn cost(&mut self, before: Option<Cost>, after: Option<Cost>, per: f64, thing: &str) {
        if let (Some(before), Some(after)) = (before, after) {
            let cpu = after.cpu - before.cpu;
            self.figure("server_cpu", cpu, "s");
            self.figure("server_cpu_per", cpu / per, thing);
        }
    }

    /// A figure by its name; of a histogram by `NAME.QUANTILE`.
    pub fn value(&self, name: &str) -> Option<f64> {
        let (name, part) = name.split_once('.').map_or((name, None), |(name, part)| (name, Some(part)));
        let (_, value, _) = self.figures.iter().find(|(known, ..)| *known == name)?;
        part.map_or(Some(value), |part| value.get(part))?.as_f64()
    }

    /// How much went wrong.
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// For people.
    pub fn text(&self) -> String {
        let width = self.figures.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
        let mut text = String::new();
        for (name, _, shown) in &self.figures {
            // Writing to a string does not fail.
            let _infallible = writeln!(text, "{:width$}  {}", name.replace('_', " "), shown.trim_end());
        }
        text.push_str(&self.bars);
        text.trim_end().into()
    }

    /// For programs.
    pub fn json(&self) -> String {
        let mut figures: Map<String, Value> =
            self.figures.iter().map(|(name, value, _)| ((*name).into(), value.clone())).collect();
        if let Some(first) = &self.first {
            figures.insert("first_failure".into(), json!(first));
        }
        Value::Object(figures).to_string()
    }

    /// What went wrong first.
    pub fn first_failure(&self) -> Option<&str> {
        self.first.as_deref()
    }
}

/// How many times there were up to each power of two of microseconds, from the first to the last
/// that has some.
fn buckets(times: &Times) -> impl Iterator<Item = (u64, u64)> + '_ {
    let power = |us: u64| us.max(1).next_power_of_two().trailing_zeros();
    let powers = (!times.is_empty()).then(|| power(times.min())..=power(times.max()));
    powers.into_iter().flatten().map(|power| {
        let (to, from) = (1u64 << power, if power == 0 { 0 } else { (1u64 << (power - 1)) + 1 });
        (to, times.count_between(from, to))
    })
}

/// The same for people.
fn bars(name: &str, times: &Times) -> String {
    let most = buckets(times).map(|(_, count)| count).max().unwrap_or(0).max(1);
    let mut text = String::new();
    if !times.is_empty() {
        text = format!("\n{}\n", name.replace('_', " "));
    }
    for (to, count) in buckets(times) {
        let length = usize::try_from(count * LONGEST_BAR / most).unwrap_or(0);
        // Writing to a string does not fail.
        let _infallible =
            writeln!(text, "  to {:>9.3} ms  {count:>9}  {}", to as f64 / 1000.0, "#".repeat(length));
    }
    text
}

/// Characters of the bar of the fullest bucket.
const LONGEST_BAR: u64 = 40;

/// A bar on standard error; hidden where that is no terminal.
pub fn bar(length: u64, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:12} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}");
    let bar = ProgressBar::new(length).with_message(what);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
