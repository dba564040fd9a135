//! What can be told of a text without reading it: its size, its depth, characters that deceive.

use super::ast::{Comment, File, Form, Word};
use super::{MAX_DEPTH, MAX_FILE, Rule};
use crate::diagnostic::{Code, Diagnostic, Edit, Level, Safety};
use crate::source::{FileId, Span};
use pest::iterators::Pairs;

/// Why a text is not even parsed.
pub(super) fn refusal(file: FileId, text: &str) -> Option<Diagnostic> {
    let at = |start: usize, length: usize| Span {
        file,
        start: u32::try_from(start).unwrap_or(u32::MAX),
        end: u32::try_from(start + length).unwrap_or(u32::MAX),
    };
    if text.len() > MAX_FILE {
        let message = format!("the file is larger than {} MiB", MAX_FILE >> 20);
        return Some(
            limit(at(0, 0), message)
                .help("long lists belong in files of their own: `set name from \"file\"`"),
        );
    }
    if let Some(start) = text.find('\0') {
        return Some(
            Diagnostic::new(Code("RS0112"), Level::Error, at(start, 1), "a NUL character in the text")
                .help("this is no text file, or a broken one; nothing of it is read"),
        );
    }
    if let Some(start) = text.find('\u{FFFD}') {
        return Some(
            Diagnostic::new(Code("RS0101"), Level::Error, at(start, 3), "the text is not valid UTF-8 here")
                .help("save the file as UTF-8"),
        );
    }
    // An editor shows a line end where the language sees none: what looks like a rule may be the
    // rest of a comment.
    if let Some((start, _)) =
        text.match_indices('\r').find(|&(at, _)| text.as_bytes().get(at + 1) != Some(&b'\n'))
    {
        let message = "a carriage return without its line feed (U+000D)";
        return Some(
            Diagnostic::new(Code("RS0112"), Level::Error, at(start, 1), message)
                .help("save the file with the line ends of Unix; nothing of it is read"),
        );
    }
    let start = too_deep(text)?;
    let message = format!("braces stand more than {MAX_DEPTH} deep in each other");
    Some(limit(at(start, 1), message).help("a policy needs three: a rule, its `except`, and no more"))
}

/// The parser gave up.
pub(super) fn too_much(span: Span) -> Diagnostic {
    limit(span.at_start(), "the file needs more steps to read than the parser takes")
        .help("split the file, and `include` the parts")
}

fn limit(span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(Code("RS0117"), Level::Error, span, message)
}

/// Where the braces first stand too deep. Texts, regexes and comments do not count.
fn too_deep(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    let mut at = 0;
    let mut before = b' ';
    while let Some(&byte) = bytes.get(at) {
        let skip = match byte {
            b'"' => quoted(bytes, at, b'"'),
            b'#' => line_end(bytes, at),
            b'/' if matches!(before, b' ' | b'\t' | b'\n' | b',' | b'{' | b':') => quoted(bytes, at, b'/'),
            _ => at,
        };
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Some(at);
        }
        before = byte;
        at = skip + 1;
    }
    None
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |line| from + line)
}

/// The closing mark on the same line, or where it opens if there is none.
fn quoted(bytes: &[u8], from: usize, mark: u8) -> usize {
    let mut at = from + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\n' => return from,
            b'\\' => at += 1,
            byte if byte == mark => return at,
            _ => {}
        }
        at += 1;
    }
    from
}

/// All comments of a parsed text.
pub(super) fn comments(file: FileId, text: &str, pairs: &Pairs<'_, Rule>) -> Vec<Comment> {
    if !text.contains('#') {
        return Vec::new();
    }
    let comments = pairs.clone().flatten().filter(|pair| pair.as_rule() == Rule::COMMENT);
    comments
        .map(|pair| {
            let span = pair.as_span();
            let line = text.get(..span.start()).unwrap_or_default().rsplit('\n').next().unwrap_or_default();
            let length = span.as_str().trim_end().len();
            let start = u32::try_from(span.start()).unwrap_or(u32::MAX);
            Comment {
                span: Span { file, start, end: start + u32::try_from(length).unwrap_or(0) },
                own_line: line.trim().is_empty(),
            }
        })
        .collect()
}

