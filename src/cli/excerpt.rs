//! The lines of a text that a report shows: those that its labels stand on, with one more above and
//! below each. A line that is too long for any screen is cut around the labels.

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};
use rustsocks_compiler::source::{FileId, Sources, Span};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Some lines of a text, in the form that the drawing library reads.
#[derive(Debug)]
pub(super) struct Excerpt {
    name: Arc<str>,
    text: String,
    /// The number of each line, from 0.
    lines: Vec<usize>,
    /// What of the source stands where, in order.
    pieces: Vec<Piece>,
    /// Where a label starts, and in which column of the source that is, from 0.
    columns: Vec<(usize, usize)>,
}

#[derive(Debug)]
struct Piece {
    source: Range<usize>,
    start: usize,
}

impl Excerpt {
    /// The lines around some spans of a file; `text` is what stands for its text, byte for byte.
    pub(super) fn new(sources: &Sources, file: FileId, text: &str, spans: &[Span]) -> Self {
        let name = sources.file(file).map(|source| source.name().clone()).unwrap_or_default();
        let mut excerpt =
            Self { name, text: String::new(), lines: Vec::new(), pieces: Vec::new(), columns: Vec::new() };
        let floor = |offset: u32| text.floor_char_boundary(offset as usize);
        let spans: Vec<(Span, Range<usize>)> =
            spans.iter().map(|span| (*span, short(text, floor(span.start)..floor(span.end)))).collect();
        let mut lines: BTreeMap<usize, Range<usize>> = BTreeMap::new();
        for (span, bytes) in &spans {
            let first = sources.place(*span).line.saturating_sub(1) as usize;
            around(text, first, bytes, &mut lines);
        }
        for (number, line) in lines {
            excerpt.lines.push(number);
            excerpt.add(text, line, spans.iter().map(|(_, bytes)| bytes));
        }
        for (span, _) in &spans {
            let column = sources.place(*span).column.saturating_sub(1) as usize;
            let (start, _) = excerpt.place(*span);
            excerpt.columns.push((start, column));
        }
        excerpt
    }

    /// Where a span that the excerpt was made for stands in it: offset and length.
    pub(super) fn place(&self, span: Span) -> (usize, usize) {
        let start = self.at(span.start as usize);
        (start, self.at(span.end as usize).saturating_sub(start))
    }

    fn at(&self, offset: usize) -> usize {
        let behind = self.pieces.partition_point(|piece| piece.source.start <= offset);
        let Some(piece) = behind.checked_sub(1).and_then(|at| self.pieces.get(at)) else { return 0 };
        match offset.checked_sub(piece.source.end) {
            None | Some(0) => piece.start + (offset - piece.source.start),
            Some(_) => (piece.start + piece.source.len() + CUT.len()).min(self.text.len()),
        }
    }

    fn add<'a>(&mut self, text: &str, line: Range<usize>, spans: impl Iterator<Item = &'a Range<usize>>) {
        let body = text.get(line.clone()).unwrap_or_default().trim_end_matches(['\n', '\r']).len();
        let end = line.start + body;
        let mut kept: Vec<Range<usize>> = Vec::new();
        if body <= LONG {
            kept.push(line.clone());
        } else {
            kept.push(line.start..line.start + BEGINNING);
            for span in spans.filter(|span| span.start <= end && span.end >= line.start) {
                let start = span.start.max(line.start);
                let last = span.end.min(end).min(start + LABEL);
                kept.push(start.saturating_sub(AROUND).max(line.start)..(last + AROUND).min(end));
            }
            kept.sort_by_key(|range| range.start);
        }
        let mut at = line.start;
        for range in kept {
            let (start, until) =
                (text.floor_char_boundary(range.start).max(at), text.floor_char_boundary(range.end).max(at));
            if start > at {
                self.text.push_str(CUT);
            }
            self.piece(text, start..until);
            at = until;
        }
        if at < end {
            self.text.push_str(CUT);
            at = end;
        }
        if at < line.end {
            self.piece(text, at..line.end);
        }
    }

    fn piece(&mut self, text: &str, source: Range<usize>) {
        let start = self.text.len();
        self.text.push_str(text.get(source.clone()).unwrap_or_default());
        self.pieces.push(Piece { source, start });
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let read = <str as SourceCode>::read_span(&self.text, span, before, after)?;
        let line = self.lines.get(read.line()).copied().unwrap_or(read.line());
        let own = self.columns.iter().find(|(start, _)| *start == span.offset() && before == 0);
        let column = own.map_or(read.column(), |(_, column)| *column);
        let count = read.data().split(|byte| *byte == b'\n').count();
        let contents = MietteSpanContents::new_named(
            self.name.to_string(),
            read.data(),
            *read.span(),
            line,
            column,
            count,
        );
        Ok(Box::new(contents))
    }
}

