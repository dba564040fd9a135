//! RS0202: a rule that several others take the place of
//!
//! No single rule covers this one, but several together do: each of them takes some of its values, and nothing
//! is left.
//!
//! ## Why it matters
//!
//! As with RS0201 the rule has no effect. That is harder to see by reading, so the rules that take its parts
//! are all pointed at.
//!
//! ## Example
//!
//! ```policy
//! client pass east { from: 10.1.0.0/16 }
//! client pass west { from: 10.2.0.0/16 }
//! client pass both { from: 10.1.0.0/24, 10.2.0.0/24 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! client pass east { from: 10.1.0.0/16 }
//! client pass west { from: 10.2.0.0/16 }
//! ```
//!
//! ## Fix
//!
//! Remove the rule, or put right those that are too wide.

use super::context::Context;
use super::cover::Cover;
use super::{Grade, Lint};
use crate::diagnostic::{Diagnostic, Safety};

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0202", Grade::Warning, include_str!("rs0202.rs"), check);

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (id, rule, _) in context.rules() {
        let Some(Cover::Together(parts)) = context.cover(id) else { continue };
        if context.only_blocks(rule, parts) {
            continue;
        }
        let mut one = LINT
            .at(rule.head, format!("{} never decides", context.name(rule)))
            .label(format!("every request that this rule matches is decided by one of {} others", parts.len()))
            .help("remove it, or say what it was to add");
        for part in parts.iter().filter_map(|part| context.model.rule(*part)) {
            one = one.related(part.head, "decides a part");
        }
        found.push(context.offer_removal(one, id, Safety::Unsafe));
    }
}
