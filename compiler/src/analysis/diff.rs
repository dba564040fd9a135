//! Which requests two policies judge differently.
//!
//! A request is judged differently only if a rule (or the default) that the policies do not share
//! decides it in one of them. So each such rule is held against the rules of the other policy that
//! it meets, and each pair with different verdicts is one area, unless other rules win all of it.

use super::Analysis;
use super::cube::{Cube, Point};
use super::describe::{Area, Describer};
use super::judge::{Hunt, Judge, Ruled, hunt};
use super::space::Space;
use super::translate::Region;
use super::witness::Witness;
use crate::decision::Answer;
use crate::model::{RuleId, Stage, Verdict};
use crate::tree::Policy;
use foldhash::fast::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, OnceLock};

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
    /// Settings that differ and say who can ask at all, or how the addresses of a name count
    /// together: `clientmethod`, `resolve`, `socksmethod`. What they change is not worked out.
    pub settings: Vec<&'static str>,
    /// Whether there is certainly nothing else.
    pub complete: bool,
}

impl Diff {
    /// Whether it is proved that every request is judged as before.
    pub fn is_same(&self) -> bool {
        self.differences.is_empty() && self.settings.is_empty() && self.complete
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
    /// One of the requests, as the new policy sees it; [`Pair::area`] says which they are.
    pub witness: Witness,
    /// What both rules match.
    region: Region,
    ranks: (Option<usize>, Option<usize>),
}

/// Pairs of rules that are looked at, at most.
const BUDGET: usize = 50_000;

/// Two policies in one space: what is compiled before they are compared.
#[derive(Debug)]
pub struct Pair<'p> {
    policies: [&'p Policy; 2],
    old: Analysis<'p>,
    new: Analysis<'p>,
    /// Of each stage: for each rule of the old policy the rank of one in the new policy that says
    /// the same, or [`NONE`].
    twins: [Vec<usize>; 2],
    /// Of each stage: the rules that only the old policy has, and that only the new one has.
    unshared: [[Vec<usize>; 2]; 2],
    describer: OnceLock<Describer>,
}

const STAGES: [Stage; 2] = [Stage::Client, Stage::Socks];

impl<'p> Pair<'p> {
    /// Sorts all that two policies speak of, in time that grows with both.
    pub fn new(old: &'p Policy, new: &'p Policy) -> Self {
        let models = [&**old.model(), &**new.model()];
        let space = Arc::new(Space::of(&models));
        let policies = [old, new];
        let [old, new] = models.map(|model| Analysis::within(space.clone(), model));
        let seeds = [RandomState::default(), RandomState::default()];
        let keys =
            STAGES.map(|stage| (Keys::of(old.judge(stage), &seeds), Keys::of(new.judge(stage), &seeds)));
        let twins = keys.each_ref().map(|(old, new)| [old.twins(new), new.twins(old)]);
        let unshared = twins.each_ref().map(|of_both| of_both.each_ref().map(|twins| alone(twins)));
        let twins = twins.map(|[old, _]| old);
        Self { policies, twins, unshared, old, new, describer: OnceLock::new() }
    }

    /// The requests of a difference in the words of the language, and the rules that take some of
    /// them away. Written for those who ask: most of the work of a long list is in this.
    pub fn area(&self, difference: &Difference) -> Area {
        let Pair { old: was, new: is, .. } = self;
        let Difference { stage, region: both, ranks: (old, new), .. } = difference;
        let describer = self.describer.get_or_init(|| Describer::new(&is.space, &[was.model, is.model]));
        let mut area = describer.area(both, None);
        let (old_judge, new_judge) = (was.judge(*stage), is.judge(*stage));
        let (old_bound, new_bound) =
            (old.unwrap_or(old_judge.rules.len()), new.unwrap_or(new_judge.rules.len()));
        let meeting = |judge: &Judge, bound: usize| {
            let mut less: Vec<usize> = Vec::new();
            for cube in &both.cubes {
                less.extend(judge.meeting(cube, &is.space.bounds).into_iter().filter(|&other| other < bound));
            }
            less.sort_unstable();
            less.dedup();
            less
        };
        // A rule that both have is said once.
        let twins = self.twins(*stage);
        let twin = |rank: usize| twins.get(rank).copied().unwrap_or(NONE);
        let gone = meeting(old_judge, old_bound).into_iter().filter(|&rank| twin(rank) >= new_bound);
        area.less.extend(gone.filter_map(|rank| Some((Side::Old, old_judge.id(rank)?))));
        let come = meeting(new_judge, new_bound).into_iter();
        area.less.extend(come.filter_map(|rank| Some((Side::New, new_judge.id(rank)?))));
        area
    }

