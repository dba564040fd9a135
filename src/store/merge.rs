//! Keeps the index in few runs: writes new ones and merges neighbours of one level.

use super::run::{self, Shard};
use super::segment::{POSTINGS, RUNS};
use redb::{ReadableTable, WriteTransaction};

/// The index tables of a transaction.
pub(super) struct Runs<'t> {
    headers: redb::Table<'t, u64, &'static [u8]>,
    values: redb::Table<'t, (u64, u16), &'static [u8]>,
}

impl<'t> Runs<'t> {
    /// The tables of a transaction.
    pub fn of(txn: &'t WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self { headers: txn.open_table(RUNS)?, values: txn.open_table(POSTINGS)? })
    }

    /// Adds a run that starts at a record.
    pub fn insert(
        &mut self,
        first: u64,
        header: run::Header,
        postings: &[run::Posting],
    ) -> Result<(), redb::Error> {
        for (shard, bytes) in run::encode(postings, header.bits) {
            self.values.insert((first, shard), &*bytes)?;
        }
        self.headers.insert(first, &*header.encode().to_vec())?;
        Ok(())
    }

    /// Merges the newest runs as long as there are enough of one level side by side.
    pub fn merge(&mut self) -> Result<(), redb::Error> {
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
            for entry in self.values.range((*first, 0)..=(*first, u16::MAX))? {
                if let Some(shard) = Shard::of(entry?.1.value()) {
                    shard.read_into(shift, &mut postings);
                }
            }
        }
        for (first, _) in group {
            self.values.retain_in((*first, 0)..=(*first, u16::MAX), |_, _| false)?;
            self.headers.remove(first)?;
        }
        // The runs are sorted already; a stable sort finds that out and only merges them.
        postings.sort();
        let count = group.iter().map(|(_, header)| header.count).sum();
        let header = run::Header {
            level: if count >= run::FULL { run::LAST_LEVEL } else { level + 1 },
            bits: run::bits_for(postings.len()),
            count,
            earliest: group.iter().map(|(_, header)| header.earliest).min().unwrap_or(0),
            latest: group.iter().map(|(_, header)| header.latest).max().unwrap_or(0),
        };
        self.insert(start, header, &postings)
    }
}
