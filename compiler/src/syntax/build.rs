//! Pairs of the parser → tree.

use super::ast::{
    Block, Body, BodyValues, Broken, Case, Default, Definition, DefinitionKind, Entry, Except, File, Form,
    Include, Invariant, Lint, Member, Rule as RuleNode, Statement, StatementKind, Test, Values, Word,
};
use super::{Rule, blame, dante};
use crate::diagnostic::{Diagnostic, Edit};
use crate::source::{FileId, Span};
use pest::iterators::Pair;

/// Builds one file.
pub(super) struct Builder<'t, 'd> {
    file: FileId,
    pub(super) text: &'t str,
    pub(super) found: &'d mut Vec<Diagnostic>,
}

impl<'t, 'd> Builder<'t, 'd> {
    pub(super) fn new(file: FileId, text: &'t str, found: &'d mut Vec<Diagnostic>) -> Self {
        Self { file, text, found }
    }

    pub(super) fn file(mut self, pair: Pair<'t, Rule>, span: Span) -> File {
        let mut statements = Vec::new();
        // What follows a broken head (its keys, its closing brace) is part of the same mistake.
        let mut astray = false;
        for pair in pair.into_inner() {
            let kind_of = pair.as_rule();
            if matches!(kind_of, Rule::EOI | Rule::COMMENT) || (astray && self.belongs_to_broken(&pair)) {
                continue;
            }
            let span = self.span(&pair);
            if kind_of == Rule::junk && pair.as_str().starts_with('{') && self.fills(&mut statements, span) {
                continue;
            }
            let reported = self.found.len();
            let kind = self.statement(pair);
            if matches!(kind, StatementKind::Broken(_)) && self.found.len() == reported {
                // INVARIANT: nothing is left out in silence.
                self.report("RS0101", self.trim(span), "a statement that cannot be read");
            }
            astray = kind_of == Rule::junk && matches!(kind, StatementKind::Broken(_));
            statements.push(Statement { span: self.trim(span), kind });
        }
        File { id: self.file, statements, comments: Vec::new(), span }
    }

    /// `{name}` as the value of a setting before it on its line: a place that some template leaves
    /// for a value. What was said of the setting is not its mistake.
    fn fills(&mut self, statements: &mut [Statement], junk: Span) -> bool {
        let Some(last) = statements.last_mut() else { return false };
        let between = self.between(last.span.end, junk.start);
        if !matches!(last.kind, StatementKind::Setting(_)) || between.contains('\n') {
            return false;
        }
        let start = last.span.start;
        self.found.retain(|one| one.primary.span.file != junk.file || one.primary.span.start < start);
        last.kind = broken();
        last.span = last.span.to(junk);
        let line = self.under(junk).lines().next().unwrap_or_default();
        let length = line.find('}').map_or(line.trim_end().len(), |end| end + 1);
        let at = Span { end: junk.start + u32::try_from(length).unwrap_or(0), ..junk };
        self.report("RS0101", at, "a brace where a value should be")
            .help_last("there are no variables in a policy; write the value");
        true
    }

    fn belongs_to_broken(&self, pair: &Pair<'t, Rule>) -> bool {
        match pair.as_rule() {
            Rule::junk => pair.as_str().starts_with(['}', '{', '"']),
            Rule::setting => {
                let key = pair.as_str().split([':', ' ', '\t']).next().unwrap_or_default();
                !blame::SETTINGS.contains(&key) || pair.as_str().starts_with("log")
            }
            Rule::unknown => pair.as_str().starts_with("except"),
            _ => false,
        }
    }

    fn statement(&mut self, pair: Pair<'t, Rule>) -> StatementKind {
        match pair.as_rule() {
            Rule::policy => self.one_word(pair).map_or_else(broken, StatementKind::Policy),
            Rule::default => self.default(pair),
            Rule::include => self
                .one_word(pair)
                .map_or_else(broken, |path| StatementKind::Include(Include { path, files: Vec::new() })),
            Rule::lint => self.lint(pair),
            Rule::set => self.definition(DefinitionKind::Set, pair),
            Rule::ports => self.definition(DefinitionKind::Ports, pair),
            Rule::group => self.definition(DefinitionKind::Group, pair),
            Rule::time => self.definition(DefinitionKind::Time, pair),
            Rule::rule | Rule::bare_rule => self.rule(pair),
            Rule::test => self.test(pair),
            Rule::invariant => self.invariant(pair),
            Rule::setting => self.entry(pair).map_or_else(broken, StatementKind::Setting),
            Rule::unknown => self.unknown(pair),
            _ => StatementKind::Broken(self.blame_junk(pair.as_str(), self.span(&pair))),
        }
    }

