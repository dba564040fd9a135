//! `# rustsocks: allow(RS0203, "reason")`: a lint that is not to speak of one statement.

use super::ast::File;
use crate::diagnostic::{Code, Diagnostic, Level};
use crate::lint::CODES;
use crate::source::{Sources, Span};
use crate::suggest::{did_you_mean, nearest};
use std::sync::Arc;

/// One code of one such comment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Suppression {
    /// The code.
    pub code: Code,
    /// Where the code stands.
    pub span: Span,
    /// The whole comment.
    pub comment: Span,
    /// Why; a suppression without a reason is one that RS0507 speaks of.
    pub reason: Option<Arc<str>>,
    /// The statement that it speaks of: the one that it stands in or behind on its line, else the
    /// next. `None` at the end of a file.
    pub statement: Option<Span>,
}

/// All suppressions of a file. Mistakes in them are added to `found`.
pub fn suppressions(file: &File, sources: &Sources, found: &mut Vec<Diagnostic>) -> Vec<Suppression> {
    let mut all = Vec::new();
    for comment in &file.comments {
        let text = sources.text(comment.span);
        let body = text.trim_start_matches('#').trim_start();
        let Some(rest) = body.strip_prefix("rustsocks:") else { continue };
        let offset = |part: &str| u32::try_from(part.as_ptr() as usize - text.as_ptr() as usize).unwrap_or(0);
        let statement = statement_of(file, comment.span, comment.own_line, sources);
        let inner = rest.trim().strip_prefix("allow").map(str::trim_start);
        let inner = inner
            .and_then(|inner| inner.strip_prefix('('))
            .and_then(|inner| inner.trim_end().strip_suffix(')'));
        let Some(inner) = inner else {
            found.push(
                Diagnostic::new(
                    Code("RS0101"),
                    Level::Error,
                    comment.span,
                    "a suppression that cannot be read",
                )
                .help("write `# rustsocks: allow(RS0203, \"reason\")`"),
            );
            continue;
        };
        let (codes, reason) = match inner.split_once('"') {
            Some((codes, reason)) => (codes, Some(reason.trim_end().trim_end_matches('"'))),
            None => (inner, None),
        };
        let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
        for word in codes.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let start = comment.span.start + offset(word);
            let length = u32::try_from(word.len()).unwrap_or(0);
            let span = Span { start, end: start + length, ..comment.span };
            match CODES.iter().find(|&&code| code == word) {
                Some(code) => all.push(Suppression {
                    code: Code(code),
                    span,
                    comment: comment.span,
                    reason: reason.map(Into::into),
                    statement,
                }),
                None => {
                    let message = format!("there is no lint `{word}`");
                    let report = Diagnostic::new(Code("RS0104"), Level::Error, span, message);
                    found.push(match nearest(word, CODES.iter().copied()) {
                        Some(meant) => report.help(did_you_mean(meant)),
                        None => report.help("codes look like `RS0203`"),
                    });
                }
            }
        }
    }
    all
}

fn statement_of(file: &File, comment: Span, own_line: bool, sources: &Sources) -> Option<Span> {
    let at = file.statements.partition_point(|one| one.span.end <= comment.start);
    let inside = file.statements.get(at).filter(|one| one.span.start <= comment.start);
    let before = at.checked_sub(1).and_then(|at| file.statements.get(at)).filter(|one| {
        let between = Span { start: one.span.end, end: comment.start, ..comment };
        !own_line && !sources.text(between).contains('\n')
    });
    inside.or(before).or_else(|| file.statements.get(at)).map(|one| one.span)
}
