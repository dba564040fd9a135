//! RS0201: a rule that never decides
//!
//! Another rule of the same verdict that is named first, by priority or by its place, matches every request
//! that this rule matches.
//!
//! ## Why it matters
//!
//! Its `log`, its note and its name never show. Most often one of the two is wrong, or the wider one was a
//! stopgap that stayed.
//!
//! ## Example
//!
//! ```policy
//! client pass office { from: 10.0.0.0/8 }
//! client pass floor { from: 10.1.0.0/16 }
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
//! Remove the rule, or put right the one that is too wide. `check --unsafe-fixes` removes it: no verdict
//! changes, but what was meant may be lost.

use super::context::Context;
use super::cover::Cover;
use super::{Grade, Lint};
use crate::diagnostic::{Diagnostic, Safety};

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0201", Grade::Warning, include_str!("rs0201.rs"), check);

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (id, rule, _) in context.rules() {
        let Some(Cover::By(first)) = context.cover(id) else { continue };
        let Some(first) = context.model.rule(*first) else { continue };
        let one = LINT.at(rule.head, format!("{} never decides", context.name(rule)))
                .label("every request that this rule matches …")
                .related(first.head, "… is decided by this rule")
                .help("remove it, or say what it was to add");
        found.push(context.offer_removal(one, id, Safety::Unsafe));
    }
}
