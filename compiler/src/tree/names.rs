//! Names to classes: a trie of labels from the right, numbered depth first, so that a name, all
//! below it, and both are each one run of classes. The trie is walked through one hash table.

use super::sets::Run;

/// The class of a target that has no name.
pub(crate) const NO_NAME: u32 = 0;

/// Finds the class of a name.
#[derive(Debug)]
pub(crate) struct Names {
    /// Open addressing over the hashes of whole suffixes, at most half full.
    slots: Vec<Slot>,
    /// The root is 0.
    nodes: Vec<Node>,
    text: String,
    classes: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    hash: u64,
    /// 0: empty.
    node: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    /// The class of the name itself; that of names below it and in no child is the next.
    class: u32,
    /// The last class below.
    last: u32,
    /// Where the whole name stands in the text.
    text: u32,
    length: u16,
    /// 0: no child.
    first_child: u32,
    next_sibling: u32,
}

impl Names {
    /// A trie of nothing but its root.
    pub(crate) fn new() -> Self {
        Self {
            slots: vec![Slot::default(); 16],
            nodes: vec![Node { class: NO_NAME, last: 1, ..Node::default() }],
            text: String::new(),
            classes: 2,
        }
    }

    /// Adds a name; [`Names::number`] must follow.
    pub(crate) fn add(&mut self, name: &str) {
        let (mut node, mut hash, mut stored) = (0, SEED, None);
        let mut end = name.len();
        loop {
            let start = name.get(..end).and_then(|rest| rest.rfind('.')).map_or(0, |dot| dot + 1);
            let suffix = name.get(start..).unwrap_or_default();
            hash = extend(hash, name.as_bytes().get(start..end).unwrap_or_default());
            node = match self.find_exact(hash, suffix) {
                Some(child) => child,
                None => {
                    let base = *stored.get_or_insert_with(|| {
                        let base = self.text.len();
                        self.text.push_str(name);
                        base
                    });
                    self.child(node, hash, truncate(base + start), suffix.len())
                }
            };
            if start == 0 {
                return;
            }
            end = start - 1;
        }
    }

    fn child(&mut self, parent: u32, hash: u64, text: u32, length: usize) -> u32 {
        let child = truncate(self.nodes.len());
        let next_sibling = match self.nodes.get_mut(parent as usize) {
            Some(above) => std::mem::replace(&mut above.first_child, child),
            None => 0,
        };
        let length = u16::try_from(length).unwrap_or(u16::MAX);
        self.nodes.push(Node { text, length, next_sibling, ..Node::default() });
        if self.nodes.len() * 2 > self.slots.len() {
            let grown = vec![Slot::default(); self.slots.len() * 2];
            for slot in std::mem::replace(&mut self.slots, grown) {
                if slot.node != 0 {
                    self.insert(slot);
                }
            }
        }
        self.insert(Slot { hash, node: child });
        child
    }

    fn insert(&mut self, slot: Slot) {
        let mask = self.slots.len() - 1;
        let mut at = place(slot.hash, mask);
        while let Some(taken) = self.slots.get_mut(at) {
            if taken.node == 0 {
                *taken = slot;
                return;
            }
            at = (at + 1) & mask;
        }
    }

    /// Numbers the classes depth first.
    pub(crate) fn number(&mut self) {
        let mut stack = vec![(0u32, false)];
        let mut class = NO_NAME;
        while let Some((at, done)) = stack.pop() {
            let Some(node) = self.nodes.get_mut(at as usize) else { continue };
            if done {
                node.last = class - 1;
                continue;
            }
            node.class = class;
            class += 2;
            stack.push((at, true));
            let mut child = node.first_child;
            while child != 0 {
                stack.push((child, false));
                child = self.nodes.get(child as usize).map_or(0, |node| node.next_sibling);
            }
        }
        self.classes = class;
        self.nodes.shrink_to_fit();
        self.text.shrink_to_fit();
    }

    /// How many classes there are.
    pub(crate) fn len(&self) -> usize {
        self.classes as usize
    }

