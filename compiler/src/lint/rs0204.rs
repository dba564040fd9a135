//! RS0204: a rule that changes nothing
//!
//! Without this rule a wider one of the same verdict and the same effects would decide all its requests.
//!
//! ## Why it matters
//!
//! A policy with rules that do nothing is harder to review than one without.
//!
//! ## Example
//!
//! ```policy
//! client pass floor { from: 10.1.0.0/16 }
//! client pass office { from: 10.0.0.0/8 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! client pass office { from: 10.0.0.0/8 }
//! ```
//!
//! ## Fix
//!
//! Remove the rule. Where its name in the records is wanted, suppress the finding and say so.

use super::context::Context;
use super::cover::Cover;
use super::{Grade, Lint};
use crate::diagnostic::{Diagnostic, Safety};

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0204", Grade::Warning, include_str!("rs0204.rs"), check);

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (id, rule, _) in context.rules() {
        let Some(Cover::Redundant(by)) = context.cover(id) else { continue };
        let Some(wider) = context.model.rule(*by) else { continue };
        let one = LINT.at(rule.head, format!("{} changes nothing", context.name(rule)))
                .label("without this rule …")
                .related(wider.head, "… this one would decide the same, with the same effects")
                .help("remove it; keep it only if its name in the records is wanted");
        found.push(context.offer_removal(one, id, Safety::Unsafe));
    }
}
