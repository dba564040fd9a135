//! Servers to stand beside rustsocks: starting and ending them.

use crate::Args;
use crate::server::{Started, children, free_address};
use std::io::{Error, Result, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};

/// A server that is compared.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Peer {
    /// Any other, by a command in which `{port}` stands for the port of 127.0.0.1 to listen on.
    Command {
        /// What it is called in the table.
        name: String,
        /// The command, in words.
        words: Vec<String>,
    },
    /// Debian's dante-server, started with a configuration of its own.
    Dante,
    /// Debian's microsocks.
    Microsocks,
    /// rustsocks itself, with a policy of one rule.
    Rustsocks,
    /// rustsocks itself, with a policy of 10,000 rules.
    RustsocksManyRules,
}

impl FromStr for Peer {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        match (text, text.split_once('=')) {
            ("dante", _) => Ok(Self::Dante),
            ("microsocks", _) => Ok(Self::Microsocks),
            ("many-rules", _) => Ok(Self::RustsocksManyRules),
            (_, Some((name, command))) if command.contains("{port}") => {
                let words = command.split_whitespace().map(str::to_owned).collect();
                Ok(Self::Command { name: name.to_owned(), words })
            }
            _ => {
                Err("say `dante`, `microsocks`, `many-rules`, or `NAME=COMMAND` with `{port}` in the command")
            }
        }
    }
}

impl Peer {
    /// What it is called in the table.
    pub fn name(&self) -> &str {
        match self {
            Self::Command { name, .. } => name,
            Self::Dante => "dante",
            Self::Microsocks => "microsocks",
            Self::Rustsocks => "rustsocks",
            Self::RustsocksManyRules => "many-rules",
        }
    }

    /// Starts it and waits until it serves.
    pub fn start(&self, args: &Args) -> Result<Running> {
        let folder = tempfile::tempdir()?;
        let address = free_address()?;
        let port = address.port();
        let words = match self {
            Self::Rustsocks => return Started::start(args).map(Running::Rustsocks),
            Self::RustsocksManyRules => {
                let policy = folder.path().join("many.policy");
                many_rules(&policy)?;
                let args = Args { policy: Some(policy), ..args.clone() };
                return Started::start_in(folder, &args).map(Running::Rustsocks);
            }
            Self::Command { words, .. } => {
                words.iter().map(|word| word.replace("{port}", &port.to_string())).collect()
            }
            Self::Dante => {
                let conf = folder.path().join("danted.conf");
                std::fs::write(&conf, DANTE.replace("{port}", &port.to_string()))?;
                vec!["danted".into(), "-f".into(), conf.display().to_string()]
            }
            Self::Microsocks => ["microsocks", "-i", "127.0.0.1", "-p"]
                .map(str::to_owned)
                .into_iter()
                .chain([port.to_string()])
                .collect(),
        };
        Other::start(&words, address, folder).map(Running::Other)
    }
}

/// A server that runs until this is dropped.
pub enum Running {
    /// Another.
    Other(Other),
    /// Ours.
    Rustsocks(Started),
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Other(other) => other.address,
            Self::Rustsocks(ours) => ours.address(),
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        match self {
            Self::Other(other) => other.child.id(),
            Self::Rustsocks(ours) => ours.pid(),
        }
    }
}

/// A server of others.
pub struct Other {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Other {
    fn start(words: &[String], address: SocketAddr, folder: tempfile::TempDir) -> Result<Self> {
        let (program, arguments) = words.split_first().ok_or_else(|| Error::other("no command"))?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child =
            command.spawn().map_err(|error| Error::new(error.kind(), format!("{program}: {error}")))?;
        let mut other = Self { child, address, _folder: folder };
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let serves = TcpStream::connect(address).is_ok();
            let ended = other.child.try_wait()?.is_some();
            if serves && !ended {
                return Ok(other);
            }
            if ended || Instant::now() > deadline {
                return Err(Error::other(format!("{program} does not serve on {address}")));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Other {
    /// Ends it and all that it has started: by their process ids, and nothing else.
    fn drop(&mut self) {
        use nix::sys::signal::{Signal, kill};
        use nix::unistd::Pid;
        // The id of one that was reaped may be another's by now.
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        let mut family = vec![self.child.id()];
        let mut next = 0;
        while let Some(&pid) = family.get(next) {
            family.extend(children(pid));
            next += 1;
        }
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            for pid in family.iter().filter_map(|&pid| i32::try_from(pid).ok()) {
                // It may have ended by itself.
                let _ended = kill(Pid::from_raw(pid), signal);
            }
            let deadline = Instant::now() + END_WITHIN;
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::sleep(LOOK_EVERY);
            }
        }
        let _reaped = self.child.wait();
    }
}

/// Writes a policy whose last rule alone speaks of what is asked.
fn many_rules(path: &Path) -> Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    writeln!(file, "policy 1")?;
    for rule in 0..9_999_u32 {
        let (high, low) = (rule / 256, rule % 256);
        writeln!(file, "socks block r{rule} {{ to: 10.{high}.{low}.0/24  port: {} }}", rule + 1)?;
    }
    writeln!(file, "socks pass load {{ from: @loopback  to: @loopback }}")?;
    file.flush()
}

const DANTE: &str = "internal: 127.0.0.1 port = {port}
external: lo
clientmethod: none
socksmethod: none
user.privileged: root
user.unprivileged: nobody
errorlog: /dev/null
client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }
socks pass { from: 127.0.0.0/8 to: 0.0.0.0/0
  command: bind connect udpassociate bindreply udpreply }
";
const READY_WITHIN: Duration = Duration::from_secs(20);
const END_WITHIN: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(50);
