//! The index: sorted runs of (hash of a value, place of its record), merged as they age.
//!
//! Each batch leaves one small run. Sixteen neighbours of a size become one run of the next size,
//! until a run covers [`FULL`] records: a log-structured merge tree inside the segment's tables.
//! A record costs some twenty bytes of index for all its keys together and no random write, and
//! a question costs one short look per run. Hashes may collide; whoever reads checks the record.
//!
//! The postings of a run lie in chunks that fill a page of the database each, as differences.

use super::row::{Row, status_code};
use crate::session::Status;
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
        Self::status_code(status_code(status))
    }

    fn status_code(code: u8) -> Self {
        Self::hash(b's', std::iter::once(code))
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
pub(super) fn index(row: &Row<'_>, offset: u32, postings: &mut Vec<Posting>) {
    let mut add = |key: Key| postings.push(u64::from(key.0) << 32 | u64::from(offset));
    add(Key::id(&row.id));
    add(Key::client(row.client.ip()));
    add(Key::status_code(row.context.status));
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
    /// How many records it covers, one after the other.
    pub count: u64,
    /// The earliest end among them.
    pub earliest: i64,
    /// The latest.
    pub latest: i64,
}

impl Header {
    /// As bytes.
    pub fn encode(&self) -> [u8; 25] {
        let mut bytes = [0; 25];
        let fields = [self.count.to_le_bytes(), self.earliest.to_le_bytes(), self.latest.to_le_bytes()];
        let all = std::iter::once(self.level).chain(fields.into_iter().flatten());
        bytes.iter_mut().zip(all).for_each(|(slot, byte)| *slot = byte);
        bytes
    }

    /// From bytes.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (&level, rest) = bytes.split_first()?;
        let (count, rest) = rest.split_first_chunk::<8>()?;
        let (earliest, rest) = rest.split_first_chunk::<8>()?;
        let (latest, _) = rest.split_first_chunk::<8>()?;
        Some(Self {
            level,
            count: u64::from_le_bytes(*count),
            earliest: i64::from_le_bytes(*earliest),
            latest: i64::from_le_bytes(*latest),
        })
    }
}

/// Sorted postings as chunks: `(first posting, bytes)`.
///
/// A chunk holds groups of one key each: the difference to the key before (to that of the chunk's
/// first posting at first) with one bit that says whether there is one offset only, the number of
/// offsets otherwise, and the offsets, each but the first as a difference. Numbers are varints.
pub(super) fn encode(postings: &[Posting]) -> Vec<(Posting, Vec<u8>)> {
    let mut chunks: Vec<(Posting, Vec<u8>)> = Vec::with_capacity(postings.len() / 1_000 + 1);
    let mut key = 0;
    for group in postings.chunk_by(|left, right| high(*left) == high(*right)) {
        let mut rest = group;
        while let Some(&first) = rest.first() {
            let room = chunks.last().map_or(0, |(_, bytes)| PAGE.saturating_sub(bytes.len() + 10));
            let fitting = fitting(rest, room);
            let Some((_, bytes)) = chunks.last_mut().filter(|_| fitting > 0) else {
                chunks.push((first, Vec::with_capacity(PAGE)));
                key = high(first);
                continue;
            };
            let (now, later) = rest.split_at(fitting);
            put(bytes, u64::from(high(first) - key) << 1 | u64::from(fitting == 1));
            key = high(first);
            if fitting > 1 {
                put(bytes, fitting as u64);
            }
            let mut before = 0;
            for posting in now {
                put(bytes, u64::from(low(*posting) - before));
                before = low(*posting);
            }
            rest = later;
        }
    }
    chunks
}

/// How many offsets fit so many bytes.
fn fitting(group: &[Posting], mut room: usize) -> usize {
    let mut before = 0;
    let fits = |posting: &&Posting| {
        let difference = low(**posting) - before;
        before = low(**posting);
        let bytes = (32 - (difference | 1).leading_zeros()).div_ceil(7) as usize;
        let fits = bytes <= room;
        room = room.saturating_sub(bytes);
        fits
    };
    group.iter().take_while(fits).count()
}

fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
}

fn high(posting: Posting) -> u32 {
    u32::try_from(posting >> 32).unwrap_or(u32::MAX)
}

fn low(posting: Posting) -> u32 {
    u32::try_from(posting & 0xffff_ffff).unwrap_or(u32::MAX)
}

/// A chunk, read in place.
pub(super) struct Chunk<'a> {
    rest: &'a [u8],
    key: u32,
}

impl<'a> Chunk<'a> {
    /// The chunk of that first posting.
    pub fn of(first: Posting, bytes: &'a [u8]) -> Self {
        Self { rest: bytes, key: high(first) }
    }

    /// Adds the offsets of the records of a key, oldest first; stops where a damaged chunk does.
    pub fn read_key(mut self, wanted: Key, offsets: &mut Vec<u32>) {
        while let Some(count) = self.group() {
            if self.key > wanted.0 {
                return;
            }
            if self.key == wanted.0 {
                self.offsets(count, |offset| offsets.push(offset));
            } else {
                self.skip(count);
            }
        }
    }

