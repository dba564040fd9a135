//! The wire: SOCKS5 (RFC 1928, 1929), SOCKS4 and 4a, HTTP CONNECT (RFC 9110 §9.3.6). Pure codecs:
//! bytes in, values out. No sockets, no clock, no allocation that a stranger could choose the size of.
//!
//! Every parser looks at all bytes that have come so far and says one of three things: a value and
//! how many bytes it took, not yet, or an error. Nothing is cut off and nothing is guessed.

mod address;
pub mod http;
mod reply;
pub mod v4;
pub mod v5;

pub use reply::Reply;

use rustsocks_compiler::model::{Host, HostError};
use rustsocks_compiler::request::{Command, ProxyProtocol};
use std::fmt;
use zeroize::Zeroize as _;

/// `None`: more bytes are needed. The number is how many the value took.
pub type Parsed<T> = Result<Option<(T, usize)>, WireError>;

/// Why bytes are no message of ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum WireError {
    /// The address type is unknown.
    #[error("address type {0} is unknown")]
    AddressType(u8),
    /// The command is unknown.
    #[error("command {0} is unknown")]
    Command(u8),
    /// A datagram that is a fragment (RFC 1928 §7).
    #[error("fragment {0} is not reassembled")]
    Fragment(u8),
    /// The message breaks its own grammar.
    #[error("the message is malformed")]
    Malformed,
    /// An HTTP request that is not CONNECT.
    #[error("the HTTP method is not CONNECT")]
    Method,
    /// The requested name is none.
    #[error(transparent)]
    Name(#[from] HostError),
    /// The message is longer than any honest one.
    #[error("the message is too long")]
    TooLong,
    /// Another protocol, or another version of it.
    #[error("version {0} is not spoken here")]
    Version(u8),
}

/// What a client asks for, in whichever protocol.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ask {
    /// What to do.
    pub command: Command,
    /// With whom.
    pub host: Host,
    /// At which port.
    pub port: u16,
}

/// What a client says it is. Overwritten when dropped; never printed.
#[derive(Clone, Eq, PartialEq)]
pub struct Credentials {
    /// The user name as it came.
    pub user: Vec<u8>,
    /// The password.
    pub password: Vec<u8>,
}

impl Drop for Credentials {
    fn drop(&mut self) {
        self.password.zeroize();
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// The protocol that a connection speaks, by its first byte.
pub fn spoken(first: u8) -> Option<ProxyProtocol> {
    match first {
        v4::VERSION => Some(ProxyProtocol::Socks4),
        v5::VERSION => Some(ProxyProtocol::Socks5),
        b'A'..=b'Z' => Some(ProxyProtocol::Http),
        _ => None,
    }
}

/// The bytes at `from` up to `to`, or not yet.
fn slice(bytes: &[u8], from: usize, to: usize) -> Option<&[u8]> {
    bytes.get(from..to)
}

#[cfg(test)]
mod testing {
    use super::{Parsed, WireError};

    /// Parses a message whole; every shorter piece of it must ask for more.
    pub(super) fn every_prefix_waits<T>(bytes: &[u8], parse: impl Fn(&[u8]) -> Parsed<T>) -> (T, usize) {
        for cut in 0..bytes.len() {
            match parse(bytes.get(..cut).unwrap()) {
                Ok(None) => {}
                Ok(Some(_)) => panic!("done after {cut} of {} bytes", bytes.len()),
                Err(error) => panic!("{error} after {cut} of {} bytes", bytes.len()),
            }
        }
        parse(bytes).expect("a message").expect("a whole message")
    }

    /// The error that a message earns.
    pub(super) fn refused<T>(bytes: &[u8], parse: impl Fn(&[u8]) -> Parsed<T>) -> WireError {
        match parse(bytes) {
            Err(error) => error,
            Ok(_) => panic!("taken: {bytes:?}"),
        }
    }
}
