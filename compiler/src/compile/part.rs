//! Parts of rules: boxes in the space of classes, less other parts. A rule holds where one of its
//! parts does.
//!
//! INVARIANT: whatever is done to parts keeps their value in Kleene's logic, not only in Boole's:
//! a part is the least of its tests, and what is joined, met and subtracted obeys the laws that
//! both logics have.

use crate::tree::sets::{SetPool, SetRef};
use crate::tree::space::{Dim, PLAIN};
use crate::tree::walk::Check;
use std::rc::Rc;

/// A box, further tests, and what is taken out.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Part {
    /// False: at best it is not known whether it holds.
    pub(crate) certain: bool,
    /// A set for each plain dimension.
    pub(crate) sets: [SetRef; PLAIN],
    /// Further tests.
    pub(crate) tests: Vec<Check>,
    /// None of these may hold.
    pub(crate) minus: Vec<Rc<Part>>,
}

impl Part {
    /// Holds always.
    pub(crate) fn any() -> Self {
        Self { certain: true, sets: [SetRef::ANY; PLAIN], tests: Vec::new(), minus: Vec::new() }
    }

    /// Holds where a class is in a set.
    pub(crate) fn of(dim: Dim, set: SetRef) -> Self {
        let mut part = Self::any();
        if let Some(own) = part.sets.get_mut(dim as usize) {
            *own = set;
        }
        part
    }

    /// Holds where a test does.
    pub(crate) fn test(test: Check) -> Self {
        Self { tests: vec![test], ..Self::any() }
    }

    /// May hold.
    pub(crate) fn unknown() -> Self {
        Self { certain: false, ..Self::any() }
    }

    /// Holds where one of some parts does: what is not what none is.
    pub(crate) fn either(parts: Vec<Rc<Self>>) -> Self {
        let neither = Self { minus: parts, ..Self::any() };
        Self { minus: vec![Rc::new(neither)], ..Self::any() }
    }

    /// The set of a dimension.
    pub(crate) fn set(&self, dim: Dim) -> SetRef {
        self.sets.get(dim as usize).copied().unwrap_or(SetRef::ANY)
    }

    /// Adds a bound; false if nothing is left.
    pub(crate) fn restrict(&mut self, pool: &mut SetPool, dim: Dim, set: SetRef) -> bool {
        let Some(own) = self.sets.get_mut(dim as usize) else { return true };
        *own = pool.meet(*own, set);
        *own != SetRef::NONE
    }

    /// Where both hold; `None` if nowhere.
    pub(crate) fn meet(&self, pool: &mut SetPool, other: &Self) -> Option<Self> {
        let mut both = self.clone();
        both.meet_with(pool, other).then_some(both)
    }

    /// Keeps what another holds, too; false if nothing is left.
    fn meet_with(&mut self, pool: &mut SetPool, other: &Self) -> bool {
        self.certain &= other.certain;
        for (own, &set) in self.sets.iter_mut().zip(&other.sets) {
            *own = pool.meet(*own, set);
            if *own == SetRef::NONE {
                return false;
            }
        }
        self.tests.extend_from_slice(&other.tests);
        self.minus.extend_from_slice(&other.minus);
        true
    }

    /// Takes a part out; false if nothing is left.
    pub(crate) fn subtract(&mut self, pool: &mut SetPool, other: &Rc<Self>) -> bool {
        if self.sets.iter().zip(&other.sets).any(|(&own, &set)| pool.apart(own, set)) {
            return true;
        }
        let mut bounds = other.sets.iter().enumerate().filter(|&(_, &set)| set != SetRef::ANY);
        let plain = other.tests.is_empty() && other.minus.is_empty();
        match (plain, bounds.next(), bounds.next()) {
            (true, None, _) if other.certain => false,
            (true, None, _) => {
                self.certain = false;
                true
            }
            (true, Some((dim, &set)), None) if other.certain => {
                let Some(own) = self.sets.get_mut(dim) else { return true };
                *own = pool.without(*own, set);
                *own != SetRef::NONE
            }
            _ => {
                self.minus.push(other.clone());
                true
            }
        }
    }
}

/// Takes parts out of each of others.
pub(crate) fn subtract(pool: &mut SetPool, from: Vec<Part>, what: Vec<Part>) -> Vec<Part> {
    let mut what: Vec<Rc<Part>> = what.into_iter().map(Rc::new).collect();
    if from.len() > 8 && what.len() > 8 {
        what = vec![Rc::new(Part::either(what))];
    }
    let cut = |mut part: Part| what.iter().all(|other| part.subtract(pool, other)).then_some(part);
    from.into_iter().filter_map(cut).collect()
}

/// Where one of the first and one of the second hold.
pub(crate) fn product(pool: &mut SetPool, a: Vec<Part>, b: Vec<Part>) -> Vec<Part> {
    if a.len().min(b.len()) > 1 && a.len() * b.len() > 256 {
        let either = Part::either(b.into_iter().map(Rc::new).collect());
        return a.iter().filter_map(|part| part.meet(pool, &either)).collect();
    }
    if let [other] = b.as_slice() {
        let mut both = a;
        both.retain_mut(|part| part.meet_with(pool, other));
        return both;
    }
    let mut both = Vec::with_capacity(a.len() * b.len());
    for one in &a {
        both.extend(b.iter().filter_map(|other| one.meet(pool, other)));
    }
    both
}
