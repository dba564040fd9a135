//! Requests that show something: found as numbers, written as people write them, and always played
//! back through the oracle before anybody sees them.

use super::cube::{Dim, Point};
use super::set::Set;
use super::space::{CLIENT_METHODS, KINDS, Space, address};
use crate::decision::{Answer, Decision};
use crate::model::{Host, Model, RuleId, SampleRequest, Stage, Test, Verdict};
use crate::oracle;
use crate::request::{Command, Method, MethodSpec, ProxyProtocol};
use crate::sample::{Sample, USUAL_TIME, usual_method};
use crate::tree::Policy;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

/// A request that was found, by the numbers of its values.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Spot {
    pub(crate) point: Point,
    pub(crate) stage: Stage,
    pub(crate) rule: Option<RuleId>,
}

/// A request, and what the oracle says of it.
#[derive(Clone, Debug)]
pub struct Witness {
    /// The request; its name, if it has one, resolves to the address that matters.
    pub request: SampleRequest,
    /// How the client was known at accept.
    pub client_method: Method,
    /// The verdict of the stage that the witness is of.
    pub verdict: Verdict,
    /// The rule that decides there; `None`: the default.
    pub rule: Option<RuleId>,
    arguments: String,
}

impl Witness {
    /// The request as arguments of `rustsocks explain`.
    pub fn arguments(&self) -> &str {
        &self.arguments
    }

    /// The request, whole.
    pub fn sample(&self, model: &Model) -> Sample {
        sample(model, &self.request, self.client_method)
    }
}

fn sample(model: &Model, request: &SampleRequest, client_method: Method) -> Sample {
    Sample { client_method, ..Sample::new(model, request) }
}

impl Space {
    /// The request of a point, if names and numbers have it.
    pub(crate) fn request(&self, point: &Point, stage: Stage) -> Option<(SampleRequest, Method)> {
        let at = |dim| point.get(dim);
        let id = |dim| usize::try_from(point.get(dim)).ok();
        let client_method = *CLIENT_METHODS.get(id(Dim::ClientMethod)?)?;
        let mut request = SampleRequest {
            from: Some(address(at(Dim::From))),
            listener: Some(self.listener(at(Dim::Listener))),
            certificate: point.cert.iter().map(|&atom| self.certs().example(atom)).collect::<Option<_>>()?,
            time: Some(self.clock.example(at(Dim::Time))?),
            ..SampleRequest::default()
        };
        if stage == Stage::Client {
            return Some((request, client_method));
        }
        let (command, protocol) = *KINDS.get(id(Dim::Kind)?)?;
        let far = address(at(Dim::Address));
        request.user = self.user(at(Dim::User));
        let group = |&atom: &u32| self.groups.word(atom.into()).cloned();
        request.groups = point.groups.iter().map(group).collect::<Option<_>>()?;
        request.to = Some(if at(Dim::Name) == 0 {
            Host::Address(far)
        } else {
            Host::Name(self.names.example(at(Dim::Name))?)
        });
        request.resolves = vec![far];
        request.port = Some(u16::try_from(at(Dim::Port)).ok()?);
        request.command = Some(command);
        request.proxy_protocol = Some(protocol);
        request.method = Some(self.methods.get(id(Dim::Method)?)?.clone());
        Some((request, client_method))
    }

    /// Plays a point back; `None` if the numbers do not make a request.
    pub(crate) fn play(&self, model: &Model, point: &Point, stage: Stage) -> Option<Witness> {
        self.play_by(model, point, stage, |sample| match stage {
            Stage::Client => oracle::admit(model, &sample.client()),
            Stage::Socks => oracle::decide(model, &sample.request(sample.addresses.first().copied())),
        })
    }

    /// The same through a compiled policy, which does not look at every rule.
    pub(crate) fn play_compiled(&self, policy: &Policy, point: &Point, stage: Stage) -> Option<Witness> {
        self.play_by(policy.model(), point, stage, |sample| match stage {
            Stage::Client => policy.admit(&sample.client()),
            Stage::Socks => policy.decide(&sample.request(sample.addresses.first().copied())),
        })
    }

