//! The tree without its places: what two texts that say the same have in common.

use super::ast::{Block, Body, Default, Entry, File, Form, Member, StatementKind, Values, Word};
use std::fmt::Write as _;

impl File {
    /// Whether both say the same in the same order, whatever the spelling, the space and the
    /// comments.
    pub fn same_as(&self, other: &Self) -> bool {
        self.shape() == other.shape()
    }

    /// The tree as text, one word after the other, without places.
    pub fn shape(&self) -> String {
        let mut shape = String::new();
        for statement in &self.statements {
            self.statement_shape(&statement.kind, &mut shape);
            shape.push('\n');
        }
        shape
    }

    fn statement_shape(&self, kind: &StatementKind, shape: &mut String) {
        match kind {
            StatementKind::Broken(_) => shape.push_str("broken"),
            StatementKind::Default(Default::Block(block)) => {
                shape.push_str("default ");
                block_shape(block, shape);
            }
            StatementKind::Default(Default::Verdict(verdict)) => words("default", [verdict], shape),
            StatementKind::Definition(definition) => {
                words(definition.kind.keyword(), [&definition.name], shape);
                match &definition.body {
                    Body::From(path) => path_shape("from", path, shape),
                    Body::Values(body) => {
                        shape.push('{');
                        values_shape(&body.values, shape);
                        body.entries.iter().for_each(|entry| entry_shape(entry, shape));
                        shape.push('}');
                    }
                }
            }
            StatementKind::Include(include) => path_shape("include", &include.path, shape),
            StatementKind::Invariant(invariant) => {
                words("", [&invariant.kind, &invariant.verdict], shape);
                block_shape(&invariant.block, shape);
            }
            StatementKind::Lint(lint) => {
                words("lint", std::iter::once(&lint.level).chain(&lint.codes).chain(&lint.reason), shape);
            }
            StatementKind::Policy(edition) => words("policy", [edition], shape),
            StatementKind::Rule(rule) => {
                words("", [&rule.stage, &rule.verdict].into_iter().chain(&rule.name), shape);
                block_shape(&rule.block, shape);
            }
            StatementKind::Setting(entry) => entry_shape(entry, shape),
            StatementKind::Test(test) => {
                words("test", &test.name, shape);
                for case in &test.cases {
                    words("", std::iter::once(&case.verdict).chain(&case.rule), shape);
                    block_shape(&case.block, shape);
                }
            }
        }
    }

    /// Shows every word of the tree, names and keys included.
    pub fn words(&self, see: &mut dyn FnMut(&Word)) {
        for statement in &self.statements {
            match &statement.kind {
                StatementKind::Broken(_) => {}
                StatementKind::Default(Default::Block(block)) => see_block(block, see),
                StatementKind::Default(Default::Verdict(verdict)) => see(verdict),
                StatementKind::Definition(definition) => {
                    see(&definition.name);
                    match &definition.body {
                        Body::From(path) => see(path),
                        Body::Values(body) => {
                            body.values.iter().for_each(&mut *see);
                            body.entries.iter().for_each(|entry| see_entry(entry, see));
                        }
                    }
                }
                StatementKind::Include(include) => see(&include.path),
                StatementKind::Invariant(invariant) => {
                    see(&invariant.verdict);
                    see_block(&invariant.block, see);
                }
                StatementKind::Lint(lint) => {
                    std::iter::once(&lint.level).chain(&lint.codes).chain(&lint.reason).for_each(&mut *see);
                }
                StatementKind::Policy(edition) => see(edition),
                StatementKind::Rule(rule) => {
                    [&rule.stage, &rule.verdict].into_iter().chain(&rule.name).for_each(&mut *see);
                    see_block(&rule.block, see);
                }
                StatementKind::Setting(entry) => see_entry(entry, see),
                StatementKind::Test(test) => {
                    test.name.iter().for_each(&mut *see);
                    for case in &test.cases {
                        std::iter::once(&case.verdict).chain(&case.rule).for_each(&mut *see);
                        see_block(&case.block, see);
                    }
                }
            }
        }
    }
}

fn see_block(block: &Block, see: &mut dyn FnMut(&Word)) {
    for member in &block.members {
        match member {
            Member::Entry(entry) => see_entry(entry, see),
            Member::Except(except) => except.entries.iter().for_each(|entry| see_entry(entry, see)),
        }
    }
}

fn see_entry(entry: &Entry, see: &mut dyn FnMut(&Word)) {
    see(&entry.key);
    entry.values.iter().for_each(see);
}

fn words<'a>(head: &str, words: impl IntoIterator<Item = &'a Word>, shape: &mut String) {
    shape.push_str(head);
    for word in words {
        let mark = match word.form {
            Form::Bare => "",
            Form::Broken => "?",
            // A quoted word is never a reference or a keyword; where it is neither, quotes say nothing.
            Form::Quoted => "\"",
            Form::Regex => "/",
        };
        _ = write!(shape, " {mark}{}", word.text);
    }
}

/// Quotes around a path say nothing.
fn path_shape(head: &str, path: &Word, shape: &mut String) {
    _ = write!(shape, " {head} {}", path.text);
}

fn block_shape(block: &Block, shape: &mut String) {
    shape.push('{');
    for member in &block.members {
        match member {
            Member::Entry(entry) => entry_shape(entry, shape),
            Member::Except(except) => {
                shape.push_str(" except {");
                except.entries.iter().for_each(|entry| entry_shape(entry, shape));
                shape.push('}');
            }
        }
    }
    shape.push('}');
}

fn entry_shape(entry: &Entry, shape: &mut String) {
    if entry.not.is_some() {
        shape.push_str(" not");
    }
    words("", [&entry.key], shape);
    shape.push(':');
    values_shape(&entry.values, shape);
    shape.push(';');
}

fn values_shape(values: &Values, shape: &mut String) {
    words("", &values.include, shape);
    if values.but.is_some() {
        words(" except", &values.exclude, shape);
    }
}
