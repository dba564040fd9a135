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
//! Remove the rule, or set a later day. `check --fix` removes a rule of the socks stage on which nothing else
//! hangs; rules that a test may depend on, rules with `command:` and rules of the client stage are left to
//! `check --unsafe-fixes`.
//!
//! Neither removes the last rule of the client stage that passes: with it gone the stage might be left without
//! rules, and a stage without rules lets every client in, where the expired rule lets in nobody. The same holds of
//! the last pass rule for `bindreply` or `udpreply`, and where all rules of a policy have expired. There it is for
//! you to say what is meant.

use super::context::Context;
use super::{Grade, Lint};
use crate::diagnostic::{Diagnostic, Safety};
use crate::model::{Rule, Stage, Test, Timestamp};
use crate::sample::USUAL_TIME;

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0212", Grade::Warning, include_str!("rs0212.rs"), check);

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(now) = context.now else { return };
    let all = context.model.rules.iter().all(|rule| context.expiry(rule).is_some());
    for (id, rule, _) in context.rules() {
        let Some(term) = context.expiry(rule) else { continue };
        let one =
            LINT.at(term.span, format!("{} has expired", context.name(rule))).label("this day has come");
        let safety = if is_inert(rule) && !is_tested(context, rule, now) { Safety::Safe } else { Safety::Unsafe };
        found.push(if !context.may_go(id, rule) {
            one.help(match rule.stage {
                Stage::Client => {
                    "set a later day, or write the client rules that are meant: with none left, every client is let in"
                }
                Stage::Socks => {
                    "set a later day, or write the rule that is meant: with no pass rule for these replies, all of them pass"
                }
            })
        } else if all {
            one.help("remove the rule, or set a later day")
        } else {
            context.offer_removal(one.help("remove the rule, or set a later day"), id, safety)
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
