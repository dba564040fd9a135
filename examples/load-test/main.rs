//! Loads a SOCKS5 server and says how it bears it: time to open a tunnel, time of a round trip,
//! bytes and datagrams per second, and what it cost the server in processor time and memory.
//!
//! ```text
//! cargo run --release --example load-test -- --connections 5000
//! cargo run --release --example load-test -- --proxy 127.0.0.1:1081 --pid 4711 --mode bulk --json
//! cargo run --release --example load-test -- --tls --mode churn
//! cargo run --release --example load-test -- --beside dante --beside microsocks --beside many-rules
//! ```
//!
//! Without `--proxy` it starts rustsocks in a process of its own, with a policy that passes
//! loopback. The target is its own too; nothing leaves the machine. It ends by itself.

mod beside;
mod bulk;
mod churn;
mod hold;
mod peers;
mod report;
mod server;
mod socks;
mod target;
mod tls;
mod udp;

use clap::{Parser, ValueEnum};
use report::Report;
use rustsocks::settings::value::{Bytes, Span};
use socks::Proxy;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;
use tls::{Tls, TlsArgs};

/// Loads a SOCKS5 server and says how it bears it.
#[derive(Clone, Debug, Parser)]
#[command(name = "load-test", max_term_width = 100)]
struct Args {
    /// What is done.
    #[arg(long, value_enum, default_value_t = Mode::Hold)]
    mode: Mode,

    /// Tunnels in all (hold, churn), or side by side (bulk); associations side by side (udp).
    #[arg(long, short = 'n', default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    connections: u32,

    /// Tunnels that are opened at a time.
    #[arg(long, short = 'c', default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    concurrency: u32,

    /// Round trips through each tunnel.
    #[arg(long, default_value_t = 10)]
    rounds: u32,

    /// Bytes of a round trip or of a datagram.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(16..=16_384))]
    size: u16,

    /// Bytes moved in each direction by each stream (bulk).
    #[arg(long, default_value = "256MiB")]
    bytes: Bytes,

    /// Which way bytes are moved (bulk).
    #[arg(long, value_enum, default_value_t = Direction::Down)]
    direction: Direction,

    /// Datagrams of each association (udp).
    #[arg(long, default_value_t = 100_000)]
    datagrams: u32,

    /// The server; without it rustsocks is started.
    #[arg(long, value_name = "ADDR:PORT")]
    proxy: Option<SocketAddr>,

    /// The server's process, to count its processor time and memory.
    #[arg(long)]
    pid: Option<u32>,

    /// A policy for the rustsocks that is started, instead of one that passes loopback.
    #[arg(long, conflicts_with = "proxy")]
    policy: Option<std::path::PathBuf>,

    /// Measures everything, rustsocks and this server taking turns: `dante`, `microsocks`,
    /// `many-rules` (rustsocks with 10,000 rules), or `NAME=COMMAND` with `{port}` in the command.
    #[arg(long, value_name = "SERVER", conflicts_with_all = ["proxy", "mode", "policy", "tls"])]
    beside: Vec<peers::Peer>,

    /// Turns of each server in a comparison.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    turns: u32,

    /// What is compared, instead of everything.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<beside::Measure>,

    /// User name (RFC 1929).
    #[arg(long, requires = "password")]
    user: Option<String>,

    /// Password (RFC 1929).
    #[arg(long, requires = "user")]
    password: Option<String>,

    /// The end of it all, done or not.
    #[arg(long, default_value = "5m")]
    deadline: Span,

    /// The report as JSON.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    tls: TlsArgs,
}

/// What is done.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Mode {
    /// Moves many bytes through a few tunnels.
    Bulk,
    /// Opens a tunnel, makes the round trips, closes it, and again.
    Churn,
    /// Opens all tunnels, then makes round trips through all of them.
    Hold,
    /// Sends datagrams and counts what comes back.
    Udp,
}

/// Which way bytes are moved.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Direction {
    /// Both at once.
    Both,
    /// From the target to the client.
    Down,
    /// From the client to the target.
    Up,
}

fn main() -> ExitCode {
    if let Some(code) = server::serve_instead() {
        return code;
    }
    let args = Args::parse();
    let done = if args.beside.is_empty() {
        run(&args).map(|report| (if args.json { report.json() } else { report.text() }, report.failures()))
    } else {
        compare(&args).map(|all| (if args.json { all.json() } else { all.text() }, all.failures()))
    };
    match done {
        Ok((text, failures)) => {
            anstream::println!("{text}");
            if failures == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(error) => {
            if args.json {
                anstream::println!("{}", serde_json::json!({ "error": error.to_string() }));
            }
            anstream::eprintln!("load-test: {error}");
            ExitCode::from(1)
        }
    }
}

fn compare(args: &Args) -> Result<beside::Comparison, Box<dyn std::error::Error>> {
    server::raise_descriptors();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    Ok(runtime.block_on(beside::run(args))?)
}

fn run(args: &Args) -> Result<Report, Box<dyn std::error::Error>> {
    let limit = server::raise_descriptors();
    let wanted = u64::from(args.connections) * 2 + 64;
    if args.mode == Mode::Hold && limit < wanted {
        return Err(format!(
            "{} tunnels need {wanted} descriptors and this process may have {limit}; raise the limit with \
             `ulimit -n`, or ask for fewer",
            args.connections
        )
        .into());
    }
    if let Some(pid) = args.pid.filter(|&pid| server::Cost::of(Some(pid)).is_none()) {
        return Err(format!("there is no process {pid}, or it may not be looked at; mend `--pid`").into());
    }
    let started = args.proxy.is_none().then(|| server::Started::start(args)).transpose()?;
    let address = args.proxy.or_else(|| started.as_ref().map(server::Started::address));
    let address = address.ok_or("there is no server")?;
    let login = args.user.clone().zip(args.password.clone());
    let authority = started.as_ref().and_then(server::Started::authority);
    let tls = Tls::new(&args.tls, address.ip(), authority)?;
    let proxy = Proxy { address, login, tls };
    let pid = args.pid.or_else(|| started.as_ref().map(server::Started::pid));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let deadline = args.deadline.limit().unwrap_or(Duration::from_secs(3600));
    runtime.block_on(async {
        let work = async {
            match args.mode {
                Mode::Bulk => bulk::run(args, proxy, pid).await,
                Mode::Churn => churn::run(args, proxy, pid).await,
                Mode::Hold => hold::run(args, proxy, pid).await,
                Mode::Udp => udp::run(args, proxy, pid).await,
            }
        };
        let late = |_| format!("not done after {}; give a longer `--deadline`", args.deadline);
        let report: std::io::Result<Report> = tokio::time::timeout(deadline, work).await.map_err(late)?;
        let report = report?;
        match report.first_failure() {
            // Figures of nothing say nothing.
            Some(first) if report.failures() >= u64::from(args.connections) => {
                Err(format!("nothing came through {address}: {first}").into())
            }
            _ => Ok(report),
        }
    })
}
