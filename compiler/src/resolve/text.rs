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

/// How long a regex may be, in bytes.
const MAX_REGEX: usize = 1000;
/// How large its program may be, in bytes.
const MAX_PROGRAM: usize = 1 << 20;
