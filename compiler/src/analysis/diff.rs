//! Which requests two policies judge differently.
//!
//! A request is judged differently only if a rule (or the default) that the policies do not share
//! decides it in one of them. So each such rule is held against the rules of the other policy that
//! it meets, and each pair with different verdicts is one area, unless other rules win all of it.

use super::Analysis;
use super::cube::Point;
use super::describe::{Area, Describer};
use super::judge::{Hunt, Judge, hunt};
use super::space::Space;
use super::translate::Region;
use super::witness::Witness;
use crate::model::{Model, RuleId, Stage, Verdict};
use std::collections::HashSet;
use std::sync::Arc;

/// One of two policies.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Side {
    /// The policy as it was.
    Old,
    /// The policy as it is to be.
    New,
}

/// What a change of policy changes.
#[derive(Clone, Debug)]
pub struct Diff {
    /// What is judged differently: newly passed first, then newly blocked.
    pub differences: Vec<Difference>,
    /// Whether there is certainly nothing else.
    pub complete: bool,
}

impl Diff {
    /// Whether it is proved that every request is judged as before.
    pub fn is_same(&self) -> bool {
        self.differences.is_empty() && self.complete
    }
}

/// Requests that one rule decided and another one decides, with another verdict.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The stage.
    pub stage: Stage,
    /// The verdict that is new.
    pub verdict: Verdict,
    /// The rule that decided; `None`: the default.
    pub old: Option<RuleId>,
    /// The rule that decides.
    pub new: Option<RuleId>,
    /// The requests.
    pub area: Area,
    /// One of them, as the new policy sees it.
    pub witness: Witness,
}

/// Pairs of rules that are looked at, at most.
const BUDGET: usize = 50_000;

/// Compares two policies.
pub fn diff(old: &Model, new: &Model) -> Diff {
    let space = Arc::new(Space::of(&[old, new]));
    let old = Analysis::within(space.clone(), old);
    let new = Analysis::within(space, new);
    between(&old, &new)
}

fn between(old: &Analysis<'_>, new: &Analysis<'_>) -> Diff {
    let mut comparison =
        Comparison { old, new, found: Vec::new(), complete: true, left: BUDGET, describer: None };
    for stage in [Stage::Client, Stage::Socks] {
        comparison.stage(stage);
    }
    let mut differences = comparison.found;
    differences.sort_by_key(|one| (one.verdict == Verdict::Block, one.stage, one.new, one.old));
    Diff { differences, complete: comparison.complete }
}

struct Comparison<'a, 'm> {
    old: &'a Analysis<'m>,
    new: &'a Analysis<'m>,
    found: Vec<Difference>,
    complete: bool,
    left: usize,
    describer: Option<Describer<'a>>,
}

impl Comparison<'_, '_> {
    fn stage(&mut self, stage: Stage) {
        let (old, new) = (self.old.judge(stage), self.new.judge(stage));
        let (gone, come) = unshared(old, new);
        // The default is a rule where it passes; where it blocks it is what is behind all rules.
        for rank in come.iter().copied() {
            self.pairs(stage, rank, Side::New, &[]);
        }
        for rank in gone {
            self.pairs(stage, rank, Side::Old, &come);
        }
    }

    /// A rule of one side against all that it meets on the other, but those `done`.
    fn pairs(&mut self, stage: Stage, rank: usize, side: Side, done: &[usize]) {
        let (mine, theirs) = match side {
            Side::Old => (self.old.judge(stage), self.new.judge(stage)),
            Side::New => (self.new.judge(stage), self.old.judge(stage)),
        };
        let Some(rule) = mine.rules.get(rank) else { return };
        let bounds = &self.old.space.bounds;
        let mut others: Vec<Option<usize>> = Vec::new();
        for cube in &rule.may().cubes {
            others.extend(theirs.meeting(cube, bounds).into_iter().map(Some));
        }
        let vague =
            (0..theirs.rules.len()).filter(|&at| theirs.rules.get(at).is_some_and(|one| one.upper.is_some()));
        others.extend(vague.map(Some));
        others.sort_unstable();
        others.dedup();
        if rule.verdict == Verdict::Pass {
            others.push(None);
        }
        for other in others {
            let verdict =
                other.and_then(|at| theirs.rules.get(at)).map_or(Verdict::Block, |rule| rule.verdict);
            if verdict == rule.verdict || other.is_some_and(|at| done.contains(&at)) {
                continue;
            }
            match side {
                Side::Old => self.pair(stage, Some(rank), other),
                Side::New => self.pair(stage, other, Some(rank)),
            }
        }
    }

