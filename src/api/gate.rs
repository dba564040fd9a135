//! Who may ask what: the check that stands before every handler.

use super::problem::Problem;
use crate::settings::sections;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use subtle::ConstantTimeEq;
use warp::http::{HeaderMap, Method, StatusCode, Uri, header};

/// Where a request comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Peer {
    /// Over TCP.
    Tcp(SocketAddr),
    /// Over the socket in the file system, from a process of this user.
    Unix(u32),
}

/// What a caller may do.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Scope {
    /// Nothing but to ask whether the server lives.
    Nobody,
    /// Look at everything.
    Read,
    /// End sessions and reload the policy as well.
    Admin,
}

/// Why the API cannot be opened as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// Others could reach it and there are no tokens.
    #[error(
        "the API on {0} can be reached by others and has no tokens; set `api.tokens`, or listen on 127.0.0.1"
    )]
    TokensNeeded(SocketAddr),
    /// The file of tokens cannot be read.
    #[error("cannot read the tokens of the API in `{}`: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A line of the file is not `role:token`.
    #[error("{}:{line}: write `read:TOKEN` or `admin:TOKEN` with a token of at least 16 characters", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
}

/// Holds the tokens and counts requests by address.
#[derive(Debug)]
pub struct Gate {
    tokens: Vec<(Scope, Vec<u8>)>,
    hosts: Vec<String>,
    origins: Vec<String>,
    rate: u32,
    uid: u32,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    last: Instant,
}

impl Gate {
    /// The gate of an API that listens on these addresses.
    ///
    /// # Errors
    /// The tokens cannot be had, or are needed and missing.
    pub fn new(settings: &sections::Api, listens: &[SocketAddr]) -> Result<Self, GateError> {
        let tokens = settings.tokens.as_deref().map_or(Ok(Vec::new()), read_tokens)?;
        if let Some(open) = listens.iter().find(|address| !is_loopback(address.ip()) && tokens.is_empty()) {
            return Err(GateError::TokensNeeded(*open));
        }
        Ok(Self {
            tokens,
            hosts: settings.hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            origins: settings.origins.clone(),
            rate: settings.rate,
            uid: nix::unistd::geteuid().as_raw(),
            buckets: Mutex::default(),
        })
    }

