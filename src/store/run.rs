//! The index: sorted runs of (hash of a value, place of its record), merged as they age.
//!
//! Each batch leaves one small run. Sixteen neighbours of a size become one run of the next size,
//! until a run covers [`FULL`] records: a log-structured merge tree inside the segment's tables.
//! A record costs a few dozen bytes of index for all its keys together and no random write, and
//! a question costs one short look per run. Hashes may collide; whoever reads checks the record.

use super::row::{Row, status_code};
use crate::session::{SessionRecord, Status};
use std::net::IpAddr;

/// A run of so many records is not merged further.
pub(super) const FULL: u64 = 1 << 16;
/// So many neighbours of one level become one of the next.
pub(super) const FANOUT: usize = 16;
/// The level of a run that is not merged further.
pub(super) const LAST_LEVEL: u8 = u8::MAX;

/// One key of one record: the hash above, the record's offset in the run below. Sorts by both.
pub(super) type Posting = u64;

/// The hash under which records of a value are found.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Key(pub u32);

impl Key {
    pub fn user(name: &str) -> Self {
        Self::hash(b'u', name.bytes())
    }

    pub fn host(name: &str) -> Self {
        Self::hash(b'h', name.bytes().map(|byte| byte.to_ascii_lowercase()))
    }

    pub fn target(address: IpAddr) -> Self {
        Self::address(b't', address)
    }

    pub fn client(address: IpAddr) -> Self {
        Self::address(b'c', address)
    }

    pub fn status(status: Status) -> Self {
        Self::hash(b's', std::iter::once(status_code(status)))
    }

    pub fn rule(label: &str) -> Self {
        Self::hash(b'r', label.bytes())
    }

    pub fn id(id: &[u8; 16]) -> Self {
        Self::hash(b'i', id.iter().copied())
    }

    fn address(kind: u8, address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(four) => Self::hash(kind, four.octets().into_iter()),
            IpAddr::V6(six) => Self::hash(kind, six.octets().into_iter()),
        }
    }

    /// FNV-1a of 64 bits, folded. INVARIANT: on disk, so never changed.
    fn hash(kind: u8, bytes: impl Iterator<Item = u8>) -> Self {
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let hash = bytes.fold(step(0xcbf2_9ce4_8422_2325, kind), step);
        // The last byte has hardly reached the low bits; one more round spreads it.
        let hash = (hash ^ hash >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        #[expect(clippy::cast_possible_truncation, reason = "the upper half is folded in")]
        Self((hash >> 32 ^ hash) as u32)
    }
}

/// Adds the keys of a record at an offset of the run.
pub(super) fn index(record: &SessionRecord, offset: u32, postings: &mut Vec<Posting>) {
    let row = Row::of(record);
    let mut add = |key: Key| postings.push(u64::from(key.0) << 32 | u64::from(offset));
    add(Key::id(&row.id));
    add(Key::client(record.client.ip()));
    add(Key::status(record.status));
    if let Some(user) = row.user {
        add(Key::user(user));
    }
    if let Some(host) = row.host() {
        add(Key::host(host));
    }
    if let Some(address) = row.address() {
        add(Key::target(address));
    }
    if let Some(rule) = row.rule() {
        add(Key::rule(rule));
    }
}

/// What is known of a run without its postings.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Header {
    /// How often it was merged; [`LAST_LEVEL`] when full.
    pub level: u8,
    /// Its postings lie in 2^bits values.
    pub bits: u8,
    /// How many records it covers, one after the other.
    pub count: u64,
    /// The earliest end among them.
    pub earliest: i64,
    /// The latest.
    pub latest: i64,
}

impl Header {
    /// As bytes.
    pub fn encode(&self) -> [u8; 26] {
        let mut bytes = [0; 26];
        let fields = [self.count.to_le_bytes(), self.earliest.to_le_bytes(), self.latest.to_le_bytes()];
        let all = [self.level, self.bits].into_iter().chain(fields.into_iter().flatten());
        bytes.iter_mut().zip(all).for_each(|(slot, byte)| *slot = byte);
        bytes
    }

    /// From bytes.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (&[level, bits], rest) = bytes.split_first_chunk::<2>()?;
        let (count, rest) = rest.split_first_chunk::<8>()?;
        let (earliest, rest) = rest.split_first_chunk::<8>()?;
        let (latest, _) = rest.split_first_chunk::<8>()?;
        Some(Self {
            level,
            bits,
            count: u64::from_le_bytes(*count),
            earliest: i64::from_le_bytes(*earliest),
            latest: i64::from_le_bytes(*latest),
        })
    }

    /// In which value the postings of a key lie.
    pub fn shard(&self, key: Key) -> u16 {
        shard_of(key.0, self.bits)
    }
}

fn shard_of(key: u32, bits: u8) -> u16 {
    u16::try_from(u64::from(key) >> (32 - bits.min(16))).unwrap_or(u16::MAX)
}

/// How many values a run of so many postings is spread over: about 4,000 postings each.
pub(super) fn bits_for(postings: usize) -> u8 {
    let wanted = (postings / 4_096).max(1).next_power_of_two().trailing_zeros();
    u8::try_from(wanted).unwrap_or(0).min(10)
}

