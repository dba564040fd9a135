//! RS0501: a definition that nothing uses
//!
//! A set, a list of ports, a time or a group is defined, and no rule, set or promise refers to it.
//!
//! ## Why it matters
//!
//! Either it is left over, or the rule that should refer to it does not.
//!
//! ## Example
//!
//! ```policy
//! set office { 10.0.0.0/8 }
//! socks pass dns { to: 9.9.9.9  port: 53 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! set office { 10.0.0.0/8 }
//! socks pass dns { from: @office  to: 9.9.9.9  port: 53 }
//! ```
//!
//! ## Fix
//!
//! Remove it, which `check --fix` does, or use it.

use super::context::Context;
use super::{Grade, Lint};
use crate::diagnostic::{Diagnostic, Safety};
use crate::hash::HashSet;
use crate::syntax::ast::{Body, Definition, DefinitionKind, Entry, File, Statement, StatementKind, Word};

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0501", Grade::Warning, include_str!("rs0501.rs"), check);

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let mut used: HashSet<String> = HashSet::default();
    for file in context.files {
        file.words(&mut |word| {
            used.extend(word.reference().map(str::to_owned));
        });
        groups(file, &mut used);
    }
    for file in context.files {
        for statement in &file.statements {
            let StatementKind::Definition(one) = &statement.kind else { continue };
            if !used.contains(&*one.name.text) {
                found.push(unused(context, statement, one));
            }
        }
    }
}

/// `group: name` refers without an `@`.
fn groups(file: &File, used: &mut HashSet<String>) {
    let mut take = |entry: &Entry| {
        if entry.key.is("group") {
            used.extend(entry.values.iter().map(|word: &Word| word.text.to_string()));
        }
    };
    for statement in &file.statements {
        let blocks = match &statement.kind {
            StatementKind::Rule(rule) => vec![&rule.block],
            StatementKind::Invariant(invariant) => vec![&invariant.block],
            StatementKind::Test(test) => test.cases.iter().map(|case| &case.block).collect(),
            _ => Vec::new(),
        };
        for block in blocks {
            block.entries().for_each(&mut take);
            block.excepts().flat_map(|except| &except.entries).for_each(&mut take);
        }
    }
}

fn unused(context: &Context<'_>, statement: &Statement, one: &Definition) -> Diagnostic {
    let kind = match one.kind {
        DefinitionKind::Group => "group",
        DefinitionKind::Ports => "list of ports",
        DefinitionKind::Set => "set",
        DefinitionKind::Time => "time",
    };
    let found = LINT
        .at(one.name.span, format!("{kind} `{}` is not used", one.name.text))
        .label("no rule, set or promise speaks of it")
        .help("remove it, or use it");
    let commented = context.model.sources.text(statement.span).contains('#');
    match &one.body {
        Body::Values(_) if commented => found,
        // A policy that says nothing at all is none.
        Body::From(_) | Body::Values(_) if context.model.rules.is_empty() => found,
        Body::From(_) | Body::Values(_) => {
            found.fix("remove the definition", Safety::Safe, vec![context.removal(statement.span)])
        }
    }
}
