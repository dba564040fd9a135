//! Names of a list in few bytes more than their text: one run of bytes with all of them, and a
//! hash table of places in it. A name is found by the hashes of its suffixes.

use crate::tree::names::{SEED, extend};

/// An entry speaks of the name itself.
pub(super) const ITSELF: u8 = 1;
/// An entry speaks of every name below.
pub(super) const BELOW: u8 = 2;

/// Collects entries in the order of their lines.
#[derive(Debug)]
pub(super) struct NamesBuilder {
    names: Names,
    hashed: Vec<(u64, u32)>,
}

/// Finds the line of a name.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Of each entry: its length, its line and kind in `width` bytes, its text.
    text: Vec<u8>,
    width: usize,
    /// Eight marks in a word: 0 for an empty place, else some bits of a hash.
    marks: Vec<u64>,
    /// Where the entry of each mark stands in the text.
    places: Vec<u32>,
    count: usize,
    /// Which numbers of labels entries have, the largest bit for all beyond; by kind.
    depths: [u64; 2],
}

impl NamesBuilder {
    /// Prepares for a list of so many lines.
    pub(super) fn new(lines: usize) -> Self {
        let width = if lines < 1 << 22 { 3 } else { 4 };
        Self { names: Names { width, ..Names::default() }, hashed: Vec::new() }
    }

    /// Adds a name, which is lower case and valid.
    pub(super) fn add(&mut self, name: &[u8], kind: u8, line: u32) {
        let Ok(length) = u8::try_from(name.len()) else { return };
        let Ok(place) = u32::try_from(self.names.text.len()) else { return };
        let (mut hash, mut labels, mut end) = (SEED, 0, name.len());
        loop {
            let start = start_of_label(name, end);
            hash = extend(hash, name.get(start..end).unwrap_or_default());
            labels += 1;
            if start == 0 {
                break;
            }
            end = start - 1;
        }
        let depth = 1 << labels.min(63);
        let [itself, below] = &mut self.names.depths;
        if kind & ITSELF != 0 {
            *itself |= depth;
        }
        if kind & BELOW != 0 {
            *below |= depth;
        }
        self.hashed.push((hash, place));
        let tag = (line << 2 | u32::from(kind)).to_le_bytes();
        self.names.text.push(length);
        self.names.text.extend(tag.iter().take(self.names.width));
        self.names.text.extend_from_slice(name);
    }

    /// Builds the table.
    pub(super) fn finish(self) -> Names {
        let Self { mut names, hashed } = self;
        if hashed.is_empty() {
            return Names::default();
        }
        let groups = (hashed.len() * 5 / 4 / 8 + 1).max(1);
        names.marks = vec![0; groups];
        names.places = vec![0; groups * 8];
        // Neighbours in the table one after the other: each cache line is fetched once. The order
        // of lines stays within equal hashes.
        let bucket = |hash: u64| (group_of(hash, groups) * BUCKETS / groups).min(BUCKETS - 1);
        let mut starts = vec![0usize; BUCKETS + 1];
        for &(hash, _) in &hashed {
            if let Some(count) = starts.get_mut(bucket(hash) + 1) {
                *count += 1;
            }
        }
        let mut before = 0;
        for start in &mut starts {
            before += *start;
            *start = before;
        }
        let mut ordered = vec![(0u64, 0u32); hashed.len()];
        for (hash, place) in hashed {
            if let Some(start) = starts.get_mut(bucket(hash)) {
                if let Some(slot) = ordered.get_mut(*start) {
                    *slot = (hash, place);
                }
                *start += 1;
            }
        }
        for (hash, place) in ordered {
            names.insert(hash, place);
        }
        names.text.shrink_to_fit();
        names
    }
}

impl Names {
    fn insert(&mut self, hash: u64, place: u32) {
        let Some(Vacancy { group, slot, kind, tag }) = self.vacancy(hash, place) else { return };
        if let Some(word) = self.marks.get_mut(group) {
            *word |= u64::from(mark_of(hash)) << (8 * slot);
        }
        if let Some(at) = self.places.get_mut(group * 8 + slot) {
            *at = place;
        }
        self.count += 1;
        if (tag & 3) as u8 != kind {
            self.set_tag(place, tag & !3 | u32::from(kind));
        }
    }

