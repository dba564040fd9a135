//! UDP ASSOCIATE: opens the socket that the client is to send to, and asks the policy about each
//! peer on behalf of the relay.

use super::attempt::Attempt;
use super::judge::{Blocked, Judge};
use super::recheck::changes_since;
use super::talk::{Refusal, Talk};
use super::who::Who;
use super::{NOWHERE, ports};
use crate::dial::Egress;
use crate::relay::{Association, AssociationLimits, Gate, Sockets};
use crate::server::Road;
use crate::session::CloseReason;
use crate::socks::{Ask, Reply};
use rustsocks_compiler::model::{Host, Name, canonical};
use rustsocks_compiler::request::Command;
use rustsocks_compiler::{Permit, Policy};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::net::UdpSocket;
use tokio::sync::watch::Receiver;

/// What an association is made from.
pub(super) struct Opened {
    sockets: Sockets,
    local: SocketAddr,
    who: Who,
}

/// Opens an association and tells the client where to send to.
///
/// # Errors
/// Nothing could pass, or no socket can be opened.
pub(super) async fn open(
    road: &Road,
    policy: &Policy,
    (who, ask): (Who, Ask),
    attempt: &mut Attempt,
    talk: &mut Talk,
) -> Result<Opened, Refusal> {
    let settings = &road.settings.udp;
    if !settings.enabled {
        return Err(CloseReason::CommandNotSupported.into());
    }
    if !who.could(policy, Command::UdpAssociate) {
        attempt.decided(policy, false, None);
        return Err(CloseReason::BlockedRequest.into());
    }
    let near = match talk.local() {
        Some(near) => near,
        // A client of a socket in the file system knows no address of ours, unless one is set.
        None if settings.advertise.is_some() => NOWHERE,
        None => return Err(CloseReason::CommandNotSupported.into()),
    };
    let host = canonical(near.ip());
    let inside = ports::within(settings.ports, |port| udp(SocketAddr::new(host, port)))
        .map_err(|error| crate::dial::reason_of(&error))?;
    let local = inside.local_addr().map_err(|_| CloseReason::InternalError)?;
    let client = who.caller.address;
    let port = (ask.port != 0 && ask.host == Host::Address(client)).then_some(ask.port);
    road.ourselves.associate(local, true);
    let opened = Opened { sockets: Sockets { inside, v4: None, v6: None, client, port }, local, who };
    attempt.establish();
    let told = SocketAddr::new(settings.advertise.unwrap_or(local.ip()), local.port());
    match talk.reply(Reply::Succeeded, told).await {
        Ok(()) => Ok(opened),
        Err(refusal) => {
            road.ourselves.associate(local, false);
            Err(refusal)
        }
    }
}

/// Relays until the association ends.
pub(super) async fn relay(
    road: &Arc<Road>,
    policy: Arc<Policy>,
    opened: Opened,
    control: crate::relay::Stream,
    attempt: &mut Attempt,
) -> CloseReason {
    let Some(live) = attempt.establish() else { return CloseReason::InternalError };
    let Opened { sockets, local, who } = opened;
    let _open = Open { road, local };
    let (settings, timeouts) = (&road.settings.udp, &road.settings.timeouts);
    let limits = AssociationLimits {
        idle: settings.idle.get(),
        lifetime: timeouts.lifetime.get(),
        peers: settings.peers,
        waiting: settings.waiting,
    };
    let watched = road.settings.policy.ask_live_sessions_again;
    let changes = watched.then(|| changed(changes_since(road, &policy)));
    let gate = Door { road, policy, who, attempt, changes, named: false };
    let egress = road.dialer.egress().cloned();
    let open = move |peer| outside(peer, egress.as_ref());
    let association = Association::new(gate, control, sockets, open, (limits, Arc::clone(&road.tally)));
    let killed = async {
        live.kill.cancelled().await;
        CloseReason::Killed
    };
    association.run(&live.counters, killed).await
}

/// Takes the socket off the list of our own when the association is over.
struct Open<'a> {
    road: &'a Road,
    local: SocketAddr,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.road.ourselves.associate(self.local, false);
    }
}

/// The next change of the policy, and how to wait for the one after it.
type Changed = Pin<Box<dyn Future<Output = Option<Receiver<u64>>> + Send>>;

fn changed(mut receiver: Receiver<u64>) -> Changed {
    Box::pin(async move { receiver.changed().await.ok().map(|()| receiver) })
}

