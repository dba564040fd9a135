//! UDP ASSOCIATE (RFC 1928 §7): datagrams between one client and the peers that it sends to.
//!
//! The client is pinned to the address of its TCP connection. Each datagram is let through by the
//! [`Gate`]; what it said of a peer holds for a few seconds. Peers are remembered up to a cap, and
//! only they may send back, unless a rule says otherwise. A datagram for a name that is not yet
//! resolved waits beside the road; no other waits for it.

use super::named::Names;
use super::stream::Stream;
use crate::limits::{Tally, count};
use crate::session::{CloseReason, Counters};
use crate::socks::v5;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rustsocks_compiler::Permit;
use rustsocks_compiler::model::{Host, Name, canonical};
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until};

/// Room for the longest datagram behind the longest header.
const ROOM: usize = 65_536 + v5::LONGEST_DATAGRAM_HEADER;
/// Datagrams of one socket before the others have their turn.
const BURST: usize = 64;
/// How long a verdict on a peer holds: a policy may speak of the time of day.
const VERDICT_HOLDS: Duration = Duration::from_secs(5);

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; ROOM].into());
}

/// Who says what may pass, and what addresses names have.
pub trait Gate {
    /// The right to send to an address that the client itself has named.
    fn send(&mut self, target: SocketAddr) -> Option<Permit>;
    /// Whether a name has a chance at all.
    fn name(&mut self, name: &Name, port: u16) -> bool;
    /// Whether a datagram may come back from a peer; `solicited` if the client has sent to it.
    fn reply(&mut self, peer: SocketAddr, solicited: bool) -> bool;
    /// The rights to send to those addresses of a name that pass, those to be preferred first.
    fn settle(&mut self, name: &Name, port: u16, addresses: &[IpAddr]) -> Vec<Permit>;
    /// By a name, this was sent to.
    fn reached(&mut self, permit: &Permit);
    /// The addresses of a name.
    fn resolve(&self, name: Name) -> Pin<Box<dyn Future<Output = Vec<IpAddr>> + Send>>;
    /// Ready when the gate has changed its mind about everything: true if nothing can pass any more.
    fn poll_changed(&mut self, cx: &mut Context<'_>) -> Poll<bool>;
}

/// Opens a socket towards peers of the family of an address.
type Open = Box<dyn Fn(SocketAddr) -> io::Result<UdpSocket> + Send + Sync>;

/// Sends at once or not at all: a datagram that does not fit is lost, as on any network.
fn send_to(socket: &UdpSocket, datagram: &[u8], to: SocketAddr) -> io::Result<usize> {
    let flags = rustix::net::SendFlags::DONTWAIT | rustix::net::SendFlags::NOSIGNAL;
    Ok(rustix::net::sendto(socket, datagram, flags, &to)?)
}

/// What an association may take.
#[derive(Clone, Copy, Debug)]
pub struct AssociationLimits {
    /// How long nothing may move.
    pub idle: Duration,
    /// How long all may last.
    pub lifetime: Duration,
    /// Peers that are remembered.
    pub peers: usize,
    /// Datagrams that wait for a name.
    pub waiting: usize,
}

/// The sockets of an association, and whom they serve.
#[derive(Debug)]
pub struct Sockets {
    /// Towards the client.
    pub inside: UdpSocket,
    /// Towards IPv4 peers, once there is one.
    pub v4: Option<UdpSocket>,
    /// Towards IPv6 peers, once there is one.
    pub v6: Option<UdpSocket>,
    /// The only address that the client may send from.
    pub client: IpAddr,
    /// The only port: known from the request, or from the first datagram.
    pub port: Option<u16>,
}

impl Sockets {
    /// Sends to a peer, from a socket of its family, which is opened for the first of them.
    fn send(&mut self, open: &Open, to: SocketAddr, payload: &[u8]) -> io::Result<usize> {
        let socket = if to.is_ipv4() { &mut self.v4 } else { &mut self.v6 };
        let socket = match socket {
            Some(socket) => socket,
            None => {
                socket.insert(open(to).inspect_err(|error| tracing::debug!(%error, "no socket for peers"))?)
            }
        };
        send_to(socket, payload, to)
    }
}

/// Whether it is only now that nothing more can be sent, or nothing of that size.
fn is_full(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::AGAIN | Errno::MSGSIZE | Errno::NOBUFS | Errno::NOMEM))
}

