//! Values of `from`, `to` and sets: addresses, names, sets, and ports behind a host.

use super::address::{self, Written};
use super::{Resolver, silent};
use crate::diagnostic::Safety;
use crate::model::{AddressRange, Builtin, NamePattern, PortSet, SetBody, SetExpr, SetItem, SetItemKind};
use crate::suggest::{did_you_mean, distance};
use crate::syntax::ast::{DefinitionKind, Form, Values, Word};

/// Where a value stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    /// `from`: the client, that has an address only.
    From,
    /// A set.
    Set,
    /// `to`: the target, that has a name, an address and a port.
    To,
}

impl<'a> Resolver<'a> {
    pub(super) fn set_expr(&mut self, side: Side, values: &'a Values) -> SetExpr {
        let include = values.include.iter().filter_map(|word| self.set_item(side, word)).collect();
        let exclude = values.exclude.iter().filter_map(|word| self.set_item(side, word)).collect();
        SetExpr { include, exclude }
    }

    fn set_item(&mut self, side: Side, word: &'a Word) -> Option<SetItem> {
        if silent(word) {
            return None;
        }
        let kind = match word.form {
            Form::Regex => SetItemKind::Name(NamePattern::Regex(self.regex(word)?)),
            Form::Quoted => self.host(word)?,
            Form::Bare | Form::Broken => self.bare_item(side, word)?,
        };
        if side == Side::From {
            self.only_address(word, &kind)?;
        }
        Some(SetItem { span: word.span, kind })
    }

