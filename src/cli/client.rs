//! A small HTTP client for the server's API: one request a connection, over its socket or TCP.

use super::Failure;
use serde::de::DeserializeOwned;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// Where the API listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// A socket in the file system.
    Socket(PathBuf),
    /// Host and port.
    Tcp(String),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "http://{address}"),
        }
    }
}

impl std::str::FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::Socket(path.into()));
        }
        let address = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
        match address.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                Ok(Self::Tcp(address.into()))
            }
            _ => Err("write `unix:PATH` or `HOST:PORT`".into()),
        }
    }
}

/// A server that may be asked.
#[derive(Clone, Debug)]
pub struct Client {
    place: Place,
    token: Option<String>,
}

/// Parameters of a request.
pub type Pairs = Vec<(String, String)>;

impl Client {
    /// A client of the API at that place.
    pub fn new(place: Place, token: Option<String>) -> Self {
        Self { place, token }
    }

    /// Whether something listens there.
    pub fn is_there(&self) -> bool {
        self.connect().is_ok()
    }

    /// Whether what listens there answers as a rustsocks does, without a long wait.
    pub fn is_ours(&self) -> bool {
        let mut body = Vec::new();
        let answer = self.request("GET", "/health", &[], Some(GLANCE)).ok();
        let read = answer.map(|mut answer| answer.by_ref().take(64 * 1_024).read_to_end(&mut body));
        let health = read.and_then(Result::ok).and_then(|_| serde_json::from_slice(&body).ok());
        health.is_some_and(|health: serde_json::Value| {
            health.get("policy").is_some_and(serde_json::Value::is_string)
        })
    }

    /// Reads JSON.
    ///
    /// # Errors
    /// The server cannot be reached, or says no.
    pub fn get<T: DeserializeOwned>(&self, path: &str, pairs: &[(String, String)]) -> Result<T, Failure> {
        let body = self.read("GET", path, pairs)?;
        serde_json::from_slice(&body).map_err(|error| {
            Failure::unreachable(format!("{} does not answer as rustsocks does: {error}", self.place))
        })
    }

    /// Makes a request of another method; gives the body.
    ///
    /// # Errors
    /// The server cannot be reached, or says no.
    pub fn ask(&self, method: &str, path: &str) -> Result<Vec<u8>, Failure> {
        self.read(method, path, &[])
    }

    /// Opens a stream of events; calls `each` with the name and data of every one until it says
    /// to stop or the server ends.
    ///
    /// # Errors
    /// The server cannot be reached, says no, or goes away.
    pub fn events(
        &self,
        pairs: &[(String, String)],
        mut each: impl FnMut(&str, &str) -> bool,
    ) -> Result<(), Failure> {
        let stream = self.request("GET", "/api/events", pairs, None)?;
        let (mut name, mut data) = (String::new(), String::new());
        for line in BufReader::new(stream).lines() {
            let line = line.map_err(|error| self.lost(&error))?;
            if let Some(text) = line.strip_prefix("event:") {
                text.trim().clone_into(&mut name);
            } else if let Some(text) = line.strip_prefix("data:") {
                data.push_str(text.strip_prefix(' ').unwrap_or(text));
            } else if line.is_empty() && !name.is_empty() {
                if !each(&name, &data) {
                    return Ok(());
                }
                name.clear();
                data.clear();
            }
        }
        Ok(())
    }

    fn read(&self, method: &str, path: &str, pairs: &[(String, String)]) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        let mut reader = self.request(method, path, pairs, Some(PATIENCE))?;
        reader.read_to_end(&mut body).map_err(|error| self.lost(&error))?;
        Ok(body)
    }

    fn request(
        &self,
        method: &str,
        path: &str,
        pairs: &[(String, String)],
        patience: Option<Duration>,
    ) -> Result<Box<dyn Read>, Failure> {
        let stream = self.connect().map_err(|error| {
            Failure::unreachable(format!(
                "no server answers at {} ({error}); is `rustsocks serve` running?",
                self.place
            ))
        })?;
        let head = self.head(method, path, pairs);
        let reader = stream.ask(&head, patience).map_err(|error| self.lost(&error))?;
        let (status, body) = response(reader).map_err(|error| self.lost(&error))?;
        if (200..300).contains(&status) { Ok(body) } else { Err(self.refused(status, body)) }
    }

    fn head(&self, method: &str, path: &str, pairs: &[(String, String)]) -> String {
        let host = match &self.place {
            Place::Socket(_) => "localhost",
            Place::Tcp(address) => address,
        };
        let mut head = format!("{method} {path}");
        for (at, (name, value)) in pairs.iter().enumerate() {
            head.push(if at == 0 { '?' } else { '&' });
            head.push_str(name);
            head.push('=');
            head.push_str(&percent_encoded(value));
        }
        // Writing to a `String` cannot fail.
        let _ = write!(head, " HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
        if let Some(token) = &self.token {
            let _ = write!(head, "Authorization: Bearer {token}\r\n");
        }
        head.push_str("\r\n");
        head
    }

    fn connect(&self) -> std::io::Result<Stream> {
        Ok(match &self.place {
            Place::Socket(path) => Stream::Unix(UnixStream::connect(path)?),
            Place::Tcp(address) => Stream::Tcp(TcpStream::connect(address)?),
        })
    }

    fn lost(&self, error: &std::io::Error) -> Failure {
        Failure::unreachable(format!("the connection to {} is lost: {error}", self.place))
    }

    fn refused(&self, status: u16, mut body: Box<dyn Read>) -> Failure {
        let mut bytes = Vec::new();
        // What cannot be read is not shown.
        let _ = body.by_ref().take(64 * 1_024).read_to_end(&mut bytes);
        let problem = serde_json::from_slice::<crate::api::Problem>(&bytes);
        let detail = problem.map_or_else(|_| format!("status {status}"), |problem| problem.detail);
        match status {
            401 => Failure::usage(format!("{}: {detail}; give one with `--token-file`", self.place)),
            404 => Failure::missing(detail),
            _ => Failure::usage(format!("{}: {detail}", self.place)),
        }
    }
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn ask(self, head: &str, patience: Option<Duration>) -> std::io::Result<BufReader<Box<dyn Read>>> {
        let reader: Box<dyn Read> = match self {
            Self::Tcp(mut stream) => {
                stream.set_read_timeout(patience)?;
                stream.write_all(head.as_bytes())?;
                Box::new(stream)
            }
            Self::Unix(mut stream) => {
                stream.set_read_timeout(patience)?;
                stream.write_all(head.as_bytes())?;
                Box::new(stream)
            }
        };
        Ok(BufReader::new(reader))
    }
}

