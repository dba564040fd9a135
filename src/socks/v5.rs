//! SOCKS5: greeting, password, request, reply (RFC 1928, RFC 1929) and the datagram (RFC 1928 §7).

use super::address::{self, LONGEST};
use super::{Ask, Credentials, Parsed, Reply, WireError, slice};
use rustsocks_compiler::model::Host;
use rustsocks_compiler::request::Command;
use std::net::SocketAddr;

/// The first byte of greeting, request and reply.
pub const VERSION: u8 = 5;
/// "No method is acceptable": the last word of a negotiation.
pub const REFUSAL: [u8; 2] = [VERSION, 0xff];
/// The most that [`datagram_header`] writes.
pub const LONGEST_DATAGRAM_HEADER: usize = 3 + LONGEST;

/// Version of the password dialogue (RFC 1929).
const PASSWORD_VERSION: u8 = 1;

/// Methods on the wire (RFC 1928 §3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WireMethod {
    /// No authentication.
    None,
    /// GSSAPI.
    Gssapi,
    /// User name and password.
    Password,
}

impl WireMethod {
    /// Its number.
    pub fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Gssapi => 1,
            Self::Password => 2,
        }
    }

    /// "Let it be this one."
    pub fn choice(self) -> [u8; 2] {
        [VERSION, self.code()]
    }
}

/// What a client can do to show who it is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Greeting {
    known: u8,
}

impl Greeting {
    /// Whether the client offers a method.
    pub fn offers(self, method: WireMethod) -> bool {
        self.known & (1 << method.code()) != 0
    }
}

/// Reads the greeting.
///
/// # Errors
/// [`WireError::Version`] for anything but SOCKS5.
pub fn greeting(bytes: &[u8]) -> Parsed<Greeting> {
    match bytes.first() {
        Some(&VERSION) => {}
        Some(&other) => return Err(WireError::Version(other)),
        None => return Ok(None),
    }
    let Some(&count) = bytes.get(1) else { return Ok(None) };
    let end = 2 + usize::from(count);
    let Some(methods) = slice(bytes, 2, end) else { return Ok(None) };
    let known = methods.iter().filter(|&&code| code < 8).fold(0, |all, code| all | 1 << code);
    Ok(Some((Greeting { known }, end)))
}

/// Reads user name and password (RFC 1929).
///
/// # Errors
/// Another version, or a name that is empty or has a NUL in it.
pub fn password(bytes: &[u8]) -> Parsed<Credentials> {
    match bytes.first() {
        Some(&PASSWORD_VERSION) => {}
        Some(&other) => return Err(WireError::Version(other)),
        None => return Ok(None),
    }
    let Some(&length) = bytes.get(1) else { return Ok(None) };
    let name_end = 2 + usize::from(length);
    let (Some(user), Some(&length)) = (slice(bytes, 2, name_end), bytes.get(name_end)) else {
        return Ok(None);
    };
    let end = name_end + 1 + usize::from(length);
    let Some(password) = slice(bytes, name_end + 1, end) else { return Ok(None) };
    if user.is_empty() || user.contains(&0) || password.contains(&0) {
        return Err(WireError::Malformed);
    }
    Ok(Some((Credentials { user: user.to_vec(), password: password.to_vec() }, end)))
}

/// The answer to a password: zero is success, anything else the end of the connection.
pub fn password_reply(accepted: bool) -> [u8; 2] {
    [PASSWORD_VERSION, u8::from(!accepted)]
}

/// Reads the request.
///
/// # Errors
/// A wrong version, an unknown command or address type, a name that is none.
pub fn request(bytes: &[u8]) -> Parsed<Ask> {
    match bytes.first() {
        Some(&VERSION) => {}
        Some(&other) => return Err(WireError::Version(other)),
        None => return Ok(None),
    }
    let (Some(&command), Some(rest)) = (bytes.get(1), bytes.get(3..)) else { return Ok(None) };
    let parsed = address::parse(rest);
    // INVARIANT: an unknown command is answered as such even where its address is no good either.
    let command = match command {
        1 => Command::Connect,
        2 => Command::Bind,
        3 => Command::UdpAssociate,
        other => match parsed {
            Ok(None) => return Ok(None),
            Ok(Some(_)) | Err(_) => return Err(WireError::Command(other)),
        },
    };
    Ok(parsed?.map(|((host, port), taken)| (Ask { command, host, port }, 3 + taken)))
}

/// Writes a reply with the address that goes with it.
pub fn reply(reply: Reply, bound: SocketAddr) -> Vec<u8> {
    let mut out = Vec::with_capacity(3 + LONGEST);
    out.extend_from_slice(&[VERSION, reply.v5(), 0]);
    address::encode(bound, &mut out);
    out
}

/// Reads the header of a datagram: its target, and where the payload starts.
///
/// # Errors
/// A fragment, a header that is cut short, an unknown address type, a name that is none. The
/// reserved bytes are not looked at: clients have been seen to put anything there.
pub fn datagram(bytes: &[u8]) -> Result<((Host, u16), usize), WireError> {
    let (Some(&fragment), Some(rest)) = (bytes.get(2), bytes.get(3..)) else {
        return Err(WireError::Malformed);
    };
    if fragment != 0 {
        return Err(WireError::Fragment(fragment));
    }
    let (target, taken) = address::parse(rest)?.ok_or(WireError::Malformed)?;
    Ok((target, 3 + taken))
}

