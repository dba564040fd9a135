//! Items to a tree. A node dispatches on the dimension that tells its items apart best; items that
//! would have to be copied to many branches go to one branch beside them, `rest`, and are never
//! copied. All copies together are bounded, so that a tree grows with the text of its policy.

use super::items::Item;
use crate::hash::HashMap;
use crate::model::RuleId;
use crate::tree::sets::{Run, SetPool, SetRef};
use crate::tree::space::Dim;
use crate::tree::walk::{Entry, Forest, LAST, LEAF, NOTHING, Node};

/// A leaf of so many rules is not split any more.
const LEAF_SIZE: usize = 6;
/// Levels of a tree.
const DEPTH: u32 = 48;
/// Groups of one principal, or patterns of one name, that plans and the bound on checks reckon with.
const TOKENS: usize = 4;

/// What is known of a tree while it grows.
pub(crate) struct Grower<'a> {
    items: &'a [Item],
    pool: &'a SetPool,
    forest: &'a mut Forest,
    /// Copies that may still be made.
    copies: usize,
    pub(crate) depth: u32,
    /// The rules of the largest leaf.
    pub(crate) crowd: Vec<RuleId>,
}

/// A branch that is done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Branch {
    pub(crate) at: u32,
    min: u32,
    /// Checks on the worst path.
    pub(crate) worst: usize,
}

const EMPTY: Branch = Branch { at: NOTHING, min: NOTHING, worst: 0 };

/// How one dimension would split items.
struct Plan {
    dim: Dim,
    /// Items that go to branches, by rank.
    taken: Vec<u32>,
    copies: usize,
    gain: f64,
}

impl<'a> Grower<'a> {
    /// Prepares to grow a tree of items that are sorted by rank.
    pub(crate) fn new(items: &'a [Item], pool: &'a SetPool, forest: &'a mut Forest) -> Self {
        Self { items, pool, forest, copies: 6 * items.len() + 4096, depth: 0, crowd: Vec::new() }
    }

    /// Grows the tree.
    pub(crate) fn grow(&mut self) -> Branch {
        let all: Vec<u32> = (0..).take(self.items.len()).collect();
        self.branch(&all, 0, 0)
    }

