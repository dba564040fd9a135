//! Rules as cubes.

use super::cube::{Bag, Cube, Dim, subtract};
use super::names::{LITERAL, Side};
use super::set::{Range, Set};
use super::space::{CLIENT_METHODS, NOBODY, STRANGER, Space, range};
use crate::hash::{HashMap, HashSet};
use crate::list::List;
use crate::model::{
    Builtin, Conditions, Model, PortSet, Rule, SetBody, SetExpr, SetId, SetItem, SetItemKind, Stage, Term,
    Test, UserItem, Verdict,
};
use crate::oracle;
use crate::request::{Command, MethodSpec};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

/// Cubes that the conditions of one rule may come to; with more it is known from below and above.
const MAX_CUBES: usize = 1024;

/// Pieces that may be looked at where sets within sets take out others; beyond it they are known
/// from below and above.
const SET_STEPS: usize = 100_000;

/// Requests: those in one of the cubes, and in none of those excepted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Region {
    pub(crate) cubes: Vec<Cube>,
    pub(crate) except: Vec<Cube>,
}

impl Region {
    pub(crate) fn contains(&self, point: &super::cube::Point) -> bool {
        self.cubes.iter().any(|cube| cube.contains(point))
            && !self.except.iter().any(|cube| cube.contains(point))
    }
}

/// Targets: by name, by address, or as cubes where both or the port take part.
#[derive(Clone, Debug)]
struct Targets {
    names: Set,
    addresses: Set,
    rest: Vec<Cube>,
}

impl Targets {
    fn cubes(&self) -> Vec<Cube> {
        let mut cubes = self.rest.clone();
        if !self.names.is_none() {
            cubes.push(Cube::with(Dim::Name, self.names.clone()));
        }
        if !self.addresses.is_none() && !self.names.is_all() {
            cubes.push(Cube::with(Dim::Address, self.addresses.clone()));
        }
        cubes
    }
}

/// A set (`None`: too many cubes), and whether it is known from below and above only.
type KnownSet = (Option<Rc<Targets>>, bool);

/// Speaks for one policy in a space.
pub(crate) struct Translator<'s> {
    space: &'s Space,
    model: &'s Model,
    groups: HashMap<&'s str, Set>,
    builtins: HashMap<Builtin, Set>,
    sets: RefCell<HashMap<(SetId, bool), KnownSet>>,
    /// How many sets with names are being made, one in the other.
    depth: Cell<usize>,
    /// Pieces that were looked at where sets within sets take out others.
    steps: Cell<usize>,
    /// Whether something was met that is known from below and above only.
    vague: Cell<bool>,
}

impl<'s> Translator<'s> {
    pub(crate) fn new(space: &'s Space, model: &'s Model) -> Self {
        let users =
            |members: &[Arc<str>]| Set::values(members.iter().filter_map(|user| space.users.id(user)));
        let host = &model.host.addresses;
        let builtin = |set: Builtin| (set, Set::of(set.ranges(host).iter().flat_map(range)));
        Self {
            space,
            model,
            groups: model.groups.iter().map(|group| (&*group.name, users(&group.members))).collect(),
            builtins: Builtin::ALL.into_iter().map(builtin).collect(),
            sets: RefCell::default(),
            depth: Cell::new(0),
            steps: Cell::new(0),
            vague: Cell::new(false),
        }
    }

    /// The requests of a rule, from below and from above; `None` above means the same.
    pub(crate) fn rule(&self, rule: &Rule) -> (Region, Option<Region>) {
        let replies = match rule.stage {
            Stage::Client => Set::All,
            Stage::Socks => spoken_kinds(&rule.when),
        };
        self.both(&rule.when, &rule.except, rule.stage, &replies)
    }

    /// The same of conditions that stand by themselves, such as those of an invariant.
    pub(crate) fn stand_alone(&self, when: &Conditions, except: &[Conditions]) -> (Region, Option<Region>) {
        self.both(when, except, Stage::Socks, &spoken_kinds(when))
    }

    fn both(
        &self,
        when: &Conditions,
        except: &[Conditions],
        stage: Stage,
        kinds: &Set,
    ) -> (Region, Option<Region>) {
        self.vague.set(false);
        let lower = self.region(when, except, stage, kinds, Side::Lower);
        let upper = self.vague.get().then(|| self.region(when, except, stage, kinds, Side::Upper));
        (lower, upper)
    }

    fn region(
        &self,
        when: &Conditions,
        except: &[Conditions],
        stage: Stage,
        kinds: &Set,
        side: Side,
    ) -> Region {
        let mut cubes = self.conditions(when, stage, side);
        if !kinds.is_all() {
            cubes = cubes.into_iter().map(|cube| cube.and(Dim::Kind, kinds)).collect();
        }
        cubes.retain(|cube| !cube.is_empty(&self.space.bounds));
        let except = except.iter().flat_map(|when| self.conditions(when, stage, side.flip())).collect();
        Region { cubes, except }
    }

