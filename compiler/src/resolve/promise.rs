//! `test`, `never`, `always`.

use super::keys::{Place, Role};
use super::rule::{COMMANDS, PROXY_PROTOCOLS, protocol, proxy_protocol};
use super::{Resolver, silent};
use crate::model::{Case, Host, Invariant, InvariantKind, SampleRequest, Stage, TestBlock};
use crate::request::{Command, Method, MethodSpec, Protocol};
use crate::source::Span;
use crate::syntax::ast::{self, Entry, Word};
use std::net::IpAddr;

impl<'a> Resolver<'a> {
    pub(super) fn invariant(&mut self, invariant: &'a ast::Invariant, span: Span) {
        let kind = if invariant.kind.is("never") { InvariantKind::Never } else { InvariantKind::Always };
        let verdict = self.verdict(&invariant.verdict);
        let block = &invariant.block;
        let when = self.conditions(Place::Invariant, block.entries(), Some(block.span));
        let except = self.excepts(Stage::Socks, block);
        if let Some(verdict) = verdict {
            self.model.invariants.push(Invariant { kind, verdict, when, except, span });
        }
    }

    pub(super) fn test_block(&mut self, test: &'a ast::Test) {
        let name = match &test.name {
            Some(name) => (*name.text).into(),
            None => "".into(),
        };
        let cases = test.cases.iter().filter_map(|case| self.case(case)).collect();
        self.model.tests.push(TestBlock { name, span: test.head, cases });
    }

    fn case(&mut self, case: &'a ast::Case) -> Option<Case> {
        let verdict = self.verdict(&case.verdict);
        let rule = case.rule.as_ref().and_then(|word| self.rule_name(word));
        for except in case.block.excepts() {
            self.error("RS0101", except.span, "a case has no `except`").help("a case is one request");
        }
        let mut request = SampleRequest::default();
        let mut seen: Vec<&Entry> = Vec::new();
        for entry in case.block.entries() {
            let Some(key) = self.key(Place::Case, entry) else { continue };
            let word = &entry.key;
            if let Some(first) = seen.iter().find(|one| one.key.text == word.text) {
                let first = first.key.span;
                self.error("RS0115", word.span, format!("`{}` is said twice", word.text))
                    .related(first, "first said here");
                continue;
            }
            seen.push(entry);
            if let Some(span) = entry.not.or(entry.values.but) {
                self.error("RS0101", span, "a case says what a request is, not what it is not");
                continue;
            }
            let many = key.role == Role::Case || matches!(key.name, "cert" | "group" | "time");
            if let Some(second) = entry.values.include.get(1).filter(|_| !many) {
                let key = &word.text;
                self.error("RS0101", second.span, format!("a request has one `{key}`"))
                    .help("write one case for each");
                continue;
            }
            self.fact(&mut request, entry);
        }
        // A client that has shown itself at the door by nothing else asks by the same method.
        let fits = |method: &Method| request.user.is_none() || method.names_a_user();
        if request.method.is_none() {
            let method = request.client_method.filter(fits);
            request.method = method.map(|method| MethodSpec { method, service: None });
        }
        Some(Case { verdict: verdict?, rule, request, span: case.span })
    }

    fn rule_name(&mut self, word: &'a Word) -> Option<std::sync::Arc<str>> {
        if silent(word) {
            return None;
        }
        let text = &*word.text;
        let known = text == "default" || self.rules.contains_key(text) || self.meant.contains(text);
        if !known && !self.missed("rule", text, word.span) {
            let known: Vec<&str> = self.rules.keys().copied().chain(["default"]).collect();
            let message = format!("there is no rule `{text}`");
            self.unknown("RS0104", word, message, known, "name the rule, as in `socks pass name { … }`");
        }
        Some(text.into())
    }

    fn fact(&mut self, request: &mut SampleRequest, entry: &'a Entry) {
        let words = &entry.values.include;
        let Some(first) = words.first().filter(|word| !silent(word)) else { return };
        let one = words.get(..1).unwrap_or_default();
        match &*entry.key.text {
            "cert" => request.certificate = words.iter().map(|word| word.text.clone()).collect(),
            "command" => {
                request.command = self.choices(one, "command", &COMMANDS, Command::named).first().copied();
            }
            "from" => request.from = self.sample_address(first),
            "group" => request.groups = words.iter().map(|word| (*word.text).into()).collect(),
            "listen" => request.listener = self.listeners(one).into_iter().next(),
            "clientmethod" => {
                request.client_method = self.methods(Stage::Client, one).first().map(|spec| spec.method);
            }
            "socksmethod" => request.method = self.methods(Stage::Socks, one).into_iter().next(),
            "port" => request.port = self.sample_port(first),
            "protocol" => {
                let read = self.choices(one, "protocol", &["tcp", "udp"], protocol);
                if read.contains(&Protocol::Udp) && request.command.is_none() {
                    request.command = Some(Command::UdpAssociate);
                }
            }
            "proxyprotocol" => {
                let read = self.choices(one, "proxy protocol", &PROXY_PROTOCOLS, proxy_protocol);
                request.proxy_protocol = read.first().copied();
            }
            "resolves" => {
                for word in words.iter().filter(|word| !silent(word)) {
                    request.resolves.extend(self.sample_address(word));
                }
            }
            "time" => {
                let text: Vec<&str> = words.iter().map(|word| &*word.text).collect();
                let whole = Word { text: text.join(" ").into(), ..first.clone() };
                request.time = self.instant(&whole);
            }
            "to" => self.sample_target(request, first),
            "user" if !first.is("none") => request.user = self.plain(first, "user"),
            _ => {}
        }
    }

    fn sample_address(&mut self, word: &Word) -> Option<IpAddr> {
        match Host::parse(&word.text) {
            Ok(Host::Address(address)) if is_written_whole(&word.text) => Some(address),
            _ => {
                self.error("RS0106", word.span, format!("`{}` is no address", word.text))
                    .help("a case is one request: write one address, as in `10.1.2.3`");
                None
            }
        }
    }

    fn sample_port(&mut self, word: &Word) -> Option<u16> {
        let range = self.port_range(word)?;
        if range.first != range.last {
            self.error("RS0106", word.span, "a request has one port").help("write one case for each");
        }
        Some(range.first)
    }

    fn sample_target(&mut self, request: &mut SampleRequest, word: &Word) {
        let (host, port) = match word.text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
            _ => (&*word.text, None),
        };
        match Host::parse(host) {
            Ok(read) => request.to = Some(read),
            Err(reason) => {
                self.error("RS0106", word.span, format!("`{host}` is no name and no address"))
                    .label(reason.to_string())
                    .help("a case is one request: write one name or address, as in `wiki.example.com`");
            }
        }
        if let Some(port) = port {
            let start = word.span.end - u32::try_from(port.len()).unwrap_or(0);
            let at = Word { text: port.into(), span: Span { start, ..word.span }, form: word.form };
            request.port = self.sample_port(&at);
        }
    }
}

/// Not one of the short forms of `inet_aton`: in a policy an address is written whole.
fn is_written_whole(text: &str) -> bool {
    text.contains(':') || text.split('.').count() == 4
}
