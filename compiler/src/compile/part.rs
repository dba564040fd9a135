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
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// False: at best it is not known whether it holds.
    pub(crate) certain: bool,
    /// A set for each plain dimension.
    pub(crate) sets: [SetRef; PLAIN],
    /// Further tests.
    pub(crate) tests: Vec<Check>,
    /// None of these may hold.
    pub(crate) minus: Vec<Rc<Part>>,
    /// Checks that a decision makes at worst for what is taken out.
    pub(crate) taken: u64,
}

/// What two parts that say the same have in common.
pub(crate) type Key = (bool, [SetRef; PLAIN], Vec<Check>, Vec<*const Part>);

impl Part {
    /// Holds always.
    pub(crate) fn any() -> Self {
        Self { certain: true, sets: [SetRef::ANY; PLAIN], tests: Vec::new(), minus: Vec::new(), taken: 0 }
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
        let taken = parts.iter().map(|part| part.weight()).fold(0, u64::saturating_add);
        let neither = Self { minus: parts, taken, ..Self::any() };
        let taken = neither.weight();
        Self { minus: vec![Rc::new(neither)], taken, ..Self::any() }
    }

    /// Checks that a decision makes at worst.
    pub(crate) fn weight(&self) -> u64 {
        self.taken.saturating_add(1 + self.tests.len() as u64)
    }

    /// Parts with equal keys are equal; what they take out is compared by its place.
    pub(crate) fn key(&self) -> Key {
        (self.certain, self.sets, self.tests.clone(), self.minus.iter().map(Rc::as_ptr).collect())
    }

    /// The only dimension that it speaks of, if that is all it says.
    pub(crate) fn single(&self) -> Option<(Dim, SetRef)> {
        if !self.certain || !self.tests.is_empty() || !self.minus.is_empty() {
            return None;
        }
        let mut bounds = Dim::ALL
            .into_iter()
            .take(PLAIN)
            .map(|dim| (dim, self.set(dim)))
            .filter(|&(_, set)| set != SetRef::ANY);
        match (bounds.next(), bounds.next()) {
            (Some(one), None) => Some(one),
            _ => None,
        }
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
        for out in &other.minus {
            self.take(out);
        }
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
            // A box within the other has nothing left; where the classes are known both have a value.
            (true, ..) if other.certain && self.is_within(pool, other) => false,
            _ => {
                self.take(other);
                true
            }
        }
    }

    fn take(&mut self, out: &Rc<Self>) {
        if !self.minus.iter().any(|one| Rc::ptr_eq(one, out)) {
            self.taken = self.taken.saturating_add(out.weight());
            self.minus.push(out.clone());
        }
    }

    fn is_within(&self, pool: &mut SetPool, other: &Self) -> bool {
        let mut sets = self.sets.iter().zip(&other.sets);
        sets.all(|(&own, &set)| own == set || set == SetRef::ANY || pool.without(own, set) == SetRef::NONE)
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