    fn bare_item(&mut self, side: Side, word: &'a Word) -> Option<SetItemKind> {
        match &*word.text {
            "any" | "all" => return Some(SetItemKind::Any),
            "any4" => return Some(SetItemKind::Range(AddressRange::ANY4)),
            "any6" => return Some(SetItemKind::Range(AddressRange::ANY6)),
            "literal" => return Some(SetItemKind::Literal),
            "name" => return Some(SetItemKind::Named),
            "none" => {
                self.error("RS0106", word.span, "`none` is no address and no name")
                    .help("leave the key out to match everything");
                return None;
            }
            _ => {}
        }
        if let Some(name) = word.text.strip_prefix('@') {
            if let Some((name, port)) = name.split_once(':') {
                let inner = self.reference(word, name)?;
                return self.ported(side, word, inner, port);
            }
            return self.reference(word, name);
        }
        if let Some(rest) = word.text.strip_prefix('!') {
            self.error("RS0116", word.span, format!("`!{rest}` is not how a value is taken out"))
                .help(format!("write `not` before the key, or `except {rest}` behind the list"));
            return None;
        }
        if let Some((_, rest)) = word.text.split_once("://") {
            let host = rest.split(['/', ':', '?']).next().unwrap_or_default();
            self.error("RS0106", word.span, format!("`{}` is a URL", word.text))
                .help(format!("a target is a host: write `{host}`"));
            return None;
        }
        if self.bad_dante(side, word) {
            return None;
        }
        match address::read(&word.text) {
            Written::Other => {}
            _ => return self.host(word),
        }
        match word.text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                let inner_word = Word { text: host.into(), ..word.clone() };
                let inner = match host {
                    "any" => SetItemKind::Any,
                    "literal" => SetItemKind::Literal,
                    "name" => SetItemKind::Named,
                    _ => self.host(&inner_word)?,
                };
                self.ported(side, word, inner, port)
            }
            _ => self.host(word),
        }
    }

    fn ported(&mut self, side: Side, word: &'a Word, inner: SetItemKind, port: &str) -> Option<SetItemKind> {
        if side == Side::From {
            self.error("RS0106", word.span, "the port that a client speaks from is not looked at")
                .help("leave the port out");
            return None;
        }
        let start = word.span.end - u32::try_from(port.len()).unwrap_or(0);
        let at =
            Word { text: port.into(), span: crate::source::Span { start, ..word.span }, form: Form::Bare };
        let ports: PortSet = match port.strip_prefix('@') {
            Some(name) => self.port_reference(&at, name)?,
            None => std::iter::once(self.port_range(&at)?).collect(),
        };
        Some(SetItemKind::Ported(Box::new(inner), ports))
    }

    /// An address or a name, whatever the word looks like.
    fn host(&mut self, word: &Word) -> Option<SetItemKind> {
        match address::read(&word.text) {
            Written::Range(range) => Some(SetItemKind::Range(range)),
            Written::HostBits(range, meant) => {
                self.warning("RS0107", word.span, format!("`{}` has bits set behind its prefix", word.text))
                    .help(format!("it is read as `{meant}`"))
                    .replace(word.span, meant, Safety::Safe);
                Some(SetItemKind::Range(range))
            }
            Written::Reversed(meant) => {
                self.error("RS0113", word.span, format!("the range `{}` ends before it starts", word.text))
                    .help(format!("write `{meant}`"))
                    .replace(word.span, meant, Safety::Safe);
                None
            }
            Written::Bad(message, help) => {
                let report = self.error("RS0106", word.span, message);
                if let Some(help) = help {
                    report.help(help);
                }
                None
            }
            Written::Other => {
                self.meant_set(word)?;
                self.near_keyword(word)?;
                self.name_pattern(word).map(SetItemKind::Name)
            }
        }
    }

    /// A name of one label that is called as a set of the policy most likely means that one.
    fn meant_set(&mut self, word: &Word) -> Option<()> {
        let text = &*word.text;
        if word.form != Form::Bare || text.contains('.') || !self.sets.contains_key(text) {
            return Some(());
        }
        let meant = format!("@{text}");
        self.error("RS0106", word.span, format!("`{text}` is a name of one label"))
            .help(format!("{} Write `\"{text}\"` if a host is really called so", did_you_mean(&meant)))
            .replace(word.span, meant, Safety::Unsafe);
        None
    }

    /// A name of one label that is a slip away from a word of the language most likely means it.
    fn near_keyword(&mut self, word: &Word) -> Option<()> {
        let text = &*word.text;
        let short = (2..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if word.form != Form::Bare || !short {
            return Some(());
        }
        let letters = |text: &str| {
            let mut letters: Vec<char> = text.chars().collect();
            letters.sort_unstable();
            letters
        };
        let slip = |meant: &&str| {
            let (typed, other): (Vec<char>, Vec<char>) = (text.chars().collect(), meant.chars().collect());
            let near = distance(&typed, &other, 1) == Some(1);
            near && (meant.len() >= 6 || letters(text) == letters(meant))
        };
        let meant = ["any", "any4", "any6", "literal", "name"].into_iter().find(slip);
        let Some(meant) = meant else { return Some(()) };
        self.error("RS0106", word.span, format!("`{text}` is a name of one label"))
            .help(format!("{} Write `\"{text}\"` if a host is really called so", did_you_mean(meant)))
            .replace(word.span, meant, Safety::Unsafe);
        None
    }

    /// `@name` as a set.
    fn reference(&mut self, word: &Word, name: &str) -> Option<SetItemKind> {
        if let Some(&id) = self.sets.get(name) {
            return Some(SetItemKind::Set(id));
        }
        if let Some(builtin) = Builtin::named(name) {
            return Some(SetItemKind::Builtin(builtin));
        }
        self.undefined(DefinitionKind::Set, word, name);
        None
    }

    /// Reports a reference to nothing, unless a broken statement may have meant to define it.
    pub(super) fn undefined(&mut self, kind: DefinitionKind, word: &Word, name: &str) {
        if self.meant.contains(name) || self.defined.contains_key(&(kind, name)) {
            return;
        }
        if self.missed(kind.keyword(), name, word.span) {
            return;
        }
        let key = match kind {
            DefinitionKind::Group => "users",
            DefinitionKind::Ports => "ports",
            DefinitionKind::Set => "addresses and names",
            DefinitionKind::Time => "hours",
        };
        let other = DefinitionKind::ALL.into_iter().find(|&other| self.defined.contains_key(&(other, name)));
        if let Some(other) = other {
            let place = self.defined.get(&(other, name)).map_or(word.span, |one| one.name.span);
            let message = format!("`@{name}` is a {}, where {key} are needed", what(other));
            self.error("RS0111", word.span, message).related(place, "defined here");
            return;
        }
        if kind != DefinitionKind::Set && Builtin::named(name).is_some() {
            let message = format!("`@{name}` is a set of addresses, where {key} are needed");
            self.error("RS0111", word.span, message);
            return;
        }
        let mut known: Vec<&str> =
            self.defined.keys().filter(|(one, _)| *one == kind).map(|&(_, name)| name).collect();
        if kind == DefinitionKind::Set {
            known.extend(Builtin::ALL.map(Builtin::name));
        }
        if kind == DefinitionKind::Group {
            known.extend(&self.system_groups);
        }
        known.sort_unstable();
        let written = Word { text: format!("@{name}").into(), span: word.span, form: Form::Bare };
        let help = format!("define it: `{} {name} {{ … }}`", kind.keyword());
        self.unknown("RS0104", &written, format!("there is no {} `{name}`", what(kind)), known, &help);
    }

    /// A client has an address and no name.
    fn only_address(&mut self, word: &Word, kind: &SetItemKind) -> Option<()> {
        let text = &word.text;
        match kind {
            SetItemKind::Literal | SetItemKind::Name(_) | SetItemKind::Named => {
                self.error("RS0106", word.span, format!("`{text}` is a name, and `from` takes addresses"))
                    .help("clients are known by their address; reverse DNS takes no part in a decision");
                None
            }
            SetItemKind::Set(id) if self.holds_names_only(*id) => {
                let place = self.model.set(*id).map_or(word.span, |set| set.span);
                self.error(
                    "RS0111",
                    word.span,
                    format!("`{text}` holds names only, and `from` takes addresses"),
                )
                .related(place, "defined here");
                None
            }
            _ => Some(()),
        }
    }

    fn holds_names_only(&self, id: crate::model::SetId) -> bool {
        match self.model.set(id).map(|set| &set.body) {
            Some(SetBody::Expr(expr)) if !expr.include.is_empty() => {
                expr.include.iter().all(|item| match &item.kind {
                    SetItemKind::Name(_) | SetItemKind::Named => true,
                    SetItemKind::Any
                    | SetItemKind::Builtin(_)
                    | SetItemKind::Literal
                    | SetItemKind::Ported(..)
                    | SetItemKind::Range(_)
                    | SetItemKind::Set(_) => false,
                })
            }
            Some(SetBody::List(list)) => !list.is_empty() && !list.has_addresses(),
            Some(SetBody::Expr(_)) | None => false,
        }
    }

    /// What Dante takes for a host and the language does not.
    fn bad_dante(&mut self, side: Side, word: &Word) -> bool {
        let text = &*word.text;
        if side == Side::Set || !is_interface(text) {
            return false;
        }
        let report = self.error("RS0116", word.span, format!("`{text}` is a network interface, and no host"));
        match side {
            Side::From => {
                report.help("write the addresses of its network, or `listen:` with the name of a listener")
            }
            Side::Set | Side::To => report.help(
                "write `@loopback` for the loopback, `@self` for the host's own addresses, or the addresses",
            ),
        };
        true
    }
}

fn what(kind: DefinitionKind) -> &'static str {
    match kind {
        DefinitionKind::Group => "group",
        DefinitionKind::Ports => "set of ports",
        DefinitionKind::Set => "set",
        DefinitionKind::Time => "time",
    }
}

/// `lo`, `eth0`, `enp3s0`, `tun0`, `venet0:0` and their like.
fn is_interface(text: &str) -> bool {
    let stem = text.split(':').next().unwrap_or_default();
    if stem == "lo" {
        return true;
    }
    let base = stem.trim_end_matches(|character: char| character.is_ascii_digit());
    let numbered = base.len() < stem.len();
    let kinds = [
        "lo", "eth", "ens", "eno", "em", "wlan", "tun", "tap", "ppp", "wg", "br", "bond", "venet", "docker",
        "veth", "virbr",
    ];
    let modern = (stem.starts_with("enp") || stem.starts_with("wlp")) && base.ends_with('s');
    numbered && (kinds.contains(&base) || modern)
}
