//! The policy in force, swapped as a whole, and how the last reload went.

use crate::session::UnixMicros;
use arc_swap::ArcSwap;
use rustsocks_compiler::Policy;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// The policy in force. Connections take it once, at accept, and keep what they took.
#[derive(Debug)]
pub struct LivePolicy {
    current: ArcSwap<Policy>,
    changes: watch::Sender<u64>,
    health: Mutex<PolicyHealth>,
}

/// How the last reload went, for `/health` and the metrics.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PolicyHealth {
    /// When the policy in force was loaded.
    pub loaded: UnixMicros,
    /// When a reload was tried last.
    pub tried: UnixMicros,
    /// Why the last one failed, in one line; `None` if it did not.
    pub failure: Option<String>,
    /// Reloads that took effect or found nothing new.
    pub reloads_ok: u64,
    /// Reloads that failed.
    pub reloads_failed: u64,
}

impl LivePolicy {
    /// Puts a first policy in force.
    pub fn new(policy: Arc<Policy>) -> Self {
        let now = UnixMicros::now();
        let health = PolicyHealth { loaded: now, tried: now, ..PolicyHealth::default() };
        Self { current: ArcSwap::new(policy), changes: watch::Sender::new(0), health: Mutex::new(health) }
    }

    /// The policy in force.
    pub fn load(&self) -> Arc<Policy> {
        self.current.load_full()
    }

    /// Puts another policy in force, at once and as a whole, and tells those who wait.
    pub fn swap(&self, policy: Arc<Policy>) {
        // Whoever sees the new policy sees that the reload went well.
        self.note(|health, now| {
            health.loaded = now;
            health.failure = None;
            health.reloads_ok += 1;
        });
        self.current.store(policy);
        self.changes.send_modify(|generation| *generation += 1);
    }

    /// Notes that a reload found the policy in force.
    pub fn unchanged(&self) {
        self.note(|health, _| {
            health.failure = None;
            health.reloads_ok += 1;
        });
    }

    /// Notes that a reload failed, with the reason in one line; the policy in force stays.
    pub fn failed(&self, reason: String) {
        self.note(|health, _| {
            health.failure = Some(reason);
            health.reloads_failed += 1;
        });
    }

    /// Changes whenever another policy is put in force: counts them.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// How the last reload went.
    pub fn health(&self) -> PolicyHealth {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, change: impl FnOnce(&mut PolicyHealth, UnixMicros)) {
        let now = UnixMicros::now();
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        health.tried = now;
        change(&mut health, now);
    }
}