/// Writes the header of a datagram that came from `peer`.
pub fn datagram_header(peer: SocketAddr) -> Vec<u8> {
    let mut out = Vec::with_capacity(LONGEST_DATAGRAM_HEADER);
    out.extend_from_slice(&[0, 0, 0]);
    address::encode(peer, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socks::testing::{every_prefix_waits, refused};
    use rustsocks_compiler::model::HostError;

    #[test]
    fn a_greeting_tells_what_is_offered() {
        let (hello, taken) = every_prefix_waits(&[5, 3, 0, 2, 0x80], greeting);
        assert_eq!(taken, 5);
        assert!(hello.offers(WireMethod::None) && hello.offers(WireMethod::Password));
        assert!(!hello.offers(WireMethod::Gssapi));
        let (none, taken) = every_prefix_waits(&[5, 0], greeting);
        assert_eq!((none, taken), (Greeting::default(), 2));
        let all: Vec<u8> = [5, 255].into_iter().chain(0..255).collect();
        assert_eq!(every_prefix_waits(&all, greeting).1, 257);
        assert_eq!(refused(&[6, 1, 0], greeting), WireError::Version(6));
    }

    #[test]
    fn what_follows_a_message_is_not_touched() {
        let (_, taken) = greeting(b"\x05\x01\x00GET /").unwrap().unwrap();
        assert_eq!(taken, 3);
        let (ask, taken) = request(b"\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50GET /").unwrap().unwrap();
        assert_eq!((ask.port, taken), (80, 10));
    }

    #[test]
    fn a_password_is_taken_whole_or_not_at_all() {
        let (who, taken) = every_prefix_waits(b"\x01\x05alice\x02pw", password);
        assert_eq!((who.user.as_slice(), who.password.as_slice(), taken), (&b"alice"[..], &b"pw"[..], 10));
        let long = [&[1, 255][..], &[b'u'; 255], &[255], &[b'p'; 255]].concat();
        assert_eq!(every_prefix_waits(&long, password).1, 513);
        for bad in [&b"\x01\x00\x02pw"[..], b"\x01\x07alice\0x\x02pw", b"\x01\x01a\x04pw\0x"] {
            assert_eq!(refused(bad, password), WireError::Malformed);
        }
        assert_eq!(refused(b"\x05\x05alice", password), WireError::Version(5));
        assert!(every_prefix_waits(b"\x01\x01a\x00", password).0.password.is_empty());
    }

    #[test]
    fn requests_of_every_address_type() {
        for (bytes, host) in [
            (&b"\x05\x01\x00\x01\x01\x02\x03\x04\x00\x50"[..], "1.2.3.4"),
            (b"\x05\x02\x00\x03\x0bExample.COM\x00\x50", "example.com"),
            (b"\x05\x03\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x50", "2001:db8::1"),
            (b"\x05\x01\x00\x04\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\x01\x00\x50", "127.0.0.1"),
            (b"\x05\x01\x00\x03\x05127.1\x00\x50", "127.0.0.1"),
            (b"\x05\x01\x00\x03\x05[::1]\x00\x50", "::1"),
            (b"\x05\x01\xff\x03\x02a.\x00\x50", "a"),
        ] {
            let (ask, taken) = every_prefix_waits(bytes, request);
            assert_eq!((ask.host.to_string().as_str(), ask.port, taken), (host, 80, bytes.len()));
        }
    }

    #[test]
    fn a_request_that_is_none_says_why() {
        assert_eq!(refused(b"\x04\x01\x00\x01", request), WireError::Version(4));
        assert_eq!(refused(b"\x05\x09\x00\x01\x01\x02\x03\x04\x00\x50", request), WireError::Command(9));
        assert_eq!(refused(b"\x05\x09\x00\x09", request), WireError::Command(9));
        assert_eq!(refused(b"\x05\x01\x00\x09", request), WireError::AddressType(9));
        assert_eq!(refused(b"\x05\x01\x00\x03\x00\x00\x50", request), WireError::Name(HostError::Empty));
        let nul = b"\x05\x01\x00\x03\x0elocalhost\0.evil\x00\x50";
        assert_eq!(refused(&nul[..], request), WireError::Name(HostError::Character('\0')));
        assert_eq!(
            refused(b"\x05\x01\x00\x03\x01\xff\x00\x50", request),
            WireError::Name(HostError::NotText)
        );
    }

    #[test]
    fn replies_and_datagrams_are_read_back() {
        let v4: SocketAddr = "10.0.0.1:4660".parse().unwrap();
        assert_eq!(reply(Reply::ConnectionRefused, v4), [5, 5, 0, 1, 10, 0, 0, 1, 0x12, 0x34]);
        for peer in ["10.0.0.1:53", "[2001:db8::1]:53"] {
            let mut bytes = datagram_header(peer.parse().unwrap());
            let header = bytes.len();
            bytes.extend_from_slice(b"payload");
            let ((host, port), at) = datagram(&bytes).unwrap();
            assert_eq!(SocketAddr::new(host.to_string().parse().unwrap(), port), peer.parse().unwrap());
            assert_eq!((at, &bytes[at..]), (header, &b"payload"[..]));
            for cut in 0..header {
                assert!(datagram(&bytes[..cut]).is_err(), "{cut}");
            }
        }
        assert_eq!(datagram(&[0, 0, 1, 1, 1, 2, 3, 4, 0, 80]), Err(WireError::Fragment(1)));
        assert_eq!(datagram(&[0, 0, 0, 9, 1, 2, 3, 4, 0, 80]), Err(WireError::AddressType(9)));
    }
}
