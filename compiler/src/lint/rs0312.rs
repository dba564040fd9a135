//! RS0312: mail to the whole internet
//!
//! A rule passes port 25 to any address without naming it.
//!
//! ## Why it matters
//!
//! A client that sends spam sends it under your address, and your address is what gets on the blacklists. Mail
//! programs send by 465 and 587, and never need 25.
//!
//! ## Example
//!
//! ```policy
//! socks block inside { to: @private, @loopback, @link-local, @metadata }
//! socks pass all-ports { from: 10.0.0.0/8  to: any }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks block inside { to: @private, @loopback, @link-local, @metadata }
//! socks block smtp { port: 25 }
//! socks pass all-ports { from: 10.0.0.0/8  to: any }
//! ```
//!
//! ## Fix
//!
//! Block port 25 for all, with an `except { from: … }` for your mail servers.

use super::context::Context;
use super::witness::{PUBLIC, Sample};
use super::{Grade, Lint};
use crate::diagnostic::Diagnostic;
use crate::model::{Stage, Test, Verdict};
use crate::request::Command;

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0312", Grade::Warning, include_str!("rs0312.rs"), check);

const SMTP: u16 = 25;

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let start = Sample { port: SMTP, address: PUBLIC, ..Sample::default() };
    let mut one: Option<Diagnostic> = None;
    for (id, rule, _) in context.those(Stage::Socks, Verdict::Pass) {
        let anywhere = context.ends(id, true).is_none_or(|(_, flat)| {
            flat.include.any || flat.include.addresses.iter().any(|range| range.contains(PUBLIC))
        });
        let meant = rule.when.terms.iter().any(|term| match &term.test {
            Test::Port(ports) => {
                let only = |range: &crate::model::PortRange| range.first == SMTP && range.last == SMTP;
                !term.negated && (ports.ranges().iter().any(only) || !ports.contains(SMTP))
            }
            _ => false,
        });
        if !anywhere || meant || context.cover(id).is_some() {
            continue;
        }
        let fits = |sample: &Sample| {
            sample.port == SMTP
                && sample.command == Command::Connect
                && sample.address == PUBLIC
                && sample.matches(context.model, rule)
                && context.verdict(sample) == Some(Verdict::Pass)
        };
        let Some(sample) = context.reach(&[&rule.when], &start, fits) else { continue };
        one = Some(match one {
            None => LINT
                .at(rule.head, format!("{} lets mail out to the whole internet", context.name(rule)))
                .label("port 25 is among what it passes")
                .help("block it for all, with an exception for the mail servers: `socks block smtp { port: 25 }`")
                .witness(context.show(&sample)),
            Some(first) if first.related.len() < 3 => first.related(rule.head, "so does this"),
            Some(first) => {
                one = Some(first);
                break;
            }
        });
    }
    found.extend(one);
}
