//! Dante's spellings of what the language has: read with their exact meaning, kept in the
//! language's own form.

use super::ast::{Entry, Form, Member, Values, Word};
use super::build::Builder;
use crate::model::{PortRange, service};
use crate::source::Span;

/// `allow` is `pass`.
pub(super) fn verdict(word: Word) -> Word {
    if word.is("allow") { Word { text: "pass".into(), ..word } } else { word }
}

/// `method` is `socksmethod`; at the client stage [`client_keys`] makes it `clientmethod`.
pub(super) fn key(word: Word) -> Word {
    if word.is("method") { Word { text: "socksmethod".into(), ..word } } else { word }
}

pub(super) fn client_keys(member: &mut Member) {
    if let Member::Entry(Entry { key, .. }) = member
        && key.is("socksmethod")
        && (key.span.end - key.span.start) as usize == "method".len()
    {
        key.text = "clientmethod".into();
    }
}

/// One value of a key.
pub(super) fn value(key: &str, word: Word) -> Word {
    if word.form != Form::Bare {
        return word;
    }
    let text: Option<Box<str>> = match (key, &*word.text) {
        ("from" | "to" | "resolves", "0/0") => Some("any".into()),
        ("from" | "to" | "resolves" | "port", text) if is_all(text) => Some("any".into()),
        ("from" | "to", text) if text.eq_ignore_ascii_case("any4") => Some("any4".into()),
        ("from" | "to", text) if text.eq_ignore_ascii_case("any6") => Some("any6".into()),
        ("from" | "to", text) => prefix_of_mask(text),
        ("log", "iooperation" | "ioop") => Some("data".into()),
        ("proxyprotocol", "socks_v4") => Some("socks4".into()),
        ("proxyprotocol", "socks_v5") => Some("socks5".into()),
        _ => None,
    };
    match text {
        Some(text) => Word { text, ..word },
        None => word,
    }
}

/// `ANY`, `all` and the like, which no host is called.
fn is_all(text: &str) -> bool {
    text.eq_ignore_ascii_case("any") || text.eq_ignore_ascii_case("all")
}

/// `10.0.0.0/255.0.0.0` is `10.0.0.0/8`.
fn prefix_of_mask(text: &str) -> Option<Box<str>> {
    let (address, mask) = text.split_once('/')?;
    mask.contains('.').then(|| self::mask(mask))?.map(|bits| format!("{address}/{bits}").into())
}

/// The length of the prefix that a mask such as `255.0.0.0` stands for.
pub(super) fn mask(text: &str) -> Option<u32> {
    let mask: std::net::Ipv4Addr = text.trim_end_matches(';').parse().ok()?;
    let bits = mask.to_bits();
    (bits.leading_ones() == bits.count_ones()).then_some(bits.leading_ones())
}

/// `port = 80` behind an address, as an entry of its own.
pub(super) fn port_entry(
    of: &Entry,
    span: Span,
    op: &Word,
    port: Word,
    builder: &mut Builder<'_, '_>,
) -> Option<Entry> {
    let ranges = ports(&op.text, &port.text);
    if of.key.is("from") {
        // The port of the client: any port is every port that there is.
        let every = ranges.as_ref().is_some_and(|(_, range)| range.first <= 1 && range.last == u16::MAX);
        if !every {
            builder
                .report("RS0116", span, "the port that a client speaks from is not looked at")
                .help_last("leave it out; a client's port says nothing of the client");
        }
        return None;
    }
    if !of.key.is("to") {
        return None;
    }
    if of.values.iter().any(|value| value.span.start > span.end) {
        builder
            .report("RS0116", span, "a port behind one of several addresses")
            .help_last("write it with the address, as in `git.example.com:22`");
        return None;
    }
    let (negated, text, start) = match (&*op.text, ranges) {
        ("=" | "eq", _) => (false, port.text.clone(), port.span.start),
        (_, Some((true, range))) => (true, range.to_string().into(), port.span.start),
        // The range says what the operator and the number say together.
        (_, Some((false, range))) => (false, range.to_string().into(), op.span.start),
        (_, None) if service(&port.text).is_some() || port.text.parse::<u16>().is_ok() => {
            let end = if matches!(&*op.text, ">" | "gt") { "above" } else { "below" };
            builder
                .report("RS0106", span, format!("no port is {end} `{}`", port.text))
                .help_last("ports are 0 to 65535; write those that are meant, as in `port: 1024-65535`");
            return None;
        }
        (_, None) => {
            builder
                .report("RS0106", port.span, format!("`{}` is no port", port.text))
                .help_last("a port is a number from 0 to 65535");
            return None;
        }
    };
    let key = Word { text: "port".into(), span: Span { end: span.start + 4, ..span }, form: Form::Bare };
    let values = Values {
        include: vec![Word { text, span: Span { start, ..port.span }, ..port }],
        ..Values::default()
    };
    Some(Entry { not: negated.then_some(op.span), key, values, span, dante: true })
}

fn ports(op: &str, port: &str) -> Option<(bool, PortRange)> {
    let number = |text: &str| text.parse::<u16>().ok().or_else(|| service(text));
    if let (Some((first, last)), "=" | "eq") = (port.split_once('-'), op) {
        return Some((false, PortRange { first: number(first)?, last: number(last)? }));
    }
    let port = number(port)?;
    let range = |first: u16, last: u16| Some((false, PortRange { first, last }));
    match op {
        "=" | "eq" => range(port, port),
        "!=" | "ne" | "neq" => Some((true, PortRange::one(port))),
        ">=" | "ge" => range(port, u16::MAX),
        "<=" | "le" => range(0, port),
        ">" | "gt" => range(port.checked_add(1)?, u16::MAX),
        _ => range(0, port.checked_sub(1)?),
    }
}

/// A statement of Dante, and what to do instead.
pub(super) fn statement(word: &str) -> Option<(&'static str, &'static str)> {
    let instead = match word {
        "route" => ("route", "routes through other proxies are not supported yet; leave it out"),
        "monitor" => ("monitor", "the metrics of the server show the same; leave it out"),
        _ => return None,
    };
    Some(instead)
}
