//! Series of the store and its writer.

use super::series::{Maker, raise, whole};
use crate::store::{Store, Writer};
use prometheus::{Histogram, IntCounter, IntGauge};

pub(super) struct StoreSeries {
    pub(super) write: Histogram,
    written: IntCounter,
    dropped: IntCounter,
    failures: IntCounter,
    up: IntGauge,
    waiting: IntGauge,
    bytes: IntGauge,
    segments: IntGauge,
    set_aside: IntGauge,
}

impl StoreSeries {
    pub(super) fn new(make: &Maker<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            write: make.seconds(
                "rustsocks_store_write_duration_seconds",
                "How long a batch of records took to be safe on disk.",
                &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0],
            )?,
            written: make
                .counter("rustsocks_store_records_written_total", "Records that are safe on disk.")?,
            dropped: make.counter(
                "rustsocks_store_records_dropped_total",
                "Records that were lost since the queue was full.",
            )?,
            failures: make
                .counter("rustsocks_store_write_failures_total", "Batches that could not be written.")?,
            up: make.gauge("rustsocks_store_up", "Whether the last batch was written: 1 or 0.")?,
            waiting: make.gauge("rustsocks_store_queue_records", "Records that wait to be written.")?,
            bytes: make.gauge("rustsocks_store_size_bytes", "Size of the store on disk.")?,
            segments: make.gauge("rustsocks_store_segments", "Segments of the store.")?,
            set_aside: make
                .gauge("rustsocks_store_damaged_segments", "Segments that were set aside as damaged.")?,
        })
    }

    pub(super) fn read(&self, store: &dyn Store, writer: &Writer) {
        let figures = writer.figures();
        let status = store.status();
        raise(&self.written, figures.written);
        raise(&self.dropped, figures.dropped);
        raise(&self.failures, figures.failures);
        self.up.set(i64::from(figures.failure.is_none()));
        self.waiting.set(whole(figures.waiting));
        self.bytes.set(whole(status.bytes));
        self.segments.set(whole(status.segments as u64));
        self.set_aside.set(whole(status.set_aside.len() as u64));
    }
}
