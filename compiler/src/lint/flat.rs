//! Values of `from` and `to`, flattened so that they can be compared. Every answer is safe: "covers"
//! and "disjoint" are said only where they are certain.

use super::names;
use super::ranges::Ranges;
use crate::hash::HashSet;
use crate::model::{
    AddressRange, Model, NamePattern, PortSet, SetBody, SetExpr, SetId, SetItem, SetItemKind,
};
use std::cell::Cell;
use std::sync::Arc;

/// A union of values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Union {
    /// `any`.
    pub any: bool,
    /// `literal`.
    pub literal: bool,
    /// `name`.
    pub named: bool,
    /// Addresses.
    pub addresses: Ranges,
    /// Patterns.
    pub names: Vec<NamePattern>,
    /// Lists, and sets with an `except` that does not dissolve.
    pub opaque: Vec<SetId>,
    /// `host:port`.
    pub ported: Vec<(SetItemKind, PortSet)>,
}

/// A union less another.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flat {
    pub include: Union,
    pub exclude: Union,
}

/// Flattened sets of a policy, each once.
#[derive(Debug, Default)]
pub(crate) struct Flats {
    sets: Vec<Option<Arc<Flat>>>,
    /// Values copied from sets to those that hold them.
    copied: Cell<usize>,
}

/// Values that may be copied from sets to sets; beyond it a set stands for itself.
const MAX_COPIED: usize = 1 << 19;

impl Flats {
    /// Flattens all sets. A set that names one that comes later is flattened by need.
    pub(crate) fn new(model: &Model) -> Self {
        let mut flats = Self { sets: vec![None; model.sets.len()], copied: Cell::new(0) };
        for at in 0..model.sets.len() {
            flats.set(model, SetId(u32::try_from(at).unwrap_or(u32::MAX)), 0);
        }
        flats
    }

    /// The flat form of a set; `None` for a list.
    pub(crate) fn get(&self, id: SetId) -> Option<&Arc<Flat>> {
        self.sets.get(id.0 as usize).and_then(Option::as_ref)
    }

    fn set(&mut self, model: &Model, id: SetId, depth: usize) {
        if depth > 64 || self.get(id).is_some() {
            return;
        }
        let Some(SetBody::Expr(expr)) = model.set(id).map(|set| &set.body) else { return };
        for item in expr.include.iter().chain(&expr.exclude) {
            if let SetItemKind::Set(inner) = item.kind {
                self.set(model, inner, depth + 1);
            }
        }
        let flat = self.expr(model, expr);
        if let Some(slot) = self.sets.get_mut(id.0 as usize) {
            *slot = Some(Arc::new(flat));
        }
    }

    /// The flat form of an expression.
    pub(crate) fn expr(&self, model: &Model, expr: &SetExpr) -> Flat {
        let mut flat =
            Flat { include: self.union(model, &expr.include), exclude: self.union(model, &expr.exclude) };
        if flat.include.only_addresses() && !flat.exclude.addresses.is_empty() {
            flat.include.addresses = flat.include.addresses.without(&flat.exclude.addresses);
            flat.exclude.addresses = Ranges::default();
        }
        flat
    }

    fn union(&self, model: &Model, items: &[SetItem]) -> Union {
        let mut union = Union::default();
        let mut ranges: Vec<AddressRange> = Vec::new();
        for item in items {
            self.add(model, &item.kind, &mut union, &mut ranges);
        }
        let own: Ranges = ranges.into_iter().collect();
        if union.addresses.is_empty() {
            union.addresses = own;
        } else if !own.is_empty() {
            union.addresses.add(&own);
        }
        union
    }

    fn add(&self, model: &Model, kind: &SetItemKind, union: &mut Union, ranges: &mut Vec<AddressRange>) {
        match kind {
            SetItemKind::Any => union.any = true,
            SetItemKind::Builtin(set) => ranges.extend(set.ranges(&model.host.addresses)),
            SetItemKind::Literal => union.literal = true,
            SetItemKind::Name(pattern) => union.names.push(pattern.clone()),
            SetItemKind::Named => union.named = true,
            SetItemKind::Ported(inner, ports) => union.ported.push(((**inner).clone(), ports.clone())),
            SetItemKind::Range(range) => ranges.push(*range),
            SetItemKind::Set(id) => match self.get(*id) {
                Some(flat) if flat.exclude.is_empty() && self.may_copy(&flat.include) => {
                    union.join(&flat.include);
                }
                _ if union.opaque.contains(id) => {}
                _ => union.opaque.push(*id),
            },
        }
    }

    fn may_copy(&self, union: &Union) -> bool {
        let (names, others) = (union.names.len(), union.opaque.len() + union.ported.len());
        let copied = self.copied.get().saturating_add(names + others);
        let may = copied <= MAX_COPIED;
        if may {
            self.copied.set(copied);
        }
        may
    }

    /// The union of one value alone.
    pub(crate) fn item(&self, model: &Model, kind: &SetItemKind) -> Union {
        let (mut union, mut ranges) = (Union::default(), Vec::new());
        self.add(model, kind, &mut union, &mut ranges);
        let own: Ranges = ranges.into_iter().collect();
        union.addresses.add(&own);
        union
    }

    /// Whether every target of `inner` is one of `outer`.
    pub(crate) fn covers(&self, model: &Model, outer: &Flat, inner: &Flat) -> bool {
        self.union_covers(model, &outer.include, &inner.include)
            && (outer.exclude.is_empty()
                || self.union_covers(model, &inner.exclude, &outer.exclude)
                || self.union_disjoint(model, &outer.exclude, &inner.include))
    }

