//! SOCKS4, and 4a with names. The user id is nobody's proof of anything: it is read and let go.

use super::{Ask, Parsed, Reply, WireError};
use rustsocks_compiler::model::Host;
use rustsocks_compiler::request::Command;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The first byte of a request.
pub const VERSION: u8 = 4;
/// The longest user id and the longest name.
const LONGEST_TEXT: usize = 255;

/// Reads the request.
///
/// # Errors
/// A wrong version, an unknown command, texts without an end, a name that is none.
pub fn request(bytes: &[u8]) -> Parsed<Ask> {
    match bytes.first() {
        Some(&VERSION) => {}
        Some(&other) => return Err(WireError::Version(other)),
        None => return Ok(None),
    }
    let Some(&[command, high, low, a, b, c, d]) = bytes.get(1..8) else { return Ok(None) };
    let Some((_, user_end)) = text(bytes, 8)? else { return Ok(None) };
    let address = Ipv4Addr::new(a, b, c, d);
    let (host, end) = match address.octets() {
        [0, 0, 0, last] if last != 0 => match text(bytes, user_end)? {
            Some((name, end)) => (Host::from_bytes(name), end),
            None => return Ok(None),
        },
        _ => (Ok(Host::Address(address.into())), user_end),
    };
    let command = match command {
        1 => Command::Connect,
        2 => Command::Bind,
        other => return Err(WireError::Command(other)),
    };
    Ok(Some((Ask { command, host: host?, port: u16::from_be_bytes([high, low]) }, end)))
}

/// A text up to its NUL, and where the next thing starts.
fn text(bytes: &[u8], from: usize) -> Result<Option<(&[u8], usize)>, WireError> {
    let rest = bytes.get(from..).unwrap_or_default();
    match rest.iter().position(|&byte| byte == 0) {
        Some(length) if length > LONGEST_TEXT => Err(WireError::TooLong),
        Some(length) => Ok(rest.get(..length).map(|text| (text, from + length + 1))),
        None if rest.len() > LONGEST_TEXT => Err(WireError::TooLong),
        None => Ok(None),
    }
}

/// Writes a reply. SOCKS4 has no room for an IPv6 address: zeros stand for it.
pub fn reply(reply: Reply, bound: SocketAddr) -> [u8; 8] {
    let [high, low] = bound.port().to_be_bytes();
    let [a, b, c, d] = match bound.ip() {
        IpAddr::V4(v4) => v4.octets(),
        IpAddr::V6(_) => [0; 4],
    };
    [0, reply.v4(), high, low, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socks::testing::{every_prefix_waits, refused};
    use rustsocks_compiler::model::HostError;

    #[test]
    fn requests_by_address_and_by_name() {
        for (bytes, command, host) in [
            (&b"\x04\x01\x00\x50\x01\x02\x03\x04\0"[..], Command::Connect, "1.2.3.4"),
            (b"\x04\x02\x00\x50\x01\x02\x03\x04alice\0", Command::Bind, "1.2.3.4"),
            (b"\x04\x01\x00\x50\0\0\0\x01alice\0Example.com\0", Command::Connect, "example.com"),
            (b"\x04\x01\x00\x50\0\0\0\x01\x002130706433\0", Command::Connect, "127.0.0.1"),
            (b"\x04\x01\x00\x50\0\0\0\0\0", Command::Connect, "0.0.0.0"),
        ] {
            let (ask, taken) = every_prefix_waits(bytes, request);
            assert_eq!((ask.command, ask.host.to_string().as_str()), (command, host));
            assert_eq!((ask.port, taken), (80, bytes.len()));
        }
    }

    #[test]
    fn a_request_that_is_none_says_why() {
        assert_eq!(refused(b"\x05", request), WireError::Version(5));
        assert_eq!(refused(b"\x04\x09\x00\x50\x01\x02\x03\x04\0", request), WireError::Command(9));
        let endless = [&b"\x04\x01\x00\x50\x01\x02\x03\x04"[..], &[b'u'; 256]].concat();
        assert_eq!(refused(&endless, request), WireError::TooLong);
        let nameless = b"\x04\x01\x00\x50\0\0\0\x01\0\0";
        assert_eq!(refused(nameless, request), WireError::Name(HostError::Empty));
    }

    #[test]
    fn a_reply_has_eight_bytes() {
        let granted = reply(Reply::Succeeded, "1.2.3.4:80".parse().unwrap());
        assert_eq!(granted, [0, 90, 0, 80, 1, 2, 3, 4]);
        assert_eq!(reply(Reply::NotAllowed, "[::1]:80".parse().unwrap()), [0, 91, 0, 80, 0, 0, 0, 0]);
    }
}
