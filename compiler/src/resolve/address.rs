//! Addresses, prefixes and ranges as a policy writes them.

use crate::model::{AddressRange, canonical};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a text says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Written {
    /// Addresses.
    Range(AddressRange),
    /// A prefix with bits set behind its length; the prefix that it must mean.
    HostBits(AddressRange, String),
    /// The ends of a range the wrong way round; the range that it must mean.
    Reversed(String),
    /// Meant as addresses, and wrong.
    Bad(String, Option<String>),
    /// No address at all.
    Other,
}

/// Reads a text. Brackets may stand around one IPv6 address, before its prefix length or its port; an
/// address with a port is [`Written::Other`], for the port is read by who asks.
pub(super) fn read(text: &str) -> Written {
    if !text.contains(['[', ']']) {
        return plain(text);
    }
    let Some((inner, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) else {
        return misplaced(text);
    };
    let outside = rest.is_empty() || rest.starts_with(['/', ':']);
    if rest.contains(['[', ']']) || !outside || inner.contains(['/', '-']) {
        return misplaced(text);
    }
    match inner.parse::<IpAddr>() {
        Ok(IpAddr::V6(_)) if rest.starts_with(':') => Written::Other,
        Ok(IpAddr::V6(_)) => plain(&format!("{inner}{rest}")),
        Ok(IpAddr::V4(_)) => Written::Bad(
            "brackets stand around an IPv6 address only".into(),
            Some(format!("write `{inner}{rest}`")),
        ),
        Err(_) if looks_like_address(inner) => bad_address(inner),
        Err(_) => misplaced(text),
    }
}

fn misplaced(text: &str) -> Written {
    let bare = text.replace(['[', ']'], "");
    let many = bare.contains(['/', '-']);
    let port = text.strip_prefix('[').and_then(|text| text.split_once(']')).filter(|(inner, rest)| {
        inner.parse::<Ipv6Addr>().is_ok() && rest.bytes().all(|byte| byte.is_ascii_digit())
    });
    let help = match (plain(&bare), port) {
        (_, Some((inner, port))) => format!("write `[{inner}]:{port}`"),
        (Written::Range(_) | Written::HostBits(..) | Written::Reversed(_), _) if many => {
            format!("write `{bare}`")
        }
        _ => "brackets stand around one IPv6 address, as in `[2001:db8::1]:443`".to_owned(),
    };
    Written::Bad(format!("`{text}` has brackets in the wrong place"), Some(help))
}

fn plain(bare: &str) -> Written {
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Written::Range(AddressRange::one(canonical(address)));
    }
    if let Some((address, length)) = bare.split_once('/') {
        return prefix(address, length);
    }
    if let Some((first, last)) = bare.split_once('-')
        && let Ok(first) = first.trim().parse::<IpAddr>()
    {
        return range(canonical(first), last.trim());
    }
    if looks_like_address(bare) {
        return bad_address(bare);
    }
    Written::Other
}

fn prefix(address: &str, length: &str) -> Written {
    let Ok(parsed) = address.parse::<IpAddr>() else {
        if looks_like_address(address) {
            return bad_address(address);
        }
        if address.is_empty() {
            return Written::Other;
        }
        return Written::Bad(
            format!("`{address}` is a name, and a name has no prefix length"),
            Some(format!("write `{address}`, or `.{address}` with all names below it")),
        );
    };
    let most = if parsed.is_ipv4() { 32 } else { 128 };
    if let Some((bits, port)) = length.split_once(':') {
        return Written::Bad(
            "a port stands behind one host, and not behind a prefix".into(),
            Some(format!("write `to: {address}/{bits}  port: {port}`")),
        );
    }
    let valid = length.bytes().all(|byte| byte.is_ascii_digit()) && !length.is_empty();
    let Some(bits) = length.parse::<u8>().ok().filter(|&bits| valid && bits <= most) else {
        let kind = if parsed.is_ipv4() { "IPv4" } else { "IPv6" };
        return Written::Bad(
            format!("`{length}` is no prefix length"),
            Some(format!("the prefix of an {kind} address has 0 to {most} bits")),
        );
    };
    let Ok(net) = ipnet::IpNet::new(parsed, bits) else { return Written::Other };
    let range = AddressRange::prefix(net);
    if net.network() == parsed {
        Written::Range(range)
    } else {
        Written::HostBits(range, format!("{}/{bits}", net.network()))
    }
}

