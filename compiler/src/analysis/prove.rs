//! Whether what a policy promises of itself (`never`, `always`) is kept by every request.
//!
//! A promise speaks of requests that reach the socks stage: of clients that the client stage lets
//! in.

use super::Analysis;
use super::cube::{Cube, Point};
use super::judge::{Cover, Hunt, hunt, pieces};
use super::translate::{Region, Translator};
use super::witness::Witness;
use crate::model::{Invariant, InvariantKind, Stage, Verdict};
use crate::oracle::{self, Facts, Truth};
use crate::{Answer, model::Conditions};

/// What has become of a promise.
#[derive(Clone, Debug)]
pub enum Proof {
    /// No request breaks it.
    Holds,
    /// Not decided within the budget.
    Undecided,
    /// This request breaks it.
    Violated(Box<Witness>),
}

impl Analysis<'_> {
    /// Whether every request keeps a promise. The invariant is one of the policy's own.
    pub fn prove(&self, invariant: &Invariant) -> Proof {
        let forbidden = match (invariant.kind, invariant.verdict) {
            (InvariantKind::Never, verdict) => verdict,
            (InvariantKind::Always, Verdict::Pass) => Verdict::Block,
            (InvariantKind::Always, Verdict::Block) => Verdict::Pass,
        };
        let translator = Translator::new(&self.space, self.model);
        let (lower, upper) = translator.stand_alone(&invariant.when, &invariant.except);
        let start = pieces(&upper.unwrap_or(lower), &self.space).and_then(|start| self.admitted(&start));
        let Some(start) = start else { return Proof::Undecided };
        let mut undecided = false;
        for part in self.suspects(&start, forbidden) {
            let Some((cubes, below)) = part else {
                undecided = true;
                continue;
            };
            let cover = |point: &Point| self.turned_away(point).or_else(|| self.socks.cover(point, below));
            match hunt(cubes, &self.space.bounds, cover) {
                Hunt::Nothing(_) => {}
                Hunt::Undecided => undecided = true,
                Hunt::Found(point) => match self.breaks(&point, invariant, forbidden) {
                    Some(witness) => return Proof::Violated(Box::new(witness)),
                    None => undecided = true,
                },
            }
        }
        if undecided { Proof::Undecided } else { Proof::Holds }
    }

    /// Cubes in which each request that no rule before some rank has gets a verdict; all requests
    /// with that verdict are in one of them. `None`: too many pieces.
    fn suspects(&self, start: &[Cube], verdict: Verdict) -> Vec<Option<(Vec<Cube>, usize)>> {
        let judge = &self.socks;
        match verdict {
            Verdict::Pass => {
                self.passed(judge, start).into_iter().map(|cubes| Some((cubes, judge.blocks))).collect()
            }
            Verdict::Block => {
                let mut parts = vec![Some((start.to_vec(), judge.rules.len()))];
                for cube in start {
                    let blocks = judge.meeting(cube, &self.space.bounds).into_iter();
                    let blocks =
                        blocks.filter(|&rank| rank < judge.blocks).filter_map(|rank| judge.rules.get(rank));
                    parts.extend(blocks.map(|block| Some((self.shared(cube, block.may())?, 0))));
                }
                // Blocks that may be larger than is known are not met by what is known of them.
                let vague = judge.rules.iter().take(judge.blocks).filter(|block| block.upper.is_some());
                for block in vague {
                    parts.extend(start.iter().map(|cube| Some((self.shared(cube, block.may())?, 0))));
                }
                parts
            }
        }
    }

    /// What a cube and a region share.
    pub(super) fn shared(&self, cube: &Cube, region: &Region) -> Option<Vec<Cube>> {
        let bounds = &self.space.bounds;
        let cubes = region.cubes.iter().filter_map(|one| cube.intersect(one, bounds)).collect();
        pieces(&Region { cubes, except: region.except.clone() }, &self.space)
    }

    /// The parts of cubes that the client stage may let in, its blocks aside.
    pub(super) fn admitted(&self, cubes: &[Cube]) -> Option<Vec<Cube>> {
        let mut admitted = Vec::new();
        for cube in cubes {
            for pass in self.client.rules.iter().skip(self.client.blocks) {
                admitted.extend(self.shared(cube, pass.may())?);
            }
        }
        Some(admitted)
    }

    /// The block of the client stage that has a request.
    pub(super) fn turned_away(&self, point: &Point) -> Option<Cover<'_>> {
        self.client.cover(point, self.client.blocks)
    }

    /// The request, if it breaks the promise indeed.
    fn breaks(&self, point: &Point, invariant: &Invariant, forbidden: Verdict) -> Option<Witness> {
        let witness = self.space.play(self.model, point, Stage::Socks)?;
        let sample = witness.sample(self.model);
        let request = sample.request(sample.addresses.first().copied());
        let facts = Facts::from(&request);
        let holds = |when: &Conditions| oracle::conditions(self.model, when, &facts) == Truth::True;
        let meant = holds(&invariant.when) && !invariant.except.iter().any(holds);
        let admitted = oracle::admit(self.model, &sample.client()).answer() == Answer::Pass;
        (meant && admitted && witness.verdict == forbidden).then_some(witness)
    }
}