    /// Checks a request; says what its caller may do.
    ///
    /// # Errors
    /// The answer that it gets instead.
    pub fn check(
        &self,
        peer: Peer,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<Scope, Problem> {
        let scope = match peer {
            Peer::Unix(uid) if uid == 0 || uid == self.uid => Scope::Admin,
            Peer::Unix(_) => {
                return Err(Problem::new(
                    StatusCode::FORBIDDEN,
                    "this socket serves root and the server's own user",
                ));
            }
            Peer::Tcp(address) => {
                self.check_rate(address.ip())?;
                self.check_host(uri, headers)?;
                self.check_origin(method, headers)?;
                self.scope(address.ip(), headers)?
            }
        };
        let wanted = wanted(method, uri.path());
        if scope >= wanted {
            return Ok(scope);
        }
        if scope == Scope::Nobody || !headers.contains_key(header::AUTHORIZATION) {
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "a bearer token is needed"));
        }
        Err(Problem::new(StatusCode::FORBIDDEN, "this token may read only"))
    }

    /// The origin that may read answers in a browser, if the request names one that may.
    pub fn allowed_origin(&self, headers: &HeaderMap) -> Option<String> {
        let origin = headers.get(header::ORIGIN)?.to_str().ok()?;
        self.origins.iter().any(|allowed| allowed == origin).then(|| origin.to_owned())
    }

    fn check_rate(&self, address: IpAddr) -> Result<(), Problem> {
        if self.rate == 0 {
            return Ok(());
        }
        let rate = f64::from(self.rate);
        let now = Instant::now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ADDRESSES && !buckets.contains_key(&address) {
            buckets.retain(|_, bucket| now.saturating_duration_since(bucket.last).as_secs() < 2);
            if buckets.len() >= ADDRESSES {
                buckets.clear();
            }
        }
        let bucket = buckets.entry(address).or_insert(Bucket { tokens: rate * 2.0, last: now });
        let passed = now.saturating_duration_since(bucket.last).as_secs_f64();
        bucket.tokens = (bucket.tokens + passed * rate).min(rate * 2.0);
        bucket.last = now;
        if bucket.tokens < 1.0 {
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many requests from this address"));
        }
        bucket.tokens -= 1.0;
        Ok(())
    }

    /// A page of a stranger whose name was pointed at us says that name: it is refused.
    fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        let mut said = headers.get_all(header::HOST).iter();
        let host = said.next().and_then(|host| host.to_str().ok());
        let host = match (host, said.next()) {
            (Some(host), None) => host,
            _ => return Err(Problem::bad_request("one Host header is needed")),
        };
        let also = uri.authority().map(|authority| authority.as_str());
        if [Some(host), also].into_iter().flatten().all(|host| self.is_ours(host)) {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "this server is not called so; `api.hosts` lists the names that it answers to",
        ))
    }

    fn is_ours(&self, host: &str) -> bool {
        let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((six, _port)) => return six.parse::<std::net::Ipv6Addr>().is_ok(),
            None => host.rsplit_once(':').map_or(host, |(name, _port)| name),
        };
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        name == "localhost" || name.parse::<IpAddr>().is_ok() || self.hosts.contains(&name)
    }

    /// A page in a browser must not change anything on behalf of who looks at it.
    fn check_origin(&self, method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
        let same = headers.get(header::HOST).and_then(|host| host.to_str().ok()).is_some_and(|host| {
            let origin = origin.to_str().unwrap_or_default();
            origin.strip_prefix("http://").or(origin.strip_prefix("https://")) == Some(host)
        });
        let only_reads = matches!(*method, Method::GET | Method::HEAD);
        if same || only_reads || self.allowed_origin(headers).is_some() {
            return Ok(());
        }
        Err(Problem::new(StatusCode::FORBIDDEN, "pages of other origins may not do this"))
    }

    fn scope(&self, address: IpAddr, headers: &HeaderMap) -> Result<Scope, Problem> {
        let Some(authorization) = headers.get(header::AUTHORIZATION) else {
            return Ok(match (is_loopback(address), self.tokens.is_empty()) {
                (true, true) => Scope::Admin,
                (true, false) => Scope::Read,
                (false, _) => Scope::Nobody,
            });
        };
        let bytes = authorization.as_bytes();
        let token = match bytes.split_at_checked(7) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => token,
            _ => return Err(Problem::new(StatusCode::UNAUTHORIZED, "only bearer tokens are known")),
        };
        // Every token is compared, and each in constant time: nothing can be timed.
        let mut scope = Scope::Nobody;
        for (of, known) in &self.tokens {
            if bool::from(known.as_slice().ct_eq(token)) {
                scope = scope.max(*of);
            }
        }
        if scope == Scope::Nobody {
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "the token is not known"));
        }
        Ok(scope)
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// What a request needs. Probes may ask for `/health` and get one word.
fn wanted(method: &Method, path: &str) -> Scope {
    match (method.as_str(), path) {
        ("GET" | "HEAD", "/health" | "/") | ("OPTIONS", _) => Scope::Nobody,
        ("GET" | "HEAD", _) | ("POST", "/api/explain") => Scope::Read,
        _ => Scope::Admin,
    }
}

fn read_tokens(path: &Path) -> Result<Vec<(Scope, Vec<u8>)>, GateError> {
    let text =
        std::fs::read_to_string(path).map_err(|error| GateError::Unreadable { path: path.into(), error })?;
    let mut tokens = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let malformed = || GateError::Malformed { path: path.into(), line: number };
        let (role, token) = line.split_once(':').ok_or_else(malformed)?;
        let scope = match role.trim() {
            "admin" => Scope::Admin,
            "read" => Scope::Read,
            _ => return Err(malformed()),
        };
        let token = token.trim();
        if token.len() < SHORTEST {
            return Err(malformed());
        }
        tokens.push((scope, token.as_bytes().to_vec()));
    }
    Ok(tokens)
}

