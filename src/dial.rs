//! Permit → stream. Dialling takes a [`Permit`]: no address is dialled that was not decided upon.
//!
//! Of several addresses the families take turns, and each gets a head start before the next is
//! tried beside it (RFC 8305); the first to answer wins. One deadline covers them all.

mod hops;

use crate::session::CloseReason;
use crate::settings::Settings;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rustix::io::Errno;
use rustsocks_compiler::Permit;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;

/// Where our connections to targets come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Egress {
    /// From this address; targets of the other family cannot be reached.
    Address(IpAddr),
    /// Through this interface.
    Interface(String),
}

impl Egress {
    /// Reads an address, or else the name of an interface.
    pub fn parse(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Interface(text.into()), Self::Address)
    }

    /// Has what a socket sends leave from here.
    ///
    /// # Errors
    /// There is no such interface, or the address is none of this host.
    fn bind(&self, socket: &Socket) -> io::Result<()> {
        match self {
            Self::Address(address) => socket.bind(&SocketAddr::new(*address, 0).into()),
            Self::Interface(name) => socket.bind_device(Some(name.as_bytes())),
        }
    }

    /// Whether it can be used now.
    ///
    /// # Errors
    /// As [`Egress::bind`].
    fn try_out(&self) -> io::Result<()> {
        let domain = match self {
            Self::Address(IpAddr::V6(_)) => Domain::IPV6,
            Self::Address(IpAddr::V4(_)) | Self::Interface(_) => Domain::IPV4,
        };
        self.bind(&Socket::new(domain, Type::DGRAM.cloexec(), None)?)
    }
}

/// Opens connections to targets. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Dialer {
    deadline: Duration,
    stagger: Duration,
    egress: Option<Egress>,
}

/// A connection with the right that it was opened by.
#[derive(Debug)]
pub struct Dialled {
    /// The connection.
    pub stream: TcpStream,
    /// Whom it reaches, and by which rule.
    pub permit: Permit,
}

impl Dialer {
    /// A dialler as the settings want it. An egress that cannot be used is told of at once; it may
    /// come later, as that of a VPN does.
    pub fn new(settings: &Settings) -> Self {
        let egress = settings.relay.egress.as_deref().map(Egress::parse);
        if let Some(egress) = &egress
            && let Err(error) = egress.try_out()
        {
            tracing::warn!(%error, ?egress, "nothing can be reached from `relay.egress`: there is no such address or interface here");
        }
        Self { deadline: settings.timeouts.connect.get(), stagger: settings.resolver.stagger.get(), egress }
    }

    /// Where connections come from.
    pub fn egress(&self) -> Option<&Egress> {
        self.egress.as_ref()
    }

    /// Connects to the first of the permitted addresses that answers.
    ///
    /// # Errors
    /// The most telling of what went wrong.
    pub async fn dial(&self, permits: Vec<Permit>) -> Result<Dialled, CloseReason> {
        let race = async {
            match <[Permit; 1]>::try_from(permits) {
                Ok([permit]) => self.connect(permit).await,
                Err(permits) => self.race(in_turns(permits)).await,
            }
        };
        tokio::time::timeout(self.deadline, race).await.unwrap_or(Err(CloseReason::ConnectTimeout))
    }

    async fn race(&self, mut waiting: VecDeque<Permit>) -> Result<Dialled, CloseReason> {
        let mut running = FuturesUnordered::new();
        let mut failure = None;
        loop {
            match waiting.pop_front() {
                Some(permit) => running.push(self.connect(permit)),
                None if running.is_empty() => return Err(failure.unwrap_or(CloseReason::HostUnreachable)),
                None => {}
            }
            // Both arms may be dropped at any point: attempts live on in `running`.
            tokio::select! {
                Some(outcome) = running.next() => match outcome {
                    Ok(dialled) => return Ok(dialled),
                    Err(reason) => {
                        failure = Some(failure.map_or(reason, |before| more_telling(before, reason)));
                    }
                },
                () = tokio::time::sleep(self.stagger), if !waiting.is_empty() => {}
            }
        }
    }

    async fn connect(&self, permit: Permit) -> Result<Dialled, CloseReason> {
        let stream = self.begin(permit.target())?;
        // Writable: connected, or not to be.
        let outcome = match stream.writable().await {
            Ok(()) => stream.take_error().and_then(|error| error.map_or(Ok(()), Err)),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => {
                if permit.target().is_ipv6() {
                    hops::keep_answers(&stream, false);
                }
                Ok(Dialled { stream, permit })
            }
            Err(error) => Err(match reason_of(&error) {
                CloseReason::HostUnreachable if hops::used_up(&stream) => CloseReason::TtlExpired,
                reason => reason,
            }),
        }
    }

