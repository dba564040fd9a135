//! Texts that a policy is made of, and places in them.
//!
//! Nothing here reads a file: texts come from a [`Loader`] that the caller hands in.

use std::fmt;
use std::sync::Arc;

/// One text of a policy, as an index into [`Sources`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FileId(pub u32);

/// A run of bytes of one text: from `start` up to, not including, `end`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Span {
    /// The text.
    pub file: FileId,
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
    pub end: u32,
}

impl Span {
    /// The smallest span that holds both; `other` is taken to be of the same text.
    pub fn to(self, other: Self) -> Self {
        Self { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// The empty span at the start of this one.
    pub fn at_start(self) -> Self {
        Self { end: self.start, ..self }
    }

    /// The empty span at the end of this one.
    pub fn at_end(self) -> Self {
        Self { start: self.end, ..self }
    }
}

/// A place as people write it: `office.policy:27:1`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Place {
    /// Name of the text, as it was asked for.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One text with its name.
#[derive(Clone, Debug)]
pub struct Source {
    name: Arc<str>,
    text: Arc<str>,
    lines: Vec<u32>,
}

impl Source {
    /// The name it was asked for by, such as `teams/web.policy`.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The text.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }
}

/// All texts of one policy, the root first.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<Source>,
}

impl Sources {
    /// Adds a text.
    pub fn add(&mut self, name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        let text = text.into();
        let starts = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        let lines = std::iter::once(0)
            .chain(starts.map(|(at, _)| u32::try_from(at + 1).unwrap_or(u32::MAX)))
            .collect();
        self.files.push(Source { name: name.into(), text, lines });
        id
    }

    /// The text of an id that [`Sources::add`] gave.
    pub fn file(&self, id: FileId) -> Option<&Source> {
        self.files.get(id.0 as usize)
    }

    /// All texts in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &Source)> {
        (0..).map(FileId).zip(&self.files)
    }

    /// The words under a span; empty if the span is none of ours.
    pub fn text(&self, span: Span) -> &str {
        self.file(span.file)
            .and_then(|source| source.text.get(span.start as usize..span.end as usize))
            .unwrap_or_default()
    }

    /// Where a span starts.
    pub fn place(&self, span: Span) -> Place {
        self.place_at(span.file, span.start)
    }

    /// Where a span ends (one column past its last character).
    pub fn end_place(&self, span: Span) -> Place {
        self.place_at(span.file, span.end)
    }

    fn place_at(&self, file: FileId, at: u32) -> Place {
        let Some(source) = self.file(file) else {
            return Place { file: "?".into(), line: 1, column: 1 };
        };
        let line = source.lines.partition_point(|&start| start <= at).max(1);
        let start = source.lines.get(line - 1).copied().unwrap_or(0);
        let before = source.text.get(start as usize..at as usize).unwrap_or_default();
        Place {
            file: source.name.clone(),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(before.chars().count() + 1).unwrap_or(u32::MAX),
        }
    }
}

/// Why a text could not be had.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LoadError {
    /// No such file.
    #[error("no such file")]
    Missing,
    /// Larger than the caller reads; the limit in bytes.
    #[error("larger than {0} bytes")]
    TooLarge(u64),
    /// Anything else, in the words of the operating system.
    #[error("{0}")]
    Unreadable(Box<str>),
}

/// Gives the compiler its texts: from files, from an editor, from a map in a test.
pub trait Loader {
    /// Reads the text of that name.
    ///
    /// # Errors
    /// Says why there is none.
    fn read(&self, name: &str) -> Result<Arc<[u8]>, LoadError>;

    /// Names that match a pattern with `*`, `?` and `[…]`, sorted.
    ///
    /// # Errors
    /// Says why a folder could not be read; [`LoadError::Missing`] where there is none.
    fn glob(&self, pattern: &str) -> Result<Vec<String>, LoadError>;
}

impl Loader for std::collections::BTreeMap<String, String> {
    fn read(&self, name: &str) -> Result<Arc<[u8]>, LoadError> {
        self.get(name).map(|text| text.as_bytes().into()).ok_or(LoadError::Missing)
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, LoadError> {
        let (before, after) = pattern.split_once('*').unwrap_or((pattern, ""));
        let fits = |name: &&String| {
            name.len() >= before.len() + after.len()
                && name.starts_with(before)
                && name.ends_with(after)
                && (pattern.contains('*') || name.as_str() == pattern)
        };
        Ok(self.keys().filter(fits).cloned().collect())
    }
}