fn count_sent(bytes: usize, counters: &Counters) {
    counters.packets_sent.fetch_add(1, Ordering::Relaxed);
    counters.bytes_sent.fetch_add(bytes as u64, Ordering::Relaxed);
}

/// An association under way.
pub struct Association<G> {
    gate: G,
    control: Stream,
    sockets: Sockets,
    open: Open,
    limits: AssociationLimits,
    tally: Arc<Tally>,
    peers: HashMap<SocketAddr, Peer>,
    names: Names,
    lookups: FuturesUnordered<Pin<Box<dyn Future<Output = Waited> + Send>>>,
}

/// What is known of a peer.
#[derive(Debug, Default)]
struct Peer {
    permit: Option<Permit>,
    /// Until when the permit, or the lack of it, holds.
    holds: Option<Instant>,
    /// When the client sent to it last.
    sent: Option<Instant>,
    /// Whether it may answer, and until when that holds.
    reply: Option<(bool, Instant)>,
}

/// A datagram that waited for a name.
struct Waited {
    name: Name,
    port: u16,
    payload: Box<[u8]>,
    addresses: Vec<IpAddr>,
}

impl<G: Gate> Association<G> {
    /// An association; `open` opens a socket towards peers of the family of an address.
    pub fn new(
        gate: G,
        control: Stream,
        sockets: Sockets,
        open: impl Fn(SocketAddr) -> io::Result<UdpSocket> + Send + Sync + 'static,
        (limits, tally): (AssociationLimits, Arc<Tally>),
    ) -> Self {
        Self {
            gate,
            control,
            sockets,
            open: Box::new(open),
            limits,
            tally,
            peers: HashMap::new(),
            names: Names::default(),
            lookups: FuturesUnordered::new(),
        }
    }

    /// Relays until the TCP connection ends, nothing has moved for too long, or `cut` says why to
    /// stop.
    pub async fn run(mut self, counters: &Counters, cut: impl Future<Output = CloseReason>) -> CloseReason {
        let mut cut = pin!(cut);
        let begun = Instant::now();
        let mut moved = begun;
        let mut timer = pin!(sleep_until(begun + self.limits.idle.min(self.limits.lifetime)));
        poll_fn(|cx| {
            if let Poll::Ready(reason) = self.poll_control(cx) {
                return Poll::Ready(reason);
            }
            if self.poll_datagrams(cx, counters) {
                moved = Instant::now();
            }
            match self.gate.poll_changed(cx) {
                Poll::Ready(true) => return Poll::Ready(CloseReason::BlockedByReload),
                Poll::Ready(false) => {
                    self.forget_verdicts();
                    cx.waker().wake_by_ref();
                }
                Poll::Pending => {}
            }
            if let Poll::Ready(reason) = cut.as_mut().poll(cx) {
                return Poll::Ready(reason);
            }
            while timer.as_mut().poll(cx).is_ready() {
                let (silent, end) = (moved + self.limits.idle, begun + self.limits.lifetime);
                let (when, reason) = match end < silent {
                    true => (end, CloseReason::LifetimeReached),
                    false => (silent, CloseReason::IdleTimeout),
                };
                if when <= Instant::now() {
                    return Poll::Ready(reason);
                }
                timer.as_mut().reset(when);
            }
            Poll::Pending
        })
        .await
    }

