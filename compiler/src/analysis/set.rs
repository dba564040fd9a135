//! Sets of whole numbers, as ranges: the values of one dimension of a request.

use std::sync::{Arc, LazyLock};

/// From the first to the last, both included.
pub(crate) type Range = (u128, u128);

/// A set of values of one dimension. `All` stands for the dimension's universe, whatever that is.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Set {
    All,
    /// Sorted ranges that neither touch nor overlap; none or at least two.
    Many(Arc<[Range]>),
    One(Range),
}

static NOTHING: LazyLock<Arc<[Range]>> = LazyLock::new(|| Arc::from([]));

impl Set {
    pub(crate) fn none() -> Self {
        Self::Many(NOTHING.clone())
    }

    pub(crate) fn one(value: impl Into<u128>) -> Self {
        let value = value.into();
        Self::One((value, value))
    }

    /// The set of ranges in any order.
    pub(crate) fn of(ranges: impl IntoIterator<Item = Range>) -> Self {
        let mut sorted: Vec<Range> = ranges.into_iter().collect();
        sorted.sort_unstable();
        Self::sorted(sorted)
    }

    /// The set of values in any order.
    pub(crate) fn values(values: impl IntoIterator<Item = u32>) -> Self {
        Self::of(values.into_iter().map(|value| (value.into(), value.into())))
    }

    fn sorted(sorted: impl IntoIterator<Item = Range>) -> Self {
        let mut merged: Vec<Range> = Vec::new();
        for (first, last) in sorted {
            match merged.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        match *merged.as_slice() {
            [] => Self::none(),
            [one] => Self::One(one),
            _ => Self::Many(merged.into()),
        }
    }

    pub(crate) fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::Many(ranges) if ranges.is_empty())
    }

    /// The ranges; of `All` those of the universe.
    pub(crate) fn ranges<'a>(&'a self, universe: &'a Self) -> &'a [Range] {
        match self {
            Self::All => match universe {
                Self::All => &[(0, u128::MAX)],
                other => other.ranges(other),
            },
            Self::Many(ranges) => ranges,
            Self::One(range) => std::slice::from_ref(range),
        }
    }

    pub(crate) fn contains(&self, value: u128) -> bool {
        match self {
            Self::All => true,
            Self::One((first, last)) => (*first..=*last).contains(&value),
            Self::Many(ranges) => {
                let at = ranges.partition_point(|&(_, last)| last < value);
                ranges.get(at).is_some_and(|&(first, _)| first <= value)
            }
        }
    }

    pub(crate) fn intersects(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, set) | (set, Self::All) => !set.is_none(),
            (Self::One(a), Self::One(b)) => a.0 <= b.1 && b.0 <= a.1,
            (Self::One(one), Self::Many(many)) | (Self::Many(many), Self::One(one)) => {
                let at = many.partition_point(|&(_, last)| last < one.0);
                many.get(at).is_some_and(|&(first, _)| first <= one.1)
            }
            (Self::Many(a), Self::Many(b)) => {
                let (few, many) = if a.len() <= b.len() { (a, b) } else { (b, a) };
                few.iter().any(|one| {
                    let at = many.partition_point(|&(_, last)| last < one.0);
                    many.get(at).is_some_and(|&(first, _)| first <= one.1)
                })
            }
        }
    }

    pub(crate) fn intersect(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::All, set) | (set, Self::All) => set.clone(),
            (Self::One(a), Self::One(b)) => {
                let (first, last) = (a.0.max(b.0), a.1.min(b.1));
                if first <= last { Self::One((first, last)) } else { Self::none() }
            }
            (Self::One(one), Self::Many(many)) | (Self::Many(many), Self::One(one)) => {
                Self::sorted(clipped(many, *one))
            }
            (Self::Many(a), Self::Many(b)) => {
                if Arc::ptr_eq(a, b) {
                    return self.clone();
                }
                let (few, many) = if a.len() <= b.len() { (a, b) } else { (b, a) };
                Self::sorted(few.iter().flat_map(|&one| clipped(many, one)))
            }
        }
    }

    pub(crate) fn union(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::All, _) | (_, Self::All) => Self::All,
            (set, empty) if empty.is_none() => set.clone(),
            (empty, set) if empty.is_none() => set.clone(),
            _ => Self::of(self.ranges(self).iter().chain(other.ranges(other)).copied()),
        }
    }

    /// What is in this one and not in the other.
    pub(crate) fn minus(&self, other: &Self, universe: &Self) -> Self {
        match other {
            Self::All => return Self::none(),
            other if !self.intersects(other) => return self.clone(),
            _ => {}
        }
        let cuts = other.ranges(universe);
        let mut kept = Vec::new();
        for &(first, last) in self.ranges(universe) {
            let mut next = Some(first);
            let from = cuts.partition_point(|&(_, end)| end < first);
            for &(start, end) in cuts.iter().skip(from).take_while(|&&(start, _)| start <= last) {
                if let Some(begin) = next.filter(|&begin| begin < start) {
                    kept.push((begin, start - 1));
                }
                next = end.checked_add(1).filter(|&begin| begin <= last);
            }
            kept.extend(next.map(|begin| (begin, last)));
        }
        Self::sorted(kept)
    }

    pub(crate) fn is_within(&self, other: &Self, universe: &Self) -> bool {
        match (self, other) {
            (_, Self::All) => true,
            (Self::Many(a), Self::Many(b)) if Arc::ptr_eq(a, b) => true,
            _ => self.ranges(universe).iter().all(|&(first, last)| match other {
                Self::All => true,
                Self::One(range) => range.0 <= first && last <= range.1,
                Self::Many(ranges) => {
                    let at = ranges.partition_point(|&(_, end)| end < first);
                    ranges.get(at).is_some_and(|&(start, end)| start <= first && last <= end)
                }
            }),
        }
    }

    /// One value, another for each `turn` as far as there are some.
    pub(crate) fn pick(&self, universe: &Self, turn: u64) -> Option<u128> {
        let ranges = self.ranges(universe);
        let (first, last) = (ranges.first()?, ranges.last()?);
        Some(match turn {
            0 => first.0,
            1 => last.1,
            _ => {
                let mixed = mix(turn);
                let at = usize::try_from(mixed).unwrap_or(0) % ranges.len();
                let &(start, end) = ranges.get(at)?;
                let wide = u128::from(mix(mixed)) << 64 | u128::from(mix(mixed ^ 1));
                match (end - start).checked_add(1) {
                    Some(width) => start + wide % width,
                    None => wide,
                }
            }
        })
    }
}

