//! RS0212: a rule that has expired
//!
//! The day of its `expires:` has come: the rule matches nothing any more.
//!
//! ## Why it matters
//!
//! It stays in the file as if it still held.
//!
//! ## Example
//!
//! ```policy
//! socks pass migration { to: 9.9.9.9  port: 53  expires: 2001-01-31 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks pass migration { to: 9.9.9.9  port: 53  expires: 2101-01-31 }
//! ```
//!
//! ## Fix
//!
//! Remove the rule, which `check --fix` does, or set a later day.

use super::context::Context;
use super::{Grade, Lint};
use crate::diagnostic::{Diagnostic, Safety};
use crate::model::Test;

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0212", Grade::Warning, include_str!("rs0212.rs"), check);

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(now) = context.now else { return };
    for (_, rule, _) in context.rules() {
        for term in rule.when.terms.iter().filter(|term| !term.negated) {
            let Test::Expires(end) = &term.test else { continue };
            if *end <= now {
                found.push(
                    LINT.at(term.span, format!("{} has expired", context.name(rule)))
                        .label("this day has come")
                        .help("remove the rule, or set a later day")
                        .fix("remove the rule", Safety::Safe, vec![context.removal(rule.span)]),
                );
            }
        }
    }
}
