//! The address of SOCKS5 (RFC 1928 §5): type, address or name, port.

use super::{Parsed, WireError, slice};
use rustsocks_compiler::model::{Host, canonical};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// The longest that [`encode`] writes.
pub(super) const LONGEST: usize = 1 + 16 + 2;

/// Reads host and port.
pub(super) fn parse(bytes: &[u8]) -> Parsed<(Host, u16)> {
    let Some(&kind) = bytes.first() else { return Ok(None) };
    let (from, length) = match kind {
        IPV4 => (1, 4),
        IPV6 => (1, 16),
        NAME => match bytes.get(1) {
            Some(&length) => (2, usize::from(length)),
            None => return Ok(None),
        },
        other => return Err(WireError::AddressType(other)),
    };
    let end = from + length;
    let (Some(raw), Some(&[high, low])) = (slice(bytes, from, end), slice(bytes, end, end + 2)) else {
        return Ok(None);
    };
    let host = match kind {
        NAME => Host::from_bytes(raw)?,
        _ => Host::Address(canonical(ip(raw).ok_or(WireError::Malformed)?)),
    };
    Ok(Some(((host, u16::from_be_bytes([high, low])), end + 2)))
}

fn ip(raw: &[u8]) -> Option<IpAddr> {
    let v4 = || <[u8; 4]>::try_from(raw).ok().map(|octets| Ipv4Addr::from(octets).into());
    let v6 = || <[u8; 16]>::try_from(raw).ok().map(|octets| Ipv6Addr::from(octets).into());
    v4().or_else(v6)
}

/// Appends an address.
pub(super) fn encode(address: SocketAddr, out: &mut Vec<u8>) {
    match address.ip() {
        IpAddr::V4(v4) => {
            out.push(IPV4);
            out.extend_from_slice(&v4.octets());
        }
        IpAddr::V6(v6) => {
            out.push(IPV6);
            out.extend_from_slice(&v6.octets());
        }
    }
    out.extend_from_slice(&address.port().to_be_bytes());
}
