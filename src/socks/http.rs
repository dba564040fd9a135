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
    let head = bytes.get(..end).unwrap_or_default();
    let mut lines = head.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let (ask, needs_host) = request_line(lines.next().unwrap_or_default())?;
    let (mut credentials, mut hosts) = (None, 0);
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = field(line).ok_or(WireError::Malformed)?;
        if name.eq_ignore_ascii_case(b"host") {
            hosts += 1;
        } else if name.eq_ignore_ascii_case(b"proxy-authorization") && credentials.is_none() {
            // Whoever shows nothing that can be understood has shown nothing: it is asked again where it must.
            credentials = std::str::from_utf8(value).ok().and_then(basic);
        }
    }
    // RFC 9112 §3.2.
    if hosts > 1 || (needs_host && hosts == 0) {
        return Err(WireError::Malformed);
    }
    Ok(Some((Connect { ask, credentials }, end)))
}

/// Name and value of a header (RFC 9110 §5, RFC 9112 §5): nothing between the name and its colon, no
/// control character in the value, and any byte above ASCII.
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, value) = line.split_at_checked(line.iter().position(|&byte| byte == b':')?)?;
    let value = value.get(1..).unwrap_or_default();
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let is_sound = !name.is_empty()
        && name.iter().all(is_token)
        && value.iter().all(|&byte| byte == b'\t' || !byte.is_ascii_control());
    is_sound.then(|| (name, value.trim_ascii()))
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

/// The target, and whether a `Host` header is due.
fn request_line(line: &[u8]) -> Result<(Ask, bool), WireError> {
    let line = std::str::from_utf8(line).map_err(|_| WireError::Malformed)?;
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
    let ask = Ask { command: Command::Connect, host: Host::from_bytes(host.as_bytes())?, port };
    Ok((ask, version == "HTTP/1.1"))
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
        // RFC 9110 §15.5.6.
        Reply::CommandNotSupported => format!(
            "HTTP/1.1 {status} {reason}\r\nAllow: CONNECT\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
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
            ("CONNECT 0x7f.1:443 HTTP/1.1\nhOST:\n\n", "127.0.0.1"),
        ] {
            let (connect, taken) = every_prefix_waits(head.as_bytes(), request);
            assert_eq!((connect.ask.host.to_string().as_str(), connect.ask.port), (host, 443));
            assert_eq!((taken, connect.credentials), (head.len(), None));
        }
    }

    #[test]
    fn credentials_are_read() {
        let head = b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nproxy-authorization: Basic YWxpY2U6cDp3\r\n\r\n";
        let (connect, _) = every_prefix_waits(head, request);
        let who = connect.credentials.unwrap();
        assert_eq!((who.user.as_slice(), who.password.as_slice()), (&b"alice"[..], &b"p:w"[..]));
        // These show nobody.
        for none in ["Bearer x", "Basic", "Basic !!", "Basic OnB3", "Basic YQBiOmM=", "Basic YWJj"] {
            let head = format!("CONNECT a:1 HTTP/1.0\r\nProxy-Authorization: {none}\r\n\r\n");
            assert_eq!(every_prefix_waits(head.as_bytes(), request).0.credentials, None, "{none}");
        }
    }

    #[test]
    fn headers_are_held_to_their_grammar() {
        for good in ["User-Agent: K\u{f6}ln\t\u{ff}", "X-Empty:", "!#$%&'*+-.^_`|~9: x"] {
            let head = format!("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n{good}\r\n\r\n");
            every_prefix_waits(head.as_bytes(), request);
        }
        let latin = b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\nUser-Agent: K\xf6ln\r\n\r\n";
        every_prefix_waits(latin, request);
        for bad in [
            "X: y",
            "Host: a\r\nHost: a",
            "Host: a\r\nhost: b",
            "Host : a",
            "Host: a\r\n: x",
            "Host: a\r\nX Y: x",
            "Host: a\r\n folded: x",
            "Host: a\r\nX: a\0b",
            "Host: a\r\nX: a\rb",
        ] {
            let head = format!("CONNECT a:1 HTTP/1.1\r\n{bad}\r\n\r\n");
            assert_eq!(refused(head.as_bytes(), request), WireError::Malformed, "{bad:?}");
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
        assert!(
            String::from_utf8(reply(Reply::CommandNotSupported)).unwrap().contains("\r\nAllow: CONNECT\r\n")
        );
        assert!(String::from_utf8(reply(Reply::AuthenticationRequired)).unwrap().contains("Basic realm="));
    }
}
