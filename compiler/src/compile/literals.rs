//! The first look at a model: all that it speaks of, cut into classes.

use crate::hash::{HashMap, HashSet};
use crate::list::List;
use crate::model::{
    AddressRange, Model, NamePattern, SetBody, SetExpr, SetId, SetItem, SetItemKind, Term, Test, TextPattern,
};
use crate::tree::addresses::Addresses;
use crate::tree::names::Trie;
use crate::tree::patterns::{Patterns, Source};
use crate::tree::principals::{Principals, Tokens};
use crate::tree::sets::SetPool;
use crate::tree::space::{Methods, Ports, Space};
use std::sync::Arc;

/// Lists of up to so many entries are taken apart; longer ones are asked as they are.
pub(crate) const SMALL_LIST: usize = 4096;

/// What an automaton for globs and regexes may take in memory.
const AUTOMATON: usize = 1 << 20;

/// Which address a set is asked about.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Side {
    /// The client's.
    From,
    /// The target's.
    To,
}

/// Where what a policy writes stands among the classes.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) tokens: Tokens,
    pub(crate) globs: HashMap<Arc<str>, u32>,
    pub(crate) regexes: HashMap<Arc<str>, u32>,
    pub(crate) certs: HashMap<Vec<TextPattern>, u32>,
}

/// All conditions of a model's rules.
fn terms(model: &Model) -> impl Iterator<Item = &Term> {
    let conditions = model.rules.iter().flat_map(|rule| std::iter::once(&rule.when).chain(&rule.except));
    conditions.flat_map(|conditions| &conditions.terms)
}

struct Literals {
    from: Vec<AddressRange>,
    to: Vec<AddressRange>,
    names: Trie,
    ports: Vec<u16>,
    globs: HashMap<Arc<str>, u32>,
    regexes: HashMap<Arc<str>, u32>,
    sources: Vec<Source>,
    visited: HashSet<(SetId, Side)>,
}

/// Makes the classifiers of a model.
pub(crate) fn space(model: &Model) -> (Space, Index) {
    let mut found = Literals::new();
    let (mut services, mut listeners) = (Vec::new(), Vec::new());
    for term in terms(model) {
        match &term.test {
            Test::From(expr) => found.expr(model, expr, Side::From),
            Test::To(expr) => found.expr(model, expr, Side::To),
            Test::Port(ports) => found.port_set(ports.ranges()),
            Test::Listen(names) => listeners.extend(names.iter().cloned()),
            Test::Method(specs) => {
                let named = |spec: &crate::request::MethodSpec| Some((spec.method, spec.service.clone()?));
                services.extend(specs.iter().filter_map(named));
            }
            Test::Cert(_)
            | Test::Command(_)
            | Test::Expires(_)
            | Test::Group(_)
            | Test::Protocol(_)
            | Test::ProxyProtocol(_)
            | Test::Time(_)
            | Test::User(_) => {}
        }
    }
    listeners.sort_unstable();
    listeners.dedup();
    let (principals, tokens) = Principals::new(model, terms(model).map(|term| &term.test));
    let space = Space {
        from: Addresses::new(found.from.iter()),
        to: Addresses::new(found.to.iter()),
        names: found.names.number(),
        ports: Ports::new(found.ports),
        methods: Methods::new(services.into_iter()),
        listeners,
        principals,
        patterns: Patterns::new(found.sources, AUTOMATON),
        zones: Vec::new(),
        lists: Vec::new(),
        certs: Vec::new(),
        sets: SetPool::new().finish(),
    };
    (space, Index { tokens, globs: found.globs, regexes: found.regexes, certs: HashMap::default() })
}

