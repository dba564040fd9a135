//! The meaning of a policy, written as plainly as can be: each rule is tried in turn. It stays for
//! ever as the yardstick that the decision tree, the analysis and every witness are held against.
//!
//! What is not known (the address of a name; at the offer of methods also the user and the target)
//! makes a condition [`Truth::Unknown`] (Kleene's strong logic).

use crate::decision::{Answer, Decision};
use crate::hash::HashMap;
use crate::model::{
    Builtin, Conditions, Model, NamedSet, Rule, RuleId, SetBody, SetExpr, SetId, SetItemKind, Stage, Term,
    Test, UserItem, Verdict,
};
use crate::request::{Client, Command, Method, MethodSpec, Principal, ProxyProtocol, Request, Target};
use std::cmp::Reverse;
use std::net::IpAddr;

/// Whether something holds, as far as it is known.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Truth {
    /// It does not.
    False,
    /// It may.
    Unknown,
    /// It does.
    True,
}

impl Truth {
    /// All hold.
    pub fn all(truths: impl IntoIterator<Item = Self>) -> Self {
        truths.into_iter().min().unwrap_or(Self::True)
    }

    /// One holds.
    pub fn any(truths: impl IntoIterator<Item = Self>) -> Self {
        truths.into_iter().max().unwrap_or(Self::False)
    }
}

impl std::ops::Not for Truth {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
            Self::True => Self::False,
        }
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// What is known; `None` is "not yet".
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The client: always known.
    pub client: Client<'a>,
    /// The method and its service.
    pub method: Option<(Method, Option<&'a str>)>,
    /// The user.
    pub principal: Option<&'a Principal>,
    /// The command.
    pub command: Option<Command>,
    /// The protocol.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// The target, whose address may be unknown by itself.
    pub target: Option<Target<'a>>,
}

impl<'a> From<&Request<'a>> for Facts<'a> {
    fn from(request: &Request<'a>) -> Self {
        Self {
            client: request.client,
            method: Some((request.method, request.service)),
            principal: Some(request.principal),
            command: Some(request.command),
            proxy_protocol: Some(request.proxy_protocol),
            target: Some(request.target),
        }
    }
}

impl<'a> Facts<'a> {
    /// What is known at accept.
    pub fn of_client(client: Client<'a>) -> Self {
        Self {
            client,
            method: Some((client.method, None)),
            principal: None,
            command: None,
            proxy_protocol: None,
            target: None,
        }
    }
}

/// The client stage.
pub fn admit(model: &Model, client: &Client<'_>) -> Decision {
    let facts = Facts::of_client(*client);
    let found = Found::among(model, Stage::Client, &facts);
    let (answer, rule) = found.answer(model.default_of(Stage::Client));
    Decision::new(answer, rule)
}

/// The socks stage.
pub fn decide(model: &Model, request: &Request<'_>) -> Decision {
    let facts = Facts::from(request);
    let found = Found::among(model, Stage::Socks, &facts);
    let (answer, rule) = found.answer(default_for(model, request.command));
    Decision::new(answer, rule).with_permit(request.target.address, request.target.port, request.command)
}

/// Whether a request of which only this much is known could still be passed at the socks stage.
pub fn could_pass(model: &Model, facts: &Facts<'_>) -> bool {
    let found = Found::among(model, Stage::Socks, facts);
    let default = facts.command.map_or(model.defaults.socks, |command| default_for(model, command));
    found.answer(default).0 != Answer::Block
}

/// The methods that could still lead to a pass for this client, in the policy's order.
pub fn offer(model: &Model, client: &Client<'_>) -> Vec<MethodSpec> {
    let nobody = Principal::nobody();
    let useful = |spec: &MethodSpec| {
        let mut facts = Facts::of_client(*client);
        facts.method = Some((spec.method, spec.service.as_deref()));
        if !spec.method.names_a_user() {
            facts.principal = Some(&nobody);
        }
        could_pass(model, &facts)
    };
    model.socks_methods().into_iter().filter(useful).collect()
}

