//! Parts to items of a tree: each with its rank, what a node can dispatch on, and its checks laid
//! out for the walk.

use super::part::Part;
use super::region::Regions;
use crate::hash::{HashMap, HashSet, hash_of};
use crate::model::{Model, RuleId, Stage, Verdict};
use crate::tree::sets::{SetPool, SetRef};
use crate::tree::space::{Dim, PLAIN};
use crate::tree::walk::{Check, Forest};
use std::cmp::Reverse;
use std::rc::Rc;

/// Rules of one stage in the order of their ranks.
#[derive(Debug)]
pub(crate) struct Ranks {
    /// Blocks first.
    pub(crate) rules: Vec<RuleId>,
    /// How many are blocks.
    pub(crate) blocks: u32,
}

impl Ranks {
    /// Ranks the rules of a stage.
    pub(crate) fn new(model: &Model, stage: Stage) -> Self {
        let mut all: Vec<_> = model
            .stage(stage)
            .map(|(id, rule)| (rule.verdict == Verdict::Pass, Reverse(rule.priority), id))
            .collect();
        all.sort_unstable();
        let blocks = all.partition_point(|&(passes, ..)| !passes);
        Self {
            rules: all.into_iter().map(|(_, _, id)| id).collect(),
            blocks: u32::try_from(blocks).unwrap_or(u32::MAX),
        }
    }

    /// The rank of blocks that are never certain: behind the others.
    pub(crate) fn last(&self) -> u32 {
        u32::try_from(self.rules.len() + 1).unwrap_or(u32::MAX)
    }

    /// The rule of a rank.
    pub(crate) fn rule(&self, rank: u32) -> Option<RuleId> {
        let at = if rank < self.blocks { rank } else { rank.checked_sub(1)? };
        self.rules.get(at as usize).copied()
    }
}

/// One part of one rule.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) rank: u32,
    /// The rule, for diagnostics.
    pub(crate) rule: RuleId,
    sets: [SetRef; PLAIN],
    who: SetRef,
    pattern: SetRef,
    pub(crate) checks: u32,
}

impl Item {
    /// What a request must have in a dimension.
    pub(crate) fn set(&self, dim: Dim) -> SetRef {
        match dim {
            Dim::Who => self.who,
            Dim::Pattern => self.pattern,
            plain => self.sets.get(plain as usize).copied().unwrap_or(SetRef::ANY),
        }
    }
}

/// Lays out checks; equal ones are kept once.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    /// Where the checks of a hash start; where two share one, the later has the next number.
    known: HashMap<u64, u32>,
    /// Where the checks of parts start that are taken out, by their place, which they keep.
    taken: HashMap<*const Part, (Rc<Part>, u32)>,
}

/// The items of a stage under one state of knowledge, by rank.
pub(crate) fn items(
    regions: &mut Regions<'_>,
    ranks: &Ranks,
    layout: &mut Layout,
    forest: &mut Forest,
) -> Vec<Item> {
    let model = regions.model;
    let mut items = Vec::with_capacity(ranks.rules.len());
    let mut seen = HashSet::default();
    for (at, &rule) in (0..).zip(&ranks.rules) {
        let Some(body) = model.rule(rule) else { continue };
        let blocks = at < ranks.blocks;
        for part in regions.rule(body) {
            let rank = match (blocks, part.certain) {
                (true, true) => at,
                (true, false) => ranks.blocks,
                (false, true) => at + 1,
                (false, false) => ranks.last(),
            };
            let checks = layout.part(&part, regions.pool, forest);
            // The same conditions again change nothing: the first rule is the one that is named.
            if seen.insert((checks, blocks)) {
                items.push(item(&part, rank, rule, checks, regions.pool));
            }
        }
    }
    drop_hidden(&mut items, ranks, forest);
    items.sort_by_key(|item| item.rank);
    items
}

