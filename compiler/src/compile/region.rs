//! Conditions to parts, under one state of knowledge: what a connection, a name without an address
//! or a whole request tells.

use super::literals::{Index, Side, is_small, tail};
use super::part::{Key, Part, product, subtract};
use crate::hash::{HashMap, HashSet};
use crate::model::{
    Builtin, Conditions, Model, NamePattern, PortSet, Rule, SetBody, SetExpr, SetId, SetItemKind, Term, Test,
    UserItem, Window,
};
use crate::oracle::names_command;
use crate::request::{Command, MethodSpec, Protocol};
use crate::tree::names::NO_NAME;
use crate::tree::principals::{NOBODY, SOMEBODY};
use crate::tree::sets::{Run, SetPool, SetRef, complement};
use crate::tree::space::{Dim, Space, command_class, proxy_class};
use crate::tree::walk::Check;
use std::rc::Rc;
use std::sync::Arc;

/// Steps that the sets of a policy may take where they hold each other: parts copied, and parts
/// taken out of parts.
const SET_STEPS: usize = 1 << 19;

/// Checks that a decision may make for what one value of a set takes out.
const MAX_TAKEN: u64 = 1 << 14;

/// What is known of the principal.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum WhoKnown {
    /// That there is none.
    Nobody,
    /// Nothing.
    Nothing,
    /// All.
    Who,
}

/// What is known; the client and the method always are.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Known {
    /// The target's address.
    pub(crate) address: bool,
    /// The command and the protocol.
    pub(crate) command: bool,
    /// The target's name and port.
    pub(crate) target: bool,
    /// The principal.
    pub(crate) who: WhoKnown,
}

impl Known {
    /// A request with an address.
    pub(crate) const ALL: Self = Self { address: true, command: true, target: true, who: WhoKnown::Who };
    /// A request by a name that is not resolved.
    pub(crate) const NO_ADDRESS: Self = Self { address: false, ..Self::ALL };
    /// A request whose target comes later.
    pub(crate) const NO_TARGET: Self = Self { target: false, ..Self::NO_ADDRESS };
    /// A client.
    pub(crate) const CLIENT: Self =
        Self { address: false, command: false, target: false, who: WhoKnown::Nothing };
    /// A client that will have no name.
    pub(crate) const NAMELESS: Self = Self { who: WhoKnown::Nobody, ..Self::CLIENT };
}

/// Makes parts.
pub(crate) struct Regions<'a> {
    pub(crate) model: &'a Model,
    pub(crate) index: &'a mut Index,
    pub(crate) space: &'a mut Space,
    pub(crate) pool: &'a mut SetPool,
    known: Known,
    sets: HashMap<(SetId, Side), Rc<[Part]>>,
    builtins: HashMap<(Builtin, Side), Rc<[Run]>>,
    /// How many sets with names are being made, one in the other.
    depth: usize,
    steps: usize,
    /// The set with which a budget ran out.
    pub(crate) exceeded: Option<SetId>,
    /// The commands that a rule speaks of, by whether it names the two replies.
    commands: [Option<SetRef>; 4],
}

/// Values of a set while they are gathered.
#[derive(Default)]
struct Values {
    any: bool,
    by_address: bool,
    addresses: Vec<Run>,
    names: Vec<Run>,
    patterns: Vec<Run>,
    parts: Vec<Part>,
    /// Those of the parts that came from other sets.
    known: HashSet<Key>,
    ported: Vec<Values>,
    ports: HashMap<PortSet, usize>,
}

impl<'a> Regions<'a> {
    /// Makes parts under one state of knowledge.
    pub(crate) fn new(
        model: &'a Model,
        index: &'a mut Index,
        space: &'a mut Space,
        pool: &'a mut SetPool,
        known: Known,
    ) -> Self {
        Self {
            model,
            index,
            space,
            pool,
            known,
            sets: HashMap::default(),
            builtins: HashMap::default(),
            depth: 0,
            steps: 0,
            exceeded: None,
            commands: [None; 4],
        }
    }