/// Sorted postings as values: `(shard, bytes)`, empty shards left out.
///
/// A value holds the number of its keys, the keys, where the postings of each end, and the
/// offsets of all, each 32 bits, least byte first.
pub(super) fn encode(postings: &[Posting], bits: u8) -> Vec<(u16, Vec<u8>)> {
    let shard = |posting: &Posting| shard_of(high(*posting), bits);
    postings
        .chunk_by(|left, right| shard(left) == shard(right))
        .filter_map(|chunk| chunk.first().map(|first| (shard(first), encode_shard(chunk))))
        .collect()
}

fn encode_shard(chunk: &[Posting]) -> Vec<u8> {
    let groups = || chunk.chunk_by(|left, right| high(*left) == high(*right));
    let count = groups().count();
    let mut bytes = Vec::with_capacity(4 + count * 8 + chunk.len() * 4);
    let mut put = |value: u32| bytes.extend_from_slice(&value.to_le_bytes());
    put(u32::try_from(count).unwrap_or(u32::MAX));
    groups().filter_map(|group| group.first()).for_each(|first| put(high(*first)));
    let mut end = 0;
    for group in groups() {
        end += u32::try_from(group.len()).unwrap_or(u32::MAX);
        put(end);
    }
    chunk.iter().for_each(|posting| put(low(*posting)));
    bytes
}

fn high(posting: Posting) -> u32 {
    u32::try_from(posting >> 32).unwrap_or(u32::MAX)
}

fn low(posting: Posting) -> u32 {
    u32::try_from(posting & 0xffff_ffff).unwrap_or(u32::MAX)
}

/// One value of a run, read in place.
#[derive(Clone, Copy)]
pub(super) struct Shard<'a> {
    keys: &'a [[u8; 4]],
    ends: &'a [[u8; 4]],
    offsets: &'a [[u8; 4]],
}

impl<'a> Shard<'a> {
    /// Takes the value apart; `None` if it is damaged.
    pub fn of(bytes: &'a [u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks::<4>();
        let (count, words) = words.split_first()?;
        let count = u32::from_le_bytes(*count) as usize;
        let (keys, words) = words.split_at_checked(count)?;
        let (ends, offsets) = words.split_at_checked(count)?;
        rest.is_empty().then_some(Self { keys, ends, offsets })
    }

    /// The offsets of the records of a key, oldest first.
    pub fn offsets(&self, key: Key) -> &'a [[u8; 4]] {
        let found = self.keys.binary_search_by_key(&key.0, |bytes| u32::from_le_bytes(*bytes));
        found.ok().and_then(|at| self.group(at)).unwrap_or_default()
    }

    fn group(&self, at: usize) -> Option<&'a [[u8; 4]]> {
        let end = |at: usize| self.ends.get(at).map(|bytes| u32::from_le_bytes(*bytes) as usize);
        let from = if at == 0 { 0 } else { end(at - 1)? };
        self.offsets.get(from..end(at)?)
    }

    /// Adds all postings, their offsets moved by `shift`.
    pub fn read_into(&self, shift: u32, postings: &mut Vec<Posting>) {
        for (at, key) in self.keys.iter().enumerate() {
            let key = u64::from(u32::from_le_bytes(*key)) << 32;
            let offsets = self.group(at).unwrap_or_default();
            let moved = |offset: &[u8; 4]| u64::from(u32::from_le_bytes(*offset).saturating_add(shift));
            postings.extend(offsets.iter().map(|offset| key | moved(offset)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::sample;

    fn postings(seeds: std::ops::Range<u64>) -> Vec<Posting> {
        let mut all = Vec::new();
        for (offset, seed) in seeds.enumerate() {
            index(&sample(seed), u32::try_from(offset).expect("small"), &mut all);
        }
        all.sort_unstable();
        all
    }

    fn found(values: &[(u16, Vec<u8>)], bits: u8, key: Key) -> Vec<u32> {
        let shard = shard_of(key.0, bits);
        let value = values.iter().find(|(at, _)| *at == shard);
        let offsets = value.map(|(_, bytes)| Shard::of(bytes).expect("whole").offsets(key));
        offsets.unwrap_or_default().iter().map(|bytes| u32::from_le_bytes(*bytes)).collect()
    }

    #[test]
    fn each_value_finds_its_records_in_any_number_of_shards() {
        let all = postings(0..500);
        for bits in [0, 1, 5, 10] {
            let values = encode(&all, bits);
            for user in 0..17_u64 {
                let wanted: Vec<u32> =
                    (0..500).filter(|seed| seed % 3 != 0 && u64::from(*seed) % 17 == user).collect();
                assert_eq!(found(&values, bits, Key::user(&format!("user{user}"))), wanted);
            }
            assert!(found(&values, bits, Key::user("nobody")).is_empty());
        }
    }

    #[test]
    fn merged_runs_are_the_run_of_both() {
        let mut merged = Vec::new();
        for (start, shift) in [(0, 0), (200, 200)] {
            for (_, bytes) in encode(&postings(start..start + 200), 3) {
                Shard::of(&bytes).expect("whole").read_into(shift, &mut merged);
            }
        }
        merged.sort();
        assert_eq!(merged, postings(0..400));
    }

    #[test]
    fn a_header_comes_back() {
        let header = Header { level: 3, bits: 7, count: 500, earliest: -4, latest: 9 };
        assert_eq!(Header::decode(&header.encode()), Some(header));
        assert_eq!(Header::decode(&[1, 2, 3]), None);
    }
}
