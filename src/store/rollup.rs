//! Sums by hour, kept beside the records, so that a month of statistics is some hundred small rows.
//!
//! Every table in here is bounded: a stranger who invents a name for each connection fills a
//! line called [`OTHERS`], not our memory.

use crate::session::{Endpoint, SessionRecord, Status, UnixMicros};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Hours since the epoch, in UTC.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Hour(pub u32);

impl Hour {
    /// The hour of an instant.
    pub fn of(at: UnixMicros) -> Self {
        Self(u32::try_from(at.0.div_euclid(MICROS)).unwrap_or(0))
    }

    /// When it starts.
    pub fn start(self) -> UnixMicros {
        UnixMicros(i64::from(self.0).saturating_mul(MICROS))
    }

    /// The first hour of its day, in UTC.
    #[must_use]
    pub fn midnight(self) -> Self {
        Self(self.0 - self.0 % 24)
    }
}

/// What was counted under one name.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Tally {
    /// Attempts.
    pub sessions: u64,
    /// Those that the policy refused.
    pub blocked: u64,
    /// Bytes from clients to targets.
    pub bytes_sent: u64,
    /// Bytes from targets to clients.
    pub bytes_received: u64,
}

impl Tally {
    /// Bytes in both directions.
    pub fn bytes(&self) -> u64 {
        self.bytes_sent.saturating_add(self.bytes_received)
    }

    fn add(&mut self, other: &Self) {
        self.sessions += other.sessions;
        self.blocked += other.blocked;
        self.bytes_sent = self.bytes_sent.saturating_add(other.bytes_sent);
        self.bytes_received = self.bytes_received.saturating_add(other.bytes_received);
    }
}

/// The sums of an hour, or of several.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Rollup {
    /// Everything.
    pub all: Tally,
    /// Attempts that failed for another reason than the policy.
    pub failed: u64,
    /// Sessions that the end of the server cut off.
    pub interrupted: u64,
    /// Attempts that the policy passed.
    pub allowed: u64,
    users: HashMap<Box<str>, Tally>,
    destinations: HashMap<Box<str>, Tally>,
    rules: HashMap<Box<str>, Tally>,
}

impl Rollup {
    /// Counts a record.
    pub fn add(&mut self, record: &SessionRecord) {
        let blocked = record.status == Status::Blocked;
        let tally = Tally {
            sessions: 1,
            blocked: u64::from(blocked),
            bytes_sent: record.bytes_sent,
            bytes_received: record.bytes_received,
        };
        self.all.add(&tally);
        self.failed += u64::from(record.status == Status::Failed);
        self.interrupted += u64::from(record.status == Status::Interrupted);
        self.allowed += u64::from(record.verdict.as_ref().is_some_and(|taken| taken.passed));
        if let Some(user) = &record.user {
            count(&mut self.users, user, &tally);
        }
        if let Some(Endpoint { host, .. }) = &record.requested {
            count(&mut self.destinations, host, &tally);
        }
        if let Some(taken) = &record.verdict {
            count(&mut self.rules, &taken.rule, &tally);
        }
    }

    /// Adds the sums of another time.
    pub fn merge(&mut self, other: &Self) {
        self.all.add(&other.all);
        self.failed += other.failed;
        self.interrupted += other.interrupted;
        self.allowed += other.allowed;
        for (into, from) in [
            (&mut self.users, &other.users),
            (&mut self.destinations, &other.destinations),
            (&mut self.rules, &other.rules),
        ] {
            from.iter().for_each(|(name, tally)| count(into, name, tally));
        }
    }

    /// Users by bytes, the largest first.
    pub fn top_users(&self, limit: usize) -> Vec<(String, Tally)> {
        top(&self.users, limit, Tally::bytes)
    }

    /// Requested hosts by bytes, the largest first.
    pub fn top_destinations(&self, limit: usize) -> Vec<(String, Tally)> {
        top(&self.destinations, limit, Tally::bytes)
    }

    /// Requested hosts by refusals, the most refused first.
    pub fn top_blocked_destinations(&self, limit: usize) -> Vec<(String, Tally)> {
        refused(top(&self.destinations, limit, |tally| tally.blocked))
    }

    /// Rules by decisions, the busiest first.
    pub fn top_rules(&self, limit: usize) -> Vec<(String, Tally)> {
        top(&self.rules, limit, |tally| tally.sessions)
    }

