//! RS0309: BIND or UDP for clients anywhere
//!
//! A rule names `bind`, `udpassociate` or `protocol: udp` and says nothing of the client's address, and no
//! client rule does.
//!
//! ## Why it matters
//!
//! Both open a port of the proxy's host for the client. For a stranger that is a way in, and a reflector for
//! floods.
//!
//! ## Example
//!
//! ```policy
//! socks pass games { protocol: udp  to: 198.51.100.0/24  port: 3478 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks pass games { from: 10.0.0.0/8  protocol: udp  to: 198.51.100.0/24  port: 3478 }
//! ```
//!
//! ## Fix
//!
//! Say whose clients may: `from:`.

use super::context::{Context, says};
use super::witness::{Sample, find};
use super::{Grade, Lint};
use crate::diagnostic::Diagnostic;
use crate::model::{Stage, Test, Verdict};
use crate::request::{Command, Protocol};
use std::net::{IpAddr, Ipv4Addr};

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0309", Grade::Warning, include_str!("rs0309.rs"), check);

/// A client somewhere on the internet.
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(1, 2, 3, 4));

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (_, rule, _) in context.those(Stage::Socks, Verdict::Pass) {
        let said = rule.when.terms.iter().filter(|term| !term.negated).find(|term| match &term.test {
            Test::Command(commands) => commands.iter().any(|one| matches!(one, Command::Bind | Command::UdpAssociate)),
            Test::Protocol(protocols) => protocols.contains(&Protocol::Udp),
            _ => false,
        });
        let Some(term) = said.filter(|_| !says(rule, |test| matches!(test, Test::From(_) | Test::Listen(_)))) else {
            continue;
        };
        let fits = |sample: &Sample| {
            sample.from == STRANGER
                && matches!(sample.command, Command::Bind | Command::UdpAssociate)
                && sample.matches(context.model, rule)
                && context.admits(sample)
                && context.verdict(sample) == Some(Verdict::Pass)
        };
        let open = [Command::Bind, Command::UdpAssociate].into_iter().find_map(|command| {
            let start = Sample { from: STRANGER, command, ..Sample::default() };
            find(context.model, &[&rule.when], &start, fits)
        });
        let Some(sample) = open else { continue };
        let what = if sample.command == Command::Bind { "BIND" } else { "UDP" };
        found.push(
            LINT.at(term.span, format!("{} opens {what} to clients anywhere", context.name(rule)))
                .label("a port of this host opens for whoever asks")
                .help("say whose clients may: `from:`")
                .witness(context.show(&sample)),
        );
    }
}
