//! RS0211: a rule that no client reaches
//!
//! No `client pass` rule lets in a client that this `socks` rule speaks of, or a `client block` turns all of
//! them away.
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
use crate::model::{Rule, Stage, Test, Verdict};

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0211", Grade::Warning, include_str!("rs0211.rs"), check);

/// Client rules that are compared with every other rule.
const MOST: usize = 128;

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let model = context.model;
    if model.stage(Stage::Client).count() > MOST {
        return;
    }
    let open = model.default_of(Stage::Client) == Verdict::Pass;
    if open && context.those(Stage::Client, Verdict::Block).next().is_none() {
        return;
    }
    let gates: Vec<RuleShape<'_>> =
        context.those(Stage::Client, Verdict::Pass).map(|(_, _, shape)| without_methods(shape)).collect();
    for (id, rule, shape) in context.rules().filter(|(_, rule, _)| rule.stage == Stage::Socks) {
        if context.cover(id).is_some() {
            continue;
        }
        let shape = without_methods(shape);
        let shut = !open && gates.iter().all(|gate| context.ground.disjoint(gate, &shape));
        let block = turned_away(context, &shape);
        if !shut && block.is_none() {
            continue;
        }
        let span = context.ends(id, false).map_or(rule.head, |(term, _)| term.span);
        let one = LINT.at(span, format!("{} is never reached", context.name(rule)));
        found.push(match block.filter(|_| !shut) {
            Some(block) => one
                .label("every such client …")
                .related(block.head, "… is turned away here")
                .help("take such clients out of the block, or remove the rule"),
            None => {
                let one = one
                    .label("no client rule lets such a client in")
                    .help("add a `client pass` for it, or remove the rule");
                match context.those(Stage::Client, Verdict::Pass).next() {
                    Some((_, gate, _)) => one.related(gate.head, "who may connect is said here"),
                    None => one,
                }
            }
        });
    }
}

/// The block of the client stage that has all clients of a rule; one that has every client is told
/// by another code.
fn turned_away<'a>(context: &Context<'a>, shape: &RuleShape<'a>) -> Option<&'a Rule> {
    let blocks = context.those(Stage::Client, Verdict::Block);
    let mut covering = blocks.filter(|(_, rule, block)| {
        !asks_for_a_method(rule) && context.ground.covers(block, shape) && !context.takes_all(block)
    });
    covering.next().map(|(_, rule, _)| rule)
}

/// The methods of the client stage are others than those of the socks stage, which users come with.
fn asks_for_a_method(rule: &Rule) -> bool {
    let terms = std::iter::once(&rule.when).chain(&rule.except).flat_map(|when| &when.terms);
    terms.into_iter().any(|term| matches!(term.test, Test::Method(_)))
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
