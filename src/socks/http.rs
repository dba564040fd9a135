//! HTTP CONNECT (RFC 9110 §9.3.6), as much of HTTP as a tunnel needs: the request line, and the
//! `Proxy-Authorization` header (RFC 7617).

use super::{Ask, Credentials, Parsed, Reply, WireError};
use rustsocks_compiler::model::Host;
use rustsocks_compiler::request::Command;

/// The longest head of a request.
pub const LONGEST_HEAD: usize = 8 * 1024;

/// A request for a tunnel.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Connect {
    /// The target.
    pub ask: Ask,
    /// What the client says it is.
    pub credentials: Option<Credentials>,
}

/// Reads the head of a request.
///
/// # Errors
/// Another method, a head without an end, a target that is none.
pub fn request(bytes: &[u8]) -> Parsed<Connect> {
    let Some(end) = head_end(bytes) else {
        let length = bytes.iter().take_while(|&&byte| byte != b' ').count();
        let word = bytes.get(..length.min(CONNECT.len() + 1)).unwrap_or_default();
        return match (CONNECT.starts_with(word), bytes.len() >= LONGEST_HEAD) {
            (_, true) => Err(WireError::TooLong),
            // Not one byte more is needed to know that it is not for us.
            (false, false) if !word.iter().all(u8::is_ascii_uppercase) => Err(WireError::Malformed),
            _ => Ok(None),
        };
    };
    if end > LONGEST_HEAD {
        return Err(WireError::TooLong);
    }
    let head = std::str::from_utf8(bytes.get(..end).unwrap_or_default()).map_err(|_| WireError::Malformed)?;
    let mut lines = head.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let ask = request_line(lines.next().unwrap_or_default())?;
    let mut credentials = None;
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or(WireError::Malformed)?;
        if name.eq_ignore_ascii_case("proxy-authorization") && credentials.is_none() {
            credentials = Some(basic(value.trim()).ok_or(WireError::Malformed)?);
        }
    }
    Ok(Some((Connect { ask, credentials }, end)))
}

const CONNECT: &[u8] = b"CONNECT";

/// Behind the empty line; a bare line feed ends a line as well (RFC 9112 §2.2).
fn head_end(bytes: &[u8]) -> Option<usize> {
    let feeds = bytes.iter().enumerate().filter(|&(_, &byte)| byte == b'\n').map(|(at, _)| at + 1);
    for at in feeds {
        match bytes.get(at..) {
            Some([b'\n', ..]) => return Some(at + 1),
            Some([b'\r', b'\n', ..]) => return Some(at + 2),
            _ => {}
        }
    }
    None
}

fn request_line(line: &str) -> Result<Ask, WireError> {
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(WireError::Malformed);
    };
    if !matches!(version, "HTTP/1.0" | "HTTP/1.1") {
        return Err(WireError::Malformed);
    }
    if method.as_bytes() != CONNECT {
        return Err(WireError::Method);
    }
    let (host, port) = target.rsplit_once(':').ok_or(WireError::Malformed)?;
    if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(WireError::Malformed);
    }
    let port = port.parse().map_err(|_| WireError::Malformed)?;
    if host.contains(':') && !host.starts_with('[') {
        return Err(WireError::Malformed);
    }
    Ok(Ask { command: Command::Connect, host: Host::from_bytes(host.as_bytes())?, port })
}

fn basic(value: &str) -> Option<Credentials> {
    let (scheme, token) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = zeroize::Zeroizing::new(base64(token.trim())?);
    let colon = decoded.iter().position(|&byte| byte == b':')?;
    let (user, password) = (decoded.get(..colon)?, decoded.get(colon + 1..)?);
    let sound = !user.is_empty() && !decoded.contains(&0) && user.len() <= 255 && password.len() <= 255;
    sound.then(|| Credentials { user: user.to_vec(), password: password.to_vec() })
}

