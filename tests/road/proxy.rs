//! A server inside the test, and clients that speak to it byte by byte.

use crate::support::{PATIENCE, connect};
use rustsocks::auth::Authenticator;
use rustsocks::policy::LivePolicy;
use rustsocks::server::{Listener, Road, Stop, run};
use rustsocks::session::Sessions;
use rustsocks::settings::Settings;
use rustsocks::settings::value::Listen;
use rustsocks_compiler::Policy;
use rustsocks_compiler::model::{Model, Verdict};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

/// A running server; stopped when it is dropped.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    /// What its connections share.
    pub road: Arc<Road>,
    stop: Stop,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Everything is passed.
pub fn open() -> Model {
    let mut model = Model::default();
    model.defaults.socks = Verdict::Pass;
    model
}

impl Proxy {
    /// Starts one that passes everything.
    pub fn open() -> Self {
        Self::start(open(), |_| {})
    }

    /// Starts one with a policy and settings.
    pub fn start(model: Model, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        settings.listeners[0].address = Listen::Tcp("127.0.0.1:0".parse().unwrap());
        change(&mut settings);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let inside = runtime.enter();
        let listeners: Vec<Arc<Listener>> = settings
            .listeners
            .iter()
            .map(|one| Listener::open(one, settings.limits.backlog, settings.relay.keepalive))
            .map(|listener| Arc::new(listener.expect("a listener")))
            .collect();
        drop(inside);
        let own: Vec<SocketAddr> = listeners.iter().filter_map(|listener| listener.address()).collect();
        let policy = Arc::new(LivePolicy::new(Arc::new(Policy::compile(Arc::new(model)))));
        let sessions = Sessions::default();
        let road = Road::new(Arc::new(settings), policy, Authenticator::default(), sessions, &own);
        let road = Arc::new(road);
        let stop = Stop::default();
        let (going, until) = (Arc::clone(&road), stop.clone());
        let thread = std::thread::spawn(move || runtime.block_on(run(listeners, going, until)));
        Self { address: own[0], road, stop, thread: Some(thread) }
    }

    /// A new connection to it.
    pub fn client(&self) -> TcpStream {
        connect(self.address)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.now.cancel();
        self.stop.gently.cancel();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(std::thread::panicking() || ended.is_ok(), "the server ends in peace");
        }
    }
}

/// Sends bytes.
pub fn send(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).expect("is sent");
}

/// Receives exactly so many bytes.
#[track_caller]
pub fn receive<const N: usize>(stream: &mut TcpStream) -> [u8; N] {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).expect("comes within the deadline");
    bytes
}

/// Everything up to the end, which must come.
#[track_caller]
pub fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.set_read_timeout(Some(PATIENCE)).expect("has a deadline");
    match stream.read_to_end(&mut bytes) {
        Ok(_) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => bytes,
        Err(error) => panic!("no end: {error}"),
    }
}

/// A SOCKS5 CONNECT without a method, with the target's address.
pub fn request(command: u8, target: SocketAddr) -> Vec<u8> {
    let mut bytes = vec![5, command, 0];
    match target {
        SocketAddr::V4(v4) => {
            bytes.push(1);
            bytes.extend(v4.ip().octets());
        }
        SocketAddr::V6(v6) => {
            bytes.push(4);
            bytes.extend(v6.ip().octets());
        }
    }
    bytes.extend(target.port().to_be_bytes());
    bytes
}

/// A SOCKS5 request with a name.
pub fn request_name(command: u8, name: &[u8], port: u16) -> Vec<u8> {
    let mut bytes = vec![5, command, 0, 3, u8::try_from(name.len()).expect("fits")];
    bytes.extend(name);
    bytes.extend(port.to_be_bytes());
    bytes
}
