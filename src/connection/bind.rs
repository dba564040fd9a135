//! BIND (RFC 1928 §4): a port for one connection from the peer that the client has named.

use super::judge::Judge;
use super::talk::{Refusal, Talk};
use super::{Attempt, NOWHERE, ports};
use crate::dial::{Egress, reason_of};
use crate::relay::Stream;
use crate::session::CloseReason;
use crate::socks::{Ask, Reply};
use rustsocks_compiler::Permit;
use rustsocks_compiler::model::canonical;
use rustsocks_compiler::request::Command;
use socket2::{Domain, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// What a client may send before its peer has come.
const EARLY: usize = 64 * 1024;

/// Opens a port, tells the client, waits for the peer, and tells the client again.
///
/// # Errors
/// The policy blocks it, nobody comes, or somebody else does.
pub(super) async fn bind(
    judge: Judge<'_>,
    ask: &Ask,
    attempt: &mut Attempt,
    talk: &mut Talk,
) -> Result<Stream, Refusal> {
    let settings = &judge.road.settings.bind;
    if !settings.enabled {
        return Err(CloseReason::CommandNotSupported.into());
    }
    let permits = judge.permits(Command::Bind, &ask.host, ask.port).await;
    let permits = permits.map_err(|blocked| judge.refuse(blocked, attempt))?;
    attempt.decided(judge.policy, true, permits.first().and_then(Permit::rule));
    let near = talk.local().unwrap_or(NOWHERE);
    let host = address_towards(&permits, near.ip(), judge.road.dialer.egress());
    let listener = ports::within(settings.ports, |port| listen(SocketAddr::new(host, port)))
        .map_err(|error| reason_of(&error))?;
    let local = listener.local_addr().map_err(|_| CloseReason::InternalError)?;
    let told = SocketAddr::new(settings.advertise.unwrap_or(local.ip()), local.port());
    attempt.note(|record| record.egress = Some(canonical(local.ip())));
    talk.reply(Reply::Succeeded, told).await?;
    let come = tokio::select! {
        come = timeout(settings.timeout.get(), listener.accept()) => come,
        () = talk.gone(EARLY) => return Err(CloseReason::ClientGone.into()),
    };
    // One peer, whoever it is: the port closes here.
    drop(listener);
    let (stream, peer) = come.map_err(|_| CloseReason::BindTimeout)?.map_err(|error| reason_of(&error))?;
    let peer = SocketAddr::new(canonical(peer.ip()), peer.port());
    attempt.note(|record| record.target = Some(peer));
    accepted(judge, &permits, &stream, peer).inspect_err(|_| {
        stream.set_zero_linger().unwrap_or_else(|error| tracing::debug!(%error, "closed without a reset"));
    })?;
    attempt.establish();
    talk.reply(Reply::Succeeded, peer).await?;
    Ok(Stream::Tcp(stream))
}

/// Whether the one who came is the one who was asked for, and may come.
fn accepted(
    judge: Judge<'_>,
    permits: &[Permit],
    stream: &TcpStream,
    peer: SocketAddr,
) -> Result<(), Refusal> {
    let expected = |permit: &Permit| {
        let wanted = permit.target().ip();
        wanted.is_unspecified() || wanted == peer.ip()
    };
    if !permits.iter().any(expected) {
        return Err(CloseReason::BindWrongPeer.into());
    }
    judge.reply(Command::BindReply, peer).map_err(|blocked| judge.refusal(blocked))?;
    stream.set_nodelay(true).map_err(|error| reason_of(&error).into())
}

/// Our address towards the peer; where it may be anybody, the one that the client knows us by.
fn address_towards(permits: &[Permit], near: IpAddr, egress: Option<&Egress>) -> IpAddr {
    let peer = permits.iter().map(Permit::target).find(|target| !target.ip().is_unspecified());
    if let Some(Egress::Address(address)) = egress {
        return *address;
    }
    peer.and_then(|peer| route_to(peer).ok()).unwrap_or(canonical(near))
}

/// The kernel says which address of ours it would use; nothing is sent.
fn route_to(peer: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr =
        if peer.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let probe = UdpSocket::bind((any, 0))?;
    probe.connect((peer.ip(), peer.port().max(1)))?;
    Ok(probe.local_addr()?.ip())
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking().cloexec(), None)?;
    socket.bind(&address.into())?;
    socket.listen(1)?;
    TcpListener::from_std(socket.into())
}