    fn settings(&self) -> Vec<&'static str> {
        let (old, new) = (self.old.model, self.new.model);
        let differ = [
            ("clientmethod", old.client_methods != new.client_methods),
            ("resolve", old.strict != new.strict),
            ("socksmethod", old.socks_methods() != new.socks_methods()),
        ];
        differ.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect()
    }

    fn twins(&self, stage: Stage) -> &[usize] {
        let [client, socks] = &self.twins;
        match stage {
            Stage::Client => client,
            Stage::Socks => socks,
        }
    }

    /// What one judges otherwise than the other, in time that grows with the rules that they do not
    /// share and those that these meet.
    pub fn diff(&self) -> Diff {
        let mut comparison = Comparison { pair: self, found: Vec::new(), complete: true, left: BUDGET };
        for (stage, [gone, come]) in STAGES.into_iter().zip(&self.unshared) {
            comparison.stage(stage, gone, come);
        }
        let mut differences = comparison.found;
        differences.sort_by_key(|one| (one.verdict == Verdict::Block, one.stage, one.new, one.old));
        Diff { differences, settings: self.settings(), complete: comparison.complete }
    }
}

/// Compares two policies.
pub fn diff(old: &Policy, new: &Policy) -> Diff {
    Pair::new(old, new).diff()
}

/// The ranks of rules by digests of what they say, in the order of these and of ranks. Nobody can
/// write rules of one digest, since it is under a seed that is drawn for each comparison.
#[derive(Debug)]
struct Keys {
    of: Vec<([u64; 2], usize)>,
    /// Vague rules are compared by what they may be only if they surely are that.
    vague: Vec<usize>,
}

impl Keys {
    fn of(judge: &Judge, seeds: &[RandomState; 2]) -> Self {
        let exact = judge.rules.iter().enumerate().filter(|(_, rule)| rule.upper.is_none());
        let key = |rule: &Ruled| {
            let said = (rule.verdict, &rule.lower.cubes, &rule.lower.except);
            seeds.each_ref().map(|seed| seed.hash_one(said))
        };
        let mut of: Vec<_> = exact.map(|(rank, rule)| (key(rule), rank)).collect();
        of.sort_unstable();
        Self { of, vague: judge.vague_ranks.clone() }
    }

    /// For each rank the first of these others that says the same.
    fn twins(&self, others: &Self) -> Vec<usize> {
        let mut twins = vec![NONE; self.of.len() + self.vague.len()];
        let mut others = others.of.iter().peekable();
        for (key, rank) in &self.of {
            while others.next_if(|(other, _)| other < key).is_some() {}
            if let (Some((other, twin)), Some(mine)) = (others.peek(), twins.get_mut(*rank))
                && other == key
            {
                *mine = *twin;
            }
        }
        twins
    }
}

/// The ranks that have no twin: equal rules are equal wherever they stand.
fn alone(twins: &[usize]) -> Vec<usize> {
    (0..).zip(twins).filter(|(_, twin)| **twin == NONE).map(|(rank, _)| rank).collect()
}

struct Comparison<'a> {
    pair: &'a Pair<'a>,
    found: Vec<Difference>,
    complete: bool,
    left: usize,
}

