//! The one writer: a bounded queue in front, a thread of its own behind.
//!
//! What the road does costs a lock for some nanoseconds. When the queue is full, because the disk
//! is slow, full or gone, records are dropped and counted; nobody waits.

use super::{Batch, Revision, Store, StoreError};
use crate::session::{SessionId, SessionRecord, Sessions, Sink, UnixMicros};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How records wait to be written.
#[derive(Clone, Copy, Debug)]
pub struct QueueOptions {
    /// At most so many wait.
    pub queue: usize,
    /// So many are enough to write at once.
    pub batch: usize,
    /// So long a record waits for others.
    pub flush: Duration,
    /// How long records are kept; `None` for ever.
    pub retention: Option<Duration>,
    /// How often the counts of sessions under way are written down, for the record that a crash leaves.
    pub heartbeat: Duration,
}

impl Default for QueueOptions {
    /// 16,384 records, 1,000 at once or 250 ms, kept for 90 days; counts once a minute.
    fn default() -> Self {
        Self {
            queue: 16_384,
            batch: 1_000,
            flush: Duration::from_millis(250),
            retention: Some(Duration::from_secs(90 * 86_400)),
            heartbeat: Duration::from_secs(60),
        }
    }
}

/// What the writer has done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WriterFigures {
    /// Records that are safe.
    pub written: u64,
    /// Records that did not fit the queue.
    pub dropped: u64,
    /// Batches that failed; each is tried again.
    pub failures: u64,
    /// Records that wait.
    pub waiting: u64,
    /// Batches that were written.
    pub batches: u64,
    /// Why the last batch failed; `None` if it did not.
    pub failure: Option<String>,
}

/// Hears how long the writing of a batch took.
pub type Observe = Box<dyn Fn(Duration) + Send>;

/// Takes records from the road and has them written. Clones share the queue.
#[derive(Clone)]
pub struct Writer {
    shared: Arc<Shared>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

struct Shared {
    options: QueueOptions,
    queue: Mutex<Queue>,
    /// What has left the queue and is not known to be safe yet.
    writing: Mutex<Vec<Arc<SessionRecord>>>,
    wake: Condvar,
    /// The sessions under way; let go when the thread ends, since they know the writer too.
    live: Mutex<Option<Sessions>>,
    figures: Figures,
    is_stopping: AtomicBool,
}

#[derive(Default)]
struct Queue {
    ended: Vec<Arc<SessionRecord>>,
    began: Vec<Arc<SessionRecord>>,
    revisions: Vec<Arc<Revision>>,
    /// Callers of [`Writer::flush`] wait until this many flushes are done.
    flushes_wanted: u64,
    flushes_done: u64,
}

#[derive(Default)]
struct Figures {
    written: AtomicU64,
    dropped: AtomicU64,
    failures: AtomicU64,
    batches: AtomicU64,
    waiting: AtomicU64,
    failure: Mutex<Option<String>>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("figures", &self.figures()).finish_non_exhaustive()
    }
}

impl Writer {
    /// Starts the thread; `observe` hears how long each batch took.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(store: Arc<dyn Store>, options: QueueOptions, observe: Observe) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            options,
            queue: Mutex::default(),
            writing: Mutex::default(),
            wake: Condvar::new(),
            live: Mutex::default(),
            figures: Figures::default(),
            is_stopping: AtomicBool::new(false),
        });
        let mine = shared.clone();
        let thread = std::thread::Builder::new()
            .name("store".into())
            .spawn(move || Work::new(mine, store, observe).run())?;
        Ok(Self { shared, thread: Arc::new(Mutex::new(Some(thread))) })
    }

    /// Where the counts of sessions under way are found.
    pub fn watch(&self, sessions: Sessions) {
        *self.shared.live() = Some(sessions);
    }

    /// A policy that records may name from now on.
    pub fn policy(&self, revision: Revision) {
        self.shared.queue().revisions.push(Arc::new(revision));
    }

    /// The record of an id that waits to be written, or is being written.
    pub fn waiting(&self, id: SessionId) -> Option<Arc<SessionRecord>> {
        let is_it = |record: &&Arc<SessionRecord>| record.id == id;
        let queue = self.shared.queue();
        // INVARIANT: a batch moves from the queue to `writing` under the queue's lock.
        let writing = self.shared.writing();
        queue.ended.iter().find(is_it).or_else(|| writing.iter().find(is_it)).cloned()
    }

    /// What it has done.
    pub fn figures(&self) -> WriterFigures {
        let figures = &self.shared.figures;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        WriterFigures {
            written: read(&figures.written),
            dropped: read(&figures.dropped),
            failures: read(&figures.failures),
            batches: read(&figures.batches),
            waiting: read(&figures.waiting) + self.shared.queue().ended.len() as u64,
            failure: figures.failure.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Waits until all that was handed over before is written, or the time is up; says which.
    pub fn flush(&self, longest: Duration) -> bool {
        let mut queue = self.shared.queue();
        queue.flushes_wanted += 1;
        let wanted = queue.flushes_wanted;
        self.shared.wake.notify_all();
        let waited = self.shared.wake.wait_timeout_while(queue, longest, |queue| queue.flushes_done < wanted);
        waited.is_ok_and(|(queue, _)| queue.flushes_done >= wanted)
    }

    /// Writes what waits and ends the thread. A store that fails is not waited for.
    pub fn stop(&self) {
        self.shared.is_stopping.store(true, Ordering::Release);
        self.shared.wake.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the store's thread has panicked");
        }
    }
}

