//! Fair shares of the workers: no service and no address can hold them all.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A bounded number of places for each key, made when it is asked for and gone when unused.
#[derive(Debug)]
pub(super) struct Lanes<K> {
    places: usize,
    lanes: Mutex<HashMap<K, Weak<Semaphore>>>,
}

impl<K: Clone + Eq + Hash> Lanes<K> {
    /// So many places for each key.
    pub(super) fn new(places: usize) -> Self {
        Self { places: places.max(1), lanes: Mutex::default() }
    }

    /// Waits for a place.
    pub(super) async fn enter(&self, key: &K) -> Option<OwnedSemaphorePermit> {
        self.lane(key).acquire_owned().await.ok()
    }

    fn lane(&self, key: &K) -> Arc<Semaphore> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get(key).and_then(Weak::upgrade) {
            return lane;
        }
        // Whoever waits or works holds a lane, so those without a holder are nobody's.
        if lanes.len() >= SWEEP_AT {
            lanes.retain(|_, lane| lane.strong_count() > 0);
        }
        let lane = Arc::new(Semaphore::new(self.places));
        lanes.insert(key.clone(), Arc::downgrade(&lane));
        lane
    }
}

const SWEEP_AT: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_key_cannot_take_anothers_places() {
        let lanes = Lanes::new(1);
        let held = lanes.enter(&"a").await.unwrap();
        assert!(lanes.enter(&"b").await.is_some());
        assert!(lanes.lane(&"a").try_acquire_owned().is_err());
        drop(held);
        assert!(lanes.lane(&"a").try_acquire_owned().is_ok());
        let many = Lanes::new(1);
        for n in 0..3_000 {
            assert!(many.enter(&n).await.is_some());
        }
        assert!(many.lanes.lock().unwrap().len() <= SWEEP_AT);
    }
}
