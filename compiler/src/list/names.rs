//! Names of a list in few bytes more than their text: one text with all of them, in the order of
//! their hashes. A name is found by the hashes of its suffixes.

use super::radix::{self, Digit};
use crate::tree::names::{extend, start_of_label};
use std::hint::black_box;

/// An entry speaks of the name itself.
pub(super) const ITSELF: u8 = 1;
/// An entry speaks of every name below.
pub(super) const BELOW: u8 = 2;

/// Collects entries in the order of their lines.
#[derive(Debug)]
pub(super) struct NamesBuilder {
    names: Names,
    /// The key of each entry above its place in the text.
    keys: Vec<u64>,
}

/// Finds the line of a name.
///
/// Entries lie in runs, one for each value that the first bits of a hash can have, so that a name is
/// found with one wait for memory: where its run starts is known from a table small enough to stay in
/// a cache, and the run is two or three cache lines that stand together. A name that no entry has is
/// mostly turned away before, by a filter that is no larger than the table.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Of each entry: its mark, the length of its text, its kind and line in `width` bytes, its text.
    /// Marks of a run are in order.
    entries: Vec<u8>,
    width: usize,
    /// Where each run starts, and where the last one ends.
    starts: Vec<u32>,
    /// How many bits of a key are the number of its run.
    bits: u32,
    /// A Bloom filter of keys, each with three bits in one word.
    seen: Vec<u64>,
    count: usize,
    /// The hash of no label. It depends on the whole list, so that nobody can choose names that all
    /// end up in one run: another name is another list.
    seed: u64,
    /// Which numbers of labels entries have, the largest bit for all beyond; by kind.
    depths: [u64; 2],
}

/// An entry as it is stored.
#[derive(Clone, Copy)]
struct Entry<'a> {
    mark: u8,
    text: &'a [u8],
    kind: u8,
    line: u32,
}

impl NamesBuilder {
    /// Prepares for a list of so many lines.
    pub(super) fn new(lines: usize, seed: u64) -> Self {
        let width = if lines < 1 << 22 { 3 } else { 4 };
        Self { names: Names { width, seed, ..Names::default() }, keys: Vec::new() }
    }

    /// Adds a name, which is lower case and valid.
    pub(super) fn add(&mut self, name: &[u8], kind: u8, line: u32) {
        let place = self.names.entries.len();
        // Places are 32 bits, also that behind the last entry.
        if u32::try_from(place + MOST_BYTES).is_err() {
            return;
        }
        let (mut hash, mut labels, mut end) = (self.names.seed, 0, name.len());
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
        self.keys.push(u64::from(key_of(hash)) << 32 | place as u64);
        self.names.push(Entry { mark: mark_of(key_of(hash)), text: name, kind, line });
    }

    /// Brings entries in the order of their keys, and leaves out what others already say.
    pub(super) fn finish(self) -> Names {
        let Self { names: mut unsorted, keys } = self;
        if keys.is_empty() {
            return Names::default();
        }
        let bits = (keys.len() / RUN).max(1).ilog2().min(MOST_BITS);
        let text = std::mem::take(&mut unsorted.entries);
        let mut names = Names { entries: Vec::with_capacity(text.len()), bits, ..unsorted };
        names.starts.reserve_exact((1 << bits) + 1);
        names.seen = vec![0; keys.len() * SEEN / 64 + 1];
        let at = |key: &u64| text.get(*key as u32 as usize..).unwrap_or_default();
        let (mut before, mut alike) = (None, 0);
        for some in sorted(keys, bits).chunks(AHEAD) {
            // All are on their way from memory before the first is looked at.
            black_box(some.iter().filter_map(|key| at(key).first()).fold(0, |all, byte| all ^ byte));
            for key in some {
                let Some((entry, _)) = names.entry(at(key)) else { continue };
                let (key, here) = ((key >> 32) as u32, names.entries.len());
                let place = Some((names.run_of(key), mark_of(key)));
                if before != place {
                    (before, alike) = (place, here);
                    names.starts.resize(names.run_of(key) + 1, here as u32);
                }
                names.remember(key);
                names.insert(entry, alike);
            }
        }
        names.starts.resize((1 << bits) + 1, names.entries.len() as u32);
        names.entries.shrink_to_fit();
        names
    }
}

impl Names {
    fn push(&mut self, Entry { mark, text, kind, line }: Entry<'_>) {
        let Ok(length) = u8::try_from(text.len()) else { return };
        let tag = (line << 2 | u32::from(kind)).to_le_bytes();
        self.entries.extend([mark, length]);
        self.entries.extend(tag.iter().take(self.width));
        self.entries.extend_from_slice(text);
    }

    /// Stores what an entry adds to those of its run with its mark, which stand from a place on.
    fn insert(&mut self, mut entry: Entry<'_>, alike: usize) {
        let stored = self.run(alike, self.entries.len());
        stored.filter(|stored| stored.text == entry.text).for_each(|stored| entry.kind &= !stored.kind);
        if entry.kind != 0 {
            self.count += 1;
            self.push(entry);
        }
    }

