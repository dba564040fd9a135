//! The decision tree and the walk through it. It allocates nothing and takes no lock.
//!
//! Rules are numbered by rank: blocks first, then passes, each by priority and place. The smallest
//! rank that matches is both the verdict and the rule on record. A node hands a request to the
//! branch of its class, and to one branch with the rules that do not tell classes apart there.

use super::space::{Dim, Seen, Space};
use crate::model::Timestamp;
use crate::oracle::Truth;

/// One test of a rule. Tests of one rule stand behind each other up to [`Check::Done`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Check {
    /// A subject name of the certificate fits one of some patterns.
    Cert { patterns: u32, negated: bool },
    /// All tests hold. `certain` is false where one more is about what is not known here.
    Done { certain: bool },
    /// Before an instant, in seconds: the lower half and the upper.
    Expires { negated: bool, end: [u32; 2] },
    /// The client's address is in a list.
    ListFrom { list: u32 },
    /// The target's name is in a list.
    ListName { list: u32 },
    /// The target's address is in a list.
    ListTo { list: u32 },
    /// The tests that start there must not hold.
    Minus { checks: u32 },
    /// The name fits one of some globs and regexes.
    Pattern { set: u32 },
    /// The class is in a run.
    Range { dim: Dim, first: u32, last: u32 },
    /// The class is in a set.
    Set { dim: Dim, set: u32 },
    /// The minute of the week is in a set.
    Time { zone: u16, negated: bool, set: u32 },
    /// The principal has one of some tokens.
    Who { negated: bool, set: u32 },
    /// The principal has a token.
    WhoIs { negated: bool, token: u32 },
}

impl Check {
    /// Before an instant, or not.
    pub(crate) fn expires(end: Timestamp, negated: bool) -> Self {
        let bits = end.0.cast_unsigned();
        let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(0);
        Self::Expires { negated, end: [half(bits), half(bits >> 32)] }
    }
}

/// A rule in a leaf, smallest rank first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) rank: u32,
    /// Where its checks start; the last of a leaf has [`LAST`] set.
    pub(crate) checks: u32,
}

/// Marks the last entry of a leaf.
pub(crate) const LAST: u32 = 1 << 31;
/// Marks a branch that is a leaf: where its entries start.
pub(crate) const LEAF: u32 = 1 << 31;
/// A branch with nothing in it.
pub(crate) const NOTHING: u32 = u32::MAX;

/// A fork.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    /// The smallest rank below.
    pub(crate) min: u32,
    /// What it dispatches on.
    pub(crate) dim: Dim,
    /// Whether `arms` has one branch for each class from `base` on; else sorted first classes
    /// are followed by as many branches.
    pub(crate) dense: bool,
    /// The first class that has a branch.
    pub(crate) base: u32,
    /// Where its branches start in `arms`.
    pub(crate) arms: u32,
    /// How many branches there are.
    pub(crate) count: u32,
    /// The branch of rules that tell no classes apart here.
    pub(crate) rest: u32,
}

/// Nodes, leaves and branches of all trees of a policy.
#[derive(Debug, Default)]
pub(crate) struct Forest {
    pub(crate) nodes: Vec<Node>,
    pub(crate) arms: Vec<u32>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) checks: Vec<Check>,
}

/// Where one tree starts, and how its ranks lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tree {
    pub(crate) root: u32,
    /// Ranks below are blocks that may be certain; this one is that of blocks that never are.
    pub(crate) blocks: u32,
    /// The rank of passes that are never certain.
    pub(crate) last: u32,
}

/// What a walk found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// The smallest rank that matches; [`NOTHING`] for none.
    pub(crate) rank: u32,
    pub(crate) may_block: bool,
    pub(crate) may_pass: bool,
    /// Ranks from here on change nothing any more.
    limit: u32,
}

/// One walk.
struct Walk<'a> {
    forest: &'a Forest,
    space: &'a Space,
    seen: &'a Seen<'a>,
    tree: Tree,
    default_passes: bool,
    found: Found,
}

impl Forest {
    /// Finds the rule that decides.
    pub(crate) fn find(&self, tree: Tree, space: &Space, seen: &Seen<'_>, default_passes: bool) -> Found {
        let found = Found { rank: NOTHING, may_block: false, may_pass: false, limit: NOTHING };
        let mut walk = Walk { forest: self, space, seen, tree, default_passes, found };
        walk.visit(tree.root);
        walk.found
    }

