//! Addresses of a list in as few bytes as can be: runs that do not overlap, each with its line.

use super::radix::{self, Digit};
use crate::model::AddressRange;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range of one family as numbers, with its line.
pub(super) type Line<N> = (N, N, u32);

/// Finds the line of an address.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    /// IPv4 as it is, where the tables would be larger than what they hold.
    few: Box<[Line<u32>]>,
    v4: Runs4,
    v6: Runs6,
}

impl Ranges {
    /// Takes ranges in any order; of those that overlap, the first line counts.
    pub(super) fn new(v4: Vec<Line<u32>>, v6: Vec<Line<u128>>) -> Self {
        let (v4, v6) = (apart(v4), apart(v6));
        let (few, v4) = if v4.len() <= FEW { (v4, Vec::new()) } else { (Vec::new(), v4) };
        Self { few: few.into(), v4: Runs4::new(&v4), v6: Runs6::new(&v6) }
    }

    /// The first line that holds an address.
    pub(super) fn line(&self, address: IpAddr) -> Option<u32> {
        match address {
            IpAddr::V4(v4) if self.few.is_empty() => self.v4.line(v4.to_bits()),
            IpAddr::V4(v4) => {
                let bits = v4.to_bits();
                let before = self.few.partition_point(|range| range.0 <= bits).checked_sub(1)?;
                self.few.get(before).filter(|range| bits <= range.1).map(|range| range.2)
            }
            IpAddr::V6(v6) => self.v6.line(v6.to_bits()),
        }
    }

    /// All addresses, as ranges that neither touch nor overlap.
    pub(super) fn ranges(&self) -> Vec<AddressRange> {
        let mut ranges = Vec::new();
        let few = self.few.iter().map(|&(first, last, _)| (first, last));
        let mut runs = few.chain(self.v4.runs()).peekable();
        while let Some((first, mut last)) = runs.next() {
            while let Some((_, end)) = runs.next_if(|next| last.checked_add(1) == Some(next.0)) {
                last = end;
            }
            let (first, last) = (Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(last));
            ranges.extend(AddressRange::new(first.into(), last.into()));
        }
        let mut runs = self.v6.runs().peekable();
        while let Some((first, mut last)) = runs.next() {
            while let Some((_, end)) = runs.next_if(|next| last.checked_add(1) == Some(next.0)) {
                last = end;
            }
            let (first, last) = (Ipv6Addr::from_bits(first), Ipv6Addr::from_bits(last));
            ranges.extend(AddressRange::new(first.into(), last.into()));
        }
        ranges
    }

    /// What they take in memory.
    pub(super) fn bytes(&self) -> usize {
        let Runs4 { top, data, .. } = &self.v4;
        self.few.len() * 12 + top.len() * 4 + data.len() + self.v6.bytes()
    }
}

/// A number that addresses are.
pub(super) trait Bits: Copy + Ord {
    /// The next; `None` behind the last.
    fn next(self) -> Option<Self>;
    /// The one before; itself at zero.
    fn before(self) -> Self;
    /// Its highest 64 bits; all there are, if there are fewer.
    fn upper(self) -> u64;
}

impl Bits for u32 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }

    fn before(self) -> Self {
        self.saturating_sub(1)
    }

    fn upper(self) -> u64 {
        self.into()
    }
}

impl Bits for u128 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }

    fn before(self) -> Self {
        self.saturating_sub(1)
    }

    fn upper(self) -> u64 {
        (self >> 64) as u64
    }
}

/// Sorts ranges and cuts them where they overlap, so that the smaller line stays.
fn apart<N: Bits>(mut ranges: Vec<Line<N>>) -> Vec<Line<N>> {
    if !ranges.is_sorted() {
        ranges = sorted(ranges);
    }
    if ranges.is_sorted_by(|a, b| a.1 < b.0) {
        return ranges;
    }
    let mut cut: Vec<Line<N>> = Vec::with_capacity(ranges.len());
    let mut open: BinaryHeap<Reverse<(u32, N)>> = BinaryHeap::new();
    let mut waiting = ranges.into_iter().peekable();
    let mut at = None;
    while let Some(here) = if open.is_empty() { waiting.peek().map(|next| next.0) } else { at } {
        while let Some((_, last, line)) = waiting.next_if(|next| next.0 <= here) {
            open.push(Reverse((line, last)));
        }
        while open.peek().is_some_and(|Reverse((_, last))| *last < here) {
            open.pop();
        }
        let Some(&Reverse((line, last))) = open.peek() else { continue };
        let end = match waiting.peek() {
            Some(next) if next.0 <= last => next.0.before(),
            _ => last,
        };
        match cut.last_mut() {
            Some(before) if before.2 == line && before.1.next() == Some(here) => before.1 = end,
            _ => cut.push((here, end, line)),
        }
        at = end.next();
        if at.is_none() {
            break;
        }
    }
    cut
}

