//! How much we take on: connections in all and from each client address, and of those the ones
//! that have not yet said what they want. Everything taken is given back when its guard is dropped.
//!
//! Unfinished handshakes are shed at random once half of their room is taken, with a chance that
//! rises to certainty at the cap: under a flood of silent connections an honest one still has a
//! fair chance to get in, and established tunnels do not notice.

use crate::settings::sections;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Counts of what never becomes a session, for the metrics.
#[derive(Debug, Default)]
pub struct Tally {
    /// Errors of `accept`.
    pub accept_errors: AtomicU64,
    /// Connections that were closed unserved for lack of a descriptor.
    pub shed_for_descriptors: AtomicU64,
    /// Connections that a cap turned away.
    pub shed_for_limits: AtomicU64,
    /// Datagrams that came from somebody else than the client of an association.
    pub udp_strangers: AtomicU64,
    /// Datagrams from a client that were no SOCKS datagrams, fragments included.
    pub udp_malformed: AtomicU64,
    /// Datagrams that the policy or a guard of ours blocked.
    pub udp_blocked: AtomicU64,
    /// Datagrams from peers that nobody had sent to.
    pub udp_unsolicited: AtomicU64,
    /// Datagrams dropped because too many were waiting for a name, or a socket was full.
    pub udp_overflow: AtomicU64,
    /// Datagrams for a name without an address, or for a peer that there is no way to.
    pub udp_unreachable: AtomicU64,
}

/// Adds one to a count.
pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Which cap is reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Full {
    /// Connections of one client.
    #[error("too many connections from one client")]
    Client,
    /// Handshakes of one client.
    #[error("too many unfinished handshakes from one client")]
    ClientHandshakes,
    /// Handshakes of all.
    #[error("too many unfinished handshakes")]
    Handshakes,
}

/// The caps with what is taken.
#[derive(Clone, Debug)]
pub struct Admission {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    caps: Caps,
    slots: Arc<Semaphore>,
    handshakes: AtomicUsize,
    clients: Mutex<HashMap<IpAddr, Taken>>,
    freed: Notify,
}

#[derive(Clone, Copy, Debug)]
struct Caps {
    per_client: usize,
    handshakes: usize,
    handshakes_per_client: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    connections: usize,
    handshakes: usize,
}

/// Descriptors that are kept for everything but connections.
const OTHER_DESCRIPTORS: usize = 32;

impl Admission {
    /// Takes the caps from the settings, and from how many descriptors there may be: a tunnel
    /// needs two.
    pub fn new(limits: &sections::Limits, descriptors: usize) -> Self {
        let affordable = (descriptors.saturating_sub(OTHER_DESCRIPTORS) / 2).max(1);
        let connections = limits.connections.clamp(1, affordable.min(Semaphore::MAX_PERMITS));
        let mut caps = Caps {
            per_client: limits.connections_per_client,
            handshakes: limits.handshakes.clamp(1, affordable),
            handshakes_per_client: limits.handshakes_per_client,
        };
        if connections < limits.connections {
            // One client must not have them all, whatever its cap was meant to be a part of.
            let share = (connections * 3 / 4).max(1);
            caps.per_client = caps.per_client.min(share);
            caps.handshakes_per_client = caps.handshakes_per_client.min(share);
            tracing::warn!(
                descriptors,
                connections,
                per_client = caps.per_client,
                "too few descriptors for `limits.connections`: fewer connections are served at a time"
            );
        }
        Self {
            inner: Arc::new(Inner {
                caps,
                slots: Arc::new(Semaphore::new(connections)),
                handshakes: AtomicUsize::new(0),
                clients: Mutex::default(),
                freed: Notify::new(),
            }),
        }
    }

    /// Room for one more connection; waits until there is some. `None` never happens while the
    /// server runs.
    pub async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.inner.slots).acquire_owned().await.ok()
    }

    /// Room for one more connection, if there is some now.
    pub fn slot_now(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.inner.slots).try_acquire_owned().ok()
    }

    /// Takes a client in, unless a cap is reached. `chance` is a random number.
    ///
    /// # Errors
    /// Says which cap.
    pub fn admit(&self, client: IpAddr, slot: OwnedSemaphorePermit, chance: u32) -> Result<Place, Full> {
        let inner = &self.inner;
        let pending = inner.handshakes.load(Ordering::Relaxed);
        if sheds(pending, inner.caps.handshakes, chance) {
            return Err(Full::Handshakes);
        }
        inner.take(client)?;
        inner.handshakes.fetch_add(1, Ordering::Relaxed);
        Ok(Place { inner: Arc::clone(inner), client, shaking: true, _slot: slot })
    }

    /// Waits until a connection has ended.
    pub async fn freed(&self) {
        self.inner.freed.notified().await;
    }

    /// Handshakes under way.
    pub fn handshakes(&self) -> usize {
        self.inner.handshakes.load(Ordering::Relaxed)
    }
}

