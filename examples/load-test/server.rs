//! The server's process: starting one, and reading from `/proc` what it costs.

use crate::Args;
use std::io::{BufRead, BufReader, Error, Result};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

/// The argument by which this program is rustsocks instead.
const SERVE: &str = "--as-rustsocks";

/// Where this process was started to be the server: serves, and gives the exit code.
pub fn serve_instead() -> Option<ExitCode> {
    let mut args = std::env::args_os();
    let program = args.next()?;
    (args.next()? == SERVE).then(|| rustsocks::cli::main_with(std::iter::once(program).chain(args)))
}

/// As many descriptors as the system lets this process have.
pub fn raise_descriptors() -> u64 {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 1024 };
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => soft,
    }
}

/// An address on loopback that nobody listens on. Its port is below those that connections get: of
/// these a long load leaves none.
pub fn free_address() -> Result<SocketAddr> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Those that run beside this one have ids next to its own, and begin elsewhere.
    let start = u16::try_from(u64::from(std::process::id()) * 61 % u64::from(PORTS)).unwrap_or(0);
    for _ in 0..PORTS {
        let step = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST_PORT + step));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Err(std::io::ErrorKind::AddrInUse.into())
}

const FIRST_PORT: u16 = 12_000;
const PORTS: u16 = 20_000;

/// A rustsocks of our own, killed when it is dropped.
pub struct Started {
    child: Child,
    address: SocketAddr,
    /// What vouches for its certificate, where it speaks TLS.
    authority: Option<PathBuf>,
    _folder: tempfile::TempDir,
}

const POLICY: &str = "policy 1\nsocks pass load { from: @loopback  to: @loopback }\n";

impl Started {
    /// Starts it and waits until it serves.
    pub fn start(args: &Args) -> Result<Self> {
        Self::start_in(tempfile::tempdir()?, args)
    }

    /// Starts it with a folder that lives as long as it does.
    pub fn start_in(folder: tempfile::TempDir, args: &Args) -> Result<Self> {
        let own = folder.path().join("load.policy");
        std::fs::write(&own, POLICY)?;
        let settings = folder.path().join("settings.ron");
        let authority = args.tls.tls.then(|| folder.path().join("server.pem"));
        std::fs::write(&settings, listener(authority.as_deref())?)?;
        let mut child = Command::new(std::env::current_exe()?)
            .args([SERVE, "serve", "--api", "none", "--policy"])
            .arg(args.policy.as_ref().unwrap_or(&own))
            .arg("--settings")
            .arg(&settings)
            .arg("--store")
            .arg(folder.path().join("store"))
            .args(["--set", "log.level=error"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child.stdout.take().ok_or_else(|| Error::other("no output"))?;
        let mut address = None;
        for line in BufReader::new(out).lines() {
            let line = line?;
            let mut words = line.split_whitespace();
            if words.next() == Some("listener") {
                address = words.next().and_then(|word| word.parse().ok());
            }
            if line == "Ready." {
                break;
            }
        }
        let Some(address) = address else {
            let _reaped = child.wait();
            return Err(Error::other("rustsocks did not start; its own words stand above"));
        };
        Ok(Self { child, address, authority, _folder: folder })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What vouches for its certificate, where it speaks TLS.
    pub fn authority(&self) -> Option<PathBuf> {
        self.authority.clone()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Settings with one listener; it speaks TLS where there is a place for its certificate, which is
/// written there with its key beside it.
fn listener(certificate: Option<&Path>) -> Result<String> {
    let address = free_address()?;
    let Some(file) = certificate else { return Ok(format!(r#"(listeners: [(address: "{address}")])"#)) };
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).map_err(Error::other)?;
    let key = file.with_extension("key");
    std::fs::write(file, made.cert.pem())?;
    std::fs::write(&key, made.signing_key.serialize_pem())?;
    Ok(format!(r#"(listeners: [(address: "{address}", tls: (certificate: {file:?}, key: {key:?}))])"#))
}

/// What a process and all that it has started have cost so far.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Processor time in seconds, user and system.
    pub cpu: f64,
    /// Memory in KiB: its own and its share of what is shared.
    pub memory: f64,
    /// Of that, what is not pages of files: code comes and goes with what runs.
    pub own: f64,
}

impl Cost {
    /// Reads it; `None` where the process is unknown or not there.
    pub fn of(pid: Option<u32>) -> Option<Self> {
        let pid = pid?;
        let memory = memory(pid)?;
        let own = memory - pages_of_files(pid).unwrap_or(0.0);
        let mut cost = Self { cpu: own_time(pid)?, memory, own };
        // Some servers are many processes.
        for child in children(pid) {
            // It may have ended; then its time is in that of its parent.
            if let Some(further) = Self::of(Some(child)) {
                cost.cpu += further.cpu;
                cost.memory += further.memory;
                cost.own += further.own;
            }
        }
        Some(cost)
    }
}

/// The time of a process and of those children that it has buried.
fn own_time(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; what follows it does not.
    let fields = stat.rsplit_once(')')?.1.split_whitespace();
    let ticks: f64 = fields.skip(11).take(4).filter_map(|field| field.parse::<f64>().ok()).sum();
    // USER_HZ is 100 on every Linux that we run on.
    Some(ticks / 100.0)
}

fn memory(pid: u32) -> Option<f64> {
    told(pid, "smaps_rollup", "Pss:").or_else(|| told(pid, "status", "VmRSS:"))
}

fn pages_of_files(pid: u32) -> Option<f64> {
    told(pid, "smaps_rollup", "Pss_File:")
}

/// A value in KiB from a file of the process.
fn told(pid: u32, file: &str, name: &str) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

/// Those whose parent is the process.
pub fn children(pid: u32) -> Vec<u32> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|&child| parent(child) == Some(pid)).collect()
}

fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}
