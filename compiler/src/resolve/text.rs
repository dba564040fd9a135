//! Names, patterns over names, and regexes.

use super::Resolver;
use crate::model::{HostError, Name, NamePattern, TextPattern};
use crate::syntax::ast::Word;
use std::sync::Arc;

impl Resolver<'_> {
    /// `example.com`, `.example.com`, `*.example.com`, `api.*.com`.
    pub(super) fn name_pattern(&mut self, word: &Word) -> Option<NamePattern> {
        let text = &*word.text;
        let read = if let Some(base) = text.strip_prefix("*.").filter(|base| !base.contains('*')) {
            Name::parse(base).map(NamePattern::Below)
        } else if let Some(base) = text.strip_prefix('.').filter(|base| !base.contains('*')) {
            Name::parse(base).map(NamePattern::Tree)
        } else if text.contains('*') {
            return self.glob(word);
        } else {
            Name::parse(text).map(NamePattern::Exact)
        };
        match read {
            Ok(pattern) => Some(pattern),
            Err(reason) => {
                self.bad_name(word, reason);
                None
            }
        }
    }

    fn glob(&mut self, word: &Word) -> Option<NamePattern> {
        let text = &*word.text;
        if text.trim_matches(['*', '.']).is_empty() {
            self.error("RS0106", word.span, format!("`{text}` is no name"))
                .help("write `name` for every name, or `any` for every target");
            return None;
        }
        if is_numbers(text) {
            self.error("RS0106", word.span, format!("`{text}` is a pattern of addresses")).help(
                match prefix_of_stars(text) {
                    Some(prefix) => format!("a `*` stands in names only: write the prefix, `{prefix}`"),
                    None => {
                        "a `*` stands in names only: write a prefix such as `10.0.0.0/24`, or a range".into()
                    }
                },
            );
            return None;
        }
        let text = text.strip_prefix('.').unwrap_or(text);
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.contains("**") || !text.is_ascii() || word.text.starts_with('.') {
            self.error("RS0106", word.span, format!("`{}` is no pattern of names", word.text)).help(
                "a `*` stands for any run of characters of one label, and a leading `*.` for any labels; \
                 other letters are written in their `xn--` form",
            );
            return None;
        }
        match Name::parse(&text.replace('*', "a")) {
            Ok(_) => Some(NamePattern::Glob(TextPattern::new(text))),
            Err(reason) => {
                self.bad_name(word, reason);
                None
            }
        }
    }

    fn bad_name(&mut self, word: &Word, reason: HostError) {
        let text = &*word.text;
        let report = self.error("RS0106", word.span, format!("`{text}` is no name and no address"));
        let report = report.label(reason.to_string());
        if text.contains('/') {
            report.help("a regex is written between two slashes, as in `/ads[0-9]+\\.example\\.com/`");
        } else if text == "." {
            report.help("write `name` for every name, or `any` for every target");
        } else if let Some(bare) = text.strip_prefix('\'') {
            report.help(format!("a text stands in double quotes: `\"{}\"`", bare.trim_end_matches('\'')));
        } else if text.contains('$') {
            report.help("there are no variables in a policy; write the value");
        } else if let Some(Ok(host)) = Some(crate::model::Host::parse(text)) {
            report.help(format!("write `{host}`"));
        }
    }

    /// `/regex/`: over the whole name, whatever the case, of bounded size.
    pub(super) fn regex(&mut self, word: &Word) -> Option<Arc<regex::Regex>> {
        let text = &*word.text;
        if text.len() > MAX_REGEX {
            self.error("RS0106", word.span, format!("a regex of more than {MAX_REGEX} bytes"))
                .help("name sets and list files are faster, and have no such limit");
            return None;
        }
        // Alone first: a stray `)` must not end the group that the anchors are put around.
        if let Err(reason) = regex_automata::util::syntax::parse(text) {
            let reason = reason.to_string();
            let reason = reason.lines().last().unwrap_or_default();
            let reason = reason.strip_prefix("error: ").unwrap_or(reason);
            self.error("RS0106", word.span, format!("`/{text}/` is no regex")).label(reason);
            return None;
        }
        let built = regex::RegexBuilder::new(&format!("^(?:{text})$"))
            .case_insensitive(true)
            .size_limit(MAX_PROGRAM)
            .build();
        match built {
            Ok(regex) => Some(Arc::new(regex)),
            Err(_) => {
                self.error("RS0401", word.span, format!("`/{text}/` is too large when it is compiled"))
                    .help("write fewer or smaller repetitions");
                None
            }
        }
    }
}

/// Whether a pattern has digits in all its labels, but for stars: no name has a number at its end.
fn is_numbers(text: &str) -> bool {
    let text = text.trim_matches('.');
    text.contains(|character: char| character.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'*' | b'.'))
}

/// `10.0.*.*` and `10.0.*` are `10.0.0.0/16`.
fn prefix_of_stars(text: &str) -> Option<String> {
    let labels: Vec<&str> = text.split('.').collect();
    let numbers = labels.iter().position(|&label| label == "*")?;
    let (front, stars) = labels.split_at_checked(numbers)?;
    let octets: Option<Vec<u8>> = front.iter().map(|label| label.parse().ok()).collect();
    let mut octets = octets.filter(|_| labels.len() <= 4 && stars.iter().all(|&label| label == "*"))?;
    octets.resize(4, 0);
    let [a, b, c, d]: [u8; 4] = octets.try_into().ok()?;
    Some(format!("{}/{}", std::net::Ipv4Addr::new(a, b, c, d), 8 * numbers))
}

/// How long a regex may be, in bytes.
const MAX_REGEX: usize = 1000;
/// How large its program may be, in bytes.
const MAX_PROGRAM: usize = 1 << 20;
