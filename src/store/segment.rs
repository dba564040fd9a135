//! One redb file: the records that ended in one day or month, in the order they ended.
//!
//! Everything about them lies in it: blocks of records, the index, sums by hour, the policies that
//! decided, and marks of sessions that go on. So a file can be deleted, copied or lost by itself.

use super::block::{self, Block};
use super::error::StoreError;
use super::merge::Runs;
use super::rollup::{Hour, Rollup};
use super::row::Row;
use super::run::Key;
use super::search::Reader;
use super::{Batch, Revision};
use crate::session::{SessionId, SessionRecord, UnixMicros};
use redb::{
    Builder, Database, Durability, ReadOnlyDatabase, ReadTransaction, ReadableDatabase, ReadableTable,
    TableDefinition, WriteTransaction,
};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// First record → the records of a block.
pub(super) const BLOCKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("blocks");
/// First record → header of an index run.
pub(super) const RUNS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("runs");
/// First record of a run and first posting → a chunk of postings.
pub(super) const POSTINGS: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("postings");
/// Session → its record as it was when it began; only while it goes on.
const OPEN: TableDefinition<'_, [u8; 16], &[u8]> = TableDefinition::new("open");
/// Hour → sums.
const HOURS: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("hours");
/// Digest → policy.
const REVISIONS: TableDefinition<'_, [u8; 32], &[u8]> = TableDefinition::new("revisions");
/// Name → number.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// The schema that this version writes.
const SCHEMA: u64 = 2;
/// Sums by hour are written after so many records, or when a segment is closed.
const SUMS_AFTER: u64 = 50_000;
/// Hours whose sums stay in memory once they are written.
const HOURS_AT_HAND: usize = 2;

/// A segment that is open.
pub(super) struct Segment {
    path: PathBuf,
    db: Db,
    state: Mutex<State>,
    bad_blocks: AtomicU64,
}

enum Db {
    Read(ReadOnlyDatabase),
    Write(Database),
}

/// What the writer knows of its segment.
#[derive(Default)]
struct State {
    /// The next record's number.
    next: u64,
    /// Sums of the hours that were counted in lately; those of others are on disk.
    hours: BTreeMap<Hour, Rollup>,
    /// Records that the sums on disk have.
    summed: u64,
    /// Policies that are in it.
    revisions: Vec<[u8; 32]>,
}

/// How a segment is opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mode {
    /// To be read; it must be there.
    Read,
    /// To be read and written; it is made if it is not there.
    Write,
}

impl Segment {
    /// Opens or makes a segment.
    pub fn open(path: &Path, mode: Mode, cache: usize) -> Result<Self, StoreError> {
        if mode == Mode::Write && !path.exists() {
            // Who talked to whom is nobody else's business.
            let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            made.map_err(|error| StoreError::Io { path: path.into(), error })?;
        }
        let mut builder = Builder::new();
        builder.set_cache_size(cache);
        let said = |error: redb::DatabaseError| database(path, error);
        let db = match mode {
            Mode::Write => Db::Write(builder.create(path).map_err(said)?),
            Mode::Read => match builder.open_read_only(path) {
                Ok(db) => Db::Read(db),
                // Only a writer may repair what a crash left.
                Err(redb::DatabaseError::RepairAborted) => Db::Write(builder.open(path).map_err(said)?),
                Err(error) => return Err(said(error)),
            },
        };
        let segment = Self { path: path.into(), db, state: Mutex::default(), bad_blocks: AtomicU64::new(0) };
        if mode == Mode::Write {
            segment.prepare()?;
        }
        segment.check_schema()?;
        *segment.state() = segment.load_state()?;
        Ok(segment)
    }

    /// How many records it has.
    pub fn records(&self) -> u64 {
        self.state().next
    }

