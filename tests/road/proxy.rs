//! A server inside the test, and clients that speak to it byte by byte.

use crate::support::{PATIENCE, connect, wait_for};
use rustsocks::auth::Authenticator;
use rustsocks::policy::LivePolicy;
use rustsocks::server::{Listener, Road, Stop, run};
use rustsocks::session::{SessionRecord, Sessions, Sink};
use rustsocks::settings::Settings;
use rustsocks::settings::value::Listen;
use rustsocks_compiler::Policy;
use rustsocks_compiler::model::HostFacts;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

/// Everything is passed.
pub const OPEN: &str = "policy 1\ndefault pass\n";

/// A running server; stopped when it is dropped.
pub struct Proxy {
    /// Where its listeners are.
    pub addresses: Vec<SocketAddr>,
    /// The first of them.
    pub address: SocketAddr,
    /// What its connections share.
    pub road: Arc<Road>,
    /// How it is stopped.
    pub stop: Stop,
    records: Records,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Clone, Default)]
struct Records(Arc<Mutex<Vec<Arc<SessionRecord>>>>);

impl Sink for Records {
    fn began(&self, _record: &Arc<SessionRecord>) {}

    fn ended(&self, record: &Arc<SessionRecord>, _was_live: bool) {
        self.0.lock().unwrap().push(Arc::clone(record));
    }
}

/// Compiles a policy.
#[track_caller]
pub fn policy(text: &str) -> Arc<Policy> {
    let texts = BTreeMap::from([("test.policy".to_string(), text.to_string())]);
    let loaded = rustsocks_compiler::load("test.policy", &texts, &HostFacts::default(), None);
    Arc::new(loaded.policy().unwrap_or_else(|| panic!("{:?}", loaded.diagnostics)))
}

impl Proxy {
    /// Starts one that passes everything.
    pub fn open() -> Self {
        Self::start(OPEN, |_| {})
    }

    /// Starts one with a policy and settings.
    #[track_caller]
    pub fn start(text: &str, change: impl FnOnce(&mut Settings)) -> Self {
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
        let addresses: Vec<SocketAddr> = listeners.iter().filter_map(|listener| listener.address()).collect();
        let live = Arc::new(LivePolicy::new(policy(text)));
        let records = Records::default();
        let sessions = Sessions::new(vec![Arc::new(records.clone())]);
        let auth = Authenticator::new(&settings.auth, None, None).expect("an authenticator");
        let road = Arc::new(Road::new(Arc::new(settings), live, auth, sessions, &addresses));
        let stop = Stop::default();
        let (going, until) = (Arc::clone(&road), stop.clone());
        let thread = std::thread::spawn(move || runtime.block_on(run(listeners, going, until)));
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let address = addresses.first().copied().unwrap_or(nowhere);
        Self { addresses, address, road, stop, records, thread: Some(thread) }
    }

    /// A new connection to it.
    pub fn client(&self) -> TcpStream {
        connect(self.address)
    }

    /// A client that has sent a SOCKS5 greeting without a method, and these bytes behind it, and
    /// has received the answer to the greeting.
    #[track_caller]
    pub fn asked(&self, request: &[u8]) -> TcpStream {
        let mut stream = self.client();
        send(&mut stream, &[&[5, 1, 0], request].concat());
        assert_eq!(receive::<2>(&mut stream), [5, 0]);
        stream
    }

    /// The reply code to a SOCKS5 request.
    #[track_caller]
    pub fn reply_to(&self, request: &[u8]) -> u8 {
        let mut stream = self.asked(request);
        let [version, code, ..] = receive::<10>(&mut stream);
        assert_eq!(version, 5);
        code
    }

    /// Waits for the record of an attempt that has ended.
    #[track_caller]
    pub fn record(&self, what: &str, fits: impl Fn(&SessionRecord) -> bool) -> Arc<SessionRecord> {
        wait_for(&format!("a record of {what}"), || self.records().into_iter().find(|record| fits(record)))
    }

    /// The records so far.
    pub fn records(&self) -> Vec<Arc<SessionRecord>> {
        self.records.0.lock().unwrap().clone()
    }

    /// Waits until this many attempts have ended; gives their records.
    #[track_caller]
    pub fn ended(&self, count: usize) -> Vec<Arc<SessionRecord>> {
        wait_for("the end of attempts", || Some(self.records()).filter(|records| records.len() >= count))
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
        Err(error) if error.kind() == ErrorKind::ConnectionReset => bytes,
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

/// Waits for a reset; an end in good order is none.
#[track_caller]
pub fn reset(stream: &mut TcpStream) {
    let mut bytes = [0; 4096];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => panic!("an end, not a reset"),
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
                return;
            }
        }
    }
}

/// Makes the coming close a reset.
pub fn reset_on_close(stream: &TcpStream) {
    socket2::SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO)).expect("is set");
}

/// A port that nobody listens on.
pub fn closed_port() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port")
}
