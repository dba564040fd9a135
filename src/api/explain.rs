//! What the policy in force says to a request in words.

use super::{ExplainAsk, ExplainRequest};
use rustsocks_compiler::model::{Host, RuleId, Timestamp, canonical};
use rustsocks_compiler::request::{Client, Command, Method, ProxyProtocol, Request, Target};
use rustsocks_compiler::{Answer, Decision, Policy};
use serde_json::{Value, json};
use std::net::IpAddr;

/// The verdict on a request, the rule behind it and its place.
///
/// # Errors
/// Names what in the request cannot be read.
pub fn explain(ask: &ExplainAsk) -> Result<Value, String> {
    let ExplainAsk { policy, request, now } = ask;
    let words = Words::read(request, Timestamp(now.0 / 1_000_000))?;
    let client = Client {
        address: words.from,
        listener: request.listener.as_deref().unwrap_or("main"),
        time: words.time,
        method: Method::None,
        certificate: &[],
    };
    let admitted = policy.admit(&client);
    if admitted.answer() == Answer::Block {
        return Ok(shown(policy, "client", &admitted, None));
    }
    let principal = policy.principal(
        request.user.as_deref().map(Into::into),
        request.groups.iter().map(|group| group.as_str().into()).collect(),
    );
    let (name, literal) = match &words.host {
        Host::Address(address) => (None, Some(canonical(*address))),
        Host::Name(name) => (Some(name), None),
    };
    let decide = |address: Option<IpAddr>| {
        policy.decide(&Request {
            client,
            principal: &principal,
            method: words.method,
            service: None,
            command: words.command,
            proxy_protocol: words.protocol,
            target: Target { name, address, port: words.port },
        })
    };
    let first = decide(literal);
    match (first.answer(), words.address) {
        (Answer::NeedsAddress, Some(address)) => {
            Ok(shown(policy, "socks", &decide(Some(canonical(address))), Some(address)))
        }
        _ => Ok(shown(policy, "socks", &first, literal)),
    }
}

fn shown(policy: &Policy, stage: &str, decision: &Decision, address: Option<IpAddr>) -> Value {
    let verdict = match decision.answer() {
        Answer::Block => "block",
        Answer::NeedsAddress => "needs address",
        Answer::Pass => "pass",
    };
    let rule: Option<RuleId> = decision.rule();
    let model = policy.model();
    json!({
        "verdict": verdict,
        "stage": stage,
        "rule": policy.label(rule),
        "rule_place": rule.and_then(|id| model.rule(id)).map(|rule| model.line(rule.head)),
        "note": rule.and_then(|id| model.rule(id)).and_then(|rule| rule.note.as_deref()),
        "address": address.map(|address| address.to_string()),
        "policy": policy.digest().to_string(),
    })
}

/// The request, read.
struct Words {
    from: IpAddr,
    host: Host,
    port: u16,
    method: Method,
    command: Command,
    protocol: ProxyProtocol,
    time: Timestamp,
    address: Option<IpAddr>,
}

impl Words {
    fn read(request: &ExplainRequest, now: Timestamp) -> Result<Self, String> {
        let (host, port) = request
            .to
            .rsplit_once(':')
            .and_then(|(host, port)| Some((host, port.parse().ok()?)))
            .ok_or("`to` is not a host with a port, such as `example.com:443` or `[::1]:80`")?;
        let address = |name: &str, text: &str| {
            text.parse::<IpAddr>().map_err(|_| format!("`{name}` is not an address"))
        };
        let usual = if request.user.is_some() { Method::Password } else { Method::None };
        let method = request.method.as_deref().map_or(Some(usual), Method::named);
        let command = request.command.as_deref().map_or(Some(Command::Connect), Command::named);
        let protocol =
            request.protocol.as_deref().map_or(Some(ProxyProtocol::Socks5), crate::session::protocol_named);
        let time = match request.time.as_deref() {
            None => now,
            Some(text) => {
                let time = text.parse::<crate::session::UnixMicros>();
                Timestamp(
                    time.map_err(|_| "`time` is not a time such as 2026-11-28T09:30:00Z")?.0 / 1_000_000,
                )
            }
        };
        Ok(Self {
            from: canonical(address("from", request.from.as_deref().unwrap_or("127.0.0.1"))?),
            host: Host::parse(host).map_err(|error| format!("`to`: {error}"))?,
            port,
            method: method.ok_or("`method` is not known; try `none`, `password` or `pam.username`")?,
            command: command.ok_or("`command` is not `connect`, `bind` or `udpassociate`")?,
            protocol: protocol.ok_or("`protocol` is not `socks5`, `socks4` or `http`")?,
            time,
            address: request.address.as_deref().map(|text| address("address", text)).transpose()?,
        })
    }
}
