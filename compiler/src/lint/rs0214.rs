//! RS0214: a method that is never used
//!
//! A rule asks for a method that the policy's `socksmethod:` (or `clientmethod:`) does not list, so that no
//! client is ever offered it. Or the policy lists a method with which no pass rule can match, so that no client
//! is ever offered that one.
//!
//! ## Why it matters
//!
//! The rule matches nobody: a pass that does not pass, or a block that does not hold. A method that is listed
//! and never offered looks as if people could log in with it.
//!
//! ## Example
//!
//! ```policy
//! socksmethod: pam.username, none
//! socks pass dns { socksmethod: password  to: 9.9.9.9  port: 53 }
//! socks pass dot { user: any  to: 9.9.9.9  port: 853 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socksmethod: pam.username, password
//! socks pass dns { socksmethod: password  to: 9.9.9.9  port: 53 }
//! socks pass dot { user: any  to: 9.9.9.9  port: 853 }
//! ```
//!
//! ## Fix
//!
//! List the method in `socksmethod:`, in order of preference, or remove it from the rule. Take a method that no
//! pass rule can use out of the list, or write the rule that passes whoever logs in with it.

use super::context::Context;
use super::{Grade, Lint};
use crate::diagnostic::Diagnostic;
use crate::model::{Rule, Stage, Term, Test, UserItem, Verdict};
use crate::request::{Method, MethodSpec};
use crate::syntax::ast::{Entry, StatementKind};

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0214", Grade::Warning, include_str!("rs0214.rs"), check);

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    asked_in_vain(context, found);
    offered_in_vain(context, found);
}

/// Methods of rules that the policy does not list.
fn asked_in_vain(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let socks = context.model.socks_methods();
    let client = &context.model.client_methods;
    for (_, rule, _) in context.rules() {
        let (offered, setting) = match rule.stage {
            Stage::Client => (client, "clientmethod"),
            Stage::Socks => (&socks, "socksmethod"),
        };
        for term in rule.when.terms.iter().filter(|term| !term.negated) {
            let Test::Method(specs) = &term.test else { continue };
            // Where the client stage asks for no method, every client has shown `none`.
            let bare = |spec: &MethodSpec| rule.stage == Stage::Client && spec.method == Method::None;
            let idle: Vec<String> = specs
                .iter()
                .filter(|spec| !bare(spec) && !offered.iter().any(|one| meets(one, spec)))
                .map(|spec| format!("`{spec}`"))
                .collect();
            if !idle.is_empty() {
                found.push(unlisted(term, &idle, offered, setting));
            }
        }
    }
}

fn unlisted(term: &Term, idle: &[String], offered: &[MethodSpec], setting: &str) -> Diagnostic {
    let known: Vec<String> = offered.iter().map(ToString::to_string).collect();
    let label = match known.as_slice() {
        [] => format!("the policy has no `{setting}:`"),
        known => format!("the policy offers: {}", known.join(", ")),
    };
    let wanted = known.into_iter().chain(idle.iter().map(|one| one.replace('`', "")));
    let wanted: Vec<String> = wanted.collect();
    LINT.at(term.span, format!("{} is never offered to a client", idle.join(", "))).label(label).help(format!(
        "add it to the policy's methods, in order of preference: `{setting}: {}`",
        wanted.join(", ")
    ))
}

/// Methods of `socksmethod:` with which no pass rule can match, whoever asks for whatever.
fn offered_in_vain(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let model = context.model;
    let passes: Vec<&Rule> = context.those(Stage::Socks, Verdict::Pass).map(|(_, rule, _)| rule).collect();
    // Without a rule that passes it is not the method that is wrong.
    if model.defaults.socks == Verdict::Pass || passes.is_empty() {
        return;
    }
    let idle: Vec<&MethodSpec> =
        model.methods.iter().filter(|spec| passes.iter().all(|rule| refuses(rule, spec))).collect();
    if idle.is_empty() || idle.len() == model.methods.len() {
        return;
    }
    for word in settings(context).flat_map(|entry| &entry.values.include) {
        if idle.iter().any(|spec| spec.to_string() == *word.text) {
            let help = "take it out of the list, or write a rule that passes whoever has shown it";
            let text = &word.text;
            found.push(
                LINT.at(word.span, format!("no pass rule can match with `{text}`"))
                    .label("so it is never offered to a client")
                    .help(help),
            );
        }
    }
}

fn settings<'a>(context: &Context<'a>) -> impl Iterator<Item = &'a Entry> {
    let statements = context.files.iter().flat_map(|file| &file.statements);
    statements.filter_map(|statement| match &statement.kind {
        StatementKind::Setting(entry) if entry.key.is("socksmethod") => Some(entry),
        _ => None,
    })
}

/// Whether a condition of a rule fails for everybody who has shown a method.
fn refuses(rule: &Rule, spec: &MethodSpec) -> bool {
    let nameless = !spec.method.names_a_user();
    rule.when.terms.iter().any(|term| match &term.test {
        Test::Method(specs) if term.negated => specs.iter().any(|one| holds(one, spec)),
        Test::Method(specs) => !specs.iter().any(|one| meets(one, spec)),
        Test::User(items) if nameless => items.iter().any(names_nobody) == term.negated,
        Test::Group(_) => nameless && !term.negated,
        _ => false,
    })
}

fn names_nobody(item: &UserItem) -> bool {
    matches!(item, UserItem::None)
}

/// Whether whoever has shown a method has shown what a rule names.
fn holds(named: &MethodSpec, shown: &MethodSpec) -> bool {
    named.method == shown.method && (named.service.is_none() || named.service == shown.service)
}

fn meets(offered: &MethodSpec, wanted: &MethodSpec) -> bool {
    let open = offered.service.is_none() || wanted.service.is_none();
    offered.method == wanted.method && (open || offered.service == wanted.service)
}
