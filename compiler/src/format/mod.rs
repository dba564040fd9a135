//! The one way a policy is written. Comments and groups of lines stay; what is written is read
//! again and compared with what it was made from, and is given out only where the two say the same.

mod out;
mod write;

use crate::diagnostic::{Diagnostic, Level};
use crate::source::FileId;
use crate::syntax;
use out::Out;

/// Why a text was not formatted.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// It can not be read; what is wrong with it.
    #[error("the policy can not be read")]
    Broken(Vec<Diagnostic>),
    /// What would have been written does not say the same; the text is left alone.
    #[error("the formatter would have changed the policy, so it is left alone; please report this")]
    Unfaithful,
}

/// The canonical form of a text.
///
/// # Errors
/// Where the text can not be read, or the result would not say the same.
pub fn format(text: &str) -> Result<String, FormatError> {
    let id = FileId(0);
    let mut found = Vec::new();
    let file = syntax::parse(id, text, &mut found);
    found.retain(|one| one.level == Level::Error);
    if !found.is_empty() {
        return Err(FormatError::Broken(found));
    }
    let formatted = write::file(&file, Out::new(text, &file.comments));
    let again = syntax::parse(id, &formatted, &mut found);
    let clean = !found.iter().any(|one| one.level == Level::Error);
    let comments = |file: &syntax::ast::File, text: &str| -> Vec<String> {
        let under = |comment: &syntax::ast::Comment| {
            let (start, end) = (comment.span.start as usize, comment.span.end as usize);
            text.get(start..end).unwrap_or_default().trim_end().to_owned()
        };
        file.comments.iter().map(under).collect()
    };
    if clean && again.same_as(&file) && comments(&again, &formatted) == comments(&file, text) {
        Ok(formatted)
    } else {
        Err(FormatError::Unfaithful)
    }
}

/// What [`format`] would write of a tree without mistakes, not compared.
pub(crate) fn draft(file: &syntax::ast::File, text: &str) -> String {
    write::file(file, Out::new(text, &file.comments))
}

/// Columns of a line.
const WIDTH: usize = 110;
