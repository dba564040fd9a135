//! Values of `port` and of `ports` sets.

use super::{Memo, Resolver, silent};
use crate::diagnostic::Safety;
use crate::model::{PortRange, PortSet, SERVICES, service};
use crate::syntax::ast::{Body, DefinitionKind, Form, Values, Word};

impl<'a> Resolver<'a> {
    pub(super) fn port_set(&mut self, values: &'a Values) -> PortSet {
        let include = self.port_list(&values.include);
        let exclude = self.port_list(&values.exclude);
        include.without(&exclude)
    }

    fn port_list(&mut self, words: &'a [Word]) -> PortSet {
        let mut ranges: Vec<PortRange> = Vec::with_capacity(words.len());
        for word in words.iter().filter(|word| !silent(word)) {
            match word.reference() {
                Some(name) => {
                    ranges.extend(self.port_reference(word, name).iter().flat_map(PortSet::ranges));
                }
                None => ranges.extend(self.port_range(word)),
            }
        }
        ranges.into_iter().collect()
    }

    pub(super) fn port_reference(&mut self, word: &Word, name: &str) -> Option<PortSet> {
        let Some(&definition) = self.defined.get(&(DefinitionKind::Ports, name)) else {
            self.undefined(DefinitionKind::Ports, word, name);
            return None;
        };
        match self.ports.get(name) {
            Some(Memo::Done(ports)) => return Some(ports.clone()),
            Some(Memo::Busy) => {
                self.holds_itself(word, definition);
                return None;
            }
            None => {}
        }
        let key = &*definition.name.text;
        self.ports.insert(key, Memo::Busy);
        let ports = match &definition.body {
            Body::Values(body) => {
                self.no_keys(&body.entries, "ports", &[]);
                self.port_set(&body.values)
            }
            Body::From(_) => PortSet::default(),
        };
        self.ports.insert(key, Memo::Done(ports.clone()));
        Some(ports)
    }

    /// `443`, `8000-8999`, `https`, `any`.
    pub(super) fn port_range(&mut self, word: &Word) -> Option<PortRange> {
        let text = &*word.text;
        if text == "any" {
            return Some(PortRange::ANY);
        }
        if let Some(port) = self.port_number(text) {
            return Some(PortRange::one(port));
        }
        if let Some((first, last)) = text.split_once('-')
            && let (Some(first), Some(last)) = (self.port_number(first), self.port_number(last))
        {
            if first <= last {
                return Some(PortRange { first, last });
            }
            let meant = format!("{last}-{first}");
            self.error("RS0113", word.span, format!("the range `{text}` ends before it starts"))
                .help(format!("write `{meant}`"))
                .replace(word.span, meant, Safety::Safe);
            return None;
        }
        self.bad_port(word);
        None
    }

    fn port_number(&self, text: &str) -> Option<u16> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match digits {
            true if text.len() > 1 && text.starts_with('0') => None,
            true => text.parse().ok(),
            false => service(text),
        }
    }

    fn bad_port(&mut self, word: &Word) {
        let text = &*word.text;
        let compared =
            text.starts_with(['<', '>', '=', '!']) || matches!(text, "gt" | "ge" | "lt" | "le" | "eq" | "ne");
        let message = format!("`{text}` is no port");
        if text == "-" {
            self.error("RS0106", word.span, "a range with spaces").help("write it as one word: `8000-8999`");
        } else if text.contains("${") {
            self.error("RS0106", word.span, message)
                .help("there are no variables in a policy; write the value");
        } else if text == "*" {
            self.error("RS0106", word.span, message)
                .help("every port is `any`, or leave the key out")
                .replace(word.span, "any", Safety::Unsafe);
        } else if compared {
            self.error("RS0116", word.span, message)
                .help("ports are compared with ranges: write `1024-65535` for those above 1023");
        } else if word.form == Form::Bare && text.starts_with('0') && text.len() > 1 {
            let meant = text.trim_start_matches('0');
            self.error("RS0106", word.span, message).help(format!(
                "a port has no leading zero (Dante reads it as octal): write `{meant}` if that is meant"
            ));
        } else if text.contains(|character: char| character.is_ascii_digit()) {
            self.error("RS0106", word.span, message)
                .help("a port is a number from 0 to 65535, a range such as `8000-8999`, or a service name");
        } else {
            let known = SERVICES.iter().map(|&(name, _)| name);
            let names =
                self.defined.keys().filter(|(kind, _)| *kind == DefinitionKind::Ports).map(|&(_, name)| name);
            if let Some(name) = names.into_iter().find(|&name| name == text) {
                self.error("RS0106", word.span, message)
                    .help(format!("a set is written with its mark: `@{name}`"))
                    .replace(word.span, format!("@{name}"), Safety::Unsafe);
            } else {
                self.unknown(
                    "RS0106",
                    word,
                    format!("there is no service `{text}`"),
                    known,
                    "write the number of the port",
                );
            }
        }
    }
}
