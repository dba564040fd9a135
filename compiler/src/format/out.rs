//! Text in the making: lines, indentation, and the comments that wait for their place.

use crate::source::Span;
use crate::syntax::ast::Comment;

/// What has been written, and what of the source has been passed.
pub(super) struct Out<'t> {
    source: &'t str,
    comments: &'t [Comment],
    /// The first comment that is not written yet.
    next: usize,
    text: String,
    line: String,
    /// Levels of four columns.
    pub indent: usize,
    /// A comment ends the line: what comes goes to the next one.
    shut: bool,
    /// Where the last thing written ended in the source.
    passed: u32,
}

impl<'t> Out<'t> {
    pub(super) fn new(source: &'t str, comments: &'t [Comment]) -> Self {
        Self {
            source,
            comments,
            next: 0,
            text: String::with_capacity(source.len() + source.len() / 8),
            line: String::new(),
            indent: 0,
            shut: false,
            passed: 0,
        }
    }

    pub(super) fn under(&self, span: Span) -> &'t str {
        self.between(span.start, span.end)
    }

    pub(super) fn between(&self, start: u32, end: u32) -> &'t str {
        self.source.get(start as usize..end as usize).unwrap_or_default()
    }

    /// Whether the source breaks its line between two places.
    pub(super) fn breaks(&self, start: u32, end: u32) -> bool {
        self.between(start, end).contains('\n')
    }

    /// Whether a comment stands between two places.
    pub(super) fn has_comment(&self, start: u32, end: u32) -> bool {
        let at = self.comments.partition_point(|comment| comment.span.start < start);
        self.comments.get(at).is_some_and(|comment| comment.span.start < end)
    }

    /// Writes a piece on the present line.
    pub(super) fn word(&mut self, text: &str) {
        if self.shut {
            self.end_line();
        }
        if self.line.is_empty() {
            self.line.extend(std::iter::repeat_n("    ", self.indent));
        }
        self.line.push_str(text);
    }

    /// Notes that the source is written up to here.
    pub(super) fn pass(&mut self, at: u32) {
        self.passed = self.passed.max(at);
    }

    /// Columns of the present line.
    pub(super) fn column(&self) -> usize {
        if self.line.is_empty() || self.shut { self.indent * 4 } else { self.line.chars().count() }
    }

    pub(super) fn is_fresh(&self) -> bool {
        self.line.is_empty() || self.shut
    }

    pub(super) fn end_line(&mut self) {
        self.shut = false;
        let kept = self.line.trim_end();
        if !kept.is_empty() {
            self.text.push_str(kept);
            self.text.push('\n');
        }
        self.line.clear();
    }

    /// Leaves one empty line where the source has any, unless at the start of a block.
    pub(super) fn keep_gap(&mut self, before: u32) {
        if self.breaks_twice(before) && !self.text.is_empty() && !self.text.ends_with("{\n") {
            self.end_line();
            if !self.text.ends_with("\n\n") && !self.text.ends_with("{\n") {
                self.text.push('\n');
            }
        }
    }

    fn breaks_twice(&self, before: u32) -> bool {
        self.between(self.passed, before).bytes().filter(|&byte| byte == b'\n').count() > 1
    }

    /// Writes the comments before a place of the source.
    pub(super) fn comments_before(&mut self, at: u32) {
        while let Some(comment) = self.comments.get(self.next).filter(|comment| comment.span.start < at) {
            self.next += 1;
            let text = self.under(comment.span).trim_end();
            if comment.own_line || self.is_fresh() {
                self.end_line();
                self.keep_gap(comment.span.start);
                self.word(text);
                self.end_line();
            } else {
                self.word("  ");
                self.word(text);
                self.shut = true;
            }
            self.pass(comment.span.end);
        }
    }

    /// Everything, with the comments that are left.
    pub(super) fn finish(mut self) -> String {
        self.comments_before(u32::MAX);
        self.end_line();
        self.text
    }
}