    /// Whether no target is in both.
    pub(crate) fn disjoint(&self, model: &Model, one: &Flat, other: &Flat) -> bool {
        self.union_disjoint(model, &one.include, &other.include)
            || (!other.exclude.is_empty() && self.union_covers(model, &other.exclude, &one.include))
            || (!one.exclude.is_empty() && self.union_covers(model, &one.exclude, &other.include))
    }

    /// Whether it holds nothing.
    pub(crate) fn is_void(&self, model: &Model, flat: &Flat) -> bool {
        flat.include.is_empty() || self.union_covers(model, &flat.exclude, &flat.include)
    }

    pub(crate) fn union_covers(&self, model: &Model, outer: &Union, inner: &Union) -> bool {
        if outer.any {
            return true;
        }
        !inner.any
            && (!inner.literal || outer.literal)
            && (!inner.named || outer.named)
            && outer.addresses.covers(&inner.addresses)
            && inner.names.iter().all(|name| outer.covers_name(name))
            && self.covers_opaque(model, outer, &inner.opaque)
            && inner.ported.iter().all(|(kind, ports)| self.covers_ported(model, outer, kind, ports))
    }

    /// Each set that others hold is looked at once.
    fn covers_opaque(&self, model: &Model, outer: &Union, sets: &[SetId]) -> bool {
        let (mut seen, mut open) = (HashSet::default(), sets.to_vec());
        while let Some(id) = open.pop() {
            if outer.opaque.contains(&id) || !seen.insert(id) {
                continue;
            }
            let Some(flat) = self.get(id) else { return false };
            let own = Union { opaque: Vec::new(), ..flat.include.clone() };
            if !self.union_covers(model, outer, &own) {
                return false;
            }
            open.extend_from_slice(&flat.include.opaque);
        }
        true
    }

    fn covers_ported(&self, model: &Model, outer: &Union, kind: &SetItemKind, ports: &PortSet) -> bool {
        let inner = self.item(model, kind);
        let whole = Union { ported: Vec::new(), ..outer.clone() };
        self.union_covers(model, &whole, &inner)
            || outer.ported.iter().any(|(host, open)| {
                ports.without(open).ranges().is_empty()
                    && self.union_covers(model, &self.item(model, host), &inner)
            })
    }

    pub(crate) fn union_disjoint(&self, model: &Model, one: &Union, other: &Union) -> bool {
        if one.is_empty() || other.is_empty() {
            return true;
        }
        if one.any || other.any {
            return false;
        }
        let (mut one, mut other) = (one.clone(), other.clone());
        if !self.open(model, &mut one) || !self.open(model, &mut other) {
            return false;
        }
        let by_name = |union: &Union| union.named || !union.names.is_empty();
        let by_address = |union: &Union| !union.addresses.is_empty();
        // A target by name has an address too: a name and an address never exclude each other.
        let crossed = (by_name(&one) && by_address(&other))
            || (by_address(&one) && by_name(&other))
            || (one.literal && (other.literal || by_address(&other)))
            || (other.literal && by_address(&one))
            || (one.named && by_name(&other))
            || (other.named && by_name(&one));
        !crossed
            && one.addresses.is_disjoint(&other.addresses)
            && one.names.iter().all(|name| other.names.iter().all(|far| names::disjoint(name, far)))
    }

    /// Puts what opaque sets and `host:port` hold at most in their place; `false` where a list
    /// hides it.
    fn open(&self, model: &Model, union: &mut Union) -> bool {
        for id in std::mem::take(&mut union.opaque) {
            let Some(flat) = self.get(id) else { return false };
            union.join(&flat.include);
        }
        for (kind, _) in std::mem::take(&mut union.ported) {
            let item = self.item(model, &kind);
            union.join(&item);
        }
        union.opaque.is_empty() && union.ported.is_empty() && !union.any
    }
}

impl Union {
    pub(crate) fn is_empty(&self) -> bool {
        !self.any
            && !self.literal
            && !self.named
            && self.addresses.is_empty()
            && self.names.is_empty()
            && self.opaque.is_empty()
            && self.ported.is_empty()
    }

    pub(crate) fn only_addresses(&self) -> bool {
        !self.any
            && !self.literal
            && !self.named
            && self.names.is_empty()
            && self.opaque.is_empty()
            && self.ported.is_empty()
    }

    pub(crate) fn only_names(&self) -> bool {
        !self.any
            && !self.literal
            && !self.named
            && self.addresses.is_empty()
            && self.opaque.is_empty()
            && self.ported.is_empty()
            && !self.names.is_empty()
    }

    pub(crate) fn covers_name(&self, inner: &NamePattern) -> bool {
        self.any || self.named || self.names.iter().any(|outer| names::covers(outer, inner))
    }

    fn join(&mut self, other: &Self) {
        self.any |= other.any;
        self.literal |= other.literal;
        self.named |= other.named;
        self.addresses.add(&other.addresses);
        if self.names.is_empty() {
            self.names.clone_from(&other.names);
        } else if !other.names.is_empty() {
            let known: HashSet<String> = self.names.iter().map(NamePattern::to_string).collect();
            let fresh = other.names.iter().filter(|name| !known.contains(&name.to_string()));
            self.names.extend(fresh.cloned());
        }
        let known: HashSet<SetId> = self.opaque.iter().copied().collect();
        self.opaque.extend(other.opaque.iter().copied().filter(|id| !known.contains(id)));
        self.ported.extend(other.ported.iter().cloned());
    }
}
