//! What the API answers with.

use crate::session::{SessionView, UnixMicros};
use crate::store::{Hour, Rollup, Summary, Tally};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Sessions under way.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ActiveSessions {
    /// How many there are, whether shown or not.
    pub total: usize,
    /// Those that fit, oldest first.
    pub sessions: Vec<SessionView>,
}

/// Records, newest first.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct History {
    /// The records.
    pub sessions: Vec<SessionView>,
    /// Hand this back as `cursor` for what follows; null if that was all. A page may be short, even
    /// empty, and have one: the search then stopped because it had looked at enough.
    pub next_cursor: Option<String>,
}

/// Sums over a time, from the sums of its hours.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Stats {
    /// The first moment of it.
    #[schema(format = "date-time")]
    pub from: String,
    /// The last moment of it.
    #[schema(format = "date-time")]
    pub to: String,
    /// Sessions under way now.
    pub active_sessions: usize,
    /// Attempts that ended today (UTC).
    pub total_sessions_today: u64,
    /// Bytes, both ways, of sessions that ended today (UTC).
    pub total_bytes_today: u64,
    /// Sums of the whole time.
    pub total: Sums,
    /// Users by bytes.
    pub top_users: Vec<NamedSums>,
    /// Requested hosts by bytes.
    pub top_destinations: Vec<NamedSums>,
    /// Requested hosts by refusals.
    pub top_blocked_destinations: Vec<NamedSums>,
    /// What the policy said.
    pub acl_stats: AclStats,
    /// Rules by decisions.
    pub top_rules: Vec<NamedSums>,
    /// Rules by refusals.
    pub top_blocked_rules: Vec<NamedSums>,
    /// Each hour in which something ended, oldest first.
    pub by_hour: Vec<HourSums>,
}

impl Stats {
    /// The sums of some hours, and of those of today.
    pub fn of(
        hours: Vec<(Hour, Rollup)>,
        today: &[(Hour, Rollup)],
        active_sessions: usize,
        (from, to): (UnixMicros, UnixMicros),
        limit: usize,
    ) -> Self {
        let by_hour = hours.iter().map(HourSums::from).collect();
        let total = Summary::of(hours).total;
        Self {
            from: from.to_string(),
            to: to.to_string(),
            active_sessions,
            total_sessions_today: today.iter().map(|(_, rollup)| rollup.all.sessions).sum(),
            total_bytes_today: today.iter().map(|(_, rollup)| rollup.all.bytes()).sum(),
            total: Sums::from(&total.all),
            top_users: named(total.top_users(limit)),
            top_destinations: named(total.top_destinations(limit)),
            top_blocked_destinations: named(total.top_blocked_destinations(limit)),
            acl_stats: AclStats { allowed: total.allowed, blocked: total.all.blocked },
            top_rules: named(total.top_rules(limit)),
            top_blocked_rules: named(total.top_blocked_rules(limit)),
            by_hour,
        }
    }
}

/// Verdicts of the policy.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
pub struct AclStats {
    /// Requests that it passed.
    pub allowed: u64,
    /// Requests that it blocked.
    pub blocked: u64,
}

/// Sums.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
pub struct Sums {
    /// Attempts.
    pub sessions: u64,
    /// Those that the policy refused.
    pub blocked: u64,
    /// Bytes from clients to targets.
    pub bytes_sent: u64,
    /// Bytes from targets to clients.
    pub bytes_received: u64,
}

impl From<&Tally> for Sums {
    fn from(tally: &Tally) -> Self {
        Self {
            sessions: tally.sessions,
            blocked: tally.blocked,
            bytes_sent: tally.bytes_sent,
            bytes_received: tally.bytes_received,
        }
    }
}

/// Sums of one name.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct NamedSums {
    /// A user, host or rule; `(others)` for those without a line of their own.
    pub name: String,
    /// Its sums.
    #[serde(flatten)]
    pub sums: Sums,
}

/// Names with their sums, as the API shows them.
fn named(list: Vec<(String, Tally)>) -> Vec<NamedSums> {
    list.into_iter().map(|(name, tally)| NamedSums { name, sums: Sums::from(&tally) }).collect()
}

/// Sums of one hour.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct HourSums {
    /// When it starts.
    #[schema(format = "date-time")]
    pub hour: String,
    /// Attempts that failed for another reason than the policy.
    pub failed: u64,
    /// Its sums.
    #[serde(flatten)]
    pub sums: Sums,
}

impl From<&(Hour, Rollup)> for HourSums {
    fn from((hour, rollup): &(Hour, Rollup)) -> Self {
        Self { hour: hour.start().to_string(), failed: rollup.failed, sums: Sums::from(&rollup.all) }
    }
}

/// The policy in force.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct PolicyInfo {
    /// BLAKE3 of its texts.
    pub digest: String,
    /// When it was loaded.
    #[schema(format = "date-time")]
    pub loaded: String,
    /// Why the last reload failed; null if it did not.
    pub reload_failure: Option<String>,
    /// Its texts, the root first.
    pub source: Vec<PolicyText>,
    /// Its rules in the order of the source.
    pub rules: Vec<RuleInfo>,
}

/// A policy that was in force at some time.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct PolicyRevision {
    /// BLAKE3 of its texts.
    pub digest: String,
    /// When it came into force.
    #[schema(format = "date-time")]
    pub since: String,
    /// Its texts, the root first.
    pub source: Vec<PolicyText>,
}

/// One text of a policy.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct PolicyText {
    /// Its name.
    pub name: String,
    /// The text.
    pub text: String,
}

/// One rule.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct RuleInfo {
    /// Its name, or its place.
    pub rule: String,
    /// `client` or `socks`.
    pub stage: String,
    /// `pass` or `block`.
    pub verdict: String,
    /// Where it stands.
    pub place: String,
    /// What people should know of it.
    pub note: Option<String>,
    /// Requests that it has passed since the server started.
    pub passed: u64,
    /// Requests that it has blocked since the server started.
    pub blocked: u64,
}

/// Whether the server works.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Health {
    /// `ok`, or `degraded` when it serves with a fault.
    pub status: String,
    /// It answers.
    pub live: bool,
    /// It takes connections.
    pub ready: bool,
    /// What is at fault; empty for callers that may not look.
    pub reasons: Vec<String>,
    /// Version of the program; null for callers that may not look.
    pub version: Option<String>,
    /// Digest of the policy in force; null for callers that may not look.
    pub policy: Option<String>,
    /// Who the process runs as and how far it is confined; null for callers that may not look.
    pub confined: Option<String>,
}

/// What is logged.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogLevel {
    /// `error`, `warn`, `info`, `debug`, `trace`, or `module=level` with commas.
    pub level: String,
}
