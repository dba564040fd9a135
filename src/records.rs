//! All that hears of sessions, put together from the settings: live table, store, metrics, log,
//! events. The server makes one [`Records`] and hands its [`Sessions`] to the road.

use crate::api::Events;
use crate::metrics::Metrics;
use crate::policy::LivePolicy;
use crate::session::{Log, SessionRecord, Sessions, Sink, UnixMicros};
use crate::settings::Settings;
use crate::settings::value::Segment;
use crate::store::{DiskOptions, DiskStore, QueueOptions, Recovered, Revision, Store, StoreError, Writer};
use rustsocks_compiler::model::{Log as LogWanted, Rule, RuleId};
use rustsocks_compiler::{Digest, Policy};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::signal::unix::SignalKind;
use tokio_util::sync::CancellationToken;

/// Why records cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// There is no folder to keep them in.
    #[error(
        "no folder for session records: neither `store.dir` nor XDG_STATE_HOME nor HOME is set; say `--store DIR`"
    )]
    NoFolder,
    /// The store cannot be opened.
    #[error(
        "cannot keep session records: {0}; choose another folder with `--store DIR`, or stop the other server"
    )]
    Store(#[from] StoreError),
    /// A fault of ours.
    #[error("the metrics cannot be made: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The system gives no thread.
    #[error("the store gets no thread: {0}")]
    Thread(std::io::Error),
}

/// The sinks of one server.
pub struct Records {
    /// The live table; the road's way to everything here.
    pub sessions: Sessions,
    /// The records on disk.
    pub store: Arc<dyn Store>,
    /// Their writer.
    pub writer: Writer,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// The stream of events.
    pub events: Events,
    /// What an earlier end of the server left behind.
    pub recovered: Recovered,
    /// Where the records are.
    pub dir: PathBuf,
}

impl Records {
    /// Opens the store and starts its writer.
    ///
    /// # Errors
    /// Says what is missing and what to do.
    pub fn open(settings: &Settings, policy: &Arc<LivePolicy>) -> Result<Self, RecordsError> {
        // A limit on the size of files must be an error of the store, not the end of the server.
        let _installed = tokio::signal::unix::signal(SignalKind::from_raw(nix::libc::SIGXFSZ));
        let dir = folder(settings).ok_or(RecordsError::NoFolder)?;
        let options = DiskOptions {
            daily: settings.store.segment == Segment::Day,
            cache: settings.store.cache.get(),
            ..DiskOptions::default()
        };
        let (store, recovered) = DiskStore::open(&dir, options, UnixMicros::now())?;
        let store: Arc<dyn Store> = Arc::new(store);
        let metrics = Arc::new(Metrics::new(settings.metrics.users)?);
        let queue = QueueOptions {
            queue: settings.store.queue,
            batch: settings.store.batch,
            flush: settings.store.flush.get(),
            retention: settings.store.retention.limit(),
            ..QueueOptions::default()
        };
        let writer = Writer::start(store.clone(), queue, Box::new(metrics.store_write()))
            .map_err(RecordsError::Thread)?;
        writer.policy(Revision::of(&policy.load(), UnixMicros::now()));
        let events = Events::default();
        let log = Log::new(wanted(policy));
        let sinks: Vec<Arc<dyn Sink>> =
            vec![Arc::new(writer.clone()), metrics.clone(), Arc::new(log), Arc::new(events.clone())];
        let sessions = Sessions::new(sinks);
        writer.watch(sessions.clone());
        Ok(Self { sessions, store, writer, metrics, events, recovered, dir })
    }

    /// Keeps each policy that comes into force, until it is told to stop.
    pub async fn keep_policies(&self, policy: Arc<LivePolicy>, stop: CancellationToken) {
        let mut changes = policy.subscribe();
        let writer = self.writer.clone();
        while let Some(Ok(())) = stop.run_until_cancelled(changes.changed()).await {
            writer.policy(Revision::of(&policy.load(), UnixMicros::now()));
        }
    }
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// The folder of the store: the one that is set, or the place that the system has for state.
pub fn folder(settings: &Settings) -> Option<PathBuf> {
    if let Some(dir) = &settings.store.dir {
        return Some(dir.clone());
    }
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(state) = absolute("XDG_STATE_HOME") {
        return Some(state.join("rustsocks"));
    }
    if nix::unistd::geteuid().is_root() {
        return Some(Path::new("/var/lib/rustsocks").into());
    }
    absolute("HOME").map(|home| home.join(".local/state/rustsocks"))
}

/// The socket in the file system where the API listens for the command line.
pub fn socket(settings: &Settings) -> Option<PathBuf> {
    let set = settings.api.socket.clone();
    set.or_else(|| folder(settings).map(|dir| dir.join("api.sock")))
}

/// What the rule of a record wants logged; the rules of a policy are looked up once.
fn wanted(policy: &Arc<LivePolicy>) -> Box<dyn Fn(&SessionRecord) -> LogWanted + Send + Sync> {
    let policy = policy.clone();
    let known: Mutex<Option<(Digest, HashMap<String, LogWanted>)>> = Mutex::default();
    Box::new(move |record| {
        let current = policy.load();
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_none_or(|(digest, _)| digest != current.digest()) {
            *known = Some((*current.digest(), explicit(&current)));
        }
        let said = known.as_ref().zip(record.verdict.as_ref());
        let of_rule = said.and_then(|((_, table), taken)| table.get(&*taken.rule).copied());
        of_rule.unwrap_or(current.model().defaults.log)
    })
}

fn explicit(policy: &Policy) -> HashMap<String, LogWanted> {
    let rules = (0..).map(RuleId).zip(&policy.model().rules);
    let said = |(id, rule): (RuleId, &Rule)| rule.log.map(|log| (policy.model().label(id), log));
    rules.filter_map(said).collect()
}