/// Reports characters that deceive the eye. Where one stands in a text that is reported as broken
/// anyway, it is the reason: the report becomes one of the character.
pub fn characters(file: &File, text: &str, found: &mut Vec<Diagnostic>) {
    if text.is_ascii() && !text.bytes().any(is_control) {
        return;
    }
    let hidden = Hidden::of(file);
    let mut blamed: Vec<usize> = Vec::new();
    let mut told = 0;
    for (start, character) in text.char_indices() {
        let Some((what, instead)) = deceit(character) else { continue };
        let start_at = u32::try_from(start).unwrap_or(u32::MAX);
        let length = u32::try_from(character.len_utf8()).unwrap_or(0);
        let span = Span { file: file.id, start: start_at, end: start_at + length };
        let covers = |diagnostic: &Diagnostic| {
            let place = diagnostic.primary.span;
            place.file == file.id && place.start <= span.start && span.end <= place.end
        };
        let code_point = u32::from(character);
        let finding = |level| {
            let message = format!("{what} (U+{code_point:04X})");
            let help = match instead {
                "" => "drop it".to_owned(),
                " " => "write a plain space".to_owned(),
                instead => format!("write `{instead}`"),
            };
            Diagnostic::new(Code("RS0112"), level, span, message).help(help)
        };
        let broken = found.iter().enumerate().find(|(_, one)| covers(one) && one.level == Level::Error);
        if let Some((at, _)) = broken {
            if !blamed.contains(&at)
                && let Some(one) = found.get_mut(at)
            {
                blamed.push(at);
                *one = finding(Level::Error);
            }
            continue;
        }
        let visible = matches!(what, SPACE | LOOK_ALIKE);
        let letter = what == LOOK_ALIKE && character.is_alphabetic();
        if (visible && hidden.anywhere(span)) || (letter && !in_mixed_word(file, span)) {
            continue;
        }
        let title = if instead.is_empty() { "drop it" } else { "write the plain character" };
        let edit = Edit { span, text: instead.into() };
        // A mark that looks like one of the language was meant to be it.
        let mark = what == LOOK_ALIKE && !letter;
        let inside = what == INVISIBLE && !hidden.anywhere(span);
        let level = if mark || inside { Level::Error } else { Level::Warning };
        // Of two names that look alike the writer may have meant either.
        let safety = if letter { Safety::Unsafe } else { Safety::Safe };
        found.push(finding(level).fix(title, safety, vec![edit]));
        told += 1;
        if told > 100 {
            return;
        }
    }
}

const SPACE: &str = "a space that is not the plain one";
const INVISIBLE: &str = "an invisible character";
const LOOK_ALIKE: &str = "a character that looks like another";

fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r')
}

/// What is wrong with a character, and what to write instead.
fn deceit(character: char) -> Option<(&'static str, &'static str)> {
    let instead = match character {
        '\u{FEFF}' => return Some(("a byte order mark", "")),
        '\u{A0}' | '\u{1680}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}' => {
            return Some((SPACE, " "));
        }
        '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{61C}' => {
            return Some((INVISIBLE, ""));
        }
        // A NUL is reported before anything is read.
        '\0' | '\t' | '\n' | '\r' => return None,
        '\u{1}'..='\u{1F}' | '\u{7F}'..='\u{9F}' => return Some(("a control character", "")),
        '“' | '”' | '„' | '«' | '»' | '″' | '＂' => "\"",
        '‘' | '’' | '‚' | '′' => "'",
        '–' | '—' | '−' | '‐' | '‑' | '－' => "-",
        '：' | '∶' | '꞉' => ":",
        '，' | '、' => ",",
        '｛' => "{",
        '｝' => "}",
        '＠' => "@",
        '＃' => "#",
        '∕' | '⁄' | '／' => "/",
        '．' | '。' | '․' => ".",
        'а' => "a",
        'с' => "c",
        'е' => "e",
        'о' | 'ο' => "o",
        'р' | 'ρ' => "p",
        'х' => "x",
        'у' => "y",
        'і' | 'ι' => "i",
        'ѕ' => "s",
        'ј' => "j",
        'ԁ' => "d",
        'ո' => "n",
        'ⅼ' => "l",
        _ => return None,
    };
    Some((LOOK_ALIKE, instead))
}

/// Comments and texts in quotes, sorted: there a space of another kind harms nobody.
struct Hidden(Vec<Span>);

impl Hidden {
    fn of(file: &File) -> Self {
        let mut spans: Vec<Span> = file.comments.iter().map(|comment| comment.span).collect();
        file.words(&mut |word: &Word| {
            if word.form == Form::Quoted {
                spans.push(word.span);
            }
        });
        spans.sort_unstable();
        Self(spans)
    }

    fn anywhere(&self, span: Span) -> bool {
        let at = self.0.partition_point(|one| one.end <= span.start);
        self.0.get(at).is_some_and(|one| one.start <= span.start)
    }
}

/// Whether a look-alike stands in a word beside plain letters: a word all of one script is honest.
fn in_mixed_word(file: &File, span: Span) -> bool {
    let mut mixed = false;
    file.words(&mut |word: &Word| {
        if word.span.start <= span.start && span.end <= word.span.end && word.form != Form::Quoted {
            mixed |= word.text.bytes().any(|byte| byte.is_ascii_alphabetic());
        }
    });
    mixed
}
