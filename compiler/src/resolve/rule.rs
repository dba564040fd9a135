//! Rules: conditions, exceptions, effects.

use super::host::Side;
use super::keys::{KEYS, Key, LATER, Place, Role};
use super::{Resolver, legacy, silent};
use crate::diagnostic::{Edit, Safety};
use crate::model::{Conditions, Reply, Rule, SetExpr, Stage, Term, Test, TextPattern, Verdict};
use crate::request::{Command, Protocol, ProxyProtocol};
use crate::source::Span;
use crate::syntax::ast::{self, Block, Entry, Form, Values, Word};
use std::sync::Arc;

impl<'a> Resolver<'a> {
    pub(super) fn rule(&mut self, rule: &'a ast::Rule, span: Span) {
        let stage = if rule.stage.is("client") { Stage::Client } else { Stage::Socks };
        let place = Place::Rule(stage);
        let verdict = self.verdict(&rule.verdict);
        let when = self.conditions(place, rule.block.entries(), Some(rule.block.span));
        let except = self.excepts(stage, &rule.block);
        let mut resolved = Rule {
            stage,
            verdict: verdict.unwrap_or(Verdict::Block),
            name: rule.name.as_ref().map(|name| (*name.text).into()),
            when,
            except,
            log: None,
            reply: Reply::default(),
            priority: 0,
            note: None,
            head: rule.head,
            span,
        };
        for entry in rule.block.entries() {
            self.effect(&mut resolved, entry);
        }
        self.model.rules.push(resolved);
    }

    pub(super) fn verdict(&mut self, word: &Word) -> Option<Verdict> {
        match &*word.text {
            "block" => Some(Verdict::Block),
            "pass" => Some(Verdict::Pass),
            _ if silent(word) => None,
            text => {
                let meant = match text {
                    "deny" | "reject" | "drop" | "refuse" | "forbid" => Some("block"),
                    "permit" | "accept" | "grant" => Some("pass"),
                    _ => None,
                };
                let message = format!("unknown verdict `{text}`");
                match meant {
                    Some(meant) => self
                        .error("RS0103", word.span, message)
                        .help(format!("write `{meant}`"))
                        .replace(word.span, meant, Safety::Unsafe),
                    None => self.unknown(
                        "RS0103",
                        word,
                        message,
                        ["block", "pass", "allow"],
                        "a verdict is `pass` or `block`",
                    ),
                }
                None
            }
        }
    }

    pub(super) fn excepts(&mut self, stage: Stage, block: &'a Block) -> Vec<Conditions> {
        let mut excepts = Vec::new();
        for except in block.excepts() {
            if except.entries.is_empty() && !self.reported_in(except.span) {
                self.error("RS0101", except.block, "an `except` without a key takes everything out")
                    .help("write what is excepted, as in `except { user: alice }`");
                continue;
            }
            excepts.push(self.conditions(Place::Except(stage), &except.entries, Some(except.span)));
        }
        excepts
    }

    /// Whether an error of form was found there.
    fn reported_in(&self, span: Span) -> bool {
        let inside = |at: Span| at.file == span.file && span.start <= at.start && at.end <= span.end;
        self.form.iter().any(|&at| inside(at))
    }

    /// The terms of a block. Keys that are none, or not of this place, are reported here.
    pub(super) fn conditions(
        &mut self,
        place: Place,
        entries: impl IntoIterator<Item = &'a Entry>,
        span: Option<Span>,
    ) -> Conditions {
        let mut seen: Vec<&Entry> = Vec::new();
        let mut terms = Vec::new();
        for entry in entries {
            let Some(key) = self.key(place, entry) else { continue };
            if !self.once(&mut seen, entry) {
                continue;
            }
            if key.role != Role::Condition {
                if let Some(not) = entry.not {
                    let text = &entry.key.text;
                    self.error("RS0101", not, format!("`not` before `{text}`"))
                        .help("only conditions can be turned round");
                }
                continue;
            }
            self.terms(place, entry, &mut terms);
        }
        Conditions { terms, span }
    }