/// Classifiers of what the sets of a model hold, but for the automata: what tells how large sets
/// become.
pub(crate) fn space_of_sets(model: &Model) -> (Space, Index) {
    let mut found = Literals::new();
    for (at, _) in (0..).zip(&model.sets) {
        for side in [Side::From, Side::To] {
            found.item(model, &SetItemKind::Set(SetId(at)), side);
        }
    }
    let (principals, tokens) = Principals::new(model, std::iter::empty());
    let space = Space {
        from: Addresses::new(found.from.iter()),
        to: Addresses::new(found.to.iter()),
        names: found.names.number(),
        ports: Ports::new(found.ports),
        methods: Methods::new(std::iter::empty()),
        listeners: Vec::new(),
        principals,
        patterns: Patterns::default(),
        zones: Vec::new(),
        lists: Vec::new(),
        certs: Vec::new(),
        sets: SetPool::new().finish(),
    };
    (space, Index { tokens, globs: found.globs, regexes: found.regexes, certs: HashMap::default() })
}

impl Literals {
    fn new() -> Self {
        Self {
            from: Vec::new(),
            to: Vec::new(),
            names: Trie::new(),
            ports: Vec::new(),
            globs: HashMap::default(),
            regexes: HashMap::default(),
            sources: Vec::new(),
            visited: HashSet::default(),
        }
    }

    fn expr(&mut self, model: &Model, expr: &SetExpr, side: Side) {
        for item in expr.include.iter().chain(&expr.exclude) {
            let SetItem { kind, .. } = item;
            self.item(model, kind, side);
        }
    }

    fn item(&mut self, model: &Model, kind: &SetItemKind, side: Side) {
        match kind {
            SetItemKind::Builtin(set) => self.ranges(side).extend(set.ranges(&model.host.addresses)),
            SetItemKind::Name(pattern) if side == Side::To => self.pattern(pattern),
            SetItemKind::Ported(inner, ports) => {
                self.port_set(ports.ranges());
                self.item(model, inner, side);
            }
            SetItemKind::Range(range) => self.ranges(side).push(*range),
            SetItemKind::Set(id) if self.visited.insert((*id, side)) => {
                match model.set(*id).map(|set| &set.body) {
                    Some(SetBody::Expr(expr)) => self.expr(model, expr, side),
                    Some(SetBody::List(list)) if is_small(list) => self.list(list, side),
                    Some(SetBody::List(_)) | None => {}
                }
            }
            SetItemKind::Any
            | SetItemKind::Literal
            | SetItemKind::Name(_)
            | SetItemKind::Named
            | SetItemKind::Set(_) => {}
        }
    }

    fn list(&mut self, list: &List, side: Side) {
        self.ranges(side).extend(list.ranges());
        if side == Side::To {
            list.names().for_each(|pattern| self.pattern(&pattern));
        }
    }

    fn ranges(&mut self, side: Side) -> &mut Vec<AddressRange> {
        match side {
            Side::From => &mut self.from,
            Side::To => &mut self.to,
        }
    }

    fn port_set(&mut self, ranges: &[crate::model::PortRange]) {
        for range in ranges {
            self.ports.push(range.first);
            self.ports.extend(range.last.checked_add(1));
        }
    }

    fn pattern(&mut self, pattern: &NamePattern) {
        match pattern {
            NamePattern::Below(name) | NamePattern::Exact(name) | NamePattern::Tree(name) => {
                self.names.add(name.as_str());
            }
            NamePattern::Glob(glob) => {
                let glob = glob.as_str();
                tail(glob).into_iter().for_each(|tail| self.names.add(tail));
                let next = u32::try_from(self.sources.len()).unwrap_or(u32::MAX);
                if !self.globs.contains_key(glob) {
                    self.globs.insert(glob.into(), next);
                    self.sources.push(Source::Glob(glob.into()));
                }
            }
            NamePattern::Regex(regex) => {
                let next = u32::try_from(self.sources.len()).unwrap_or(u32::MAX);
                if !self.regexes.contains_key(regex.as_str()) {
                    self.regexes.insert(regex.as_str().into(), next);
                    self.sources.push(Source::Regex(regex.clone()));
                }
            }
        }
    }
}

/// Whether a list is taken apart.
pub(crate) fn is_small(list: &List) -> bool {
    list.len() <= SMALL_LIST
}

/// The labels behind the last `*` of a glob: whatever fits is below that name.
pub(crate) fn tail(glob: &str) -> Option<&str> {
    let star = glob.rfind('*')?;
    let (_, tail) = glob.get(star..)?.split_once('.')?;
    (!tail.is_empty()).then_some(tail)
}
