//! Decisions by rule: counted for every rule, with a series for the first of them.

use super::series::{Maker, OTHERS};
use prometheus::{IntCounter, IntCounterVec};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// The rules that have decided.
pub(super) struct Rules {
    known: RwLock<HashMap<Arc<str>, Arc<RuleHits>>>,
    series: IntCounterVec,
}

/// How often a rule has decided.
#[derive(Debug, Default)]
struct RuleHits {
    passed: AtomicU64,
    blocked: AtomicU64,
    series: Option<(IntCounter, IntCounter)>,
}

impl Rules {
    pub(super) fn new(make: &Maker<'_>) -> prometheus::Result<Self> {
        let series = make.counters(
            "rustsocks_rule_decisions_total",
            "Decisions by rule and decision; rules beyond the first 200 share `(others)`.",
            &["rule", "decision"],
        )?;
        Ok(Self { known: RwLock::default(), series })
    }

    /// Counts a decision.
    pub(super) fn count(&self, label: &Arc<str>, passed: bool) {
        let hits = self.hits_of(label);
        let hit = if passed { &hits.passed } else { &hits.blocked };
        hit.fetch_add(1, Ordering::Relaxed);
        if let Some((allowed, blocked)) = &hits.series {
            if passed { allowed.inc() } else { blocked.inc() }
        }
    }

    /// How often a rule has passed and blocked.
    pub(super) fn hits(&self, label: &str) -> (u64, u64) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        known.get(label).map_or((0, 0), |hits| (read(&hits.passed), read(&hits.blocked)))
    }

    fn hits_of(&self, label: &Arc<str>) -> Arc<RuleHits> {
        if let Some(hits) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(label) {
            return hits.clone();
        }
        let mut rules = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if rules.len() >= RULES_COUNTED && !rules.contains_key(label) {
            return rules.entry(OTHERS.into()).or_default().clone();
        }
        let name: &str = if rules.len() < RULE_SERIES { label } else { OTHERS };
        let of = |decision| self.series.with_label_values(&[name, decision]);
        let hits = RuleHits { series: Some((of("allow"), of("block"))), ..RuleHits::default() };
        rules.entry(label.clone()).or_insert_with(|| Arc::new(hits)).clone()
    }
}

/// Rules that get a series of their own.
const RULE_SERIES: usize = 200;
/// Rules whose decisions are counted one by one.
const RULES_COUNTED: usize = 100_000;