/// Where one block may always match, or one pass, the others that only may add nothing.
fn drop_hidden(items: &mut Vec<Item>, ranks: &Ranks, forest: &Forest) {
    for rank in [ranks.blocks, ranks.last()] {
        let bare = |item: &Item| {
            item.rank == rank
                && matches!(forest.checks.get(item.checks as usize), Some(Check::Done { certain: false }))
        };
        if let Some(at) = items.iter().position(bare) {
            let kept = items.get(at).map(|item| item.checks);
            items.retain(|item| item.rank != rank || Some(item.checks) == kept);
        }
    }
}

fn item(part: &Part, rank: u32, rule: RuleId, checks: u32, pool: &mut SetPool) -> Item {
    let (mut who, mut pattern) = (SetRef::ANY, SetRef::ANY);
    for test in &part.tests {
        match *test {
            // Any one of several will do; the smallest tells most.
            Check::Who { negated: false, set } => {
                let narrower = pool.runs(SetRef(set)).len() < pool.runs(who).len();
                if who == SetRef::ANY || narrower {
                    who = SetRef(set);
                }
            }
            Check::Pattern { set } if pattern == SetRef::ANY => pattern = SetRef(set),
            _ => {}
        }
    }
    Item { rank, rule, sets: part.sets, who, pattern, checks }
}

impl Layout {
    /// Where the checks of a part start.
    pub(crate) fn part(&mut self, part: &Part, pool: &SetPool, forest: &mut Forest) -> u32 {
        let mut checks = Vec::with_capacity(8);
        for dim in ORDER {
            let set = part.set(dim);
            match pool.runs(set) {
                _ if set == SetRef::ANY => {}
                &[(first, last)] => checks.push(Check::Range { dim, first, last }),
                _ => checks.push(Check::Set { dim, set: set.0 }),
            }
        }
        let mut tests = part.tests.clone();
        for test in &mut tests {
            if let Check::Who { negated, set } = *test
                && let &[(token, last)] = pool.runs(SetRef(set))
                && token == last
            {
                *test = Check::WhoIs { negated, token };
            }
        }
        tests.sort_by_key(cost);
        checks.extend(tests);
        for other in &part.minus {
            let checks_of = match self.taken.get(&Rc::as_ptr(other)) {
                Some(&(_, at)) => at,
                None => {
                    let at = self.part(other, pool, forest);
                    self.taken.insert(Rc::as_ptr(other), (other.clone(), at));
                    at
                }
            };
            checks.push(Check::Minus { checks: checks_of });
        }
        checks.push(Check::Done { certain: part.certain });
        self.intern(&checks, forest)
    }

    fn intern(&mut self, checks: &[Check], forest: &mut Forest) -> u32 {
        let mut hash = hash_of(checks);
        while let Some(&at) = self.known.get(&hash) {
            let here = forest.checks.get(at as usize..).unwrap_or_default();
            if here.starts_with(checks) {
                return at;
            }
            hash = hash.wrapping_add(1);
        }
        let at = u32::try_from(forest.checks.len()).unwrap_or(u32::MAX);
        forest.checks.extend_from_slice(checks);
        self.known.insert(hash, at);
        at
    }
}

/// Cheap and telling tests come first.
const ORDER: [Dim; PLAIN] =
    [Dim::Name, Dim::To, Dim::Port, Dim::From, Dim::Command, Dim::Proxy, Dim::Method, Dim::Listener];

fn cost(check: &Check) -> u8 {
    match check {
        Check::WhoIs { .. } => 0,
        Check::Who { .. } => 1,
        Check::Expires { .. } => 2,
        Check::Time { .. } => 3,
        Check::Pattern { .. } => 4,
        Check::Cert { .. } => 5,
        Check::ListFrom { .. } | Check::ListTo { .. } => 6,
        Check::ListName { .. } => 7,
        Check::Done { .. } | Check::Minus { .. } | Check::Range { .. } | Check::Set { .. } => 8,
    }
}