/// The policy in front of an association.
struct Door<'a> {
    road: &'a Road,
    policy: Arc<Policy>,
    who: Who,
    attempt: &'a mut Attempt,
    changes: Option<Changed>,
    /// Whether the record names a rule that passed something.
    named: bool,
}

impl Door<'_> {
    fn judge(&self) -> Judge<'_> {
        Judge { road: self.road, policy: &self.policy, who: &self.who }
    }

    /// The record names the first rule that passed a datagram, or else one that blocked one.
    fn passed(&mut self, target: SocketAddr, permit: &Permit) {
        if !std::mem::replace(&mut self.named, true) {
            self.attempt.decided(&self.policy, true, permit.rule());
            self.attempt.reached(target);
        }
    }

    fn blocked(&mut self, blocked: Blocked) {
        match blocked {
            Blocked::Rule(rule) if !self.named => self.attempt.decided(&self.policy, false, rule),
            Blocked::Rule(_) | Blocked::Loop | Blocked::Unresolved(_) => {}
        }
    }
}

impl Gate for Door<'_> {
    fn send(&mut self, target: SocketAddr) -> Option<Permit> {
        if self.road.ourselves.is_association(target) {
            return None;
        }
        let outcome = self.judge().permit(Command::UdpAssociate, None, target.ip(), target.port());
        match outcome {
            Ok(permit) => {
                self.passed(target, &permit);
                Some(permit)
            }
            Err(blocked) => {
                self.blocked(blocked);
                None
            }
        }
    }

    fn settle(&mut self, name: &Name, port: u16, addresses: &[IpAddr]) -> Vec<Permit> {
        match self.judge().settle(Command::UdpAssociate, name, port, addresses) {
            Ok(mut permits) => {
                permits.retain(|permit| !self.road.ourselves.is_association(permit.target()));
                permits
            }
            Err(blocked) => {
                self.blocked(blocked);
                Vec::new()
            }
        }
    }

    fn reached(&mut self, permit: &Permit) {
        self.passed(permit.target(), permit);
    }

    fn name(&mut self, name: &Name, port: u16) -> bool {
        match self.judge().name_may_pass(Command::UdpAssociate, name, port) {
            Ok(()) => true,
            Err(blocked) => {
                self.blocked(blocked);
                false
            }
        }
    }

    fn reply(&mut self, peer: SocketAddr, solicited: bool) -> bool {
        match self.judge().reply(Command::UdpReply, peer) {
            Ok(permit) => solicited || permit.rule().is_some(),
            Err(_) => false,
        }
    }

    fn resolve(&self, name: Name) -> Pin<Box<dyn Future<Output = Vec<IpAddr>> + Send>> {
        let resolver = self.road.resolver.clone();
        Box::pin(async move { resolver.addresses(&name).await.unwrap_or_default() })
    }

    fn poll_changed(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let Some(changes) = &mut self.changes else { return Poll::Pending };
        let receiver = std::task::ready!(changes.as_mut().poll(cx));
        self.changes = receiver.map(changed);
        self.policy = self.road.policy.load();
        let (user, groups) = (self.who.principal.user().cloned(), self.who.principal.groups().to_vec());
        self.who.principal = self.policy.principal(user, groups);
        let admitted = self.policy.admit(&self.who.caller.client());
        let blocked = admitted.answer() == rustsocks_compiler::Answer::Block
            || !self.who.could(&self.policy, Command::UdpAssociate);
        if blocked {
            self.attempt.decided(&self.policy, false, admitted.rule());
        }
        Poll::Ready(blocked)
    }
}

fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking().cloexec(), None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

/// A socket towards peers of the family of one of them.
fn outside(peer: SocketAddr, egress: Option<&Egress>) -> io::Result<UdpSocket> {
    let any = match (peer, egress) {
        (_, Some(Egress::Address(address))) if address.is_ipv4() == peer.is_ipv4() => *address,
        (_, Some(Egress::Address(_))) => return Err(io::ErrorKind::NetworkUnreachable.into()),
        (SocketAddr::V4(_), _) => Ipv4Addr::UNSPECIFIED.into(),
        (SocketAddr::V6(_), _) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = udp(SocketAddr::new(any, 0))?;
    if let Some(Egress::Interface(name)) = egress {
        socket.bind_device(Some(name.as_bytes()))?;
    }
    Ok(socket)
}
