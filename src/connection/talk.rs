//! The dialogue with a client before its tunnel: reads whole messages, keeps what comes after them,
//! and knows how to say no in the words of the moment.

use crate::relay::Stream;
use crate::session::CloseReason;
use crate::socks::{Parsed, Reply, WireError, http, v4, v5};
use rustsocks_compiler::model;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout, timeout_at};

/// Nothing: an address that stands where there is none to tell.
pub const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Why an attempt ends before it is established, and what the client is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// For the record.
    pub reason: CloseReason,
    /// For the client, where the policy has a wish.
    pub manner: model::Reply,
}

impl From<CloseReason> for Refusal {
    fn from(reason: CloseReason) -> Self {
        Self { reason, manner: model::Reply::Blocked }
    }
}

impl From<WireError> for Refusal {
    fn from(error: WireError) -> Self {
        tracing::debug!(%error, "not understood");
        match error {
            WireError::AddressType(_) => CloseReason::AddressTypeNotSupported,
            WireError::Command(_) | WireError::Method => CloseReason::CommandNotSupported,
            WireError::Name(_) => CloseReason::InvalidName,
            WireError::Fragment(_) | WireError::Malformed | WireError::TooLong | WireError::Version(_) => {
                CloseReason::ProtocolError
            }
        }
        .into()
    }
}

/// How a "no" is said at this point of the dialogue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Words {
    /// HTTP: a status.
    Http,
    /// Nothing is said: the client has not yet said anything itself.
    None,
    /// SOCKS4: a reply.
    Socks4,
    /// SOCKS5: no method is acceptable.
    Socks5Greeting,
    /// SOCKS5: the password is refused (RFC 1929).
    Socks5Password,
    /// SOCKS5: a reply.
    Socks5Request,
}

/// A client that is being talked to.
#[derive(Debug)]
pub struct Talk {
    stream: Stream,
    buffer: Vec<u8>,
    deadline: Instant,
    /// How a "no" is said now.
    pub words: Words,
}

/// Room for one read. Longer messages make more.
const ROOM: usize = 512;
/// How long and how much is read after a "no", so that it arrives before the connection is reset.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 64 * 1024;

impl Talk {
    /// Begins; the whole dialogue must be over by the deadline, whatever the client sends.
    pub fn new(stream: Stream, deadline: Instant) -> Self {
        Self { stream, buffer: Vec::new(), deadline, words: Words::None }
    }

    /// Time that the client need not answer for.
    pub fn extend(&mut self, by: Duration) {
        self.deadline += by;
    }

    /// Our own address on this connection.
    pub fn local(&self) -> Option<SocketAddr> {
        self.stream.local_addr()
    }

    /// The first byte, left in place.
    ///
    /// # Errors
    /// The client hung up or was too slow.
    pub async fn first_byte(&mut self) -> Result<u8, Refusal> {
        loop {
            match self.buffer.first() {
                Some(&first) => return Ok(first),
                None => self.fill().await?,
            }
        }
    }