/// Reads the head of an answer; gives its status and a reader of its body.
fn response(mut reader: BufReader<Box<dyn Read>>) -> std::io::Result<(u16, Box<dyn Read>)> {
    let malformed = || std::io::Error::new(std::io::ErrorKind::InvalidData, "this is not HTTP");
    let mut line = String::new();
    let mut next = |reader: &mut BufReader<Box<dyn Read>>| -> std::io::Result<String> {
        line.clear();
        reader.by_ref().take(16 * 1_024).read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    };
    let first = next(&mut reader)?;
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(malformed)?;
    let (mut length, mut is_chunked) = (None, false);
    loop {
        let header = next(&mut reader)?;
        let Some((name, value)) = header.split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse::<u64>().ok(),
            "transfer-encoding" => is_chunked = value.trim().eq_ignore_ascii_case("chunked"),
            _ => {}
        }
    }
    let body: Box<dyn Read> = match length {
        _ if is_chunked => Box::new(Chunked { reader, left: 0, is_first: true, is_done: false }),
        Some(length) => Box::new(reader.take(length)),
        None => Box::new(reader),
    };
    Ok((status, body))
}

/// A body in chunks (RFC 9112 §7.1).
struct Chunked {
    reader: BufReader<Box<dyn Read>>,
    left: u64,
    is_first: bool,
    is_done: bool,
}

impl Read for Chunked {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 && !self.is_done {
            self.next_chunk()?;
        }
        if self.is_done {
            return Ok(0);
        }
        let count = self.reader.by_ref().take(self.left).read(buffer)?;
        if count == 0 && !buffer.is_empty() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        Ok(count)
    }
}

impl Chunked {
    fn next_chunk(&mut self) -> std::io::Result<()> {
        let mut line = String::new();
        if !std::mem::take(&mut self.is_first) {
            self.reader.by_ref().take(2).read_line(&mut line)?;
            line.clear();
        }
        self.reader.by_ref().take(1_024).read_line(&mut line)?;
        let size = line.trim().split(';').next().unwrap_or_default();
        if line.is_empty() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.left = u64::from_str_radix(size, 16)
            .map_err(|_| std::io::Error::new(std::io::ErrorKind::InvalidData, "a chunk has no size"))?;
        self.is_done = self.left == 0;
        Ok(())
    }
}

/// A value of a query string or a segment of a path.
pub fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a `String` cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long an answer may take where nobody is known to be.
const GLANCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn body_of(text: &'static str) -> std::io::Result<(u16, String)> {
        let (status, mut body) = response(BufReader::new(Box::new(text.as_bytes())))?;
        let mut text = String::new();
        body.read_to_string(&mut text)?;
        Ok((status, text))
    }

    #[test]
    fn bodies_of_every_framing_are_read() {
        let chunked =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;x=y\r\n!\r\n0\r\n\r\n";
        assert_eq!(body_of(chunked).unwrap(), (200, "hello!".into()));
        let counted = "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno and more";
        assert_eq!(body_of(counted).unwrap(), (404, "no".into()));
        assert_eq!(body_of("HTTP/1.1 200 OK\r\n\r\nrest").unwrap(), (200, "rest".into()));
        assert!(body_of("SSH-2.0\r\n").is_err());
        assert!(body_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel").is_err());
    }

    #[test]
    fn places_are_read() {
        assert_eq!("unix:/run/a.sock".parse(), Ok(Place::Socket("/run/a.sock".into())));
        assert_eq!("http://localhost:8080/".parse(), Ok(Place::Tcp("localhost:8080".into())));
        assert_eq!("[::1]:80".parse(), Ok(Place::Tcp("[::1]:80".into())));
        assert!("localhost".parse::<Place>().is_err());
    }

    #[test]
    fn values_are_encoded() {
        assert_eq!(percent_encoded("a b&c=ü/."), "a%20b%26c%3D%C3%BC%2F.");
    }
}
