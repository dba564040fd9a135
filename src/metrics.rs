//! What Prometheus reads: one owned registry, every handle made once.
//!
//! No label ever holds what a stranger can choose: user names are an opt-in of the first few, and
//! rules are those of the policy. So the number of series does not grow with traffic.

use crate::auth::{AuthObserver, AuthResult};
use crate::policy::LivePolicy;
use crate::session::{CloseReason, SessionRecord, Sessions, Sink, Status};
use crate::store::{Store, Writer};
use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};
use rustsocks_compiler::request::Method;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

/// All metrics. The road and the sinks hold handles; only a scrape takes locks.
pub struct Metrics {
    registry: Registry,
    road: Road,
    logins: Logins,
    store: StoreSeries,
    policy: PolicySeries,
    process: ProcessSeries,
    users: Option<Users>,
    rules: RwLock<HashMap<Arc<str>, Arc<RuleHits>>>,
    rule_series: IntCounterVec,
    /// Bytes of sessions that have ended, and the most that a scrape has said.
    traffic: Traffic,
}

struct Road {
    active: IntGauge,
    total: IntGauge,
    by_status: Vec<(Status, IntCounter)>,
    by_reason: Vec<(CloseReason, IntCounter)>,
    duration: Histogram,
    sent: IntCounter,
    received: IntCounter,
    allowed: IntCounter,
    blocked: IntCounter,
    decision: Histogram,
}

struct Logins {
    total: IntCounterVec,
    pam: IntCounterVec,
    pam_duration: Histogram,
}

struct StoreSeries {
    write: Histogram,
    written: IntCounter,
    dropped: IntCounter,
    failures: IntCounter,
    up: IntGauge,
    waiting: IntGauge,
    bytes: IntGauge,
    segments: IntGauge,
    set_aside: IntGauge,
}

struct PolicySeries {
    reloads: IntCounterVec,
    last_ok: IntGauge,
    loaded: IntGauge,
    rules: IntGauge,
}

struct ProcessSeries {
    open_fds: IntGauge,
    max_fds: IntGauge,
    resident: IntGauge,
    threads: IntGauge,
    cpu: prometheus::Counter,
    start: IntGauge,
}

struct Users {
    limit: usize,
    bytes: IntCounterVec,
    known: Mutex<HashMap<Arc<str>, (IntCounter, IntCounter)>>,
}

#[derive(Default)]
struct Traffic {
    ended_sent: AtomicU64,
    ended_received: AtomicU64,
    scrape: Mutex<()>,
}

/// How often a rule has decided.
#[derive(Debug, Default)]
pub struct RuleHits {
    /// Requests that it passed.
    pub passed: AtomicU64,
    /// Requests that it blocked.
    pub blocked: AtomicU64,
    series: Option<(IntCounter, IntCounter)>,
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
            users: if users == 0 { None } else { Some(Users::new(&make, users)?) },
            rules: RwLock::default(),
            rule_series: make.counters(
                "rustsocks_rule_decisions_total",
                "Decisions by rule and decision; rules beyond the first 200 share `(others)`.",
                &["rule", "decision"],
            )?,
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

    /// How often a rule has decided since the start: passed and blocked.
    pub fn rule_hits(&self, label: &str) -> (u64, u64) {
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        rules.get(label).map_or((0, 0), |hits| (read(&hits.passed), read(&hits.blocked)))
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

    fn hits_of(&self, label: &Arc<str>) -> Arc<RuleHits> {
        if let Some(hits) = self.rules.read().unwrap_or_else(PoisonError::into_inner).get(label) {
            return hits.clone();
        }
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        if rules.len() >= RULES_COUNTED && !rules.contains_key(label) {
            return rules.entry(OTHERS.into()).or_default().clone();
        }
        let name: &str = if rules.len() < RULE_SERIES { label } else { OTHERS };
        let of = |decision| self.rule_series.with_label_values(&[name, decision]);
        let hits = RuleHits { series: Some((of("allow"), of("block"))), ..RuleHits::default() };
        rules.entry(label.clone()).or_insert_with(|| Arc::new(hits)).clone()
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
            let hits = self.hits_of(&taken.rule);
            let (total, hit) =
                if taken.passed { (&road.allowed, &hits.passed) } else { (&road.blocked, &hits.blocked) };
            total.inc();
            hit.fetch_add(1, Ordering::Relaxed);
            if let Some((allowed, blocked)) = &hits.series {
                if taken.passed { allowed.inc() } else { blocked.inc() }
            }
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

fn raise(counter: &IntCounter, to: u64) {
    counter.inc_by(to.saturating_sub(counter.get()));
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Makes series and registers them.
struct Maker<'r>(&'r Registry);

impl Maker<'_> {
    fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        let made = IntCounter::new(name, help)?;
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }

    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        let made = IntGauge::new(name, help)?;
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
        let made = IntCounterVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
        let made = IntGaugeVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }

    fn seconds(&self, name: &str, help: &str, buckets: &[f64]) -> prometheus::Result<Histogram> {
        let made = Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))?;
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }
}

