//! Many rows in one value: up to [`ROWS`] records, compressed together.
//!
//! One row a record costs a database more than the record itself. Together they compress to a
//! third, and one row is still found without reading the others: offsets stand in front.

use super::row::Row;
use crate::session::SessionRecord;
use std::sync::Arc;

/// Most records in a block: small enough that reading one of them costs microseconds.
pub(super) const ROWS: usize = 64;

/// Version of the rows; the first byte of a block.
const VERSION: u8 = 1;
/// Version, codec, count, earliest and latest end, length of the plain text.
const HEADER: usize = 1 + 1 + 2 + 8 + 8 + 4;
const PLAIN: u8 = 0;
const LZ4: u8 = 1;
/// No block that we write is longer: what says so is damaged.
const LONGEST: usize = 16 << 20;

/// A block cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Damaged;

/// The block of up to [`ROWS`] records.
pub(super) fn encode(records: &[Arc<SessionRecord>]) -> Vec<u8> {
    let mut plain = vec![0; records.len() * 4];
    let mut ends = Vec::with_capacity(records.len());
    for record in records {
        // Writing plain data to memory cannot fail.
        if let Ok(longer) = postcard::to_extend(&Row::of(record), std::mem::take(&mut plain)) {
            plain = longer;
        }
        ends.push(u32::try_from(plain.len()).unwrap_or(u32::MAX));
    }
    for (slot, end) in plain.chunks_exact_mut(4).zip(&ends) {
        slot.copy_from_slice(&end.to_le_bytes());
    }
    let (earliest, latest) = span(records);
    let mut block = Vec::with_capacity(HEADER + plain.len() / 2);
    block.extend_from_slice(&[VERSION, LZ4]);
    block.extend_from_slice(&u16::try_from(records.len()).unwrap_or(u16::MAX).to_le_bytes());
    block.extend_from_slice(&earliest.to_le_bytes());
    block.extend_from_slice(&latest.to_le_bytes());
    block.extend_from_slice(&u32::try_from(plain.len()).unwrap_or(u32::MAX).to_le_bytes());
    let packed = lz4_flex::block::compress(&plain);
    if packed.len() < plain.len() {
        block.extend_from_slice(&packed);
    } else {
        if let Some(codec) = block.get_mut(1) {
            *codec = PLAIN;
        }
        block.extend_from_slice(&plain);
    }
    block
}

/// Earliest and latest end of some records, in microseconds.
pub(super) fn span(records: &[Arc<SessionRecord>]) -> (i64, i64) {
    let ends = records.iter().map(|record| record.end.unwrap_or(record.start).0);
    ends.fold((i64::MAX, i64::MIN), |(low, high), end| (low.min(end), high.max(end)))
}

/// What stands in front of a block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Header {
    pub count: u16,
    pub earliest: i64,
    pub latest: i64,
    codec: u8,
    length: usize,
}

impl Header {
    /// Reads it.
    pub fn of(block: &[u8]) -> Result<Self, Damaged> {
        let (head, _) = block.split_first_chunk::<HEADER>().ok_or(Damaged)?;
        let [version, codec, rest @ ..] = head;
        if *version != VERSION {
            return Err(Damaged);
        }
        let (count, rest) = take::<2>(rest)?;
        let (earliest, rest) = take::<8>(rest)?;
        let (latest, rest) = take::<8>(rest)?;
        let (length, _) = take::<4>(rest)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > LONGEST {
            return Err(Damaged);
        }
        Ok(Self {
            count: u16::from_le_bytes(count),
            earliest: i64::from_le_bytes(earliest),
            latest: i64::from_le_bytes(latest),
            codec: *codec,
            length,
        })
    }
}

fn take<const N: usize>(bytes: &[u8]) -> Result<([u8; N], &[u8]), Damaged> {
    bytes.split_first_chunk::<N>().map(|(first, rest)| (*first, rest)).ok_or(Damaged)
}

/// A block unpacked.
#[derive(Debug)]
pub(super) struct Block {
    plain: Vec<u8>,
    count: usize,
}

impl Block {
    /// Unpacks one.
    pub fn decode(block: &[u8]) -> Result<Self, Damaged> {
        let header = Header::of(block)?;
        let body = block.get(HEADER..).ok_or(Damaged)?;
        let plain = match header.codec {
            PLAIN => body.to_vec(),
            LZ4 => lz4_flex::block::decompress(body, header.length).map_err(|_| Damaged)?,
            _ => return Err(Damaged),
        };
        let count = usize::from(header.count);
        if plain.len() != header.length || plain.len() < count * 4 {
            return Err(Damaged);
        }
        Ok(Self { plain, count })
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.count
    }

    /// One row.
    pub fn row(&self, index: usize) -> Result<Row<'_>, Damaged> {
        let from = if index == 0 { self.count * 4 } else { self.end(index - 1)? };
        let bytes = self.plain.get(from..self.end(index)?).ok_or(Damaged)?;
        postcard::from_bytes(bytes).map_err(|_| Damaged)
    }

    fn end(&self, index: usize) -> Result<usize, Damaged> {
        if index >= self.count {
            return Err(Damaged);
        }
        let slot = self.plain.get(index * 4..index * 4 + 4).ok_or(Damaged)?;
        let (end, _) = take::<4>(slot)?;
        Ok(u32::from_le_bytes(end) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::sample;
    use proptest::prelude::*;

    #[test]
    fn rows_come_back_one_by_one_and_take_little_room() {
        let records: Vec<_> = (0..64).map(|seed| Arc::new(sample(seed))).collect();
        let bytes = encode(&records);
        assert!(bytes.len() / 64 < 120, "{} bytes a record", bytes.len() / 64);
        let block = Block::decode(&bytes).expect("what was written");
        assert_eq!(block.len(), 64);
        for (index, record) in records.iter().enumerate() {
            assert_eq!(block.row(index).expect("a row").into_record(), **record);
        }
        assert_eq!(block.row(64).err(), Some(Damaged));
        let header = Header::of(&bytes).expect("what was written");
        assert_eq!((header.earliest, header.latest), span(&records));
    }

    proptest! {
        #[test]
        fn damage_is_found_or_harmless(at in 0_usize..2_000, value in any::<u8>(), cut in 0_usize..2_000) {
            let records: Vec<_> = (0..20).map(|seed| Arc::new(sample(seed))).collect();
            let mut bytes = encode(&records);
            let length = bytes.len();
            bytes[at % length] = value;
            bytes.truncate(length - cut % 3);
            if let Ok(block) = Block::decode(&bytes) {
                for index in 0..block.len() {
                    let _ = block.row(index).map(Row::into_record);
                }
            }
        }
    }
}