    /// Blocks that could not be read since it was opened.
    pub fn bad_blocks(&self) -> u64 {
        self.bad_blocks.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the tables of a new file and brings an older schema up.
    fn prepare(&self) -> Result<(), StoreError> {
        let read = self.read()?;
        let is_made = read.open_table(META).is_ok();
        drop(read);
        if is_made {
            return Ok(());
        }
        let txn = self.write()?;
        let made = (|| -> Result<(), redb::Error> {
            txn.open_table(META)?.insert("schema", SCHEMA)?;
            txn.open_table(BLOCKS)?;
            txn.open_table(RUNS)?;
            txn.open_table(POSTINGS)?;
            txn.open_table(OPEN)?;
            txn.open_table(HOURS)?;
            txn.open_table(REVISIONS)?;
            txn.commit()?;
            Ok(())
        })();
        made.map_err(|error| self.failed(error))
    }

    /// Schema 1 never left the workshop: what has it is set aside. Newer is refused.
    fn check_schema(&self) -> Result<(), StoreError> {
        let schema =
            self.reading(|txn| Ok(txn.open_table(META)?.get("schema")?.map(|guard| guard.value())))?;
        match schema {
            Some(SCHEMA) => Ok(()),
            Some(schema) if schema > SCHEMA => {
                Err(StoreError::TooNew { path: self.path.clone(), schema, known: SCHEMA })
            }
            _ => Err(StoreError::Row(self.path.clone())),
        }
    }

    fn load_state(&self) -> Result<State, StoreError> {
        let mut state = self.reading(|txn| {
            let mut state = State::default();
            if let Some((first, block)) = txn.open_table(BLOCKS)?.last()? {
                let count = block::Header::of(block.value()).map_or(0, |header| header.count);
                state.next = first.value() + u64::from(count);
            }
            for entry in txn.open_table(REVISIONS)?.iter()? {
                state.revisions.push(entry?.0.value());
            }
            state.summed = txn.open_table(META)?.get("summed")?.map_or(0, |guard| guard.value());
            Ok(state)
        })?;
        let mut missed = Vec::new();
        self.each_row_from(state.summed, |row| missed.push(Arc::new(row.into_record())))?;
        self.count(&mut state, &missed)?;
        Ok(state)
    }

    /// Writes a batch in one transaction: `ended` and `began` are those of this segment, and
    /// `gone` no longer go on.
    pub fn append(
        &self,
        batch: &Batch,
        began: &[Arc<SessionRecord>],
        gone: &[SessionId],
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        let first = state.next;
        let new: Vec<_> =
            batch.revisions.iter().filter(|new| !state.revisions.contains(&new.digest)).cloned().collect();
        let txn = self.write()?;
        let next = first + batch.ended.len() as u64;
        let written = (|| -> Result<(), redb::Error> {
            write_records(&txn, first, &batch.ended)?;
            write_marks(&txn, began, gone)?;
            if !new.is_empty() {
                let mut revisions = txn.open_table(REVISIONS)?;
                for revision in &new {
                    revisions.insert(revision.digest, &*pack(revision))?;
                }
            }
            let moment = u64::try_from(batch.at.0).unwrap_or(0);
            txn.open_table(META)?.insert("written", moment)?;
            Ok(())
        })();
        written.map_err(|error| self.failed(error))?;
        txn.commit().map_err(|error| self.failed(error))?;
        // INVARIANT: the state changes only once the disk has everything.
        state.next = next;
        state.revisions.extend(new.iter().map(|revision| revision.digest));
        let counted = self.count(&mut state, &batch.ended);
        if counted.is_ok() && state.next - state.summed >= SUMS_AFTER {
            // The batch is safe. Sums that could not be written are made again from the records.
            let _later = self.write_sums(&mut state);
        }
        Ok(())
    }

    /// Counts records into the sums of their hours.
    fn count(&self, state: &mut State, records: &[Arc<SessionRecord>]) -> Result<(), StoreError> {
        for record in records {
            let hour = Hour::of(record.end.unwrap_or(record.start));
            if let Some(rollup) = state.hours.get_mut(&hour) {
                rollup.add(record);
                continue;
            }
            let known = self.hours_on_disk(hour, hour)?.pop();
            state.hours.entry(hour).or_insert(known.unwrap_or_default().1).add(record);
        }
        Ok(())
    }

    /// Writes the sums by hour that only memory has.
    pub fn flush(&self) -> Result<(), StoreError> {
        let mut state = self.state();
        if matches!(self.db, Db::Read(_)) || state.next == state.summed {
            return Ok(());
        }
        self.write_sums(&mut state)
    }

    fn write_sums(&self, state: &mut State) -> Result<(), StoreError> {
        let txn = self.write()?;
        let written = (|| -> Result<(), redb::Error> {
            let mut table = txn.open_table(HOURS)?;
            for (hour, rollup) in &state.hours {
                // Writing plain data to memory cannot fail.
                table.insert(hour.0, &*postcard::to_stdvec(rollup).unwrap_or_default())?;
            }
            drop(table);
            txn.open_table(META)?.insert("summed", state.next)?;
            Ok(())
        })();
        written.map_err(|error| self.failed(error))?;
        txn.commit().map_err(|error| self.failed(error))?;
        state.summed = state.next;
        while state.hours.len() > HOURS_AT_HAND {
            state.hours.pop_first();
        }
        Ok(())
    }

    /// Sums by hour; those of `from` and `to` too.
    pub fn hours(&self, from: Hour, to: Hour) -> Result<Vec<(Hour, Rollup)>, StoreError> {
        if from > to {
            return Ok(Vec::new());
        }
        let state = self.state();
        let mut hours: BTreeMap<Hour, Rollup> = self.hours_on_disk(from, to)?.into_iter().collect();
        hours.extend(state.hours.range(from..=to).map(|(hour, rollup)| (*hour, rollup.clone())));
        Ok(hours.into_iter().collect())
    }

    fn hours_on_disk(&self, from: Hour, to: Hour) -> Result<Vec<(Hour, Rollup)>, StoreError> {
        self.reading(|txn| {
            let mut hours = Vec::new();
            for entry in txn.open_table(HOURS)?.range(from.0..=to.0)? {
                let (hour, sums) = entry?;
                if let Ok(rollup) = postcard::from_bytes(sums.value()) {
                    hours.push((Hour(hour.value()), rollup));
                }
            }
            Ok(hours)
        })
    }

    /// Sessions that went on when the last batch was written, and when that was.
    pub fn open_sessions(&self) -> Result<(Vec<SessionRecord>, UnixMicros), StoreError> {
        self.reading(|txn| {
            let mut open = Vec::new();
            for entry in txn.open_table(OPEN)?.iter()? {
                if let Ok(row) = postcard::from_bytes::<Row<'_>>(entry?.1.value()) {
                    open.push(row.into_record());
                }
            }
            let written = txn.open_table(META)?.get("written")?.map_or(0, |guard| guard.value());
            Ok((open, UnixMicros(i64::try_from(written).unwrap_or(0))))
        })
    }

