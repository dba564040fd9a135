//! RS0215: an empty set, list or group
//!
//! The set, the list file or the group has no values.
//!
//! ## Why it matters
//!
//! A rule over it matches nothing. A feed that came empty blocks nobody.
//!
//! ## Example
//!
//! ```policy
//! set office {}
//! client pass office { from: @office }
//! ```
//!
//! ## Better
//!
//! ```policy
//! set office { 10.0.0.0/8 }
//! client pass office { from: @office }
//! ```
//!
//! ## Fix
//!
//! Fill it, or remove it with the rules that speak of it.

use super::context::Context;
use super::{Grade, Lint};
use crate::diagnostic::Diagnostic;
use crate::model::SetBody;

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0215", Grade::Warning, include_str!("rs0215.rs"), check);

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for set in &context.model.sets {
        let one = match &set.body {
            SetBody::Expr(expr) if expr.include.is_empty() => "it has no values",
            SetBody::Expr(expr) if context.ground.flats.is_void(context.model, &context.flat(expr)) => {
                "its `except` takes all of it away"
            }
            SetBody::List(list) if list.is_empty() => "the list has no entry",
            SetBody::Expr(_) | SetBody::List(_) => continue,
        };
        found.push(
            LINT.at(set.span, format!("set `{}` is empty", set.name))
                .label(one)
                .help("a rule over an empty set matches nothing: fill it, or remove it"),
        );
    }
    for group in context.model.groups.iter().filter(|group| group.members.is_empty()) {
        found.push(
            LINT.at(group.span, format!("group `{}` is empty", group.name))
                .label("it has no members")
                .help("a rule over an empty group matches nobody: fill it, or remove it"),
        );
    }
}
