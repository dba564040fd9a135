//! Finds records in a segment, newest first, within one read transaction.

use super::block::{self, Block};
use super::error::StoreError;
use super::query::{Cursor, Query};
use super::row::Row;
use super::run::{self, Chunk, Key};
use super::segment::{BLOCKS, POSTINGS, RUNS, Segment};
use crate::session::SessionRecord;
use redb::ReadTransaction;

/// A search over segments: what it found and how much it may still look at.
pub(super) struct Search<'q> {
    query: &'q Query,
    keys: Vec<Key>,
    period: u32,
    /// The records found.
    pub found: Vec<(Cursor, SessionRecord)>,
    /// Rows, runs and blocks that may still be looked at.
    budget: usize,
    /// The last place that was looked at.
    pub reached: Option<Cursor>,
}

impl<'q> Search<'q> {
    /// A search that has found nothing yet.
    pub fn new(query: &'q Query, budget: usize) -> Self {
        Self { query, keys: query.keys(), period: 0, found: Vec::new(), budget, reached: query.cursor }
    }

    /// Whether it has found one more than was asked for.
    pub fn is_full(&self) -> bool {
        self.found.len() > self.query.limit
    }

    /// Whether it has looked at all that it may.
    pub fn is_spent(&self) -> bool {
        self.budget == 0
    }

    /// Goes on in a segment of that period, which is older than those before.
    pub fn run(&mut self, period: u32, segment: &Segment) -> Result<(), StoreError> {
        self.period = period;
        let before = match self.query.cursor {
            Some(cursor) if cursor.period == period => cursor.seq,
            _ => u64::MAX,
        };
        segment.reading(|txn| {
            let mut reader = Reader::new(segment, txn)?;
            if self.keys.is_empty() {
                self.scan(&mut reader, txn, before)
            } else {
                self.look_up(&mut reader, txn, before)
            }
        })
    }

    fn look_up(&mut self, reader: &mut Reader<'_>, txn: &ReadTransaction, before: u64) -> Found {
        for entry in txn.open_table(RUNS)?.range(..before)?.rev() {
            let (first, header) = entry?;
            let first = first.value();
            let Some(header) = run::Header::decode(header.value()) else { continue };
            if !self.query.fits_time(header.earliest, header.latest) {
                continue;
            }
            for seq in reader.postings(first, &self.keys)?.into_iter().rev() {
                if seq < before && !self.look_at(reader, seq)? {
                    return Ok(());
                }
            }
            if !self.pay(first) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn scan(&mut self, reader: &mut Reader<'_>, txn: &ReadTransaction, before: u64) -> Found {
        for entry in txn.open_table(BLOCKS)?.range(..before)?.rev() {
            let (first, bytes) = entry?;
            let first = first.value();
            let Ok(header) = block::Header::of(bytes.value()) else { continue };
            if self.query.fits_time(header.earliest, header.latest) {
                let end = before.min(first + u64::from(header.count));
                for seq in (first..end).rev() {
                    if !self.look_at(reader, seq)? {
                        return Ok(());
                    }
                }
            }
            if !self.pay(first) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Looks at one record; says whether to go on.
    fn look_at(&mut self, reader: &mut Reader<'_>, seq: u64) -> Result<bool, redb::Error> {
        let query = self.query;
        let row = reader.row(seq, |row| query.fits(&row).then(|| row.into_record()))?;
        if let Some(Some(record)) = row {
            self.found.push((Cursor { period: self.period, seq }, record));
        }
        Ok(self.pay(seq) && !self.is_full())
    }

    fn pay(&mut self, seq: u64) -> bool {
        self.budget = self.budget.saturating_sub(1);
        self.reached = Some(Cursor { period: self.period, seq });
        self.budget > 0
    }
}

type Found = Result<(), redb::Error>;

/// Looks records up within one transaction, with the last block at hand.
pub(super) struct Reader<'t> {
    segment: &'t Segment,
    blocks: redb::ReadOnlyTable<u64, &'static [u8]>,
    values: redb::ReadOnlyTable<(u64, u64), &'static [u8]>,
    last: Option<(u64, Option<Block>, usize)>,
}

impl<'t> Reader<'t> {
    /// Reads within a transaction.
    pub fn new(segment: &'t Segment, txn: &ReadTransaction) -> Result<Self, redb::Error> {
        Ok(Self { segment, blocks: txn.open_table(BLOCKS)?, values: txn.open_table(POSTINGS)?, last: None })
    }

    /// Numbers of the records of a run that are found under all keys, oldest first.
    pub fn postings(&self, first: u64, keys: &[Key]) -> Result<Vec<u64>, redb::Error> {
        let mut lists = Vec::with_capacity(keys.len());
        for key in keys {
            // Whoever asks looks at the record itself, which is quicker than a long list.
            if lists.iter().any(|list: &Vec<u32>| list.len() <= FEW) {
                break;
            }
            let offsets = self.offsets(first, *key)?;
            if offsets.is_empty() {
                return Ok(Vec::new());
            }
            lists.push(offsets);
        }
        lists.sort_by_key(Vec::len);
        let Some((shortest, others)) = lists.split_first() else { return Ok(Vec::new()) };
        let is_in_all = |offset: &&u32| others.iter().all(|list| list.binary_search(offset).is_ok());
        Ok(shortest.iter().filter(is_in_all).map(|offset| first + u64::from(*offset)).collect())
    }

    /// Offsets of the records of a key in a run.
    fn offsets(&self, first: u64, key: Key) -> Result<Vec<u32>, redb::Error> {
        let (least, most) = run::bounds(key);
        let mut offsets = Vec::new();
        // The chunk that starts before the key may end with it.
        if let Some(entry) = self.values.range((first, 0)..(first, least))?.next_back() {
            let (at, bytes) = entry?;
            Chunk::of(at.value().1, bytes.value()).read_key(key, &mut offsets);
        }
        for entry in self.values.range((first, least)..=(first, most))? {
            let (at, bytes) = entry?;
            Chunk::of(at.value().1, bytes.value()).read_key(key, &mut offsets);
        }
        Ok(offsets)
    }

    /// Reads one row; `None` if its block cannot be read.
    pub fn row<T>(&mut self, seq: u64, read: impl FnOnce(Row<'_>) -> T) -> Result<Option<T>, redb::Error> {
        let at_hand =
            matches!(&self.last, Some((first, _, len)) if (*first..first + *len as u64).contains(&seq));
        if !at_hand {
            let mut before = self.blocks.range(..=seq)?;
            let Some(entry) = before.next_back() else { return Ok(None) };
            let (first, bytes) = entry?;
            let count = block::Header::of(bytes.value()).map_or(0, |header| usize::from(header.count));
            self.last = Some((first.value(), self.segment.decode(bytes.value()), count));
        }
        let Some((first, Some(block), _)) = &self.last else { return Ok(None) };
        let index = usize::try_from(seq - first).unwrap_or(usize::MAX);
        Ok(block.row(index).ok().map(read))
    }
}

/// So few records of a run are looked at without asking whether other keys lead there too.
const FEW: usize = 16;
