//! Moves many bytes through a few tunnels.

use crate::report::{Report, bar};
use crate::server::Cost;
use crate::socks::{Proxy, Shared};
use crate::target::{drain, fill};
use crate::tls::Stream;
use crate::{Args, Direction, target};
use std::io::Result;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

/// Runs it.
pub async fn run(args: &Args, proxy: Proxy, pid: Option<u32>) -> Result<Report> {
    let proxy: Shared = Arc::new(proxy);
    let target = target::bulk()?;
    let streams = args.connections.min(64);
    let bytes = args.bytes.0;
    let (up, down) = match args.direction {
        Direction::Both => (bytes, bytes),
        Direction::Down => (0, bytes),
        Direction::Up => (bytes, 0),
    };
    let progress = bar(u64::from(streams), "moving");
    let before = Cost::of(pid);
    let start = Instant::now();
    let mut under_way = JoinSet::new();
    for _ in 0..streams {
        under_way.spawn(stream(proxy.clone(), target, up, down));
    }
    let (mut failed, mut first) = (0, None);
    while let Some(done) = under_way.join_next().await {
        progress.inc(1);
        if let Err(error) = done? {
            failed += 1;
            first.get_or_insert_with(|| error.to_string());
        }
    }
    let taken = start.elapsed().as_secs_f64();
    let after = Cost::of(pid);
    progress.finish_and_clear();

    let moved = (up + down) as f64 * f64::from(streams);
    let mut report = Report::default();
    report.figure("streams", f64::from(streams), "");
    report.figure("moved", moved / f64::from(1 << 30), "GiB");
    report.figure("rate", moved * 8.0 / 1e9 / taken, "Gbit/s");
    report.cost(before, after, moved / f64::from(1 << 30), "s for 1 GiB");
    report.failed(failed, first);
    Ok(report)
}

async fn stream(proxy: Shared, target: SocketAddr, up: u64, down: u64) -> Result<()> {
    let mut stream = proxy.connect(target).await?;
    stream.write_u64(up).await?;
    stream.write_u64(down).await?;
    match stream {
        Stream::Plain(mut stream) => {
            let (reader, writer) = stream.split();
            both(reader, writer, up, down).await
        }
        Stream::Tls(stream) => {
            let (reader, writer) = tokio::io::split(stream);
            both(reader, writer, up, down).await
        }
    }
}

async fn both(
    reader: impl AsyncReadExt + Unpin,
    mut writer: impl AsyncWriteExt + Unpin,
    up: u64,
    down: u64,
) -> Result<()> {
    let give = async {
        fill(&mut writer, up).await?;
        writer.shutdown().await
    };
    tokio::try_join!(give, drain(reader, down)).map(|_| ())
}
