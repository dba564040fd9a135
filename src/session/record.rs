//! The record of one attempt: passed, blocked or failed.

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
}

/// Why a session ended. Each names whose doing it was.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum CloseReason {
    /// The server stopped and the drain deadline passed.
    Shutdown,
    /// The handshake took longer than its deadline.
    HandshakeTimeout,
    /// The client spoke no protocol of ours, or broke it.
    ProtocolError,
    /// The client hung up before the request was whole.
    ClientGone,
    /// No method that the client offers could lead to a pass.
    NoAcceptableMethod,
    /// The credentials were wrong.
    AuthenticationFailed,
    /// The authentication service could not be asked.
    AuthenticationUnavailable,
    /// Too many failed logins from there: refused without a look.
    Penalised,
    /// The client stage blocked it.
    BlockedClient,
    /// The socks stage blocked it.
    BlockedRequest,
    /// The policy changed and blocks it now.
    BlockedByReload,
    /// It asked for one of our own listeners.
    Loop,
    /// A cap on connections was reached.
    LimitReached,
    /// The command is unknown or switched off.
    CommandNotSupported,
    /// The address type is unknown.
    AddressTypeNotSupported,
    /// The requested name is not a valid one.
    InvalidName,
    /// The name does not exist or has no address.
    NameNotFound,
    /// The resolver did not answer.
    ResolverFailed,
    /// The target refused (RST).
    ConnectionRefused,
    /// No route to the network.
    NetworkUnreachable,
    /// No route to the host.
    HostUnreachable,
    /// The connect deadline passed.
    ConnectTimeout,
    /// A hop limit ran out.
    TtlExpired,
    /// We ran out of descriptors, ports or memory.
    ResourceExhausted,
    /// Any other fault of ours.
    InternalError,
    /// No peer came to a BIND before its deadline.
    BindTimeout,
    /// Somebody else than the requested peer came to a BIND.
    BindWrongPeer,
    /// The client closed; both directions are done.
    ClientClosed,
    /// The target closed; both directions are done.
    TargetClosed,
    /// The client reset.
    ClientReset,
    /// The target reset.
    TargetReset,
    /// Nothing moved for the idle deadline.
    IdleTimeout,
    /// One half was closed and the other did not end before its deadline.
    HalfOpenTimeout,
    /// The session reached its longest allowed life.
    LifetimeReached,
    /// An administrator ended it.
    Killed,
    /// The server died with it under way.
    ServerDied,
}

/// A host as requested with its port: `example.com:443`, `[::1]:80`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Endpoint {
    /// Name or address; already free of control characters.
    pub host: Arc<str>,
    /// Port.
    pub port: u16,
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