    /// Whether a policy speaks of time.
    fn is_timed(&self) -> bool {
        self.clock.universe() != Set::One((0, 0))
    }

    fn play_by(
        &self,
        model: &Model,
        point: &Point,
        stage: Stage,
        judge: impl FnOnce(&Sample) -> Decision,
    ) -> Option<Witness> {
        let (request, client_method) = self.request(point, stage)?;
        let decision = judge(&sample(model, &request, client_method));
        let verdict = match decision.answer() {
            Answer::Block => Verdict::Block,
            Answer::Pass => Verdict::Pass,
            Answer::NeedsAddress => return None,
        };
        let timed = self.is_timed();
        let arguments = written(&[model], &request, client_method, timed);
        Some(Witness { request, client_method, verdict, rule: decision.rule(), arguments })
    }
}

impl Witness {
    /// Writes it so that it means the same beside another policy, in which other methods are usual.
    pub(crate) fn beside(mut self, models: &[&Model], space: &Space) -> Self {
        let timed = space.is_timed();
        self.arguments = written(models, &self.request, self.client_method, timed);
        self
    }
}

/// A request as arguments of `rustsocks explain`; what goes without saying is not said. The time
/// is, where the policy speaks of time: `explain` takes a request as of now.
pub fn arguments(model: &Model, request: &SampleRequest, client_method: Method) -> String {
    let terms = model.rules.iter().flat_map(|rule| std::iter::once(&rule.when).chain(&rule.except));
    let timed =
        terms.flat_map(|when| &when.terms).any(|term| matches!(term.test, Test::Expires(_) | Test::Time(_)));
    written(&[model], request, client_method, timed)
}

fn written(models: &[&Model], request: &SampleRequest, client_method: Method, timed: bool) -> String {
    let mut text = String::new();
    let mut say = |flag: &str, value: &str| {
        let space = if text.is_empty() { "" } else { " " };
        // Writing to a string does not fail.
        _ = write!(text, "{space}--{flag} {}", quoted(value));
    };
    if let Some(user) = &request.user {
        say("user", user);
    }
    request.groups.iter().for_each(|group| say("group", group));
    if let Some(from) =
        request.from.filter(|&from| from != IpAddr::from(Ipv4Addr::LOCALHOST) || request.to.is_none())
    {
        say("from", &from.to_string());
    }
    let port = request.port.unwrap_or(443);
    match &request.to {
        Some(Host::Address(IpAddr::V6(v6))) => say("to", &format!("[{v6}]:{port}")),
        Some(host) => say("to", &format!("{host}:{port}")),
        None => {}
    }
    if let Some(Host::Name(_)) = request.to {
        request.resolves.iter().for_each(|address| say("address", &address.to_string()));
    }
    if let Some(command) = request.command.filter(|&command| command != Command::Connect) {
        say("command", command.name());
    }
    if let Some(spoken) = request.proxy_protocol.filter(|&spoken| spoken != ProxyProtocol::Socks5) {
        say("proxyprotocol", &spoken.to_string());
    }
    let usual = |method: &MethodSpec| models.iter().all(|model| *method == usual_method(model, request));
    if let Some(method) = request.method.as_ref().filter(|&method| !usual(method)) {
        say("method", &method.to_string());
    }
    if let Some(listener) = request.listener.as_ref().filter(|name| &***name != "main") {
        say("listen", listener);
    }
    request.certificate.iter().for_each(|name| say("cert", name));
    let method = request.method.clone().or_else(|| models.first().map(|model| usual_method(model, request)));
    let known_by = |method: &MethodSpec| crate::sample::client_method(method, &request.certificate);
    if method.is_some_and(|method| client_method != known_by(&method)) {
        say("clientmethod", client_method.name());
    }
    if let Some(time) = request.time.filter(|&time| timed || time != USUAL_TIME)
        && let Ok(instant) = jiff::Timestamp::from_second(time.0)
    {
        say("time", &instant.to_string());
    }
    text
}

fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/@[]+%,".contains(c);
    if !value.is_empty() && value.chars().all(plain) && !value.contains('[') {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    }
}