    /// The policy of a digest.
    pub fn revision(&self, digest: &[u8; 32]) -> Result<Option<Revision>, StoreError> {
        self.reading(|txn| {
            Ok(txn.open_table(REVISIONS)?.get(digest)?.and_then(|packed| unpack(packed.value())))
        })
    }

    /// The record of an id.
    pub fn find(&self, id: SessionId) -> Result<Option<SessionRecord>, StoreError> {
        let bytes = id.0.as_bytes();
        self.reading(|txn| {
            let mut reader = Reader::new(self, txn)?;
            let key = Key::id(bytes);
            for entry in txn.open_table(RUNS)?.iter()?.rev() {
                for seq in reader.postings(entry?.0.value(), &[key])?.into_iter().rev() {
                    let found = reader.row(seq, |row| (row.id == *bytes).then(|| row.into_record()))?;
                    if let Some(Some(record)) = found {
                        return Ok(Some(record));
                    }
                }
            }
            Ok(None)
        })
    }

    /// Calls `each` with every row from a number on; skips blocks that cannot be read.
    fn each_row_from(&self, from: u64, mut each: impl FnMut(Row<'_>)) -> Result<(), StoreError> {
        self.reading(|txn| {
            let start = from.saturating_sub(block::ROWS as u64 - 1);
            for entry in txn.open_table(BLOCKS)?.range(start..)? {
                let (first, bytes) = entry?;
                let Some(block) = self.decode(bytes.value()) else { continue };
                for index in 0..block.len() {
                    if let (true, Ok(row)) = (first.value() + index as u64 >= from, block.row(index)) {
                        each(row);
                    }
                }
            }
            Ok(())
        })
    }

    /// Unpacks a block; counts it if it cannot be.
    pub(super) fn decode(&self, bytes: &[u8]) -> Option<Block> {
        let block = Block::decode(bytes).ok();
        if block.is_none() {
            self.bad_blocks.fetch_add(1, Ordering::Relaxed);
        }
        block
    }

    fn read(&self) -> Result<ReadTransaction, StoreError> {
        let begun = match &self.db {
            Db::Read(db) => db.begin_read(),
            Db::Write(db) => db.begin_read(),
        };
        begun.map_err(|error| self.failed(error))
    }

    fn write(&self) -> Result<WriteTransaction, StoreError> {
        let Db::Write(db) = &self.db else { return Err(StoreError::ReadOnly) };
        let mut txn = db.begin_write().map_err(|error| self.failed(error))?;
        txn.set_durability(Durability::Immediate).map_err(|error| self.failed(error))?;
        // Without it a file of ten million records takes over a minute to open after a crash.
        txn.set_quick_repair(true);
        Ok(txn)
    }

    /// Reads within one transaction.
    pub(super) fn reading<T>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        let txn = self.read()?;
        read(&txn).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: impl Into<redb::Error>) -> StoreError {
        database(&self.path, error)
    }
}