    /// Where an entry goes, less what others already say; `None` if that is all of it.
    fn vacancy(&self, hash: u64, place: u32) -> Option<Vacancy> {
        let (name, kind, line) = self.entry(place)?;
        let mut new = kind;
        let mark = mark_of(hash);
        let mut group = group_of(hash, self.marks.len());
        loop {
            let word = *self.marks.get(group)?;
            for slot in slots(matching(word, mark)) {
                let known = self.places.get(group * 8 + slot).and_then(|&place| self.entry(place));
                if let Some((text, kind, _)) = known
                    && text == name
                {
                    new &= !kind;
                }
            }
            if new == 0 {
                return None;
            }
            if let Some(slot) = slots(matching(word, 0)).next() {
                return Some(Vacancy { group, slot, kind: new, tag: line << 2 | u32::from(kind) });
            }
            group = if group + 1 == self.marks.len() { 0 } else { group + 1 };
        }
    }

    fn set_tag(&mut self, place: u32, tag: u32) {
        let at = place as usize + 1;
        if let Some(bytes) = self.text.get_mut(at..at + self.width) {
            bytes.iter_mut().zip(tag.to_le_bytes()).for_each(|(byte, new)| *byte = new);
        }
    }

    /// The text, the kind and the line of an entry.
    fn entry(&self, place: u32) -> Option<(&[u8], u8, u32)> {
        let entry = self.text.get(place as usize..)?;
        let (&length, rest) = entry.split_first()?;
        let (tag, rest) = rest.split_at_checked(self.width)?;
        let tag = match *tag {
            [a, b, c] => u32::from_le_bytes([a, b, c, 0]),
            [a, b, c, d] => u32::from_le_bytes([a, b, c, d]),
            _ => return None,
        };
        Some((rest.get(..usize::from(length))?, (tag & 3) as u8, tag >> 2))
    }

    /// How many entries there are, without those that add nothing.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// The line of the most specific entry that a name is in.
    pub(super) fn line(&self, name: &str) -> Option<u32> {
        if self.count == 0 {
            return None;
        }
        let name = name.as_bytes();
        let (mut hash, mut labels, mut end) = (SEED, 0u32, name.len());
        let mut found = None;
        let [itself, below] = self.depths;
        loop {
            let start = start_of_label(name, end);
            hash = extend(hash, name.get(start..end).unwrap_or_default());
            labels += 1;
            let (kind, depths) = if start == 0 { (ITSELF, itself) } else { (BELOW, below) };
            if depths & (1 << labels.min(63)) != 0 {
                found = self.find(hash, name.get(start..).unwrap_or_default(), kind).or(found);
            }
            if start == 0 {
                return found;
            }
            end = start - 1;
        }
    }

    fn find(&self, hash: u64, name: &[u8], kind: u8) -> Option<u32> {
        let mark = mark_of(hash);
        let mut group = group_of(hash, self.marks.len());
        loop {
            let word = *self.marks.get(group)?;
            for slot in slots(matching(word, mark)) {
                let entry = self.places.get(group * 8 + slot).and_then(|&place| self.entry(place));
                if let Some((text, has, line)) = entry
                    && has & kind != 0
                    && text == name
                {
                    return Some(line);
                }
            }
            if matching(word, 0) != 0 {
                return None;
            }
            group = if group + 1 == self.marks.len() { 0 } else { group + 1 };
        }
    }

    /// All entries with their kinds.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, u8)> {
        let taken = self.marks.iter().enumerate().flat_map(|(group, &word)| {
            (0..8).filter(move |slot| (word >> (8 * slot)) & 0xff != 0).map(move |slot| group * 8 + slot)
        });
        taken.filter_map(|at| {
            let (text, kind, _) = self.entry(*self.places.get(at)?)?;
            Some((std::str::from_utf8(text).ok()?, kind))
        })
    }

    /// What they take in memory.
    pub(super) fn bytes(&self) -> usize {
        self.text.capacity() + self.marks.capacity() * 8 + self.places.capacity() * 4
    }
}

/// A free place for an entry.
struct Vacancy {
    group: usize,
    slot: usize,
    /// What the entry adds.
    kind: u8,
    /// Its line and kind as they are written.
    tag: u32,
}

const BUCKETS: usize = 1024;

fn start_of_label(name: &[u8], end: usize) -> usize {
    let mut start = end;
    while start > 0 && name.get(start - 1) != Some(&b'.') {
        start -= 1;
    }
    start
}

fn group_of(hash: u64, groups: usize) -> usize {
    let wide = u128::from(hash) * groups as u128;
    usize::try_from(wide >> 64).unwrap_or(0)
}

fn mark_of(hash: u64) -> u8 {
    (hash & 0x7f) as u8 | 0x80
}

/// A high bit in each byte that is the mark; behind a true one there may be a false one.
fn matching(word: u64, mark: u8) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let zero = word ^ (u64::from(mark) * ONES);
    zero.wrapping_sub(ONES) & !zero & (ONES << 7)
}

fn slots(mut matches: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let slot = (matches != 0).then_some(matches.trailing_zeros() as usize / 8)?;
        matches &= matches - 1;
        Some(slot)
    })
}
