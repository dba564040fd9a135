//! Keeps the index in few runs and the blocks full: merges neighbours as they age.

use super::block::{self, Block};
use super::row::Row;
use super::run::{self, Chunk};
use super::segment::{BLOCKS, POSTINGS, RUNS};
use redb::{ReadableTable, WriteTransaction};

/// The tables of a transaction that records are in.
pub(super) struct Runs<'t> {
    blocks: redb::Table<'t, u64, &'static [u8]>,
    headers: redb::Table<'t, u64, &'static [u8]>,
    values: redb::Table<'t, (u64, u64), &'static [u8]>,
}

impl<'t> Runs<'t> {
    /// The tables of a transaction.
    pub fn of(txn: &'t WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            blocks: txn.open_table(BLOCKS)?,
            headers: txn.open_table(RUNS)?,
            values: txn.open_table(POSTINGS)?,
        })
    }

    /// Adds records that have that number and the following.
    pub fn append(&mut self, first: u64, rows: &[Row<'_>]) -> Result<(), redb::Error> {
        self.write_blocks(first, rows)?;
        let mut postings = Vec::with_capacity(rows.len() * 7);
        rows.iter().zip(0..).for_each(|(row, offset)| run::index(row, offset, &mut postings));
        postings.sort_unstable();
        let (earliest, latest) = block::span(rows);
        let count = rows.len() as u64;
        let level = if count >= run::FULL { run::LAST_LEVEL } else { 0 };
        self.insert(first, run::Header { level, count, earliest, latest }, &postings)?;
        self.merge()
    }

    fn write_blocks(&mut self, first: u64, rows: &[Row<'_>]) -> Result<(), redb::Error> {
        for (index, block) in block::encode_all(rows) {
            self.blocks.insert(first + index as u64, &*block)?;
        }
        Ok(())
    }

    /// Adds a run that starts at a record.
    fn insert(
        &mut self,
        first: u64,
        header: run::Header,
        postings: &[run::Posting],
    ) -> Result<(), redb::Error> {
        for (posting, bytes) in run::encode(postings) {
            self.values.insert((first, posting), &*bytes)?;
        }
        self.headers.insert(first, &*header.encode().to_vec())?;
        Ok(())
    }

    /// Merges the newest runs as long as there are enough of one level side by side.
    fn merge(&mut self) -> Result<(), redb::Error> {
        loop {
            let mut group: Vec<(u64, run::Header)> = Vec::with_capacity(run::FANOUT);
            for entry in self.headers.iter()?.rev().take(run::FANOUT) {
                let (first, header) = entry?;
                group.extend(run::Header::decode(header.value()).map(|header| (first.value(), header)));
            }
            let level = group.first().map_or(run::LAST_LEVEL, |(_, header)| header.level);
            let is_full = group.len() == run::FANOUT && group.iter().all(|(_, header)| header.level == level);
            if !is_full || level == run::LAST_LEVEL {
                return Ok(());
            }
            group.reverse();
            self.merge_group(&group, level)?;
        }
    }

    fn merge_group(&mut self, group: &[(u64, run::Header)], level: u8) -> Result<(), redb::Error> {
        let Some(&(start, _)) = group.first() else { return Ok(()) };
        let mut postings = Vec::new();
        for (first, _) in group {
            let shift = u32::try_from(first - start).unwrap_or(u32::MAX);
            for entry in self.values.range((*first, 0)..=(*first, u64::MAX))? {
                let (key, bytes) = entry?;
                Chunk::of(key.value().1, bytes.value()).read_all(shift, &mut postings);
            }
        }
        for (first, _) in group {
            self.values.retain_in((*first, 0)..=(*first, u64::MAX), |_, _| false)?;
            self.headers.remove(first)?;
        }
        // The runs are sorted already; a stable sort finds that out and only merges them.
        postings.sort();
        let count = group.iter().map(|(_, header)| header.count).sum();
        let header = run::Header {
            level: if count >= run::FULL { run::LAST_LEVEL } else { level + 1 },
            count,
            earliest: group.iter().map(|(_, header)| header.earliest).min().unwrap_or(0),
            latest: group.iter().map(|(_, header)| header.latest).max().unwrap_or(0),
        };
        self.insert(start, header, &postings)?;
        if count <= REPACKED { self.repack(start, start + count) } else { Ok(()) }
    }

    /// Makes full blocks of what small batches left. What cannot be read stays as it is.
    fn repack(&mut self, from: u64, to: u64) -> Result<(), redb::Error> {
        let mut old = Vec::new();
        let mut bytes = 0;
        for entry in self.blocks.range(from..to)? {
            let (first, block) = entry?;
            bytes += block.value().len();
            let Ok(block) = Block::decode(block.value()) else { return Ok(()) };
            old.push((first.value(), block));
        }
        let full = bytes.div_ceil(block::PAGE);
        if old.len() * 100 < full * WORTH {
            return Ok(());
        }
        let mut rows = Vec::with_capacity(usize::try_from(to - from).unwrap_or(0));
        for (first, block) in &old {
            let is_next = *first == from + rows.len() as u64;
            for index in 0..block.len() {
                let Ok(row) = block.row(index) else { return Ok(()) };
                rows.push(row);
            }
            if !is_next {
                return Ok(());
            }
        }
        // INVARIANT: the same numbers as before, or the index would point elsewhere.
        if rows.len() as u64 != to - from {
            return Ok(());
        }
        self.blocks.retain_in(from..to, |_, _| false)?;
        self.write_blocks(from, &rows)
    }
}

/// Runs of more records are not packed again: theirs were when they were smaller.
const REPACKED: u64 = 20_000;
/// Blocks are packed again if that makes less than 100 of so many.
const WORTH: usize = 115;
