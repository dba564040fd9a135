//! Series of the policy in force.

use super::series::{Maker, raise, whole};
use crate::policy::LivePolicy;
use prometheus::{IntCounterVec, IntGauge};

pub(super) struct PolicySeries {
    reloads: IntCounterVec,
    last_ok: IntGauge,
    loaded: IntGauge,
    rules: IntGauge,
}

impl PolicySeries {
    pub(super) fn new(make: &Maker<'_>) -> prometheus::Result<Self> {
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

    pub(super) fn read(&self, policy: &LivePolicy) {
        let health = policy.health();
        raise(&self.reloads.with_label_values(&["success"]), health.reloads_ok);
        raise(&self.reloads.with_label_values(&["failure"]), health.reloads_failed);
        self.last_ok.set(i64::from(health.failure.is_none()));
        self.loaded.set(health.loaded.0 / 1_000_000);
        self.rules.set(whole(policy.load().model().rules.len() as u64));
    }
}
