//! A connection as it came in, and what must be said before the client's own words: the header of
//! a load balancer (PROXY protocol), the handshake of TLS.

use super::{Listener, Road};
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
    pub listener: Arc<Listener>,
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
    pub(super) fn new(stream: Stream, client: SocketAddr, listener: Arc<Listener>, place: Place) -> Self {
        Self { stream, client, listener, place: Some(place) }
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
        if !self.listener.balancers().is_empty() {
            if !self.listener.balancers().iter().any(|net| net.contains(self.client.ip())) {
                return Err(CloseReason::ProtocolError);
            }
            let told = timeout_at(deadline, header(&mut self.stream)).await;
            if let Some(client) = told.map_err(|_| CloseReason::HandshakeTimeout)?? {
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
        let Self { stream, client, listener, .. } = self;
        let secured = timeout_at(deadline, secure(stream, &listener)).await;
        let (stream, certificate) = secured.map_err(|_| CloseReason::HandshakeTimeout)?.map_err(|error| {
            tracing::debug!(%client, %error, "no TLS");
            CloseReason::ProtocolError
        })?;
        let listener = Arc::clone(listener.name());
        Ok((Caller { address: client.ip(), listener, method: Method::None, certificate }, stream))
    }
}

/// On a listener that speaks TLS: the handshake, and whom the client's certificate names.
async fn secure(stream: Stream, listener: &Listener) -> io::Result<(Stream, CertificateNames)> {
    match (listener.tls(), stream) {
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
    let (header, _) =
        ProxyHeader::parse(&bytes, ParseConfig::default()).map_err(|_| CloseReason::ProtocolError)?;
    Ok(header.proxied_address().map(|proxied| proxied.source))
}
