//! What is wrong with a policy, where, and what to do about it: plain data, drawn elsewhere.

use crate::source::Span;
use std::fmt;

/// A stable code such as `RS0203`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Code(pub &'static str);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// How grave a diagnostic is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Level {
    /// Worth knowing.
    Info,
    /// Most likely a mistake; the policy can be loaded.
    Warning,
    /// The policy can not be loaded: a mistake, or a finding that is denied.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// A place with a word on what is there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is there; empty for a mere mark.
    pub text: String,
}

/// Whether a fix may change a verdict.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Safety {
    /// No request is judged otherwise.
    Safe,
    /// It is most likely what was meant, but a verdict may change.
    Unsafe,
}

/// One replacement of text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Edit {
    /// What goes.
    pub span: Span,
    /// What comes.
    pub text: String,
}

/// A way out, as edits that do not overlap.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fix {
    /// What it does, as a command: "merge the two lines".
    pub title: String,
    /// Whether a verdict may change.
    pub safety: Safety,
    /// The edits.
    pub edits: Vec<Edit>,
}

/// One finding.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Diagnostic {
    /// Its code.
    pub code: Code,
    /// Its level, after all settings.
    pub level: Level,
    /// One line: lower case, no full stop, the user's words in backticks.
    pub message: String,
    /// The smallest honest place and what is there.
    pub primary: Label,
    /// The other parties.
    pub related: Vec<Label>,
    /// What to do.
    pub help: Option<String>,
    /// The same as an edit, where it is certain.
    pub fix: Option<Fix>,
    /// A request that shows it, as arguments of `rustsocks explain`.
    pub witness: Option<String>,
}

impl Diagnostic {
    /// A finding with nothing but its place; the rest is added by the methods below.
    pub fn new(code: Code, level: Level, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            level,
            message: message.into(),
            primary: Label { span, text: String::new() },
            related: Vec::new(),
            help: None,
            fix: None,
            witness: None,
        }
    }

    /// Says what stands at the primary place.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.primary.text = text.into();
        self
    }

    /// Points at another party.
    #[must_use]
    pub fn related(mut self, span: Span, text: impl Into<String>) -> Self {
        self.related.push(Label { span, text: text.into() });
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// Offers edits.
    #[must_use]
    pub fn fix(mut self, title: impl Into<String>, safety: Safety, edits: Vec<Edit>) -> Self {
        self.fix = Some(Fix { title: title.into(), safety, edits });
        self
    }

    /// Shows a request.
    #[must_use]
    pub fn witness(mut self, arguments: impl Into<String>) -> Self {
        self.witness = Some(arguments.into());
        self
    }

    /// Cuts what is quoted from the policy to a length that can be read.
    pub(crate) fn cut(&mut self) {
        let labels = self.related.iter_mut().map(|label| &mut label.text);
        let texts =
            [&mut self.message, &mut self.primary.text].into_iter().chain(labels).chain(&mut self.help);
        texts.filter(|text| text.len() > QUOTED).for_each(|text| *text = shortened(text));
    }
}

/// The text with each quotation cut, and with an end.
fn shortened(text: &str) -> String {
    let mut whole = String::new();
    for (at, part) in text.split('`').enumerate() {
        if at > 0 {
            whole.push('`');
        }
        match part.char_indices().nth(QUOTED) {
            Some(_) if at % 2 == 1 => {
                whole.extend(part.chars().take(QUOTED / 2));
                whole.push('…');
            }
            _ => whole.push_str(part),
        }
    }
    if let Some((end, _)) = whole.char_indices().nth(MOST) {
        whole.truncate(end);
        whole.push('…');
    }
    whole
}

/// Characters of a quotation that is shown whole.
const QUOTED: usize = 120;
/// Characters of a message, a label or a help.
const MOST: usize = 2000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::FileId;

    #[test]
    fn what_is_quoted_is_cut() {
        let span = Span { file: FileId(0), start: 0, end: 0 };
        let long = "é".repeat(1 << 20);
        let mut one = Diagnostic::new(Code("RS0106"), Level::Error, span, format!("`{long}` is no port"))
            .label(format!("a name has no {long}"))
            .help("write the number");
        one.cut();
        assert_eq!(one.message, format!("`{}…` is no port", "é".repeat(60)));
        assert!(one.primary.text.ends_with('…') && one.primary.text.chars().count() == 2001);
        assert_eq!(one.help.as_deref(), Some("write the number"));
    }
}
