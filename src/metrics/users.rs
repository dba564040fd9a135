//! Series of the first few users, for those who ask for them.

use super::series::{Maker, OTHERS};
use crate::session::SessionRecord;
use prometheus::{IntCounter, IntCounterVec};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

pub(super) struct Users {
    limit: usize,
    bytes: IntCounterVec,
    known: Mutex<HashMap<Arc<str>, (IntCounter, IntCounter)>>,
}

impl Users {
    pub(super) fn new(make: &Maker<'_>, limit: usize) -> prometheus::Result<Self> {
        let bytes = make.counters(
            "rustsocks_user_bytes_total",
            "Bytes by user and direction; users beyond the first share `(others)`.",
            &["user", "direction"],
        )?;
        Ok(Self { limit, bytes, known: Mutex::default() })
    }

    pub(super) fn add(&self, user: &Arc<str>, record: &SessionRecord) {
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