fn sheds(pending: usize, cap: usize, chance: u32) -> bool {
    let floor = cap / 2;
    if pending >= cap {
        return true;
    }
    if pending < floor {
        return false;
    }
    let (over, room) = ((pending - floor) as u64, (cap - floor) as u64);
    u64::from(chance) * room < over * u64::from(u32::MAX)
}

impl Inner {
    fn clients(&self) -> MutexGuard<'_, HashMap<IpAddr, Taken>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, client: IpAddr) -> Result<(), Full> {
        let mut clients = self.clients();
        let taken = clients.get(&client).copied().unwrap_or_default();
        if taken.connections >= self.caps.per_client {
            return Err(Full::Client);
        }
        if taken.handshakes >= self.caps.handshakes_per_client {
            return Err(Full::ClientHandshakes);
        }
        let taken = clients.entry(client).or_default();
        taken.connections += 1;
        taken.handshakes += 1;
        Ok(())
    }

    fn give_back(&self, client: IpAddr, connection: bool, handshake: bool) {
        let mut clients = self.clients();
        if let Some(taken) = clients.get_mut(&client) {
            taken.connections -= usize::from(connection);
            taken.handshakes -= usize::from(handshake);
            if taken.connections == 0 {
                clients.remove(&client);
            }
        }
        drop(clients);
        if handshake {
            self.handshakes.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// The room that one connection takes.
#[derive(Debug)]
pub struct Place {
    inner: Arc<Inner>,
    client: IpAddr,
    shaking: bool,
    _slot: OwnedSemaphorePermit,
}

impl Place {
    /// The client is another than it seemed: a load balancer has said so. Only before the
    /// handshake is over.
    ///
    /// # Errors
    /// The client has no more room.
    pub fn move_to(&mut self, client: IpAddr) -> Result<(), Full> {
        self.inner.take(client)?;
        self.inner.give_back(self.client, true, true);
        self.inner.handshakes.fetch_add(1, Ordering::Relaxed);
        self.client = client;
        Ok(())
    }

    /// The handshake is over.
    pub fn settle(&mut self) {
        if std::mem::take(&mut self.shaking) {
            self.inner.give_back(self.client, false, true);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.inner.give_back(self.client, true, self.shaking);
        self.inner.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn admission(per_client: usize, handshakes: usize) -> Admission {
        let limits = sections::Limits {
            connections: 8,
            connections_per_client: per_client,
            handshakes,
            handshakes_per_client: 100,
            ..sections::Limits::default()
        };
        Admission::new(&limits, 1_000)
    }

    #[tokio::test]
    async fn what_is_taken_comes_back() {
        let admission = admission(2, 8);
        let mut places = Vec::new();
        for _ in 0..2 {
            let slot = admission.slot().await.expect("room");
            places.push(admission.admit(HOME, slot, u32::MAX).expect("a place"));
        }
        let slot = admission.slot().await.expect("room");
        assert_eq!(admission.admit(HOME, slot, u32::MAX).err(), Some(Full::Client));
        places[0].settle();
        assert_eq!(admission.handshakes(), 1);
        places.clear();
        assert_eq!(admission.handshakes(), 0);
        assert!(admission.inner.clients().is_empty());
        assert_eq!(admission.inner.slots.available_permits(), 8);
    }

    /// With 1,024 descriptors one client could hold all 496 tunnels that they are enough for.
    #[test]
    fn one_client_does_not_get_all_of_few_descriptors() {
        let admission = Admission::new(&sections::Limits::default(), 1_024);
        let mut places = Vec::new();
        let full = loop {
            let slot = admission.slot_now().expect("room for others");
            match admission.admit(HOME, slot, u32::MAX) {
                Ok(mut place) => {
                    place.settle();
                    places.push(place);
                }
                Err(full) => break full,
            }
        };
        assert_eq!((full, places.len()), (Full::Client, 372));
    }

    #[test]
    fn handshakes_are_shed_ever_more_surely() {
        assert!(!sheds(49, 100, 0) && !sheds(50, 100, 0) && sheds(60, 100, 0) && sheds(100, 100, u32::MAX));
        assert!(!sheds(75, 100, u32::MAX / 2 + 10) && sheds(75, 100, u32::MAX / 2 - 10));
    }
}
