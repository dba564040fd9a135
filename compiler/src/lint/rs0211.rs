//! RS0211: a rule that no client reaches
//!
//! No `client pass` rule lets in a client that this `socks` rule speaks of.
//!
//! ## Why it matters
//!
//! A connection must pass both stages. The rule looks as if it admitted somebody whom the door turns away.
//!
//! ## Example
//!
//! ```policy
//! client pass office { from: 10.0.0.0/8 }
//! socks pass guests { from: 192.168.7.0/24  to: 9.9.9.9  port: 53 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! client pass office { from: 10.0.0.0/8 }
//! client pass guests { from: 192.168.7.0/24 }
//! socks pass guests-dns { from: 192.168.7.0/24  to: 9.9.9.9  port: 53 }
//! ```
//!
//! ## Fix
//!
//! Add a client rule for these clients, or remove the rule.

use super::context::Context;
use super::shape::RuleShape;
use super::{Grade, Lint};
use crate::diagnostic::Diagnostic;
use crate::model::{Stage, Test, Verdict};

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0211", Grade::Warning, include_str!("rs0211.rs"), check);

/// Client rules that are compared with every other rule.
const MOST: usize = 128;

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let model = context.model;
    if model.default_of(Stage::Client) == Verdict::Pass || model.stage(Stage::Client).count() > MOST {
        return;
    }
    let gates: Vec<RuleShape<'_>> =
        context.those(Stage::Client, Verdict::Pass).map(|(_, _, shape)| without_methods(shape)).collect();
    for (id, rule, shape) in context.rules().filter(|(_, rule, _)| rule.stage == Stage::Socks) {
        let shape = without_methods(shape);
        if context.cover(id).is_some() || !gates.iter().all(|gate| context.ground.disjoint(gate, &shape)) {
            continue;
        }
        let span = context.ends(id, false).map_or(rule.head, |(term, _)| term.span);
        let mut one = LINT
            .at(span, format!("{} is never reached", context.name(rule)))
            .label("no client rule lets such a client in")
            .help("add a `client pass` for it, or remove the rule");
        if let Some((_, gate, _)) = context.those(Stage::Client, Verdict::Pass).next() {
            one = one.related(gate.head, "who may connect is said here");
        }
        found.push(one);
    }
}

/// The two stages speak of different methods. An `except` that speaks of one is left out, which
/// only makes the rule wider.
fn without_methods<'a>(shape: &RuleShape<'a>) -> RuleShape<'a> {
    let is_method = |test: &Test| matches!(test, Test::Method(_));
    let mut plain = shape.clone();
    plain.when.terms.retain(|part| !is_method(&part.term.test));
    plain.except.retain(|hole| !hole.terms.iter().any(|part| is_method(&part.term.test)));
    plain
}
