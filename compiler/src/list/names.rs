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
    groups: Vec<Group>,
    count: usize,
    /// Which numbers of labels entries have, the largest bit for all beyond; by kind.
    depths: [u64; 2],
}

/// Twelve entries of the table in one cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Group {
    marks: Marks,
    /// Where the entry of each mark stands in the text.
    places: [u32; SLOTS],
}

/// A mark in each byte: 0 for an empty place, else some bits of a hash. The last four are none.
#[derive(Clone, Copy, Debug, Default)]
struct Marks([u64; 2]);

const SLOTS: usize = 12;
/// The places that no group has.
const NEVER: u64 = 0x8080_8080_0000_0000;

impl Marks {
    /// The entries that may have a mark; with 0, the empty places.
    fn having(self, mark: u8) -> impl Iterator<Item = usize> {
        let Self([first, second]) = self;
        let second = matching(second, mark) & !NEVER;
        slots(matching(first, mark)).chain(slots(second).map(|slot| slot + 8))
    }

    /// Whether a place is empty, so that nothing went on to the next group.
    fn has_room(self) -> bool {
        let Self([first, second]) = self;
        matching(first, 0) | matching(second, 0) & !NEVER != 0
    }

    fn is_taken(self, slot: usize) -> bool {
        let Self(words) = self;
        words.get(slot / 8).is_some_and(|word| (word >> (8 * (slot % 8))) & 0xff != 0)
    }
}

impl Group {
    fn set(&mut self, slot: usize, mark: u8, place: u32) {
        let Marks(words) = &mut self.marks;
        if let Some(word) = words.get_mut(slot / 8) {
            *word |= u64::from(mark) << (8 * (slot % 8));
        }
        if let Some(at) = self.places.get_mut(slot) {
            *at = place;
        }
    }
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
        let groups = hashed.len() * 4 / 3 / SLOTS + 1;
        names.groups = vec![Group::default(); groups];
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
        if let Some(group) = self.groups.get_mut(group) {
            group.set(slot, mark_of(hash), place);
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
        let mut at = group_of(hash, self.groups.len());
        loop {
            let group = self.groups.get(at)?;
            for slot in group.marks.having(mark) {
                let known = group.places.get(slot).and_then(|&place| self.entry(place));
                if let Some((text, kind, _)) = known
                    && text == name
                {
                    new &= !kind;
                }
            }
            if new == 0 {
                return None;
            }
            if let Some(slot) = group.marks.having(0).next() {
                return Some(Vacancy { group: at, slot, kind: new, tag: line << 2 | u32::from(kind) });
            }
            at = if at + 1 == self.groups.len() { 0 } else { at + 1 };
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
        let mut asked = [Asked::default(); 4];
        let mut count = 0;
        loop {
            let start = start_of_label(name, end);
            hash = extend(hash, name.get(start..end).unwrap_or_default());
            labels += 1;
            let (kind, depths) = if start == 0 { (ITSELF, itself) } else { (BELOW, below) };
            if depths & (1 << labels.min(63)) != 0 {
                // Groups are fetched before the first is looked at: they arrive together.
                let at = group_of(hash, self.groups.len());
                if let (Some(asked), Some(group)) = (asked.get_mut(count), self.groups.get(at)) {
                    *asked = Asked { hash, marks: group.marks, at, start, kind };
                    count += 1;
                }
            }
            if start == 0 || count == asked.len() {
                let longest_first = asked.iter().take(count).rev();
                found = longest_first.filter_map(|asked| self.find(asked, name)).next().or(found);
                count = 0;
            }
            if start == 0 {
                return found;
            }
            end = start - 1;
        }
    }

    fn find(&self, asked: &Asked, name: &[u8]) -> Option<u32> {
        let name = name.get(asked.start..)?;
        let mark = mark_of(asked.hash);
        let mut at = asked.at;
        let mut marks = asked.marks;
        loop {
            for slot in marks.having(mark) {
                let entry = self.groups.get(at)?.places.get(slot).and_then(|&place| self.entry(place));
                if let Some((text, has, line)) = entry
                    && has & asked.kind != 0
                    && text == name
                {
                    return Some(line);
                }
            }
            if marks.has_room() {
                return None;
            }
            at = if at + 1 == self.groups.len() { 0 } else { at + 1 };
            marks = self.groups.get(at)?.marks;
        }
    }

    /// All entries with their kinds.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, u8)> {
        let taken = self.groups.iter().flat_map(|group| {
            let taken = (0..SLOTS).filter(|&slot| group.marks.is_taken(slot));
            taken.filter_map(|slot| group.places.get(slot))
        });
        taken.filter_map(|&place| {
            let (text, kind, _) = self.entry(place)?;
            Some((std::str::from_utf8(text).ok()?, kind))
        })
    }

    /// What they take in memory.
    pub(super) fn bytes(&self) -> usize {
        self.text.capacity() + self.groups.capacity() * size_of::<Group>()
    }
}

/// A suffix of a name that is being looked up.
#[derive(Clone, Copy, Default)]
struct Asked {
    hash: u64,
    /// The marks of its group.
    marks: Marks,
    at: usize,
    /// Where it starts in the name.
    start: usize,
    kind: u8,
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