impl Road {
    fn new(make: &Maker<'_>) -> prometheus::Result<Self> {
        let statuses =
            make.counters("rustsocks_sessions_total", "Attempts that have ended, by status.", &["status"])?;
        let reasons = make.counters(
            "rustsocks_session_ends_total",
            "Attempts that have ended, by close reason and by whose doing it was.",
            &["reason", "party"],
        )?;
        let decisions = make.counters(
            "rustsocks_acl_decisions_total",
            "Requests that the policy decided.",
            &["decision"],
        )?;
        let by_reason = CloseReason::ALL.map(|reason| {
            (
                reason,
                reasons.with_label_values(&[reason.name(), &format!("{:?}", reason.party()).to_lowercase()]),
            )
        });
        Ok(Self {
            active: make.gauge("rustsocks_active_sessions", "Sessions under way.")?,
            total: make.gauge("rustsocks_total_sessions", "Attempts that have ended since the start.")?,
            by_status: Status::ALL
                .into_iter()
                .filter(|status| *status != Status::Active)
                .map(|status| (status, statuses.with_label_values(&[status.name()])))
                .collect(),
            by_reason: by_reason.into(),
            duration: make.seconds(
                "rustsocks_session_duration_seconds",
                "How long established sessions took.",
                &[0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1_800.0, 7_200.0, 28_800.0],
            )?,
            sent: make.counter("rustsocks_bytes_sent_total", "Bytes from clients to targets.")?,
            received: make.counter("rustsocks_bytes_received_total", "Bytes from targets to clients.")?,
            allowed: decisions.with_label_values(&["allow"]),
            blocked: decisions.with_label_values(&["block"]),
            decision: make.seconds(
                "rustsocks_decision_duration_seconds",
                "How long a decision of the policy took.",
                &[1e-7, 2.5e-7, 5e-7, 1e-6, 2.5e-6, 5e-6, 1e-5, 5e-5, 2.5e-4, 1e-3, 5e-3],
            )?,
        })
    }
}

impl Logins {
    fn new(make: &Maker<'_>) -> prometheus::Result<Self> {
        let labels = &["method", "result"];
        let total = make.counters("rustsocks_auth_total", "Logins, by method and result.", labels)?;
        let pam =
            make.counters("rustsocks_pam_auth_total", "Questions to PAM, by method and result.", labels)?;
        for result in AuthResult::ALL {
            for method in Method::ALL.into_iter().filter(|method| *method != Method::None) {
                total.with_label_values(&[method.name(), result.label()]);
                if is_pam(method) {
                    pam.with_label_values(&[method.name(), result.label()]);
                }
            }
        }
        let pam_duration = make.seconds(
            "rustsocks_pam_auth_duration_seconds",
            "How long PAM took.",
            &[0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0],
        )?;
        Ok(Self { total, pam, pam_duration })
    }
}

fn is_pam(method: Method) -> bool {
    match method {
        Method::PamAddress | Method::PamUsername => true,
        Method::Certificate | Method::Gssapi | Method::None | Method::Password => false,
    }
}

impl AuthObserver for Metrics {
    fn attempted(&self, method: Method, result: AuthResult) {
        self.logins.total.with_label_values(&[method.name(), result.label()]).inc();
    }

    fn asked_pam(&self, method: Method, result: AuthResult, took: Duration) {
        self.logins.pam.with_label_values(&[method.name(), result.label()]).inc();
        self.logins.pam_duration.observe(took.as_secs_f64());
    }
}

impl StoreSeries {
    fn new(make: &Maker<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            write: make.seconds(
                "rustsocks_store_write_duration_seconds",
                "How long a batch of records took to be safe on disk.",
                &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0],
            )?,
            written: make
                .counter("rustsocks_store_records_written_total", "Records that are safe on disk.")?,
            dropped: make.counter(
                "rustsocks_store_records_dropped_total",
                "Records that were lost since the queue was full.",
            )?,
            failures: make
                .counter("rustsocks_store_write_failures_total", "Batches that could not be written.")?,
            up: make.gauge("rustsocks_store_up", "Whether the last batch was written: 1 or 0.")?,
            waiting: make.gauge("rustsocks_store_queue_records", "Records that wait to be written.")?,
            bytes: make.gauge("rustsocks_store_size_bytes", "Size of the store on disk.")?,
            segments: make.gauge("rustsocks_store_segments", "Segments of the store.")?,
            set_aside: make
                .gauge("rustsocks_store_damaged_segments", "Segments that were set aside as damaged.")?,
        })
    }

    fn read(&self, store: &dyn Store, writer: &Writer) {
        let figures = writer.figures();
        let status = store.status();
        raise(&self.written, figures.written);
        raise(&self.dropped, figures.dropped);
        raise(&self.failures, figures.failures);
        self.up.set(i64::from(figures.failure.is_none()));
        self.waiting.set(whole(figures.waiting));
        self.bytes.set(whole(status.bytes));
        self.segments.set(whole(status.segments as u64));
        self.set_aside.set(whole(status.set_aside.len() as u64));
    }
}

