//! Sets of classes: sorted ranges that neither touch nor overlap, each distinct set kept once.

use crate::hash::{HashMap, hash_of};

/// Classes from the first to the last, both included.
pub(crate) type Run = (u32, u32);

/// A set of a [`SetPool`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct SetRef(pub(crate) u32);

impl SetRef {
    /// Every class: no condition.
    pub(crate) const ANY: Self = Self(0);
    /// No class.
    pub(crate) const NONE: Self = Self(1);
}

/// Distinct sets while a policy is compiled.
#[derive(Debug)]
pub(crate) struct SetPool {
    /// The runs of all sets, one after the other.
    runs: Vec<Run>,
    /// Where the runs of each set start; one more at the end.
    starts: Vec<usize>,
    /// The set of a hash; where two share one, the later has the next number.
    known: HashMap<u64, SetRef>,
}

impl SetPool {
    /// The two sets that every pool has.
    pub(crate) fn new() -> Self {
        let mut pool = Self { runs: Vec::new(), starts: vec![0], known: HashMap::default() };
        pool.add(&[(0, u32::MAX)]);
        pool.add(&[]);
        pool
    }

    /// The set of runs in any order.
    pub(crate) fn intern(&mut self, runs: Vec<Run>) -> SetRef {
        self.add(&normal(runs))
    }

    /// The set of one run.
    pub(crate) fn one(&mut self, run: Run) -> SetRef {
        self.add(&[run])
    }

    /// The set of runs that neither touch nor overlap, in order.
    fn add(&mut self, runs: &[Run]) -> SetRef {
        let mut hash = hash_of(runs);
        while let Some(&set) = self.known.get(&hash) {
            if self.runs(set) == runs {
                return set;
            }
            hash = hash.wrapping_add(1);
        }
        let set = SetRef(u32::try_from(self.starts.len() - 1).unwrap_or(u32::MAX));
        self.runs.extend_from_slice(runs);
        self.starts.push(self.runs.len());
        self.known.insert(hash, set);
        set
    }

    /// The runs of a set.
    pub(crate) fn runs(&self, set: SetRef) -> &[Run] {
        let at = set.0 as usize;
        match (self.starts.get(at), self.starts.get(at + 1)) {
            (Some(&from), Some(&to)) => self.runs.get(from..to).unwrap_or_default(),
            _ => &[],
        }
    }

    /// What is in both.
    pub(crate) fn meet(&mut self, a: SetRef, b: SetRef) -> SetRef {
        if a == SetRef::ANY || a == b {
            return b;
        }
        if b == SetRef::ANY {
            return a;
        }
        if let (&[one], &[other]) = (self.runs(a), self.runs(b)) {
            let both = (one.0.max(other.0), one.1.min(other.1));
            return if both.0 <= both.1 { self.one(both) } else { SetRef::NONE };
        }
        let (small, large) = match self.runs(a).len() <= self.runs(b).len() {
            true => (a, b),
            false => (b, a),
        };
        let runs = meet(self.runs(small), self.runs(large));
        self.intern(runs)
    }

    /// What is in the first and not in the second.
    pub(crate) fn without(&mut self, a: SetRef, b: SetRef) -> SetRef {
        if b == SetRef::ANY || a == b {
            return SetRef::NONE;
        }
        let runs = meet(self.runs(a), &complement(self.runs(b)));
        self.intern(runs)
    }

    /// Whether no class is in both.
    pub(crate) fn apart(&self, a: SetRef, b: SetRef) -> bool {
        if a == SetRef::ANY || b == SetRef::ANY || a == b {
            return a == SetRef::NONE || b == SetRef::NONE;
        }
        let (small, large) = match self.runs(a).len() <= self.runs(b).len() {
            true => (self.runs(a), self.runs(b)),
            false => (self.runs(b), self.runs(a)),
        };
        meet(small, large).is_empty()
    }

    /// All sets in their fast form.
    pub(crate) fn finish(&self) -> Sets {
        let mut sets =
            Sets { heads: Vec::with_capacity(self.starts.len()), runs: Vec::new(), bits: Vec::new() };
        for set in 1..self.starts.len() {
            sets.push(self.runs(SetRef(u32::try_from(set - 1).unwrap_or(u32::MAX))));
        }
        sets.heads.shrink_to_fit();
        sets.runs.shrink_to_fit();
        sets.bits.shrink_to_fit();
        sets
    }
}

/// Runs sorted and merged.
pub(crate) fn normal(mut runs: Vec<Run>) -> Vec<Run> {
    if runs.is_sorted_by(|a, b| a.1.saturating_add(1) < b.0) {
        return runs;
    }
    runs.sort_unstable();
    let mut kept: Vec<Run> = Vec::with_capacity(runs.len());
    for run in runs {
        match kept.last_mut() {
            Some(last) if run.0 <= last.1.saturating_add(1) => last.1 = last.1.max(run.1),
            _ => kept.push(run),
        }
    }
    kept
}

