//! Names to classes: a trie of labels from the right, numbered depth first, so that a name, all
//! below it, and both are each one run of classes. The trie is walked through one hash table, which
//! is kept small: a look-up costs what of the table is not in a cache.

use super::sets::Run;

/// The class of a target that has no name.
pub(crate) const NO_NAME: u32 = 0;

/// Collects names; [`Trie::number`] makes classes of them.
#[derive(Debug)]
pub(crate) struct Trie {
    /// Open addressing over the hashes of whole suffixes, at most half full: the hash and the
    /// branch, which is 0 where there is none.
    slots: Vec<(u64, u32)>,
    /// The root is 0.
    branches: Vec<Branch>,
    text: String,
}

#[derive(Clone, Copy, Debug, Default)]
struct Branch {
    hash: u64,
    node: Node,
    /// 0: no child.
    first_child: u32,
    next_sibling: u32,
}

/// Finds the class of a name.
#[derive(Debug)]
pub(crate) struct Names {
    /// Open addressing as in the trie.
    slots: Vec<Slot>,
    /// By half their class; the root is the first.
    nodes: Vec<Node>,
    text: String,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// The upper half of the hash.
    tag: u32,
    /// The class, which is even; one more where there are names below. 0: empty.
    class: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    /// The last class below. That of the name itself is twice the place of the node; that of names
    /// below it and in no child is the next.
    last: u32,
    /// Where the whole name stands in the text.
    text: u32,
    length: u16,
}

impl Node {
    fn name(self, text: &str) -> &str {
        let from = self.text as usize;
        text.get(from..from + usize::from(self.length)).unwrap_or_default()
    }
}

impl Trie {
    /// Nothing but the root.
    pub(crate) fn new() -> Self {
        Self { slots: vec![(0, 0); 16], branches: vec![Branch::default()], text: String::new() }
    }

    /// Adds a name.
    pub(crate) fn add(&mut self, name: &str) {
        let (mut branch, mut hash, mut stored) = (0, SEED, None);
        let mut end = name.len();
        loop {
            let start = start_of_label(name.as_bytes(), end);
            let suffix = name.get(start..).unwrap_or_default();
            hash = extend(hash, name.as_bytes().get(start..end).unwrap_or_default());
            branch = match self.find(hash, suffix) {
                Some(child) => child,
                None => {
                    let base = *stored.get_or_insert_with(|| {
                        let base = self.text.len();
                        self.text.push_str(name);
                        base
                    });
                    self.child(branch, hash, truncate(base + start), suffix.len())
                }
            };
            if start == 0 {
                return;
            }
            end = start - 1;
        }
    }

    fn find(&self, hash: u64, name: &str) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let mut at = place(hash, mask);
        loop {
            let &(other, branch) = self.slots.get(at).filter(|(_, branch)| *branch != 0)?;
            let node = self.branches.get(branch as usize).map(|branch| branch.node);
            if other == hash && node.is_some_and(|node| node.name(&self.text) == name) {
                return Some(branch);
            }
            at = (at + 1) & mask;
        }
    }

    fn child(&mut self, parent: u32, hash: u64, text: u32, length: usize) -> u32 {
        let child = truncate(self.branches.len());
        let next_sibling = match self.branches.get_mut(parent as usize) {
            Some(above) => std::mem::replace(&mut above.first_child, child),
            None => 0,
        };
        let length = u16::try_from(length).unwrap_or(u16::MAX);
        let node = Node { last: 0, text, length };
        self.branches.push(Branch { hash, node, first_child: 0, next_sibling });
        if self.branches.len() * 2 > self.slots.len() {
            let grown = vec![(0, 0); self.slots.len() * 2];
            for (hash, branch) in std::mem::replace(&mut self.slots, grown) {
                if branch != 0 {
                    self.insert(hash, branch);
                }
            }
        }
        self.insert(hash, child);
        child
    }

    fn insert(&mut self, hash: u64, branch: u32) {
        let mask = self.slots.len() - 1;
        let mut at = place(hash, mask);
        while let Some(taken) = self.slots.get_mut(at) {
            if taken.1 == 0 {
                *taken = (hash, branch);
                return;
            }
            at = (at + 1) & mask;
        }
    }

    /// Numbers the classes depth first.
    pub(crate) fn number(self) -> Names {
        let Self { slots, branches, mut text } = self;
        text.shrink_to_fit();
        let slots = vec![Slot::default(); slots.len()];
        let mut names = Names { slots, nodes: Vec::with_capacity(branches.len()), text };
        let mut stack = vec![Visit::Enter(0)];
        while let Some(visit) = stack.pop() {
            let at = match visit {
                Visit::Leave(node) => {
                    let last = truncate(names.len()) - 1;
                    if let Some(node) = names.nodes.get_mut(node) {
                        node.last = last;
                    }
                    continue;
                }
                Visit::Enter(at) => at,
            };
            let Some(branch) = branches.get(at as usize) else { continue };
            let inner = branch.first_child != 0;
            let class = truncate(names.len());
            if at != 0 {
                names.insert(branch.hash, class | u32::from(inner));
            }
            stack.push(Visit::Leave(names.nodes.len()));
            names.nodes.push(branch.node);
            let mut child = branch.first_child;
            while child != 0 {
                stack.push(Visit::Enter(child));
                child = branches.get(child as usize).map_or(0, |branch| branch.next_sibling);
            }
        }
        names
    }
}