/// Ranges in order. What is moved about is eight bytes of a first address and a number, not whole
/// ranges of IPv6.
fn sorted<N: Bits>(mut ranges: Vec<Line<N>>) -> Vec<Line<N>> {
    if size_of::<N>() <= size_of::<u32>() || u32::try_from(ranges.len()).is_err() {
        ranges.sort_unstable();
        return ranges;
    }
    let order: Vec<(u64, u32)> = ranges.iter().map(|range| range.0.upper()).zip(0..).collect();
    let digits = (0..64).step_by(DIGIT as usize).map(|shift| Digit { shift, width: DIGIT });
    let order = radix::sort(order, |(upper, _)| *upper, digits);
    let mut sorted: Vec<Line<N>> = Vec::with_capacity(ranges.len());
    sorted.extend(order.iter().filter_map(|(_, at)| ranges.get(*at as usize)));
    for alike in sorted.chunk_by_mut(|a, b| a.0.upper() == b.0.upper()) {
        alike.sort_unstable();
    }
    sorted
}

/// Runs of IPv4 by the upper bits of their addresses, so many that few runs share them. Those that
/// do stand together, so that a look-up reads neighbouring cache lines: the lower bits of first
/// addresses in order, of last addresses, and lines.
#[derive(Debug, Default)]
struct Runs4 {
    /// How many runs there are before those of each upper part; one more at the end.
    top: Box<[u32]>,
    data: Box<[u8]>,
    /// How many lower bits there are: at most sixteen.
    shift: u32,
    /// Bytes of a line: three, or four where a list is that long.
    width: usize,
}

/// First addresses, last addresses and lines of one upper part.
type Bucket<'a> = (&'a [[u8; 2]], &'a [[u8; 2]], &'a [u8]);

impl Runs4 {
    fn new(ranges: &[Line<u32>]) -> Self {
        let Some(widest) = ranges.iter().map(|range| range.2).max() else { return Self::default() };
        let width = if widest < 1 << 24 { 3 } else { 4 };
        // Some four runs to an upper part.
        let shift = 32 - (ranges.len() / 4).max(1).ilog2().clamp(16, 24);
        let low = |bits: u32| (bits & ((1 << shift) - 1)) as u16;
        let size = (1usize << (32 - shift)) + 1;
        let mut top = Vec::with_capacity(size);
        let mut data = Vec::with_capacity(ranges.len() * (4 + width));
        let mut bucket: Vec<(u16, u16, u32)> = Vec::new();
        let (mut open, mut count) = (0, 0);
        top.push(0);
        for &(start, end, line) in ranges {
            for high in (start >> shift)..=(end >> shift) {
                if high != open {
                    flush(&mut bucket, &mut data, width);
                    top.resize(high as usize + 1, count);
                    open = high;
                }
                let first = if high == start >> shift { low(start) } else { 0 };
                let last = if high == end >> shift { low(end) } else { low(u32::MAX) };
                bucket.push((first, last, line));
                count += 1;
            }
        }
        flush(&mut bucket, &mut data, width);
        top.resize(size, count);
        Self { top: top.into(), data: data.into(), shift, width }
    }

    /// The first and last addresses of an upper part, and its lines.
    fn bucket(&self, high: usize) -> Option<Bucket<'_>> {
        let (from, to) = (*self.top.get(high)? as usize, *self.top.get(high + 1)? as usize);
        let size = 4 + self.width;
        let bytes = self.data.get(from * size..to * size)?;
        let (first, rest) = bytes.split_at_checked(2 * (to - from))?;
        let (last, lines) = rest.split_at_checked(2 * (to - from))?;
        Some((first.as_chunks().0, last.as_chunks().0, lines))
    }

    fn line(&self, bits: u32) -> Option<u32> {
        let low = (bits & ((1 << self.shift) - 1)) as u16;
        let (first, last, lines) = self.bucket((bits >> self.shift) as usize)?;
        // Both searches at once: neither waits for what the other reads.
        let begun = before(first, |first| first <= low);
        let ended = before(last, |last| last < low);
        if begun == ended {
            return None;
        }
        let line = lines.get(ended * self.width..(ended + 1) * self.width)?;
        Some(line.iter().rev().fold(0, |line, &byte| line << 8 | u32::from(byte)))
    }

    fn runs(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        (0u32..).zip(self.top.windows(2)).filter(|(_, range)| range.first() != range.last()).flat_map(
            move |(high, _)| {
                let (first, last, _) = self.bucket(high as usize).unwrap_or_default();
                let whole = move |low: &[u8; 2]| high << self.shift | u32::from(u16::from_le_bytes(*low));
                first.iter().map(whole).zip(last.iter().map(whole))
            },
        )
    }
}

/// How many of some numbers, which are in order, lie before a place.
fn before(numbers: &[[u8; 2]], place: impl Fn(u16) -> bool) -> usize {
    match numbers.len() {
        0..=16 => numbers.iter().map(|low| usize::from(place(u16::from_le_bytes(*low)))).sum(),
        _ => numbers.partition_point(|low| place(u16::from_le_bytes(*low))),
    }
}

fn flush(bucket: &mut Vec<(u16, u16, u32)>, data: &mut Vec<u8>, width: usize) {
    bucket.iter().for_each(|run| data.extend(run.0.to_le_bytes()));
    bucket.iter().for_each(|run| data.extend(run.1.to_le_bytes()));
    bucket.iter().for_each(|run| data.extend(run.2.to_le_bytes().iter().take(width)));
    bucket.clear();
}

