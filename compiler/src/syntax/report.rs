//! How the builder reports.

use super::build::Builder;
use crate::diagnostic::{Code, Diagnostic, Edit, Level, Safety};
use crate::source::Span;

impl Builder<'_, '_> {
    pub(super) fn unclosed_block(&mut self, block: Span, gave_up: Span) {
        // A text without its quote has swallowed the brace: that is said already.
        let swallowed = |one: &Diagnostic| {
            let at = one.primary.span;
            let line = self.between(at.start, block.end.max(at.end)).lines().next().unwrap_or_default();
            one.code.0 == "RS0118" && at.start > block.start && line.contains('}')
        };
        if self.found.iter().rev().take(4).any(swallowed) {
            return;
        }
        let open = Span { end: block.start + 1, ..block };
        let rest = self.text.get(gave_up.start as usize..).unwrap_or_default();
        let skipped = rest.len() - rest.trim_start().len();
        let next = gave_up.start.saturating_add(u32::try_from(skipped).unwrap_or(0));
        let word = rest.split_whitespace().next().unwrap_or_default();
        let length = u32::try_from(word.len()).unwrap_or(0);
        let mistake =
            self.report("RS0118", open, "a block without its closing brace").label_last("opened here");
        if word.is_empty() {
            mistake.help_last("add a `}`; the file ends inside the block");
        } else {
            let at = Span { start: next, end: next + length, ..gave_up };
            mistake.related_last(at, "the next statement starts here").help_last("add a `}` before it");
        }
    }

    pub(super) fn report(&mut self, code: &'static str, span: Span, message: impl Into<String>) -> Last<'_> {
        self.found.push(Diagnostic::new(Code(code), Level::Error, span, message));
        Last(self.found.last_mut())
    }
}

/// The diagnostic that was reported last, to be added to.
pub(super) struct Last<'d>(Option<&'d mut Diagnostic>);

impl Last<'_> {
    pub(super) fn label_last(self, text: impl Into<String>) -> Self {
        self.map(|last| last.primary.text = text.into())
    }

    pub(super) fn help_last(self, text: impl Into<String>) -> Self {
        self.map(|last| last.help = Some(text.into()))
    }

    pub(super) fn related_last(self, span: Span, text: impl Into<String>) -> Self {
        self.map(|last| last.related.push(crate::diagnostic::Label { span, text: text.into() }))
    }

    pub(super) fn fix_last(self, title: impl Into<String>, edit: Edit) -> Self {
        self.map(|last| {
            last.fix = Some(crate::diagnostic::Fix {
                title: title.into(),
                safety: Safety::Unsafe,
                edits: vec![edit],
            });
        })
    }

    fn map(mut self, change: impl FnOnce(&mut Diagnostic)) -> Self {
        if let Some(last) = self.0.as_deref_mut() {
            change(last);
        }
        self
    }
}