    /// The association lives as long as the TCP connection does; what comes over that is nothing.
    fn poll_control(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        let mut bytes = [0; 256];
        loop {
            let mut buf = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.control).poll_read(cx, &mut buf) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if buf.filled().is_empty() => {
                    return Poll::Ready(CloseReason::ClientClosed);
                }
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(CloseReason::ClientReset),
            }
        }
    }

    /// Moves what can be moved; says whether anything was.
    fn poll_datagrams(&mut self, cx: &mut Context<'_>, counters: &Counters) -> bool {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut moved = self.poll_inside(cx, scratch, counters);
            while let Poll::Ready(Some(waited)) = self.lookups.poll_next_unpin(cx) {
                moved |= self.resolved(waited, counters);
            }
            moved |= self.poll_outside(cx, scratch, counters, true);
            moved | self.poll_outside(cx, scratch, counters, false)
        })
    }

    /// From the client.
    fn poll_inside(&mut self, cx: &mut Context<'_>, scratch: &mut [u8], counters: &Counters) -> bool {
        let mut moved = false;
        for _ in 0..BURST {
            let mut buf = ReadBuf::new(scratch);
            let from = match self.sockets.inside.poll_recv_from(cx, &mut buf) {
                Poll::Pending => return moved,
                Poll::Ready(Ok(from)) => from,
                // An answer of ours could not be delivered: no matter.
                Poll::Ready(Err(_)) => continue,
            };
            if !self.is_client(from) {
                count(&self.tally.udp_strangers);
                continue;
            }
            moved |= self.client_sent(buf.filled(), counters);
        }
        cx.waker().wake_by_ref();
        moved
    }

    fn is_client(&mut self, from: SocketAddr) -> bool {
        if canonical(from.ip()) != self.sockets.client
            || self.sockets.port.is_some_and(|port| port != from.port())
        {
            return false;
        }
        self.sockets.port = Some(from.port());
        true
    }

    fn client_sent(&mut self, datagram: &[u8], counters: &Counters) -> bool {
        let Ok(((host, port), start)) = v5::datagram(datagram) else {
            count(&self.tally.udp_malformed);
            return false;
        };
        let payload = datagram.get(start..).unwrap_or_default();
        match host {
            Host::Address(address) => self.send(SocketAddr::new(address, port), payload, counters),
            Host::Name(name) => match self.send_by_name(&name, port, payload, counters) {
                Some(moved) => moved,
                None => self.look_up(name, port, payload),
            },
        }
    }

    /// Puts a datagram aside until its name is resolved.
    fn look_up(&mut self, name: Name, port: u16, payload: &[u8]) -> bool {
        if !self.gate.name(&name, port) {
            count(&self.tally.udp_blocked);
            return false;
        }
        if self.lookups.len() >= self.limits.waiting {
            count(&self.tally.udp_overflow);
            return false;
        }
        let addresses = self.gate.resolve(name.clone());
        let payload = payload.into();
        self.lookups
            .push(Box::pin(async move { Waited { name, port, payload, addresses: addresses.await } }));
        true
    }

    /// Settles what is to become of a name, and sends what has waited for it.
    fn resolved(&mut self, waited: Waited, counters: &Counters) -> bool {
        let Waited { name, port, payload, addresses } = waited;
        if addresses.is_empty() {
            count(&self.tally.udp_unreachable);
            return false;
        }
        let now = Instant::now();
        let permits = self.gate.settle(&name, port, &addresses);
        self.names.keep(name.clone(), port, permits, now + VERDICT_HOLDS);
        let moved = self.send_by_name(&name, port, &payload, counters);
        if let Some(permit) = self.names.of(&name, port, now).and_then(|named| named.current()) {
            self.gate.reached(permit);
        }
        moved.unwrap_or(false)
    }

    /// Sends to the first address of a name that there is a way to; `None`: nothing is known of it.
    fn send_by_name(&mut self, name: &Name, port: u16, payload: &[u8], counters: &Counters) -> Option<bool> {
        let now = Instant::now();
        let named = self.names.of(name, port, now)?;
        if named.is_blocked() {
            count(&self.tally.udp_blocked);
            return Some(false);
        }
        let Self { sockets, open, .. } = self;
        let (mut sent, mut failed) = (None, None);
        for (place, permit) in named.in_turn() {
            match sockets.send(open, permit.target(), payload) {
                Ok(length) => {
                    sent = Some((place, permit.target(), length));
                    break;
                }
                Err(error) if is_full(&error) => {
                    failed = Some(error);
                    break;
                }
                Err(error) => failed = Some(error),
            }
        }
        let Some((place, target, length)) = sent else {
            self.count_unsent(failed);
            return Some(false);
        };
        named.was_good(place);
        self.peer(target).sent = Some(now);
        count_sent(length, counters);
        Some(true)
    }

    fn send(&mut self, target: SocketAddr, payload: &[u8], counters: &Counters) -> bool {
        let now = Instant::now();
        if self.peers.get(&target).and_then(|peer| peer.holds).is_none_or(|holds| holds <= now) {
            let permit = self.gate.send(target);
            let peer = self.peer(target);
            peer.permit = permit;
            peer.holds = Some(now + VERDICT_HOLDS);
        }
        let Some(peer) = self.peers.get_mut(&target) else { return false };
        let Some(permit) = &peer.permit else {
            count(&self.tally.udp_blocked);
            return false;
        };
        let to = permit.target();
        peer.sent = Some(now);
        if to != target {
            // The unspecified address leads to another, which answers in its own name.
            self.peer(to).sent = Some(now);
        }
        match self.sockets.send(&self.open, to, payload) {
            Ok(sent) => {
                count_sent(sent, counters);
                true
            }
            Err(error) => {
                self.count_unsent(Some(error));
                false
            }
        }
    }

    fn count_unsent(&self, error: Option<io::Error>) {
        let full = error.is_some_and(|error| is_full(&error));
        count(if full { &self.tally.udp_overflow } else { &self.tally.udp_unreachable });
    }

    /// What is known of a peer; the one silent for longest makes room for a new one.
    fn peer(&mut self, target: SocketAddr) -> &mut Peer {
        if self.peers.len() >= self.limits.peers.max(1) && !self.peers.contains_key(&target) {
            let oldest = self.peers.iter().min_by_key(|(_, peer)| peer.sent).map(|(address, _)| *address);
            oldest.and_then(|oldest| self.peers.remove(&oldest));
        }
        self.peers.entry(target).or_default()
    }

    /// From peers of one family.
    fn poll_outside(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
        counters: &Counters,
        v4: bool,
    ) -> bool {
        let mut moved = false;
        for _ in 0..BURST {
            let socket = if v4 { &self.sockets.v4 } else { &self.sockets.v6 };
            let Some((socket, (head, body))) =
                socket.as_ref().zip(scratch.split_at_mut_checked(v5::LONGEST_DATAGRAM_HEADER))
            else {
                return moved;
            };
            let mut buf = ReadBuf::new(body);
            let peer = match socket.poll_recv_from(cx, &mut buf) {
                Poll::Pending => return moved,
                Poll::Ready(Ok(peer)) => SocketAddr::new(canonical(peer.ip()), peer.port()),
                // A peer is not reachable, says ICMP: no matter.
                Poll::Ready(Err(_)) => continue,
            };
            let length = buf.filled().len();
            if !self.may_reply(peer) {
                count(&self.tally.udp_unsolicited);
                continue;
            }
            let header = v5::datagram_header(peer);
            let start = head.len() - header.len();
            head.get_mut(start..).unwrap_or_default().copy_from_slice(&header);
            let end = v5::LONGEST_DATAGRAM_HEADER + length;
            moved |= self.answer_client(scratch.get(start..end).unwrap_or_default(), length, counters);
        }
        cx.waker().wake_by_ref();
        moved
    }

    fn may_reply(&mut self, from: SocketAddr) -> bool {
        let now = Instant::now();
        let Some(peer) = self.peers.get_mut(&from).filter(|peer| peer.sent.is_some()) else {
            return self.gate.reply(from, false);
        };
        match peer.reply {
            Some((may, holds)) if holds > now => may,
            _ => {
                let may = self.gate.reply(from, true);
                peer.reply = Some((may, now + VERDICT_HOLDS));
                may
            }
        }
    }

    fn answer_client(&mut self, datagram: &[u8], payload: usize, counters: &Counters) -> bool {
        let Some(port) = self.sockets.port else { return false };
        let client = SocketAddr::new(self.sockets.client, port);
        match send_to(&self.sockets.inside, datagram, client) {
            Ok(_) => {
                counters.packets_received.fetch_add(1, Ordering::Relaxed);
                counters.bytes_received.fetch_add(payload as u64, Ordering::Relaxed);
                true
            }
            Err(_) => {
                count(&self.tally.udp_overflow);
                false
            }
        }
    }

    fn forget_verdicts(&mut self) {
        self.names.clear();
        for peer in self.peers.values_mut() {
            (peer.permit, peer.holds, peer.reply) = (None, None, None);
        }
    }
}
