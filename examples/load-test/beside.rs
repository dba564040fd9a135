//! The comparison: rustsocks and other servers in turns, in one run, each figure the median of its turns.
//!
//! Absolute figures drift by half from hour to hour on a shared machine. What holds is how servers
//! compare that took turns.

use crate::peers::{Peer, Running};
use crate::report::Report;
use crate::server::Cost;
use crate::socks::Proxy;
use crate::tls::Stream;
use crate::{Args, Direction, bulk, churn, hold, target, udp};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Result;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// What is measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Measure {
    /// Processor time for a GiB from the target.
    Down,
    /// Memory: of the idle server, and of an idle tunnel; time to open tunnels, many at a time.
    Hold,
    /// What a round trip of 64 bytes takes longer than without a proxy.
    Latency,
    /// Processor time for a connection, and connections a second.
    Connections,
    /// Processor time for datagrams.
    Udp,
    /// Processor time for a GiB to the target.
    Up,
}

impl Measure {
    const ALL: [Self; 6] = [Self::Connections, Self::Latency, Self::Down, Self::Up, Self::Udp, Self::Hold];
}

/// Each figure of each server, all turns of it.
#[derive(Debug, Default)]
pub struct Comparison {
    servers: Vec<String>,
    figures: Vec<(&'static str, BTreeMap<String, Vec<f64>>)>,
    failures: BTreeMap<String, u64>,
}

/// Runs it all.
pub async fn run(args: &Args) -> Result<Comparison> {
    let mut peers = vec![Peer::Rustsocks];
    peers.extend(args.beside.iter().cloned());
    let wanted = if args.only.is_empty() { &Measure::ALL[..] } else { &args.only[..] };
    let mut comparison = Comparison {
        servers: peers.iter().map(|peer| peer.name().to_owned()).collect(),
        ..Comparison::default()
    };
    let in_turns: Vec<_> = wanted.iter().filter(|measure| **measure != Measure::Hold).collect();
    if !in_turns.is_empty() {
        let running = peers.iter().map(|peer| peer.start(args)).collect::<Result<Vec<_>>>()?;
        for &&measure in &in_turns {
            let mut order: Vec<_> = peers.iter().zip(&running).collect();
            for turn in 0..args.turns {
                let direct = if measure == Measure::Latency { ping(None, args).await? } else { 0.0 };
                // No server has the same place, or the same one before it, in every turn; and none is
                // still warm from the turn before.
                let backwards: Vec<_> = order.iter().rev().copied().collect();
                for (peer, server) in if turn.is_multiple_of(2) { &order } else { &backwards } {
                    comparison.measure(measure, peer, server, args, direct).await?;
                }
                order.rotate_left(1);
            }
        }
    }
    if wanted.contains(&Measure::Hold) {
        for peer in &peers {
            // What a server has taken before would hide what tunnels take: each begins anew.
            let server = peer.start(args)?;
            comparison.measure(Measure::Hold, peer, &server, args, 0.0).await?;
        }
    }
    Ok(comparison)
}

/// The median of round trips through one tunnel, or without a proxy, in microseconds.
async fn ping(proxy: Option<&Proxy>, args: &Args) -> Result<f64> {
    let target = target::echo()?;
    let mut stream = match proxy {
        Some(proxy) => proxy.connect(target).await?,
        None => {
            let stream = TcpStream::connect(target).await?;
            stream.set_nodelay(true)?;
            Stream::Plain(stream)
        }
    };
    let mut trips = Vec::new();
    for _ in 0..ROUND_TRIPS {
        let start = Instant::now();
        hold::trip(&mut stream, usize::from(args.size)).await?;
        trips.push(start.elapsed().as_nanos() as f64 / 1000.0);
    }
    Ok(median(&trips))
}

impl Comparison {
    async fn measure(
        &mut self,
        measure: Measure,
        peer: &Peer,
        server: &Running,
        args: &Args,
        direct: f64,
    ) -> Result<()> {
        let (proxy, pid) = (Proxy { address: server.address(), login: None, tls: None }, Some(server.pid()));
        let name = peer.name();
        match measure {
            Measure::Connections => {
                let args = Args { connections: CONNECTIONS, concurrency: 32, rounds: 1, ..args.clone() };
                let report = churn::run(&args, proxy, pid).await?;
                self.take("CPU s for 1,000 connections", name, report.value("server_cpu_per"));
                self.take("connections/s", name, report.value("per_second"));
                self.failed(name, &report);
            }
            Measure::Down | Measure::Up => {
                let (figure, direction) = match measure {
                    Measure::Down => ("CPU s for a GiB down", Direction::Down),
                    _ => ("CPU s for a GiB up", Direction::Up),
                };
                let args = Args { connections: 2, direction, bytes: STREAM, ..args.clone() };
                let report = bulk::run(&args, proxy, pid).await?;
                self.failed(name, &report);
                // What was not moved cost little.
                if report.failures() == 0 {
                    self.take(figure, name, report.value("server_cpu_per"));
                }
            }
            Measure::Hold => {
                // What servers put in order after their start is done by then.
                tokio::time::sleep(SETTLED).await;
                let idle = Cost::of(pid).map(|cost| cost.memory / 1024.0);
                let args = Args { connections: TUNNELS, concurrency: 256, rounds: 0, ..args.clone() };
                let report = hold::run(&args, proxy, pid).await?;
                self.take("idle server, MiB", name, idle);
                self.take("idle tunnel, KiB", name, report.value("server_memory_per_tunnel"));
                self.take("set-up p99, ms", name, report.value("set_up.p99_ms"));
                self.failed(name, &report);
            }
            Measure::Latency => {
                let through = ping(Some(&proxy), args).await?;
                self.take("added p50 latency, µs", name, Some(through - direct));
            }
            Measure::Udp => {
                let args = Args { connections: 2, datagrams: DATAGRAMS, ..args.clone() };
                // Not every server speaks UDP.
                let Ok(report) = udp::run(&args, proxy, pid).await else { return Ok(()) };
                self.take("CPU s for 100,000 datagrams", name, report.value("server_cpu_per"));
            }
        }
        Ok(())
    }

