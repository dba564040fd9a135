//! Text to tree. Every text gives a tree: what could not be read is reported and left out, so that
//! one mistake hides no other.
//!
//! The grammar is `grammar/policy.pest`; [`ast`] says how comments and blank lines are kept.

pub mod ast;
mod blame;
mod build;
mod dante;
mod entry;
mod report;
mod scan;
mod shape;
mod suppression;

pub use scan::characters;
pub use suppression::{Suppression, suppressions};

use crate::diagnostic::Diagnostic;
use crate::source::{FileId, Span};
use grammar::{Grammar, Rule};
use pest::Parser;
use std::sync::Arc;

mod grammar {
    #[derive(pest_derive::Parser)]
    #[grammar = "../grammar/policy.pest"]
    pub(super) struct Grammar;
}

/// Makes a text of bytes: what is no UTF-8 is replaced, and reported by [`parse`].
pub fn text_of(bytes: &[u8]) -> Arc<str> {
    String::from_utf8_lossy(bytes).into()
}

/// A text as the language has it in quotes.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Reads one text. All that is wrong with its form is added to `found`.
pub fn parse(id: FileId, text: &str, found: &mut Vec<Diagnostic>) -> ast::File {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let span = Span { file: id, start: 0, end: length };
    let empty = ast::File { id, statements: Vec::new(), comments: Vec::new(), span };
    if let Some(reason) = scan::refusal(id, text) {
        found.push(reason);
        return empty;
    }
    let Ok(mut pairs) = Grammar::parse(Rule::file, text) else {
        found.push(scan::too_much(span));
        return empty;
    };
    let comments = scan::comments(id, text, &pairs);
    let mut file = match pairs.next() {
        Some(pair) => build::Builder::new(id, text, found).file(pair, span),
        None => empty,
    };
    file.comments = comments;
    file
}

/// How large a policy file may be, in bytes.
pub const MAX_FILE: usize = 16 << 20;
/// How deep braces may stand in each other.
pub const MAX_DEPTH: usize = 32;