    /// Puts the checks in the order in which leaves speak of them, so that those of one leaf are
    /// neighbours in memory, and gives back what was taken in reserve.
    pub(crate) fn settle(&mut self) {
        let mut moved = Moved { places: vec![NOTHING; self.checks.len()], checks: Vec::new() };
        moved.checks.reserve_exact(self.checks.len());
        for entry in &mut self.entries {
            entry.checks = moved.place(&self.checks, entry.checks & !LAST) | entry.checks & LAST;
        }
        self.checks = moved.checks;
        self.nodes.shrink_to_fit();
        self.arms.shrink_to_fit();
        self.entries.shrink_to_fit();
        self.checks.shrink_to_fit();
    }

    /// What it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>()
            + self.arms.capacity() * 4
            + self.entries.capacity() * size_of::<Entry>()
            + self.checks.capacity() * size_of::<Check>()
    }

    /// The entries of a leaf.
    pub(crate) fn leaf(&self, branch: u32) -> impl Iterator<Item = Entry> + '_ {
        let mut ended = branch == NOTHING || branch & LEAF == 0;
        let entries = self.entries.get((branch & !LEAF) as usize..).unwrap_or_default();
        entries.iter().copied().take_while(move |entry| {
            let take = !ended;
            ended |= entry.checks & LAST != 0;
            take
        })
    }

    /// The branch of a class at a node.
    fn arm(&self, node: &Node, class: u32) -> u32 {
        let Some(at) = class.checked_sub(node.base) else { return NOTHING };
        let (from, count) = (node.arms as usize, node.count as usize);
        if node.dense {
            return match at < node.count {
                true => self.arms.get(from + at as usize).copied().unwrap_or(NOTHING),
                false => NOTHING,
            };
        }
        let starts = self.arms.get(from..from + count).unwrap_or_default();
        let before = starts.partition_point(|&start| start <= class);
        self.arms.get(from + count + before - 1).copied().unwrap_or(NOTHING)
    }
}

/// Checks that are being put in another order.
struct Moved {
    /// Where the checks that started at each place start now.
    places: Vec<u32>,
    checks: Vec<Check>,
}

impl Moved {
    /// Where checks start now; they are copied if they have not been.
    fn place(&mut self, old: &[Check], from: u32) -> u32 {
        if let Some(&at) = self.places.get(from as usize)
            && at != NOTHING
        {
            return at;
        }
        let start = self.checks.len();
        let at = u32::try_from(start).unwrap_or(NOTHING);
        let own = old.get(from as usize..).unwrap_or_default();
        let count = own.iter().position(|check| matches!(check, Check::Done { .. })).map_or(0, |at| at + 1);
        self.checks.extend_from_slice(own.get(..count).unwrap_or_default());
        if let Some(place) = self.places.get_mut(from as usize) {
            *place = at;
        }
        for own in start..start + count {
            if let Some(&Check::Minus { checks }) = self.checks.get(own) {
                let checks = self.place(old, checks);
                if let Some(check) = self.checks.get_mut(own) {
                    *check = Check::Minus { checks };
                }
            }
        }
        at
    }
}