    /// The key of an entry, if it is one and may stand here.
    pub(super) fn key(&mut self, place: Place, entry: &'a Entry) -> Option<Key> {
        if entry.is_hollow() {
            return None;
        }
        let word = &entry.key;
        let text = &*word.text;
        let Some(key) = KEYS.into_iter().find(|key| key.name == text) else {
            self.unknown_key(place, entry);
            return None;
        };
        if key.fits(place) {
            return Some(key);
        }
        if legacy::means_nothing(place.stage(), entry) {
            return None;
        }
        match place {
            Place::Rule(Stage::Client) | Place::Except(Stage::Client)
                if key.role != Role::Case && key.socks =>
            {
                let message = format!("`{text}` is not known at the client stage");
                let help = match text {
                    "to" => {
                        "client rules are asked at accept, before there is a target; `listen:` tells listeners apart"
                    }
                    "socksmethod" => "the method of this stage is `clientmethod`",
                    _ => "client rules are asked at accept, before the request; put it into a socks rule",
                };
                self.error("RS0108", word.span, message).help(help);
            }
            Place::Rule(_) | Place::Except(_) | Place::Invariant if text == "clientmethod" => {
                self.error("RS0108", word.span, "`clientmethod` is a key of client rules")
                    .help("at the socks stage write `socksmethod`")
                    .replace(word.span, "socksmethod", Safety::Unsafe);
            }
            _ => {
                let of = match place {
                    Place::Case => "a test case",
                    Place::Except(_) => "an `except`",
                    Place::Invariant => "`never` and `always`",
                    Place::Rule(_) => "a rule",
                };
                let report = self.error("RS0108", word.span, format!("`{text}` is no key of {of}"));
                if key.role == Role::Effect {
                    report.help("what happens beside the verdict is said by the rule itself");
                }
            }
        }
        None
    }

    fn unknown_key(&mut self, place: Place, entry: &Entry) {
        let word = &entry.key;
        let text = &*word.text;
        if LATER.contains(&text) {
            self.error("RS0102", word.span, format!("`{text}` is not supported yet"))
                .help("it is accepted once it is enforced; leave it out");
        } else if let Some(instead) = legacy::key(text) {
            self.error("RS0116", word.span, format!("`{text}` is Dante's, and not part of the language"))
                .help(instead);
        } else {
            let keys: Vec<&str> = KEYS.iter().filter(|key| key.fits(place)).map(|key| key.name).collect();
            let help = format!("the keys here are {}", keys.join(", "));
            self.unknown("RS0102", word, format!("unknown key `{text}`"), keys, &help);
        }
    }

    /// Whether a key stands here for the first time with its sign.
    fn once(&mut self, seen: &mut Vec<&'a Entry>, entry: &'a Entry) -> bool {
        let same = |one: &&&Entry| one.key.text == entry.key.text && one.not.is_some() == entry.not.is_some();
        let Some(&first) = seen.iter().find(same) else {
            seen.push(entry);
            return true;
        };
        let key = &*entry.key.text;
        let (merge, edits) = merged(self.sources, first, entry);
        let report = self
            .error("RS0115", entry.key.span, format!("`{key}` is said twice"))
            .related(first.key.span, "first said here");
        match merge {
            Some(line) => {
                report.help(format!("values of one key are joined by OR: `{line}`")).fix(
                    "merge the two",
                    Safety::Safe,
                    edits,
                );
            }
            None => _ = report.help("say it once"),
        }
        false
    }

    fn terms(&mut self, place: Place, entry: &'a Entry, terms: &mut Vec<Term>) {
        let values = &entry.values;
        let negated = entry.not.is_some();
        let key = &*entry.key.text;
        if matches!(key, "from" | "to" | "port") {
            terms.extend(self.set_test(key, values).map(|test| Term { negated, test, span: entry.span }));
            return;
        }
        terms.extend(self.test(place, entry, &values.include).map(|test| Term {
            negated,
            test,
            span: entry.span,
        }));
        if let Some(but) = values.but {
            if negated || key == "expires" {
                self.error("RS0101", but, format!("an `except` that `{key}` cannot have"))
                    .help("write `except { … }` in the rule");
                return;
            }
            let test = self.test(place, entry, &values.exclude);
            terms.extend(test.map(|test| Term { negated: true, test, span: entry.span }));
        }
    }

    fn set_test(&mut self, key: &str, values: &'a Values) -> Option<Test> {
        let found = self.found.len();
        let test = match key {
            "from" => Test::From(self.set_expr(Side::From, values)),
            "to" => Test::To(self.set_expr(Side::To, values)),
            _ => Test::Port(self.port_set(values)),
        };
        // An empty set here is a mistake that was reported; it must not look like "nothing".
        let empty = matches!(&test, Test::From(SetExpr { include, .. }) | Test::To(SetExpr { include, .. }) if include.is_empty());
        (self.found.len() == found || !empty).then_some(test)
    }

    fn test(&mut self, place: Place, entry: &'a Entry, words: &'a [Word]) -> Option<Test> {
        let test = match &*entry.key.text {
            "cert" => Test::Cert(self.patterns(words)),
            "command" => Test::Command(self.choices(words, "command", &COMMANDS, Command::named)),
            "expires" => {
                if let Some(second) = words.get(1) {
                    self.error("RS0106", second.span, "a rule expires once").help("keep one date");
                    return None;
                }
                Test::Expires(self.expires(words.first()?)?)
            }
            "group" => Test::Group(self.group_names(words)),
            "listen" => Test::Listen(self.listeners(words)),
            "clientmethod" | "socksmethod" => Test::Method(self.methods(place.stage(), words)),
            "protocol" => Test::Protocol(self.choices(words, "protocol", &["tcp", "udp"], protocol)),
            "proxyprotocol" => {
                Test::ProxyProtocol(self.choices(words, "proxy protocol", &PROXY_PROTOCOLS, proxy_protocol))
            }
            "time" => {
                let zone = self.host.zone.clone();
                Test::Time(self.windows(words, &zone))
            }
            "user" => Test::User(self.users(words)),
            _ => return None,
        };
        Some(test)
    }

