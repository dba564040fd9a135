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
use crate::model::{PortRange, SetBody, SetExpr, Test, service};
use crate::source::Span;
use crate::syntax::ast::{Body, Definition, DefinitionKind, Statement, StatementKind, Word};

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0209", Grade::Warning, include_str!("rs0209.rs"), check);

/// Longer lists of words are not compared word by word.
const MOST_WORDS: usize = 200;

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for set in &context.model.sets {
        if let SetBody::Expr(expr) = &set.body {
            values(context, expr, found);
        }
    }
    for statement in context.files.iter().flat_map(|file| &file.statements) {
        words(context, statement, found);
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

/// Words and ports that stand in a list twice: `alice, alice`, `80, 80-90`.
fn words(context: &Context<'_>, statement: &Statement, found: &mut Vec<Diagnostic>) {
    match &statement.kind {
        StatementKind::Rule(rule) => {
            let excepted = rule.block.excepts().flat_map(|except| &except.entries);
            for entry in rule.block.entries().chain(excepted) {
                match &*entry.key.text {
                    "port" => repeated(context, &entry.values.include, port, found),
                    "cert" | "command" | "group" | "listen" | "protocol" | "proxyprotocol" | "socksmethod"
                    | "user" => repeated(context, &entry.values.include, |_| None, found),
                    _ => {}
                }
            }
        }
        StatementKind::Definition(Definition { kind, body: Body::Values(body), .. }) => match kind {
            DefinitionKind::Group => repeated(context, &body.values.include, |_| None, found),
            DefinitionKind::Ports => repeated(context, &body.values.include, port, found),
            DefinitionKind::Set | DefinitionKind::Time => {}
        },
        _ => {}
    }
}

fn port(word: &Word) -> Option<PortRange> {
    let number = |text: &str| text.parse().ok().or_else(|| service(text));
    let text = &*word.text;
    if let Some(port) = number(text) {
        return Some(PortRange::one(port));
    }
    let (first, last) = text.split_once('-')?;
    Some(PortRange { first: number(first)?, last: number(last)? })
}

fn repeated(
    context: &Context<'_>,
    list: &[Word],
    range: impl Fn(&Word) -> Option<PortRange>,
    found: &mut Vec<Diagnostic>,
) {
    let ranges: Vec<Option<PortRange>> = list.iter().map(range).collect();
    if list.len() > MOST_WORDS {
        return;
    }
    let within = |inner: usize, outer: usize| match (ranges.get(inner), ranges.get(outer)) {
        (Some(&Some(inner)), Some(&Some(outer))) => outer.first <= inner.first && inner.last <= outer.last,
        _ => list.get(inner).map(|one| (&one.text, one.form)) == list.get(outer).map(|one| (&one.text, one.form)),
    };
    let spans: Vec<Span> = list.iter().map(|word| word.span).collect();
    for (inner, word) in list.iter().enumerate() {
        let outer = (0..list.len()).find(|&outer| {
            outer != inner && within(inner, outer) && (outer < inner || !within(outer, inner))
        });
        let Some(wider) = outer.and_then(|outer| list.get(outer)) else { continue };
        tell(context, word.span, wider.span, without(context, &spans, inner), found);
    }
}

fn values(context: &Context<'_>, expr: &SetExpr, found: &mut Vec<Diagnostic>) {
    let spans: Vec<Span> = expr.include.iter().map(|item| item.span).collect();
    for (inner, outer) in inside::pairs(context, &expr.include) {
        let (Some(item), Some(wider)) = (expr.include.get(inner), expr.include.get(outer)) else { continue };
        tell(context, item.span, wider.span, without(context, &spans, inner), found);
    }
    removes_nothing(context, expr, found);
}

fn tell(context: &Context<'_>, at: Span, wider: Span, edit: Option<Edit>, found: &mut Vec<Diagnostic>) {
    let text = context.model.sources.text(at);
    let same = text == context.model.sources.text(wider);
    let message = if same { format!("`{text}` stands here twice") } else { format!("`{text}` adds nothing") };
    let one = LINT.at(at, message).label("all of this …").related(wider, "… is in this already").help("remove it");
    found.push(match edit {
        Some(edit) => one.fix("remove the value", Safety::Safe, vec![edit]),
        None => one,
    });
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
fn without(context: &Context<'_>, items: &[Span], at: usize) -> Option<Edit> {
    let own = *items.get(at)?;
    let span = match (items.get(at + 1), at.checked_sub(1).and_then(|before| items.get(before))) {
        (Some(next), _) => Span { end: next.start, ..own },
        (None, Some(before)) => Span { start: before.end, ..own },
        (None, None) => return None,
    };
    let text = context.model.sources.text(span);
    let plain = span.start < span.end && !text.contains('#') && text.matches(',').count() == 1;
    plain.then(|| Edit { span, text: String::new() })
}
