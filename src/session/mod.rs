//! Sessions: the record of each, and the table of those under way.
//!
//! A [`SessionRecord`] is all that the store, the metrics, the log and the API ever see.

mod live;
mod log;
mod reason;
mod record;
mod view;

use std::sync::Arc;

pub use live::{Counters, LiveSession, Sessions};
pub use log::{Log, Wanted};
pub use reason::{CloseReason, Party};
pub use record::{
    Endpoint, RuleLabel, SessionId, SessionRecord, Status, UnixMicros, VerdictTaken, protocol_named,
};
pub use view::{CSV_HEADER, SessionView};

/// Hears of sessions: the store, the metrics, the log, the event stream.
///
/// The road calls these between two of its steps: an implementation hands the record on or counts
/// it, and never waits.
pub trait Sink: Send + Sync {
    /// A session was established.
    fn began(&self, record: &Arc<SessionRecord>);

    /// An attempt has ended; `was_live` if it was established before.
    fn ended(&self, record: &Arc<SessionRecord>, was_live: bool);

    /// The policy has decided, and took so long.
    fn decided(&self, _took: std::time::Duration) {}
}

#[cfg(test)]
pub(crate) use record::{digest_of, sample};