/// What numbering has still to do.
enum Visit {
    /// A branch, with all below it.
    Enter(u32),
    /// A node whose names below are numbered.
    Leave(usize),
}

impl Names {
    fn insert(&mut self, hash: u64, class: u32) {
        let mask = self.slots.len() - 1;
        let mut at = place(hash, mask);
        while let Some(taken) = self.slots.get_mut(at) {
            if taken.class == 0 {
                *taken = Slot { tag: tag(hash), class };
                return;
            }
            at = (at + 1) & mask;
        }
    }

    /// How many classes there are.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len() * 2
    }

    /// The class of a name.
    pub(crate) fn class(&self, name: &str) -> u32 {
        let bytes = name.as_bytes();
        let (mut found, mut hash, mut end) = (None, SEED, bytes.len());
        loop {
            let start = start_of_label(bytes, end);
            hash = extend(hash, bytes.get(start..end).unwrap_or_default());
            let Some(slot) = self.find(hash) else { break };
            found = Some((slot, start));
            let inner = slot.class & 1 != 0;
            if start == 0 || !inner {
                break;
            }
            end = start - 1;
        }
        let Some((slot, start)) = found else { return NO_NAME + 1 };
        // The walk goes on while the letters are still on their way from memory.
        if self.node_of(slot).map(|node| node.name(&self.text)) != name.get(start..) {
            // Two suffixes of one tag: look again, at the letters too.
            return self.class_slowly(name);
        }
        slot.class & !1 | u32::from(start != 0)
    }

    fn class_slowly(&self, name: &str) -> u32 {
        let (mut class, mut hash, mut end) = (NO_NAME + 1, SEED, name.len());
        loop {
            let start = start_of_label(name.as_bytes(), end);
            hash = extend(hash, name.as_bytes().get(start..end).unwrap_or_default());
            let Some(slot) = self.find_exact(hash, name.get(start..).unwrap_or_default()) else {
                return class;
            };
            class = slot.class & !1 | u32::from(start != 0);
            if start == 0 {
                return class;
            }
            end = start - 1;
        }
    }

    fn find(&self, hash: u64) -> Option<&Slot> {
        let (mask, tag) = (self.slots.len() - 1, tag(hash));
        let mut at = place(hash, mask);
        loop {
            let slot = self.slots.get(at).filter(|slot| slot.class != 0)?;
            if slot.tag == tag {
                return Some(slot);
            }
            at = (at + 1) & mask;
        }
    }

    fn find_exact(&self, hash: u64, name: &str) -> Option<&Slot> {
        let (mask, tag) = (self.slots.len() - 1, tag(hash));
        let mut at = place(hash, mask);
        loop {
            let slot = self.slots.get(at).filter(|slot| slot.class != 0)?;
            if slot.tag == tag && self.node_of(slot).is_some_and(|node| node.name(&self.text) == name) {
                return Some(slot);
            }
            at = (at + 1) & mask;
        }
    }

    fn node_of(&self, slot: &Slot) -> Option<&Node> {
        self.nodes.get((slot.class / 2) as usize)
    }

    /// The class of a name that was added, and the last below it.
    fn added(&self, name: &str) -> Option<Run> {
        let (mut hash, mut end) = (SEED, name.len());
        loop {
            let start = start_of_label(name.as_bytes(), end);
            hash = extend(hash, name.as_bytes().get(start..end).unwrap_or_default());
            if start == 0 {
                let slot = self.find_exact(hash, name)?;
                return Some((slot.class & !1, self.node_of(slot)?.last));
            }
            end = start - 1;
        }
    }

    /// The class of exactly a name that was added.
    pub(crate) fn exact(&self, name: &str) -> Option<Run> {
        self.added(name).map(|(class, _)| (class, class))
    }

    /// The classes below a name that was added.
    pub(crate) fn below(&self, name: &str) -> Option<Run> {
        self.added(name).map(|(class, last)| (class + 1, last))
    }

    /// The classes of a name that was added and of all below it.
    pub(crate) fn whole(&self, name: &str) -> Option<Run> {
        self.added(name)
    }

    /// What a class holds, in the words of the language.
    pub(crate) fn describe(&self, class: u32) -> String {
        if class <= NO_NAME + 1 {
            return if class == NO_NAME { "literal".into() } else { "other names".into() };
        }
        let name = self.nodes.get((class / 2) as usize).map_or("", |node| node.name(&self.text));
        if class & 1 == 0 { name.into() } else { format!("*.{name}") }
    }

    /// What it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
            + self.nodes.capacity() * size_of::<Node>()
            + self.text.capacity()
    }
}

