//! BIND (RFC 1928 §4): a port for one connection from the peer that the client has named.

use super::judge::Judge;
use super::talk::{Refusal, Talk};
use super::{Attempt, ports};
use crate::dial::{self, Egress, reason_of};
use crate::relay::Stream;
use crate::session::CloseReason;
use crate::settings::sections;
use crate::socks::{Ask, Reply};
use rustsocks_compiler::Permit;
use rustsocks_compiler::model::canonical;
use rustsocks_compiler::request::Command;
use socket2::{Domain, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
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
    let room = judge.road.waiting.take(judge.who.caller.address).ok_or(CloseReason::LimitReached)?;
    let near = talk.local().map(|near| canonical(near.ip()));
    let egress = judge.road.dialer.egress();
    let host = address_towards(&permits, near, settings, egress)?;
    let listener = ports::within(settings.ports, |port| listen(SocketAddr::new(host, port), egress))
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
    drop((listener, room));
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

/// Our address towards the peer, in its family. Where it may be anybody, the one that the client
/// knows us by; a client that has come by no address knows none.
fn address_towards(
    permits: &[Permit],
    near: Option<IpAddr>,
    settings: &sections::Bind,
    egress: Option<&Egress>,
) -> Result<IpAddr, CloseReason> {
    let is_near = |address: &IpAddr| near.is_some_and(|near| near.is_ipv4() == address.is_ipv4());
    let mut peers: Vec<IpAddr> = permits.iter().map(|permit| permit.target().ip()).collect();
    // Of several addresses of a name, one of the family that the client speaks itself.
    peers.sort_by_key(|peer| !is_near(peer));
    if peers.iter().any(IpAddr::is_unspecified) {
        return match egress {
            Some(Egress::Address(address)) => Ok(*address),
            Some(Egress::Interface(name)) => of_interface(name, near.is_none_or(|near| near.is_ipv4())),
            None => near.or(settings.advertise.map(any)).ok_or(CloseReason::CommandNotSupported),
        };
    }
    let mut failure = CloseReason::HostUnreachable;
    for peer in peers {
        let ours = match egress {
            Some(Egress::Address(address)) if address.is_ipv4() == peer.is_ipv4() => return Ok(*address),
            Some(Egress::Address(_)) => Err(CloseReason::NetworkUnreachable),
            Some(Egress::Interface(name)) => dial::address_towards(peer, Some(name)).map_err(|error| {
                tracing::warn!(%error, interface = %name, "no port is opened: `relay.egress` can not be used");
                reason_of(&error)
            }),
            None => dial::address_towards(peer, None).map_err(|error| reason_of(&error)),
        };
        match ours {
            Ok(ours) => return Ok(ours),
            Err(reason) => failure = reason,
        }
    }
    Err(failure)
}

/// All addresses of a family.
fn any(like: IpAddr) -> IpAddr {
    if like.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

/// An address of an interface, if possible of that family.
fn of_interface(name: &str, is_v4: bool) -> Result<IpAddr, CloseReason> {
    let mut addresses = crate::policy::host::addresses_of(name);
    addresses.sort_by_key(|address| address.is_ipv4() != is_v4);
    addresses.first().copied().ok_or_else(|| {
        tracing::warn!(interface = %name, "no port is opened: `relay.egress` has no address");
        CloseReason::InternalError
    })
}

fn listen(address: SocketAddr, egress: Option<&Egress>) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking().cloexec(), None)?;
    if let Some(Egress::Interface(name)) = egress {
        socket.bind_device(Some(name.as_bytes()))?;
    }
    socket.bind(&address.into())?;
    socket.listen(1)?;
    TcpListener::from_std(socket.into())
}