    /// The parts of a rule.
    pub(crate) fn rule(&mut self, rule: &Rule) -> Vec<Part> {
        let mut parts = self.conditions(&rule.when);
        if self.known.command && !parts.is_empty() {
            let set = self.commands(&rule.when);
            parts.retain_mut(|part| part.restrict(self.pool, Dim::Command, set));
        }
        let out: Vec<Part> = rule.except.iter().flat_map(|except| self.conditions(except)).collect();
        if !out.is_empty() {
            parts = subtract(self.pool, parts, out);
        }
        parts
    }

    /// The commands that conditions speak of: replies only where they are named.
    fn commands(&mut self, when: &Conditions) -> SetRef {
        let replies = [Command::BindReply, Command::UdpReply].map(|reply| names_command(when, reply));
        let [bind, udp] = replies.map(usize::from);
        let at = bind + 2 * udp;
        if let Some(&Some(set)) = self.commands.get(at) {
            return set;
        }
        let speaks = |&command: &Command| !command.is_reply() || names_command(when, command);
        let commands = Command::ALL.into_iter().filter(speaks).map(command_class);
        let set = self.pool.intern(commands.map(one_class).collect());
        if let Some(known) = self.commands.get_mut(at) {
            *known = Some(set);
        }
        set
    }

    fn conditions(&mut self, when: &Conditions) -> Vec<Part> {
        let mut base = Part::any();
        let mut choices = Vec::new();
        for term in &when.terms {
            if !self.term(term, &mut base, &mut choices) {
                return Vec::new();
            }
        }
        choices.into_iter().fold(vec![base], |parts, choice| product(self.pool, parts, choice))
    }

    /// Adds a term; false if nothing is left.
    fn term(&mut self, term: &Term, base: &mut Part, choices: &mut Vec<Vec<Part>>) -> bool {
        let negated = term.negated;
        match &term.test {
            Test::Cert(patterns) => {
                let next = truncate(self.space.certs.len());
                let at = *self.index.certs.entry(patterns.clone()).or_insert(next);
                if at == next {
                    self.space.certs.push(patterns.clone());
                }
                base.tests.push(Check::Cert { patterns: at, negated });
                true
            }
            Test::Command(commands) if self.known.command => self.bound(
                base,
                Dim::Command,
                commands.iter().map(|&one| one_class(command_class(one))),
                negated,
            ),
            Test::Command(commands) if commands.iter().all(|command| command.is_reply()) => negated,
            Test::Expires(end) => {
                base.tests.push(Check::expires(*end, negated));
                true
            }
            Test::From(expr) => {
                let parts = self.expr(expr, Side::From);
                self.choose(parts, negated, base, choices)
            }
            Test::To(expr) if self.known.target => {
                let parts = self.expr(expr, Side::To);
                self.choose(parts, negated, base, choices)
            }
            Test::Group(_) | Test::User(_) if self.known.who != WhoKnown::Nothing => {
                self.principal(&term.test, negated, base)
            }
            Test::Listen(names) => {
                let all = &self.space.listeners;
                let classes: Vec<Run> = names
                    .iter()
                    .filter_map(|name| all.binary_search(name).ok())
                    .map(|at| one_class(truncate(at) + 1))
                    .collect();
                self.bound(base, Dim::Listener, classes.into_iter(), negated)
            }
            Test::Method(specs) => {
                let run = |spec: &MethodSpec| self.space.methods.run(spec.method, spec.service.as_deref());
                let runs: Vec<Run> = specs.iter().map(run).collect();
                self.bound(base, Dim::Method, runs.into_iter(), negated)
            }
            Test::Port(ports) if self.known.target => {
                let runs = port_runs(self.space, ports);
                self.bound(base, Dim::Port, runs.into_iter(), negated)
            }
            Test::Protocol(protocols) if self.known.command => {
                let fits = |command: &Command| {
                    let protocol: Protocol = command.protocol();
                    protocols.contains(&protocol)
                };
                let classes = Command::ALL.into_iter().filter(fits).map(|one| one_class(command_class(one)));
                self.bound(base, Dim::Command, classes, negated)
            }
            Test::ProxyProtocol(protocols) if self.known.command => {
                let classes = protocols.iter().map(|&one| one_class(proxy_class(one)));
                self.bound(base, Dim::Proxy, classes, negated)
            }
            Test::Time(windows) => self.time(windows, negated, base, choices),
            Test::Command(_)
            | Test::Group(_)
            | Test::Port(_)
            | Test::Protocol(_)
            | Test::ProxyProtocol(_)
            | Test::To(_)
            | Test::User(_) => {
                base.certain = false;
                true
            }
        }
    }

