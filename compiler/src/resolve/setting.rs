//! Statements of the whole policy: `policy`, `default`, `lint`, `socksmethod:` and their like.

use super::{LintAction, LintLevel, Resolver, legacy, silent};
use crate::diagnostic::Code;
use crate::lint::CODES;
use crate::model::Stage;
use crate::source::{FileId, Span};
use crate::syntax::ast::{self, Entry, Form, Statement, StatementKind, Word};

impl<'a> Resolver<'a> {
    /// Everything but definitions, in order.
    pub(super) fn statements(&mut self, statements: &[(FileId, &'a Statement)]) {
        for &(file, statement) in statements {
            match &statement.kind {
                StatementKind::Broken(_) | StatementKind::Definition(_) | StatementKind::Include(_) => {}
                StatementKind::Default(default) => self.default(default, statement.span),
                StatementKind::Invariant(invariant) => self.invariant(invariant, statement.span),
                StatementKind::Lint(lint) => self.lint(file, lint),
                StatementKind::Policy(edition) => self.edition(file, edition, statement.span),
                StatementKind::Rule(rule) => self.rule(rule, statement.span),
                StatementKind::Setting(entry) => self.setting(entry),
                StatementKind::Test(test) => self.test_block(test),
            }
        }
    }

    fn edition(&mut self, file: FileId, word: &Word, span: Span) {
        if silent(word) {
            return;
        }
        match word.text.parse::<u32>() {
            Ok(EDITION) => {
                // Each file may say its edition; twice in one file is a slip.
                let key = "policy";
                if let Some(&first) = self.settings.get(key).filter(|first| first.file == file) {
                    self.error("RS0105", span, "the edition is said twice").related(first, "first said here");
                }
                self.settings.insert(key, span);
            }
            Ok(edition @ 2..) => {
                self.error(
                    "RS0114",
                    word.span,
                    format!("edition {edition} is newer than this program reads"),
                )
                .label(format!("this program reads edition {EDITION}"))
                .help("update rustsocks");
            }
            _ => {
                self.error("RS0106", word.span, format!("`{}` is no edition", word.text))
                    .help("write `policy 1`");
            }
        }
    }

    /// Whether a setting is said for the first time.
    fn first(&mut self, key: &'static str, span: Span) -> bool {
        let Some(&first) = self.settings.get(key) else {
            self.settings.insert(key, span);
            return true;
        };
        self.error("RS0105", span, format!("`{key}` is said twice")).related(first, "first said here");
        false
    }

    fn default(&mut self, default: &'a ast::Default, span: Span) {
        let head = Span { end: span.start + 7, ..span };
        let first = self.first("default", head);
        match default {
            ast::Default::Verdict(word) => {
                let verdict = self.verdict(word);
                if let Some(verdict) = verdict.filter(|_| first) {
                    self.model.defaults.socks = verdict;
                }
            }
            ast::Default::Block(block) => {
                for except in block.excepts() {
                    self.error("RS0101", except.span, "a default has no `except`").help("write a rule");
                }
                let mut seen: Vec<&Entry> = Vec::new();
                for entry in block.entries() {
                    let twice =
                        seen.iter().find(|one| one.key.text == entry.key.text).map(|one| one.key.span);
                    match twice {
                        Some(place) => {
                            let key = &entry.key.text;
                            self.error("RS0115", entry.key.span, format!("`{key}` is said twice"))
                                .related(place, "first said here");
                        }
                        None if entry.is_hollow() => {}
                        None => self.default_entry(entry),
                    }
                    seen.push(entry);
                }
            }
        }
    }

    fn default_entry(&mut self, entry: &'a Entry) {
        if let Some(not) = entry.not {
            self.error("RS0101", not, "`not` in a default").help("write the verdict that is meant");
            return;
        }
        match &*entry.key.text {
            "log" => self.model.defaults.log = self.log(entry).unwrap_or_default(),
            "client" | "socks" => {
                if let Some(second) = entry.values.iter().nth(1) {
                    self.error("RS0101", second.span, "a default has one verdict for each stage");
                }
                let Some(word) = entry.values.include.first() else { return };
                let Some(verdict) = self.verdict(word) else { return };
                if entry.key.is("client") {
                    self.model.defaults.client = Some(verdict);
                } else {
                    self.model.defaults.socks = verdict;
                }
            }
            text => {
                let message = format!("a default has no key `{text}`");
                self.unknown(
                    "RS0102",
                    &entry.key,
                    message,
                    ["client", "log", "socks"],
                    "its keys are client, log, socks",
                );
            }
        }
    }

    fn lint(&mut self, file: FileId, lint: &'a ast::Lint) {
        let level = match &*lint.level.text {
            "allow" => Some(LintAction::Allow),
            "deny" => Some(LintAction::Deny),
            "warn" => Some(LintAction::Warn),
            text => {
                let message = format!("unknown level `{text}`");
                self.unknown(
                    "RS0102",
                    &lint.level,
                    message,
                    ["allow", "deny", "warn"],
                    "write `allow`, `warn` or `deny`",
                );
                None
            }
        };
        if lint.codes.is_empty() {
            self.error("RS0101", lint.level.span, "expected a code after the level")
                .help("write it as in `lint deny RS0302`");
        }
        for word in &lint.codes {
            let Some(code) = self.code(word) else { continue };
            let Some(level) = level else { continue };
            let reason = lint.reason.as_ref().map(|reason| (*reason.text).into());
            self.lints.push(LintLevel { file, level, code, span: word.span, reason });
        }
    }

    /// A code of the catalogue.
    fn code(&mut self, word: &Word) -> Option<Code> {
        if silent(word) {
            return None;
        }
        if let Some(code) = CODES.iter().find(|&&code| code == &*word.text) {
            return Some(Code(code));
        }
        let message = format!("there is no lint `{}`", word.text);
        self.unknown(
            "RS0104",
            word,
            message,
            CODES.iter().copied(),
            "codes look like `RS0302`; `rustsocks check --explain list` shows them",
        );
        None
    }

    fn setting(&mut self, entry: &'a Entry) {
        if entry.is_hollow() {
            return;
        }
        let word = &entry.key;
        if let Some(not) = entry.not {
            self.error("RS0101", not, "`not` before a setting").help("drop it");
            return;
        }
        let text = &*word.text;
        match text {
            "socksmethod" => {
                let methods = self.methods(Stage::Socks, &entry.values.include);
                if self.first("socksmethod", word.span) {
                    self.model.methods = methods;
                }
            }
            "clientmethod" => {
                let methods = self.methods(Stage::Client, &entry.values.include);
                if self.first("clientmethod", word.span) {
                    self.model.client_methods = methods;
                }
            }
            "resolve" => {
                let strict = |text: &str| (text == "strict").then_some(true);
                let read = self.choices(&entry.values.include, "way to resolve", &["strict"], strict);
                if self.first("resolve", word.span) {
                    self.model.strict = read.contains(&true);
                }
            }
            _ => self.unknown_setting(entry),
        }
    }

    fn unknown_setting(&mut self, entry: &Entry) {
        let word = &entry.key;
        let text = &*word.text;
        if let Some(instead) = legacy::setting(text) {
            self.error("RS0116", word.span, format!("`{text}` is Dante's, and not part of a policy"))
                .help(instead);
            return;
        }
        let known = ["clientmethod", "resolve", "socksmethod"];
        let near = crate::suggest::nearest(text, known).is_some();
        let statement = crate::suggest::nearest(text, ["policy", "default", "include", "lint"]);
        if super::keys::KEYS.iter().any(|key| key.name == text) {
            self.error("RS0103", word.span, format!("`{text}` is a key of rules"))
                .help(format!("put it into a rule: `socks pass {{ {text}: … }}`"));
        } else if let Some(statement) = statement.filter(|_| !near) {
            self.error("RS0103", word.span, format!("unknown setting `{text}`"))
                .help(format!("`{statement}` is written without a colon"));
        } else {
            let bare = Word { form: Form::Bare, ..word.clone() };
            let help = "the settings of a policy are clientmethod, resolve, socksmethod";
            self.unknown("RS0103", &bare, format!("unknown setting `{text}`"), known, help);
        }
    }
}

/// The edition of the language that this program reads.
const EDITION: u32 = 1;