    /// Adds all postings, their offsets moved by `shift`; stops where a damaged chunk does.
    pub fn read_all(mut self, shift: u32, postings: &mut Vec<Posting>) {
        while let Some(count) = self.group() {
            let key = u64::from(self.key) << 32;
            self.offsets(count, |offset| postings.push(key | u64::from(offset.saturating_add(shift))));
        }
    }

    /// Goes to the next group: its number of offsets.
    fn group(&mut self) -> Option<u64> {
        let head = self.number()?;
        self.key = self.key.checked_add(u32::try_from(head >> 1).ok()?)?;
        if head & 1 == 1 { Some(1) } else { self.number() }
    }

    fn offsets(&mut self, count: u64, mut each: impl FnMut(u32)) {
        let mut offset = 0_u32;
        for _ in 0..count {
            let Some(difference) = self.number() else { return };
            offset = offset.saturating_add(u32::try_from(difference).unwrap_or(u32::MAX));
            each(offset);
        }
    }

    fn skip(&mut self, count: u64) {
        for _ in 0..count {
            let Some(last) = self.rest.iter().position(|byte| byte & 0x80 == 0) else {
                self.rest = &[];
                return;
            };
            self.rest = self.rest.get(last + 1..).unwrap_or_default();
        }
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

/// The first posting that a key may have, and the last.
pub(super) fn bounds(key: Key) -> (Posting, Posting) {
    let first = u64::from(key.0) << 32;
    (first, first | u64::from(u32::MAX))
}

/// What fits a page of 4,096 bytes beside the key and redb's own.
const PAGE: usize = 4_072;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::sample;
    use proptest::prelude::*;

    fn postings(seeds: std::ops::Range<u64>) -> Vec<Posting> {
        let mut all = Vec::new();
        for (offset, seed) in seeds.enumerate() {
            index(&Row::of(&sample(seed)), u32::try_from(offset).expect("small"), &mut all);
        }
        all.sort_unstable();
        all
    }

    fn found(chunks: &[(Posting, Vec<u8>)], key: Key) -> Vec<u32> {
        let mut offsets = Vec::new();
        chunks.iter().for_each(|(first, bytes)| Chunk::of(*first, bytes).read_key(key, &mut offsets));
        offsets
    }

    #[test]
    fn each_value_finds_its_records_in_any_number_of_chunks() {
        for count in [1, 500, 20_000] {
            let chunks = encode(&postings(0..count));
            for user in 0..17 {
                let is_theirs = |seed: &u64| !seed.is_multiple_of(3) && seed % 17 == user;
                let wanted: Vec<u32> =
                    (0..count).filter(is_theirs).map(|seed| u32::try_from(seed).expect("small")).collect();
                assert_eq!(found(&chunks, Key::user(&format!("user{user}"))), wanted);
            }
            let blocked = (0..count).filter(|seed| seed % 4 == 2).count();
            assert_eq!(found(&chunks, Key::status(Status::Blocked)).len(), blocked);
            assert!(found(&chunks, Key::user("nobody")).is_empty());
        }
    }

    #[test]
    fn chunks_fill_a_page_each_and_take_little_room() {
        let chunks = encode(&postings(0..20_000));
        let (_, full) = chunks.split_last().expect("some");
        for (_, bytes) in full {
            assert!((PAGE - 20..=PAGE).contains(&bytes.len()), "{} bytes", bytes.len());
        }
        assert!(chunks.len() * 4_096 / 20_000 < 20, "{} chunks", chunks.len());
    }

    #[test]
    fn merged_runs_are_the_run_of_both() {
        let mut merged = Vec::new();
        for (start, shift) in [(0, 0), (200, 200)] {
            for (first, bytes) in encode(&postings(start..start + 200)) {
                Chunk::of(first, &bytes).read_all(shift, &mut merged);
            }
        }
        merged.sort();
        assert_eq!(merged, postings(0..400));
    }

    proptest! {
        #[test]
        fn any_postings_come_back(mut all in proptest::collection::vec(any::<u64>(), 0..3_000), mask in any::<u64>()) {
            all.iter_mut().for_each(|posting| *posting &= mask);
            all.sort_unstable();
            let mut back = Vec::new();
            encode(&all).iter().for_each(|(first, bytes)| Chunk::of(*first, bytes).read_all(0, &mut back));
            prop_assert_eq!(back, all);
        }

        #[test]
        fn any_bytes_are_read_to_an_end(first in any::<u64>(), bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut postings = Vec::new();
            Chunk::of(first, &bytes).read_all(7, &mut postings);
            let mut offsets = Vec::new();
            Chunk::of(first, &bytes).read_key(Key(u32::MAX), &mut offsets);
            prop_assert!(postings.len() <= bytes.len() && offsets.len() <= bytes.len());
        }
    }

    #[test]
    fn a_header_comes_back() {
        let header = Header { level: 3, count: 500, earliest: -4, latest: 9 };
        assert_eq!(Header::decode(&header.encode()), Some(header));
        assert_eq!(Header::decode(&[1, 2, 3]), None);
    }
}