    /// The requests that fit conditions.
    pub(crate) fn conditions(&self, when: &Conditions, stage: Stage, side: Side) -> Vec<Cube> {
        let mut cubes = vec![Cube::all()];
        for term in &when.terms {
            let Some(fits) =
                self.term(term, stage, side).filter(|fits| fits.len() * cubes.len() <= MAX_CUBES)
            else {
                match self.unknown(side) {
                    true => continue,
                    false => return Vec::new(),
                }
            };
            cubes = match fits.as_slice() {
                [one] => cubes.iter().filter_map(|cube| cube.intersect(one, &self.space.bounds)).collect(),
                many => cubes
                    .iter()
                    .flat_map(|cube| many.iter().filter_map(|one| cube.intersect(one, &self.space.bounds)))
                    .collect(),
            };
        }
        cubes
    }

    /// What stands for something that could not be said: true for everything.
    fn unknown(&self, side: Side) -> bool {
        self.vague.set(true);
        side == Side::Upper
    }

    fn term(&self, term: &Term, stage: Stage, side: Side) -> Option<Vec<Cube>> {
        let side = if term.negated { side.flip() } else { side };
        let (dim, set) = match &term.test {
            Test::Cert(patterns) => {
                if !self.space.certs().is_exact() {
                    return None;
                }
                let atoms = self.space.certs().set(patterns);
                let mut cube = Cube::all();
                cube.cert = if term.negated { Bag::forbids(atoms) } else { Bag::needs(atoms) };
                return Some(vec![cube]);
            }
            Test::Group(groups) => return Some(self.principals(&Self::members(groups), term.negated)),
            Test::User(items) => return Some(self.principals(items, term.negated)),
            Test::To(expr) => return self.to(expr, side, term.negated),
            Test::Command(commands) => (Dim::Kind, Space::kinds(|command, _| commands.contains(&command))),
            Test::Protocol(protocols) => {
                (Dim::Kind, Space::kinds(|command, _| protocols.contains(&command.protocol())))
            }
            Test::ProxyProtocol(protocols) => {
                (Dim::Kind, Space::kinds(|_, spoken| protocols.contains(&spoken)))
            }
            Test::Expires(end) => (Dim::Time, self.timed(self.space.clock.before(*end, side))),
            Test::Time(windows) => (Dim::Time, self.timed(self.space.clock.within(windows, side))),
            Test::From(expr) => (Dim::From, self.from(expr, side)?),
            Test::Listen(names) => {
                (Dim::Listener, Set::values(names.iter().filter_map(|name| self.space.listeners.id(name))))
            }
            Test::Method(specs) if stage == Stage::Client => (Dim::ClientMethod, client_methods(specs)),
            Test::Method(specs) => (Dim::Method, self.methods(specs)),
            Test::Port(ports) => (Dim::Port, port_set(ports)),
        };
        Some(self.single(dim, set, term.negated))
    }

    fn timed(&self, set: Set) -> Set {
        if !self.space.clock.is_exact() {
            self.vague.set(true);
        }
        set
    }

    fn single(&self, dim: Dim, set: Set, negated: bool) -> Vec<Cube> {
        let set = if negated { self.complement(dim, &set) } else { set };
        if set.is_none() { Vec::new() } else { vec![Cube::with(dim, set)] }
    }

    fn complement(&self, dim: Dim, set: &Set) -> Set {
        let universe = self.space.bounds.universe.get(dim as usize).unwrap_or(&Set::All);
        Set::All.minus(set, universe)
    }

    fn methods(&self, specs: &[MethodSpec]) -> Set {
        let fits = |method: &MethodSpec| {
            specs.iter().any(|spec| {
                spec.method == method.method && (spec.service.is_none() || spec.service == method.service)
            })
        };
        Set::values((0..).zip(&self.space.methods).filter(|(_, method)| fits(method)).map(|(id, _)| id))
    }

    fn members(groups: &[Arc<str>]) -> Vec<UserItem> {
        groups.iter().cloned().map(UserItem::Group).collect()
    }

