//! What the end-to-end tests share: the server as a child process, targets to reach through it,
//! and waiting with a deadline instead of sleeping.
#![expect(dead_code, reason = "each test binary uses its own part of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up: long, since machines are loaded.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Asks again and again until there is an answer.
#[track_caller]
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "no sign of this for {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A command whose process ends with the test, without the settings of the machine.
pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy().to_ascii_lowercase();
        if text.starts_with("rustsocks_") || text.ends_with("_proxy") || text == "xdg_state_home" {
            command.env_remove(&name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// The program under test.
pub fn rustsocks() -> Command {
    command(env!("CARGO_BIN_EXE_rustsocks"))
}

/// What a finished command said.
#[derive(Debug)]
pub struct Said {
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Said {
    /// Its exit code; -1 if a signal ended it.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }
}

/// Runs a command to its end, within the deadline.
#[track_caller]
pub fn run(command: &mut Command) -> Said {
    let mut child = Kept(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts"));
    let out = read_all(child.0.stdout.take());
    let err = read_all(child.0.stderr.take());
    let status = wait_for(&format!("the end of {command:?}"), || child.0.try_wait().expect("is a child"));
    Said { status, out: out.join().expect("reads"), err: err.join().expect("reads") }
}

fn read_all(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // A reader that is cut short shows in what the test then misses.
        let _cut = pipe.expect("is piped").read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// A child that is killed when the test lets go of it.
#[derive(Debug)]
pub struct Kept(pub Child);

impl Drop for Kept {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// A running server, on free ports, with a store of its own.
#[derive(Debug)]
pub struct Daemon {
    child: Kept,
    /// Addresses of its SOCKS listeners.
    pub listeners: Vec<SocketAddr>,
    /// Address of its API.
    pub api: Option<SocketAddr>,
    /// What it printed before it was ready.
    pub banner: String,
    log: Arc<Mutex<String>>,
    dir: tempfile::TempDir,
}

impl Daemon {
    /// Starts it with a policy, written into a folder of its own as `test.policy`.
    #[track_caller]
    pub fn start(policy: &str) -> Self {
        Self::start_with(policy, |_| {})
    }

    /// The same, with more arguments, or others.
    #[track_caller]
    pub fn start_with(policy: &str, change: impl FnOnce(&mut Command)) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("test.policy");
        std::fs::write(&path, policy).expect("a policy");
        Self::launch(dir, |command| {
            command.arg("--policy").arg(&path).args(["--listen", "127.0.0.1:0"]);
            change(command);
        })
    }

    /// Starts it with the arguments that `change` adds, and a store and an API of its own.
    #[track_caller]
    pub fn launch(dir: tempfile::TempDir, change: impl FnOnce(&mut Command)) -> Self {
        let mut command = rustsocks();
        command.arg("serve").arg("--store").arg(dir.path().join("store")).args(["--api", "127.0.0.1:0"]);
        // Tests ask often.
        command.args(["--set", "api.rate=0"]);
        change(&mut command);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Kept(command.spawn().expect("the server starts"));
        let log = Arc::new(Mutex::new(String::new()));
        collect(child.0.stderr.take().expect("is piped"), log.clone());
        let banner = Arc::new(Mutex::new(String::new()));
        collect(child.0.stdout.take().expect("is piped"), banner.clone());
        let banner = wait_for("the banner of the server", || {
            let text = banner.lock().expect("is whole").clone();
            if let Some(status) = child.0.try_wait().expect("is a child") {
                panic!("the server ended with {status}: {text}\n{}", log.lock().expect("is whole"));
            }
            text.contains("Ready.").then_some(text)
        });
        let addresses = |word: &str| -> Vec<SocketAddr> {
            let lines = banner.lines().filter(|line| line.split_whitespace().next() == Some(word));
            lines
                .flat_map(|line| line.split_whitespace())
                .filter_map(|word| word.rsplit("//").next().and_then(|address| address.parse().ok()))
                .collect()
        };
        let (listeners, api) = (addresses("listener"), addresses("api").first().copied());
        Self { child, listeners, api, banner, log, dir }
    }

    /// Kills it and keeps its folder, for another one to start in.
    pub fn into_dir(self) -> tempfile::TempDir {
        let Self { child, dir, .. } = self;
        drop(child);
        dir
    }

    /// Its first SOCKS listener.
    pub fn socks(&self) -> SocketAddr {
        self.listeners[0]
    }

    /// The folder that holds `test.policy` and the store.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The policy that it was started with.
    pub fn policy(&self) -> PathBuf {
        self.dir.path().join("test.policy")
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("is whole").clone()
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.0.id()).expect("is a pid")
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid()), signal).expect("is ours");
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        wait_for("the end of the server", || self.child.0.try_wait().expect("is a child"))
    }

    /// Asks its API and gives status and body.
    #[track_caller]
    pub fn get(&self, path: &str) -> (u16, String) {
        http(self.api.expect("has an API"), "GET", path)
    }

    /// Asks its API for JSON.
    #[track_caller]
    pub fn json(&self, path: &str) -> serde_json::Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).expect("is JSON")
    }

    /// Asks its API to do something and gives status and body.
    #[track_caller]
    pub fn post(&self, path: &str) -> (u16, String) {
        http(self.api.expect("has an API"), "POST", path)
    }
}

