//! `never` and `always`: held against all requests, not against some.

use crate::analysis::{self, Analysis};
use crate::model::{Invariant, Model, RuleId};

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

/// What is known of each `never` and `always`, in the order of the text.
pub fn prove(model: &Model) -> Vec<(&Invariant, Proof)> {
    if model.invariants.is_empty() {
        return Vec::new();
    }
    let analysis = Analysis::new(model);
    let of = |invariant| match analysis.prove(invariant) {
        analysis::Proof::Holds => Proof::Holds,
        analysis::Proof::Undecided => Proof::Undecided,
        analysis::Proof::Violated(witness) => {
            Proof::Broken { request: witness.arguments().to_owned(), by: witness.rule }
        }
    };
    model.invariants.iter().map(|invariant| (invariant, of(invariant))).collect()
}