fn clipped(many: &[Range], one: Range) -> impl Iterator<Item = Range> {
    let at = many.partition_point(|&(_, last)| last < one.0);
    many.iter()
        .skip(at)
        .take_while(move |&&(first, _)| first <= one.1)
        .map(move |&(first, last)| (first.max(one.0), last.min(one.1)))
}

/// SplitMix64.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sets() -> impl Strategy<Value = Set> {
        prop_oneof![
            1 => Just(Set::All),
            8 => prop::collection::vec((0..24_u128, 0..4_u128), 0..5)
                .prop_map(|ranges| Set::of(ranges.into_iter().map(|(at, len)| (at, (at + len).min(24))))),
        ]
    }

    proptest! {
        #[test]
        fn sets_agree_with_their_members(a in sets(), b in sets()) {
            let universe = Set::One((0, 24));
            let (both, less, either) = (a.intersect(&b), a.minus(&b, &universe), a.union(&b));
            for value in 0..=24 {
                let (in_a, in_b) = (a.contains(value), b.contains(value));
                prop_assert_eq!(both.contains(value), in_a && in_b);
                prop_assert_eq!(less.contains(value), in_a && !in_b);
                prop_assert_eq!(either.contains(value), in_a || in_b);
            }
            let every = |hold: &dyn Fn(u128) -> bool| (0..=24).all(hold);
            prop_assert_eq!(a.is_within(&b, &universe), every(&|value| !a.contains(value) || b.contains(value)));
            prop_assert_eq!(a.intersects(&b), !every(&|value| !a.contains(value) || !b.contains(value)));
            for turn in 0..6 {
                match a.pick(&universe, turn) {
                    Some(value) => prop_assert!(value <= 24 && a.contains(value)),
                    None => prop_assert!(a.is_none()),
                }
            }
        }
    }
}
