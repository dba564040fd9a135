//! Sets of requests in the words of the language.

use super::cube::{Bag, Cube, Dim};
use super::diff::Side;
use super::names::{LITERAL, Side as Bound};
use super::set::Set;
use super::space::{CLIENT_METHODS, KINDS, NOBODY, STRANGER, Space, address, range};
use super::translate::{Region, Translator};
use crate::hash::HashMap;
use crate::model::{
    AddressRange, Builtin, Conditions, Model, PortRange, RuleId, SetBody, SetItemKind, Stage, Term, Test,
};
use crate::request::{Command, ProxyProtocol};
use crate::source::{FileId, Span};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// Requests: those that fit one of the ways, and nothing of what is taken out.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Area {
    /// Conditions that must hold together; one list is enough. An empty list is every request.
    pub ways: Vec<Vec<Said>>,
    /// Lists of conditions of which none may hold.
    pub except: Vec<Vec<Said>>,
    /// What these rules decide is not part of it; each rule is of one of the policies.
    pub less: Vec<(Side, RuleId)>,
}

/// One condition: `port: 80, 443`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Said {
    /// The key, such as `port` or `not group`. `address` is the address that is dialled.
    pub key: &'static str,
    /// The values.
    pub value: String,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.value)
    }
}

impl Area {
    /// A list of conditions in one line; of no conditions, "everything".
    pub fn line(conditions: &[Said]) -> String {
        if conditions.is_empty() {
            return "every request".into();
        }
        let words: Vec<String> = conditions.iter().map(Said::to_string).collect();
        words.join("  ")
    }
}

/// How many values are written out.
const MAX_VALUES: usize = 8;
/// So many cubes are held against each other to find those that say nothing new.
const MAX_COMPARED: usize = 256;

/// Knows what the policies call their sets.
#[derive(Debug)]
pub(crate) struct Describer {
    space: Arc<Space>,
    words: HashMap<(usize, Set), String>,
    /// What is written of certificates' names.
    certs: HashMap<Set, String>,
    /// Wildcards and regexes, as the policies write them.
    patterns: Vec<(Set, String)>,
}

impl Describer {
    pub(crate) fn new(space: &Arc<Space>, models: &[&Model]) -> Self {
        let mut describer = Self {
            space: space.clone(),
            words: HashMap::default(),
            certs: HashMap::default(),
            patterns: Vec::new(),
        };
        for model in models {
            describer.learn(model);
        }
        describer
    }

    fn learn(&mut self, model: &Model) {
        let space = self.space.clone();
        let translator = Translator::new(&space, model);
        for (at, set) in (0..).zip(&model.sets) {
            let kind = SetItemKind::Set(crate::model::SetId(at));
            if matches!(&set.body, SetBody::Expr(expr) if expr.include.len() + expr.exclude.len() < 2) {
                continue;
            }
            self.learn_term(&translator, to(kind), &format!("@{}", set.name));
        }
        for set in Builtin::ALL {
            let ranges = set.ranges(&model.host.addresses);
            let set_of = Set::of(ranges.iter().flat_map(range));
            for dim in [Dim::Address, Dim::From] {
                self.word(dim, &set_of, &format!("@{}", set.name()));
            }
        }
        for group in model.groups.iter().filter(|group| group.members.len() > 1) {
            let members = Set::values(group.members.iter().filter_map(|user| self.space.users.id(user)));
            self.word(Dim::User, &members, &format!("@{}", group.name));
        }
        for rule in &model.rules {
            for term in std::iter::once(&rule.when).chain(&rule.except).flat_map(|when| &when.terms) {
                self.learn_from(&translator, model, term);
            }
        }
    }

    /// Learns what the policy itself writes: windows, patterns, certificates.
    fn learn_from(&mut self, translator: &Translator<'_>, model: &Model, term: &Term) {
        let written = || {
            let text = model.sources.text(term.span);
            text.split_once(':').map(|(_, values)| values.split_whitespace().collect::<Vec<_>>().join(" "))
        };
        match &term.test {
            Test::Time(windows) => {
                let set = self.space.clock.within(windows, Bound::Upper);
                let plain: Vec<String> = windows.iter().map(ToString::to_string).collect();
                let text = written().filter(|text| !text.is_empty()).unwrap_or_else(|| plain.join(", "));
                self.word(Dim::Time, &set, &text);
            }
            Test::To(expr) => {
                for item in expr.include.iter().chain(&expr.exclude) {
                    if let SetItemKind::Name(pattern) = &item.kind {
                        self.learn_term(translator, to(item.kind.clone()), &pattern.to_string());
                    }
                }
            }
            Test::Cert(patterns) => {
                let text: Vec<&str> = patterns.iter().map(crate::model::TextPattern::as_str).collect();
                self.certs.entry(self.space.certs().set(patterns)).or_insert_with(|| text.join(", "));
            }
            _ => {}
        }
    }

