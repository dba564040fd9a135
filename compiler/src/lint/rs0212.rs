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
use crate::model::{Rule, Stage, Test, Timestamp};
use crate::sample::USUAL_TIME;

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0212", Grade::Warning, include_str!("rs0212.rs"), check);

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(now) = context.now else { return };
    let ended = |rule: &Rule| {
        rule.when.terms.iter().any(|term| matches!(&term.test, Test::Expires(end) if *end <= now))
    };
    let all = context.model.rules.iter().all(ended);
    for (_, rule, _) in context.rules() {
        let end = rule.when.terms.iter().find(|term| matches!(&term.test, Test::Expires(end) if *end <= now));
        let Some(term) = end else { continue };
        let one = LINT
            .at(term.span, format!("{} has expired", context.name(rule)))
            .label("this day has come")
            .help("remove the rule, or set a later day");
        let safety = if is_inert(rule) && !is_tested(context, rule, now) { Safety::Safe } else { Safety::Unsafe };
        found.push(if all {
            one
        } else {
            one.fix("remove the rule", safety, vec![context.removal(rule.span)])
        });
    }
}

/// Whether a test names the rule, or may depend on it: a test has a time of its own, at which the
/// rule may still hold.
fn is_tested(context: &Context<'_>, rule: &Rule, now: Timestamp) -> bool {
    let mut cases = context.model.tests.iter().flat_map(|test| &test.cases);
    cases.any(|case| {
        case.rule.is_some() && case.rule == rule.name || case.request.time.unwrap_or(USUAL_TIME) < now
    })
}

/// Whether nothing hangs on the rule being there: the first client rule closes the client stage to
/// others, the first pass rule for replies closes it to other replies.
fn is_inert(rule: &Rule) -> bool {
    rule.stage == Stage::Socks && !rule.when.terms.iter().any(|term| matches!(term.test, Test::Command(_)))
}
