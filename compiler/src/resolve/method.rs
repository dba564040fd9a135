//! Values of `socksmethod` and `clientmethod`.

use super::{Resolver, legacy, silent};
use crate::model::Stage;
use crate::request::{Method, MethodSpec};
use crate::source::Span;
use crate::syntax::ast::{Form, Word};

impl Resolver<'_> {
    /// Methods, with the services of those that PAM is asked for.
    pub(super) fn methods(&mut self, stage: Stage, words: &[Word]) -> Vec<MethodSpec> {
        let mut methods = Vec::with_capacity(words.len());
        for word in words.iter().filter(|word| !silent(word)) {
            methods.extend(self.method(stage, word));
        }
        methods
    }

    pub(super) fn method(&mut self, stage: Stage, word: &Word) -> Option<MethodSpec> {
        let text = &*word.text;
        let (name, service) = match text.split_once('(') {
            Some((name, rest)) => (name, Some(rest.strip_suffix(')').filter(|service| is_service(service)))),
            None => (text, None),
        };
        let Some(method) = Method::named(name) else {
            if let Some(instead) = legacy::value("method", name) {
                self.error("RS0116", word.span, format!("`{name}` is Dante's name of a method"))
                    .help(instead);
            } else if super::rule::is_all(name) {
                self.error("RS0102", word.span, format!("unknown method `{name}`"))
                    .help("name the methods that are meant, or leave the key out of the rule");
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
}

fn at_front(word: &Word, name: &str) -> Span {
    let length = u32::try_from(name.len()).unwrap_or(0);
    Span { end: (word.span.start + length).min(word.span.end), ..word.span }
}

fn is_service(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty() && text.len() <= 64 && !text.starts_with('.') && text.bytes().all(fits)
}