    fn learn_term(&mut self, translator: &Translator<'_>, when: Conditions, text: &str) {
        let cubes = translator.conditions(&when, Stage::Socks, Bound::Upper);
        let [cube] = cubes.as_slice() else { return };
        for (dim, other) in [(Dim::Name, Dim::Address), (Dim::Address, Dim::Name)] {
            if cube.get(other).is_all() && cube.get(Dim::Port).is_all() && !cube.get(dim).is_all() {
                let set = cube.get(dim).clone();
                self.word(dim, &set, text);
                if dim == Dim::Name && !self.patterns.iter().any(|(known, _)| *known == set) {
                    self.patterns.push((set.clone(), text.to_owned()));
                }
                if dim == Dim::Address {
                    self.word(Dim::From, &set, text);
                }
            }
        }
    }

    fn word(&mut self, dim: Dim, set: &Set, text: &str) {
        if !set.is_none() {
            self.words.entry((dim as usize, set.clone())).or_insert_with(|| text.to_owned());
        }
    }

    /// A region; conditions that `asked` has in the same way are left out.
    pub(crate) fn area(&self, region: &Region, asked: Option<&Region>) -> Area {
        let reference = asked.and_then(|asked| same_in_all(&asked.cubes));
        let mut ways: Vec<Vec<Said>> = Vec::new();
        for cube in self.largest(&region.cubes) {
            let way = self.cube(cube, reference.as_ref());
            if !ways.contains(&way) {
                ways.push(way);
            }
        }
        let touches = |hole: &&Cube| region.cubes.iter().any(|cube| cube.intersects(hole));
        let mut except: Vec<Vec<Said>> = Vec::new();
        for hole in region.except.iter().filter(touches) {
            let said = self.cube(hole, None);
            if !except.contains(&said) {
                except.push(said);
            }
        }
        Area { ways, except, less: Vec::new() }
    }

