//! RS0203: a pass rule that is blocked throughout
//!
//! A `block` rule matches every request that this `pass` rule matches, or several together do.
//!
//! ## Why it matters
//!
//! A block wins wherever it stands. Whoever comes from a first-match language expects the narrow rule above the
//! wide one to hold; here the exception belongs into the block.
//!
//! ## Example
//!
//! ```policy
//! socks block example { to: .example.com }
//! socks pass api { to: api.example.com  port: 443 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks block example { to: .example.com except api.example.com }
//! socks pass api { to: api.example.com  port: 443 }
//! ```
//!
//! ## Fix
//!
//! Write the exception into the block: `except` behind its values for targets, `except { … }` for any
//! conditions.

use super::context::Context;
use super::cover::Cover;
use super::{Grade, Lint};
use crate::diagnostic::Diagnostic;
use crate::model::{Rule, RuleId, Test};

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0203", Grade::Warning, include_str!("rs0203.rs"), check);

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (id, rule, _) in context.rules() {
        let by = match context.cover(id) {
            Some(Cover::Blocked(by)) => by,
            Some(Cover::Together(parts)) if context.only_blocks(rule, parts) => {
                found.push(by_several(context, rule, parts));
                continue;
            }
            _ => continue,
        };
        let Some(block) = context.model.rule(*by) else { continue };
        if context.shape(by.0 as usize).is_some_and(|shape| context.takes_all(shape)) {
            continue;
        }
        let mut one = LINT
            .at(rule.head, format!("{} can never pass anything", context.name(rule)))
            .label("every request that this rule matches …")
            .related(block.head, "… is already blocked here")
            .help(help(context, rule));
        if let Some(sample) = super::witness::find(
            context.model,
            &[&rule.when],
            &super::witness::Sample::default(),
            |sample| sample.matches(context.model, rule) && sample.matches(context.model, block),
        )
        .filter(|_| context.spend(2))
        {
            one = one.witness(context.show(&sample));
        }
        found.push(one);
    }
}

fn by_several(context: &Context<'_>, rule: &Rule, parts: &[RuleId]) -> Diagnostic {
    let one = LINT
        .at(rule.head, format!("{} can never pass anything", context.name(rule)))
        .label(format!("every request that this rule matches is blocked by one of {} rules", parts.len()))
        .help("block wins in any order; carve the exception out of one of the blocks with `except`");
    let blocks = parts.iter().filter_map(|part| context.model.rule(*part));
    blocks.fold(one, |one, block| one.related(block.head, "blocks a part"))
}

fn help(context: &Context<'_>, rule: &Rule) -> String {
    let conditions: Vec<&str> = rule
        .when
        .terms
        .iter()
        .filter(|term| !matches!(term.test, Test::Expires(_)))
        .map(|term| context.model.sources.text(term.span))
        .collect();
    let text = conditions.join("  ");
    if text.is_empty() || text.contains(['\n', '#']) {
        return "block wins in any order; carve the exception out of the block with `except`".into();
    }
    format!("block wins in any order; carve the exception out of the block: `except {{ {text} }}`")
}
