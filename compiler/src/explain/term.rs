//! Single conditions: what they ask, what the request has, and through which value they hold.

use crate::model::{
    Conditions, Model, NamePattern, Rule, SetBody, SetExpr, SetItem, SetItemKind, Stage, Term, Test, UserItem,
};
use crate::oracle::{self, Facts, Truth};
use crate::request::{Command, Target};
use crate::sample::Sample;
use crate::source::Span;
use serde::Serialize;

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    /// It does not.
    No,
    /// It depends on the address.
    Unknown,
    /// It does.
    Yes,
}

impl From<Truth> for Holds {
    fn from(truth: Truth) -> Self {
        match truth {
            Truth::False => Self::No,
            Truth::Unknown => Self::Unknown,
            Truth::True => Self::Yes,
        }
    }
}

impl Holds {
    /// A mark for people.
    pub fn mark(self) -> char {
        match self {
            Self::No => '✗',
            Self::Unknown => '?',
            Self::Yes => '✓',
        }
    }
}

/// The value through which a condition holds.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Through {
    /// It, as it is written.
    pub value: String,
    /// Where: `file:line`.
    pub place: Option<String>,
}

/// One condition of a rule, held against a request.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct TermView {
    /// The key, such as `port` or `not group`.
    pub key: String,
    /// The values as they are written.
    pub wants: String,
    /// What the request has.
    pub has: String,
    /// Whether it holds.
    pub holds: Holds,
    /// The value that fits: of `not` the one that should not.
    pub through: Option<Through>,
    /// Where the condition stands: `file:line:column`.
    pub place: String,
    /// The same.
    #[serde(skip)]
    pub span: Option<Span>,
}

/// The conditions of a rule, and of its exceptions the first of each.
pub(super) fn of_rule(model: &Model, rule: &Rule, sample: &Sample, facts: &Facts<'_>) -> Vec<TermView> {
    of_conditions(model, rule.stage, &rule.when, sample, facts)
}

pub(super) fn of_conditions(
    model: &Model,
    stage: Stage,
    when: &Conditions,
    sample: &Sample,
    facts: &Facts<'_>,
) -> Vec<TermView> {
    when.terms.iter().map(|term| of_term(model, stage, term, sample, facts)).collect()
}

pub(super) fn of_term(
    model: &Model,
    stage: Stage,
    term: &Term,
    sample: &Sample,
    facts: &Facts<'_>,
) -> TermView {
    let not = if term.negated { "not " } else { "" };
    let truth = oracle::term(model, term, facts);
    let through = match &term.test {
        Test::To(expr) => facts.target.and_then(|target| through(model, expr, &target)),
        Test::From(expr) => {
            through(model, expr, &Target { name: None, address: Some(facts.client.address), port: 0 })
        }
        Test::User(items) => items.iter().find_map(|item| match item {
            UserItem::Group(group) if fits(model, item, facts, term.span) => {
                Some(Through { value: format!("@{group}"), place: group_place(model, group) })
            }
            _ => None,
        }),
        _ => None,
    };
    TermView {
        key: format!("{not}{}", term.test.key(stage)),
        wants: wants(model, term),
        has: has(&term.test, sample, facts),
        holds: truth.into(),
        through,
        place: model.sources.place(term.span).to_string(),
        span: Some(term.span),
    }
}

/// What keeps a rule that does not name replies from matching one.
pub(super) fn unnamed_reply(model: &Model, rule: &Rule, command: Command) -> TermView {
    TermView {
        key: "command".into(),
        wants: "no reply".into(),
        has: command.to_string(),
        holds: Holds::No,
        through: None,
        place: model.sources.place(rule.head).to_string(),
        span: Some(rule.head),
    }
}

fn fits(model: &Model, item: &UserItem, facts: &Facts<'_>, span: Span) -> bool {
    let term = Term { negated: false, test: Test::User(vec![item.clone()]), span };
    oracle::term(model, &term, facts) == Truth::True
}

fn group_place(model: &Model, group: &str) -> Option<String> {
    model.group(group).map(|group| model.line(group.span))
}

/// The values as the policy has them, on one line and not too long.
fn wants(model: &Model, term: &Term) -> String {
    let text = model.sources.text(term.span);
    let values = text.split_once(':').map_or(text, |(_, values)| values);
    let words: Vec<&str> = values.split_whitespace().collect();
    let line = words.join(" ");
    if line.chars().count() > 60 {
        let mut cut: String = line.chars().take(57).collect();
        cut.push_str(" …");
        return cut;
    }
    line
}