    /// The cubes that do not lie within another.
    fn largest<'a>(&self, cubes: &'a [Cube]) -> Vec<&'a Cube> {
        if cubes.len() > MAX_COMPARED {
            return cubes.iter().collect();
        }
        let within = |inner: &Cube, outer: &Cube| inner.minus(outer, &self.space.bounds).is_empty();
        let mut largest: Vec<&Cube> = Vec::new();
        for cube in cubes {
            if !largest.iter().any(|other| within(cube, other)) {
                largest.retain(|other| !within(other, cube));
                largest.push(cube);
            }
        }
        largest
    }

    fn cube(&self, cube: &Cube, reference: Option<&Cube>) -> Vec<Said> {
        let mut said = Vec::new();
        let mut order = Dim::ALL;
        order.sort_by_key(|&dim| match dim {
            Dim::From => 0,
            Dim::Listener => 1,
            Dim::User => 2,
            Dim::Method => 3,
            Dim::Name => 4,
            Dim::Address => 5,
            Dim::Port => 6,
            Dim::Kind => 7,
            Dim::ClientMethod => 8,
            Dim::Time => 9,
        });
        for dim in order {
            let set = cube.get(dim);
            if dim == Dim::Method {
                self.bag(&cube.groups, &mut said);
                self.certificate(&cube.cert, &mut said);
            }
            if set.is_all() || reference.is_some_and(|reference| reference.get(dim) == set) {
                continue;
            }
            match dim {
                Dim::Kind => kinds(set, &mut said),
                Dim::Name => self.name(cube, set, &mut said),
                Dim::Address => {
                    let key = if *cube.get(Dim::Name) == Set::one(LITERAL) || cube.get(Dim::Name).is_all() {
                        "to"
                    } else {
                        "address"
                    };
                    said.push(Said { key, value: self.values(dim, set) });
                }
                _ => said.push(Said { key: key(dim), value: self.values(dim, set) }),
            }
        }
        said
    }

    fn name(&self, cube: &Cube, set: &Set, said: &mut Vec<Said>) {
        let literal = *set == Set::one(LITERAL);
        if literal && !cube.get(Dim::Address).is_all() {
            said.push(Said { key: "target", value: "literal".into() });
            return;
        }
        said.push(Said {
            key: "to",
            value: if literal { "literal".into() } else { self.values(Dim::Name, set) },
        });
    }

    fn bag(&self, bag: &Bag, said: &mut Vec<Said>) {
        let list = |set: &Set| {
            let all = &self.space.bounds.groups;
            let ids = set.ranges(all).iter().flat_map(|&(first, last)| first..=last);
            let words = ids.filter_map(|id| self.space.groups.word(id).map(ToString::to_string));
            cut(words.collect())
        };
        said.extend(bag.needed().iter().map(|need| Said { key: "group", value: list(need) }));
        said.extend(bag.forbidden().map(|set| Said { key: "not group", value: list(set) }));
    }

    fn certificate(&self, bag: &Bag, said: &mut Vec<Said>) {
        let text = |set: &Set| {
            self.certs.get(set).cloned().unwrap_or_else(|| {
                let ids = set.ranges(&self.space.bounds.cert).iter().flat_map(|&(first, last)| first..=last);
                let examples = ids.filter_map(|id| self.space.certs().example(u32::try_from(id).ok()?));
                cut(examples.map(String::from).collect())
            })
        };
        said.extend(bag.needed().iter().map(|need| Said { key: "cert", value: text(need) }));
        said.extend(bag.forbidden().map(|set| Said { key: "not cert", value: text(set) }));
    }

    fn values(&self, dim: Dim, set: &Set) -> String {
        let known = |set: &Set| self.words.get(&(dim as usize, set.clone()));
        if let Some(word) = known(set) {
            return word.clone();
        }
        let universe = self.space.bounds.universe.get(dim as usize).unwrap_or(&Set::All);
        // Of users, `any` is not everybody: there are those without a name.
        let everybody = if dim == Dim::User { "any, none" } else { "any" };
        if let Some(word) = known(&Set::All.minus(set, universe)) {
            return format!("{everybody} except {word}");
        }
        match dim {
            Dim::User => self.users(set, universe),
            Dim::Name => self.names(set, universe),
            Dim::Address | Dim::From => addresses(set, universe),
            Dim::Port => {
                let ranges = set.ranges(universe).iter().filter_map(|&(first, last)| {
                    let (first, last) = (u16::try_from(first).ok()?, u16::try_from(last).ok()?);
                    Some(PortRange { first, last }.to_string())
                });
                cut(ranges.collect())
            }
            Dim::Method => self.each(set, universe, |id| self.space.methods.get(id).map(ToString::to_string)),
            Dim::ClientMethod => {
                self.each(set, universe, |id| CLIENT_METHODS.get(id).map(ToString::to_string))
            }
            Dim::Listener => self.listeners(set, universe),
            Dim::Time => self.times(set),
            Dim::Kind => String::new(),
        }
    }

    fn names(&self, set: &Set, universe: &Set) -> String {
        let mut said = self.space.names.describe(set);
        if !said.such_as.is_empty() {
            // No suffixes are all of it: what the policies themselves write may be.
            let (mut rest, mut patterns) = (set.clone(), Vec::new());
            for (pattern, text) in &self.patterns {
                if rest.intersects(pattern) && pattern.minus(set, universe).is_none() {
                    rest = rest.minus(pattern, universe);
                    patterns.push(text.clone());
                }
            }
            let others = self.space.names.describe(&rest);
            if others.such_as.len() < said.such_as.len() && others.without.is_empty() {
                said = others;
                said.with.splice(0..0, patterns);
            }
        }
        if set.contains(LITERAL.into()) {
            said.with.push("literal".into());
        }
        if !said.such_as.is_empty() {
            said.with.push(format!("some names, such as {}", cut(said.such_as)));
        }
        match said.without.as_slice() {
            [] => cut(said.with),
            _ => format!("{} except {}", cut(said.with), cut(said.without)),
        }
    }

    fn each(&self, set: &Set, universe: &Set, word: impl Fn(usize) -> Option<String>) -> String {
        let ids = set.ranges(universe).iter().flat_map(|&(first, last)| first..=last);
        cut(ids.filter_map(|id| word(usize::try_from(id).ok()?)).collect())
    }

    fn users(&self, set: &Set, universe: &Set) -> String {
        let word = |id: u128| match id {
            id if id == u128::from(NOBODY) => Some("none".to_owned()),
            id => self.space.users.word(id).map(ToString::to_string),
        };
        let list = |set: &Set| {
            let ids = set.ranges(universe).iter().flat_map(|&(first, last)| first..=last);
            cut(ids.filter_map(word).collect())
        };
        if !set.contains(STRANGER.into()) {
            return list(set);
        }
        let everyone = Set::All.minus(&Set::one(NOBODY), universe);
        let (base, others) = match set.contains(NOBODY.into()) {
            true => ("any, none", Set::All.minus(set, universe)),
            false => ("any", everyone.minus(set, universe)),
        };
        if others.is_none() { base.into() } else { format!("{base} except {}", list(&others)) }
    }

    fn listeners(&self, set: &Set, universe: &Set) -> String {
        let named = |set: &Set| {
            self.each(set, universe, |id| Some(self.space.listeners.word(id as u128)?.to_string()))
        };
        if set.contains(0) {
            format!("any except {}", named(&Set::All.minus(set, universe)))
        } else {
            named(set)
        }
    }

    fn times(&self, set: &Set) -> String {
        let universe = self.space.clock.universe();
        let first = set.pick(&universe, 0).and_then(|class| self.space.clock.example(class));
        match first.and_then(|time| jiff::Timestamp::from_second(time.0).ok()) {
            Some(instant) => format!("some, such as {instant}"),
            None => "some".into(),
        }
    }
}