fn collect(pipe: impl Read + Send + 'static, into: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let mut text = into.lock().expect("is whole");
            text.push_str(&String::from_utf8_lossy(&line));
            text.push('\n');
        }
    });
}

/// One HTTP request on a connection of its own.
#[track_caller]
pub fn http(to: SocketAddr, method: &str, path: &str) -> (u16, String) {
    let mut stream = connect(to);
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    )
    .expect("is sent");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("is answered");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").expect("is HTTP");
    let status = head.split_whitespace().nth(1).and_then(|code| code.parse().ok()).expect("has a status");
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    (status, if chunked { unchunk(body) } else { body.into() })
}

fn unchunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).expect("is a size");
        if size == 0 {
            break;
        }
        whole += &rest[..size];
        body = &rest[size + 2..];
    }
    whole
}

/// A connection with deadlines on both directions.
#[track_caller]
pub fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&to, PATIENCE).expect("connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("has a deadline");
    stream.set_write_timeout(Some(PATIENCE)).expect("has a deadline");
    stream
}

/// Opens a tunnel by SOCKS5 without a method; gives the reply code if it is not 0, and 255 where the
/// server takes no client without a method.
#[track_caller]
pub fn tunnel(proxy: SocketAddr, target: SocketAddr) -> Result<TcpStream, u8> {
    let mut stream = connect(proxy);
    let mut request = vec![5, 1, 0, 5, 1, 0];
    match target.ip() {
        IpAddr::V4(address) => {
            request.push(1);
            request.extend(address.octets());
        }
        IpAddr::V6(address) => {
            request.push(4);
            request.extend(address.octets());
        }
    }
    request.extend(target.port().to_be_bytes());
    stream.write_all(&request).expect("is sent");
    let mut method = [0; 2];
    stream.read_exact(&mut method).expect("is answered");
    if method == [5, 0xff] {
        return Err(0xff);
    }
    assert_eq!(method, [5, 0]);
    let mut reply = [0; 4];
    stream.read_exact(&mut reply).expect("is answered");
    if reply[1] != 0 {
        return Err(reply[1]);
    }
    let rest = if reply[3] == 1 { 6 } else { 18 };
    stream.read_exact(&mut vec![0; rest]).expect("is whole");
    Ok(stream)
}

/// A target on loopback that ends with the test binary.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Where it is.
    pub address: SocketAddr,
}

impl Target {
    /// Sends back what it is sent, until the end of each direction.
    pub fn echo(address: &str) -> Self {
        Self::serve(address, |mut stream| {
            let mut reader = stream.try_clone()?;
            std::io::copy(&mut reader, &mut stream)?;
            stream.shutdown(std::net::Shutdown::Write)
        })
    }

    /// Answers each HTTP request with a text.
    pub fn web(address: &str, body: &'static str) -> Self {
        Self::serve(address, move |mut stream| {
            let mut lines = BufReader::new(stream.try_clone()?).lines();
            while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            )?;
            stream.shutdown(std::net::Shutdown::Write)
        })
    }

    /// Does the same for every connection, each on a thread of its own.
    pub fn serve(
        address: &str,
        job: impl Fn(TcpStream) -> std::io::Result<()> + Clone + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).expect("a free port");
        let address = listener.local_addr().expect("is bound");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let job = job.clone();
                std::thread::spawn(move || job(stream));
            }
        });
        Self { address }
    }

    /// Sends back each datagram.
    pub fn udp_echo(address: &str) -> Self {
        let socket = UdpSocket::bind(address).expect("a free port");
        let address = socket.local_addr().expect("is bound");
        std::thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                // Whoever asked may have gone.
                let _gone = socket.send_to(&buffer[..length], from);
            }
        });
        Self { address }
    }
}