    fn bound(&mut self, base: &mut Part, dim: Dim, runs: impl Iterator<Item = Run>, negated: bool) -> bool {
        let mut set = self.pool.intern(runs.collect());
        if negated {
            let rest = complement(self.pool.runs(set));
            set = self.pool.intern(rest);
        }
        base.restrict(self.pool, dim, set)
    }

    fn choose(
        &mut self,
        parts: Vec<Part>,
        negated: bool,
        base: &mut Part,
        choices: &mut Vec<Vec<Part>>,
    ) -> bool {
        if negated {
            return parts.into_iter().all(|part| base.subtract(self.pool, &Rc::new(part)));
        }
        let some = !parts.is_empty();
        choices.push(parts);
        some
    }

    fn principal(&mut self, test: &Test, negated: bool, base: &mut Part) -> bool {
        let tokens = &self.index.tokens;
        let group = |name: &Arc<str>| tokens.groups.get(name).copied();
        let found: Vec<u32> = match test {
            Test::Group(groups) => groups.iter().filter_map(group).collect(),
            Test::User(items) => items
                .iter()
                .filter_map(|item| match item {
                    UserItem::Any => Some(SOMEBODY),
                    UserItem::Group(name) => group(name),
                    UserItem::None => Some(NOBODY),
                    UserItem::User(name) => tokens.users.get(name).copied(),
                })
                .collect(),
            _ => Vec::new(),
        };
        if self.known.who == WhoKnown::Nobody {
            return found.contains(&NOBODY) != negated;
        }
        let set = self.pool.intern(found.into_iter().map(one_class).collect());
        if set == SetRef::NONE {
            return negated;
        }
        base.tests.push(Check::Who { negated, set: set.0 });
        true
    }

    fn time(
        &mut self,
        windows: &[Window],
        negated: bool,
        base: &mut Part,
        choices: &mut Vec<Vec<Part>>,
    ) -> bool {
        let mut zones: Vec<(u16, Vec<Run>)> = Vec::new();
        for window in windows {
            let known = self.space.zones.iter().position(|zone| *zone == window.zone);
            let at = known.unwrap_or_else(|| {
                self.space.zones.push(window.zone.clone());
                self.space.zones.len() - 1
            });
            let zone = u16::try_from(at).unwrap_or(u16::MAX);
            let runs = minutes(window);
            match zones.iter_mut().find(|(one, _)| *one == zone) {
                Some((_, all)) => all.extend(runs),
                None => zones.push((zone, runs)),
            }
        }
        let tests: Vec<Check> = zones
            .into_iter()
            .map(|(zone, runs)| Check::Time { zone, negated, set: self.pool.intern(runs).0 })
            .collect();
        if negated {
            base.tests.extend(tests);
            return true;
        }
        let some = !tests.is_empty();
        choices.push(tests.into_iter().map(Part::test).collect());
        some
    }

    fn expr(&mut self, expr: &SetExpr, side: Side) -> Vec<Part> {
        let mut include = Values::default();
        expr.include.iter().for_each(|item| self.value(&item.kind, side, &mut include));
        let include = self.parts(include, side);
        if expr.exclude.is_empty() {
            return include;
        }
        let mut exclude = Values::default();
        expr.exclude.iter().for_each(|item| self.value(&item.kind, side, &mut exclude));
        let exclude = self.parts(exclude, side);
        self.spend(include.len().saturating_mul(exclude.len()));
        subtract(self.pool, include, exclude)
    }