/// What is in neither; classes reach up to `u32::MAX`.
pub(crate) fn complement(runs: &[Run]) -> Vec<Run> {
    let mut gaps = Vec::with_capacity(runs.len() + 1);
    let mut next = Some(0);
    for &(first, last) in runs {
        if let Some(start) = next
            && first > start
        {
            gaps.push((start, first - 1));
        }
        next = last.checked_add(1);
    }
    gaps.extend(next.map(|start| (start, u32::MAX)));
    gaps
}

/// Linear in the smaller set times the logarithm of the larger.
fn meet(small: &[Run], large: &[Run]) -> Vec<Run> {
    let mut both = Vec::new();
    for &(first, last) in small {
        let from = large.partition_point(|run| run.1 < first);
        for &(low, high) in large.iter().skip(from).take_while(|run| run.0 <= last) {
            both.push((first.max(low), last.min(high)));
        }
    }
    both
}

/// How a set is searched.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// A bit for each class from the first on: where its words start.
    Bits(u32),
    /// Sorted runs: where they start and how many there are.
    Runs(u32, u32),
}

#[derive(Clone, Copy, Debug)]
struct Head {
    first: u32,
    last: u32,
    form: Form,
}

/// All sets of a compiled policy.
#[derive(Debug)]
pub(crate) struct Sets {
    heads: Vec<Head>,
    runs: Vec<Run>,
    bits: Vec<u64>,
}

impl Sets {
    fn push(&mut self, runs: &[Run]) {
        let (first, last) = match (runs.first(), runs.last()) {
            (Some(first), Some(last)) => (first.0, last.1),
            _ => (1, 0),
        };
        // A bit a class as long as that takes no more room than the runs do.
        let words = (u64::from(last) + 1).saturating_sub(u64::from(first)).div_ceil(64);
        let form = if runs.len() > 1 && words <= runs.len() as u64 {
            let at = self.bits.len();
            self.bits.resize(at + usize::try_from(words).unwrap_or(0), 0);
            for class in runs.iter().flat_map(|&(low, high)| low..=high) {
                let bit = (class - first) as usize;
                if let Some(word) = self.bits.get_mut(at + bit / 64) {
                    *word |= 1 << (bit % 64);
                }
            }
            Form::Bits(u32::try_from(at).unwrap_or(u32::MAX))
        } else {
            let at = u32::try_from(self.runs.len()).unwrap_or(u32::MAX);
            if runs.len() > 1 {
                self.runs.extend_from_slice(runs);
            }
            Form::Runs(at, u32::try_from(runs.len()).unwrap_or(u32::MAX))
        };
        self.heads.push(Head { first, last, form });
    }

    /// The first and the last class of a set.
    pub(crate) fn span(&self, set: u32) -> (u32, u32) {
        self.heads.get(set as usize).map_or((1, 0), |head| (head.first, head.last))
    }

    /// Whether a class is in a set.
    pub(crate) fn contains(&self, set: u32, class: u32) -> bool {
        let Some(head) = self.heads.get(set as usize) else { return false };
        if class < head.first || class > head.last {
            return false;
        }
        match head.form {
            Form::Bits(at) => {
                let bit = (class - head.first) as usize;
                self.bits.get(at as usize + bit / 64).is_some_and(|word| word & (1 << (bit % 64)) != 0)
            }
            Form::Runs(_, 1) => true,
            Form::Runs(at, count) => {
                let runs = self.runs.get(at as usize..(at + count) as usize).unwrap_or_default();
                let after = runs.partition_point(|run| run.1 < class);
                runs.get(after).is_some_and(|run| run.0 <= class)
            }
        }
    }

    /// What they take in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.heads.capacity() * size_of::<Head>()
            + self.runs.capacity() * size_of::<Run>()
            + self.bits.capacity() * 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn runs() -> impl Strategy<Value = Vec<Run>> {
        let run = (0..200u32, 0..40u32).prop_map(|(first, length)| (first, first + length));
        prop::collection::vec(run, 0..12)
    }

    proptest! {
        #[test]
        fn sets_are_what_their_classes_are(a in runs(), b in runs()) {
            let mut pool = SetPool::new();
            let has = |runs: &[Run], class: u32| runs.iter().any(|run| (run.0..=run.1).contains(&class));
            let (one, two) = (pool.intern(a.clone()), pool.intern(b.clone()));
            let both = pool.meet(one, two);
            let left = pool.without(one, two);
            prop_assert_eq!(pool.apart(one, two), both == SetRef::NONE);
            let sets = pool.finish();
            for class in 0..260 {
                prop_assert_eq!(sets.contains(one.0, class), has(&a, class));
                prop_assert_eq!(sets.contains(both.0, class), has(&a, class) && has(&b, class));
                prop_assert_eq!(sets.contains(left.0, class), has(&a, class) && !has(&b, class));
            }
        }
    }
}
