//! What is said of a text that is no statement and no key.

use super::ast::{Broken, Form, Word};
use super::build::Builder;
use crate::diagnostic::Edit;
use crate::source::Span;
use crate::suggest::{did_you_mean, distance, nearest};

/// The words that a statement may begin with.
pub const STATEMENTS: [&str; 13] = [
    "always", "client", "default", "group", "include", "lint", "never", "policy", "ports", "set", "socks",
    "test", "time",
];
/// The keys that settings of the whole policy have.
pub const SETTINGS: [&str; 3] = ["clientmethod", "resolve", "socksmethod"];
/// The keys of rules and of test cases.
pub const KEYS: [&str; 20] = [
    "cert",
    "clientmethod",
    "command",
    "expires",
    "from",
    "group",
    "listen",
    "log",
    "note",
    "port",
    "priority",
    "protocol",
    "proxyprotocol",
    "reply",
    "resolves",
    "socksmethod",
    "time",
    "to",
    "user",
    "method",
];
const VERDICTS: [&str; 3] = ["allow", "block", "pass"];

impl Builder<'_, '_> {
    /// A text at the top that is no statement.
    pub(super) fn blame_junk(&mut self, text: &str, span: Span) -> Broken {
        let line = text.lines().next().unwrap_or_default();
        let line = line.split('#').next().unwrap_or_default().trim_end();
        let words: Vec<Word> = words(line, span);
        let length = u32::try_from(line.len()).unwrap_or(0);
        let span = self.trim(Span { end: span.start + length, ..span });
        let Some(first) = words.first() else { return Broken::default() };
        let names = names_of(&words);
        let head = &*first.text;
        if starts_mark(head) {
            self.blame_mark(head, line, first.span);
        } else if head.starts_with('}') {
            let brace = Span { end: span.start + 1, ..span };
            self.report("RS0101", brace, "a `}` that closes nothing")
                .fix_last("drop it", Edit { span: brace, text: String::new() });
        } else if line.contains('"') && line.matches('"').count() % 2 == 1 {
            let at = u32::try_from(line.rfind('"').unwrap_or(0)).unwrap_or(0) + span.start;
            let quote = Span { start: at, end: at + 1, ..span };
            self.report("RS0118", quote, "a text without its closing quote")
                .help_last("a text ends with a `\"` on the same line");
        } else if let Some(expected) = expected(head, words.get(1), words.len()) {
            let report = self.report("RS0101", span, format!("expected {expected}"));
            if let Some(word) =
                words.get(2).filter(|word| head == "set" && nearest(&word.text, ["from"]).is_some())
            {
                report
                    .help_last(did_you_mean("from"))
                    .fix_last("write `from`", Edit { span: word.span, text: "from".into() });
            }
        } else if matches!(words.get(1), Some(next) if next.text.starts_with('=')) && is_key(head) {
            self.report("RS0101", span, format!("expected `:` after `{head}`"));
        } else if SETTINGS.contains(&head) {
            self.report("RS0101", first.span, format!("expected `:` after `{head}`"));
        } else {
            self.unknown_statement(first, &words);
        }
        Broken { names }
    }

    /// A mark that ends a statement, or starts a comment, in other languages.
    fn blame_mark(&mut self, head: &str, line: &str, at: Span) {
        let marks = head.chars().take_while(|mark| matches!(mark, ';' | '/' | '*' | '-')).count();
        let mark = Span { end: at.start + u32::try_from(marks).unwrap_or(1), ..at };
        if line.trim_matches([';', ' ', '\t']).is_empty() {
            self.semicolon(";", mark);
            return;
        }
        let text = self.under(mark);
        self.report("RS0101", mark, format!("`{text}` does not begin a comment"))
            .help_last("a comment begins with `#` and ends with its line")
            .fix_last("write `#`", Edit { span: mark, text: "#".into() });
    }