    fn principals(&self, items: &[UserItem], negated: bool) -> Vec<Cube> {
        let everyone = self.space.bounds.universe.get(Dim::User as usize).unwrap_or(&Set::All);
        let (mut users, mut atoms) = (Set::none(), Set::none());
        for item in items {
            let more = match item {
                UserItem::Any => everyone.minus(&Set::one(NOBODY), everyone),
                UserItem::None => Set::one(NOBODY),
                UserItem::User(name) => self.space.users.id(name).map_or_else(Set::none, Set::one),
                UserItem::Group(group) => match self.groups.get(&**group) {
                    Some(members) => members.clone(),
                    None => {
                        let atom = self.space.groups.id(group).map_or_else(Set::none, Set::one);
                        atoms = atoms.union(&atom);
                        continue;
                    }
                },
            };
            users = users.union(&more);
        }
        debug_assert!(!users.contains(STRANGER.into()) || items.contains(&UserItem::Any));
        let mut in_group = Cube::all();
        if negated {
            let mut cube = Cube::with(Dim::User, self.complement(Dim::User, &users));
            cube.groups = Bag::forbids(atoms);
            return vec![cube];
        }
        let mut cubes = self.single(Dim::User, users, false);
        if !atoms.is_none() {
            in_group.groups = Bag::needs(atoms);
            cubes.push(in_group);
        }
        cubes
    }

    fn to(&self, expr: &SetExpr, side: Side, negated: bool) -> Option<Vec<Cube>> {
        let cubes = self.expr(expr, side)?.cubes();
        if negated { subtract(Cube::all(), &cubes, &self.space.bounds, MAX_CUBES) } else { Some(cubes) }
    }

    /// Clients have an address and neither a name nor a port.
    fn from(&self, expr: &SetExpr, side: Side) -> Option<Set> {
        let targets = self.expr(expr, side)?;
        if targets.names.contains(LITERAL.into()) {
            return Some(Set::All);
        }
        let nameless =
            |cube: &&Cube| cube.get(Dim::Name).contains(LITERAL.into()) && cube.get(Dim::Port).contains(0);
        let rest = targets.rest.iter().filter(nameless).map(|cube| cube.get(Dim::Address));
        Some(rest.fold(targets.addresses.clone(), |all, set| all.union(set)))
    }

    fn expr(&self, expr: &SetExpr, side: Side) -> Option<Targets> {
        let include = self.items(&expr.include, side)?;
        if expr.exclude.is_empty() {
            return Some(include);
        }
        let exclude = self.items(&expr.exclude, side.flip())?;
        if include.rest.is_empty() && exclude.rest.is_empty() {
            if include.addresses.is_none() && exclude.addresses.is_none() {
                let universe = self.space.names.universe();
                return Some(Targets { names: include.names.minus(&exclude.names, &universe), ..include });
            }
            if include.names.is_none() && exclude.names.is_none() {
                let addresses = include.addresses.minus(&exclude.addresses, &Set::All);
                return Some(Targets { addresses, ..include });
            }
        }
        let cuts = exclude.cubes();
        let mut rest = Vec::new();
        for cube in include.cubes() {
            let room = MAX_CUBES.checked_sub(rest.len())?;
            rest.extend(self.cut(cube, &cuts, room)?);
        }
        Some(Targets { names: Set::none(), addresses: Set::none(), rest })
    }

    /// What cuts leave of a cube; within sets with names there is a budget for all of them.
    fn cut(&self, cube: Cube, cuts: &[Cube], room: usize) -> Option<Vec<Cube>> {
        if self.depth.get() == 0 {
            return subtract(cube, cuts, &self.space.bounds, room);
        }
        let mut pieces = vec![cube];
        for cut in cuts {
            let steps = self.steps.get() + pieces.len();
            self.steps.set(steps);
            if pieces.iter().any(|piece| piece.intersects(cut)) {
                pieces = pieces.iter().flat_map(|piece| piece.minus(cut, &self.space.bounds)).collect();
            }
            if pieces.len() > room || steps > SET_STEPS {
                return None;
            }
        }
        Some(pieces)
    }

    fn items(&self, items: &[SetItem], side: Side) -> Option<Targets> {
        let mut sum = Sum::default();
        let mut ported: Vec<(&PortSet, Vec<SetItem>)> = Vec::new();
        for item in items {
            match &item.kind {
                SetItemKind::Ported(inner, ports) => {
                    let inner = SetItem { span: item.span, kind: (**inner).clone() };
                    match ported.iter_mut().find(|(same, _)| *same == ports) {
                        Some((_, items)) => items.push(inner),
                        None => ported.push((ports, vec![inner])),
                    }
                }
                kind => self.item(kind, side, &mut sum),
            }
        }
        for (ports, inner) in ported {
            let ports = port_set(ports);
            let cubes = self.items(&inner, side)?.cubes().into_iter();
            sum.rest.extend(
                cubes.map(|cube| cube.and(Dim::Port, &ports)).filter(|cube| !cube.get(Dim::Port).is_none()),
            );
        }
        let targets = sum.targets();
        (targets.rest.len() <= MAX_CUBES).then_some(targets)
    }