    /// The class of a name.
    pub(crate) fn class(&self, name: &str) -> u32 {
        let bytes = name.as_bytes();
        let (mut found, mut hash, mut end) = (0, SEED, bytes.len());
        let mut matched = bytes.len();
        loop {
            let mut start = end;
            while start > 0 && bytes.get(start - 1) != Some(&b'.') {
                start -= 1;
            }
            hash = extend(hash, bytes.get(start..end).unwrap_or_default());
            let Some(node) = self.find(hash) else { break };
            (found, matched) = (node, start);
            let inner = self.nodes.get(node as usize).is_some_and(|node| node.first_child != 0);
            if start == 0 || !inner {
                break;
            }
            end = start - 1;
        }
        let Some(node) = self.nodes.get(found as usize) else { return NO_NAME + 1 };
        if found != 0 && Some(self.name_of(node)) != name.get(matched..) {
            // Two suffixes with one hash: look again, at the letters too.
            return self.class_slowly(name);
        }
        if found != 0 && matched == 0 { node.class } else { node.class + 1 }
    }

    fn class_slowly(&self, name: &str) -> u32 {
        let (mut class, mut hash, mut end) = (NO_NAME + 1, SEED, name.len());
        loop {
            let start = name.get(..end).and_then(|rest| rest.rfind('.')).map_or(0, |dot| dot + 1);
            hash = extend(hash, name.as_bytes().get(start..end).unwrap_or_default());
            let found = self.find_exact(hash, name.get(start..).unwrap_or_default());
            let Some(node) = found.and_then(|node| self.nodes.get(node as usize)) else { return class };
            if start == 0 {
                return node.class;
            }
            class = node.class + 1;
            end = start - 1;
        }
    }

    fn find(&self, hash: u64) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let mut at = place(hash, mask);
        loop {
            let slot = self.slots.get(at)?;
            if slot.node == 0 {
                return None;
            }
            if slot.hash == hash {
                return Some(slot.node);
            }
            at = (at + 1) & mask;
        }
    }

    fn find_exact(&self, hash: u64, name: &str) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let mut at = place(hash, mask);
        loop {
            let slot = self.slots.get(at).filter(|slot| slot.node != 0)?;
            if slot.hash == hash
                && self.nodes.get(slot.node as usize).map(|node| self.name_of(node)) == Some(name)
            {
                return Some(slot.node);
            }
            at = (at + 1) & mask;
        }
    }

    fn name_of(&self, node: &Node) -> &str {
        let from = node.text as usize;
        self.text.get(from..from + usize::from(node.length)).unwrap_or_default()
    }

    fn node(&self, name: &str) -> Option<&Node> {
        let (mut hash, mut end) = (SEED, name.len());
        loop {
            let start = name.get(..end).and_then(|rest| rest.rfind('.')).map_or(0, |dot| dot + 1);
            hash = extend(hash, name.as_bytes().get(start..end).unwrap_or_default());
            if start == 0 {
                return self.nodes.get(self.find_exact(hash, name)? as usize);
            }
            end = start - 1;
        }
    }

    /// The class of exactly a name that was added.
    pub(crate) fn exact(&self, name: &str) -> Option<Run> {
        self.node(name).map(|node| (node.class, node.class))
    }

    /// The classes below a name that was added.
    pub(crate) fn below(&self, name: &str) -> Option<Run> {
        self.node(name).map(|node| (node.class + 1, node.last))
    }

    /// The classes of a name that was added and of all below it.
    pub(crate) fn whole(&self, name: &str) -> Option<Run> {
        self.node(name).map(|node| (node.class, node.last))
    }

    /// What a class holds, in the words of the language.
    pub(crate) fn describe(&self, class: u32) -> String {
        if class <= NO_NAME + 1 {
            return if class == NO_NAME { "literal".into() } else { "other names".into() };
        }
        let node = self.nodes.iter().find(|node| node.class == class & !1);
        let name = node.map_or("", |node| self.name_of(node));
        if class & 1 == 0 { name.into() } else { format!("*.{name}") }
    }

    /// What it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
            + self.nodes.capacity() * size_of::<Node>()
            + self.text.capacity()
    }
}

/// The hash of no label.
pub(crate) const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

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
        let mut names = Names::new();
        all.iter().for_each(|name| names.add(name));
        names.number();
        names
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
