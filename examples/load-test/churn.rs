//! Opens a tunnel, makes the round trips, closes it, and again.

use crate::hold::trip;
use crate::report::{Report, bar, note, times};
use crate::server::Cost;
use crate::socks::{Proxy, Shared};
use crate::{Args, target};
use std::io::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;
use tokio::task::JoinSet;

/// Runs it.
pub async fn run(args: &Args, proxy: Proxy, pid: Option<u32>) -> Result<Report> {
    let proxy: Shared = Arc::new(proxy);
    let target = target::echo()?;
    let progress = bar(u64::from(args.connections), "churning");
    let left = Arc::new(AtomicU32::new(args.connections));
    let before = Cost::of(pid);
    let start = Instant::now();

    let mut workers = JoinSet::new();
    for _ in 0..args.concurrency.min(args.connections) {
        let (proxy, left, progress) = (proxy.clone(), left.clone(), progress.clone());
        let (rounds, size) = (args.rounds, usize::from(args.size));
        workers.spawn(async move {
            let (mut set_up, mut trips, mut errors) = (times(), times(), Vec::new());
            let take = |left| u32::checked_sub(left, 1);
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
                progress.inc(1);
                let work = async {
                    let start = Instant::now();
                    let mut stream = proxy.connect(target).await?;
                    note(&mut set_up, start.elapsed());
                    for _ in 0..rounds {
                        let start = Instant::now();
                        trip(&mut stream, size).await?;
                        note(&mut trips, start.elapsed());
                    }
                    Result::Ok(())
                };
                if let Err(error) = work.await {
                    errors.push(error.to_string());
                }
            }
            (set_up, trips, errors)
        });
    }
    let (mut set_up, mut trips, mut failed, mut first) = (times(), times(), 0, None);
    while let Some(done) = workers.join_next().await {
        let (more, further, errors) = done?;
        // The bounds are the same.
        let _same = set_up.add(more).and(trips.add(further));
        failed += errors.len() as u64;
        first = first.or_else(|| errors.into_iter().next());
    }
    let taken = start.elapsed().as_secs_f64();
    let after = Cost::of(pid);
    progress.finish_and_clear();

    let mut report = Report::default();
    report.figure("connections", f64::from(args.connections), "");
    report.figure("per_second", f64::from(args.connections) / taken, "");
    report.times("set_up", &set_up);
    report.times("round_trip", &trips);
    report.cost(before, after, f64::from(args.connections) / 1000.0, "s for 1,000 connections");
    report.failed(failed, first);
    Ok(report)
}
