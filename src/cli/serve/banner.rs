//! The banner: a screen of true facts about the server that has just started.

use crate::settings::sections::{Listener, Resolver};
use crate::settings::value::{Listen, Protocol, ResolverKind};
use rustsocks_compiler::Policy;
use rustsocks_compiler::model::{Stage, Verdict};
use rustsocks_compiler::request::Method;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What the banner tells, beside what the policy says of itself.
pub(super) struct Facts<'a> {
    /// The listeners, with the addresses that they are bound to.
    pub(super) listeners: &'a [(Listener, Listen)],
    /// The policy in force.
    pub(super) policy: &'a Policy,
    /// Where it came from.
    pub(super) policy_path: &'a str,
    /// The store, in a few words.
    pub(super) store: &'a str,
    /// The resolver.
    pub(super) resolver: &'a Resolver,
    /// The API, in a few words.
    pub(super) api: &'a str,
    /// What the process may still do, in a few words.
    pub(super) confined: &'a str,
}

/// The banner as text.
pub(super) fn banner(facts: &Facts<'_>) -> String {
    let mut text = format!("rustsocks {}\n", env!("CARGO_PKG_VERSION"));
    let mut line = |word: &str, rest: &str| text.push_str(&format!("  {word:<9} {rest}\n"));
    for (listener, bound) in facts.listeners {
        line("listener", &listener_line(listener, bound, facts.policy));
    }
    line("policy", &policy_line(facts.policy, facts.policy_path));
    line("store", facts.store);
    line("resolver", &resolver_line(facts.resolver));
    line("api", facts.api);
    line("confined", facts.confined);
    if let Some(command) = facts.listeners.iter().find_map(|(l, bound)| curl(l, bound, facts.policy)) {
        // Writing to a string does not fail.
        let _infallible = write!(text, "\nTry it:\n  {command}\n");
    }
    text + "\nReady.\n"
}

fn listener_line(listener: &Listener, bound: &Listen, policy: &Policy) -> String {
    let protocols: Vec<&str> = listener
        .protocols
        .iter()
        .map(|protocol| match protocol {
            Protocol::Http => "http",
            Protocol::Socks4 => "socks4",
            Protocol::Socks5 => "socks5",
        })
        .collect();
    let methods: Vec<String> = policy.model().socks_methods().iter().map(ToString::to_string).collect();
    let tls = if listener.tls.is_some() { " over TLS" } else { "" };
    format!("{bound}  `{}`  {}{tls}  methods: {}", listener.name, protocols.join(" "), methods.join(" "))
}

fn policy_line(policy: &Policy, path: &str) -> String {
    let rules = |stage| policy.model().stage(stage).map(|(_, rule)| rule.verdict);
    let count = |wanted| rules(Stage::Client).chain(rules(Stage::Socks)).filter(|&v| v == wanted).count();
    let client = rules(Stage::Client).count();
    let of_client =
        if client > 0 { format!(", {client} of them at the client stage") } else { String::new() };
    format!(
        "{path}  {}  {} ({} block, {} pass{of_client})",
        policy.digest().short(),
        match policy.model().rules.len() {
            1 => "1 rule".into(),
            rules => format!("{rules} rules"),
        },
        count(Verdict::Block),
        count(Verdict::Pass)
    )
}

fn resolver_line(resolver: &Resolver) -> String {
    match resolver.kind {
        ResolverKind::Dns if resolver.servers.is_empty() => {
            format!("servers of /etc/resolv.conf, cache of {} names", resolver.cache)
        }
        ResolverKind::Dns => {
            let servers: Vec<String> = resolver.servers.iter().map(ToString::to_string).collect();
            format!("{}, cache of {} names", servers.join(", "), resolver.cache)
        }
        ResolverKind::System => "the system's (nsswitch), no cache".into(),
    }
}

/// A line that can be pasted; none for a listener that curl can not speak to.
fn curl(listener: &Listener, bound: &Listen, policy: &Policy) -> Option<String> {
    let scheme = [(Protocol::Socks5, "socks5h"), (Protocol::Http, "http"), (Protocol::Socks4, "socks4a")]
        .into_iter()
        .find_map(|(protocol, scheme)| listener.protocols.contains(&protocol).then_some(scheme))?;
    if listener.tls.is_some() || !listener.proxy_protocol.is_empty() {
        return None;
    }
    let Listen::Tcp(address) = bound else { return None };
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let names_a_user = |method: Method| method.names_a_user();
    let user = if policy.model().socks_methods().iter().all(|spec| names_a_user(spec.method)) {
        "-U USER "
    } else {
        ""
    };
    Some(format!("curl {user}-x {scheme}://{} https://example.com/", SocketAddr::new(host, address.port())))
}
