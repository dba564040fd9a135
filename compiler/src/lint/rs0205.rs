//! RS0205: a rule that matches nothing
//!
//! The conditions of the rule exclude each other, or its `except` takes away all that they leave.
//!
//! ## Why it matters
//!
//! A block that matches nothing is an open door with a sign on it.
//!
//! ## Example
//!
//! ```policy
//! socks block udp { command: connect  protocol: udp }
//! socks pass dns { to: 9.9.9.9  port: 53 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks block udp { protocol: udp }
//! socks pass dns { to: 9.9.9.9  port: 53 }
//! ```
//!
//! ## Fix
//!
//! Conditions of one rule must all hold at once. To mean either of two things, write two rules.

use super::context::Context;
use super::cover::Cover;
use super::shape::Void;
use super::{Grade, Lint};
use crate::diagnostic::Diagnostic;
use crate::model::{Rule, Term, Test};
use crate::source::Span;

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0205", Grade::Warning, include_str!("rs0205.rs"), check);

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (id, rule, shape) in context.rules() {
        let Some(Cover::Void(why)) = context.cover(id) else { continue };
        let message = format!("{} matches nothing", context.name(rule));
        let at = |part: usize| shape.when.terms.get(part).map_or(rule.head, |part| part.term.span);
        let one = match *why {
            Void::Commands => commands(rule, &message),
            Void::Except(hole) => LINT
                .at(rule.head, message)
                .label("whatever this rule matches …")
                .related(rule.except.get(hole).and_then(|hole| hole.span).unwrap_or(rule.head), "… is excepted here")
                .help("narrow the `except`, or remove the rule"),
            Void::Pair(one, other) => LINT
                .at(at(other), message)
                .label("this can not hold …")
                .related(at(one), "… where this holds")
                .help("conditions of one rule must all hold; to mean either, write two rules"),
            Void::Together => LINT
                .at(rule.head, message)
                .label("its conditions together leave no request")
                .help("correct the conditions, or remove the rule"),
            Void::Term(part) => LINT
                .at(at(part), message)
                .label("nothing fits this condition")
                .help("correct the condition, or remove the rule"),
        };
        found.push(one);
    }
}

fn commands(rule: &Rule, message: &str) -> Diagnostic {
    let of = |kind: fn(&Term) -> bool| rule.when.terms.iter().find(|term| kind(term)).map(|term| term.span);
    let command: Option<Span> = of(|term| matches!(term.test, Test::Command(_)));
    let protocol = of(|term| matches!(term.test, Test::Protocol(_)));
    let one = LINT.at(protocol.or(command).unwrap_or(rule.head), message).label("this can not hold …");
    match (command, protocol) {
        (Some(command), Some(_)) => one.related(command, "… with this command"),
        _ => one,
    }
    .help("`connect` and `bind` are TCP, `udpassociate` is UDP")
}
