//! Sessions: the record of each, and the table of those under way.
//!
//! A [`SessionRecord`] is all that the store, the metrics, the log and the API ever see.

mod live;
mod record;

pub use live::{Counters, LiveSession, Sessions};

pub use record::{
    CloseReason, Endpoint, RuleLabel, SessionId, SessionRecord, Status, UnixMicros, VerdictTaken,
};