/// Addresses whose requests are counted at a time.
const ADDRESSES: usize = 4_096;
/// The shortest token.
const SHORTEST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const LOCAL: Peer = Peer::Tcp(SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9));
    const REMOTE: Peer = Peer::Tcp(SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 9));

    fn gate(tokens: &str) -> Gate {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(tokens.as_bytes()).unwrap();
        let settings = sections::Api {
            tokens: (!tokens.is_empty()).then(|| file.path().into()),
            rate: 0,
            hosts: vec!["proxy.example.com".into()],
            origins: vec!["https://ops.example.com".into()],
            ..sections::Api::default()
        };
        Gate::new(&settings, &[]).unwrap()
    }

    fn ask(
        gate: &Gate,
        peer: Peer,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Scope, u16> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(warp::http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        let method: Method = method.parse().unwrap();
        gate.check(peer, &method, &path.parse().unwrap(), &map).map_err(|problem| problem.status)
    }

    const TOKENS: &str = "# comment\nread:reads-and-nothing-else\nadmin:may-do-everything-here\n";

    #[test]
    fn tokens_give_their_scope_and_loopback_reads() {
        let gate = gate(TOKENS);
        let host = ("host", "192.0.2.9:8080");
        let read = ("authorization", "Bearer reads-and-nothing-else");
        let admin = ("authorization", "bearer may-do-everything-here");
        assert_eq!(ask(&gate, REMOTE, "GET", "/api/policy", &[host]), Err(401));
        assert_eq!(
            ask(&gate, REMOTE, "GET", "/api/policy", &[host, ("authorization", "Bearer x")]),
            Err(401)
        );
        assert_eq!(
            ask(&gate, REMOTE, "GET", "/api/policy", &[host, ("authorization", "Basic eDp5")]),
            Err(401)
        );
        assert_eq!(ask(&gate, REMOTE, "GET", "/api/policy", &[host, read]), Ok(Scope::Read));
        assert_eq!(ask(&gate, REMOTE, "DELETE", "/api/sessions/x", &[host, read]), Err(403));
        assert_eq!(ask(&gate, REMOTE, "DELETE", "/api/sessions/x", &[host, admin]), Ok(Scope::Admin));
        assert_eq!(ask(&gate, REMOTE, "GET", "/health", &[host]), Ok(Scope::Nobody));
        assert_eq!(ask(&gate, REMOTE, "POST", "/api/explain", &[host, read]), Ok(Scope::Read));
        assert_eq!(ask(&gate, LOCAL, "GET", "/api/policy", &[host]), Ok(Scope::Read));
        assert_eq!(ask(&gate, LOCAL, "POST", "/api/policy/reload", &[host]), Err(401));
    }

    #[test]
    fn a_name_that_is_not_ours_is_refused() {
        let gate = gate("");
        for host in
            ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080", "proxy.example.com.", "10.0.0.1"]
        {
            assert_eq!(ask(&gate, LOCAL, "GET", "/health", &[("host", host)]), Ok(Scope::Admin), "{host}");
        }
        for host in ["evil.example.com", "localhost.evil.com:8080", "", "[evil]:1", "127.0.0.1.evil.com"] {
            assert_eq!(ask(&gate, LOCAL, "GET", "/health", &[("host", host)]), Err(421), "{host}");
        }
        assert_eq!(ask(&gate, LOCAL, "GET", "/health", &[]), Err(400));
        assert_eq!(ask(&gate, LOCAL, "GET", "/health", &[("host", "a"), ("host", "localhost")]), Err(400));
        assert_eq!(ask(&gate, LOCAL, "GET", "http://evil.com/health", &[("host", "localhost")]), Err(421));
    }

    #[test]
    fn pages_of_other_origins_change_nothing() {
        let gate = gate("");
        let host = ("host", "localhost:8080");
        let path = "/api/policy/reload";
        assert_eq!(ask(&gate, LOCAL, "POST", path, &[host, ("origin", "http://evil.com")]), Err(403));
        assert_eq!(ask(&gate, LOCAL, "POST", path, &[host, ("origin", "null")]), Err(403));
        assert!(ask(&gate, LOCAL, "POST", path, &[host, ("origin", "http://localhost:8080")]).is_ok());
        assert!(ask(&gate, LOCAL, "POST", path, &[host, ("origin", "https://ops.example.com")]).is_ok());
        assert!(ask(&gate, LOCAL, "POST", path, &[host]).is_ok());
    }

    #[test]
    fn the_socket_serves_root_and_our_own_user() {
        let gate = gate(TOKENS);
        assert_eq!(ask(&gate, Peer::Unix(0), "POST", "/api/policy/reload", &[]), Ok(Scope::Admin));
        let own = nix::unistd::geteuid().as_raw();
        assert_eq!(ask(&gate, Peer::Unix(own), "POST", "/api/policy/reload", &[]), Ok(Scope::Admin));
        assert_eq!(ask(&gate, Peer::Unix(own + 1), "GET", "/health", &[]), Err(403));
    }

    #[test]
    fn requests_are_counted_by_address() {
        let settings = sections::Api { rate: 5, ..sections::Api::default() };
        let gate = Gate::new(&settings, &[]).unwrap();
        let host = ("host", "localhost");
        let served = (0..40).filter(|_| ask(&gate, LOCAL, "GET", "/health", &[host]).is_ok()).count();
        assert!((10..40).contains(&served), "{served}");
        assert!(ask(&gate, REMOTE, "GET", "/health", &[host]).is_ok());
    }

    #[test]
    fn an_api_that_others_reach_needs_tokens() {
        let open: SocketAddr = "0.0.0.0:8080".parse().unwrap();
        let refused = Gate::new(&sections::Api::default(), &[open]);
        assert!(matches!(refused, Err(GateError::TokensNeeded(_))));
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"admin:short\n").unwrap();
        let settings = sections::Api { tokens: Some(file.path().into()), ..sections::Api::default() };
        assert!(matches!(Gate::new(&settings, &[]), Err(GateError::Malformed { line: 1, .. })));
    }
}
