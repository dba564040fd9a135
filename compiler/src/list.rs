//! List files: one address, prefix, range or name a line, read by a line scanner, never by pest.

use crate::model::{AddressRange, Name, NamePattern};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// A list of addresses and names, with the line of each.
#[derive(Debug)]
pub struct List {
    path: Arc<str>,
    digest: [u8; 32],
    addresses: Vec<(AddressRange, u32)>,
    /// Names that stand alone.
    exact: HashMap<Name, u32>,
    /// Names that stand for all below them; the flag says whether for themselves too.
    trees: HashMap<Name, (bool, u32)>,
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
    /// (`0.0.0.0 example.com`: its names). `#` and `!` start a comment.
    pub fn scan(path: impl Into<Arc<str>>, bytes: &[u8]) -> Scan {
        let mut scan = Scan {
            list: Self {
                path: path.into(),
                digest: *blake3::hash(bytes).as_bytes(),
                addresses: Vec::new(),
                exact: HashMap::new(),
                trees: HashMap::new(),
            },
            bad: Vec::new(),
            bad_count: 0,
        };
        for (line, text) in (1..).zip(bytes.split(|&byte| byte == b'\n')) {
            let text = String::from_utf8_lossy(text);
            let entry = text.split(['#', '!']).next().unwrap_or_default().trim();
            if !entry.is_empty() && scan.list.add(entry, line).is_none() {
                scan.bad_count += 1;
                if scan.bad.len() < 5 {
                    scan.bad.push(BadLine { line, text: entry.chars().take(80).collect() });
                }
            }
        }
        scan
    }

    fn add(&mut self, entry: &str, line: u32) -> Option<()> {
        if let Some((_, names)) = entry.split_once(char::is_whitespace) {
            for name in names.split_whitespace() {
                self.exact.entry(Name::parse(name).ok()?).or_insert(line);
            }
            return Some(());
        }
        if let Some(range) = range(entry) {
            self.addresses.push((range, line));
            return Some(());
        }
        let tree = entry.strip_prefix("||").and_then(|rest| rest.strip_suffix('^'));
        if let Some(base) = tree.or_else(|| entry.strip_prefix('.')) {
            self.trees.insert(Name::parse(base).ok()?, (true, line));
        } else if let Some(base) = entry.strip_prefix("*.") {
            self.trees.entry(Name::parse(base).ok()?).or_insert((false, line));
        } else {
            self.exact.entry(Name::parse(entry).ok()?).or_insert(line);
        }
        Some(())
    }

    /// The file.
    pub fn path(&self) -> &Arc<str> {
        &self.path
    }

    /// BLAKE3 of its content.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.addresses.len() + self.exact.len() + self.trees.len()
    }

    /// About what it takes in memory.
    pub fn bytes(&self) -> usize {
        self.len() * size_of::<(Name, u32)>()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether any entry is an address.
    pub fn has_addresses(&self) -> bool {
        !self.addresses.is_empty()
    }

    /// The entries that are addresses, in no particular order.
    pub fn ranges(&self) -> impl Iterator<Item = AddressRange> {
        self.addresses.iter().map(|&(range, _)| range)
    }

    /// The entries that are names, in no particular order.
    pub fn names(&self) -> impl Iterator<Item = NamePattern> {
        let trees = self.trees.iter().map(|(base, &(itself, _))| match itself {
            true => NamePattern::Tree(base.clone()),
            false => NamePattern::Below(base.clone()),
        });
        trees.chain(self.exact.keys().cloned().map(NamePattern::Exact))
    }

    /// The line of the entry that a name is in.
    pub fn name_line(&self, name: &Name) -> Option<u32> {
        if let Some(&line) = self.exact.get(name) {
            return Some(line);
        }
        self.trees
            .iter()
            .find(|(base, (itself, _))| name.is_below(base) || (*itself && name == *base))
            .map(|(_, &(_, line))| line)
    }

    /// The line of the entry that an address is in.
    pub fn address_line(&self, address: IpAddr) -> Option<u32> {
        self.addresses.iter().find(|(range, _)| range.contains(address)).map(|&(_, line)| line)
    }
}

fn range(entry: &str) -> Option<AddressRange> {
    let address = |text: &str| text.trim().parse::<IpAddr>().ok().map(crate::model::canonical);
    if let Some((first, last)) = entry.split_once('-')
        && let (Some(first), Some(last)) = (address(first), address(last))
    {
        return AddressRange::new(first, last);
    }
    match entry.parse::<ipnet::IpNet>() {
        Ok(net) => Some(AddressRange::prefix(net)),
        Err(_) => address(entry).map(AddressRange::one),
    }
}