    /// Some words and a block, of which the first is no statement.
    pub(super) fn blame_unknown(&mut self, words: Vec<Word>, block: Span) -> Broken {
        let Some(first) = words.first().cloned() else { return Broken::default() };
        let names = names_of(&words);
        let second = words.get(1);
        let head = first.span.to(words.last().map_or(first.span, |last| last.span));
        let verdict = |word: &Word| VERDICTS.contains(&&*word.text);
        if let Some(expected) = expected(&first.text, second, words.len()) {
            self.report(
                "RS0101",
                head.to(Span { end: block.start + 1, ..block }),
                format!("expected {expected}"),
            );
        } else if second.is_some_and(verdict) && !matches!(&*first.text, "never" | "always") {
            let meant = nearest(&first.text, ["client", "socks", "never", "always"]);
            let message = format!("unknown stage `{}`", first.text);
            self.suggest(
                "RS0103",
                &first,
                message,
                meant,
                "a rule is `client` or `socks`, then `pass` or `block`",
            );
        } else {
            self.unknown_statement(&first, &words);
        }
        Broken { names }
    }

    fn unknown_statement(&mut self, first: &Word, words: &[Word]) {
        let text = shorten(&first.text);
        let message = format!("unknown statement `{text}`");
        if let Some((what, instead)) = super::dante::statement(&first.text) {
            self.report("RS0116", first.span, format!("`{what}` is not part of the language"))
                .help_last(instead);
            return;
        }
        let named = |candidates: &[&'static str]| nearest(&first.text, candidates.iter().copied());
        let meant = match words.get(1) {
            _ if matches!(&*first.text, "accept" | "permit" | "grant") => Some("socks pass"),
            _ if matches!(&*first.text, "deny" | "reject" | "drop" | "refuse") => Some("socks block"),
            Some(next) if VERDICTS.contains(&&*next.text) => {
                named(&["client", "socks", "never", "always", "default"])
            }
            _ => named(&STATEMENTS).or_else(|| named(&["pass", "block"])),
        };
        let help = "a statement begins with one of policy, default, include, lint, set, ports, group, time, \
                    client, socks, test, never, always";
        self.suggest("RS0103", first, message, meant, help);
    }

    pub(super) fn suggest(
        &mut self,
        code: &'static str,
        word: &Word,
        message: String,
        meant: Option<&str>,
        help: &str,
    ) {
        let report = self.report(code, word.span, message);
        match meant {
            Some(meant) => {
                _ = report
                    .help_last(did_you_mean(meant))
                    .fix_last(format!("write `{meant}`"), Edit { span: word.span, text: meant.into() })
            }
            None => _ = report.help_last(help),
        }
    }

    /// A text in a block that is no key.
    pub(super) fn blame_bad(&mut self, span: Span) {
        let span = self.trim(span);
        let text = self.under(span);
        let words = words(text, span);
        let Some(first) = words.first() else { return };
        let head = &*first.text;
        let next = words.get(1).map(|word| &*word.text);
        let meant = nearest(head, KEYS);
        if starts_mark(head) {
            let line = text.lines().next().unwrap_or_default();
            self.blame_mark(head, line, first.span);
        } else if head.starts_with("{") {
            self.report("RS0101", first.span, "a block that belongs to nothing")
                .help_last("an exception is written `except { … }`");
        } else if next.is_some_and(|next| next.starts_with('{')) {
            let message = format!("expected `except` before a block, found `{}`", shorten(head));
            self.suggest(
                "RS0101",
                first,
                message,
                nearest(head, ["except"]),
                "an exception is written `except { … }`",
            );
        } else if matches!(head, "redirect" | "bandwidth" | "libwrap") {
            self.report("RS0116", span, format!("`{head}` is Dante's, and not part of the language"))
                .help_last("leave it out");
        } else if let Some(key) = meant.filter(|key| *key == head) {
            let edit = match words.get(1) {
                Some(next) if &*next.text == "=" => {
                    Edit { span: Span { start: first.span.end, ..next.span }, text: ":".into() }
                }
                _ => Edit { span: first.span.at_end(), text: ":".into() },
            };
            self.report("RS0101", first.span, format!("expected `:` after `{key}`"))
                .help_last(format!("a key is written `{key}: value`"))
                .fix_last("put the colon", edit);
        } else if head == "except" {
            self.report("RS0101", first.span, "an `except` where none can be")
                .help_last("an `except { … }` holds keys only; write a second one behind it");
        } else if let Some(key) = meant.filter(|_| next.is_some()) {
            self.report("RS0101", first.span, format!("expected a key, found `{}`", shorten(head)))
                .help_last(format!("did you mean `{key}:`?"))
                .fix_last(format!("write `{key}:`"), Edit { span: first.span, text: format!("{key}:") });
        } else {
            let found = shorten(text);
            self.report("RS0101", span, format!("expected a key or `}}`, found `{found}`"))
                .help_last("values stand behind a key, as in `to: example.com`, with commas between them");
        }
    }
}

/// Whether a word begins with what begins a comment, or ends a statement, in other languages.
fn starts_mark(word: &str) -> bool {
    word.starts_with(';') || word.starts_with("//") || word.starts_with("/*") || word == "--"
}

/// The `except` or `not` that a word may have meant.
pub(super) fn mark(word: &str) -> Option<&'static str> {
    if !(2..=9).contains(&word.len()) || !word.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return None;
    }
    let typed: Vec<char> = word.chars().collect();
    [("except", 2), ("not", 1)].into_iter().find_map(|(meant, bound)| {
        let letters: Vec<char> = meant.chars().collect();
        distance(&typed, &letters, bound).filter(|&far| far <= bound).map(|_| meant)
    })
}