impl Sink for Writer {
    fn began(&self, record: &Arc<SessionRecord>) {
        let mut queue = self.shared.queue();
        // A session that is not marked is only lost to a crash; its end is recorded as ever.
        if queue.began.len() < self.shared.options.queue {
            queue.began.push(record.clone());
        }
    }

    fn ended(&self, record: &Arc<SessionRecord>, _was_live: bool) {
        let mut queue = self.shared.queue();
        if queue.ended.len() >= self.shared.options.queue {
            drop(queue);
            self.shared.figures.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        queue.ended.push(record.clone());
        // The writer wakes by itself every `flush`; only a burst wakes it before.
        let is_enough = queue.ended.len() == self.shared.options.batch;
        drop(queue);
        if is_enough {
            self.shared.wake.notify_all();
        }
    }
}

impl Shared {
    fn writing(&self) -> MutexGuard<'_, Vec<Arc<SessionRecord>>> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn live(&self) -> MutexGuard<'_, Option<Sessions>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread's side.
struct Work {
    shared: Arc<Shared>,
    store: Arc<dyn Store>,
    observe: Observe,
    expired: Option<Instant>,
    beat: Instant,
    /// What had moved through sessions under way at the last beat.
    moved: HashMap<SessionId, u64>,
    /// The last session whose counts were written down, if there were too many for one beat.
    reached: Option<SessionId>,
}

impl Work {
    fn new(shared: Arc<Shared>, store: Arc<dyn Store>, observe: Observe) -> Self {
        let beat = Instant::now();
        Self { shared, store, observe, expired: None, beat, moved: HashMap::new(), reached: None }
    }

    fn run(mut self) {
        let mut marked = false;
        loop {
            let (mut batch, flushes) = self.take();
            let is_stopping = self.shared.is_stopping.load(Ordering::Acquire);
            // While sessions go on, a mark of time is left now and then: when they ended at last.
            let beats = marked && !is_stopping && self.beat.elapsed() >= self.shared.options.heartbeat;
            marked |= !batch.began.is_empty();
            batch.at = UnixMicros::now();
            if beats {
                self.beat = Instant::now();
                // INVARIANT: those still under way have not ended in this batch: it was taken before.
                batch.began.extend(self.moved_on(batch.at));
            }
            if (!batch.is_empty() || beats) && !self.write(&batch) && is_stopping {
                self.drop_batch(&batch);
            }
            self.shared.writing().clear();
            self.shared.queue().flushes_done = flushes;
            self.shared.wake.notify_all();
            self.expire();
            if is_stopping && self.shared.queue().ended.is_empty() {
                break;
            }
        }
        *self.shared.live() = None;
        if let Err(error) = self.store.close() {
            tracing::error!(%error, "the store does not close");
        }
    }

    /// Sessions under way whose counts have moved since they were written down, with the counts.
    fn moved_on(&mut self, now: UnixMicros) -> Vec<Arc<SessionRecord>> {
        let Some(sessions) = self.shared.live().clone() else { return Vec::new() };
        let active = sessions.active();
        let before = std::mem::take(&mut self.moved);
        let mut news = Vec::new();
        let last = self.reached.take();
        for live in active {
            let known = before.get(&live.record.id).copied().unwrap_or(0);
            let moved = live.counters.moved();
            let is_its_turn = last.is_none_or(|last| live.record.id > last);
            if moved == known || !is_its_turn || news.len() >= COUNTS {
                self.moved.insert(live.record.id, known);
                if moved != known && is_its_turn && self.reached.is_none() {
                    self.reached = news.last().map(|record: &Arc<SessionRecord>| record.id);
                }
                continue;
            }
            self.moved.insert(live.record.id, moved);
            news.push(Arc::new(live.snapshot(now)));
        }
        news
    }