    fn item(&self, kind: &SetItemKind, side: Side, sum: &mut Sum) {
        match kind {
            SetItemKind::Any => sum.any = true,
            SetItemKind::Builtin(set) => {
                sum.addresses
                    .extend(self.builtins.get(set).map(|set| set.ranges(&Set::All)).unwrap_or_default());
            }
            SetItemKind::Literal => sum.names.push((LITERAL.into(), LITERAL.into())),
            SetItemKind::Name(pattern) => {
                if !self.space.names.knows(pattern) {
                    self.vague.set(true);
                }
                sum.names.extend(self.space.names.set_of(pattern, side).ranges(&Set::All));
            }
            SetItemKind::Named => sum.names.extend(self.space.names.any_name().ranges(&Set::All)),
            // Taken apart by the caller.
            SetItemKind::Ported(..) => {}
            SetItemKind::Range(one) => sum.addresses.extend(range(one)),
            SetItemKind::Set(id) => match self.set(*id, side) {
                Some(targets) => sum.add(&targets),
                None => sum.any |= self.unknown(side),
            },
        }
    }

    fn set(&self, id: SetId, side: Side) -> Option<Rc<Targets>> {
        let key = (id, side == Side::Upper);
        let known = self.sets.borrow().get(&key).cloned();
        let (targets, vague) = match known {
            Some(known) => known,
            None => {
                let body = &self.model.set(id)?.body;
                let before = self.vague.replace(false);
                self.depth.set(self.depth.get() + 1);
                let targets = match body {
                    SetBody::Expr(expr) => self.expr(expr, side),
                    SetBody::List(list) => Some(self.list(list, side)),
                };
                self.depth.set(self.depth.get() - 1);
                let vague = self.vague.replace(before);
                let known = (targets.map(Rc::new), vague);
                self.sets.borrow_mut().insert(key, known.clone());
                known
            }
        };
        if vague {
            self.vague.set(true);
        }
        targets
    }

    fn list(&self, list: &List, side: Side) -> Targets {
        let mut sum = Sum::default();
        sum.addresses.extend(list.ranges().flat_map(|one| range(&one)));
        if is_long(list) && side == Side::Upper {
            self.vague.set(true);
            sum.names.extend(self.space.names.any_name().ranges(&Set::All));
        } else if is_long(list) {
            self.vague.set(true);
            for name in list.names().take(super::space::LIST_SAMPLE) {
                sum.names.extend(self.space.names.set_of(&name, side).ranges(&Set::All));
            }
        } else {
            for name in list.names() {
                sum.names.extend(self.space.names.set_of(&name, side).ranges(&Set::All));
            }
        }
        sum.targets()
    }
}

fn is_long(list: &List) -> bool {
    list.len() > super::space::MAX_LIST
}

#[derive(Default)]
struct Sum {
    any: bool,
    names: Vec<Range>,
    addresses: Vec<Range>,
    rest: Vec<Cube>,
}

impl Sum {
    fn add(&mut self, targets: &Targets) {
        self.any |= targets.names.is_all();
        if !targets.names.is_all() {
            self.names.extend(targets.names.ranges(&Set::All));
        }
        self.addresses.extend(targets.addresses.ranges(&Set::All));
        self.rest.extend(targets.rest.iter().cloned());
    }

    fn targets(self) -> Targets {
        if self.any {
            return Targets { names: Set::All, addresses: Set::none(), rest: Vec::new() };
        }
        let mut rest = self.rest;
        if rest.len() > 1 {
            let mut seen = HashSet::default();
            rest.retain(|cube| seen.insert(cube.clone()));
        }
        Targets { names: Set::of(self.names), addresses: Set::of(self.addresses), rest }
    }
}

pub(crate) fn port_set(ports: &PortSet) -> Set {
    Set::of(ports.ranges().iter().map(|range| (range.first.into(), range.last.into())))
}

fn client_methods(specs: &[MethodSpec]) -> Set {
    let fits = |method| specs.iter().any(|spec| spec.method == method && spec.service.is_none());
    Set::values((0..).zip(CLIENT_METHODS).filter(|&(_, method)| fits(method)).map(|(id, _)| id))
}

/// The kinds of request that conditions speak of: replies only where they are named.
fn spoken_kinds(when: &Conditions) -> Set {
    Space::kinds(|command, _| !command.is_reply() || oracle::names_command(when, command))
}

/// The kinds that pass where no rule matches.
pub(crate) fn default_kinds(model: &Model) -> Set {
    let passes: Vec<Command> = Command::ALL
        .into_iter()
        .filter(|&command| oracle::default_for(model, command) == Verdict::Pass)
        .collect();
    Space::kinds(|command, _| passes.contains(&command))
}