fn is_key(word: &str) -> bool {
    KEYS.contains(&word) || SETTINGS.contains(&word)
}

/// What should have come after the words of a statement that is known.
fn expected(head: &str, second: Option<&Word>, count: usize) -> Option<String> {
    let text = match head {
        "policy" => "the edition of the language, as in `policy 1`",
        "default" => "`block`, `pass` or `{` after `default`",
        "include" => "a path in quotes after `include`",
        "lint" => "`allow`, `warn` or `deny` and a code, as in `lint deny RS0302`",
        "set" if second.is_none() => "a name after `set`",
        "set" => "`{` or `from \"file\"` after the name of the set",
        "ports" | "group" | "time" if second.is_none() => return Some(format!("a name after `{head}`")),
        "ports" | "group" | "time" => return Some(format!("`{{` after the name of the {head}")),
        "test" => "a name in quotes and `{` after `test`",
        "never" | "always" if second.is_none() => return Some(format!("`pass` or `block` after `{head}`")),
        "never" | "always" => return Some(format!("`{{` after `{head} pass`")),
        "client" | "socks" if second.is_none() => return Some(format!("`pass` or `block` after `{head}`")),
        "client" | "socks" if count == 2 => "a name or `{` after the verdict",
        "client" | "socks" => "`{` after the name of the rule",
        "pass" | "block" => "`client` or `socks` before the verdict, and a block `{ … }` behind it",
        _ => return None,
    };
    Some(text.into())
}

/// What the words of a broken head would have defined.
fn names_of(words: &[Word]) -> Vec<Word> {
    words.iter().skip(1).filter(|word| !VERDICTS.contains(&&*word.text)).cloned().collect()
}

fn words(text: &str, span: Span) -> Vec<Word> {
    let mut words = Vec::new();
    for part in text.split_whitespace().take(16) {
        let at = part.as_ptr() as usize - text.as_ptr() as usize;
        let start = span.start + u32::try_from(at).unwrap_or(0);
        let length = u32::try_from(part.len()).unwrap_or(0);
        let whole = Span { start, end: start + length, ..span };
        let bare = part.trim_matches(['"', ',']);
        match bare.split_once('{') {
            Some((before, _)) if !before.is_empty() => {
                // A quote before the word is not of it.
                let start = span.start
                    + u32::try_from(before.as_ptr() as usize - text.as_ptr() as usize).unwrap_or(0);
                let end = start + u32::try_from(before.len()).unwrap_or(0);
                words.push(Word {
                    text: before.into(),
                    span: Span { start, end, ..whole },
                    form: Form::Bare,
                });
                words.push(Word {
                    text: "{".into(),
                    span: Span { start: end, end: end + 1, ..whole },
                    form: Form::Bare,
                });
            }
            _ => words.push(Word { text: bare.into(), span: whole, form: Form::Bare }),
        }
    }
    words
}

/// The text in one line, cut where it is long.
pub(super) fn shorten(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().trim_end();
    match line.char_indices().nth(40) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line.to_owned(),
    }
}
