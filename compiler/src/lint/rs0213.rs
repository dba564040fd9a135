//! RS0213: a rule that expires soon
//!
//! The rule ends within fourteen days.
//!
//! ## Why it matters
//!
//! Whoever still needs it learns of it now and not from the helpdesk.
//!
//! ## Example
//!
//! ```policy
//! socks pass migration { to: 9.9.9.9  port: 53  expires: 2026-01-14 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks pass migration { to: 9.9.9.9  port: 53  expires: 2026-07-31 }
//! ```
//!
//! ## Fix
//!
//! Set a later day if it is still needed.

use super::context::Context;
use super::{Grade, Lint};
use crate::diagnostic::Diagnostic;
use crate::model::Test;

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0213", Grade::Info, include_str!("rs0213.rs"), check);

const DAY: i64 = 24 * 3600;

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(now) = context.now else { return };
    for (_, rule, _) in context.rules() {
        for term in rule.when.terms.iter().filter(|term| !term.negated) {
            let Test::Expires(end) = &term.test else { continue };
            let left = end.0 - now.0;
            if left > 0 && left <= 14 * DAY {
                let days = (left + DAY - 1) / DAY;
                let unit = if days == 1 { "day" } else { "days" };
                found.push(
                    LINT.at(term.span, format!("{} ends within {days} {unit}", context.name(rule)))
                        .help("set a later day if it is still needed"),
                );
            }
        }
    }
}