    fn item(&self, at: u32) -> Option<&'a Item> {
        self.items.get(at as usize)
    }

    fn runs(&self, at: u32, dim: Dim) -> &'a [Run] {
        self.item(at).map_or(&[], |item| self.pool.runs(item.set(dim)))
    }

    fn branch(&mut self, list: &[u32], used: u16, depth: u32) -> Branch {
        self.depth = self.depth.max(depth);
        if list.len() <= LEAF_SIZE || depth >= DEPTH {
            return self.leaf(list);
        }
        let plans = Dim::ALL.into_iter().filter(|&dim| used & bit(dim) == 0);
        let best = plans.filter_map(|dim| self.plan(list, dim)).max_by(|a, b| a.gain.total_cmp(&b.gain));
        match best {
            Some(plan) if plan.gain > list.len() as f64 * 0.3 => self.fork(list, plan, used, depth),
            _ => self.leaf(list),
        }
    }

    fn leaf(&mut self, list: &[u32]) -> Branch {
        let Some((&last, _)) = list.split_last() else { return EMPTY };
        if list.len() > self.crowd.len() && list.len() > LEAF_SIZE {
            self.crowd = list.iter().filter_map(|&at| self.item(at)).map(|item| item.rule).collect();
        }
        let at = u32::try_from(self.forest.entries.len()).unwrap_or(u32::MAX);
        for &one in list {
            let Some(item) = self.item(one) else { continue };
            let end = if one == last { LAST } else { 0 };
            self.forest.entries.push(Entry { rank: item.rank, checks: item.checks | end });
        }
        let min = list.first().and_then(|&first| self.item(first)).map_or(NOTHING, |item| item.rank);
        Branch { at: LEAF | at, min, worst: list.len() }
    }

    /// Works out how a dimension would split items; `None` if it would not.
    fn plan(&self, list: &[u32], dim: Dim) -> Option<Plan> {
        let bound = 4 * list.len() + 16;
        let narrow = |&at: &u32| {
            let item = self.item(at)?;
            let set = item.set(dim);
            (set != SetRef::ANY && self.pool.runs(set).len() <= bound).then_some(at)
        };
        let narrow: Vec<u32> = list.iter().filter_map(narrow).collect();
        if narrow.len() < 2 {
            return None;
        }
        let cuts = Cuts::new(|| narrow.iter().flat_map(|&at| self.runs(at, dim)));
        let mut covers: Vec<(u32, u32)> = Vec::with_capacity(narrow.len());
        for &at in &narrow {
            let count: usize = self.runs(at, dim).iter().map(|run| cuts.segments(run).len()).sum();
            covers.push((u32::try_from(count).unwrap_or(u32::MAX), at));
        }
        covers.sort_unstable();
        let spare = if self.copies == 0 { 0 } else { (covers.len() + 16).min(self.copies) };
        let (mut total, mut count) = (0, 0);
        for &(copies, _) in &covers {
            if total + copies as usize > count + 1 + spare {
                break;
            }
            total += copies as usize;
            count += 1;
        }
        covers.truncate(count);
        let mut depth = vec![0i32; cuts.ends.len() + 1];
        for &(_, at) in &covers {
            for run in self.runs(at, dim) {
                let range = cuts.segments(run);
                if let Some(start) = depth.get_mut(range.start) {
                    *start += 1;
                }
                if let Some(end) = depth.get_mut(range.end) {
                    *end -= 1;
                }
            }
        }
        let (mut open, mut squares) = (0, 0f64);
        for change in depth {
            open += change;
            squares += f64::from(open) * f64::from(open);
        }
        // A principal goes down a branch for each of its groups, a name for each pattern it fits.
        let visits = match dim {
            Dim::Who | Dim::Pattern => TOKENS as f64,
            _ => 1.0,
        };
        let size = (squares / total.max(1) as f64).max(1.0) * visits;
        let gain = count as f64 * (list.len() as f64 / size).log2();
        let mut taken: Vec<u32> = covers.into_iter().map(|(_, at)| at).collect();
        taken.sort_unstable();
        Some(Plan { dim, copies: total - count.min(total), taken, gain })
    }

    fn fork(&mut self, list: &[u32], plan: Plan, used: u16, depth: u32) -> Branch {
        self.copies = self.copies.saturating_sub(plan.copies);
        let Plan { dim, taken, .. } = plan;
        let mut apart = taken.iter().copied().peekable();
        let rest: Vec<u32> = list.iter().copied().filter(|at| apart.next_if_eq(at).is_none()).collect();
        let cuts = Cuts::new(|| taken.iter().flat_map(|&at| self.runs(at, dim)));
        let (flat, starts) = self.hand_out(&taken, dim, &cuts);
        drop(taken);
        let mut known: HashMap<&[u32], Branch> = HashMap::default();
        let mut arms: Vec<(u32, Branch)> = Vec::with_capacity(cuts.ends.len());
        for (&start, range) in cuts.ends.iter().zip(starts.windows(2)) {
            let list = match range {
                &[from, to] => flat.get(from as usize..to as usize).unwrap_or_default(),
                _ => &[],
            };
            let branch = match list {
                [] => EMPTY,
                [_] => self.leaf(list),
                _ => match known.get(list) {
                    Some(&branch) => branch,
                    None => {
                        let branch = self.branch(list, used | bit(dim), depth + 1);
                        known.insert(list, branch);
                        branch
                    }
                },
            };
            arms.push((start, branch));
        }
        let rest = if rest.is_empty() { EMPTY } else { self.branch(&rest, used, depth + 1) };
        self.node(dim, &arms, rest)
    }

    /// The items of each segment, one list behind the other, and where each list starts; the last
    /// start is the end.
    fn hand_out(&self, taken: &[u32], dim: Dim, cuts: &Cuts) -> (Vec<u32>, Vec<u32>) {
        let mut starts = vec![0u32; cuts.ends.len() + 1];
        let spans = || taken.iter().flat_map(|&at| self.runs(at, dim).iter().map(move |run| (at, run)));
        for (_, run) in spans() {
            for count in starts.get_mut(cuts.segments(run)).into_iter().flatten() {
                *count += 1;
            }
        }
        let mut total = 0;
        for start in &mut starts {
            total += *start;
            *start = total - *start;
        }
        let mut flat = vec![0; total as usize];
        let mut next = starts.clone();
        for (at, run) in spans() {
            for next in next.get_mut(cuts.segments(run)).into_iter().flatten() {
                if let Some(slot) = flat.get_mut(*next as usize) {
                    *slot = at;
                }
                *next += 1;
            }
        }
        (flat, starts)
    }

    /// Writes a node down; `arms` are first classes with their branches, the last one empty.
    fn node(&mut self, dim: Dim, arms: &[(u32, Branch)], rest: Branch) -> Branch {
        let base = arms.first().map_or(0, |arm| arm.0);
        let end = arms.last().map_or(0, |arm| arm.0);
        let at = u32::try_from(self.forest.arms.len()).unwrap_or(u32::MAX);
        let span = (end - base) as usize;
        let dense = span <= 4 * arms.len() + 8;
        let count = if dense { span } else { arms.len() };
        if dense {
            for pair in arms.windows(2) {
                if let [(start, branch), (behind, _)] = pair {
                    self.forest.arms.extend((*start..*behind).map(|_| branch.at));
                }
            }
        } else {
            self.forest.arms.extend(arms.iter().map(|arm| arm.0));
            self.forest.arms.extend(arms.iter().map(|arm| arm.1.at));
        }
        let min = arms.iter().map(|arm| arm.1.min).min().unwrap_or(NOTHING).min(rest.min);
        let mut worst: Vec<usize> = arms.iter().map(|arm| arm.1.worst).collect();
        worst.sort_unstable_by(|a, b| b.cmp(a));
        let visits = if matches!(dim, Dim::Who | Dim::Pattern) { TOKENS } else { 1 };
        let worst: usize = worst.iter().take(visits).sum();
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.forest.nodes.push(Node { min, dim, dense, base, arms: at, count, rest: rest.at });
        let at = u32::try_from(self.forest.nodes.len() - 1).unwrap_or(u32::MAX);
        Branch { at, min, worst: worst + rest.worst }
    }
}