/// RFC 4648 §4.
fn base64(text: &str) -> Option<Vec<u8>> {
    let bare = text.trim_end_matches('=');
    if text.len() - bare.len() > 2 || bare.len() % 4 == 1 {
        return None;
    }
    let mut out = Vec::with_capacity(bare.len() * 3 / 4);
    let (mut bits, mut held) = (0u32, 0);
    for byte in bare.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held & 0xff) as u8);
        }
    }
    Some(out)
}

/// Writes a reply. Only success has no body and leaves the connection open.
pub fn reply(reply: Reply) -> Vec<u8> {
    let (status, reason) = reply.http();
    match reply {
        Reply::Succeeded => format!("HTTP/1.1 {status} {reason}\r\n\r\n").into_bytes(),
        Reply::AuthenticationRequired => format!(
            "HTTP/1.1 {status} {reason}\r\nProxy-Authenticate: Basic realm=\"rustsocks\", charset=\"UTF-8\"\r\n\
             Content-Length: 0\r\nConnection: close\r\n\r\n"
        )
        .into_bytes(),
        _ => format!("HTTP/1.1 {status} {reason}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socks::testing::{every_prefix_waits, refused};

    #[test]
    fn a_tunnel_is_asked_for() {
        for (head, host) in [
            ("CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n", "example.com"),
            ("CONNECT [2001:db8::1]:443 HTTP/1.0\r\n\r\n", "2001:db8::1"),
            ("CONNECT 0x7f.1:443 HTTP/1.1\n\n", "127.0.0.1"),
        ] {
            let (connect, taken) = every_prefix_waits(head.as_bytes(), request);
            assert_eq!((connect.ask.host.to_string().as_str(), connect.ask.port), (host, 443));
            assert_eq!((taken, connect.credentials), (head.len(), None));
        }
    }

    #[test]
    fn credentials_are_read() {
        let head = b"CONNECT a:1 HTTP/1.1\r\nproxy-authorization: Basic YWxpY2U6cDp3\r\n\r\n";
        let (connect, _) = every_prefix_waits(head, request);
        let who = connect.credentials.unwrap();
        assert_eq!((who.user.as_slice(), who.password.as_slice()), (&b"alice"[..], &b"p:w"[..]));
        for bad in ["Bearer x", "Basic", "Basic !!", "Basic OnB3", "Basic YQBiOmM="] {
            let head = format!("CONNECT a:1 HTTP/1.1\r\nProxy-Authorization: {bad}\r\n\r\n");
            assert_eq!(refused(head.as_bytes(), request), WireError::Malformed, "{bad}");
        }
    }

    #[test]
    fn a_request_that_is_none_says_why() {
        assert_eq!(refused(b"GET / HTTP/1.1\r\n\r\n", request), WireError::Method);
        for bad in [
            "CONNECT a HTTP/1.1\r\n\r\n",
            "CONNECT a:99999 HTTP/1.1\r\n\r\n",
            "CONNECT a:+1 HTTP/1.1\r\n\r\n",
            "CONNECT ::1:80 HTTP/1.1\r\n\r\n",
            "CONNECT a:1 HTTP/2\r\n\r\n",
            "CONNECT a:1  HTTP/1.1\r\n\r\n",
            "CONNECT a:1 HTTP/1.1\r\nnonsense\r\n\r\n",
            "Connect",
        ] {
            assert_eq!(refused(bad.as_bytes(), request), WireError::Malformed, "{bad}");
        }
        let endless = [b"CONNECT a:1 HTTP/1.1\r\nX: ".to_vec(), vec![b'x'; LONGEST_HEAD]].concat();
        assert_eq!(refused(&endless, request), WireError::TooLong);
    }

    #[test]
    fn what_a_browser_shows() {
        assert_eq!(reply(Reply::Succeeded), b"HTTP/1.1 200 Connection established\r\n\r\n");
        assert!(reply(Reply::NotAllowed).starts_with(b"HTTP/1.1 403 "));
        assert!(String::from_utf8(reply(Reply::AuthenticationRequired)).unwrap().contains("Basic realm="));
    }
}
