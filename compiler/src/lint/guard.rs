//! Whether a client gets at what only the proxy's own host should: by address, or by a name whose
//! owner chose the address.

use super::context::Context;
use super::witness::Sample;
use crate::model::{Builtin, Model, SetItemKind, Stage, Verdict, canonical};
use crate::source::Span;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A pass that goes too far.
pub(crate) struct Reached {
    /// The rule's name, or the default.
    pub who: String,
    /// What is reached.
    pub what: String,
    /// Where.
    pub span: Span,
    /// A request that shows it.
    pub sample: Sample,
    /// Up to three other rules that do so too.
    pub others: Vec<Span>,
}

/// What no client should reach, with a word for it.
const INSIDE: [(IpAddr, &str); 5] = [
    (IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)), "the cloud's metadata service"),
    (IpAddr::V4(Ipv4Addr::LOCALHOST), "the proxy's own loopback addresses"),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), "the proxy's own loopback addresses over IPv6"),
    (IpAddr::V4(Ipv4Addr::new(169, 254, 1, 1)), "link-local addresses"),
    (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1)), "link-local addresses over IPv6"),
];

/// The first pass that reaches the inside by address.
pub(crate) fn by_address(context: &Context<'_>) -> Option<Reached> {
    search(context, false)
}

/// The first pass that reaches the inside by a name.
pub(crate) fn by_name(context: &Context<'_>) -> Option<Reached> {
    search(context, true)
}

fn search(context: &Context<'_>, named: bool) -> Option<Reached> {
    let blocked = |address: &IpAddr| context.blocked().iter().any(|range| range.contains(*address));
    let open: Vec<(IpAddr, &str)> = INSIDE
        .into_iter()
        .filter(|(address, _)| !blocked(address) && !twin(address).is_some_and(|old| blocked(&old)))
        .collect();
    let mut first: Option<Reached> = None;
    if open.is_empty() {
        return None;
    }
    for (id, rule, _) in context.those(Stage::Socks, Verdict::Pass) {
        if context.cover(id).is_some() || (!named && is_deliberate(context, id)) {
            continue;
        }
        let flat = context.ends(id, true).map(|(_, flat)| flat);
        let hit = open.iter().find_map(|(address, what)| {
            let possible = flat.is_none_or(|flat| {
                let ported = flat.include.ported.iter().any(|(host, _)| may_hold(host, address));
                let by_address = flat.include.any || !flat.include.opaque.is_empty() || ported;
                let by_name = flat.include.named || !flat.include.names.is_empty();
                if named {
                    by_name || by_address
                } else {
                    by_address
                        || flat.include.literal
                        || flat.include.addresses.iter().any(|range| range.contains(*address))
                }
            });
            let start = Sample { address: *address, ..Sample::default() };
            let fits = |sample: &Sample| {
                sample.address == *address
                    && sample.name.is_some() == named
                    && sample.matches(context.model, rule)
                    && context.verdict(sample) == Some(Verdict::Pass)
            };
            possible
                .then(|| context.reach(&[&rule.when], &with_name(&start, named), fits))
                .flatten()
                .map(|sample| (sample, *what))
        });
        let Some((sample, what)) = hit else { continue };
        match &mut first {
            Some(reached) if reached.others.len() < 3 => reached.others.push(rule.head),
            Some(_) => break,
            None => {
                let who = context.name(rule);
                first = Some(Reached { who, what: what.into(), span: rule.head, sample, others: Vec::new() });
            }
        }
    }
    first.or_else(|| by_default(context, &open, named))
}

/// The default, where it passes the inside.
fn by_default(context: &Context<'_>, open: &[(IpAddr, &str)], named: bool) -> Option<Reached> {
    let span = context.open_default()?;
    let (sample, what) = open.iter().find_map(|&(address, what)| {
        let start = with_name(&Sample { address, ..Sample::default() }, named);
        let fits = |sample: &Sample| context.verdict(sample) == Some(Verdict::Pass);
        context.reach(&[], &start, fits).map(|sample| (sample, what))
    })?;
    Some(Reached { who: "the default".into(), what: what.into(), span, sample, others: Vec::new() })
}

/// The IPv4 address of the same kind: where that one is blocked and this is not, RS0310 says so.
fn twin(address: &IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(v6) = address else { return None };
    Some(if v6.is_loopback() { Ipv4Addr::LOCALHOST } else { Ipv4Addr::new(169, 254, 1, 1) }.into())
}

/// Whether the host of a `host:port` may have an address; a name may have any.
fn may_hold(host: &SetItemKind, address: &IpAddr) -> bool {
    match host {
        SetItemKind::Range(range) => range.contains(*address),
        _ => true,
    }
}

fn with_name(sample: &Sample, named: bool) -> Sample {
    let name = named.then(|| crate::model::Name::parse("somewhere.example").ok()).flatten();
    Sample { name, ..sample.clone() }
}

/// A rule that names nothing but inside addresses means them.
fn is_deliberate(context: &Context<'_>, id: crate::model::RuleId) -> bool {
    context.ends(id, true).is_some_and(|(_, flat)| {
        flat.include.only_addresses() && special(context.model).covers(&flat.include.addresses)
    })
}

fn special(model: &Model) -> super::ranges::Ranges {
    [Builtin::Loopback, Builtin::LinkLocal, Builtin::Metadata, Builtin::Private]
        .into_iter()
        .flat_map(|set| set.ranges(&model.host.addresses))
        .filter(|range| canonical(range.first()) == range.first())
        .collect()
}