    /// Waits for a batch to be due and takes it.
    fn take(&self) -> (Batch, u64) {
        let options = &self.shared.options;
        let due = |queue: &mut Queue| {
            queue.ended.len() < options.batch
                && queue.flushes_wanted == queue.flushes_done
                && !self.shared.is_stopping.load(Ordering::Acquire)
        };
        let waited = self.shared.wake.wait_timeout_while(self.shared.queue(), options.flush, due);
        let (mut queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let ended = std::mem::take(&mut queue.ended);
        self.shared.writing().clone_from(&ended);
        let mut began = std::mem::take(&mut queue.began);
        let revisions = std::mem::take(&mut queue.revisions);
        let flushes = queue.flushes_wanted;
        drop(queue);
        if !began.is_empty() {
            let over: HashSet<SessionId> = ended.iter().map(|record| record.id).collect();
            began.retain(|record| !over.contains(&record.id));
        }
        (Batch { at: UnixMicros::default(), ended, began, revisions }, flushes)
    }

    /// Writes a batch, again and again while the store fails and the server goes on.
    fn write(&self, batch: &Batch) -> bool {
        let figures = &self.shared.figures;
        figures.waiting.store(batch.ended.len() as u64, Ordering::Relaxed);
        let mut said: Option<Instant> = None;
        loop {
            let start = Instant::now();
            let written = self.append(batch);
            let took = start.elapsed();
            let mut failure = figures.failure.lock().unwrap_or_else(PoisonError::into_inner);
            match written {
                Ok(()) => {
                    if failure.take().is_some() {
                        tracing::info!("the store writes again");
                    }
                    figures.written.fetch_add(batch.ended.len() as u64, Ordering::Relaxed);
                    figures.batches.fetch_add(1, Ordering::Relaxed);
                    (self.observe)(took);
                    figures.waiting.store(0, Ordering::Relaxed);
                    return true;
                }
                Err(error) => {
                    *failure = Some(error.clone());
                    drop(failure);
                    figures.failures.fetch_add(1, Ordering::Relaxed);
                    if said.is_none_or(|said| said.elapsed() >= COMPLAINT) {
                        tracing::error!(%error, "the store fails; the proxy goes on");
                        said = Some(Instant::now());
                    }
                }
            }
            if !self.wait_after_failure() {
                return false;
            }
        }
    }

    fn append(&self, batch: &Batch) -> Result<(), String> {
        let append = std::panic::AssertUnwindSafe(|| self.store.append(batch));
        match std::panic::catch_unwind(append) {
            Ok(written) => written.map_err(|error: StoreError| error.to_string()),
            Err(_) => Err("the database panicked".into()),
        }
    }

    /// Waits before the next try; `false` if the server stops.
    fn wait_after_failure(&self) -> bool {
        let stopping = |_: &mut Queue| !self.shared.is_stopping.load(Ordering::Acquire);
        let waited = self.shared.wake.wait_timeout_while(self.shared.queue(), RETRY, stopping);
        drop(waited);
        !self.shared.is_stopping.load(Ordering::Acquire)
    }

    fn drop_batch(&self, batch: &Batch) {
        self.shared.figures.dropped.fetch_add(batch.ended.len() as u64, Ordering::Relaxed);
        tracing::error!(records = batch.ended.len(), "records are lost: the store failed to the end");
    }

    /// Deletes old segments once an hour.
    fn expire(&mut self) {
        let Some(retention) = self.shared.options.retention else { return };
        if self.expired.is_some_and(|last| last.elapsed() < Duration::from_secs(3_600)) {
            return;
        }
        self.expired = Some(Instant::now());
        match self.store.expire(UnixMicros::now().before(retention)) {
            Ok(0) => {}
            Ok(segments) => tracing::info!(segments, "old records are deleted"),
            Err(error) => tracing::error!(%error, "old records are not deleted"),
        }
    }
}

const RETRY: Duration = Duration::from_secs(1);
const COMPLAINT: Duration = Duration::from_secs(60);
/// Sessions whose counts are written down in one beat; the others have their turn in the next.
const COUNTS: usize = 10_000;
