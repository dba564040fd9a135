//! A connection as it came in, and what must be said before the client's own words: the header of
//! a load balancer (PROXY protocol), the handshake of TLS.

use super::{Door, Road};
use crate::connection::{Attempt, Caller, client_address};
use crate::limits::{Place, count};
use crate::relay::Stream;
use crate::session::CloseReason;
use crate::tls::CertificateNames;
use proxy_header::{ParseConfig, ProxyHeader};
use rustsocks_compiler::request::Method;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, timeout_at};

/// A connection that was accepted.
#[derive(Debug)]
pub struct Arrival {
    /// The connection.
    pub stream: Stream,
    /// Who is at its other end: the client, or a load balancer.
    pub client: SocketAddr,
    /// Where it came in.
    pub door: Arc<Door>,
    /// The room that it takes.
    pub place: Option<Place>,
}

/// What every header of version 2 begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest header of version 1.
const LONGEST_V1: usize = 107;
/// The longest header of version 2 that is taken; what is longer is no balancer's.
const LONGEST_V2: usize = 4 * 1024;

impl Arrival {
    pub(super) fn new(stream: Stream, client: SocketAddr, door: Arc<Door>, place: Place) -> Self {
        Self { stream, client, door, place: Some(place) }
    }

    /// Learns who the client is.
    ///
    /// # Errors
    /// A header is due and is not there, or comes from somebody who is no load balancer of ours.
    pub async fn meet(
        mut self,
        road: &Road,
        deadline: Instant,
        place: &mut Option<Place>,
        attempt: &mut Attempt,
    ) -> Result<(Caller, Stream), CloseReason> {
        if !self.door.balancers().is_empty() {
            let (client, listener) = (self.client, self.door.name());
            if !self.door.balancers().iter().any(|net| net.contains(client.ip())) {
                tracing::info!(%client, %listener, "refused: not one of `proxy_protocol`, so no load balancer of ours");
                return Err(CloseReason::ProtocolError);
            }
            let told = timeout_at(deadline, header(&mut self.stream)).await;
            let told = told.map_err(|_| CloseReason::HandshakeTimeout)?;
            let told = told.inspect_err(|reason| {
                if *reason == CloseReason::ProtocolError {
                    tracing::info!(%client, %listener, "refused: no header of the PROXY protocol that names a client");
                }
            });
            if let Some(client) = told? {
                self.client = client_address(client);
                attempt.note(|record| record.client = self.client);
                if let Some(place) = place {
                    place.move_to(self.client.ip()).map_err(|_| {
                        count(&road.tally.shed_for_limits);
                        CloseReason::LimitReached
                    })?;
                }
            }
        }
        let Self { stream, client, door, .. } = self;
        let secured = timeout_at(deadline, secure(stream, &door)).await;
        let (stream, certificate) = secured.map_err(|_| CloseReason::HandshakeTimeout)?.map_err(|error| {
            tracing::debug!(%client, %error, "no TLS");
            CloseReason::ProtocolError
        })?;
        let listener = Arc::clone(door.name());
        Ok((Caller { address: client.ip(), listener, method: Method::None, certificate }, stream))
    }
}

/// On a listener that speaks TLS: the handshake, and whom the client's certificate names.
async fn secure(stream: Stream, door: &Door) -> io::Result<(Stream, CertificateNames)> {
    match (door.tls(), stream) {
        (None, stream) => Ok((stream, CertificateNames::default())),
        (Some(tls), Stream::Tcp(tcp)) => {
            let (stream, names) = tls.accept(tcp).await?;
            Ok((Stream::Tls(Box::new(stream)), names))
        }
        (Some(_), Stream::Tls(_) | Stream::Unix(_)) => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Reads a header and not one byte more; `None`: the balancer speaks for itself (a health check).
async fn header(stream: &mut Stream) -> Result<Option<SocketAddr>, CloseReason> {
    let gone = |_| CloseReason::ClientGone;
    let mut bytes = vec![0; SIGNATURE.len()];
    stream.read_exact(&mut bytes).await.map_err(gone)?;
    if bytes == SIGNATURE {
        let mut rest = [0; 4];
        stream.read_exact(&mut rest).await.map_err(gone)?;
        let [_, _, high, low] = rest;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > LONGEST_V2 {
            return Err(CloseReason::ProtocolError);
        }
        bytes.extend_from_slice(&rest);
        let start = bytes.len();
        bytes.resize(start + length, 0);
        stream.read_exact(bytes.get_mut(start..).unwrap_or_default()).await.map_err(gone)?;
    } else if bytes.starts_with(b"PROXY ") {
        while !bytes.ends_with(b"\r\n") {
            if bytes.len() >= LONGEST_V1 {
                return Err(CloseReason::ProtocolError);
            }
            bytes.push(stream.read_u8().await.map_err(gone)?);
        }
    } else {
        return Err(CloseReason::ProtocolError);
    }
    if !are_ports_plain(&bytes) {
        return Err(CloseReason::ProtocolError);
    }
    let (header, _) =
        ProxyHeader::parse(&bytes, ParseConfig::default()).map_err(|_| CloseReason::ProtocolError)?;
    match header.proxied_address() {
        Some(proxied) => Ok(Some(proxied.source)),
        None if is_for_itself(&bytes) => Ok(None),
        // A client without an address of IP (`AF_UNIX`) is not to be judged by its balancer's.
        None => Err(CloseReason::ProtocolError),
    }
}

/// Version 1: a port is a decimal number without sign or leading zeros.
fn are_ports_plain(header: &[u8]) -> bool {
    let is_plain = |port: &[u8]| match port {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let ports =
        header.strip_prefix(b"PROXY TCP").map(|rest| rest.trim_ascii_end().split(|&byte| byte == b' '));
    ports.is_none_or(|words| words.skip(3).all(is_plain))
}

/// A health check of the balancer: `LOCAL` or an unspecified family (version 2), `UNKNOWN` (version 1).
fn is_for_itself(header: &[u8]) -> bool {
    match header.strip_prefix(SIGNATURE) {
        Some([command, family, ..]) => command & 0xf == 0 || family >> 4 == 0,
        Some(_) => false,
        None => header.starts_with(b"PROXY UNKNOWN"),
    }
}