/// The span, up to the end of its first line where it takes more lines than anybody reads.
fn short(text: &str, span: Range<usize>) -> Range<usize> {
    let under = text.get(span.clone()).unwrap_or_default();
    match under.match_indices('\n').nth(MOST_LINES) {
        Some(_) => span.start..span.start + under.find('\n').unwrap_or(0),
        None => span,
    }
}

/// The lines of a span, and one more above and below, by their numbers.
fn around(text: &str, first: usize, span: &Range<usize>, lines: &mut BTreeMap<usize, Range<usize>>) {
    let start = text.get(..span.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    if let Some(above) = start.checked_sub(1) {
        let before = text.get(..above).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        lines.insert(first.saturating_sub(1), before..start);
    }
    let mut number = first;
    let mut at = start;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let end = rest.find('\n').map_or(text.len(), |end| at + end + 1);
        lines.insert(number, at..end);
        // One below: the line that starts behind the end of the span.
        if at > span.end || end >= text.len() {
            return;
        }
        (number, at) = (number + 1, end);
    }
}

/// What stands for what is left out.
const CUT: &str = "…";
/// Bytes of a line that is shown whole.
const LONG: usize = 240;
/// Bytes that are shown of the beginning of a longer one.
const BEGINNING: usize = 30;
/// Bytes of a label that are shown on such a line.
const LABEL: usize = 100;
/// Bytes that are shown on either side of a label.
const AROUND: usize = 30;
/// Lines of one label.
const MOST_LINES: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(text: &str, spans: &[(usize, usize)]) -> (Excerpt, Vec<Span>) {
        let mut sources = Sources::default();
        let file = sources.add("a", text);
        let spans: Vec<Span> = spans
            .iter()
            .map(|&(start, end)| Span {
                file,
                start: u32::try_from(start).unwrap(),
                end: u32::try_from(end).unwrap(),
            })
            .collect();
        (Excerpt::new(&sources, file, text, &spans), spans)
    }

    #[test]
    fn lines_around_the_labels_are_kept() {
        let text = "zero\none\ntwo\nthree\nfour\nfive\nsix\n";
        let (excerpt, spans) = excerpt(text, &[(9, 12), (29, 32)]);
        assert_eq!(excerpt.text, "one\ntwo\nthree\nfive\nsix\n");
        assert_eq!(excerpt.lines, [1, 2, 3, 5, 6]);
        let places: Vec<&str> = spans
            .iter()
            .map(|span| {
                let (start, length) = excerpt.place(*span);
                &excerpt.text[start..start + length]
            })
            .collect();
        assert_eq!(places, ["two", "six"]);
    }

    #[test]
    fn a_long_line_is_cut_around_its_label() {
        let text = format!("{}here{}\n", "é".repeat(500_000), "x".repeat(500_000));
        let (excerpt, spans) = excerpt(&text, &[(1_000_000, 1_000_004)]);
        assert!(excerpt.text.len() < 300, "{}", excerpt.text);
        let (start, length) = excerpt.place(spans[0]);
        assert_eq!(&excerpt.text[start..start + length], "here");
        assert_eq!(excerpt.columns, [(start, 500_000)]);
        assert!(excerpt.text.ends_with("x…\n"), "{}", excerpt.text);
    }

    #[test]
    fn a_long_label_is_cut_itself() {
        let text = format!("to: {}\nnext", "w".repeat(1 << 20));
        let (excerpt, spans) = excerpt(&text, &[(4, 4 + (1 << 20))]);
        let (start, length) = excerpt.place(spans[0]);
        assert!(length < 200 && excerpt.text[start..start + length].ends_with('…'), "{}", excerpt.text);
    }

    #[test]
    fn a_label_at_the_end_of_the_text_has_a_place() {
        for text in ["", "a", "a\n", "a\n\n"] {
            let (excerpt, spans) = excerpt(text, &[(text.len(), text.len())]);
            let (start, length) = excerpt.place(spans[0]);
            assert_eq!((start, length), (excerpt.text.len(), 0), "{text:?}");
            assert!(excerpt.read_span(&(start, 0).into(), 1, 1).is_ok(), "{text:?}");
        }
    }
}
