//! Ports that wait for a peer (BIND): so many at a time for each client address, and no more.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many ports wait, by client.
#[derive(Debug)]
pub struct Waiting {
    cap: usize,
    clients: Mutex<HashMap<IpAddr, usize>>,
}

/// Room for one port; given back when it is dropped.
#[derive(Debug)]
pub struct Room<'a> {
    waiting: &'a Waiting,
    client: IpAddr,
}

impl Waiting {
    /// So many for each client.
    pub fn new(cap: usize) -> Self {
        Self { cap, clients: Mutex::default() }
    }

    /// Room for one more port; `None` where the client has as many as it may.
    pub fn take(&self, client: IpAddr) -> Option<Room<'_>> {
        let mut clients = self.clients();
        let taken = clients.entry(client).or_default();
        if *taken >= self.cap {
            return None;
        }
        *taken += 1;
        Some(Room { waiting: self, client })
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        let mut clients = self.waiting.clients();
        if let Some(taken) = clients.get_mut(&self.client) {
            *taken -= 1;
            if *taken == 0 {
                clients.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_own_room_and_gives_it_back() {
        let waiting = Waiting::new(1);
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().unwrap());
        let room = waiting.take(one);
        assert!(room.is_some() && waiting.take(one).is_none() && waiting.take(other).is_some());
        drop(room);
        assert!(waiting.clients().is_empty() && waiting.take(one).is_some());
    }
}
