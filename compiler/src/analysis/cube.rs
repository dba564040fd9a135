//! Cubes: the requests whose every dimension is in a set of its own.
//!
//! Ten dimensions are single values ([`Dim`]); two, the system groups of the user and the names of
//! the certificate, are sets of values themselves ([`Bag`]).

use super::set::Set;
use std::sync::Arc;

/// A dimension whose value is one number; what the numbers stand for, [`super::space`] knows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Dim {
    User = 0,
    Name = 1,
    Address = 2,
    Port = 3,
    From = 4,
    Kind = 5,
    Method = 6,
    Listener = 7,
    ClientMethod = 8,
    Time = 9,
}

pub(crate) const DIMS: usize = 10;

impl Dim {
    pub(crate) const ALL: [Self; DIMS] = [
        Self::User,
        Self::Name,
        Self::Address,
        Self::Port,
        Self::From,
        Self::Kind,
        Self::Method,
        Self::Listener,
        Self::ClientMethod,
        Self::Time,
    ];
}

/// What every dimension can be.
pub(crate) type Universe = [Set; DIMS];

/// A set of sets of atoms: those that hold at least one atom of each of `needs`, and none of
/// `forbids`.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Bag {
    needs: Vec<Set>,
    forbids: Option<Set>,
}

impl Bag {
    pub(crate) fn needs(atoms: Set) -> Self {
        Self { needs: vec![atoms], forbids: None }
    }

    pub(crate) fn forbids(atoms: Set) -> Self {
        Self { needs: Vec::new(), forbids: (!atoms.is_none()).then_some(atoms) }
    }

    pub(crate) fn is_any(&self) -> bool {
        self.needs.is_empty() && self.forbids.is_none()
    }

    /// The sets of which one each is needed.
    pub(crate) fn needed(&self) -> &[Set] {
        &self.needs
    }

    /// What must not be there.
    pub(crate) fn forbidden(&self) -> Option<&Set> {
        self.forbids.as_ref()
    }

    /// `All` as a forbidden set is every atom there is; as a needed one likewise.
    pub(crate) fn is_empty(&self, universe: &Set) -> bool {
        self.needs.iter().any(|need| match &self.forbids {
            Some(forbids) => need.is_within(forbids, universe),
            None => need.is_none(),
        })
    }

    fn intersect(&self, other: &Self) -> Self {
        let mut needs = self.needs.clone();
        needs.extend(other.needs.iter().filter(|need| !self.needs.contains(need)).cloned());
        let forbids = match (&self.forbids, &other.forbids) {
            (Some(a), Some(b)) => Some(a.union(b)),
            (one, None) | (None, one) => one.clone(),
        };
        Self { needs, forbids }
    }

    /// The conditions of the bag, one by one, each as a bag with its opposite.
    fn clauses(&self) -> impl Iterator<Item = (Self, Self)> {
        let needs = self.needs.iter().map(|set| (Self::needs(set.clone()), Self::forbids(set.clone())));
        needs.chain(self.forbids.iter().map(|set| (Self::forbids(set.clone()), Self::needs(set.clone()))))
    }

    fn holds(&self, atoms: &[u32]) -> bool {
        let any = |set: &Set| atoms.iter().any(|&atom| set.contains(atom.into()));
        self.needs.iter().all(any) && !self.forbids.as_ref().is_some_and(any)
    }

    /// The fewest atoms that will do.
    fn pick(&self, universe: &Set) -> Option<Vec<u32>> {
        let mut atoms = Vec::new();
        for need in &self.needs {
            if atoms.iter().any(|&atom: &u32| need.contains(atom.into())) {
                continue;
            }
            let free = match &self.forbids {
                Some(forbids) => need.minus(forbids, universe),
                None => need.clone(),
            };
            atoms.push(u32::try_from(free.pick(universe, 0)?).ok()?);
        }
        atoms.sort_unstable();
        Some(atoms)
    }
}

/// One request, by the numbers of its values.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Point {
    pub(crate) values: [u128; DIMS],
    pub(crate) groups: Vec<u32>,
    pub(crate) cert: Vec<u32>,
}

impl Point {
    pub(crate) fn get(&self, dim: Dim) -> u128 {
        self.values.get(dim as usize).copied().unwrap_or(0)
    }
}

/// A product of sets.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Cube {
    pub(crate) sets: [Set; DIMS],
    pub(crate) groups: Bag,
    pub(crate) cert: Bag,
}

/// What the dimensions range over.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    pub(crate) universe: Universe,
    pub(crate) groups: Set,
    pub(crate) cert: Set,
    /// Values that make good examples, by dimension, best first.
    pub(crate) nice: [Arc<[u128]>; DIMS],
}

impl Cube {
    /// Every request.
    pub(crate) fn all() -> Self {
        Self { sets: [const { Set::All }; DIMS], groups: Bag::default(), cert: Bag::default() }
    }

    /// The requests that have one dimension in a set.
    pub(crate) fn with(dim: Dim, set: Set) -> Self {
        Self::all().and(dim, &set)
    }

    pub(crate) fn get(&self, dim: Dim) -> &Set {
        self.sets.get(dim as usize).unwrap_or(&Set::All)
    }

