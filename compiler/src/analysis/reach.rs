//! Whether a rule can ever decide; whether it ever changes a verdict; where pass rules overlap that
//! differ in effects.

use super::cube::{Cube, Dim, Point};
use super::judge::{Cover, Hunt, Judge, Ruled, hunt, pieces};
use super::set::Set;
use super::space::Space;
use super::witness::Spot;
use super::{Analysis, translate::Region};
use crate::model::{Rule, RuleId, Stage, Verdict};
use crate::oracle;
use crate::request::Command;

/// Whether a rule can ever be the one that decides.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reach {
    /// It can: of this request.
    Decides(Spot),
    /// It can not.
    Never(Never),
    /// Not decided within the budget.
    Undecided,
}

/// Why a rule can never decide. The rules are those that cover it together, none too many, in
/// source order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Never {
    /// Its own conditions contradict each other.
    Empty,
    /// Rules of its verdict, perhaps with blocks beside them, win wherever it matches: nothing
    /// would be judged otherwise without it.
    Redundant {
        /// Those rules; the default is not among them.
        by: Vec<RuleId>,
        /// A request that it matches and another rule decides.
        example: Spot,
    },
    /// It passes, and blocks win wherever it matches.
    Shadowed {
        /// Those blocks.
        by: Vec<RuleId>,
        /// A request that it matches and a block decides.
        example: Spot,
    },
}

/// Whether a policy without a rule would judge any request otherwise.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// Of this request.
    Changes(Spot),
    /// Of none; these rules, or the default if there are none, say the same.
    Nothing {
        /// The rules, none too many.
        by: Vec<RuleId>,
    },
    /// Not decided within the budget.
    Undecided,
}

/// Two pass rules that match the same requests and differ in what is logged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Overlap {
    /// The rule that is named.
    pub winner: RuleId,
    /// The rule whose effects do not come to bear.
    pub loser: RuleId,
    /// A request that both match and the first decides.
    pub example: Spot,
}

/// How many partners of one rule are looked for.
const MAX_PARTNERS: usize = 4;
/// How many rules are tried as the one that covers all.
const MAX_SINGLES: usize = 256;
/// A cover of more rules is not made minimal.
const MAX_MINIMAL: usize = 64;

