//! RS0302: an open proxy
//!
//! Anybody on the internet may connect, without saying who they are, and reach anything.
//!
//! ## Why it matters
//!
//! Open proxies are found within hours and used for spam, fraud and attacks under your address. Whoever means
//! it, behind a firewall, says so with a reason.
//!
//! ## Example
//!
//! ```policy
//! socks block inside { to: @private, @loopback, @link-local, @metadata }
//! socks pass web { from: any  to: any  port: 443 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks block inside { to: @private, @loopback, @link-local, @metadata }
//! socks pass web { from: 10.0.0.0/8  to: any  port: 443 }
//! ```
//!
//! ## Fix
//!
//! Say who may: `from:` with your networks in the rule or in a client rule, `user: any` with a method that asks
//! for a password, or `listen:` with the name of a private listener.

use super::context::{Context, says};
use super::witness::{PUBLIC, Sample, find};
use super::{Grade, Lint};
use crate::diagnostic::Diagnostic;
use crate::model::{AddressRange, Stage, Test, Verdict};
use crate::request::Method;
use std::net::{IpAddr, Ipv4Addr};

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0302", Grade::Deny, include_str!("rs0302.rs"), check);

/// A client somewhere on the internet.
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(1, 2, 3, 4));

/// Public addresses of three networks that have nothing to do with each other.
const SAMPLES: [IpAddr; 3] =
    [PUBLIC, IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8)), IpAddr::V4(Ipv4Addr::new(151, 101, 1, 6))];

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    if !context.model.socks_methods().iter().any(|spec| spec.method == Method::None) {
        return;
    }
    let start = Sample { from: STRANGER, address: PUBLIC, ..Sample::default() };
    for (id, rule, _) in context.those(Stage::Socks, Verdict::Pass) {
        let anyone = context.ends(id, false).is_none_or(|(_, flat)| whole(flat));
        let anywhere = context.ends(id, true).is_none_or(|(_, flat)| whole(flat) || flat.include.literal);
        let bound = says(rule, |test| matches!(test, Test::Listen(_) | Test::Cert(_)));
        if !anyone || !anywhere || bound {
            continue;
        }
        let fits = |sample: &Sample| {
            sample.from == STRANGER
                && sample.address == PUBLIC
                && sample.user.is_none()
                && sample.method == Method::None
                && sample.matches(context.model, rule)
                && context.admits(sample)
                && context.verdict(sample) == Some(Verdict::Pass)
        };
        if let Some(sample) = find(context.model, &[&rule.when], &start, fits) {
            found.push(
                LINT.at(rule.head, format!("{} makes an open proxy", context.name(rule)))
                    .label("anybody on the internet may use it, without a password, to reach anything")
                    .help("say who may: `from:` with your networks, or `user: any` with a `socksmethod` that asks for a password")
                    .witness(context.show(&sample)),
            );
            return;
        }
    }
    found.extend(by_default(context));
}

/// `default pass`, where nothing that is blocked stands in the way of a stranger.
fn by_default(context: &Context<'_>) -> Option<Diagnostic> {
    let span = context.open_default()?;
    let samples = SAMPLES.map(|address| Sample { from: STRANGER, address, ..Sample::default() });
    let open = |sample: &Sample| context.admits(sample) && context.verdict(sample) == Some(Verdict::Pass);
    let first = samples.iter().all(open).then(|| samples.first()).flatten()?;
    let one = LINT
        .at(span, "the default makes an open proxy")
        .label("anybody on the internet may use it, without a password, to reach what no rule blocks")
        .help("write `default block`, and rules that say who may pass")
        .witness(context.show(first));
    Some(one)
}

fn whole(flat: &super::flat::Flat) -> bool {
    let all = std::iter::once(AddressRange::ANY4).collect();
    flat.exclude.is_empty() && (flat.include.any || flat.include.addresses.covers(&all))
}