    fn value(&mut self, kind: &SetItemKind, side: Side, values: &mut Values) {
        match (kind, side) {
            (SetItemKind::Any, _) | (SetItemKind::Literal, Side::From) => values.any = true,
            (SetItemKind::Builtin(set), _) => {
                let runs = self.builtin(*set, side);
                values.by_address = true;
                values.addresses.extend_from_slice(&runs);
            }
            (SetItemKind::Literal, Side::To) => values.names.push(one_class(NO_NAME)),
            (SetItemKind::Name(_) | SetItemKind::Named, Side::From) => {}
            (SetItemKind::Name(pattern), Side::To) => self.name(pattern, values),
            (SetItemKind::Named, Side::To) => values.names.push((NO_NAME + 1, u32::MAX)),
            (SetItemKind::Ported(inner, ports), Side::From) => {
                if ports.contains(0) {
                    self.value(inner, side, values);
                }
            }
            (SetItemKind::Ported(inner, ports), Side::To) => {
                let next = values.ported.len();
                let at = *values.ports.entry(ports.clone()).or_insert(next);
                if at == next {
                    values.ported.push(Values::default());
                }
                if let Some(at) = values.ported.get_mut(at) {
                    self.value(inner, side, at);
                }
            }
            (SetItemKind::Range(range), _) => {
                values.by_address = true;
                let classes = match side {
                    Side::From => &self.space.from,
                    Side::To => &self.space.to,
                };
                values.addresses.push(classes.run(range));
            }
            (SetItemKind::Set(id), _) => {
                let parts = self.named(*id, side);
                self.spend(parts.iter().map(|part| 1 + part.minus.len()).sum());
                self.nested(&parts, values);
            }
        }
    }

    /// Adds the parts of a set to the values of another; plain ones join those of their kind.
    fn nested(&self, parts: &[Part], values: &mut Values) {
        for part in parts {
            match part.single() {
                Some((Dim::Name, set)) => values.names.extend_from_slice(self.pool.runs(set)),
                Some((Dim::From | Dim::To, set)) => {
                    values.by_address = true;
                    values.addresses.extend_from_slice(self.pool.runs(set));
                }
                _ if values.known.insert(part.key()) => values.parts.push(part.clone()),
                _ => {}
            }
        }
    }

    /// Counts steps of sets within sets; what a rule says by itself is as long as its text.
    fn spend(&mut self, steps: usize) {
        if self.depth > 0 {
            self.steps = self.steps.saturating_add(steps);
        }
    }

    fn name(&mut self, pattern: &NamePattern, values: &mut Values) {
        let names = &self.space.names;
        match pattern {
            NamePattern::Below(name) => values.names.extend(names.below(name.as_str())),
            NamePattern::Exact(name) => values.names.extend(names.exact(name.as_str())),
            NamePattern::Tree(name) => {
                values.names.extend(names.whole(name.as_str()));
            }
            NamePattern::Glob(glob) => {
                let Some(&token) = self.index.globs.get(glob.as_str()) else { return };
                match tail(glob.as_str()).and_then(|tail| names.below(tail)) {
                    Some(below) => {
                        let set = self.pool.one(one_class(token));
                        let below = self.pool.one(below);
                        let mut part = Part::of(Dim::Name, below);
                        part.tests.push(Check::Pattern { set: set.0 });
                        values.parts.push(part);
                    }
                    None => values.patterns.push(one_class(token)),
                }
            }
            NamePattern::Regex(regex) => {
                values.patterns.extend(self.index.regexes.get(regex.as_str()).copied().map(one_class));
            }
        }
    }

    fn builtin(&mut self, set: Builtin, side: Side) -> Rc<[Run]> {
        if let Some(runs) = self.builtins.get(&(set, side)) {
            return runs.clone();
        }
        let classes = match side {
            Side::From => &self.space.from,
            Side::To => &self.space.to,
        };
        let ranges = set.ranges(&self.model.host.addresses);
        let runs: Rc<[Run]> = ranges.iter().map(|range| classes.run(range)).collect();
        self.builtins.insert((set, side), runs.clone());
        runs
    }