impl PolicySeries {
    fn new(make: &Maker<'_>) -> prometheus::Result<Self> {
        let reloads = make.counters(
            "rustsocks_policy_reloads_total",
            "Reloads of the policy, by result.",
            &["result"],
        )?;
        reloads.with_label_values(&["success"]);
        reloads.with_label_values(&["failure"]);
        Ok(Self {
            reloads,
            last_ok: make.gauge(
                "rustsocks_policy_last_reload_successful",
                "Whether the last reload of the policy took effect: 1 or 0.",
            )?,
            loaded: make
                .gauge("rustsocks_policy_loaded_timestamp_seconds", "When the policy in force was loaded.")?,
            rules: make.gauge("rustsocks_policy_rules", "Rules of the policy in force.")?,
        })
    }

    fn read(&self, policy: &LivePolicy) {
        let health = policy.health();
        raise(&self.reloads.with_label_values(&["success"]), health.reloads_ok);
        raise(&self.reloads.with_label_values(&["failure"]), health.reloads_failed);
        self.last_ok.set(i64::from(health.failure.is_none()));
        self.loaded.set(health.loaded.0 / 1_000_000);
        self.rules.set(whole(policy.load().model().rules.len() as u64));
    }
}

impl ProcessSeries {
    fn new(make: &Maker<'_>) -> prometheus::Result<Self> {
        let cpu = prometheus::Counter::new("process_cpu_seconds_total", "CPU time, user and system.")?;
        make.0.register(Box::new(cpu.clone()))?;
        Ok(Self {
            open_fds: make.gauge("process_open_fds", "Open file descriptors.")?,
            max_fds: make.gauge("process_max_fds", "Most file descriptors that may be open.")?,
            resident: make.gauge("process_resident_memory_bytes", "Resident memory.")?,
            threads: make.gauge("process_threads", "Threads.")?,
            start: make.gauge("process_start_time_seconds", "When the process started.")?,
            cpu,
        })
    }

    /// Reads `/proc/self`; what a confined process may not read stays as it is.
    fn read(&self) {
        if let Ok(entries) = std::fs::read_dir("/proc/self/fd") {
            // The folder itself is one of them while it is read.
            self.open_fds.set(whole(entries.count().saturating_sub(1) as u64));
        }
        if let Ok((soft, _)) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE) {
            self.max_fds.set(whole(soft));
        }
        if let Ok(usage) = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF) {
            let of = |time: nix::sys::time::TimeVal| {
                use nix::sys::time::TimeValLike;
                Duration::from_micros(u64::try_from(time.num_microseconds()).unwrap_or(0)).as_secs_f64()
            };
            let cpu = of(usage.user_time()) + of(usage.system_time());
            self.cpu.inc_by((cpu - self.cpu.get()).max(0.0));
        }
        let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return };
        // The name may hold spaces; behind its bracket the fields are numbers.
        let fields: Vec<&str> =
            stat.rsplit_once(')').map_or(Vec::new(), |(_, rest)| rest.split_whitespace().collect());
        let field = |number: usize| fields.get(number).and_then(|text| text.parse::<i64>().ok());
        if let (Some(threads), Some(pages)) = (field(17), field(21)) {
            self.threads.set(threads);
            self.resident.set(pages.saturating_mul(PAGE));
        }
        if let (Some(ticks), Some(boot)) = (field(19), boot_time()) {
            self.start.set(boot + ticks / TICKS);
        }
    }
}

fn boot_time() -> Option<i64> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
}

impl Users {
    fn new(make: &Maker<'_>, limit: usize) -> prometheus::Result<Self> {
        let bytes = make.counters(
            "rustsocks_user_bytes_total",
            "Bytes by user and direction; users beyond the first share `(others)`.",
            &["user", "direction"],
        )?;
        Ok(Self { limit, bytes, known: Mutex::default() })
    }

    fn add(&self, user: &Arc<str>, record: &SessionRecord) {
        // Whoever is not let in must not take a place.
        if !record.verdict.as_ref().is_some_and(|taken| taken.passed) {
            return;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let name =
            if known.len() >= self.limit && !known.contains_key(user) { OTHERS.into() } else { user.clone() };
        let (sent, received) = known.entry(name.clone()).or_insert_with(|| {
            let of = |direction| self.bytes.with_label_values(&[&*name, direction]);
            (of("sent"), of("received"))
        });
        sent.inc_by(record.bytes_sent);
        received.inc_by(record.bytes_received);
    }
}

/// Rules that get a series of their own.
const RULE_SERIES: usize = 200;
/// Rules whose decisions are counted one by one.
const RULES_COUNTED: usize = 100_000;
/// What stands for the rest.
const OTHERS: &str = "(others)";
/// Bytes in a page, and clock ticks in a second, on every Linux that we serve.
const PAGE: i64 = 4_096;
const TICKS: i64 = 100;
