//! How an attempt went, in the words of each protocol.

/// The replies of RFC 1928 §6; the other protocols have fewer words for them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reply {
    /// Done.
    Succeeded,
    /// None of the others.
    GeneralFailure,
    /// The policy says no.
    NotAllowed,
    /// No route to the network.
    NetworkUnreachable,
    /// No route to the host, no such host, or no answer from it in time.
    HostUnreachable,
    /// The target refused.
    ConnectionRefused,
    /// A hop limit ran out.
    TtlExpired,
    /// An unknown command, or one that is switched off.
    CommandNotSupported,
    /// An unknown address type.
    AddressTypeNotSupported,
    /// HTTP only: nobody has said who it is.
    AuthenticationRequired,
    /// HTTP only: what was asked for is no request.
    BadRequest,
}

impl Reply {
    /// SOCKS5, the REP field.
    pub fn v5(self) -> u8 {
        match self {
            Self::Succeeded => 0,
            Self::GeneralFailure | Self::BadRequest => 1,
            Self::NotAllowed | Self::AuthenticationRequired => 2,
            Self::NetworkUnreachable => 3,
            Self::HostUnreachable => 4,
            Self::ConnectionRefused => 5,
            Self::TtlExpired => 6,
            Self::CommandNotSupported => 7,
            Self::AddressTypeNotSupported => 8,
        }
    }

    /// SOCKS4, the CD field: granted, or rejected or failed.
    pub fn v4(self) -> u8 {
        match self {
            Self::Succeeded => 90,
            Self::GeneralFailure
            | Self::NotAllowed
            | Self::NetworkUnreachable
            | Self::HostUnreachable
            | Self::ConnectionRefused
            | Self::TtlExpired
            | Self::CommandNotSupported
            | Self::AddressTypeNotSupported
            | Self::AuthenticationRequired
            | Self::BadRequest => 91,
        }
    }

    /// HTTP, status and reason.
    pub fn http(self) -> (u16, &'static str) {
        match self {
            Self::Succeeded => (200, "Connection established"),
            Self::GeneralFailure => (500, "Internal Server Error"),
            Self::NotAllowed => (403, "Forbidden"),
            Self::NetworkUnreachable | Self::ConnectionRefused => (502, "Bad Gateway"),
            Self::HostUnreachable | Self::TtlExpired => (504, "Gateway Timeout"),
            Self::CommandNotSupported => (405, "Method Not Allowed"),
            Self::AddressTypeNotSupported | Self::BadRequest => (400, "Bad Request"),
            Self::AuthenticationRequired => (407, "Proxy Authentication Required"),
        }
    }
}
