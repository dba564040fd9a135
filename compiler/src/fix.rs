//! Applies the edits of fixes to the texts of a policy. What is changed twice is changed once; what
//! overlaps waits for the next run.

use crate::diagnostic::{Diagnostic, Edit, Safety};
use crate::source::{FileId, Sources};
use std::collections::BTreeMap;

/// The texts after the fixes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Fixed {
    /// Texts that changed.
    pub texts: BTreeMap<FileId, String>,
    /// How many fixes were applied.
    pub applied: usize,
    /// How many wait, because they overlap others.
    pub waiting: usize,
}

/// Applies all fixes up to a safety. A fix is applied whole or not at all.
pub fn apply(sources: &Sources, found: &[Diagnostic], most: Safety) -> Fixed {
    let mut fixed = Fixed::default();
    let mut taken = Taken::default();
    let mut edits: Vec<&Edit> = Vec::new();
    for fix in found.iter().filter_map(|one| one.fix.as_ref()).filter(|fix| fix.safety <= most) {
        if fix.edits.is_empty() || fix.edits.iter().any(|edit| taken.clashes(edit)) {
            fixed.waiting += 1;
            continue;
        }
        fix.edits.iter().for_each(|edit| taken.take(edit));
        edits.extend(&fix.edits);
        fixed.applied += 1;
    }
    edits.sort_by_key(|edit| (edit.span.file, edit.span.start, edit.span.end));
    for edit in edits.iter().rev() {
        let Some(source) = sources.file(edit.span.file) else { continue };
        let text = fixed.texts.entry(edit.span.file).or_insert_with(|| source.text().to_string());
        let (start, end) = (edit.span.start as usize, edit.span.end as usize);
        if text.get(start..end).is_some() {
            text.replace_range(start..end, &edit.text);
        }
    }
    fixed
}

/// The runs of text that are spoken for, by where they start.
#[derive(Default)]
struct Taken(BTreeMap<(FileId, u32), u32>);

impl Taken {
    fn take(&mut self, edit: &Edit) {
        let end = self.0.entry((edit.span.file, edit.span.start)).or_insert(edit.span.end);
        *end = (*end).max(edit.span.end);
    }

    /// Whether an edit touches one of them; next to one counts too.
    fn clashes(&self, edit: &Edit) -> bool {
        let before = self.0.range(..=(edit.span.file, edit.span.end)).next_back();
        before.is_some_and(|(&(file, _), &end)| file == edit.span.file && end >= edit.span.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Code, Level};
    use crate::source::Span;

    fn finding(safety: Safety, edits: &[(u32, u32, &str)]) -> Diagnostic {
        let span = |start, end| Span { file: FileId(0), start, end };
        let edits = edits
            .iter()
            .map(|&(start, end, text)| Edit { span: span(start, end), text: text.into() })
            .collect();
        Diagnostic::new(Code("RS0000"), Level::Warning, span(0, 0), "").fix("", safety, edits)
    }

    #[test]
    fn fixes_are_applied_whole_and_apart() {
        let mut sources = Sources::default();
        let id = sources.add("a", "one two three");
        let found = [
            finding(Safety::Safe, &[(0, 3, "1"), (8, 13, "3")]),
            finding(Safety::Safe, &[(4, 7, "2"), (8, 9, "x")]),
            finding(Safety::Unsafe, &[(4, 7, "zwei")]),
        ];
        let fixed = apply(&sources, &found, Safety::Safe);
        assert_eq!(fixed.texts.get(&id).map(String::as_str), Some("1 two 3"));
        assert_eq!((fixed.applied, fixed.waiting), (1, 1));
        let fixed = apply(&sources, &found, Safety::Unsafe);
        assert_eq!(fixed.texts.get(&id).map(String::as_str), Some("1 zwei 3"));
    }
}
