//! RS0403: a decision that looks at many rules
//!
//! On some path of the decision tree more than 256 rules have to be looked at one by one.
//!
//! ## Why it matters
//!
//! It costs microseconds on such requests. Rules that name a target, a port or a user are told apart without
//! looking at each.
//!
//! ## Example
//!
//! ```policy
//! # … and 300 more like these
//! socks pass host-1 { cert: "host-1.example.com"  to: 9.9.9.9 }
//! socks pass host-2 { cert: "host-2.example.com"  to: 9.9.9.9 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! # … and 300 more like these
//! socks pass host-1 { user: host-1  to: 9.9.9.9 }
//! socks pass host-2 { user: host-2  to: 9.9.9.9 }
//! ```
//!
//! ## Fix
//!
//! Give the rules a condition that tells them apart, or join them with sets.

use super::context::Context;
use super::{Grade, Lint};
use crate::diagnostic::Diagnostic;
use crate::tree::Policy;

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0403", Grade::Warning, include_str!("rs0403.rs"), check);

/// Rules that a decision may examine one by one without a word.
const MANY: usize = 256;

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    // There can not be more rules on a path than there are.
    if context.model.rules.get(MANY).is_none() {
        return;
    }
    // Where the analysis knows all that rules match, it spares the tree for all but the crowded.
    if context.analysis().crowd(MANY).is_some_and(|worst| worst <= MANY) {
        return;
    }
    found.extend(Policy::compile(context.shared.clone()).crowd());
}
