//! Rules: conditions, exceptions, effects.

use super::host::Side;
use super::keys::{KEYS, Key, LATER, Place, Role};
use super::{Resolver, legacy, silent};
use crate::diagnostic::{Edit, Safety};
use crate::model::{Conditions, Log, Reply, Rule, SetExpr, Stage, Term, Test, TextPattern, Verdict};
use crate::request::{Command, Method, MethodSpec, Protocol, ProxyProtocol};
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

    /// Methods, with the services of those that PAM is asked for.
    pub(super) fn methods(&mut self, stage: Stage, words: &[Word]) -> Vec<MethodSpec> {
        let mut methods = Vec::with_capacity(words.len());
        for word in words.iter().filter(|word| !silent(word)) {
            methods.extend(self.method(stage, word));
        }
        methods
    }

    fn method(&mut self, stage: Stage, word: &Word) -> Option<MethodSpec> {
        let text = &*word.text;
        let (name, service) = match text.split_once('(') {
            Some((name, rest)) => (name, Some(rest.strip_suffix(')').filter(|service| is_service(service)))),
            None => (text, None),
        };
        let Some(method) = Method::named(name) else {
            if let Some(instead) = legacy::value("method", name) {
                self.error("RS0116", word.span, format!("`{name}` is Dante's name of a method"))
                    .help(instead);
            } else {
                let known = Method::ALL.map(Method::name);
                let help = format!("the methods are {}", known.join(", "));
                let bare = Word { text: name.into(), span: at_front(word, name), form: Form::Bare };
                self.unknown("RS0102", &bare, format!("unknown method `{name}`"), known, &help);
            }
            return None;
        };
        if stage == Stage::Client
            && !matches!(method, Method::None | Method::PamAddress | Method::Certificate)
        {
            self.error("RS0108", word.span, format!("`{name}` is not known at the client stage"))
                .help("the user is known after the handshake; write `socksmethod` in a socks rule");
            return None;
        }
        let service = match service {
            None => None,
            Some(Some(service)) if matches!(method, Method::PamAddress | Method::PamUsername) => {
                Some(service.into())
            }
            Some(Some(_)) => {
                self.error("RS0106", word.span, format!("`{name}` has no service"))
                    .help("only `pam.username` and `pam.address` ask a service");
                return None;
            }
            Some(None) => {
                self.error("RS0106", word.span, format!("`{text}` names no PAM service"))
                    .help("write it as in `pam.username(sshd)`");
                return None;
            }
        };
        Some(MethodSpec { method, service })
    }

    fn effect(&mut self, rule: &mut Rule, entry: &'a Entry) {
        let words = &entry.values.include;
        match &*entry.key.text {
            "log" => rule.log = self.log(entry),
            "note" => rule.note = self.single(entry).and_then(|word| self.plain(word, "note")),
            "priority" => rule.priority = self.priority(entry).unwrap_or(0),
            "reply" => {
                let reply = |text: &str| match text {
                    "blocked" => Some(Reply::Blocked),
                    "drop" => Some(Reply::Drop),
                    "refused" => Some(Reply::Refused),
                    _ => None,
                };
                self.single(entry);
                let replies = self.choices(
                    words.get(..1).unwrap_or_default(),
                    "reply",
                    &["blocked", "drop", "refused"],
                    reply,
                );
                rule.reply = replies.first().copied().unwrap_or_default();
                if rule.verdict == Verdict::Pass {
                    self.error("RS0108", entry.key.span, "`reply` is a key of block rules")
                        .help("a client that is passed gets the answer of its target");
                }
            }
            _ => {}
        }
    }

    /// The value of a key that has one.
    fn single(&mut self, entry: &'a Entry) -> Option<&'a Word> {
        if let Some(second) = entry.values.iter().nth(1) {
            let key = &*entry.key.text;
            self.error("RS0101", second.span, format!("`{key}` has one value")).help(if key == "note" {
                "put the text in quotes"
            } else {
                "drop the rest"
            });
        }
        entry.values.include.first().filter(|word| !silent(word))
    }

    fn priority(&mut self, entry: &'a Entry) -> Option<i16> {
        let word = self.single(entry)?;
        let number = word.text.parse::<i16>().ok().filter(|number| (-1000..=1000).contains(number));
        if number.is_none() {
            self.error("RS0106", word.span, format!("`{}` is no priority", word.text))
                .help("a priority is a number from -1000 to 1000; the higher is named first");
        }
        number
    }

    pub(super) fn log(&mut self, entry: &'a Entry) -> Option<Log> {
        if let Some(but) = entry.values.but {
            self.error("RS0101", but, "an `except` that `log` cannot have")
                .help("write what is to be logged");
        }
        let known = ["connect", "data", "disconnect", "error", "none"];
        let read = |text: &str| known.iter().copied().find(|&name| name == text);
        let words = self.choices(&entry.values.include, "log event", &known, read);
        if words.contains(&"none") && words.len() > 1 {
            self.error("RS0106", entry.span, "`none` beside other events").help("write `log: none` alone");
        }
        let said = |event: &str| words.contains(&event);
        Some(Log {
            connect: said("connect"),
            data: said("data"),
            disconnect: said("disconnect"),
            error: said("error"),
        })
    }
}

/// Edits that put the values of the second entry behind those of the first.
fn merged(sources: &crate::source::Sources, first: &Entry, second: &Entry) -> (Option<String>, Vec<Edit>) {
    let single = matches!(&*first.key.text, "expires" | "priority" | "note" | "reply");
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

fn at_front(word: &Word, name: &str) -> Span {
    let length = u32::try_from(name.len()).unwrap_or(0);
    Span { end: (word.span.start + length).min(word.span.end), ..word.span }
}

fn is_service(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty() && text.len() <= 64 && !text.starts_with('.') && text.bytes().all(fits)
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
