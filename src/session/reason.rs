//! Why a session ended.

use std::fmt;

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
    /// The address or interface of `relay.egress` cannot be used.
    EgressUnavailable,
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

/// Whose doing an end was.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Party {
    /// The client.
    Client,
    /// The policy.
    Policy,
    /// The target, or the network towards it.
    Target,
    /// This server, or who runs it.
    Us,
}

impl CloseReason {
    /// All of them.
    pub const ALL: [Self; 37] = [
        Self::Shutdown,
        Self::HandshakeTimeout,
        Self::ProtocolError,
        Self::ClientGone,
        Self::NoAcceptableMethod,
        Self::AuthenticationFailed,
        Self::AuthenticationUnavailable,
        Self::Penalised,
        Self::BlockedClient,
        Self::BlockedRequest,
        Self::BlockedByReload,
        Self::Loop,
        Self::LimitReached,
        Self::CommandNotSupported,
        Self::AddressTypeNotSupported,
        Self::InvalidName,
        Self::NameNotFound,
        Self::ResolverFailed,
        Self::ConnectionRefused,
        Self::NetworkUnreachable,
        Self::HostUnreachable,
        Self::ConnectTimeout,
        Self::TtlExpired,
        Self::ResourceExhausted,
        Self::EgressUnavailable,
        Self::InternalError,
        Self::BindTimeout,
        Self::BindWrongPeer,
        Self::ClientClosed,
        Self::TargetClosed,
        Self::ClientReset,
        Self::TargetReset,
        Self::IdleTimeout,
        Self::HalfOpenTimeout,
        Self::LifetimeReached,
        Self::Killed,
        Self::ServerDied,
    ];

    /// Its name in records, the API and the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shutdown => "shutdown",
            Self::HandshakeTimeout => "handshake_timeout",
            Self::ProtocolError => "protocol_error",
            Self::ClientGone => "client_gone",
            Self::NoAcceptableMethod => "no_acceptable_method",
            Self::AuthenticationFailed => "authentication_failed",
            Self::AuthenticationUnavailable => "authentication_unavailable",
            Self::Penalised => "penalised",
            Self::BlockedClient => "blocked_client",
            Self::BlockedRequest => "blocked_request",
            Self::BlockedByReload => "blocked_by_reload",
            Self::Loop => "loop",
            Self::LimitReached => "limit_reached",
            Self::CommandNotSupported => "command_not_supported",
            Self::AddressTypeNotSupported => "address_type_not_supported",
            Self::InvalidName => "invalid_name",
            Self::NameNotFound => "name_not_found",
            Self::ResolverFailed => "resolver_failed",
            Self::ConnectionRefused => "connection_refused",
            Self::NetworkUnreachable => "network_unreachable",
            Self::HostUnreachable => "host_unreachable",
            Self::ConnectTimeout => "connect_timeout",
            Self::TtlExpired => "ttl_expired",
            Self::ResourceExhausted => "resource_exhausted",
            Self::EgressUnavailable => "egress_unavailable",
            Self::InternalError => "internal_error",
            Self::BindTimeout => "bind_timeout",
            Self::BindWrongPeer => "bind_wrong_peer",
            Self::ClientClosed => "client_closed",
            Self::TargetClosed => "target_closed",
            Self::ClientReset => "client_reset",
            Self::TargetReset => "target_reset",
            Self::IdleTimeout => "idle_timeout",
            Self::HalfOpenTimeout => "half_open_timeout",
            Self::LifetimeReached => "lifetime_reached",
            Self::Killed => "killed",
            Self::ServerDied => "server_died",
        }
    }

    /// The reason of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// Its number in the store. INVARIANT: a number is never given to another reason.
    pub fn code(self) -> u8 {
        match self {
            Self::Shutdown => 1,
            Self::HandshakeTimeout => 2,
            Self::ProtocolError => 3,
            Self::ClientGone => 4,
            Self::NoAcceptableMethod => 5,
            Self::AuthenticationFailed => 6,
            Self::AuthenticationUnavailable => 7,
            Self::Penalised => 8,
            Self::BlockedClient => 9,
            Self::BlockedRequest => 10,
            Self::BlockedByReload => 11,
            Self::Loop => 12,
            Self::LimitReached => 13,
            Self::CommandNotSupported => 14,
            Self::AddressTypeNotSupported => 15,
            Self::InvalidName => 16,
            Self::NameNotFound => 17,
            Self::ResolverFailed => 18,
            Self::ConnectionRefused => 19,
            Self::NetworkUnreachable => 20,
            Self::HostUnreachable => 21,
            Self::ConnectTimeout => 22,
            Self::TtlExpired => 23,
            Self::ResourceExhausted => 24,
            Self::InternalError => 25,
            Self::BindTimeout => 26,
            Self::BindWrongPeer => 27,
            Self::ClientClosed => 28,
            Self::TargetClosed => 29,
            Self::ClientReset => 30,
            Self::TargetReset => 31,
            Self::IdleTimeout => 32,
            Self::HalfOpenTimeout => 33,
            Self::LifetimeReached => 34,
            Self::Killed => 35,
            Self::ServerDied => 36,
            Self::EgressUnavailable => 37,
        }
    }

    /// The reason of a number.
    pub fn of_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// Whose doing it was.
    pub fn party(self) -> Party {
        match self {
            Self::HandshakeTimeout
            | Self::ProtocolError
            | Self::ClientGone
            | Self::NoAcceptableMethod
            | Self::AuthenticationFailed
            | Self::Penalised
            | Self::CommandNotSupported
            | Self::AddressTypeNotSupported
            | Self::InvalidName
            | Self::ClientClosed
            | Self::ClientReset => Party::Client,
            Self::BlockedClient | Self::BlockedRequest | Self::BlockedByReload => Party::Policy,
            Self::NameNotFound
            | Self::ConnectionRefused
            | Self::NetworkUnreachable
            | Self::HostUnreachable
            | Self::ConnectTimeout
            | Self::TtlExpired
            | Self::BindTimeout
            | Self::BindWrongPeer
            | Self::TargetClosed
            | Self::TargetReset => Party::Target,
            Self::Shutdown
            | Self::AuthenticationUnavailable
            | Self::Loop
            | Self::LimitReached
            | Self::ResolverFailed
            | Self::ResourceExhausted
            | Self::EgressUnavailable
            | Self::InternalError
            | Self::IdleTimeout
            | Self::HalfOpenTimeout
            | Self::LifetimeReached
            | Self::Killed
            | Self::ServerDied => Party::Us,
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_and_numbers_lead_back_to_their_reason() {
        for reason in CloseReason::ALL {
            assert_eq!(CloseReason::named(reason.name()), Some(reason));
            assert_eq!(CloseReason::of_code(reason.code()), Some(reason));
        }
        let codes: BTreeSet<_> = CloseReason::ALL.map(CloseReason::code).into();
        assert_eq!(codes.len(), CloseReason::ALL.len());
    }
}