    /// Narrows one dimension.
    #[must_use]
    pub(crate) fn and(mut self, dim: Dim, set: &Set) -> Self {
        self.narrow(dim, set);
        self
    }

    fn narrow(&mut self, dim: Dim, set: &Set) {
        if let Some(mine) = self.sets.get_mut(dim as usize) {
            *mine = mine.intersect(set);
        }
    }

    fn replace(mut self, dim: Dim, set: Set) -> Self {
        if let Some(mine) = self.sets.get_mut(dim as usize) {
            *mine = set;
        }
        self
    }

    pub(crate) fn is_empty(&self, bounds: &Bounds) -> bool {
        self.sets.iter().any(Set::is_none)
            || self.groups.is_empty(&bounds.groups)
            || self.cert.is_empty(&bounds.cert)
    }

    pub(crate) fn intersects(&self, other: &Self) -> bool {
        self.sets.iter().zip(&other.sets).all(|(a, b)| a.intersects(b))
    }

    /// The intersection, if it is not empty.
    pub(crate) fn intersect(&self, other: &Self, bounds: &Bounds) -> Option<Self> {
        if !self.intersects(other) {
            return None;
        }
        let mut both = self.clone();
        for (mine, theirs) in both.sets.iter_mut().zip(&other.sets) {
            if !theirs.is_all() {
                *mine = mine.intersect(theirs);
            }
        }
        if !other.groups.is_any() {
            both.groups = both.groups.intersect(&other.groups);
        }
        if !other.cert.is_any() {
            both.cert = both.cert.intersect(&other.cert);
        }
        (!both.is_empty(bounds)).then_some(both)
    }

    pub(crate) fn contains(&self, point: &Point) -> bool {
        self.sets.iter().zip(&point.values).all(|(set, &value)| set.contains(value))
            && self.groups.holds(&point.groups)
            && self.cert.holds(&point.cert)
    }

    /// Whether it holds a request as far as a tree can tell, which knows neither time nor certificates.
    pub(crate) fn fits_but_for_time(&self, point: &Point) -> bool {
        let timeless = Dim::ALL.into_iter().filter(|dim| *dim != Dim::Time);
        timeless.into_iter().all(|dim| self.get(dim).contains(point.get(dim)))
            && self.groups.holds(&point.groups)
    }

    /// What is in this cube and not in the other, as cubes that do not overlap.
    pub(crate) fn minus(&self, other: &Self, bounds: &Bounds) -> Vec<Self> {
        let mut pieces = Vec::new();
        let mut rest = self.clone();
        if !self.intersects(other) {
            pieces.push(rest);
            return pieces;
        }
        for (dim, universe) in Dim::ALL.into_iter().zip(&bounds.universe) {
            let theirs = other.get(dim);
            if theirs.is_all() {
                continue;
            }
            let outside = rest.get(dim).minus(theirs, universe);
            if !outside.is_none() {
                pieces.push(rest.clone().replace(dim, outside));
            }
            rest.narrow(dim, theirs);
        }
        for (clause, opposite) in other.groups.clauses() {
            let mut piece = rest.clone();
            piece.groups = piece.groups.intersect(&opposite);
            pieces.push(piece);
            rest.groups = rest.groups.intersect(&clause);
        }
        for (clause, opposite) in other.cert.clauses() {
            let mut piece = rest.clone();
            piece.cert = piece.cert.intersect(&opposite);
            pieces.push(piece);
            rest.cert = rest.cert.intersect(&clause);
        }
        pieces.retain(|piece| !piece.is_empty(bounds));
        pieces
    }

    /// A request in it: the most ordinary one, and for later turns others.
    pub(crate) fn pick(&self, bounds: &Bounds, turn: u64) -> Option<Point> {
        let mut values = [0; DIMS];
        let dims = values.iter_mut().zip(&self.sets).zip(&bounds.universe).zip(&bounds.nice);
        for (salt, (((value, set), universe), nice)) in (0..).zip(dims) {
            let ordinary = nice.iter().copied().find(|&value| set.contains(value));
            *value = match (turn, ordinary) {
                (0, Some(value)) => value,
                (0, None) => set.pick(universe, 0)?,
                _ => set.pick(universe, (turn - 1).wrapping_mul(if turn < 3 { 1 } else { 11 + salt }))?,
            };
        }
        let (groups, cert) = (self.groups.pick(&bounds.groups)?, self.cert.pick(&bounds.cert)?);
        Some(Point { values, groups, cert })
    }
}

/// Takes cubes out of a cube; `None` if that takes more than `limit` pieces.
pub(crate) fn subtract(cube: Cube, others: &[Cube], bounds: &Bounds, limit: usize) -> Option<Vec<Cube>> {
    let mut pieces = vec![cube];
    for other in others {
        // Those before the first that meets it stay where they are, those behind are moved.
        if let Some(first) = pieces.iter().position(|piece| piece.intersects(other)) {
            for piece in pieces.split_off(first) {
                if piece.intersects(other) {
                    pieces.extend(piece.minus(other, bounds));
                } else {
                    pieces.push(piece);
                }
            }
        }
        if pieces.len() > limit {
            return None;
        }
    }
    Some(pieces)
}
