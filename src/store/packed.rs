//! One row of a block: numbers instead of what the block says once, differences instead of times.

use super::row::Row;
use serde::{Deserialize, Serialize};

/// A row as it lies in a block. INVARIANT: on disk, so never changed.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Packed {
    pub names: Names,
    /// Milliseconds by which the id is older than the start.
    id_lag: i64,
    /// What of the id is no time.
    id_rest: [u8; 10],
    /// Microseconds from the block's base.
    start: i64,
    pub duration: u64,
    /// Microseconds by which the end differs from start and duration; `None` without an end.
    end_lag: Option<i64>,
    client_port: [u8; 2],
    pub port: u16,
    /// By how much the port that was dialled differs from the one that was asked for.
    port_lag: i32,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    pub packets_sent: u64,
    pub packets_received: u64,
}

/// Numbers of what the block says once: 0 is none, but for the context.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Names {
    pub context: u32,
    pub client: u32,
    pub target: u32,
    pub user: u32,
    pub host: u32,
}

impl Packed {
    /// A row whose times are counted from a base. Sums wrap: what wraps comes back the same.
    pub fn of(row: &Row<'_>, base: i64, names: Names) -> Self {
        let [a, b, c, d, e, f, id_rest @ ..] = row.id;
        let millis = i64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        let port = row.requested.map_or(0, |(_, port)| port);
        Self {
            names,
            id_lag: (row.start / 1_000).wrapping_sub(millis),
            id_rest,
            start: row.start.wrapping_sub(base),
            duration: row.duration,
            end_lag: row.ended_after.map(|after| after.wrapping_sub(row.duration.cast_signed())),
            client_port: row.client.port().to_be_bytes(),
            port,
            port_lag: row.target.map_or(0, |target| i32::from(target.port()) - i32::from(port)),
            bytes_sent: row.bytes_sent,
            bytes_received: row.bytes_received,
            packets_sent: row.packets_sent,
            packets_received: row.packets_received,
        }
    }

    /// The id.
    pub fn id(&self, base: i64) -> [u8; 16] {
        let millis = (self.start(base) / 1_000).wrapping_sub(self.id_lag);
        let [_, _, time @ ..] = millis.to_be_bytes();
        let mut id = [0; 16];
        id.iter_mut().zip(time.into_iter().chain(self.id_rest)).for_each(|(slot, byte)| *slot = byte);
        id
    }

    /// When it started, in microseconds.
    pub fn start(&self, base: i64) -> i64 {
        base.wrapping_add(self.start)
    }

    /// Microseconds from the start to the end.
    pub fn ended_after(&self) -> Option<i64> {
        self.end_lag.map(|lag| lag.wrapping_add(self.duration.cast_signed()))
    }

    /// The client's port.
    pub fn client_port(&self) -> u16 {
        u16::from_be_bytes(self.client_port)
    }

    /// The port that was dialled.
    pub fn target_port(&self) -> u16 {
        u16::try_from(i32::from(self.port).wrapping_add(self.port_lag)).unwrap_or(0)
    }
}
