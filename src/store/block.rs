//! Many rows in one value: as many records as fill a page of the database, compressed together.
//!
//! One row a record costs a database more than the record itself. In a block, what rows have in
//! common is written once, and one row is still found without reading the others.

use super::packed::Packed;
use super::row::{Context, Row};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

/// Most records in a block: few enough that reading one of them costs microseconds.
pub(super) const ROWS: usize = 128;
/// What fits a page of 4,096 bytes beside redb's own; a longer value would take two pages.
pub(super) const PAGE: usize = 4_080;

/// Version of the rows; the first byte of a block.
const VERSION: u8 = 2;
/// Version, codec, count, earliest and latest end, length of the plain text.
const HEADER: usize = 1 + 1 + 2 + 8 + 8 + 4;
const PLAIN: u8 = 0;
const LZ4: u8 = 1;
/// No block that we write is longer: what says so is damaged.
const LONGEST: usize = 16 << 20;

/// A block cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Damaged;

/// Cuts rows into blocks that fill a page each; gives the number of the first row with each.
pub(super) fn encode_all(rows: &[Row<'_>]) -> Vec<(usize, Vec<u8>)> {
    let mut blocks = Vec::with_capacity(rows.len() / 32 + 1);
    let (mut first, mut guess) = (0, 56);
    while let Some(rest) = rows.get(first..).filter(|rest| !rest.is_empty()) {
        let mut count = rest.len().min(guess);
        let block = loop {
            let block = encode(rest.get(..count).unwrap_or(rest));
            guess = (count * (PAGE - PAGE / 40) / block.len()).clamp(1, ROWS);
            if block.len() <= PAGE || count == 1 {
                break block;
            }
            count = guess.min(count - 1);
        };
        blocks.push((first, block));
        first += count;
    }
    blocks
}

/// The block of some rows.
fn encode(rows: &[Row<'_>]) -> Vec<u8> {
    let plain = Shared::of(rows);
    let (earliest, latest) = span(rows);
    let mut block = Vec::with_capacity(HEADER + plain.len());
    block.extend_from_slice(&[VERSION, LZ4]);
    block.extend_from_slice(&u16::try_from(rows.len()).unwrap_or(u16::MAX).to_le_bytes());
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

/// Earliest and latest end of some rows, in microseconds.
pub(super) fn span(rows: &[Row<'_>]) -> (i64, i64) {
    let ends = rows.iter().map(|row| row.end().map_or(row.start, |end| end.0));
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

/// What the rows of a block share; the texts, the contexts and the rows follow it.
#[derive(Deserialize, Serialize)]
struct Shared {
    /// What times are counted from.
    base: i64,
    addresses: Vec<IpAddr>,
    texts: Vec<u32>,
    contexts: Vec<u32>,
    rows: Vec<u32>,
}

impl Shared {
    /// The plain text of a block.
    fn of(rows: &[Row<'_>]) -> Vec<u8> {
        let mut making = Making::default();
        let base = rows.first().map_or(0, |row| row.start);
        let mut packed = Vec::with_capacity(rows.len() * 48);
        let mut lengths = Vec::with_capacity(rows.len());
        for row in rows {
            let before = packed.len();
            append(&mut packed, &making.pack(row, base));
            lengths.push(length(packed.len() - before));
        }
        let shared = Self {
            base,
            addresses: making.addresses.in_order(),
            texts: making.texts.known.iter().map(|text| length(text.len())).collect(),
            contexts: making.context_lengths,
            rows: lengths,
        };
        let mut plain = Vec::with_capacity(packed.len() * 2);
        append(&mut plain, &shared);
        making.texts.known.iter().for_each(|text| plain.extend_from_slice(text.as_bytes()));
        plain.extend_from_slice(&making.context_bytes);
        plain.extend_from_slice(&packed);
        plain
    }
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn append(bytes: &mut Vec<u8>, value: &impl Serialize) {
    // Writing plain data to memory cannot fail.
    if let Ok(longer) = postcard::to_extend(value, std::mem::take(bytes)) {
        *bytes = longer;
    }
}

/// Values in the order in which they came, each once; numbers start at 1, and 0 is none.
struct Numbered<T> {
    numbers: HashMap<T, u32>,
    known: Vec<T>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { numbers: HashMap::new(), known: Vec::new() }
    }
}

impl<T: Copy + Eq + std::hash::Hash> Numbered<T> {
    fn number(&mut self, value: T) -> u32 {
        let next = length(self.known.len() + 1);
        *self.numbers.entry(value).or_insert_with(|| {
            self.known.push(value);
            next
        })
    }

    fn in_order(&self) -> Vec<T> {
        self.known.clone()
    }
}

/// A block being made.
#[derive(Default)]
struct Making<'r> {
    texts: Numbered<&'r str>,
    addresses: Numbered<IpAddr>,
    contexts: Vec<&'r Context<'r>>,
    context_lengths: Vec<u32>,
    context_bytes: Vec<u8>,
}

impl<'r> Making<'r> {
    fn pack(&mut self, row: &'r Row<'_>, base: i64) -> Packed {
        let names = super::packed::Names {
            context: self.context(&row.context),
            client: self.addresses.number(row.client.ip()),
            target: row.target.map_or(0, |target| self.addresses.number(target.ip())),
            user: row.user.map_or(0, |user| self.texts.number(user)),
            host: row.requested.map_or(0, |(host, _)| self.texts.number(host)),
        };
        Packed::of(row, base, names)
    }

    fn context(&mut self, context: &'r Context<'r>) -> u32 {
        // Few differ: a list is quicker than a table.
        let at = self.contexts.iter().rposition(|known| *known == context).unwrap_or_else(|| {
            self.contexts.push(context);
            let before = self.context_bytes.len();
            append(&mut self.context_bytes, context);
            self.context_lengths.push(length(self.context_bytes.len() - before));
            self.contexts.len() - 1
        });
        length(at)
    }
}

/// A block unpacked.
#[derive(Debug)]
pub(super) struct Block {
    plain: Vec<u8>,
    base: i64,
    addresses: Vec<IpAddr>,
    /// Where texts, contexts and rows lie in `plain`.
    texts: Vec<(usize, usize)>,
    contexts: Vec<(usize, usize)>,
    rows: Vec<(usize, usize)>,
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
        let (shared, rest) = postcard::take_from_bytes::<Shared>(&plain).map_err(|_| Damaged)?;
        let mut at = plain.len() - rest.len();
        let mut places = |lengths: &[u32]| -> Vec<(usize, usize)> {
            let place = |length: &u32| {
                let start = at;
                at = at.saturating_add(*length as usize);
                (start, at)
            };
            lengths.iter().map(place).collect()
        };
        let (texts, contexts, rows) = (places(&shared.texts), places(&shared.contexts), places(&shared.rows));
        if plain.len() != header.length || at != plain.len() || rows.len() != usize::from(header.count) {
            return Err(Damaged);
        }
        Ok(Self { base: shared.base, addresses: shared.addresses, texts, contexts, rows, plain })
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// One row.
    pub fn row(&self, index: usize) -> Result<Row<'_>, Damaged> {
        let packed: Packed = postcard::from_bytes(self.slice(&self.rows, index)?).map_err(|_| Damaged)?;
        let context = self.slice(&self.contexts, packed.names.context as usize)?;
        let names = &packed.names;
        let (user, host) = (self.text(names.user)?, self.text(names.host)?);
        let requested = host.map(|host| (host, packed.port));
        let port = packed.target_port();
        let target = self.address(names.target)?.map(|address| SocketAddr::new(address, port));
        let client = SocketAddr::new(self.address(names.client)?.ok_or(Damaged)?, packed.client_port());
        let (id, start) = (packed.id(self.base), packed.start(self.base));
        Ok(Row {
            id,
            context: postcard::from_bytes(context).map_err(|_| Damaged)?,
            start,
            ended_after: packed.ended_after(),
            duration: packed.duration,
            client,
            user,
            requested,
            target,
            bytes_sent: packed.bytes_sent,
            bytes_received: packed.bytes_received,
            packets_sent: packed.packets_sent,
            packets_received: packed.packets_received,
        })
    }

    fn slice(&self, places: &[(usize, usize)], index: usize) -> Result<&[u8], Damaged> {
        let &(from, to) = places.get(index).ok_or(Damaged)?;
        self.plain.get(from..to).ok_or(Damaged)
    }

    fn text(&self, number: u32) -> Result<Option<&str>, Damaged> {
        let Some(index) = number.checked_sub(1) else { return Ok(None) };
        let bytes = self.slice(&self.texts, index as usize)?;
        std::str::from_utf8(bytes).map(Some).map_err(|_| Damaged)
    }

    fn address(&self, number: u32) -> Result<Option<IpAddr>, Damaged> {
        let Some(index) = number.checked_sub(1) else { return Ok(None) };
        self.addresses.get(index as usize).copied().map(Some).ok_or(Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{SessionRecord, sample};
    use proptest::prelude::*;

    fn blocks(records: &[SessionRecord]) -> Vec<(usize, Vec<u8>)> {
        encode_all(&records.iter().map(Row::of).collect::<Vec<_>>())
    }

    #[test]
    fn rows_come_back_one_by_one_and_take_little_room() {
        let records: Vec<_> = (0..1_000).map(sample).collect();
        let blocks = blocks(&records);
        let mut next = 0;
        for (first, bytes) in &blocks {
            assert_eq!(*first, next);
            assert!(bytes.len() <= PAGE, "{} bytes", bytes.len());
            let block = Block::decode(bytes).expect("what was written");
            let mine: Vec<_> =
                (0..block.len()).map(|index| block.row(index).expect("a row").into_record()).collect();
            assert_eq!(mine, records[*first..*first + block.len()]);
            assert_eq!(block.row(block.len()).err(), Some(Damaged));
            let rows: Vec<_> = mine.iter().map(Row::of).collect();
            let header = Header::of(bytes).expect("what was written");
            assert_eq!((header.earliest, header.latest), span(&rows));
            next += block.len();
        }
        assert_eq!(next, records.len());
        assert!(blocks.len() * 4_096 / 1_000 < 75, "{} blocks", blocks.len());
    }

    #[test]
    fn records_with_nothing_in_common_and_long_names_come_back_too() {
        let mut records: Vec<_> = (0..300).map(sample).collect();
        for (record, number) in records.iter_mut().zip(0..) {
            record.certificate = vec![format!("CN={number}").repeat(1 + number % 700).into()];
            record.groups = (0..number % 40).map(|group| format!("group{group}").into()).collect();
            record.user = Some("u".repeat(number % 256).into());
            record.client.set_ip(std::net::Ipv6Addr::from(u128::MAX - number as u128).into());
            record.end = (number % 2 == 0).then_some(record.start).and(record.end);
            record.duration = std::time::Duration::from_micros(number as u64 * 1_000);
            record.id = crate::session::SessionId(uuid::Uuid::from_u128(u128::MAX / (1 + number as u128)));
        }
        let mut back = Vec::new();
        for (_, bytes) in blocks(&records) {
            let block = Block::decode(&bytes).expect("what was written");
            back.extend((0..block.len()).map(|index| block.row(index).expect("a row").into_record()));
        }
        assert_eq!(back, records);
    }

    proptest! {
        #[test]
        fn damage_is_found_or_harmless(at in 0_usize..2_000, value in any::<u8>(), cut in 0_usize..2_000) {
            let records: Vec<_> = (0..20).map(sample).collect();
            let mut bytes = blocks(&records).remove(0).1;
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
