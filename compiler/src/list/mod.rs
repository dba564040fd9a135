//! List files: one address, prefix, range or name a line, read by a line scanner, never by pest.
//! A million lines are fine.

mod names;
mod radix;
mod ranges;
mod scan;

use crate::model::{AddressRange, Name, NamePattern};
use names::{ITSELF, Names};
use ranges::Ranges;
use scan::Scanner;
use std::net::IpAddr;
use std::sync::Arc;

/// A longer line is no entry; no line that means something is.
pub const MAX_LINE: usize = 1024;

/// A list of addresses and names, with the line of each.
#[derive(Debug)]
pub struct List {
    path: Arc<str>,
    digest: [u8; 32],
    ranges: Ranges,
    range_count: usize,
    names: Names,
}

/// A line that is no entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BadLine {
    /// Line, from 1.
    pub line: u32,
    /// Its text, cut to 80 characters.
    pub text: String,
}

/// What a scan found.
#[derive(Debug)]
pub struct Scan {
    /// The list.
    pub list: List,
    /// The first five lines that are no entry.
    pub bad: Vec<BadLine>,
    /// How many there are.
    pub bad_count: usize,
}

impl List {
    /// Reads a list: an address, a prefix, a range `a-b`, a name (`example.com` alone,
    /// `*.example.com` below, `.example.com` and `||example.com^` both), or a line of a hosts file
    /// (`0.0.0.0 example.com`: its names). `#` and `!` start a comment. A line of more than
    /// [`MAX_LINE`] bytes is no entry.
    pub fn scan(path: impl Into<Arc<str>>, bytes: &[u8]) -> Scan {
        let digest = Self::digest_of(bytes);
        let seed = digest.first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
        let Scanner { v4, v6, names, bad, bad_count, .. } = Scanner::read(bytes, seed);
        let list = Self {
            path: path.into(),
            digest,
            range_count: v4.len() + v6.len(),
            ranges: Ranges::new(v4, v6),
            names: names.finish(),
        };
        Scan { list, bad, bad_count }
    }

    /// The digest that a list of this content has: lists of an earlier generation of a policy are
    /// known by it.
    pub fn digest_of(bytes: &[u8]) -> [u8; 32] {
        *blake3::hash(bytes).as_bytes()
    }

    /// The file.
    pub fn path(&self) -> &Arc<str> {
        &self.path
    }

    /// BLAKE3 of its content.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// How many entries it has; names that say nothing new are not counted.
    pub fn len(&self) -> usize {
        self.range_count + self.names.len()
    }

    /// What it takes in memory.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.ranges.bytes() + self.names.bytes()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether any entry is an address.
    pub fn has_addresses(&self) -> bool {
        self.range_count > 0
    }

    /// Whether any entry is a name.
    pub fn has_names(&self) -> bool {
        self.names.len() > 0
    }

    /// The addresses of all entries, as ranges that neither touch nor overlap.
    pub fn ranges(&self) -> impl Iterator<Item = AddressRange> {
        self.ranges.ranges().into_iter()
    }

    /// The entries that are names, in no particular order.
    pub fn names(&self) -> impl Iterator<Item = NamePattern> {
        self.names.entries().filter_map(|(text, kind)| {
            let name = Name::parse(text).ok()?;
            Some(match kind {
                ITSELF => NamePattern::Exact(name),
                names::BELOW => NamePattern::Below(name),
                _ => NamePattern::Tree(name),
            })
        })
    }

    /// The line of the entry that a name is in: of several, that with the most labels, and of
    /// these the first.
    pub fn name_line(&self, name: &Name) -> Option<u32> {
        self.names.line(name.as_str())
    }

    /// The line of the entry that an address is in: of several, the first.
    pub fn address_line(&self, address: IpAddr) -> Option<u32> {
        self.ranges.line(address)
    }
}