/// Where the label starts that ends at a place.
pub(crate) fn start_of_label(name: &[u8], end: usize) -> usize {
    let mut start = end;
    while start > 0 && name.get(start - 1) != Some(&b'.') {
        start -= 1;
    }
    start
}

/// The hash of no label.
pub(crate) const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

fn place(hash: u64, mask: usize) -> usize {
    usize::try_from(hash >> 20).unwrap_or(0) & mask
}

/// The hash of a suffix from that of the suffix without its first label.
pub(crate) fn extend(mut hash: u64, label: &[u8]) -> u64 {
    let (words, tail) = label.as_chunks::<8>();
    for word in words {
        hash = mix(hash ^ u64::from_le_bytes(*word));
    }
    let mut last = (tail.len() as u64 + 1) << 56;
    for (at, &byte) in tail.iter().enumerate() {
        last |= u64::from(byte) << (8 * at);
    }
    mix(hash ^ last)
}

fn mix(word: u64) -> u64 {
    let [low, high] = halves(u128::from(word) * u128::from(0xa076_1d64_78bd_642f_u64));
    low ^ high
}

fn halves(wide: u128) -> [u64; 2] {
    let low = u64::try_from(wide & u128::from(u64::MAX)).unwrap_or(0);
    [low, u64::try_from(wide >> 64).unwrap_or(0)]
}

fn truncate(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(all: &[&str]) -> Names {
        let mut names = Trie::new();
        all.iter().for_each(|name| names.add(name));
        names.number()
    }

    #[test]
    fn a_name_and_all_below_it_are_one_run() {
        let names = names(&["example.com", "api.example.com", "b.org", "com"]);
        let inside = |run: Option<Run>, name: &str| {
            let (first, last) = run.expect("a name that was added");
            (first..=last).contains(&names.class(name))
        };
        for (name, below) in [("a.example.com", true), ("x.api.example.com", true), ("example.com", false)] {
            assert_eq!(inside(names.below("example.com"), name), below, "{name}");
        }
        assert!(inside(names.exact("example.com"), "example.com"));
        assert!(!inside(names.below("example.com"), "evilexample.com"));
        assert!(!inside(names.below("com"), "org"));
        assert!(inside(names.below("com"), "other.com"));
        assert_eq!(names.describe(names.class("y.api.example.com")), "*.api.example.com");
        assert_eq!(names.class("nowhere.net"), NO_NAME + 1);
    }
}