    /// Rules by refusals, the busiest first.
    pub fn top_blocked_rules(&self, limit: usize) -> Vec<(String, Tally)> {
        refused(top(&self.rules, limit, |tally| tally.blocked))
    }
}

fn refused(mut list: Vec<(String, Tally)>) -> Vec<(String, Tally)> {
    list.retain(|(_, tally)| tally.blocked > 0);
    list
}

fn top(table: &HashMap<Box<str>, Tally>, limit: usize, by: impl Fn(&Tally) -> u64) -> Vec<(String, Tally)> {
    let mut list: Vec<_> = table.iter().collect();
    list.sort_by(|(left_name, left), (right_name, right)| {
        by(right).cmp(&by(left)).then(right.sessions.cmp(&left.sessions)).then(left_name.cmp(right_name))
    });
    list.into_iter().take(limit).map(|(name, tally)| (name.to_string(), *tally)).collect()
}

fn count(table: &mut HashMap<Box<str>, Tally>, name: &str, tally: &Tally) {
    if let Some(known) = table.get_mut(name) {
        return known.add(tally);
    }
    table.insert(name.into(), *tally);
    if table.len() > 2 * KEPT {
        thin(table);
    }
}

/// Leaves the largest [`KEPT`] names and puts the rest under one.
fn thin(table: &mut HashMap<Box<str>, Tally>) {
    let mut weights: Vec<u64> = table.values().map(weight).collect();
    let (_, &mut least, _) = weights.select_nth_unstable_by(KEPT, |left, right| right.cmp(left));
    let mut others = table.remove(OTHERS).unwrap_or_default();
    table.retain(|_, tally| {
        let stays = weight(tally) > least;
        if !stays {
            others.add(tally);
        }
        stays
    });
    table.insert(OTHERS.into(), others);
}

/// A name is worth keeping for its bytes, its attempts and its refusals.
fn weight(tally: &Tally) -> u64 {
    tally.bytes().saturating_add(tally.sessions.saturating_mul(512)).saturating_add(tally.blocked * 4_096)
}

/// Several hours in one, for a reader.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// The sum.
    pub total: Rollup,
    /// Each hour by itself, without its tables.
    pub hours: Vec<(Hour, Rollup)>,
}

impl Summary {
    /// Sums hours up.
    pub fn of(hours: Vec<(Hour, Rollup)>) -> Self {
        let mut summary = Self::default();
        for (hour, mut rollup) in hours {
            summary.total.merge(&rollup);
            rollup.users = HashMap::new();
            rollup.destinations = HashMap::new();
            rollup.rules = HashMap::new();
            summary.hours.push((hour, rollup));
        }
        summary
    }
}

const MICROS: i64 = 3_600_000_000;
/// Names that a table keeps for sure.
const KEPT: usize = 500;
/// What stands for the names that were not kept.
const OTHERS: &str = "(others)";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::sample;

    #[test]
    fn strangers_names_share_a_line_and_the_large_ones_keep_theirs() {
        let mut rollup = Rollup::default();
        let mut record = sample(1);
        for number in 0..20_000_u64 {
            let large = number % 100 == 0;
            record.user = Some(if large { "alice".into() } else { format!("u{number}").into() });
            record.bytes_received = if large { 1 << 30 } else { 1 };
            rollup.add(&record);
        }
        assert!(rollup.users.len() <= 2 * KEPT + 1, "{}", rollup.users.len());
        assert_eq!(rollup.top_users(1)[0].0, "alice");
        assert_eq!(rollup.top_users(1)[0].1.sessions, 200);
        let sum: u64 = rollup.users.values().map(|tally| tally.sessions).sum();
        assert_eq!(sum, 20_000);
    }

    #[test]
    fn hours_add_up() {
        let mut one = Rollup::default();
        let mut two = Rollup::default();
        let mut both = Rollup::default();
        for seed in 0..200 {
            let record = sample(seed);
            if seed % 2 == 0 {
                one.add(&record)
            } else {
                two.add(&record)
            }
            both.add(&record);
        }
        one.merge(&two);
        assert_eq!(one, both);
        assert_eq!(one.top_blocked_rules(9).len(), 1);
    }

    #[test]
    fn an_hour_and_its_midnight() {
        let at = UnixMicros(1_764_288_000_000_000 + 5 * MICROS + 17);
        assert_eq!(Hour::of(at).start(), UnixMicros(1_764_288_000_000_000 + 5 * MICROS));
        assert_eq!(Hour::of(at).midnight().start(), UnixMicros(1_764_288_000_000_000));
    }
}