/// A reply needs no rule, unless the policy has pass rules that name replies of its kind.
pub fn default_for(model: &Model, command: Command) -> Verdict {
    let named =
        |(_, rule): (RuleId, &Rule)| rule.verdict == Verdict::Pass && names_command(&rule.when, command);
    match command {
        Command::BindReply | Command::UdpReply if model.stage(Stage::Socks).any(named) => Verdict::Block,
        Command::BindReply | Command::UdpReply => Verdict::Pass,
        Command::Bind | Command::Connect | Command::UdpAssociate => model.defaults.socks,
    }
}

#[derive(Default)]
struct Found {
    block: Option<RuleId>,
    pass: Option<RuleId>,
    may_block: bool,
    may_pass: bool,
}

impl Found {
    fn among(model: &Model, stage: Stage, facts: &Facts<'_>) -> Self {
        let mut rules: Vec<(RuleId, &Rule)> = model.stage(stage).collect();
        rules.sort_by_key(|(id, rule)| (Reverse(rule.priority), *id));
        let mut found = Self::default();
        for (id, rule) in rules {
            let (first, may) = match rule.verdict {
                Verdict::Block => (&mut found.block, &mut found.may_block),
                Verdict::Pass => (&mut found.pass, &mut found.may_pass),
            };
            match matches(model, rule, facts) {
                Truth::False => {}
                Truth::Unknown => *may = true,
                Truth::True => _ = first.get_or_insert(id),
            }
        }
        found
    }

    fn answer(self, default: Verdict) -> (Answer, Option<RuleId>) {
        let passes = self.pass.is_some() || default == Verdict::Pass;
        match self {
            Self { block: Some(rule), .. } => (Answer::Block, Some(rule)),
            Self { may_block: true, may_pass, .. } if passes || may_pass => (Answer::NeedsAddress, None),
            Self { pass: Some(rule), .. } => (Answer::Pass, Some(rule)),
            Self { may_pass: true, .. } if default == Verdict::Block => (Answer::NeedsAddress, None),
            _ if default == Verdict::Pass => (Answer::Pass, None),
            _ => (Answer::Block, None),
        }
    }
}

/// Whether a rule matches.
pub fn matches(model: &Model, rule: &Rule, facts: &Facts<'_>) -> Truth {
    if let Some(command) = facts.command.filter(|command| command.is_reply())
        && !names_command(&rule.when, command)
    {
        return Truth::False;
    }
    let when = conditions(model, &rule.when, facts);
    if when == Truth::False {
        return Truth::False;
    }
    let excepted = Truth::any(rule.except.iter().map(|except| conditions(model, except, facts)));
    Truth::all([when, !excepted])
}

/// Whether conditions say `command:` and that command with it.
pub fn names_command(when: &Conditions, command: Command) -> bool {
    when.terms.iter().any(|term| match &term.test {
        Test::Command(commands) => !term.negated && commands.contains(&command),
        _ => false,
    })
}

/// Whether all terms hold.
pub fn conditions(model: &Model, when: &Conditions, facts: &Facts<'_>) -> Truth {
    Truth::all(when.terms.iter().map(|one| term(model, one, facts)))
}

/// Whether a term holds.
pub fn term(model: &Model, term: &Term, facts: &Facts<'_>) -> Truth {
    let truth = test(model, &term.test, facts);
    if term.negated { !truth } else { truth }
}

fn test(model: &Model, test: &Test, facts: &Facts<'_>) -> Truth {
    let client = &facts.client;
    match test {
        Test::Cert(patterns) => {
            let fits = |name: &str| patterns.iter().any(|pattern| pattern.matches(name));
            client.certificate.iter().any(|name| fits(name)).into()
        }
        Test::Command(commands) => match facts.command {
            Some(command) => commands.contains(&command).into(),
            None if commands.iter().all(|command| command.is_reply()) => Truth::False,
            None => Truth::Unknown,
        },
        Test::Expires(end) => (client.time < *end).into(),
        Test::From(set) => {
            let far = Target { name: None, address: Some(client.address), port: 0 };
            in_expr(model, set, Some(far))
        }
        Test::Group(groups) => {
            known(facts.principal, |who| groups.iter().any(|group| in_group(model, group, who)))
        }
        Test::Listen(names) => names.iter().any(|name| &**name == client.listener).into(),
        Test::Method(specs) => known(facts.method, |(method, service)| {
            specs.iter().any(|spec| {
                let served = spec.service.is_none() || spec.service.as_deref() == service;
                spec.method == method && served
            })
        }),
        Test::Port(ports) => known(facts.target, |target| ports.contains(target.port)),
        Test::Protocol(protocols) => known(facts.command, |command| protocols.contains(&command.protocol())),
        Test::ProxyProtocol(protocols) => known(facts.proxy_protocol, |spoken| protocols.contains(&spoken)),
        Test::Time(windows) => windows.iter().any(|window| window.contains(client.time)).into(),
        Test::To(set) => in_expr(model, set, facts.target),
        Test::User(items) => known(facts.principal, |who| items.iter().any(|item| is_user(model, item, who))),
    }
}

