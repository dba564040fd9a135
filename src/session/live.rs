//! The sessions under way, and the way out for records.

use super::{SessionId, SessionRecord};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

/// What a relay counts while it runs; read by the API at any time.
#[derive(Debug, Default)]
pub struct Counters {
    /// Bytes from the client to the target.
    pub bytes_sent: AtomicU64,
    /// Bytes from the target to the client.
    pub bytes_received: AtomicU64,
    /// Datagrams from the client to targets.
    pub packets_sent: AtomicU64,
    /// Datagrams from targets to the client.
    pub packets_received: AtomicU64,
}

impl Counters {
    /// Writes the counts into a record.
    pub fn store_in(&self, record: &mut SessionRecord) {
        record.bytes_sent = self.bytes_sent.load(Ordering::Relaxed);
        record.bytes_received = self.bytes_received.load(Ordering::Relaxed);
        record.packets_sent = self.packets_sent.load(Ordering::Relaxed);
        record.packets_received = self.packets_received.load(Ordering::Relaxed);
    }
}

/// The road's only way to the sinks: store, metrics, log, API. Never blocks, never fails.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    live: Arc<Mutex<HashMap<SessionId, LiveSession>>>,
}

/// One session under way.
#[derive(Clone, Debug)]
pub struct LiveSession {
    /// As it was when it was established.
    pub record: Arc<SessionRecord>,
    /// Its counters, which go on.
    pub counters: Arc<Counters>,
    /// Cancelled to end it (`DELETE /api/sessions/{id}`).
    pub kill: CancellationToken,
}

impl Sessions {
    /// A session is established: it shows among the active ones until [`Sessions::finish`].
    pub fn begin(&self, record: &SessionRecord) -> LiveSession {
        let live = LiveSession {
            record: Arc::new(record.clone()),
            counters: Arc::default(),
            kill: CancellationToken::new(),
        };
        self.table().insert(record.id, live.clone());
        live
    }

    /// An attempt has ended, established or not. Each attempt comes here exactly once.
    pub fn finish(&self, record: SessionRecord) {
        self.table().remove(&record.id);
    }

    /// Those under way.
    pub fn active(&self) -> Vec<LiveSession> {
        self.table().values().cloned().collect()
    }

    fn table(&self) -> std::sync::MutexGuard<'_, HashMap<SessionId, LiveSession>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