impl Comparison<'_> {
    fn stage(&mut self, stage: Stage, gone: &[usize], come: &[usize]) {
        // The default is a rule where it passes; where it blocks it is what is behind all rules.
        for &rank in come {
            self.pairs(stage, rank, Side::New, gone, false);
        }
        for &rank in gone {
            self.pairs(stage, rank, Side::Old, come, true);
        }
    }

    /// A rule that only one side has against all that it meets on the other, of which `unshared` are
    /// rules that only that side has; these may be `done`.
    fn pairs(&mut self, stage: Stage, rank: usize, side: Side, unshared: &[usize], done: bool) {
        let (mine, theirs) = match side {
            Side::Old => (self.pair.old.judge(stage), self.pair.new.judge(stage)),
            Side::New => (self.pair.new.judge(stage), self.pair.old.judge(stage)),
        };
        let Some(rule) = mine.rules.get(rank) else { return };
        let bounds = &self.pair.old.space.bounds;
        let mut others: Vec<Option<usize>> = Vec::new();
        if rule.verdict == Verdict::Pass {
            // A block that both sides have wins on this side too, over whatever passes.
            if !done {
                others.extend(unshared.iter().copied().map(Some));
            }
            others.push(None);
        } else {
            for cube in &rule.may().cubes {
                others.extend(theirs.meeting(cube, bounds).into_iter().map(Some));
            }
            others.extend(theirs.vague_ranks.iter().copied().map(Some));
            others.sort_unstable();
            others.dedup();
        }
        for other in others {
            let verdict =
                other.and_then(|at| theirs.rules.get(at)).map_or(Verdict::Block, |rule| rule.verdict);
            if verdict == rule.verdict || done && other.is_some_and(|at| unshared.binary_search(&at).is_ok())
            {
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
        let Pair { old: was_in, new: is_in, .. } = self.pair;
        let (was, is) = (was_in.judge(stage), is_in.judge(stage));
        let everything = Region { cubes: vec![Cube::all()], except: Vec::new() };
        let of = |judge: &Judge, rank: Option<usize>| {
            rank.and_then(|rank| judge.rules.get(rank)).map_or(everything.clone(), |rule| rule.may().clone())
        };
        let both = both(&of(was, old), &of(is, new), &is_in.space);
        let before = |judge: &Judge, rank: Option<usize>| rank.unwrap_or(judge.rules.len());
        let (old_bound, new_bound) = (before(was, old), before(is, new));
        // Of clients that one side turns away at the door the client stage has been told.
        let socks = stage == Stage::Socks;
        let turned_away = |point: &Point| was_in.turned_away(point).or_else(|| is_in.turned_away(point));
        let cover = |point: &Point| {
            let outside = if socks { turned_away(point) } else { None };
            outside.or_else(|| was.cover(point, old_bound)).or_else(|| is.cover(point, new_bound))
        };
        let admitted = |start: Vec<Cube>| {
            let offered = self.offered(&start);
            was_in.admitted(&offered).and_then(|start| is_in.admitted(&start))
        };
        let start = super::judge::pieces(&both, &is_in.space);
        let Some(start) = (if socks { start.and_then(admitted) } else { start }) else {
            self.complete = false;
            return;
        };
        match hunt(start, &is_in.space.bounds, cover) {
            Hunt::Nothing(_) => {}
            Hunt::Undecided => self.complete = false,
            Hunt::Found(point) => {
                let ids = (old.and_then(|rank| was.id(rank)), is_id(is, new));
                match self.played(stage, &point, ids) {
                    Some(witness) => {
                        let verdict = witness.verdict;
                        self.found.push(Difference {
                            stage,
                            verdict,
                            old: ids.0,
                            new: ids.1,
                            witness,
                            region: both,
                            ranks: (old, new),
                        });
                    }
                    None => self.complete = false,
                }
            }
        }
    }

    /// The parts of cubes that are asked for with a method that one of the policies lists.
    fn offered(&self, cubes: &[Cube]) -> Vec<Cube> {
        let Pair { old, new, .. } = self.pair;
        let of = |offered: &Cube| {
            cubes.iter().filter_map(|cube| cube.intersect(offered, &new.space.bounds)).collect::<Vec<_>>()
        };
        if old.offered == new.offered {
            of(&new.offered)
        } else {
            [of(&old.offered), of(&new.offered)].concat()
        }
    }

    fn played(
        &self,
        stage: Stage,
        point: &Point,
        (old, new): (Option<RuleId>, Option<RuleId>),
    ) -> Option<Witness> {
        let [old_policy, new_policy] = self.pair.policies;
        let was = self.pair.old.space.play_compiled(old_policy, point, stage)?;
        let is = self.pair.new.space.play_compiled(new_policy, point, stage)?;
        let admitted =
            |policy: &Policy| policy.admit(&is.sample(policy.model()).client()).answer() == Answer::Pass;
        let heard = stage == Stage::Client || admitted(old_policy) && admitted(new_policy);
        let shown = heard && was.rule == old && is.rule == new && was.verdict != is.verdict;
        let models = [&**old_policy.model(), &**new_policy.model()];
        shown.then(|| is.beside(&models, &self.pair.new.space))
    }
}

/// No twin.
const NONE: usize = usize::MAX;

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
