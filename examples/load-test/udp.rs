//! Sends datagrams through associations, a few in flight at a time, and counts what comes back.

use crate::report::{Report, Times, bar, note, times};
use crate::server::Cost;
use crate::socks::{Proxy, Shared, put_address};
use crate::{Args, target};
use std::io::Result;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Datagrams in flight of one association.
const WINDOW: u32 = 16;
/// After that long without an answer what is in flight is given up.
const PATIENCE: Duration = Duration::from_secs(1);

/// Runs it.
pub async fn run(args: &Args, proxy: Proxy, pid: Option<u32>) -> Result<Report> {
    let proxy: Shared = Arc::new(proxy);
    let target = target::udp_echo().await?;
    let associations = args.connections.min(64);
    let progress = bar(u64::from(associations) * u64::from(args.datagrams), "sending");
    let before = Cost::of(pid);
    let start = Instant::now();
    let mut under_way = JoinSet::new();
    for _ in 0..associations {
        let (proxy, progress) = (proxy.clone(), progress.clone());
        let (count, size) = (args.datagrams, usize::from(args.size));
        under_way.spawn(async move { association(&proxy, target, count, size, &progress).await });
    }
    let (mut trips, mut lost, mut failed, mut first) = (times(), 0, 0, None);
    while let Some(done) = under_way.join_next().await {
        match done? {
            Ok((more, missing)) => {
                // The bounds are the same.
                let _same = trips.add(more);
                lost += missing;
            }
            Err(error) => {
                failed += 1;
                first.get_or_insert_with(|| error.to_string());
            }
        }
    }
    let taken = start.elapsed().as_secs_f64();
    let after = Cost::of(pid);
    progress.finish_and_clear();

    let back = trips.len() as f64;
    let mut report = Report::default();
    report.figure("associations", f64::from(associations), "");
    report.figure("datagrams_back", back, "");
    report.figure("datagrams_lost", f64::from(lost), "");
    report.figure("per_second", back / taken, "");
    report.times("round_trip", &trips);
    report.cost(before, after, back * 2.0 / 100_000.0, "s for 100,000 datagrams relayed");
    report.failed(failed, first);
    Ok(report)
}

async fn association(
    proxy: &Proxy,
    target: SocketAddr,
    count: u32,
    size: usize,
    progress: &indicatif::ProgressBar,
) -> Result<(Times, u32)> {
    let (_control, relay) = proxy.associate().await?;
    let local = if relay.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
    let socket = UdpSocket::bind(local).await?;
    socket.connect(relay).await?;
    let mut datagram = vec![0, 0, 0];
    put_address(&mut datagram, target);
    let head = datagram.len();
    datagram.resize(head + size, 0x5a);

    let (mut trips, mut sent, mut back, mut lost) = (times(), 0_u32, 0_u32, 0_u32);
    let mut buffer = vec![0; 65_536];
    let origin = Instant::now();
    while back + lost < count {
        while sent < count && sent - back - lost < WINDOW {
            // Each carries when it was sent.
            let now = u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX);
            if let Some(stamp) = datagram.get_mut(head..head + 8) {
                stamp.copy_from_slice(&now.to_be_bytes());
            }
            socket.send(&datagram).await?;
            sent += 1;
        }
        let Ok(received) = timeout(PATIENCE, socket.recv(&mut buffer)).await else {
            lost = sent - back;
            continue;
        };
        let stamp = buffer.get(head..received?).and_then(|payload| payload.first_chunk::<8>());
        if let Some(stamp) = stamp {
            let then = Duration::from_nanos(u64::from_be_bytes(*stamp));
            note(&mut trips, origin.elapsed().saturating_sub(then));
            back = (back + 1).min(sent - lost);
            progress.inc(1);
        }
    }
    Ok((trips, lost))
}
