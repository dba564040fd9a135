//! What Prometheus reads: one owned registry, every handle made once.
//!
//! No label ever holds what a stranger can choose: user names are an opt-in of the first few, and
//! rules are those of the policy. So the number of series does not grow with traffic.

mod drops;
mod logins;
mod policy;
mod process;
mod road;
mod rules;
mod series;
mod store;
mod users;

use crate::limits::Tally;
use crate::policy::LivePolicy;
use crate::session::{SessionRecord, Sessions, Sink};
use crate::store::{Store, Writer};
use drops::Drops;
use logins::Logins;
use policy::PolicySeries;
use process::ProcessSeries;
use prometheus::{Encoder, IntCounter, Registry, TextEncoder};
use road::Road;
use rules::Rules;
use series::{Maker, raise, whole};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use store::StoreSeries;
use users::Users;

/// All metrics. The road and the sinks hold handles; only a scrape takes locks.
pub struct Metrics {
    registry: Registry,
    road: Road,
    logins: Logins,
    store: StoreSeries,
    policy: PolicySeries,
    process: ProcessSeries,
    drops: Drops,
    tally: OnceLock<Arc<Tally>>,
    users: Option<Users>,
    rules: Rules,
    /// Bytes of sessions that have ended, and the most that a scrape has said.
    traffic: Traffic,
}

#[derive(Default)]
struct Traffic {
    ended_sent: AtomicU64,
    ended_received: AtomicU64,
    scrape: Mutex<()>,
}

/// What a scrape reads besides the handles.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The live table.
    pub sessions: &'a Sessions,
    /// The store and its writer, if records are kept.
    pub store: Option<(&'a dyn Store, &'a Writer)>,
    /// The policy in force.
    pub policy: &'a LivePolicy,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// A registry with every series in it. `users` of them get a series of their own; 0 for none.
    ///
    /// # Errors
    /// Two series have one name: a fault of this file that its tests would show.
    pub fn new(users: usize) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let make = Maker(&registry);
        let metrics = Self {
            road: Road::new(&make)?,
            logins: Logins::new(&make)?,
            store: StoreSeries::new(&make)?,
            policy: PolicySeries::new(&make)?,
            process: ProcessSeries::new(&make)?,
            drops: Drops::new(&make)?,
            tally: OnceLock::new(),
            users: if users == 0 { None } else { Some(Users::new(&make, users)?) },
            rules: Rules::new(&make)?,
            traffic: Traffic::default(),
            registry: registry.clone(),
        };
        let build = make.gauges("rustsocks_build_info", "Version of the program; always 1.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(metrics)
    }

    /// Counts how long the writing of a batch took.
    pub fn store_write(&self) -> impl Fn(Duration) + Send + use<> {
        let write = self.store.write.clone();
        move |took| write.observe(took.as_secs_f64())
    }

    /// Reads these counts from now on: those of the one road that there is.
    pub fn follow(&self, tally: Arc<Tally>) {
        // A second road would have metrics of its own.
        let _first_stays = self.tally.set(tally);
    }

    /// How often a rule has decided since the start: passed and blocked.
    pub fn rule_hits(&self, label: &str) -> (u64, u64) {
        self.rules.hits(label)
    }

    /// The text that Prometheus scrapes.
    ///
    /// # Errors
    /// A series cannot be written down.
    pub fn scrape(&self, sources: Sources<'_>) -> Result<String, prometheus::Error> {
        self.read_traffic(sources.sessions);
        self.road.active.set(whole(sources.sessions.count() as u64));
        if let Some((store, writer)) = sources.store {
            self.store.read(store, writer);
        }
        self.policy.read(sources.policy);
        self.process.read();
        if let Some(tally) = self.tally.get() {
            self.drops.read(tally);
        }
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Adds what live sessions have moved since the last scrape. A session that ends between two
    /// looks must not make a counter fall.
    fn read_traffic(&self, sessions: &Sessions) {
        let _one_at_a_time = self.traffic.scrape.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut sent, mut received) = (0, 0);
        for live in sessions.active() {
            sent += live.counters.bytes_sent.load(Ordering::Relaxed);
            received += live.counters.bytes_received.load(Ordering::Relaxed);
        }
        sent += self.traffic.ended_sent.load(Ordering::Relaxed);
        received += self.traffic.ended_received.load(Ordering::Relaxed);
        raise(&self.road.sent, sent);
        raise(&self.road.received, received);
    }
}

impl Sink for Metrics {
    fn began(&self, _record: &Arc<SessionRecord>) {}

    fn decided(&self, took: Duration) {
        self.road.decision.observe(took.as_secs_f64());
    }

    fn ended(&self, record: &Arc<SessionRecord>, was_live: bool) {
        let road = &self.road;
        road.total.inc();
        pick(&road.by_status, record.status);
        if let Some(reason) = record.close_reason {
            pick(&road.by_reason, reason);
        }
        if was_live {
            road.duration.observe(record.duration.as_secs_f64());
        }
        self.traffic.ended_sent.fetch_add(record.bytes_sent, Ordering::Relaxed);
        self.traffic.ended_received.fetch_add(record.bytes_received, Ordering::Relaxed);
        if let Some(taken) = &record.verdict {
            if taken.passed { &road.allowed } else { &road.blocked }.inc();
            self.rules.count(&taken.rule, taken.passed);
        }
        if let (Some(users), Some(user)) = (&self.users, &record.user) {
            users.add(user, record);
        }
    }
}

fn pick<K: PartialEq + Copy>(counters: &[(K, IntCounter)], key: K) {
    if let Some((_, counter)) = counters.iter().find(|(known, _)| *known == key) {
        counter.inc();
    }
}