fn database(path: &Path, error: impl Into<redb::Error>) -> StoreError {
    match error.into() {
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => StoreError::Busy(path.into()),
        error => StoreError::Database { path: path.into(), error: Box::new(error) },
    }
}

fn write_records(
    txn: &WriteTransaction,
    first: u64,
    ended: &[Arc<SessionRecord>],
) -> Result<(), redb::Error> {
    if ended.is_empty() {
        return Ok(());
    }
    let rows: Vec<Row<'_>> = ended.iter().map(|record| Row::of(record)).collect();
    Runs::of(txn)?.append(first, &rows)
}

fn write_marks(
    txn: &WriteTransaction,
    began: &[Arc<SessionRecord>],
    gone: &[SessionId],
) -> Result<(), redb::Error> {
    if began.is_empty() && gone.is_empty() {
        return Ok(());
    }
    let mut open = txn.open_table(OPEN)?;
    for record in began {
        // Writing plain data to memory cannot fail.
        let row = postcard::to_stdvec(&Row::of(record)).unwrap_or_default();
        open.insert(record.id.0.as_bytes(), &*row)?;
    }
    for id in gone {
        open.remove(id.0.as_bytes())?;
    }
    Ok(())
}

fn pack(revision: &Revision) -> Vec<u8> {
    // Writing plain data to memory cannot fail.
    lz4_flex::block::compress_prepend_size(&postcard::to_stdvec(revision).unwrap_or_default())
}

fn unpack(packed: &[u8]) -> Option<Revision> {
    let size = u32::from_le_bytes(*packed.first_chunk()?);
    if size > LONGEST_REVISION {
        return None;
    }
    postcard::from_bytes(&lz4_flex::block::decompress_size_prepended(packed).ok()?).ok()
}

/// No policy that may be loaded has longer texts.
const LONGEST_REVISION: u32 = 1 << 30;

/// Counts what is in the tables, for tests of their agreement.
#[cfg(test)]
pub(super) fn open_marks(segment: &Segment) -> u64 {
    use redb::ReadableTableMetadata;
    segment.reading(|txn| Ok(txn.open_table(OPEN)?.len()?)).expect("readable")
}

/// How many blocks it has, and how many records.
#[cfg(test)]
pub(super) fn blocks_and_records(segment: &Segment) -> (u64, u64) {
    use redb::ReadableTableMetadata;
    let blocks = segment.reading(|txn| Ok(txn.open_table(BLOCKS)?.len()?)).expect("readable");
    (blocks, segment.records())
}

/// Whether a newer schema is met: written by the test of the migration path.
#[cfg(test)]
pub(super) fn write_schema(segment: &Segment, schema: u64) {
    let txn = segment.write().expect("writable");
    txn.open_table(META).expect("the table").insert("schema", schema).expect("room");
    txn.commit().expect("a disk");
}