    /// The parts of a set with a name, made once.
    pub(crate) fn named(&mut self, id: SetId, side: Side) -> Rc<[Part]> {
        if let Some(parts) = self.sets.get(&(id, side)) {
            return parts.clone();
        }
        self.depth += 1;
        let mut parts = self.body(id, side);
        self.depth -= 1;
        // Whoever asks for the bounds refuses such a policy; elsewhere it may hold, and never surely does.
        if self.steps > SET_STEPS || parts.iter().any(|part| part.taken > MAX_TAKEN) {
            self.exceeded.get_or_insert(id);
            parts = [Part::unknown()].into();
        }
        self.sets.insert((id, side), parts.clone());
        parts
    }

    fn body(&mut self, id: SetId, side: Side) -> Rc<[Part]> {
        let model = self.model;
        match model.set(id).map(|set| &set.body) {
            Some(SetBody::Expr(expr)) => self.expr(expr, side).into(),
            Some(SetBody::List(list)) if is_small(list) => {
                let mut values = Values::default();
                for range in list.ranges() {
                    self.value(&SetItemKind::Range(range), side, &mut values);
                }
                if side == Side::To {
                    list.names().for_each(|pattern| self.name(&pattern, &mut values));
                }
                self.parts(values, side).into()
            }
            Some(SetBody::List(list)) => {
                let known = self.space.lists.iter().position(|one| Arc::ptr_eq(one, list));
                let at = truncate(known.unwrap_or_else(|| {
                    self.space.lists.push(list.clone());
                    self.space.lists.len() - 1
                }));
                match side {
                    Side::From => [Part::test(Check::ListFrom { list: at })].into(),
                    Side::To => {
                        let mut parts = Vec::new();
                        if list.has_names() {
                            parts.push(Part::test(Check::ListName { list: at }));
                        }
                        if list.has_addresses() && self.known.address {
                            parts.push(Part::test(Check::ListTo { list: at }));
                        } else if list.has_addresses() {
                            parts.push(Part::unknown());
                        }
                        parts.into()
                    }
                }
            }
            None => [].into(),
        }
    }

    fn parts(&mut self, values: Values, side: Side) -> Vec<Part> {
        if values.any {
            return vec![Part::any()];
        }
        let mut parts = Vec::new();
        if !values.names.is_empty() {
            parts.push(Part::of(Dim::Name, self.pool.intern(values.names)));
        }
        match side {
            Side::To if !self.known.address => parts.extend(values.by_address.then(Part::unknown)),
            _ if values.addresses.is_empty() => {}
            Side::From => parts.push(Part::of(Dim::From, self.pool.intern(values.addresses))),
            Side::To => parts.push(Part::of(Dim::To, self.pool.intern(values.addresses))),
        }
        if !values.patterns.is_empty() {
            let set = self.pool.intern(values.patterns).0;
            parts.push(Part::test(Check::Pattern { set }));
        }
        parts.extend(values.parts);
        let mut ports: Vec<(PortSet, usize)> = values.ports.into_iter().collect();
        ports.sort_unstable_by_key(|&(_, at)| at);
        for ((ports, _), inner) in ports.into_iter().zip(values.ported) {
            let runs = port_runs(self.space, &ports);
            let set = self.pool.intern(runs);
            let inner = self.parts(inner, side);
            parts.extend(
                inner
                    .into_iter()
                    .filter_map(|mut part| part.restrict(self.pool, Dim::Port, set).then_some(part)),
            );
        }
        parts
    }
}

fn port_runs(space: &Space, ports: &PortSet) -> Vec<Run> {
    let class = |port| space.ports.class(port);
    ports.ranges().iter().map(|range| (class(range.first), class(range.last))).collect()
}

/// The minutes of the week that a window holds.
fn minutes(window: &Window) -> Vec<Run> {
    let (start, end) = (u32::from(window.start), u32::from(window.end));
    let mut runs = Vec::new();
    for day in (0..7u32).filter(|day| window.days & (1 << day) != 0) {
        let midnight = day * 1440;
        if start < end {
            runs.push((midnight + start, midnight + end - 1));
            continue;
        }
        if start < 1440 {
            runs.push((midnight + start, midnight + 1439));
        }
        if end > 0 {
            let next = (day + 1) % 7 * 1440;
            runs.push((next, next + end - 1));
        }
    }
    runs
}

fn one_class(class: u32) -> Run {
    (class, class)
}

fn truncate(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
