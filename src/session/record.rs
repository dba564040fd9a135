//! The record of one attempt: passed, blocked or failed.

use super::CloseReason;
use rustsocks_compiler::request::{Command, Method, ProxyProtocol};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// UUIDv7 (RFC 9562 §5.7): sorts by its time of birth.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionId(pub uuid::Uuid);

impl SessionId {
    /// A new one.
    pub fn new() -> Self {
        Self(uuid::Uuid::now_v7())
    }
}

impl Default for SessionId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for SessionId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Microseconds since the epoch.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UnixMicros(pub i64);

impl UnixMicros {
    /// Now, by the system's clock.
    pub fn now() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self(since.map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The time from an earlier instant; zero if it is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The instant that lies this much earlier.
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for UnixMicros {
    /// RFC 3339 in UTC with microseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => write!(f, "{time:.6}"),
            Err(_) => write!(f, "@{}us", self.0),
        }
    }
}

impl std::str::FromStr for UnixMicros {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<jiff::Timestamp>().map(|time| Self(time.as_microsecond()))
    }
}

/// How far a session has come.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Status {
    /// Bytes may flow.
    Active,
    /// The policy refused it.
    Blocked,
    /// It was established and has ended.
    Closed,
    /// It never was established, for another reason than the policy.
    Failed,
    /// It was under way when the server died.
    Interrupted,
}

impl Status {
    /// All, by name.
    pub const ALL: [Self; 5] = [Self::Active, Self::Blocked, Self::Closed, Self::Failed, Self::Interrupted];

    /// Its name in the API and the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Blocked => "blocked",
            Self::Closed => "closed",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }

    /// The status of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The protocol of a name.
pub fn protocol_named(name: &str) -> Option<ProxyProtocol> {
    [ProxyProtocol::Http, ProxyProtocol::Socks4, ProxyProtocol::Socks5]
        .into_iter()
        .find(|protocol| protocol.to_string() == name)
}

/// A host as requested with its port: `example.com:443`, `[::1]:80`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Endpoint {
    /// Name or address; already free of control characters.
    pub host: Arc<str>,
    /// Port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// What a rule is called: its name, or `file:line`, or `default`.
pub type RuleLabel = Arc<str>;

/// What the policy said, if it was asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerdictTaken {
    /// Whether it let the request through.
    pub passed: bool,
    /// The rule.
    pub rule: RuleLabel,
    /// Its place as `file:line`; empty for the default.
    pub rule_place: Arc<str>,
}

/// One attempt.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionRecord {
    /// Its id.
    pub id: SessionId,
    /// How far it has come.
    pub status: Status,
    /// Why it ended; `None` while it is active.
    pub close_reason: Option<CloseReason>,
    /// When the connection was accepted.
    pub start: UnixMicros,
    /// When it ended; `None` while it is active.
    pub end: Option<UnixMicros>,
    /// How long it took, by a monotonic clock.
    pub duration: Duration,
    /// The client.
    pub client: SocketAddr,
    /// The name of the listener.
    pub listener: Arc<str>,
    /// The protocol that the client spoke, once it is known.
    pub protocol: Option<ProxyProtocol>,
    /// The command, once it is known.
    pub command: Option<Command>,
    /// The user.
    pub user: Option<Arc<str>>,
    /// The groups of the user that rules of the policy name.
    pub groups: Vec<Arc<str>>,
    /// The method that was used.
    pub method: Option<Method>,
    /// Subject names of the client's certificate.
    pub certificate: Vec<Arc<str>>,
    /// What was asked for.
    pub requested: Option<Endpoint>,
    /// The address that was dialled.
    pub target: Option<SocketAddr>,
    /// Our own address towards the target.
    pub egress: Option<IpAddr>,
    /// The proxy that the session was passed on to; `None` for direct.
    pub upstream: Option<Arc<str>>,
    /// Bytes from the client to the target.
    pub bytes_sent: u64,
    /// Bytes from the target to the client.
    pub bytes_received: u64,
    /// Datagrams from the client to targets.
    pub packets_sent: u64,
    /// Datagrams from targets to the client.
    pub packets_received: u64,
    /// What the policy said.
    pub verdict: Option<VerdictTaken>,
    /// The policy: BLAKE3 of its texts.
    pub policy: rustsocks_compiler::Digest,
}

/// A record that differs in every field that `seed` can tell apart; times follow the seed.
#[cfg(test)]
pub(crate) fn sample(seed: u64) -> SessionRecord {
    let start = UnixMicros(1_764_288_000_000_000 + i64::try_from(seed).expect("small") * 1_000_000);
    let duration = Duration::from_millis(5 + seed % 900);
    let ends = [
        (Status::Closed, CloseReason::ClientClosed),
        (Status::Closed, CloseReason::TargetClosed),
        (Status::Blocked, CloseReason::BlockedRequest),
        (Status::Failed, CloseReason::ConnectionRefused),
    ];
    let (status, reason) = ends[usize::try_from(seed % 4).expect("small")];
    let millis = u64::try_from(start.0 / 1_000).expect("positive");
    let mixed = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    let mut tail = [0; 10];
    tail[2..].copy_from_slice(&mixed);
    let id = uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid();
    SessionRecord {
        id: SessionId(id),
        status,
        close_reason: Some(reason),
        start,
        end: Some(UnixMicros(start.0 + i64::try_from(duration.as_micros()).expect("small"))),
        duration,
        client: SocketAddr::from(([127, 0, 0, u8::try_from(seed % 200).expect("small")], 40_000)),
        listener: "main".into(),
        protocol: Some(ProxyProtocol::Socks5),
        command: Some(Command::Connect),
        user: (!seed.is_multiple_of(3)).then(|| format!("user{}", seed % 17).into()),
        groups: if seed.is_multiple_of(5) { vec!["staff".into()] } else { Vec::new() },
        method: Some(Method::Password),
        certificate: Vec::new(),
        requested: Some(Endpoint { host: format!("host{}.example.com", seed % 23).into(), port: 443 }),
        target: (status == Status::Closed)
            .then(|| SocketAddr::from(([192, 0, 2, u8::try_from(seed % 23).expect("small")], 443))),
        egress: None,
        upstream: None,
        bytes_sent: seed * 10,
        bytes_received: seed * 100,
        packets_sent: 0,
        packets_received: 0,
        verdict: Some(VerdictTaken {
            passed: status != Status::Blocked,
            rule: if status == Status::Blocked { "inside".into() } else { "web".into() },
            rule_place: "office.policy:3".into(),
        }),
        policy: digest_of(7),
    }
}

/// Some digest.
#[cfg(test)]
pub(crate) fn digest_of(byte: u8) -> rustsocks_compiler::Digest {
    rustsocks_compiler::Digest::from_bytes([byte; 32])
}