    /// A connection under way.
    fn begin(&self, target: SocketAddr) -> Result<TcpStream, CloseReason> {
        let socket = socket(target).map_err(|error| reason_of(&error))?;
        if let Some(egress) = &self.egress {
            match egress {
                Egress::Address(address) if address.is_ipv4() != target.is_ipv4() => {
                    return Err(CloseReason::NetworkUnreachable);
                }
                Egress::Address(_) => late_port(&socket),
                Egress::Interface(_) => {}
            }
            egress.bind(&socket).map_err(|error| {
                tracing::debug!(%error, ?egress, "the egress cannot be used");
                CloseReason::EgressUnavailable
            })?;
        }
        let begun = match socket.connect(&target.into()) {
            Err(error) if Errno::from_io_error(&error) != Some(Errno::INPROGRESS) => Err(error),
            Ok(()) | Err(_) => TcpStream::from_std(socket.into()),
        };
        begun.map_err(|error| reason_of(&error))
    }
}

fn socket(target: SocketAddr) -> io::Result<Socket> {
    let kind = Type::STREAM.nonblocking().cloexec();
    let socket = Socket::new(Domain::for_address(target), kind, Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    if target.is_ipv6() {
        hops::keep_answers(&socket, true);
    }
    Ok(socket)
}

/// Our address towards a peer, as the kernel would choose it; nothing is sent.
///
/// # Errors
/// There is no way to it, or no such interface.
pub fn address_towards(peer: IpAddr, interface: Option<&str>) -> io::Result<IpAddr> {
    let peer = SocketAddr::new(peer, 1);
    let probe = Socket::new(Domain::for_address(peer), Type::DGRAM.cloexec(), None)?;
    if let Some(name) = interface {
        probe.bind_device(Some(name.as_bytes()))?;
    }
    probe.connect(&peer.into())?;
    let local = probe.local_addr()?.as_socket();
    local.map(|local| local.ip()).ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

/// Leaves the choice of the port to `connect`, so that one is free as long as its pair of
/// addresses is: else the machine runs out of ports.
fn late_port(socket: &Socket) {
    use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
    if let Err(error) = setsockopt(socket, IpBindAddressNoPort, &true) {
        tracing::debug!(%error, "ports are chosen early");
    }
}

/// The families take turns, beginning with that of the first address.
fn in_turns(permits: Vec<Permit>) -> VecDeque<Permit> {
    let first_is_v4 = permits.first().is_some_and(|permit| permit.target().is_ipv4());
    let (ours, others): (Vec<_>, Vec<_>) =
        permits.into_iter().partition(|permit| permit.target().is_ipv4() == first_is_v4);
    let (mut ours, mut others) = (ours.into_iter(), others.into_iter());
    let mut turns = VecDeque::new();
    loop {
        match (ours.next(), others.next()) {
            (None, None) => return turns,
            (one, other) => turns.extend(one.into_iter().chain(other)),
        }
    }
}

/// A target that refuses says more than one that is silent, and that more than one without a way.
fn more_telling(one: CloseReason, other: CloseReason) -> CloseReason {
    let rank = |reason| match reason {
        CloseReason::ConnectionRefused => 0,
        CloseReason::ConnectTimeout => 1,
        CloseReason::TtlExpired => 2,
        CloseReason::HostUnreachable => 3,
        CloseReason::NetworkUnreachable => 4,
        _ => 5,
    };
    if rank(other) < rank(one) { other } else { one }
}

/// Whose fault an error of `connect` is.
pub fn reason_of(error: &io::Error) -> CloseReason {
    match Errno::from_io_error(error) {
        Some(Errno::CONNREFUSED | Errno::CONNRESET) => CloseReason::ConnectionRefused,
        Some(Errno::NETUNREACH | Errno::NETDOWN | Errno::AFNOSUPPORT) => CloseReason::NetworkUnreachable,
        Some(Errno::HOSTUNREACH | Errno::HOSTDOWN | Errno::ACCESS | Errno::PERM | Errno::INVAL) => {
            CloseReason::HostUnreachable
        }
        Some(Errno::TIMEDOUT) => CloseReason::ConnectTimeout,
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM | Errno::ADDRNOTAVAIL) => {
            CloseReason::ResourceExhausted
        }
        _ => CloseReason::InternalError,
    }
}
