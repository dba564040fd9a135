//! The sessions under way, and the way out for records.
//!
//! The table is sharded by the random end of the id, and a shard's lock is held for one insertion
//! or removal. Counters are atomics of their own: relays count without any lock.

use super::{SessionId, SessionRecord, Sink};
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
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
    /// All that has moved, in one number that changes when anything does.
    pub fn moved(&self) -> u64 {
        let counts = [&self.bytes_sent, &self.bytes_received, &self.packets_sent, &self.packets_received];
        counts.iter().fold(0, |sum: u64, count| sum.wrapping_add(count.load(Ordering::Relaxed)))
    }

    /// Writes the counts into a record.
    pub fn store_in(&self, record: &mut SessionRecord) {
        record.bytes_sent = self.bytes_sent.load(Ordering::Relaxed);
        record.bytes_received = self.bytes_received.load(Ordering::Relaxed);
        record.packets_sent = self.packets_sent.load(Ordering::Relaxed);
        record.packets_received = self.packets_received.load(Ordering::Relaxed);
    }
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

impl LiveSession {
    /// The record with the counts of now and the time that has passed since its start.
    pub fn snapshot(&self, now: super::UnixMicros) -> SessionRecord {
        let mut record = SessionRecord::clone(&self.record);
        self.counters.store_in(&mut record);
        record.duration = now.since(record.start);
        record
    }
}

/// The road's only way to the sinks: store, metrics, log, API. Never blocks, never fails.
#[derive(Clone)]
pub struct Sessions {
    inner: Arc<Inner>,
}

struct Inner {
    shards: [Mutex<Shard>; SHARDS],
    count: AtomicUsize,
    sinks: Box<[Arc<dyn Sink>]>,
}

type Shard = HashMap<SessionId, LiveSession, BuildHasherDefault<IdHasher>>;

impl Default for Sessions {
    /// A table that tells nobody.
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("active", &self.count()).finish_non_exhaustive()
    }
}

impl Sessions {
    /// An empty table; each sink hears of every session, in this order.
    pub fn new(sinks: Vec<Arc<dyn Sink>>) -> Self {
        let shards = std::array::from_fn(|_| Mutex::default());
        Self { inner: Arc::new(Inner { shards, count: AtomicUsize::new(0), sinks: sinks.into() }) }
    }

    /// A session is established: it shows among the active ones until [`Sessions::finish`].
    pub fn begin(&self, record: &SessionRecord) -> LiveSession {
        let live = LiveSession {
            record: Arc::new(record.clone()),
            counters: Arc::default(),
            kill: CancellationToken::new(),
        };
        if self.shard(record.id).insert(record.id, live.clone()).is_none() {
            self.inner.count.fetch_add(1, Ordering::Relaxed);
        }
        self.inner.sinks.iter().for_each(|sink| sink.began(&live.record));
        live
    }

    /// An attempt has ended, established or not. Each attempt comes here exactly once.
    pub fn finish(&self, record: SessionRecord) {
        let was_live = self.shard(record.id).remove(&record.id).is_some();
        if was_live {
            self.inner.count.fetch_sub(1, Ordering::Relaxed);
        }
        let record = Arc::new(record);
        self.inner.sinks.iter().for_each(|sink| sink.ended(&record, was_live));
    }

    /// The policy has decided, and took so long.
    pub fn decided(&self, took: Duration) {
        self.inner.sinks.iter().for_each(|sink| sink.decided(took));
    }

    /// Those under way, oldest first.
    pub fn active(&self) -> Vec<LiveSession> {
        let mut all = Vec::with_capacity(self.count());
        for shard in &self.inner.shards {
            all.extend(lock(shard).values().cloned());
        }
        all.sort_by_key(|live: &LiveSession| live.record.id);
        all
    }

    /// The one of an id, if it is under way.
    pub fn get(&self, id: SessionId) -> Option<LiveSession> {
        self.shard(id).get(&id).cloned()
    }

    /// How many are under way.
    pub fn count(&self) -> usize {
        self.inner.count.load(Ordering::Relaxed)
    }

    fn shard(&self, id: SessionId) -> std::sync::MutexGuard<'_, Shard> {
        let [.., last] = *id.0.as_bytes();
        let [first, ..] = &self.inner.shards;
        lock(self.inner.shards.get(usize::from(last) % SHARDS).unwrap_or(first))
    }
}

fn lock(shard: &Mutex<Shard>) -> std::sync::MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ids are made here and end in 62 random bits: those are the hash.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.rchunks(8).take(1) {
            self.0 = chunk.iter().fold(0, |hash, &byte| hash << 8 | u64::from(byte));
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

const SHARDS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::sample;
    use std::sync::atomic::AtomicU32;

    #[derive(Default)]
    struct Tally {
        began: AtomicU32,
        ended_live: AtomicU32,
        ended_early: AtomicU32,
    }

    impl Sink for Tally {
        fn began(&self, _record: &Arc<SessionRecord>) {
            self.began.fetch_add(1, Ordering::Relaxed);
        }

        fn ended(&self, _record: &Arc<SessionRecord>, was_live: bool) {
            let count = if was_live { &self.ended_live } else { &self.ended_early };
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_session_is_active_from_begin_to_finish_and_each_sink_hears_once() {
        let tally = Arc::new(Tally::default());
        let sessions = Sessions::new(vec![tally.clone()]);
        let records: Vec<_> = (0..300).map(sample).collect();
        let live: Vec<_> = records.iter().map(|record| sessions.begin(record)).collect();
        assert_eq!(sessions.count(), 300);
        assert_eq!(sessions.active().len(), 300);
        live[7].counters.bytes_sent.store(42, Ordering::Relaxed);
        let seen = sessions.get(records[7].id).expect("it is under way");
        assert_eq!(seen.snapshot(records[7].start).bytes_sent, 42);
        records.into_iter().for_each(|record| sessions.finish(record));
        sessions.finish(sample(1_000));
        assert_eq!(sessions.count(), 0);
        assert!(sessions.active().is_empty());
        assert_eq!(tally.began.load(Ordering::Relaxed), 300);
        assert_eq!(tally.ended_live.load(Ordering::Relaxed), 300);
        assert_eq!(tally.ended_early.load(Ordering::Relaxed), 1);
    }
}