    fn one_word(&mut self, pair: Pair<'t, Rule>) -> Option<Word> {
        pair.into_inner().find_map(|inner| self.word(inner))
    }

    fn default(&mut self, pair: Pair<'t, Rule>) -> StatementKind {
        for inner in pair.into_inner() {
            if inner.as_rule() == Rule::block {
                return StatementKind::Default(Default::Block(self.block(inner)));
            }
            if let Some(word) = self.word(inner) {
                return StatementKind::Default(Default::Verdict(dante::verdict(word)));
            }
        }
        broken()
    }

    fn lint(&mut self, pair: Pair<'t, Rule>) -> StatementKind {
        let mut words =
            pair.into_inner().filter_map(|inner| self.word(inner)).collect::<Vec<_>>().into_iter();
        let Some(level) = words.next() else { return broken() };
        let (reasons, codes): (Vec<_>, Vec<_>) = words.partition(|word| word.form != Form::Bare);
        StatementKind::Lint(Lint { level, codes, reason: reasons.into_iter().next() })
    }

    fn definition(&mut self, kind: DefinitionKind, pair: Pair<'t, Rule>) -> StatementKind {
        let mut name = None;
        let mut body = None;
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::name => name = self.name(inner),
                Rule::body => body = Some(Body::Values(self.body(inner))),
                _ => body = self.word(inner).map(Body::From).or(body),
            }
        }
        match (name, body) {
            (Some(name), Some(body)) => StatementKind::Definition(Definition { kind, name, body }),
            _ => broken(),
        }
    }

    fn body(&mut self, pair: Pair<'t, Rule>) -> BodyValues {
        let span = self.span(&pair);
        let mut values = Values::default();
        let mut entries = Vec::new();
        for inner in pair.into_inner() {
            let at = self.span(&inner);
            match inner.as_rule() {
                Rule::entry => entries.extend(self.entry(inner)),
                Rule::kw_except if values.but.is_none() => values.but = Some(at),
                Rule::kw_except => {
                    self.report("RS0101", at, "a second `except`").help_last(
                        "one `except` takes out of the whole list; put all its values behind the first",
                    );
                }
                Rule::unclosed => self.unclosed_block(span, at),
                Rule::hole => self.hole(at),
                Rule::word if self.semicolon(inner.as_str(), at) => {}
                Rule::port_clause => {
                    self.report("RS0116", at, "a port in a set").help_last(
                        "write it behind the value, as in `git.example.com:22`, or as `port:` in the rule",
                    );
                }
                Rule::bad_body => {
                    let text = inner.as_str().trim();
                    self.report("RS0101", at, format!("expected a value, found `{text}`"));
                }
                Rule::word
                    if !self.behind_comma(at) && !values.include.is_empty() && self.joint("", &inner, at) => {
                }
                Rule::word if blame::mark(inner.as_str()) == Some("except") && !self.behind_comma(at) => {
                    let text = inner.as_str();
                    self.report(
                        "RS0101",
                        at,
                        format!("expected `,` or `except` behind a value, found `{text}`"),
                    )
                    .help_last(crate::suggest::did_you_mean("except"))
                    .fix_last("write `except`", Edit { span: at, text: "except".into() });
                }
                _ => {
                    if let Some(word) = self.word(inner) {
                        let word = dante::value("to", word);
                        if values.but.is_some() {
                            values.exclude.push(word);
                        } else {
                            values.include.push(word);
                        }
                    }
                }
            }
        }
        if let Some(but) = values.but {
            let side = if values.include.is_empty() { Some("before") } else { None };
            if let Some(side) = side.or(if values.exclude.is_empty() { Some("after") } else { None }) {
                self.report("RS0101", but, format!("expected a value {side} `except`"));
            }
        }
        BodyValues { span, values, entries }
    }

    fn rule(&mut self, pair: Pair<'t, Rule>) -> StatementKind {
        let start = self.span(&pair).at_start();
        let mut stage = Word { text: "socks".into(), span: start, form: Form::Bare };
        let mut verdict = None;
        let mut names = Vec::new();
        let mut block = None;
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::stage => stage = self.bare(&inner),
                Rule::verdict | Rule::bare_verdict => verdict = Some(dante::verdict(self.bare(&inner))),
                Rule::name => names.extend(self.name(inner)),
                Rule::block => block = Some(self.block(inner)),
                _ => {}
            }
        }
        let (Some(verdict), Some(mut block)) = (verdict, block) else { return broken() };
        if stage.is("client") {
            block.members.iter_mut().for_each(dante::client_keys);
        }
        let head = names.last().map_or(start.to(verdict.span), |name| start.to(name.span));
        let name = self.only_name(names, "a rule");
        StatementKind::Rule(RuleNode { stage, verdict, name, block, head })
    }

    fn only_name(&mut self, names: Vec<Word>, what: &str) -> Option<Word> {
        let span = names.first()?.span.to(names.last()?.span);
        if names.len() > 1 {
            let text: Vec<&str> = names.iter().map(|name| &*name.text).collect();
            let text = text.join(" ");
            let mistake =
                self.report("RS0101", span, format!("{what} has one name, and `{text}` is {}", names.len()));
            mistake.help_last("put the name in quotes").fix_last(
                "put the name in quotes",
                Edit { span, text: format!("\"{}\"", text.replace('"', "")) },
            );
            return Some(Word { text: text.into(), span, form: Form::Broken });
        }
        names.into_iter().next()
    }

    fn test(&mut self, pair: Pair<'t, Rule>) -> StatementKind {
        let span = self.span(&pair);
        let mut name = None;
        let mut cases = Vec::new();
        let open = pair.as_str().find('{').and_then(|at| u32::try_from(at).ok()).unwrap_or(0);
        let mut head = Span { end: span.start + 4, ..span };
        let block = Span { start: span.start + open, ..span };
        let mut bad: Option<Span> = None;
        for inner in pair.into_inner() {
            let at = self.span(&inner);
            if inner.as_rule() == Rule::bad_case {
                bad = Some(bad.map_or(at, |bad| bad.to(at)));
                continue;
            }
            self.bad_case(bad.take());
            match inner.as_rule() {
                Rule::name => {
                    head = head.to(at);
                    name = self.name(inner);
                }
                Rule::case => cases.extend(self.case(inner)),
                Rule::unclosed => self.unclosed_block(block, at),
                _ => {}
            }
        }
        StatementKind::Test(Test { name, head, block, cases })
    }

    fn bad_case(&mut self, bad: Option<Span>) {
        let Some(span) = bad.map(|bad| self.trim(bad)) else { return };
        let text = blame::shorten(self.under(span));
        self.report(
            "RS0101",
            span,
            format!("expected a case such as `pass {{ to: example.com }}`, found `{text}`"),
        );
    }

    fn case(&mut self, pair: Pair<'t, Rule>) -> Option<Case> {
        let span = self.span(&pair);
        let mut verdict = None;
        let mut names = Vec::new();
        let mut block = None;
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::verdict => verdict = Some(dante::verdict(self.bare(&inner))),
                Rule::name => names.extend(self.name(inner)),
                Rule::block => block = Some(self.block(inner)),
                _ => {}
            }
        }
        let rule = self.only_name(names, "the rule of a case");
        Some(Case { verdict: verdict?, rule, block: block?, span })
    }

    fn invariant(&mut self, pair: Pair<'t, Rule>) -> StatementKind {
        let mut kind = None;
        let mut verdict = None;
        let mut block = None;
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::kw_never | Rule::kw_always => kind = Some(self.bare(&inner)),
                Rule::verdict => verdict = Some(dante::verdict(self.bare(&inner))),
                Rule::block => block = Some(self.block(inner)),
                _ => {}
            }
        }
        match (kind, verdict, block) {
            (Some(kind), Some(verdict), Some(block)) => {
                StatementKind::Invariant(Invariant { kind, verdict, block })
            }
            _ => broken(),
        }
    }

    fn block(&mut self, pair: Pair<'t, Rule>) -> Block {
        let span = self.span(&pair);
        let mut members = Vec::new();
        // Dante's `redirect to: …` is one thing, and so is an `except` without its braces.
        let mut redirected = false;
        for inner in pair.into_inner() {
            let at = self.span(&inner);
            let of_redirect = std::mem::take(&mut redirected);
            match inner.as_rule() {
                Rule::entry if of_redirect => {}
                Rule::entry => {
                    let entries = self.entries(inner);
                    redirected = entries
                        .last()
                        .is_some_and(|one| one.values.but.is_some() && one.values.exclude.is_empty());
                    members.extend(entries.into_iter().map(Member::Entry));
                }
                Rule::except => members.extend(self.except(inner).map(Member::Except)),
                Rule::bad => {
                    redirected = self.trim_text(at).ends_with("redirect");
                    self.blame_bad(at);
                }
                Rule::unclosed => self.unclosed_block(span, at),
                _ => {}
            }
        }
        Block { span, members }
    }

    fn except(&mut self, pair: Pair<'t, Rule>) -> Option<Except> {
        let span = self.span(&pair);
        let inner = pair.into_inner().find(|inner| inner.as_rule() == Rule::inner)?;
        let block = self.span(&inner);
        let mut entries = Vec::new();
        for inner in inner.into_inner() {
            let at = self.span(&inner);
            match inner.as_rule() {
                Rule::entry => entries.extend(self.entries(inner)),
                Rule::deeper => {
                    let word = Span { end: at.start + 6, ..at };
                    self.report("RS0101", word, "an `except` in an `except`").help_last(
                        "write the conditions that are meant, or a second `except { … }` behind the first",
                    );
                    entries.push(hollow(word));
                }
                Rule::bad => self.blame_bad(at),
                Rule::unclosed => self.unclosed_block(block, at),
                _ => {}
            }
        }
        Some(Except { span, block, entries })
    }

    fn unknown(&mut self, pair: Pair<'t, Rule>) -> StatementKind {
        let span = self.span(&pair);
        let mut words = Vec::new();
        let mut brace = span;
        for inner in pair.into_inner() {
            let at = self.span(&inner);
            if inner.as_rule() == Rule::block {
                brace = at;
                if let Some(unclosed) = inner.into_inner().find(|inner| inner.as_rule() == Rule::unclosed) {
                    let gave_up = self.span(&unclosed);
                    self.unclosed_block(brace, gave_up);
                }
            } else if let Some(word) = self.word(inner) {
                words.push(word);
            }
        }
        StatementKind::Broken(self.blame_unknown(words, brace))
    }

    pub(super) fn bare(&self, pair: &Pair<'t, Rule>) -> Word {
        Word { text: pair.as_str().into(), span: self.span(pair), form: Form::Bare }
    }

    pub(super) fn span(&self, pair: &Pair<'t, Rule>) -> Span {
        let span = pair.as_span();
        let at = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Span { file: self.file, start: at(span.start()), end: at(span.end()) }
    }

    pub(super) fn under(&self, span: Span) -> &'t str {
        self.between(span.start, span.end)
    }

    pub(super) fn between(&self, start: u32, end: u32) -> &'t str {
        self.text.get(start as usize..end as usize).unwrap_or_default()
    }

    fn behind_comma(&self, span: Span) -> bool {
        self.between(0, span.start).trim_end().ends_with([',', '{'])
    }

    fn trim_text(&self, span: Span) -> &'t str {
        self.under(span).trim()
    }

    /// The span without the space at its ends.
    pub(super) fn trim(&self, span: Span) -> Span {
        let text = self.under(span);
        let front = u32::try_from(text.len() - text.trim_start().len()).unwrap_or(0);
        let back = u32::try_from(text.len() - text.trim_end().len()).unwrap_or(0);
        if front + back >= span.end - span.start {
            return span;
        }
        Span { start: span.start + front, end: span.end - back, ..span }
    }
}

/// An entry that stands for one that could not be read.
fn hollow(span: Span) -> Entry {
    let word = |form| Word { text: "".into(), span, form };
    let values = Values { include: vec![word(Form::Broken)], ..Values::default() };
    Entry { not: None, key: word(Form::Broken), values, span, dante: false }
}

fn broken() -> StatementKind {
    StatementKind::Broken(Broken::default())
}
