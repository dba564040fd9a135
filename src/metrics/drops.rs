//! Series of what never becomes a session: connections and datagrams that were dropped.

use super::series::{Maker, raise};
use crate::limits::Tally;
use prometheus::IntCounter;
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) struct Drops {
    accept_errors: IntCounter,
    shed: [IntCounter; 2],
    datagrams: [IntCounter; 6],
}

impl Drops {
    pub(super) fn new(make: &Maker<'_>) -> prometheus::Result<Self> {
        let shed = make.counters(
            "rustsocks_connections_shed_total",
            "Connections that were closed unserved, by what there was no room in.",
            &["reason"],
        )?;
        let datagrams = make.counters(
            "rustsocks_udp_datagrams_dropped_total",
            "Datagrams of UDP associations that were dropped, by reason.",
            &["reason"],
        )?;
        Ok(Self {
            accept_errors: make
                .counter("rustsocks_accept_errors_total", "Errors of accepting connections.")?,
            shed: ["descriptors", "limits"].map(|reason| shed.with_label_values(&[reason])),
            datagrams: ["blocked", "malformed", "overflow", "stranger", "unreachable", "unsolicited"]
                .map(|reason| datagrams.with_label_values(&[reason])),
        })
    }

    pub(super) fn read(&self, tally: &Tally) {
        raise_to(&self.accept_errors, &tally.accept_errors);
        for (counter, count) in self.shed.iter().zip([&tally.shed_for_descriptors, &tally.shed_for_limits]) {
            raise_to(counter, count);
        }
        let datagrams = [
            &tally.udp_blocked,
            &tally.udp_malformed,
            &tally.udp_overflow,
            &tally.udp_strangers,
            &tally.udp_unreachable,
            &tally.udp_unsolicited,
        ];
        for (counter, count) in self.datagrams.iter().zip(datagrams) {
            raise_to(counter, count);
        }
    }
}

fn raise_to(counter: &IntCounter, count: &AtomicU64) {
    raise(counter, count.load(Ordering::Relaxed));
}
