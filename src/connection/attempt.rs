//! The record of one attempt, from accept to its end. Whatever happens to the task, even a panic,
//! the record goes out exactly once: when this is dropped at the latest.

use crate::session::{
    CloseReason, Endpoint, LiveSession, SessionId, SessionRecord, Sessions, Status, UnixMicros, VerdictTaken,
};
use rustsocks_compiler::model::{Host, RuleId};
use rustsocks_compiler::{Decision, Policy};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// An attempt under way.
#[derive(Debug)]
pub struct Attempt {
    sessions: Sessions,
    began: Instant,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Not established: the record grows.
    Asking(Box<SessionRecord>),
    /// Established: the record stands, counters go on.
    Live(LiveSession, Option<Box<Later>>),
    /// Gone out.
    Over,
}

/// What is learnt after a session was established: by a reload, or by the first datagram.
#[derive(Debug, Default)]
struct Later {
    verdict: Option<VerdictTaken>,
    target: Option<SocketAddr>,
}

impl Attempt {
    /// Begins with what accept knows.
    pub fn new(sessions: Sessions, client: SocketAddr, listener: Arc<str>, policy: &Policy) -> Self {
        let record = SessionRecord {
            id: SessionId::new(),
            status: Status::Failed,
            close_reason: None,
            start: UnixMicros::now(),
            end: None,
            duration: std::time::Duration::ZERO,
            client,
            listener,
            protocol: None,
            command: None,
            user: None,
            groups: Vec::new(),
            method: None,
            certificate: Vec::new(),
            requested: None,
            target: None,
            egress: None,
            upstream: None,
            bytes_sent: 0,
            bytes_received: 0,
            packets_sent: 0,
            packets_received: 0,
            verdict: None,
            policy: *policy.digest(),
        };
        Self { sessions, began: Instant::now(), stage: Stage::Asking(Box::new(record)) }
    }

    /// When it began.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// Notes something in the record; once the session is established nothing changes any more.
    pub fn note(&mut self, change: impl FnOnce(&mut SessionRecord)) {
        if let Stage::Asking(record) = &mut self.stage {
            change(record);
        }
    }

    /// Notes what the client asked for.
    pub fn requested(&mut self, host: &Host, port: u16) {
        let host = match host {
            Host::Name(name) => name.as_str().into(),
            Host::Address(address) => address.to_string().into(),
        };
        self.note(|record| record.requested = Some(Endpoint { host, port }));
    }

    /// Notes what the policy said.
    pub fn decided(&mut self, policy: &Policy, passed: bool, rule: Option<RuleId>) {
        let verdict = verdict(policy, passed, rule);
        match &mut self.stage {
            Stage::Asking(record) => record.verdict = Some(verdict),
            Stage::Live(_, later) => later.get_or_insert_default().verdict = Some(verdict),
            Stage::Over => {}
        }
    }

    /// Notes the first peer that a session reached after it was established.
    pub fn reached(&mut self, target: SocketAddr) {
        if let Stage::Live(_, later) = &mut self.stage {
            later.get_or_insert_default().target.get_or_insert(target);
        }
    }

    /// Notes a decision that blocks.
    pub fn blocked(&mut self, policy: &Policy, decision: &Decision) {
        self.decided(policy, false, decision.rule());
    }

    /// The session is established: it shows among the active ones.
    pub fn establish(&mut self) -> Option<LiveSession> {
        if let Stage::Asking(record) = &mut self.stage {
            record.status = Status::Active;
            let live = self.sessions.begin(record);
            self.stage = Stage::Live(live, None);
        }
        match &self.stage {
            Stage::Live(live, _) => Some(live.clone()),
            Stage::Asking(_) | Stage::Over => None,
        }
    }

    /// Ends it.
    pub fn end(mut self, reason: CloseReason) {
        self.finish(reason);
    }

    fn finish(&mut self, reason: CloseReason) {
        let mut record = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Asking(mut record) => {
                record.status = status_of(reason);
                *record
            }
            Stage::Live(live, later) => {
                let LiveSession { record, counters, .. } = live;
                let mut record = (*record).clone();
                counters.store_in(&mut record);
                record.status = Status::Closed;
                if let Some(later) = later {
                    record.verdict = later.verdict.or(record.verdict);
                    record.target = record.target.or(later.target);
                }
                record
            }
            Stage::Over => return,
        };
        record.close_reason = Some(reason);
        record.duration = self.began.elapsed();
        let micros = i64::try_from(record.duration.as_micros()).unwrap_or(i64::MAX);
        record.end = Some(UnixMicros(record.start.0.saturating_add(micros)));
        self.sessions.finish(record);
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let reason =
            if std::thread::panicking() { CloseReason::InternalError } else { CloseReason::Shutdown };
        self.finish(reason);
    }
}

/// What the policy said, as records have it.
fn verdict(policy: &Policy, passed: bool, rule: Option<RuleId>) -> VerdictTaken {
    let name = policy.name(rule);
    VerdictTaken { passed, rule: Arc::clone(&name.label), rule_place: Arc::clone(&name.place) }
}

/// How an attempt that never was established went.
fn status_of(reason: CloseReason) -> Status {
    match reason {
        CloseReason::BlockedClient | CloseReason::BlockedRequest | CloseReason::BlockedByReload => {
            Status::Blocked
        }
        _ => Status::Failed,
    }
}
