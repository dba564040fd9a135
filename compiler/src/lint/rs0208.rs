//! RS0208: two rules that could be one
//!
//! Two rules without names say the same but for the values of one key.
//!
//! ## Why it matters
//!
//! One rule is read faster than two, and changed in one place.
//!
//! ## Example
//!
//! ```policy
//! socks pass { to: 9.9.9.9  port: 53 }
//! socks pass { to: 149.112.112.112  port: 53 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks pass { to: 9.9.9.9, 149.112.112.112  port: 53 }
//! ```
//!
//! ## Fix
//!
//! Merge them, which `check --fix` does. Rules with names or notes are left alone.

use super::context::Context;
use super::{Grade, Lint};
use crate::diagnostic::{Diagnostic, Edit, Safety};
use crate::hash::HashMap;
use crate::model::{Rule, Term, Test};

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0208", Grade::Info, include_str!("rs0208.rs"), check);

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let mut seen: HashMap<String, &Rule> = HashMap::default();
    for rule in context.model.rules.iter().filter(|rule| rule.name.is_none() && rule.note.is_none()) {
        for term in rule.when.terms.iter().filter(|term| joins(context, term)) {
            let Some(likeness) = likeness(context, rule, term) else { continue };
            let Some(first) = seen.get(&likeness) else {
                seen.insert(likeness, rule);
                continue;
            };
            found.extend(merge(context, first, rule, term));
            break;
        }
    }
}

/// Whether the values of a term can be joined with others by OR.
fn joins(context: &Context<'_>, term: &Term) -> bool {
    let listed = match &term.test {
        Test::From(set) | Test::To(set) => set.exclude.is_empty(),
        Test::Expires(_) | Test::Time(_) => false,
        _ => true,
    };
    listed && !term.negated && !context.model.sources.text(term.span).contains('#')
}

/// All that a rule says but the values of one key.
fn likeness(context: &Context<'_>, rule: &Rule, but: &Term) -> Option<String> {
    let text = |span| context.model.sources.text(span).split_whitespace().collect::<Vec<_>>().join(" ");
    let key = but.test.key(rule.stage);
    if !rule.except.is_empty() || key.is_empty() {
        return None;
    }
    let mut parts: Vec<String> = rule
        .when
        .terms
        .iter()
        .filter(|term| !std::ptr::eq(*term, but))
        .map(|term| format!("{}{}", if term.negated { "not " } else { "" }, text(term.span)))
        .collect();
    parts.sort();
    let place = rule.span.file.0;
    Some(format!(
        "{place} {} {} {key} {:?} {:?} {} {}",
        rule.stage,
        rule.verdict,
        rule.log,
        rule.reply,
        rule.priority,
        parts.join(";")
    ))
}

fn merge(context: &Context<'_>, first: &Rule, rule: &Rule, term: &Term) -> Option<Diagnostic> {
    let key = term.test.key(rule.stage);
    let same = first.when.terms.iter().find(|one| one.test.key(first.stage) == key && !one.negated)?;
    let values = context.model.sources.text(term.span).split_once(':')?.1.trim().to_owned();
    let one = LINT
        .at(rule.head, format!("this rule differs from another one in `{key}` alone"))
        .label("this one …")
        .related(first.head, "… and this one")
        .help(format!("one rule can name the values of both behind `{key}:`"));
    if context.model.sources.text(rule.span).contains('#') {
        return Some(one);
    }
    let edits = vec![
        Edit { span: same.span.at_end(), text: format!(", {values}") },
        context.removal(rule.span),
    ];
    Some(one.fix("merge the two rules", Safety::Safe, edits))
}