/// Runs of IPv6: a search tree of first addresses, [`FAN`] to a node. The leaves have all of their
/// runs together, so that the last step is one wait for memory.
#[derive(Debug, Default)]
struct Runs6 {
    /// The first address of each leaf, then each sixteenth of the level before, down to one node.
    levels: Vec<Box<[u128]>>,
    leaves: Box<[Leaf]>,
    count: usize,
}

/// Runs that follow each other.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Leaf {
    first: [u128; FAN],
    last: [u128; FAN],
    lines: [u32; FAN],
}

impl Leaf {
    fn new(runs: &[Line<u128>]) -> Self {
        // Room that is left over holds no address.
        let mut leaf = Self { first: [u128::MAX; FAN], last: [0; FAN], lines: [0; FAN] };
        let Self { first, last, lines } = &mut leaf;
        for (((first, last), line), run) in first.iter_mut().zip(last).zip(lines).zip(runs) {
            (*first, *last, *line) = *run;
        }
        leaf
    }
}

impl Runs6 {
    fn new(ranges: &[Line<u128>]) -> Self {
        let leaves: Box<[Leaf]> = ranges.chunks(FAN).map(Leaf::new).collect();
        let mut level: Box<[u128]> = ranges.iter().step_by(FAN).map(|range| range.0).collect();
        let mut levels = Vec::new();
        while level.len() > FAN {
            let above = level.iter().copied().step_by(FAN).collect();
            levels.push(std::mem::replace(&mut level, above));
        }
        levels.push(level);
        Self { levels, leaves, count: ranges.len() }
    }

    fn line(&self, bits: u128) -> Option<u32> {
        let mut at = 0;
        for level in self.levels.iter().rev() {
            let from = at * FAN;
            let node = level.get(from..(from + FAN).min(level.len()))?;
            let before: usize = node.iter().map(|&first| usize::from(first <= bits)).sum();
            at = (from + before).checked_sub(1).filter(|&at| at >= from)?;
        }
        let leaf = self.leaves.get(at)?;
        let runs = leaf.first.iter().zip(&leaf.last);
        // At most one holds it; all are looked at, since that is faster than to search.
        let held = (0..).zip(runs).filter(|(_, (first, last))| **first <= bits && bits <= **last);
        let at = held.fold(None, |_, (at, _)| Some(at))?;
        leaf.lines.get::<usize>(at).copied()
    }

    fn runs(&self) -> impl Iterator<Item = (u128, u128)> + '_ {
        let runs = self.leaves.iter().flat_map(|leaf| leaf.first.iter().copied().zip(leaf.last));
        runs.take(self.count)
    }

    fn bytes(&self) -> usize {
        self.levels.iter().map(|level| level.len() * 16).sum::<usize>()
            + self.leaves.len() * size_of::<Leaf>()
    }
}

/// Bits by which addresses are sorted at a time.
const DIGIT: u32 = 11;
/// So many IPv4 ranges need no tables.
const FEW: usize = 1024;

const FAN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_first_line_counts_where_ranges_overlap(
            ranges in prop::collection::vec((0..400u32, 0..90u32), 0..60),
            wide: bool,
            tables: bool,
        ) {
            // Either all in one high half, or over many.
            let place = |at: u32| if wide { at << 12 } else { at };
            let lines: Vec<Line<u32>> = (1..)
                .zip(&ranges)
                .map(|(line, &(first, length))| (place(first), place(first + length), line))
                .collect();
            let six = lines.iter().map(|&(first, last, line)| (first.into(), last.into(), line)).collect();
            let mut all = Ranges::new(lines.clone(), six);
            if tables {
                all.v4 = Runs4::new(&std::mem::take(&mut all.few));
            }
            let stored = all.ranges();
            for at in 0..500 {
                for at in [place(at), place(at) + 1] {
                    let wanted = lines.iter().find(|range| range.0 <= at && at <= range.1).map(|range| range.2);
                    prop_assert_eq!(all.line(Ipv4Addr::from_bits(at).into()), wanted);
                    prop_assert_eq!(all.line(Ipv6Addr::from_bits(at.into()).into()), wanted);
                    let inside = stored.iter().any(|range| range.contains(Ipv4Addr::from_bits(at).into()));
                    prop_assert_eq!(inside, wanted.is_some());
                }
            }
        }
    }

    #[test]
    fn the_last_address_is_reached() {
        let all = Ranges::new(vec![(5, u32::MAX, 2), (u32::MAX, u32::MAX, 1)], vec![(0, u128::MAX, 3)]);
        assert_eq!(all.line(Ipv4Addr::BROADCAST.into()), Some(1));
        assert_eq!(all.line(Ipv4Addr::from_bits(u32::MAX - 1).into()), Some(2));
        assert_eq!(all.line(Ipv4Addr::from_bits(4).into()), None);
        assert_eq!(all.line(Ipv6Addr::from_bits(u128::MAX).into()), Some(3));
        assert_eq!(all.ranges().len(), 2);
    }
}