fn range(first: IpAddr, last: &str) -> Written {
    let Ok(end) = last.parse::<IpAddr>().map(canonical) else {
        let help = match (first, last.parse::<u8>()) {
            (IpAddr::V4(v4), Ok(byte)) => {
                let [a, b, c, _] = v4.octets();
                Some(format!("write the whole address: `{first}-{}`", Ipv4Addr::new(a, b, c, byte)))
            }
            _ => Some("a range is written `10.0.0.5-10.0.0.9`".into()),
        };
        return Written::Bad(format!("`{last}` is no address"), help);
    };
    if first.is_ipv4() != end.is_ipv4() {
        return Written::Bad(
            "a range of one IPv4 and one IPv6 address".into(),
            Some("write two values".into()),
        );
    }
    match AddressRange::new(first, end) {
        Some(range) => Written::Range(range),
        None => Written::Reversed(format!("{end}-{first}")),
    }
}

fn bad_address(text: &str) -> Written {
    let help = if text.contains(':') {
        "an IPv6 address is up to eight groups of hexadecimal digits, as in `2001:db8::1`".to_owned()
    } else if let Some(meant) = without_zeros(text) {
        format!("did you mean `{meant}`? Numbers of an address have no leading zeros")
    } else {
        "an IPv4 address is four numbers from 0 to 255, as in `192.0.2.1`".to_owned()
    };
    Written::Bad(format!("`{text}` is no address"), Some(help))
}

fn without_zeros(text: &str) -> Option<Ipv4Addr> {
    let parts: Option<Vec<u8>> = text.split('.').map(|part| part.parse().ok()).collect();
    let [a, b, c, d]: [u8; 4] = parts?.try_into().ok()?;
    Some(Ipv4Addr::new(a, b, c, d))
}

/// Digits and dots alone, or hexadecimal digits with two colons or more.
fn looks_like_address(text: &str) -> bool {
    let four = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && text.contains(|c: char| c.is_ascii_digit());
    let six = text.matches(':').count() >= 2
        && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.' || byte == b'%');
    four || six
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, meant) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("192.0.2.7", "192.0.2.7"),
            ("0.0.0.0/0", "any4"),
            ("::/0", "any6"),
            ("[::]/0", "any6"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[::1]", "::1"),
            ("[::ffff:10.0.0.1]", "10.0.0.1"),
            ("10.0.0.5-10.0.0.9", "10.0.0.5-10.0.0.9"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("64:ff9b::/96", "64:ff9b::/96"),
            ("2002:a00::/24", "10.0.0.0/8"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
        ] {
            assert!(
                matches!(read(text), Written::Range(range) if range.to_string() == meant),
                "{text}: {:?}",
                read(text)
            );
        }
        assert!(matches!(read("10.1.2.3/8"), Written::HostBits(_, fixed) if fixed == "10.0.0.0/8"));
        assert!(matches!(read("10.0.0.9-10.0.0.5"), Written::Reversed(_)));
        for text in ["10.0.0.256", "10.0.0.0/33", "1.2.3", "10.0.0.5-9", "example.com/24", "2001:db8::1::2"] {
            assert!(matches!(read(text), Written::Bad(..)), "{text}");
        }
        for text in [
            "[::1",
            "::1]",
            "[[::1]]",
            "[::1]]",
            "[::1]80",
            "[::1]:80]",
            "[::/0]",
            "[::1]-[::2]",
            "[10.0.0.1]",
            "[10.0.0.1]:80",
            "[::1::]",
            "[example.com]",
            "a[0-9].example.com",
            "[]",
            "[:80",
        ] {
            assert!(matches!(read(text), Written::Bad(..)), "{text}: {:?}", read(text));
        }
        for text in ["[::1]:80", "[::ffff:10.0.0.1]:80", "[::1]:http", "[::1]:"] {
            assert_eq!(read(text), Written::Other, "{text}");
        }
        assert_eq!(read("example.com"), Written::Other);
    }
}