/// What a request has where a condition asks.
fn has(test: &Test, sample: &Sample, facts: &Facts<'_>) -> String {
    let list =
        |words: Vec<String>, none: &str| if words.is_empty() { none.to_owned() } else { words.join(", ") };
    match test {
        Test::Cert(_) => list(sample.certificate.iter().map(ToString::to_string).collect(), "no certificate"),
        Test::Command(_) => sample.command.to_string(),
        Test::Expires(_) | Test::Time(_) => match jiff::Timestamp::from_second(sample.time.0) {
            Ok(instant) => instant.to_string(),
            Err(_) => sample.time.0.to_string(),
        },
        Test::From(_) => sample.from.to_string(),
        Test::Group(_) => {
            list(sample.principal.groups().iter().map(ToString::to_string).collect(), "no group")
        }
        Test::Listen(_) => sample.listener.to_string(),
        Test::Method(_) => match facts.method {
            Some((method, Some(service))) => format!("{method}({service})"),
            Some((method, None)) => method.to_string(),
            None => "no method yet".into(),
        },
        Test::Port(_) => sample.port.to_string(),
        Test::Protocol(_) => sample.command.protocol().to_string(),
        Test::ProxyProtocol(_) => sample.proxy_protocol.to_string(),
        Test::To(_) => target(sample, facts),
        Test::User(_) => sample.principal.user().map_or_else(|| "no user".to_owned(), ToString::to_string),
    }
}

fn target(sample: &Sample, facts: &Facts<'_>) -> String {
    let address = facts.target.and_then(|target| target.address);
    match (sample.name(), address) {
        (Some(name), Some(address)) => format!("{name} at {address}"),
        (Some(name), None) => name.to_string(),
        (None, Some(address)) => address.to_string(),
        (None, None) => "no target".into(),
    }
}

/// The value through which a target is in a set, or is taken out of it.
fn through(model: &Model, expr: &SetExpr, target: &Target<'_>) -> Option<Through> {
    let fits = |item: &&SetItem| oracle::in_item(model, &item.kind, target) == Truth::True;
    if let Some(out) = expr.exclude.iter().find(fits) {
        let inner = of_item(model, out, target);
        return Some(Through { value: format!("except {}", inner.value), place: inner.place });
    }
    expr.include.iter().find(fits).map(|item| of_item(model, item, target))
}

fn of_item(model: &Model, item: &SetItem, target: &Target<'_>) -> Through {
    let here = Some(model.line(item.span)).filter(|_| item.span.start != item.span.end);
    let SetItemKind::Set(id) = &item.kind else {
        return Through { value: value(model, item), place: here };
    };
    let Some(set) = model.set(*id) else { return Through { value: value(model, item), place: here } };
    let inner = match &set.body {
        SetBody::Expr(expr) => through(model, expr, target),
        SetBody::List(list) => {
            let line = target.name.and_then(|name| list.name_line(name));
            let line = line.or_else(|| target.address.and_then(|address| list.address_line(address)));
            line.map(|line| Through {
                value: format!("line {line}"),
                place: Some(format!("{}:{line}", list.path())),
            })
        }
    };
    match inner {
        Some(inner) => {
            Through { value: format!("@{} through {}", set.name, inner.value), place: inner.place }
        }
        None => Through { value: format!("@{}", set.name), place: here },
    }
}

pub(super) fn value(model: &Model, item: &SetItem) -> String {
    let written = model.sources.text(item.span).split_whitespace().collect::<Vec<_>>().join(" ");
    if !written.is_empty() {
        return written;
    }
    match &item.kind {
        SetItemKind::Any => "any".into(),
        SetItemKind::Builtin(set) => format!("@{}", set.name()),
        SetItemKind::Literal => "literal".into(),
        SetItemKind::Name(pattern) => NamePattern::to_string(pattern),
        SetItemKind::Named => "name".into(),
        SetItemKind::Ported(..) => "a host with its port".into(),
        SetItemKind::Range(range) => range.to_string(),
        SetItemKind::Set(id) => model.set(*id).map_or_else(String::new, |set| format!("@{}", set.name)),
    }
}
