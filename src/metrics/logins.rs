//! Series of logins and of questions to PAM.

use super::Metrics;
use super::series::Maker;
use crate::auth::{AuthObserver, AuthResult};
use prometheus::{Histogram, IntCounterVec};
use rustsocks_compiler::request::Method;
use std::time::Duration;

pub(super) struct Logins {
    total: IntCounterVec,
    pam: IntCounterVec,
    pam_duration: Histogram,
}

impl Logins {
    pub(super) fn new(make: &Maker<'_>) -> prometheus::Result<Self> {
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
