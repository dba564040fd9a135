//! Requests that show a finding: made up from the constants of the rules, then put to the naive
//! interpreter. A request that it does not confirm is never shown.

use super::names;
use crate::analysis;
use crate::hash::HashSet;
use crate::model::{
    Conditions, Host, Model, Name, PortRange, Rule, SampleRequest, SetBody, SetExpr, SetItem, SetItemKind,
    Stage, Test, Timestamp, UserItem, Verdict,
};
use crate::oracle::{self, Facts, Truth};
use crate::request::{Client, Command, Method, MethodSpec, Principal, ProxyProtocol, Request, Target};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// A request that owns what it speaks of.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub from: IpAddr,
    pub listener: Arc<str>,
    pub time: Timestamp,
    pub user: Option<Arc<str>>,
    pub groups: Vec<Arc<str>>,
    pub method: Method,
    pub service: Option<Arc<str>>,
    pub command: Command,
    pub proxy_protocol: ProxyProtocol,
    pub name: Option<Name>,
    pub address: IpAddr,
    pub port: u16,
    pub certificate: Vec<Box<str>>,
}

/// A Wednesday at noon, as in tests.
pub(crate) const NOON: Timestamp = Timestamp(1_767_787_200);

/// A public address that few policies speak of.
pub(crate) const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(93, 184, 215, 14));

impl Default for Sample {
    fn default() -> Self {
        Self {
            from: Ipv4Addr::LOCALHOST.into(),
            listener: "main".into(),
            time: NOON,
            user: None,
            groups: Vec::new(),
            method: Method::None,
            service: None,
            command: Command::Connect,
            proxy_protocol: ProxyProtocol::Socks5,
            name: None,
            address: PUBLIC,
            port: 443,
            certificate: Vec::new(),
        }
    }
}