    /// Reads one message.
    ///
    /// # Errors
    /// It is none, or the client hung up or was too slow.
    pub async fn read<T>(&mut self, parse: impl Fn(&[u8]) -> Parsed<T>) -> Result<T, Refusal> {
        loop {
            if let Some((message, taken)) = parse(&self.buffer)? {
                self.buffer.drain(..taken);
                return Ok(message);
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), Refusal> {
        self.buffer.reserve(ROOM);
        match timeout_at(self.deadline, self.stream.read_buf(&mut self.buffer)).await {
            Ok(Ok(1..)) => Ok(()),
            Ok(Ok(0) | Err(_)) => Err(CloseReason::ClientGone.into()),
            Err(_) => Err(CloseReason::HandshakeTimeout.into()),
        }
    }

    /// Says something.
    ///
    /// # Errors
    /// The client hung up or does not read.
    pub async fn say(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let deadline = self.deadline.max(Instant::now() + LINGER);
        let said = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        match timeout_at(deadline, said).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(CloseReason::ClientGone.into()),
            Err(_) => Err(CloseReason::HandshakeTimeout.into()),
        }
    }

    /// Answers a request with the address that goes with it.
    ///
    /// # Errors
    /// As [`Talk::say`].
    pub async fn reply(&mut self, reply: Reply, bound: SocketAddr) -> Result<(), Refusal> {
        let bound = SocketAddr::new(bound.ip().to_canonical(), bound.port());
        match self.words {
            Words::Http => self.say(&http::reply(reply)).await,
            Words::None => Ok(()),
            Words::Socks4 => self.say(&v4::reply(reply, bound)).await,
            Words::Socks5Greeting => self.say(&v5::REFUSAL).await,
            Words::Socks5Password => self.say(&v5::password_reply(reply == Reply::Succeeded)).await,
            Words::Socks5Request => self.say(&v5::reply(reply, bound)).await,
        }
    }

    /// Says no and closes, in an orderly way: a close with unread bytes would be a reset, and take
    /// the answer with it.
    pub async fn refuse(mut self, refusal: Refusal) {
        let Some(reply) = reply_of(refusal) else { return };
        if self.words == Words::None || self.reply(reply, NOWHERE).await.is_err() {
            return;
        }
        let linger = async {
            self.stream.shutdown().await?;
            let mut left = LINGER_BYTES;
            while left > 0 {
                self.buffer.clear();
                self.buffer.reserve(ROOM);
                match self.stream.read_buf(&mut self.buffer).await? {
                    0 => break,
                    read => left = left.saturating_sub(read),
                }
            }
            std::io::Result::Ok(())
        };
        if let Ok(Err(error)) = timeout(LINGER, linger).await {
            tracing::trace!(%error, "the client did not wait for its answer");
        }
    }

    /// Waits until the client has broken the connection. What it sends meanwhile, its end included,
    /// stays where it is: it belongs to the target.
    pub async fn broken(&self) -> Refusal {
        self.stream.broken().await;
        CloseReason::ClientGone.into()
    }

    /// The stream, with what the client sent after its request: that belongs to the target.
    pub fn into_parts(self) -> (Stream, Vec<u8>) {
        (self.stream, self.buffer)
    }

    /// Waits for the client to hang up, keeping what it sends meanwhile, up to a limit: from there
    /// on it must wait.
    pub async fn gone(&mut self, limit: usize) {
        while self.buffer.len() < limit {
            self.buffer.reserve(ROOM);
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return,
            }
        }
        std::future::pending::<()>().await;
    }
}

/// What a client is told of the end of its attempt; `None`: nothing.
fn reply_of(refusal: Refusal) -> Option<Reply> {
    use CloseReason as Why;
    match refusal.manner {
        model::Reply::Blocked => {}
        model::Reply::Drop => return None,
        model::Reply::Refused => return Some(Reply::ConnectionRefused),
    }
    Some(match refusal.reason {
        Why::ClientGone | Why::HandshakeTimeout => return None,
        Why::AuthenticationFailed
        | Why::AuthenticationUnavailable
        | Why::NoAcceptableMethod
        | Why::Penalised => Reply::AuthenticationRequired,
        Why::BlockedClient
        | Why::BlockedRequest
        | Why::BlockedByReload
        | Why::BindWrongPeer
        | Why::Killed
        | Why::LimitReached
        | Why::Loop => Reply::NotAllowed,
        Why::CommandNotSupported => Reply::CommandNotSupported,
        Why::AddressTypeNotSupported => Reply::AddressTypeNotSupported,
        Why::NameNotFound | Why::HostUnreachable | Why::ConnectTimeout | Why::BindTimeout => {
            Reply::HostUnreachable
        }
        Why::ConnectionRefused => Reply::ConnectionRefused,
        Why::NetworkUnreachable => Reply::NetworkUnreachable,
        Why::TtlExpired => Reply::TtlExpired,
        Why::ProtocolError | Why::InvalidName => Reply::BadRequest,
        Why::ResolverFailed
        | Why::ResourceExhausted
        | Why::EgressUnavailable
        | Why::InternalError
        | Why::Shutdown
        | Why::ClientClosed
        | Why::TargetClosed
        | Why::ClientReset
        | Why::TargetReset
        | Why::IdleTimeout
        | Why::HalfOpenTimeout
        | Why::LifetimeReached
        | Why::ServerDied => Reply::GeneralFailure,
    })
}
