//! Finds the cubes that hold a request, or that meet a cube, without looking at all of them.
//!
//! Each cube is filed under the one dimension in which it is most of its own.

use super::cube::{Bounds, Cube, Dim, Point};
use super::set::{Range, Set};
use crate::hash::{HashMap, hash_of};

/// A set of more ranges than this is no key.
const MAX_RANGES: usize = 64;

/// The dimensions that cubes are filed under.
const KEYS: [Dim; 5] = [Dim::User, Dim::Name, Dim::Address, Dim::From, Dim::Port];

#[derive(Debug, Default)]
pub(crate) struct Index {
    files: Vec<(Dim, Stabber)>,
    rest: Vec<u32>,
}

impl Index {
    /// Files cubes; their numbers are their places in the slice.
    pub(crate) fn new(cubes: &[(u32, Cube)], bounds: &Bounds) -> Self {
        let mut alike: HashMap<(usize, u64), u32> = HashMap::default();
        let digest = |set: &Set| hash_of(set);
        let is_key = |set: &&Set| !set.is_all() && set.ranges(&Set::All).len() <= MAX_RANGES;
        for (_, cube) in cubes {
            for (at, dim) in KEYS.into_iter().enumerate() {
                if let Some(set) = Some(cube.get(dim)).filter(is_key) {
                    *alike.entry((at, digest(set))).or_default() += 1;
                }
            }
        }
        let mut ranges: Vec<Vec<(Range, u32)>> = vec![Vec::new(); KEYS.len()];
        let mut rest = Vec::new();
        for (id, (_, cube)) in (0..).zip(cubes) {
            let keys = KEYS.into_iter().enumerate().filter_map(|(at, dim)| {
                let set = Some(cube.get(dim)).filter(is_key)?;
                let count = alike.get(&(at, digest(set))).copied().unwrap_or(0);
                let wide = share(set, bounds.universe.get(dim as usize)?) * cubes.len() as f64;
                Some((f64::from(count) + wide, at, set))
            });
            let best = keys.min_by(|a, b| a.0.total_cmp(&b.0));
            match best.and_then(|(_, at, set)| Some((ranges.get_mut(at)?, set))) {
                Some((file, set)) => file.extend(set.ranges(&Set::All).iter().map(|&range| (range, id))),
                None => rest.push(id),
            }
        }
        let files = KEYS.into_iter().zip(ranges).filter(|(_, ranges)| !ranges.is_empty());
        Self { files: files.map(|(dim, ranges)| (dim, Stabber::new(ranges))).collect(), rest }
    }

    /// Calls for lists of cubes of which those that hold the point are part, each in order.
    pub(crate) fn around<'a>(&'a self, point: &Point, mut visit: impl FnMut(&'a [u32])) {
        for (dim, file) in &self.files {
            file.stab(point.get(*dim), &mut visit);
        }
        visit(&self.rest);
    }

    /// The most cubes that any point is near to, and for each file a cube out of its fullest places.
    pub(crate) fn crowds(&self, places: usize) -> (usize, Vec<u32>) {
        let mut most = self.rest.len();
        let mut last: Vec<u32> = self.rest.last().copied().into_iter().collect();
        for (_, file) in &self.files {
            let mut counts: Vec<(usize, usize)> =
                (0..file.leaves).map(|leaf| (file.path(leaf).map(Vec::len).sum(), leaf)).collect();
            counts.sort_unstable_by(|one, other| other.cmp(one));
            most += counts.first().map_or(0, |(count, _)| *count);
            let fullest = counts.iter().take(places);
            last.extend(
                fullest.filter_map(|&(_, leaf)| file.path(leaf).filter_map(|list| list.last()).max()),
            );
        }
        last.sort_unstable();
        last.dedup();
        (most, last)
    }

    /// The cubes among which are all that meet a cube, in order.
    pub(crate) fn near(&self, cube: &Cube, bounds: &Bounds) -> Vec<u32> {
        let mut found = self.rest.clone();
        for (dim, file) in &self.files {
            let universe = bounds.universe.get(*dim as usize).unwrap_or(&Set::All);
            for range in cube.get(*dim).ranges(universe) {
                file.meet(*range, &mut found);
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// About how much of its universe a set is.
fn share(set: &Set, universe: &Set) -> f64 {
    let size = |set: &Set| -> f64 {
        let widths = set.ranges(&Set::All).iter().map(|&(first, last)| (last - first) as f64 + 1.0);
        widths.sum()
    };
    (size(set) / size(universe).max(1.0)).sqrt().min(1.0)
}

/// A segment tree: which of many ranges hold a value.
#[derive(Debug)]
struct Stabber {
    /// Where something begins or has ended.
    cuts: Vec<u128>,
    /// A heap-shaped tree; the leaves are the stretches between cuts.
    nodes: Vec<Vec<u32>>,
    leaves: usize,
    starts: Vec<(u128, u32)>,
}

impl Stabber {
    fn new(ranges: Vec<(Range, u32)>) -> Self {
        let ends = ranges.iter().filter_map(|((_, last), _)| last.checked_add(1));
        let mut cuts: Vec<u128> = ranges.iter().map(|((first, _), _)| *first).chain(ends).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let leaves = (cuts.len() + 1).next_power_of_two();
        let mut starts: Vec<(u128, u32)> = ranges.iter().map(|&((first, _), id)| (first, id)).collect();
        starts.sort_unstable();
        let mut tree = Self { cuts, nodes: vec![Vec::new(); 2 * leaves], leaves, starts };
        for ((first, last), id) in ranges {
            let (low, high) = (tree.leaf(first), tree.leaf(last));
            tree.insert(low, high + 1, id);
        }
        tree
    }

    fn leaf(&self, value: u128) -> usize {
        self.cuts.partition_point(|&cut| cut <= value)
    }

    fn insert(&mut self, low: usize, high: usize, id: u32) {
        let (mut low, mut high) = (low + self.leaves, high + self.leaves);
        while low < high {
            if low % 2 == 1 {
                self.add(low, id);
                low += 1;
            }
            if high % 2 == 1 {
                high -= 1;
                self.add(high, id);
            }
            low /= 2;
            high /= 2;
        }
    }

    fn add(&mut self, node: usize, id: u32) {
        if let Some(list) = self.nodes.get_mut(node)
            && list.last() != Some(&id)
        {
            list.push(id);
        }
    }

    /// The lists from a leaf to the root.
    fn path(&self, leaf: usize) -> impl Iterator<Item = &Vec<u32>> {
        let up =
            std::iter::successors(Some(leaf + self.leaves), |node| Some(node / 2).filter(|node| *node > 0));
        up.filter_map(|node| self.nodes.get(node))
    }

    fn stab<'a>(&'a self, value: u128, visit: &mut impl FnMut(&'a [u32])) {
        let mut node = self.leaf(value) + self.leaves;
        while node > 0 {
            if let Some(list) = self.nodes.get(node).filter(|list| !list.is_empty()) {
                visit(list);
            }
            node /= 2;
        }
    }

    fn meet(&self, (first, last): Range, found: &mut Vec<u32>) {
        self.stab(first, &mut |list| found.extend(list));
        let from = self.starts.partition_point(|&(start, _)| start <= first);
        let inside = self.starts.iter().skip(from).take_while(|&&(start, _)| start <= last);
        found.extend(inside.map(|&(_, id)| id));
    }
}
