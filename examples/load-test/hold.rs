//! Opens all tunnels, then makes round trips through all of them while all are open.

use crate::report::{Report, Times, bar, note, times};
use crate::server::Cost;
use crate::socks::{Proxy, Shared};
use crate::tls::Stream;
use crate::{Args, target};
use std::io::Result;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Runs it.
pub async fn run(args: &Args, proxy: Proxy, pid: Option<u32>) -> Result<Report> {
    let proxy: Shared = Arc::new(proxy);
    let target = target::echo()?;
    let gate = Arc::new(Semaphore::new(args.concurrency as usize));
    let before = Cost::of(pid);
    let start = Instant::now();

    let mut opening = JoinSet::new();
    for _ in 0..args.connections {
        let (proxy, gate) = (proxy.clone(), gate.clone());
        opening.spawn(async move {
            let _turn = gate.acquire_owned().await;
            let start = Instant::now();
            proxy.connect(target).await.map(|stream| (stream, start.elapsed()))
        });
    }
    let progress = bar(u64::from(args.connections), "opening");
    let (mut set_up, mut tunnels, mut failed, mut first) = (times(), Vec::new(), 0, None);
    while let Some(done) = opening.join_next().await {
        progress.inc(1);
        match done? {
            Ok((stream, taken)) => {
                note(&mut set_up, taken);
                tunnels.push(stream);
            }
            Err(error) => {
                failed += 1;
                first.get_or_insert_with(|| error.to_string());
            }
        }
    }
    progress.finish_and_clear();
    let opened = start.elapsed();
    let open = tunnels.len();
    let middle = Cost::of(pid);

    let mut trips = times();
    for _ in 0..args.rounds {
        let (back, errors) = round(tunnels, usize::from(args.size), &gate, &mut trips).await?;
        tunnels = back;
        failed += errors.len() as u64;
        first = first.or_else(|| errors.into_iter().next());
    }
    let after = Cost::of(pid);
    drop(tunnels);

    let mut report = Report::default();
    report.figure("tunnels_open_at_once", open as f64, "");
    report.figure("opened_per_second", open as f64 / opened.as_secs_f64(), "");
    report.times("set_up", &set_up);
    report.times("round_trip", &trips);
    report.cost(before, middle, f64::from(args.connections) / 1000.0, "s for 1,000 tunnels opened");
    if let (Some(before), Some(after)) = (before, after) {
        report.figure("server_memory", after.memory / 1024.0, "MiB");
        report.figure("server_memory_per_tunnel", (after.own - before.own) / open.max(1) as f64, "KiB");
    }
    report.failed(failed, first);
    Ok(report)
}

/// One round trip through each tunnel, some at a time.
async fn round(
    tunnels: Vec<Stream>,
    size: usize,
    gate: &Arc<Semaphore>,
    trips: &mut Times,
) -> Result<(Vec<Stream>, Vec<String>)> {
    let mut under_way = JoinSet::new();
    for mut stream in tunnels {
        let gate = gate.clone();
        under_way.spawn(async move {
            let _turn = gate.acquire_owned().await;
            let start = Instant::now();
            trip(&mut stream, size).await.map(|()| (stream, start.elapsed()))
        });
    }
    let (mut back, mut errors) = (Vec::new(), Vec::new());
    while let Some(done) = under_way.join_next().await {
        match done? {
            Ok((stream, taken)) => {
                note(trips, taken);
                back.push(stream);
            }
            Err(error) => errors.push(error.to_string()),
        }
    }
    Ok((back, errors))
}

/// Sends some bytes and reads them back.
pub async fn trip(stream: &mut Stream, size: usize) -> Result<()> {
    let mut buffer = vec![0x5a; size];
    stream.write_all(&buffer).await?;
    stream.flush().await?;
    stream.read_exact(&mut buffer).await?;
    Ok(())
}