    /// The entry that some bytes begin with, and what is behind it.
    fn entry<'a>(&self, bytes: &'a [u8]) -> Option<(Entry<'a>, &'a [u8])> {
        let (&[mark, length], rest) = bytes.split_first_chunk()?;
        let (tag, rest) = rest.split_at_checked(self.width)?;
        let (text, rest) = rest.split_at_checked(length.into())?;
        let tag = match *tag {
            [a, b, c] => u32::from_le_bytes([a, b, c, 0]),
            [a, b, c, d] => u32::from_le_bytes([a, b, c, d]),
            _ => return None,
        };
        Some((Entry { mark, text, kind: (tag & 3) as u8, line: tag >> 2 }, rest))
    }

    /// The entries between two places.
    fn run(&self, from: usize, to: usize) -> impl Iterator<Item = Entry<'_>> {
        let mut rest = self.entries.get(from..to).unwrap_or_default();
        std::iter::from_fn(move || {
            let (entry, behind) = self.entry(rest)?;
            rest = behind;
            Some(entry)
        })
    }

    /// The word and the bits of a key in the filter.
    fn trace(&self, key: u32) -> (usize, u64) {
        let at = (u64::from(key) * self.seen.len() as u64) >> 32;
        let bits = key.wrapping_mul(0x9e37_79b1);
        (at as usize, 1 << (bits >> 26) | 1 << (bits >> 20 & 63) | 1 << (bits >> 14 & 63))
    }

    fn remember(&mut self, key: u32) {
        let (at, bits) = self.trace(key);
        if let Some(word) = self.seen.get_mut(at) {
            *word |= bits;
        }
    }

    /// False if no entry has a key.
    fn may_have(&self, key: u32) -> bool {
        let (at, bits) = self.trace(key);
        self.seen.get(at).is_some_and(|word| word & bits == bits)
    }

    fn run_of(&self, key: u32) -> usize {
        // No bits at all are one run.
        key.checked_shr(32 - self.bits).unwrap_or(0) as usize
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
        let (mut hash, mut labels, mut end) = (self.seed, 0u32, name.len());
        let mut found = None;
        let [itself, below] = self.depths;
        let mut asked = [Asked::default(); 4];
        let mut count = 0;
        loop {
            let start = start_of_label(name, end);
            hash = extend(hash, name.get(start..end).unwrap_or_default());
            labels += 1;
            let (kind, depths) = if start == 0 { (ITSELF, itself) } else { (BELOW, below) };
            if depths & (1 << labels.min(63)) != 0
                && self.may_have(key_of(hash))
                && let Some(asked) = asked.get_mut(count)
            {
                *asked = self.ask(key_of(hash), start, kind);
                count += 1;
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

    /// Fetches a run before the first is looked at: they arrive together.
    fn ask(&self, key: u32, start: usize, kind: u8) -> Asked {
        let run = self.run_of(key);
        let [from, to] = [run, run + 1].map(|at| self.starts.get(at).map_or(0, |&start| start as usize));
        let lines = [0, 1, 2, 3].map(|line| self.entries.get((from + line * LINE).min(to)).copied());
        black_box(lines);
        Asked { mark: mark_of(key), from, to, start, kind }
    }

    fn find(&self, asked: &Asked, name: &[u8]) -> Option<u32> {
        let name = name.get(asked.start..)?;
        self.run(asked.from, asked.to)
            .find(|entry| entry.mark == asked.mark && entry.kind & asked.kind != 0 && entry.text == name)
            .map(|entry| entry.line)
    }

    /// All entries with their kinds.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, u8)> {
        self.run(0, self.entries.len())
            .filter_map(|entry| Some((std::str::from_utf8(entry.text).ok()?, entry.kind)))
    }

    /// What they take in memory.
    pub(super) fn bytes(&self) -> usize {
        self.entries.capacity() + self.seen.capacity() * 8 + self.starts.capacity() * size_of::<u32>()
    }
}

/// A suffix of a name that is being looked up.
#[derive(Clone, Copy, Default)]
struct Asked {
    mark: u8,
    /// Its run.
    from: usize,
    to: usize,
    /// Where it starts in the name.
    start: usize,
    kind: u8,
}

/// Sorts keys by their run, and within by their mark. What is equal stays in the order of lines.
fn sorted(keys: Vec<u64>, bits: u32) -> Vec<u64> {
    let (lower, upper) = (bits / 2, bits - bits / 2);
    let mark = Digit { shift: 32, width: 8 };
    let run = [Digit { shift: 64 - bits, width: lower }, Digit { shift: 64 - upper, width: upper }];
    radix::sort(keys, |key| *key, std::iter::once(mark).chain(run))
}

/// About so many entries are a run: at least these, less than twice as many.
const RUN: usize = 4;
/// Bytes of the longest entry.
const MOST_BYTES: usize = 6 + 255;
/// Runs are numbered by at most so many bits of a key; marks are the others.
const MOST_BITS: u32 = 24;
/// Bits of the filter for each entry: of names that are not there, one in twelve passes.
const SEEN: usize = 6;
/// So many entries are fetched at once while they are sorted.
const AHEAD: usize = 16;
/// Bytes that memory hands over at once.
const LINE: usize = 64;

/// What of a hash decides where an entry lies: its run, and in the last byte its mark.
fn key_of(hash: u64) -> u32 {
    (hash >> 32) as u32
}

fn mark_of(key: u32) -> u8 {
    (key & 0xff) as u8
}