impl Sample {
    /// Asks something of the request that this stands for.
    pub(crate) fn ask<T>(&self, question: impl FnOnce(&Request<'_>) -> T) -> T {
        let principal = Principal::new(self.user.clone(), self.groups.clone());
        question(&Request {
            client: Client {
                address: self.from,
                listener: &self.listener,
                time: self.time,
                method: if self.certificate.is_empty() { Method::None } else { Method::Certificate },
                certificate: &self.certificate,
            },
            principal: &principal,
            method: self.method,
            service: self.service.as_deref(),
            command: self.command,
            proxy_protocol: self.proxy_protocol,
            target: Target { name: self.name.as_ref(), address: Some(self.address), port: self.port },
        })
    }

    /// Whether conditions hold for it.
    pub(crate) fn fits(&self, model: &Model, when: &Conditions) -> bool {
        self.ask(|request| oracle::conditions(model, when, &Facts::from(request)) == Truth::True)
    }

    /// Whether a rule matches it.
    pub(crate) fn matches(&self, model: &Model, rule: &Rule) -> bool {
        self.ask(|request| oracle::matches(model, rule, &Facts::from(request)) == Truth::True)
    }

    /// The verdict of the socks stage, by trying each rule.
    pub(crate) fn verdict(&self, model: &Model) -> Verdict {
        let verdict = self.ask(|request| {
            let facts = Facts::from(request);
            let mut verdict = None;
            for (_, rule) in model.stage(Stage::Socks) {
                let open = rule.verdict == Verdict::Block || verdict.is_none();
                if open && oracle::matches(model, rule, &facts) == Truth::True {
                    verdict = Some(rule.verdict);
                }
                if verdict == Some(Verdict::Block) {
                    break;
                }
            }
            verdict
        });
        verdict.unwrap_or_else(|| oracle::default_for(model, self.command))
    }
}

impl Sample {
    /// The arguments of `rustsocks explain`.
    pub(crate) fn arguments(&self, model: &Model) -> String {
        let to = self.name.clone().map_or(Host::Address(self.address), Host::Name);
        let request = SampleRequest {
            user: self.user.clone(),
            groups: self.groups.clone(),
            from: Some(self.from),
            to: Some(to),
            resolves: vec![self.address],
            port: Some(self.port),
            command: Some(self.command),
            method: Some(MethodSpec { method: self.method, service: self.service.clone() }),
            client_method: None,
            proxy_protocol: Some(self.proxy_protocol),
            listener: Some(self.listener.clone()),
            certificate: self.certificate.clone(),
            time: Some(self.time),
        };
        let client = if self.certificate.is_empty() { Method::None } else { Method::Certificate };
        analysis::arguments(model, &request, client)
    }
}

/// Looks for a request for which all conditions hold and `wanted` is true.
pub(crate) fn find(
    model: &Model,
    conditions: &[&Conditions],
    start: &Sample,
    wanted: impl Fn(&Sample) -> bool,
) -> Option<Sample> {
    let mut samples = vec![start.clone()];
    let terms = || conditions.iter().flat_map(|when| &when.terms);
    for step in STEPS {
        let mut next: Vec<Sample> = Vec::new();
        for sample in &samples {
            let holds = |one: &Sample| {
                conditions.iter().all(|when| {
                    when.terms.iter().filter(|term| step_of(&term.test) == Some(*step)).all(|term| {
                        one.ask(|request| oracle::term(model, term, &Facts::from(request)) == Truth::True)
                    })
                })
            };
            if holds(sample) {
                next.push(sample.clone());
            }
            for term in terms().filter(|term| step_of(&term.test) == Some(*step)) {
                next.extend(variants(model, &term.test, sample).into_iter().filter(|one| holds(one)).take(4));
            }
        }
        next.truncate(24);
        if next.is_empty() {
            return None;
        }
        samples = next;
    }
    samples
        .into_iter()
        .find(|sample| conditions.iter().all(|when| sample.fits(model, when)) && wanted(sample))
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Step {
    Cert,
    Command,
    From,
    Listen,
    Port,
    Spoken,
    Time,
    To,
    Who,
}

const STEPS: &[Step] = &[
    Step::Who,
    Step::From,
    Step::Listen,
    Step::Command,
    Step::Spoken,
    Step::Cert,
    Step::Time,
    Step::Port,
    Step::To,
];

fn step_of(test: &Test) -> Option<Step> {
    Some(match test {
        Test::Cert(_) => Step::Cert,
        Test::Command(_) | Test::Protocol(_) => Step::Command,
        Test::Expires(_) | Test::Time(_) => Step::Time,
        Test::From(_) => Step::From,
        Test::Group(_) | Test::User(_) | Test::Method(_) => Step::Who,
        Test::Listen(_) => Step::Listen,
        Test::Port(_) => Step::Port,
        Test::ProxyProtocol(_) => Step::Spoken,
        Test::To(_) => Step::To,
    })
}

fn variants(model: &Model, test: &Test, from: &Sample) -> Vec<Sample> {
    let with = |change: &dyn Fn(&mut Sample)| {
        let mut sample = from.clone();
        change(&mut sample);
        sample
    };
    match test {
        Test::Cert(patterns) => patterns
            .iter()
            .map(|pattern| with(&|one| one.certificate = vec![pattern.as_str().replace('*', "x").into()]))
            .collect(),
        Test::Command(_) | Test::Protocol(_) => {
            Command::ALL.into_iter().map(|command| with(&|one| one.command = command)).collect()
        }
        Test::Expires(end) => {
            vec![with(&|one| one.time = Timestamp(end.0 - 1)), with(&|one| one.time = *end)]
        }
        Test::From(set) => {
            addresses(model, set).into_iter().map(|address| with(&|one| one.from = address)).collect()
        }
        Test::Group(_) | Test::User(_) | Test::Method(_) => people(model, test, from),
        Test::Listen(names) => names
            .iter()
            .cloned()
            .chain(["other".into()])
            .map(|name| with(&|one| one.listener.clone_from(&name)))
            .collect(),
        Test::Port(ports) => ports
            .ranges()
            .iter()
            .flat_map(|range| [Some(range.first), range.first.checked_sub(1), range.last.checked_add(1)])
            .flatten()
            .map(|port| with(&|one| one.port = port))
            .collect(),
        Test::ProxyProtocol(_) => [ProxyProtocol::Socks5, ProxyProtocol::Socks4, ProxyProtocol::Http]
            .into_iter()
            .map(|spoken| with(&|one| one.proxy_protocol = spoken))
            .collect(),
        Test::Time(_) => {
            (0..7 * 24).map(|hour| with(&|one| one.time = Timestamp(NOON.0 + hour * 3600))).collect()
        }
        Test::To(set) => targets(model, set, from),
    }
}

fn people(model: &Model, test: &Test, from: &Sample) -> Vec<Sample> {
    let named = if from.method.names_a_user() { from.method } else { known_method(model) };
    let mut people = Vec::new();
    let mut add = |user: Option<Arc<str>>, groups: Vec<Arc<str>>, method: Method| {
        people.push(Sample { user, groups, method, ..from.clone() });
    };
    match test {
        Test::Group(groups) => {
            for group in groups {
                match model.group(group) {
                    Some(group) => add(group.members.first().cloned(), Vec::new(), named),
                    None => add(Some("someone".into()), vec![group.clone()], named),
                }
            }
        }
        Test::Method(specs) => {
            for spec in specs {
                let user =
                    spec.method.names_a_user().then(|| from.user.clone().unwrap_or_else(|| "someone".into()));
                people.push(Sample {
                    user,
                    method: spec.method,
                    service: spec.service.clone(),
                    ..from.clone()
                });
            }
            return people;
        }
        Test::User(items) => {
            for item in items {
                match item {
                    UserItem::Any => add(Some("someone".into()), Vec::new(), named),
                    UserItem::Group(group) => match model.group(group) {
                        Some(group) => add(group.members.first().cloned(), Vec::new(), named),
                        None => add(Some("someone".into()), vec![group.clone()], named),
                    },
                    UserItem::None => add(None, Vec::new(), Method::None),
                    UserItem::User(user) => add(Some(user.clone()), Vec::new(), named),
                }
            }
        }
        _ => {}
    }
    add(Some("someone".into()), Vec::new(), named);
    add(None, Vec::new(), Method::None);
    people
}

fn known_method(model: &Model) -> Method {
    model
        .methods
        .iter()
        .map(|spec| spec.method)
        .find(|method| method.names_a_user())
        .unwrap_or(Method::Password)
}

fn addresses(model: &Model, set: &SetExpr) -> Vec<IpAddr> {
    let mut found = Vec::new();
    gather(model, set, &mut |kind| match kind {
        SetItemKind::Any => found.push(PUBLIC),
        SetItemKind::Builtin(set) => {
            found.extend(set.ranges(&model.host.addresses).iter().map(|range| range.first()))
        }
        SetItemKind::Range(range) => {
            found.extend([second(range.first(), range.last()), range.first(), range.last()])
        }
        _ => {}
    });
    found.push(PUBLIC);
    found
}

/// The second address of a range, where there is one: the first of a network is seldom a host.
fn second(first: IpAddr, last: IpAddr) -> IpAddr {
    let next = match first {
        IpAddr::V4(v4) => v4.to_bits().checked_add(1).map(|bits| Ipv4Addr::from_bits(bits).into()),
        IpAddr::V6(v6) => v6.to_bits().checked_add(1).map(|bits| std::net::Ipv6Addr::from_bits(bits).into()),
    };
    next.filter(|next| *next <= last).unwrap_or(first)
}

fn targets(model: &Model, set: &SetExpr, from: &Sample) -> Vec<Sample> {
    let mut found = Vec::new();
    gather(model, set, &mut |kind| {
        let mut inner = kind;
        let mut port = from.port;
        if let SetItemKind::Ported(host, ports) = kind {
            inner = host;
            port = ports.ranges().first().map_or(port, |range: &PortRange| range.first);
        }
        let mut add = |name: Option<Name>, address: IpAddr| {
            found.push(Sample { name, address, port, ..from.clone() });
        };
        match inner {
            SetItemKind::Any => {}
            SetItemKind::Builtin(set) => {
                for range in set.ranges(&model.host.addresses).into_iter().take(4) {
                    add(None, second(range.first(), range.last()));
                }
            }
            SetItemKind::Literal => add(None, from.address),
            SetItemKind::Name(pattern) => {
                if let Some(name) = names::example(pattern) {
                    add(Some(name), from.address);
                }
            }
            SetItemKind::Named => add(Name::parse("somewhere.example").ok(), from.address),
            SetItemKind::Range(range) => {
                add(None, second(range.first(), range.last()));
                add(None, range.last());
            }
            SetItemKind::Ported(..) | SetItemKind::Set(_) => {}
        }
    });
    found.push(Sample { name: None, address: PUBLIC, ..from.clone() });
    found.push(Sample { name: Name::parse("somewhere.example").ok(), address: PUBLIC, ..from.clone() });
    found
}

/// Hands out the values of a set and of those that it holds, each set once and each in part.
fn gather(model: &Model, set: &SetExpr, take: &mut dyn FnMut(&SetItemKind)) {
    let (mut seen, mut open) = (HashSet::default(), vec![set]);
    let mut left = MOST_VALUES;
    while let Some(set) = open.pop() {
        for SetItem { kind, .. } in set.include.iter().chain(&set.exclude).take(64.min(left)) {
            left -= 1;
            match kind {
                SetItemKind::Set(id) if seen.insert(*id) => {
                    if let Some(SetBody::Expr(inner)) = model.set(*id).map(|set| &set.body) {
                        open.push(inner);
                    }
                }
                SetItemKind::Set(_) => {}
                kind => take(kind),
            }
        }
    }
}

/// Values that are tried of one condition.
const MOST_VALUES: usize = 4096;
