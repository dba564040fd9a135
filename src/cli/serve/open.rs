//! The guard against an open proxy: addresses that others reach, and a policy that passes clients
//! that show no identity.

use crate::cli::Failure;
use rustsocks_compiler::model::{SetBody, SetExpr, SetItemKind, Stage, Term, Test, Timestamp};
use rustsocks_compiler::request::{Client, Method};
use rustsocks_compiler::{Answer, Policy};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Refuses an open proxy. Sockets in the file system are none: clients of this host reach them.
///
/// # Errors
/// Says which listener is open to whom, and what to do.
pub(super) fn check<'a>(
    listeners: impl Iterator<Item = (&'a str, SocketAddr)>,
    policy: &Policy,
    now: Timestamp,
) -> Result<(), Failure> {
    for (listener, address) in listeners {
        if address.ip().to_canonical().is_loopback() {
            continue;
        }
        if let Some(client) = passed_without_identity(policy, listener, now) {
            return Err(Failure::config(format!(
                "the listener `{listener}` on {address} can be reached from other machines, and the policy passes \
                 clients that show no identity ({client} is one); demand a method such as `pam.username` with \
                 `socksmethod:`, listen on 127.0.0.1, or say `--allow-open` if this is what you want"
            )));
        }
    }
    Ok(())
}

/// An address whose client would be offered the method `none`: the addresses that the policy
/// speaks of are tried, and one of each kind.
fn passed_without_identity(policy: &Policy, listener: &str, now: Timestamp) -> Option<IpAddr> {
    let common = [
        IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8)),
        Ipv6Addr::new(0x2001, 0x4860, 0, 0, 0, 0, 0, 0x8888).into(),
        Ipv4Addr::new(10, 0, 0, 1).into(),
        Ipv4Addr::new(172, 16, 0, 1).into(),
        Ipv4Addr::new(192, 168, 0, 1).into(),
        Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1).into(),
        Ipv4Addr::LOCALHOST.into(),
        Ipv6Addr::LOCALHOST.into(),
    ];
    common.into_iter().chain(spoken_of(policy)).find(|&address| {
        let client = Client { address, listener, time: now, method: Method::None, certificate: &[] };
        policy.admit(&client).answer() == Answer::Pass
            && policy.offer(&client).iter().any(|spec| spec.method == Method::None)
    })
}

fn spoken_of(policy: &Policy) -> Vec<IpAddr> {
    let model = policy.model();
    let mut found = Vec::new();
    for (_, rule) in [Stage::Client, Stage::Socks].into_iter().flat_map(|stage| model.stage(stage)) {
        for Term { test, .. } in &rule.when.terms {
            if let Test::From(set) = test {
                collect(policy, set, &mut found);
            }
        }
    }
    found
}

fn collect(policy: &Policy, set: &SetExpr, found: &mut Vec<IpAddr>) {
    for item in &set.include {
        match &item.kind {
            SetItemKind::Range(range) => found.push(range.first()),
            SetItemKind::Set(id) => {
                if let Some(SetBody::Expr(inner)) = policy.model().set(*id).map(|set| &set.body) {
                    collect(policy, inner, found);
                }
            }
            // One of each kind is tried anyway.
            SetItemKind::Any
            | SetItemKind::Builtin(_)
            | SetItemKind::Literal
            | SetItemKind::Name(_)
            | SetItemKind::Named
            | SetItemKind::Ported(..) => {}
        }
    }
}