impl Walk<'_> {
    fn visit(&mut self, mut branch: u32) {
        loop {
            if branch & LEAF != 0 {
                if branch != NOTHING {
                    self.leaf(branch & !LEAF);
                }
                return;
            }
            let forest = self.forest;
            let Some(node) = forest.nodes.get(branch as usize) else { return };
            if node.min >= self.found.limit {
                return;
            }
            match node.dim {
                Dim::Who => {
                    let who = self.seen.who;
                    who.each(|token| self.visit(forest.arm(node, token)));
                }
                Dim::Pattern => {
                    if let Some(name) = self.seen.name {
                        let patterns = &self.space.patterns;
                        let ends = &self.seen.ends;
                        let all = (0, u32::MAX);
                        patterns.each(name.as_str(), all, ends, |token| self.visit(forest.arm(node, token)));
                    }
                }
                dim => {
                    let class = self.seen.class.get(dim as usize).copied().unwrap_or(0);
                    let arm = forest.arm(node, class);
                    if node.rest == NOTHING {
                        branch = arm;
                        continue;
                    }
                    self.visit(arm);
                }
            }
            branch = node.rest;
        }
    }

    fn leaf(&mut self, from: u32) {
        let forest = self.forest;
        for entry in forest.entries.get(from as usize..).unwrap_or_default() {
            if entry.rank >= self.found.limit {
                return;
            }
            match self.truth(entry.checks & !LAST) {
                Truth::False => {}
                Truth::Unknown => self.may(entry.rank),
                Truth::True => {
                    self.found.rank = entry.rank;
                    let settled = self.found.may_block && entry.rank > self.tree.blocks;
                    self.found.limit = if settled { self.tree.blocks } else { entry.rank };
                    return;
                }
            }
            if entry.checks & LAST != 0 {
                return;
            }
        }
    }

    fn may(&mut self, rank: u32) {
        let found = &mut self.found;
        if rank <= self.tree.blocks {
            found.may_block = true;
        } else {
            found.may_pass = true;
            found.limit = found.limit.min(self.tree.last);
        }
        let passes = self.default_passes || found.may_pass || found.rank != NOTHING;
        if found.may_block && passes {
            found.limit = found.limit.min(self.tree.blocks);
        }
    }

    fn truth(&self, from: u32) -> Truth {
        let mut truth = Truth::True;
        let seen = self.seen;
        for check in self.forest.checks.get(from as usize..).unwrap_or_default() {
            let holds = match *check {
                Check::Range { dim, first, last } => {
                    let class = seen.class.get(dim as usize).copied().unwrap_or(0);
                    first <= class && class <= last
                }
                Check::Set { dim, set } => {
                    let class = seen.class.get(dim as usize).copied().unwrap_or(0);
                    self.space.sets.contains(set, class)
                }
                Check::WhoIs { negated, token } => seen.who.any(|one| one == token) != negated,
                Check::Who { negated, set } => {
                    seen.who.any(|token| self.space.sets.contains(set, token)) != negated
                }
                Check::Done { certain } => {
                    return if certain { truth } else { truth.min(Truth::Unknown) };
                }
                Check::Minus { checks } => {
                    truth = truth.min(!self.truth(checks));
                    truth != Truth::False
                }
                _ => self.seldom(check),
            };
            if !holds {
                return Truth::False;
            }
        }
        Truth::False
    }

    /// Tests that cost more or that few policies have.
    fn seldom(&self, check: &Check) -> bool {
        let (space, seen) = (self.space, self.seen);
        match *check {
            Check::Cert { patterns, negated } => {
                let patterns = space.certs.get(patterns as usize).map_or(&[][..], Vec::as_slice);
                let names = seen.client.certificate;
                names.iter().any(|name| patterns.iter().any(|pattern| pattern.matches(name))) != negated
            }
            Check::Expires { negated, end: [low, high] } => {
                let end = (i64::from(high.cast_signed()) << 32) | i64::from(low);
                (seen.client.time.0 < end) != negated
            }
            Check::Time { zone, negated, set } => {
                space.sets.contains(set, space.minute(zone, seen)) != negated
            }
            Check::Pattern { set } => {
                let mut fits = false;
                if let Some(name) = seen.name {
                    space.patterns.each(name.as_str(), space.sets.span(set), &seen.ends, |token| {
                        fits |= space.sets.contains(set, token);
                    });
                }
                fits
            }
            Check::ListName { list } => {
                let list = space.lists.get(list as usize);
                list.zip(seen.name).is_some_and(|(list, name)| list.name_line(name).is_some())
            }
            Check::ListTo { list } => {
                let list = space.lists.get(list as usize);
                list.zip(seen.address).is_some_and(|(list, address)| list.address_line(address).is_some())
            }
            Check::ListFrom { list } => {
                let list = space.lists.get(list as usize);
                list.is_some_and(|list| list.address_line(seen.client.address).is_some())
            }
            Check::Done { .. }
            | Check::Minus { .. }
            | Check::Range { .. }
            | Check::Set { .. }
            | Check::Who { .. }
            | Check::WhoIs { .. } => false,
        }
    }
}