    /// Words of which each is one of a few.
    pub(super) fn choices<T>(
        &mut self,
        words: &[Word],
        what: &str,
        known: &[&'static str],
        read: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let mut choices = Vec::with_capacity(words.len());
        for word in words.iter().filter(|word| !silent(word)) {
            let text = &*word.text;
            if let Some(choice) = read(text) {
                choices.push(choice);
            } else if let Some(instead) = legacy::value(what, text) {
                self.error("RS0116", word.span, format!("`{text}` is Dante's, and not part of the language"))
                    .help(instead);
            } else if is_all(text) && what == "log event" {
                self.error("RS0102", word.span, format!("unknown {what} `{text}`"))
                    .help("write `log: connect, disconnect, error, data`");
            } else if is_all(text) && matches!(what, "command" | "protocol" | "proxy protocol") {
                let help = format!("leave the key out for each of {}", known.join(", "));
                self.error("RS0102", word.span, format!("unknown {what} `{text}`")).help(help);
            } else {
                let help = format!("it is one of {}", known.join(", "));
                self.unknown(
                    "RS0102",
                    word,
                    format!("unknown {what} `{text}`"),
                    known.iter().copied(),
                    &help,
                );
            }
        }
        choices
    }

    pub(super) fn patterns(&mut self, words: &'a [Word]) -> Vec<TextPattern> {
        let names = words.iter().filter(|word| !silent(word));
        let names: Vec<&Word> = names.collect();
        names
            .into_iter()
            .filter_map(|word| self.plain(word, "name of a certificate"))
            .map(|text| TextPattern::new(&text))
            .collect()
    }

    pub(super) fn listeners(&mut self, words: &'a [Word]) -> Vec<Arc<str>> {
        let mut names = Vec::with_capacity(words.len());
        for word in words.iter().filter(|word| !silent(word)) {
            let Some(name) = self.plain(word, "listener") else { continue };
            if word.form == Form::Bare && is_all(&word.text) {
                self.error("RS0104", word.span, format!("there is no listener `{name}`"))
                    .help("leave the key out for every listener");
                continue;
            }
            if let Some(known) = &self.host.listeners
                && !known.contains(&name)
            {
                let known: Vec<&str> = known.iter().map(|name| &**name).collect();
                let help = format!("the settings have {}", known.join(", "));
                self.unknown("RS0104", word, format!("there is no listener `{name}`"), known, &help);
            }
            names.push(name);
        }
        names
    }
}

/// What other languages have for every value.
pub(super) fn is_all(text: &str) -> bool {
    text == "*" || ["all", "any", "both"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Edits that put the values of the second entry behind those of the first.
fn merged(sources: &crate::source::Sources, first: &Entry, second: &Entry) -> (Option<String>, Vec<Edit>) {
    let single = matches!(&*first.key.text, "expires" | "priority" | "note" | "reply" | "time");
    let (Some(start), Some(end)) = (second.values.include.first(), second.values.include.last()) else {
        return (None, Vec::new());
    };
    if single
        || first.values.but.is_some()
        || second.values.but.is_some()
        || second.dante
        || first.dante
        || first.not.is_some()
    {
        return (None, Vec::new());
    }
    let more = sources.text(start.span.to(end.span));
    let line = format!("{}, {more}", sources.text(first.span));
    let edits = vec![
        Edit { span: first.span.at_end(), text: format!(", {more}") },
        Edit { span: second.span, text: String::new() },
    ];
    (Some(line), edits)
}

pub(super) fn protocol(text: &str) -> Option<Protocol> {
    match text {
        "tcp" => Some(Protocol::Tcp),
        "udp" => Some(Protocol::Udp),
        _ => None,
    }
}

pub(super) fn proxy_protocol(text: &str) -> Option<ProxyProtocol> {
    match text {
        "http" => Some(ProxyProtocol::Http),
        "socks4" => Some(ProxyProtocol::Socks4),
        "socks5" => Some(ProxyProtocol::Socks5),
        _ => None,
    }
}

pub(super) const COMMANDS: [&str; 5] = ["bind", "bindreply", "connect", "udpassociate", "udpreply"];
pub(super) const PROXY_PROTOCOLS: [&str; 3] = ["http", "socks4", "socks5"];