/// What cubes have in the same way; `None` if there are none.
fn same_in_all(cubes: &[Cube]) -> Option<Cube> {
    let (first, others) = cubes.split_first()?;
    let same = Dim::ALL.into_iter().filter(|&dim| others.iter().all(|cube| cube.get(dim) == first.get(dim)));
    Some(same.fold(Cube::all(), |all, dim| all.and(dim, first.get(dim))))
}

fn to(kind: SetItemKind) -> Conditions {
    let span = Span { file: FileId(0), start: 0, end: 0 };
    let include = vec![crate::model::SetItem { span, kind }];
    let test = Test::To(crate::model::SetExpr { include, exclude: Vec::new() });
    Conditions { terms: vec![Term { negated: false, test, span }], span: None }
}

fn key(dim: Dim) -> &'static str {
    match dim {
        Dim::Address | Dim::Name => "to",
        Dim::ClientMethod => "clientmethod",
        Dim::From => "from",
        Dim::Kind => "command",
        Dim::Listener => "listen",
        Dim::Method => "socksmethod",
        Dim::Port => "port",
        Dim::Time => "time",
        Dim::User => "user",
    }
}

fn cut(mut words: Vec<String>) -> String {
    let more = words.len().saturating_sub(MAX_VALUES);
    if more > 1 {
        words.truncate(MAX_VALUES);
        words.push(format!("… {more} more"));
    }
    words.join(", ")
}

/// Ranges of addresses, or what they leave out where that is shorter.
fn addresses(set: &Set, universe: &Set) -> String {
    let text = |set: &Set| -> Vec<String> {
        let ranges = set.ranges(universe).iter();
        ranges.flat_map(|&(first, last)| spans(first, last)).collect()
    };
    let (inside, outside) = (text(set), text(&Set::All.minus(set, universe)));
    if outside.len() < inside.len() && !outside.is_empty() {
        return format!("any except {}", cut(outside));
    }
    cut(inside)
}

/// A run of numbers as addresses: at most IPv6 below, IPv4, and IPv6 above.
fn spans(first: u128, last: u128) -> Vec<String> {
    let four = AddressRange::ANY4;
    let (low, high) = (super::space::number(four.first()), super::space::number(four.last()));
    let parts = [(0, low - 1), (low, high), (high + 1, u128::MAX)];
    let cut = |(start, end): (u128, u128)| (first.max(start), last.min(end));
    let ranges = parts.map(cut).into_iter().filter(|(start, end)| start <= end);
    ranges.filter_map(|(start, end)| named_range(address(start), address(end))).collect()
}

fn named_range(first: IpAddr, last: IpAddr) -> Option<String> {
    AddressRange::new(first, last).map(|range| range.to_string())
}

fn kinds(set: &Set, said: &mut Vec<Said>) {
    let held: Vec<(Command, ProxyProtocol)> = KINDS
        .into_iter()
        .enumerate()
        .filter(|(id, _)| set.contains(*id as u128))
        .map(|(_, kind)| kind)
        .collect();
    let mut commands: Vec<Command> = held.iter().map(|(command, _)| *command).collect();
    commands.dedup();
    let plain = [Command::Connect, Command::Bind, Command::UdpAssociate];
    if commands != plain {
        let names: Vec<&str> = commands.iter().map(|command| command.name()).collect();
        said.push(Said { key: "command", value: names.join(", ") });
    }
    let full = KINDS.iter().filter(|(command, _)| commands.contains(command)).count();
    if full != held.len() {
        let mut protocols: Vec<ProxyProtocol> = held.iter().map(|(_, protocol)| *protocol).collect();
        protocols.sort_unstable();
        protocols.dedup();
        let names: Vec<String> = protocols.iter().map(ToString::to_string).collect();
        said.push(Said { key: "proxyprotocol", value: names.join(", ") });
    }
}
