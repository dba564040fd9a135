//! Exact answers about a policy: which rules can ever decide, what a change changes, who can reach
//! what.
//!
//! Rules are sets of cubes (`cube`) in the space of all requests. Everything reduces to one question:
//! is there a request in these cubes that none of those cover? It is answered by trial: pick a
//! request, ask which rule has it, take what that rule covers away, and go on with what is left. A
//! request that is left over is a witness; nothing left is a proof. Budgets are explicit: where one
//! runs out the answer is "undecided", never a guess. A witness is played back through the
//! [oracle](crate::oracle) before anybody sees it.
//!
//! A request is taken as it is finally judged: with the address that would be dialled. Methods that
//! name a user come with one, others without; what is asked of a policy and of its changes speaks of
//! methods that it lists, while promises hold for all there are; SOCKS 4 knows no datagrams and HTTP only CONNECT; time
//! runs through the years that the policy speaks of.

mod automata;
mod clock;
mod cube;
mod describe;
mod diff;
mod index;
mod judge;
mod names;
mod numbering;
mod prove;
mod query;
mod reach;
mod set;
mod space;
mod translate;
mod witness;

pub use describe::{Area, Said};
pub use diff::{Diff, Difference, Pair, Side, diff};
pub use prove::Proof;
pub use query::{Passed, Reachable, can_reach};
pub use reach::{Change, Never, Overlap, Reach};
pub use witness::{Spot, Witness, arguments};

use crate::model::{Invariant, Model, RuleId, Stage};
use cube::{Cube, Dim};
use judge::Judge;
use space::Space;
use std::sync::Arc;
use translate::Translator;

/// A policy in the space of its requests: what all questions are asked of.
#[derive(Debug)]
pub struct Analysis<'m> {
    model: &'m Model,
    space: Arc<Space>,
    client: Judge,
    socks: Judge,
    /// Requests by methods that the policy lists.
    offered: Cube,
}

impl<'m> Analysis<'m> {
    /// Sorts all that a policy speaks of.
    pub fn new(model: &'m Model) -> Self {
        Self::within(Arc::new(Space::of(&[model])), model)
    }

    fn within(space: Arc<Space>, model: &'m Model) -> Self {
        let translator = Translator::new(&space, model);
        let client = Judge::new(&translator, &space, model, Stage::Client);
        let socks = Judge::new(&translator, &space, model, Stage::Socks);
        let offered = Cube::with(Dim::Method, space.offered(&model.socks_methods()));
        Self { model, space, client, socks, offered }
    }

    /// How many rules a decision of either stage has to examine one by one, at the worst request
    /// that was found; 0 where that is surely no more than `enough`, and `None` where not all is
    /// known of what rules match.
    pub(crate) fn crowd(&self, enough: usize) -> Option<usize> {
        let judges = [&self.client, &self.socks];
        let exact = judges.iter().all(|judge| !judge.vague);
        exact.then(|| judges.iter().map(|judge| judge.crowd(&self.space, enough)).max().unwrap_or(0))
    }

    fn judge(&self, stage: Stage) -> &Judge {
        match stage {
            Stage::Client => &self.client,
            Stage::Socks => &self.socks,
        }
    }

    fn rank(&self, id: RuleId) -> Option<(Stage, usize)> {
        let stage = self.model.rule(id)?.stage;
        let rank = self.judge(stage).rules.iter().position(|rule| rule.id == Some(id))?;
        Some((stage, rank))
    }

    /// The request of a spot, if the oracle agrees with what is claimed of it.
    pub fn witness(&self, spot: &Spot) -> Option<Witness> {
        let witness = self.space.play(self.model, &spot.point, spot.stage)?;
        (witness.rule == spot.rule).then_some(witness)
    }
}

/// Whether each rule of a policy can ever decide, by [`RuleId`].
pub fn reach(model: &Model) -> Vec<Reach> {
    Analysis::new(model).reach()
}

/// Whether a promise of a policy is kept by every request.
pub fn prove(model: &Model, invariant: &Invariant) -> Proof {
    Analysis::new(model).prove(invariant)
}

/// Pass rules that match the same requests and differ in what is logged.
pub fn overlaps(model: &Model) -> Vec<Overlap> {
    Analysis::new(model).overlaps()
}