    /// The requests that `old` decided and `new` decides.
    fn pair(&mut self, stage: Stage, old: Option<usize>, new: Option<usize>) {
        let Some(left) = self.left.checked_sub(1) else {
            self.complete = false;
            return;
        };
        self.left = left;
        let (was, is) = (self.old.judge(stage), self.new.judge(stage));
        let everything = Region { cubes: vec![super::cube::Cube::all()], except: Vec::new() };
        let of = |judge: &Judge, rank: Option<usize>| {
            rank.and_then(|rank| judge.rules.get(rank)).map_or(everything.clone(), |rule| rule.may().clone())
        };
        let both = both(&of(was, old), &of(is, new), &self.new.space);
        let before = |judge: &Judge, rank: Option<usize>| rank.unwrap_or(judge.rules.len());
        let (old_bound, new_bound) = (before(was, old), before(is, new));
        let cover = |point: &Point| was.cover(point, old_bound).or_else(|| is.cover(point, new_bound));
        let Some(start) = super::judge::pieces(&both, &self.new.space) else {
            self.complete = false;
            return;
        };
        match hunt(start, &self.new.space.bounds, cover) {
            Hunt::Nothing(_) => {}
            Hunt::Undecided => self.complete = false,
            Hunt::Found(point) => {
                let area = self.area(stage, &both, (old, new));
                let ids = (old.and_then(|rank| was.id(rank)), is_id(is, new));
                match self.played(stage, &point, ids) {
                    Some(witness) => {
                        let verdict = witness.verdict;
                        self.found.push(Difference { stage, verdict, old: ids.0, new: ids.1, area, witness });
                    }
                    None => self.complete = false,
                }
            }
        }
    }

    fn played(
        &self,
        stage: Stage,
        point: &Point,
        (old, new): (Option<RuleId>, Option<RuleId>),
    ) -> Option<Witness> {
        let was = self.old.space.play(self.old.model, point, stage)?;
        let is = self.new.space.play(self.new.model, point, stage)?;
        (was.rule == old && is.rule == new && was.verdict != is.verdict).then_some(is)
    }

    fn area(&mut self, stage: Stage, both: &Region, (old, new): (Option<usize>, Option<usize>)) -> Area {
        let (was, is) = (self.old, self.new);
        let describer =
            self.describer.get_or_insert_with(|| Describer::new(&is.space, &[was.model, is.model]));
        let mut area = describer.area(both, None);
        for (side, analysis, rank) in [(Side::Old, was, old), (Side::New, is, new)] {
            let judge = analysis.judge(stage);
            let bound = rank.unwrap_or(judge.rules.len());
            let mut less = Vec::new();
            for cube in &both.cubes {
                less.extend(judge.meeting(cube, &is.space.bounds).into_iter().filter(|&other| other < bound));
            }
            less.sort_unstable();
            less.dedup();
            area.less.extend(less.into_iter().filter_map(|other| Some((side, judge.id(other)?))));
        }
        // A rule that both have is said once.
        area.drop_twins(was.model, is.model);
        area
    }
}

fn is_id(judge: &Judge, rank: Option<usize>) -> Option<RuleId> {
    rank.and_then(|rank| judge.id(rank))
}

/// What two regions share.
pub(super) fn both(one: &Region, other: &Region, space: &Space) -> Region {
    let pairs = one.cubes.iter().flat_map(|a| other.cubes.iter().map(move |b| (a, b)));
    Region {
        cubes: pairs.filter_map(|(a, b)| a.intersect(b, &space.bounds)).collect(),
        except: one.except.iter().chain(&other.except).cloned().collect(),
    }
}

/// The ranks of rules that only one of two has: equal rules are equal wherever they stand.
fn unshared(old: &Judge, new: &Judge) -> (Vec<usize>, Vec<usize>) {
    type Key<'a> = (Verdict, &'a [super::cube::Cube], &'a [super::cube::Cube]);
    fn key(rule: &super::judge::Ruled) -> Option<Key<'_>> {
        // Vague rules are compared by what they may be only if they surely are that.
        rule.upper.is_none().then_some((rule.verdict, &rule.lower.cubes, &rule.lower.except))
    }
    let had: HashSet<Key<'_>> = old.rules.iter().filter_map(key).collect();
    let has: HashSet<Key<'_>> = new.rules.iter().filter_map(key).collect();
    let missing = |judge: &Judge, other: &HashSet<Key<'_>>| -> Vec<usize> {
        let rules = judge.rules.iter().enumerate();
        rules
            .filter(|(_, rule)| key(rule).is_none_or(|key| !other.contains(&key)))
            .map(|(rank, _)| rank)
            .collect()
    };
    (missing(old, &has), missing(new, &had))
}