fn bit(dim: Dim) -> u16 {
    1 << dim as u16
}

/// The classes at which runs start or have ended.
struct Cuts {
    /// Sorted; the last is behind all runs.
    ends: Vec<u32>,
    /// Where each class from the first end on stands among the ends; empty where they lie far apart.
    table: Vec<u32>,
}

impl Cuts {
    fn new<'a, I: Iterator<Item = &'a Run>>(runs: impl Fn() -> I) -> Self {
        let (mut first, mut last, mut count) = (u32::MAX, 0, 0usize);
        for run in runs() {
            (first, last) = (first.min(run.0), last.max(run.1.saturating_add(1)));
            count += 2;
        }
        let span = last.saturating_sub(first) as usize;
        if count == 0 || span > 4 * count + 64 {
            let mut ends: Vec<u32> = runs().flat_map(|run| [run.0, run.1.saturating_add(1)]).collect();
            ends.sort_unstable();
            ends.dedup();
            return Self { ends, table: Vec::new() };
        }
        let mut table = vec![0; span + 1];
        for class in runs().flat_map(|run| [run.0, run.1.saturating_add(1)]) {
            if let Some(mark) = table.get_mut((class - first) as usize) {
                *mark = 1;
            }
        }
        let mut ends = Vec::with_capacity(count.min(span + 1));
        for (class, place) in (first..=last).zip(&mut table) {
            if *place == 1 {
                *place = u32::try_from(ends.len()).unwrap_or(u32::MAX);
                ends.push(class);
            }
        }
        Self { ends, table }
    }

    /// Where an end stands.
    fn place(&self, end: u32) -> usize {
        if self.table.is_empty() {
            return self.ends.partition_point(|&one| one < end);
        }
        let at = self.ends.first().map_or(0, |first| end.saturating_sub(*first)) as usize;
        self.table.get(at).map_or(0, |&place| place as usize)
    }

    /// The segments between ends that one of the runs covers.
    fn segments(&self, run: &Run) -> std::ops::Range<usize> {
        self.place(run.0)..self.place(run.1.saturating_add(1))
    }
}