    fn take(&mut self, figure: &'static str, server: &str, value: Option<f64>) {
        let Some(value) = value.filter(|value| value.is_finite()) else { return };
        if !self.figures.iter().any(|(known, _)| *known == figure) {
            self.figures.push((figure, BTreeMap::new()));
        }
        let taken = self.figures.iter_mut().find(|(known, _)| *known == figure);
        if let Some((_, servers)) = taken {
            servers.entry(server.to_owned()).or_default().push(value);
        }
    }

    fn failed(&mut self, server: &str, report: &Report) {
        *self.failures.entry(server.to_owned()).or_default() += report.failures();
    }

    /// How much went wrong with rustsocks; what the others do is theirs.
    pub fn failures(&self) -> u64 {
        self.failures.get("rustsocks").copied().unwrap_or(0)
    }

    /// A table for people: each median, and ours in relation to it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _infallible = write!(text, "{:30}", "");
        for server in &self.servers {
            let _infallible = write!(text, "{server:>20}");
        }
        for (figure, servers) in &self.figures {
            let _infallible = write!(text, "\n{figure:30}");
            let ours = servers.get("rustsocks").map(|turns| median(turns));
            for server in &self.servers {
                let cell = match (servers.get(server).map(|turns| median(turns)), ours) {
                    (Some(value), Some(ours)) if server != "rustsocks" => {
                        format!("{} (× {:.2})", short(value), ours / value)
                    }
                    (Some(value), _) => short(value),
                    (None, _) => "-".to_owned(),
                };
                let _infallible = write!(text, "{cell:>20}");
            }
        }
        let _infallible = write!(text, "\n{:30}", "failures");
        for server in &self.servers {
            let _infallible = write!(text, "{:>20}", self.failures.get(server).copied().unwrap_or(0));
        }
        text
    }

    /// All turns, for programs.
    pub fn json(&self) -> String {
        let figures: Map<String, Value> =
            self.figures.iter().map(|(figure, servers)| ((*figure).to_owned(), json!(servers))).collect();
        json!({ "servers": self.servers, "figures": figures, "failures": self.failures }).to_string()
    }
}

fn short(value: f64) -> String {
    if value >= 1000.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.3}")
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    if sorted.len().is_multiple_of(2) {
        (at(middle.saturating_sub(1)) + at(middle)) / 2.0
    } else {
        at(middle)
    }
}

const SETTLED: Duration = Duration::from_secs(3);
const CONNECTIONS: u32 = 5_000;
const ROUND_TRIPS: u32 = 5_000;
const STREAM: rustsocks::settings::value::Bytes = rustsocks::settings::value::Bytes(512 << 20);
const DATAGRAMS: u32 = 25_000;
const TUNNELS: u32 = 5_000;
