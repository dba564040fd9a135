//! `never` and `always`: held against all requests, not against some.

use crate::lint::witness::{Sample, find};
use crate::model::{Conditions, Invariant, InvariantKind, Model, RuleId, Stage, Verdict};

/// What is known of an invariant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Proof {
    /// A request shows that it does not hold.
    Broken {
        /// The request, as arguments of `rustsocks explain`.
        request: String,
        /// The rule that decides it; `None` for the default.
        by: Option<RuleId>,
    },
    /// It holds of every request.
    Holds,
    /// Neither was found within the budget.
    Undecided,
}

/// Looks for a request that breaks an invariant.
pub fn prove(model: &Model, invariant: &Invariant) -> Proof {
    let forbidden = match (invariant.kind, invariant.verdict) {
        (InvariantKind::Never, verdict) => verdict,
        (InvariantKind::Always, Verdict::Block) => Verdict::Pass,
        (InvariantKind::Always, Verdict::Pass) => Verdict::Block,
    };
    let excepted = |sample: &Sample| invariant.except.iter().any(|when| sample.fits(model, when));
    let breaks = |sample: &Sample| {
        sample.fits(model, &invariant.when) && !excepted(sample) && sample.verdict(model) == forbidden
    };
    let nothing = Conditions::default();
    let rules = model.stage(Stage::Socks).filter(|(_, rule)| rule.verdict == forbidden);
    let starts = std::iter::once(&nothing).chain(rules.map(|(_, rule)| &rule.when));
    for when in starts.take(1000) {
        if let Some(sample) = find(model, &[&invariant.when, when], &Sample::default(), breaks) {
            let by = model
                .stage(Stage::Socks)
                .find(|(_, rule)| rule.verdict == forbidden && sample.matches(model, rule))
                .map(|(id, _)| id);
            return Proof::Broken { request: sample.to_string(), by };
        }
    }
    Proof::Undecided
}
