//! Series of sessions, their bytes and the decisions on them.

use super::series::Maker;
use crate::session::{CloseReason, Status};
use prometheus::{Histogram, IntCounter, IntGauge};

pub(super) struct Road {
    pub(super) active: IntGauge,
    pub(super) total: IntGauge,
    pub(super) by_status: Vec<(Status, IntCounter)>,
    pub(super) by_reason: Vec<(CloseReason, IntCounter)>,
    pub(super) duration: Histogram,
    pub(super) sent: IntCounter,
    pub(super) received: IntCounter,
    pub(super) allowed: IntCounter,
    pub(super) blocked: IntCounter,
    pub(super) decision: Histogram,
}

impl Road {
    pub(super) fn new(make: &Maker<'_>) -> prometheus::Result<Self> {
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