fn known<T>(fact: Option<T>, holds: impl FnOnce(T) -> bool) -> Truth {
    fact.map_or(Truth::Unknown, |fact| holds(fact).into())
}

fn in_group(model: &Model, group: &str, who: &Principal) -> bool {
    match model.group(group) {
        Some(group) => who.user().is_some_and(|user| group.members.contains(user)),
        None => who.groups().iter().any(|one| &**one == group),
    }
}

fn is_user(model: &Model, item: &UserItem, who: &Principal) -> bool {
    match item {
        UserItem::Any => who.user().is_some(),
        UserItem::Group(group) => in_group(model, group, who),
        UserItem::None => who.user().is_none(),
        UserItem::User(name) => who.user() == Some(name),
    }
}

/// Whether a target is in a set: one of the values fits, and none of those behind `except`.
pub fn in_expr(model: &Model, expr: &SetExpr, target: Option<Target<'_>>) -> Truth {
    let Some(target) = target else { return Truth::Unknown };
    within_expr(model, expr, &target, &mut Memo::default())
}

/// Whether a target fits one value.
pub fn in_item(model: &Model, item: &SetItemKind, target: &Target<'_>) -> Truth {
    within_item(model, item, target, &mut Memo::default())
}

/// What is known of a target and the sets that others hold: each is looked at once.
type Memo = HashMap<SetId, Truth>;

fn within_expr(model: &Model, expr: &SetExpr, target: &Target<'_>, memo: &mut Memo) -> Truth {
    let mut among = |items: &[crate::model::SetItem]| {
        Truth::any(items.iter().map(|item| within_item(model, &item.kind, target, memo)))
    };
    let include = among(&expr.include);
    Truth::all([include, !among(&expr.exclude)])
}

fn within_item(model: &Model, item: &SetItemKind, target: &Target<'_>, memo: &mut Memo) -> Truth {
    match item {
        SetItemKind::Any => Truth::True,
        SetItemKind::Builtin(set) => by_address(target, |address| in_builtin(model, *set, address)),
        SetItemKind::Literal => target.name.is_none().into(),
        SetItemKind::Name(pattern) => target.name.is_some_and(|name| pattern.matches(name)).into(),
        SetItemKind::Named => target.name.is_some().into(),
        SetItemKind::Ported(inner, ports) => {
            Truth::all([within_item(model, inner, target, memo), ports.contains(target.port).into()])
        }
        SetItemKind::Range(range) => by_address(target, |address| range.contains(address)),
        SetItemKind::Set(id) => match model.set(*id) {
            Some(NamedSet { body: SetBody::Expr(expr), .. }) => match memo.get(id) {
                Some(&truth) => truth,
                None => {
                    let truth = within_expr(model, expr, target, memo);
                    memo.insert(*id, truth);
                    truth
                }
            },
            Some(NamedSet { body: SetBody::List(list), .. }) => Truth::any([
                target.name.is_some_and(|name| list.name_line(name).is_some()).into(),
                if list.has_addresses() {
                    by_address(target, |address| list.address_line(address).is_some())
                } else {
                    Truth::False
                },
            ]),
            None => Truth::False,
        },
    }
}

fn by_address(target: &Target<'_>, holds: impl FnOnce(IpAddr) -> bool) -> Truth {
    known(target.address, holds)
}

fn in_builtin(model: &Model, set: Builtin, address: IpAddr) -> bool {
    set.ranges(&model.host.addresses).iter().any(|range| range.contains(address))
}
