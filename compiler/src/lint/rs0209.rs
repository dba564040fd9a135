//! RS0209: a value that adds or removes nothing
//!
//! A value lies within another value of the same list, or an `except` takes away what was never in.
//!
//! ## Why it matters
//!
//! It says something that is not so: that the rule would be narrower, or wider, without it.
//!
//! ## Example
//!
//! ```policy
//! set office { 10.0.0.0/8, 10.1.0.0/16 }
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
//! Remove the value, which `check --fix` does, or correct it.

use super::context::Context;
use super::inside;
use super::{Grade, Lint};
use crate::diagnostic::{Diagnostic, Edit, Safety};
use crate::model::{SetBody, SetExpr, SetItem, Test};
use crate::source::Span;

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0209", Grade::Warning, include_str!("rs0209.rs"), check);

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for set in &context.model.sets {
        if let SetBody::Expr(expr) = &set.body {
            values(context, expr, found);
        }
    }
    for (_, rule, shape) in context.rules() {
        for when in std::iter::once(&rule.when).chain(&rule.except) {
            for term in &when.terms {
                if let Test::From(expr) | Test::To(expr) = &term.test {
                    values(context, expr, found);
                }
            }
        }
        for (hole, conditions) in shape.except.iter().zip(&rule.except) {
            if context.ground.contradicts(hole, &shape.when)
                && let Some(span) = conditions.span
            {
                found.push(
                    LINT.at(span, "this `except` removes nothing")
                        .label("what it says can not hold …")
                        .related(rule.head, "… where this rule matches")
                        .help("remove it, or correct it"),
                );
            }
        }
    }
}

fn values(context: &Context<'_>, expr: &SetExpr, found: &mut Vec<Diagnostic>) {
    for (inner, outer) in inside::pairs(context, &expr.include) {
        let (Some(item), Some(wider)) = (expr.include.get(inner), expr.include.get(outer)) else { continue };
        let text = context.model.sources.text(item.span);
        let same = text == context.model.sources.text(wider.span);
        let message = if same { format!("`{text}` stands here twice") } else { format!("`{text}` adds nothing") };
        let one = LINT.at(item.span, message).label("all of this …").related(wider.span, "… is in this already");
        found.push(match without(context, &expr.include, inner) {
            Some(edit) => one.help("remove it").fix("remove the value", Safety::Safe, vec![edit]),
            None => one.help("remove it"),
        });
    }
    removes_nothing(context, expr, found);
}

fn removes_nothing(context: &Context<'_>, expr: &SetExpr, found: &mut Vec<Diagnostic>) {
    if expr.exclude.is_empty() {
        return;
    }
    let include = SetExpr { include: expr.include.clone(), exclude: Vec::new() };
    let include = context.flat(&include).include;
    for item in &expr.exclude {
        let flats = context.ground.flats;
        if flats.union_disjoint(context.model, &flats.item(context.model, &item.kind), &include) {
            let text = context.model.sources.text(item.span);
            found.push(
                LINT.at(item.span, format!("`except {text}` removes nothing"))
                    .label("none of this is in the values before it")
                    .help("remove it, or correct it"),
            );
        }
    }
}

/// The edit that takes a value out of its list, with one comma.
fn without(context: &Context<'_>, items: &[SetItem], at: usize) -> Option<Edit> {
    let own = items.get(at)?.span;
    let span = match (items.get(at + 1), at.checked_sub(1).and_then(|before| items.get(before))) {
        (Some(next), _) => Span { end: next.span.start, ..own },
        (None, Some(before)) => Span { start: before.span.end, ..own },
        (None, None) => return None,
    };
    let text = context.model.sources.text(span);
    let plain = span.start < span.end && !text.contains('#') && text.matches(',').count() == 1;
    plain.then(|| Edit { span, text: String::new() })
}
