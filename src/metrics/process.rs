//! Series of the process, named as everybody names them.

use super::series::{Maker, whole};
use prometheus::IntGauge;
use std::time::Duration;

pub(super) struct ProcessSeries {
    open_fds: IntGauge,
    max_fds: IntGauge,
    resident: IntGauge,
    threads: IntGauge,
    cpu: prometheus::Counter,
    start: IntGauge,
}

impl ProcessSeries {
    pub(super) fn new(make: &Maker<'_>) -> prometheus::Result<Self> {
        let cpu = prometheus::Counter::new("process_cpu_seconds_total", "CPU time, user and system.")?;
        make.0.register(Box::new(cpu.clone()))?;
        Ok(Self {
            open_fds: make.gauge("process_open_fds", "Open file descriptors.")?,
            max_fds: make.gauge("process_max_fds", "Most file descriptors that may be open.")?,
            resident: make.gauge("process_resident_memory_bytes", "Resident memory.")?,
            threads: make.gauge("process_threads", "Threads.")?,
            start: make.gauge("process_start_time_seconds", "When the process started.")?,
            cpu,
        })
    }

    /// Reads `/proc/self`; what a confined process may not read stays as it is.
    pub(super) fn read(&self) {
        if let Ok(entries) = std::fs::read_dir("/proc/self/fd") {
            // The folder itself is one of them while it is read.
            self.open_fds.set(whole(entries.count().saturating_sub(1) as u64));
        }
        if let Ok((soft, _)) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE) {
            self.max_fds.set(whole(soft));
        }
        if let Ok(usage) = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF) {
            let of = |time: nix::sys::time::TimeVal| {
                use nix::sys::time::TimeValLike;
                Duration::from_micros(u64::try_from(time.num_microseconds()).unwrap_or(0)).as_secs_f64()
            };
            let cpu = of(usage.user_time()) + of(usage.system_time());
            self.cpu.inc_by((cpu - self.cpu.get()).max(0.0));
        }
        let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return };
        // The name may hold spaces; behind its bracket the fields are numbers.
        let fields: Vec<&str> =
            stat.rsplit_once(')').map_or(Vec::new(), |(_, rest)| rest.split_whitespace().collect());
        let field = |number: usize| fields.get(number).and_then(|text| text.parse::<i64>().ok());
        if let (Some(threads), Some(pages)) = (field(17), field(21)) {
            self.threads.set(threads);
            self.resident.set(pages.saturating_mul(PAGE));
        }
        if let (Some(ticks), Some(boot)) = (field(19), boot_time()) {
            self.start.set(boot + ticks / TICKS);
        }
    }
}

fn boot_time() -> Option<i64> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
}

/// Bytes in a page, and clock ticks in a second, on every Linux that we serve.
const PAGE: i64 = 4_096;
const TICKS: i64 = 100;
