//! RS0308: passwords from anywhere
//!
//! Clients anywhere on the internet may log in with a password. SOCKS5 sends it as it is (RFC 1929), so on a
//! listener without TLS it crosses the network in clear text.
//!
//! ## Why it matters
//!
//! Whoever can listen on the way has a user name and a password of your host.
//!
//! ## Example
//!
//! ```policy
//! socks block inside { to: @private, @loopback, @link-local, @metadata }
//! socksmethod: password
//! socks pass staff { user: any  port: 443 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks block inside { to: @private, @loopback, @link-local, @metadata }
//! socksmethod: password
//! socks pass staff { user: any  from: 10.0.0.0/8  port: 443 }
//! ```
//!
//! ## Fix
//!
//! Bind the rule to a TLS listener with `listen:`, or to your networks with `from:` there or in a client rule.

use super::context::{Context, says};
use super::witness::{Sample, find};
use super::{Grade, Lint};
use crate::diagnostic::Diagnostic;
use crate::model::{Conditions, Stage, Test, Verdict};
use crate::request::Method;
use std::net::{IpAddr, Ipv4Addr};

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0308", Grade::Warning, include_str!("rs0308.rs"), check);

/// A client somewhere on the internet.
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(1, 2, 3, 4));

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let spoken =
        context.model.methods.iter().find(|spec| matches!(spec.method, Method::Password | Method::PamUsername));
    let Some(spec) = spoken else { return };
    let tied = |test: &Test| matches!(test, Test::Listen(_) | Test::Cert(_) | Test::From(_));
    let start = Sample {
        from: STRANGER,
        user: Some("someone".into()),
        method: spec.method,
        service: spec.service.clone(),
        ..Sample::default()
    };
    if context.those(Stage::Client, Verdict::Pass).any(|(_, rule, _)| says(rule, tied)) {
        return;
    }
    let always = !context.model.socks_methods().iter().any(|spec| spec.method == Method::None);
    for (_, rule, _) in context.those(Stage::Socks, Verdict::Pass) {
        let asks = says(rule, |test| matches!(test, Test::User(_) | Test::Group(_) | Test::Method(_)));
        if says(rule, tied) || !(always || asks) {
            continue;
        }
        let fits = |sample: &Sample| {
            sample.from == STRANGER
                && matches!(sample.method, Method::Password | Method::PamUsername)
                && sample.matches(context.model, rule)
                && context.admits(sample)
                && context.verdict(sample) == Some(Verdict::Pass)
        };
        let whole = Conditions { terms: rule.when.terms.clone(), span: None };
        if let Some(sample) = find(context.model, &[&whole], &start, fits) {
            found.push(
                LINT.at(rule.head, format!("{} takes passwords from anywhere", context.name(rule)))
                    .label("on a listener without TLS they cross the internet in clear text")
                    .help("bind it to a TLS listener with `listen:`, or to your networks with `from:` or a client rule")
                    .witness(context.show(&sample)),
            );
            return;
        }
    }
}