impl Analysis<'_> {
    /// Whether each rule can ever decide, by [`RuleId`].
    pub fn reach(&self) -> Vec<Reach> {
        let mut answers = vec![Reach::Undecided; self.model.rules.len()];
        for stage in [Stage::Client, Stage::Socks] {
            for (rank, rule) in self.judge(stage).rules.iter().enumerate() {
                let slot = rule.id.and_then(|id| answers.get_mut(id.0 as usize));
                if let Some(slot) = slot {
                    *slot = self.reach_of(stage, rank, rule);
                }
            }
        }
        answers
    }

    fn reach_of(&self, stage: Stage, rank: usize, rule: &Ruled) -> Reach {
        let judge = self.judge(stage);
        let bounds = &self.space.bounds;
        let region = rule.may();
        for cube in &region.cubes {
            for turn in 0..3 {
                let Some(half) = self.space.halves(cube).next() else { continue };
                let Some(point) = half.pick(bounds, turn) else { continue };
                if region.contains(&point)
                    && judge.winner(&point, rank).is_none()
                    && let Some(spot) = self.checked(judge, stage, rule, point)
                {
                    return Reach::Decides(spot);
                }
            }
        }
        let Some(start) = pieces(region, &self.space) else { return Reach::Undecided };
        if start.is_empty() {
            return Reach::Never(Never::Empty);
        }
        match hunt(start.clone(), bounds, |point| judge.cover(point, rank)) {
            Hunt::Undecided => Reach::Undecided,
            Hunt::Found(point) => match self.checked(judge, stage, rule, point) {
                Some(spot) => Reach::Decides(spot),
                None => Reach::Undecided,
            },
            Hunt::Nothing(used) => self.never(stage, rank, rule, &start, used),
        }
    }

    /// Where something is vague only the oracle knows.
    fn checked(&self, judge: &Judge, stage: Stage, rule: &Ruled, point: Point) -> Option<Spot> {
        let spot = Spot { point, stage, rule: rule.id };
        (!judge.vague || self.witness(&spot).is_some()).then_some(spot)
    }

    fn never(&self, stage: Stage, rank: usize, rule: &Ruled, start: &[Cube], used: Vec<usize>) -> Reach {
        let judge = self.judge(stage);
        let blocks = rank.min(judge.blocks);
        let example = start.iter().find_map(|cube| {
            let point = cube.pick(&self.space.bounds, 0)?;
            let (winner, _) = judge.winner(&point, rank)?;
            Some(Spot { point, stage, rule: judge.id(winner) })
        });
        let Some(example) = example else { return Reach::Undecided };
        if rule.verdict == Verdict::Pass {
            let shadow = hunt(start.to_vec(), &self.space.bounds, |point| judge.cover(point, blocks));
            if let Hunt::Nothing(used) = shadow {
                let by = self.minimal(judge, start, used, |other| other < blocks);
                return Reach::Never(Never::Shadowed { by, example });
            }
        }
        let by = self.minimal(judge, start, used, |other| other < rank);
        Reach::Never(Never::Redundant { by, example })
    }

    /// The one rule that covers all alone, or else a cover of which none can be left out.
    fn minimal(
        &self,
        judge: &Judge,
        start: &[Cube],
        used: Vec<usize>,
        may_cover: impl Fn(usize) -> bool,
    ) -> Vec<RuleId> {
        let bounds = &self.space.bounds;
        let covers = |some: &[usize]| {
            let found = hunt(start.to_vec(), bounds, |point| judge.cover_among(point, some));
            matches!(found, Hunt::Nothing(_))
        };
        let first = start.first().and_then(|cube| cube.pick(bounds, 0));
        let holders = first.map(|point| judge.holders(&point)).unwrap_or_default();
        let mut singles = holders.into_iter().filter(|&rank| may_cover(rank)).take(MAX_SINGLES);
        let single = singles.find(|&rank| covers(&[rank]));
        let mut kept = single.map_or(used, |rank| vec![rank]);
        if kept.len() > 1 && kept.len() <= MAX_MINIMAL {
            for rank in kept.clone().into_iter().rev() {
                let fewer: Vec<usize> = kept.iter().copied().filter(|&other| other != rank).collect();
                if covers(&fewer) {
                    kept = fewer;
                }
            }
        }
        let mut ids: Vec<RuleId> = kept.into_iter().filter_map(|rank| judge.id(rank)).collect();
        ids.sort_unstable();
        ids
    }

    /// Whether any request would be judged otherwise without a rule.
    pub fn change(&self, id: RuleId) -> Change {
        let Some((stage, rank)) = self.rank(id) else { return Change::Undecided };
        let judge = self.judge(stage);
        let Some(rule) = judge.rules.get(rank) else { return Change::Undecided };
        let Some(start) = pieces(rule.may(), &self.space) else { return Change::Undecided };
        match rule.verdict {
            Verdict::Pass => self.change_of_pass(stage, rank, start, id),
            Verdict::Block => {
                let mut by = Vec::new();
                for passed in self.passed(judge, &start) {
                    match self.change_among(stage, rank, passed, judge.blocks) {
                        Change::Nothing { by: more } => by.extend(more),
                        other => return other,
                    }
                }
                by.sort_unstable();
                by.dedup();
                Change::Nothing { by }
            }
        }
    }

    /// Replies that only this rule names pass by themselves where it is gone.
    fn change_of_pass(&self, stage: Stage, rank: usize, mut start: Vec<Cube>, id: RuleId) -> Change {
        let judge = self.judge(stage);
        let freed = self.freed(id);
        if !freed.is_none() {
            let replies = Cube::with(Dim::Kind, freed.clone());
            let halves = self.space.halves(&replies).collect();
            let blocked = hunt(halves, &self.space.bounds, |point| judge.cover(point, judge.rules.len()));
            match blocked {
                Hunt::Found(point) => return Change::Changes(Spot { point, stage, rule: None }),
                Hunt::Undecided => return Change::Undecided,
                Hunt::Nothing(_) => {}
            }
            start = start.iter().flat_map(|cube| cube.minus(&replies, &self.space.bounds)).collect();
        }
        self.change_among(stage, rank, start, judge.rules.len())
    }

    fn freed(&self, id: RuleId) -> Set {
        let names = |rule: &Rule, command| {
            rule.verdict == Verdict::Pass && oracle::names_command(&rule.when, command)
        };
        let alone = |command: Command| {
            let mut naming = self.model.stage(Stage::Socks).filter(|(_, rule)| names(rule, command));
            command.is_reply() && naming.next().is_some_and(|(only, _)| only == id) && naming.next().is_none()
        };
        let commands: Vec<Command> = Command::ALL.into_iter().filter(|&command| alone(command)).collect();
        Space::kinds(|command, _| commands.contains(&command))
    }

    fn change_among(&self, stage: Stage, rank: usize, start: Vec<Cube>, below: usize) -> Change {
        let judge = self.judge(stage);
        let cover = |point: &Point| {
            let first = judge.cover(point, below)?;
            if first.who != rank {
                return Some(first);
            }
            let other = judge.holders(point).into_iter().find(|&other| other != rank && other < below)?;
            judge.cover_among(point, &[other])
        };
        match hunt(start.clone(), &self.space.bounds, cover) {
            Hunt::Undecided => Change::Undecided,
            Hunt::Nothing(used) => {
                let by = self.minimal(judge, &start, used, |other| other != rank && other < below);
                Change::Nothing { by }
            }
            Hunt::Found(point) => {
                let decided = judge.winner(&point, judge.rules.len()).and_then(|(rank, _)| judge.id(rank));
                let spot = Spot { point, stage, rule: decided };
                match !judge.vague || self.witness(&spot).is_some() {
                    true => Change::Changes(spot),
                    false => Change::Undecided,
                }
            }
        }
    }

    /// The parts of cubes that some pass rule, or the default, matches: one list for each.
    pub(super) fn passed(&self, judge: &Judge, cubes: &[Cube]) -> Vec<Vec<Cube>> {
        let bounds = &self.space.bounds;
        let mut parts = Vec::new();
        for cube in cubes {
            for rank in judge.meeting(cube, bounds).into_iter().filter(|&rank| rank >= judge.blocks) {
                let Some(rule) = judge.rules.get(rank) else { continue };
                let both = rule.may().cubes.iter().filter_map(|one| cube.intersect(one, bounds)).collect();
                let region = Region { cubes: both, except: rule.may().except.clone() };
                parts.extend(pieces(&region, &self.space).filter(|pieces| !pieces.is_empty()));
            }
        }
        parts
    }

    /// Pass rules that meet and differ in what is logged.
    pub fn overlaps(&self) -> Vec<Overlap> {
        let judge = &self.socks;
        let mut found = Vec::new();
        for (rank, rule) in judge.rules.iter().enumerate().skip(judge.blocks) {
            let Some(winner) = rule.id else { continue };
            let mut partners = 0;
            for cube in &rule.lower.cubes {
                let later = judge.meeting(cube, &self.space.bounds).into_iter().filter(|&other| other > rank);
                for other in later {
                    let Some(loser) = judge.id(other).filter(|&loser| self.logs_differ(winner, loser)) else {
                        continue;
                    };
                    if let Some(point) = self.meet(judge, rank, cube, other) {
                        let example = Spot { point, stage: Stage::Socks, rule: Some(winner) };
                        if !judge.vague || self.witness(&example).is_some() {
                            found.push(Overlap { winner, loser, example });
                            partners += 1;
                        }
                    }
                    if partners >= MAX_PARTNERS {
                        break;
                    }
                }
            }
        }
        found.dedup_by_key(|overlap| (overlap.winner, overlap.loser));
        found
    }

    fn logs_differ(&self, one: RuleId, other: RuleId) -> bool {
        let log = |id| self.model.rule(id).map(|rule| rule.log.unwrap_or(self.model.defaults.log));
        log(one) != log(other)
    }

    /// A request that a rule decides in one of its cubes and another one matches too.
    fn meet(&self, judge: &Judge, rank: usize, cube: &Cube, other: usize) -> Option<Point> {
        let (mine, theirs) = (judge.rules.get(rank)?, judge.rules.get(other)?);
        let bounds = &self.space.bounds;
        let both = theirs.lower.cubes.iter().filter_map(|one| cube.intersect(one, bounds)).collect();
        let except = mine.lower.except.iter().chain(&theirs.lower.except).cloned().collect();
        let start = pieces(&Region { cubes: both, except }, &self.space)?;
        match hunt(start, bounds, |point| judge.cover(point, rank)) {
            Hunt::Found(point) => Some(point),
            Hunt::Nothing(_) | Hunt::Undecided => None,
        }
    }
}

impl Judge {
    /// What covers a request among the rules before `below`.
    pub(super) fn cover(&self, point: &Point, below: usize) -> Option<Cover<'_>> {
        let (who, cube) = self.winner(point, below)?;
        Some(Cover { who, cube, except: self.except(who) })
    }

    fn cover_among(&self, point: &Point, some: &[usize]) -> Option<Cover<'_>> {
        some.iter().find_map(|&who| {
            let rule = self.rules.get(who)?;
            let cube = rule.lower.cubes.iter().find(|cube| cube.contains(point))?;
            let holds = !rule.lower.except.iter().any(|hole| hole.contains(point));
            holds.then_some(Cover { who, cube, except: &rule.lower.except })
        })
    }
}
