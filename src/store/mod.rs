//! Sessions on record, for months, on one machine: behind [`Store`], written by one [`Writer`].
//!
//! The road never waits for a disk. It hands records to the writer's bounded queue; what does not
//! fit is dropped and counted. Only this module knows redb.

mod block;
mod disk;
mod error;
mod merge;
mod packed;
mod query;
mod rollup;
mod row;
mod run;
mod search;
mod segment;
#[cfg(test)]
mod tests;
mod writer;

use crate::session::{SessionId, SessionRecord, UnixMicros};
use rustsocks_compiler::Digest;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;

pub use disk::{DiskOptions, DiskStore, Recovered};
pub use error::StoreError;
pub use query::{Cursor, NoCursor, Page, Query};
pub use rollup::{Hour, Rollup, Summary, Tally};
pub use writer::{Observe, QueueOptions, Writer, WriterFigures};

/// What the writer hands over at once; durable when [`Store::append`] returns.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Now, by the writer's clock.
    pub at: UnixMicros,
    /// Attempts that have ended, in the order they ended.
    pub ended: Vec<Arc<SessionRecord>>,
    /// Sessions that began and go on: they come back as interrupted after a crash.
    pub began: Vec<Arc<SessionRecord>>,
    /// Policies that records may name.
    pub revisions: Vec<Arc<Revision>>,
}

impl Batch {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.ended.is_empty() && self.began.is_empty() && self.revisions.is_empty()
    }
}

/// A policy as it was when it decided.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Revision {
    /// What it is called by.
    pub digest: [u8; 32],
    /// When it came into force.
    pub since: i64,
    /// Its texts by name, the root first; list files are not kept.
    pub texts: Vec<(String, String)>,
}

impl Revision {
    /// The revision of a policy that comes into force.
    pub fn of(policy: &rustsocks_compiler::Policy, since: UnixMicros) -> Self {
        let texts = policy.model().sources.iter();
        let texts = texts.map(|(_, source)| (source.name().to_string(), source.text().to_string()));
        Self { digest: *policy.digest().as_bytes(), since: since.0, texts: texts.collect() }
    }
}

/// How the store is.
#[derive(Clone, Debug, Default)]
pub struct StoreStatus {
    /// Segments, by time.
    pub segments: usize,
    /// Records in the segments that are open now.
    pub records: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Segments that could not be read and were set aside.
    pub set_aside: Vec<PathBuf>,
    /// Blocks that could not be read since the start.
    pub bad_blocks: u64,
}

/// Keeps records. One caller appends; any number of callers read meanwhile.
pub trait Store: Send + Sync {
    /// Writes a batch; everything in it or nothing.
    ///
    /// # Errors
    /// Says what the disk said. The caller may try again with the same batch.
    fn append(&self, batch: &Batch) -> Result<(), StoreError>;

    /// The newest records that fit, newest first.
    ///
    /// # Errors
    /// Says which segment could not be read.
    fn history(&self, query: &Query) -> Result<Page, StoreError>;

    /// The record of an id, if that session has ended.
    ///
    /// # Errors
    /// Says which segment could not be read.
    fn find(&self, id: SessionId) -> Result<Option<SessionRecord>, StoreError>;

    /// The policy of a digest.
    ///
    /// # Errors
    /// Says which segment could not be read.
    fn revision(&self, digest: &Digest) -> Result<Option<Revision>, StoreError>;

    /// Sums by hour, oldest first; `from` and `to` are both inside.
    ///
    /// # Errors
    /// Says which segment could not be read.
    fn hours(&self, from: Hour, to: Hour) -> Result<Vec<(Hour, Rollup)>, StoreError>;

    /// Deletes whole segments whose records are all older; says how many went.
    ///
    /// # Errors
    /// Says which file could not be deleted.
    fn expire(&self, before: UnixMicros) -> Result<usize, StoreError>;

    /// How it is.
    fn status(&self) -> StoreStatus;

    /// Writes what is still in memory and closes.
    ///
    /// # Errors
    /// Says what the disk said.
    fn close(&self) -> Result<(), StoreError>;
}
