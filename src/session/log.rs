//! One line of log for each end of a session and each refusal, named as in the record.
//!
//! What strangers choose (names of users and hosts) goes through as text, which the writer of
//! the line quotes and escapes. Under attack, refusals and failures are thinned and counted.

use super::{SessionRecord, Sink, Status};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What of a session its rule wants logged.
pub type Wanted = dyn Fn(&SessionRecord) -> rustsocks_compiler::model::Log + Send + Sync;

/// Writes records to the log.
pub struct Log {
    wanted: Box<Wanted>,
    bucket: Mutex<Bucket>,
}

/// So many refusals and failures a second are logged, after a burst of twice as many.
const PER_SECOND: u32 = 100;

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").finish_non_exhaustive()
    }
}

impl Log {
    /// A log of those records that are wanted.
    pub fn new(wanted: Box<Wanted>) -> Self {
        Self { wanted, bucket: Mutex::new(Bucket::new(PER_SECOND, Instant::now())) }
    }
}

impl Sink for Log {
    fn began(&self, record: &Arc<SessionRecord>) {
        if !tracing::enabled!(target: "session", tracing::Level::INFO) || !(self.wanted)(record).connect {
            return;
        }
        let user = record.user.as_deref().unwrap_or("");
        let requested = record.requested.as_ref().map(ToString::to_string).unwrap_or_default();
        let rule = record.verdict.as_ref().map_or("", |taken| &*taken.rule);
        tracing::info!(
            target: "session",
            id = %record.id,
            client = %record.client,
            user,
            requested,
            rule,
            "session starts"
        );
    }

    fn ended(&self, record: &Arc<SessionRecord>, _was_live: bool) {
        if !tracing::enabled!(target: "session", tracing::Level::INFO) {
            return;
        }
        let wanted = (self.wanted)(record);
        if !(if record.status == Status::Failed { wanted.error } else { wanted.disconnect }) {
            return;
        }
        if matches!(record.status, Status::Blocked | Status::Failed) {
            let taken = self.bucket.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now());
            match taken {
                Taken::Kept => return,
                Taken::One => {}
                Taken::OneAfter(kept) => {
                    tracing::warn!(target: "session", suppressed = kept, "refusals and failures were not logged");
                }
            }
        }
        line(record);
    }
}

fn line(record: &SessionRecord) {
    let text = |value: Option<String>| value.unwrap_or_default();
    let user = record.user.as_deref().unwrap_or("");
    let requested = text(record.requested.as_ref().map(ToString::to_string));
    let target = text(record.target.map(|target| target.to_string()));
    let rule = record.verdict.as_ref().map_or("", |taken| &*taken.rule);
    let rule_place = record.verdict.as_ref().map_or("", |taken| &*taken.rule_place);
    let message = match record.status {
        Status::Blocked => "blocked",
        Status::Failed => "failed",
        Status::Active | Status::Closed | Status::Interrupted => "session ended",
    };
    tracing::info!(
        target: "session",
        id = %record.id,
        status = record.status.name(),
        close_reason = record.close_reason.map_or("", super::CloseReason::name),
        duration = record.duration.as_secs_f64(),
        client = %record.client,
        listener = &*record.listener,
        protocol = text(record.protocol.map(|protocol| protocol.to_string())),
        command = record.command.map_or("", |command| command.name()),
        user,
        method = record.method.map_or("", |method| method.name()),
        requested,
        target,
        bytes_sent = record.bytes_sent,
        bytes_received = record.bytes_received,
        rule,
        rule_place,
        policy = record.policy.short(),
        "{message}"
    );
}

/// A token bucket that counts what it kept back.
#[derive(Debug)]
struct Bucket {
    per_second: u32,
    tokens: f64,
    last: Instant,
    kept: u64,
}

#[derive(Debug, Eq, PartialEq)]
enum Taken {
    Kept,
    One,
    /// The first after some were kept back.
    OneAfter(u64),
}

impl Bucket {
    fn new(per_second: u32, now: Instant) -> Self {
        Self { per_second, tokens: f64::from(per_second) * 2.0, last: now, kept: 0 }
    }

    fn take(&mut self, now: Instant) -> Taken {
        let passed: Duration = now.saturating_duration_since(self.last);
        self.last = now;
        let most = f64::from(self.per_second) * 2.0;
        self.tokens = (self.tokens + passed.as_secs_f64() * f64::from(self.per_second)).min(most);
        if self.tokens < 1.0 {
            self.kept += 1;
            return Taken::Kept;
        }
        self.tokens -= 1.0;
        match std::mem::take(&mut self.kept) {
            0 => Taken::One,
            kept => Taken::OneAfter(kept),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attack_is_thinned_and_what_was_left_out_is_said() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, start);
        let taken: Vec<Taken> = (0..100).map(|_| bucket.take(start)).collect();
        assert_eq!(taken.iter().filter(|taken| **taken == Taken::One).count(), 20);
        assert_eq!(bucket.take(start + Duration::from_millis(100)), Taken::OneAfter(80));
        assert_eq!(bucket.take(start + Duration::from_secs(60)), Taken::One);
    }
}
