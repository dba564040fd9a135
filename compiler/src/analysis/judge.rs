//! The rules of one stage as cubes, in the order in which they win; and the hunt for a request that
//! none of them has.

use super::cube::{Bounds, Cube, Dim, Point, subtract};
use super::index::Index;
use super::space::Space;
use super::translate::{Region, Translator, default_kinds};
use crate::hash::HashSet;
use crate::model::{Model, RuleId, Stage, Verdict};
use std::cmp::Reverse;

/// How many of the fullest places of an index are looked at.
const PLACES: usize = 4;

/// A rule, or the default where it passes.
#[derive(Debug)]
pub(crate) struct Ruled {
    /// `None`: the default.
    pub(crate) id: Option<RuleId>,
    pub(crate) verdict: Verdict,
    /// What it surely matches.
    pub(crate) lower: Region,
    /// What it may match, where that is something else.
    pub(crate) upper: Option<Region>,
}

impl Ruled {
    pub(crate) fn may(&self) -> &Region {
        self.upper.as_ref().unwrap_or(&self.lower)
    }
}

/// One stage of one policy.
#[derive(Debug)]
pub(crate) struct Judge {
    /// Blocks first, then passes, then the default where it passes; the first that matches wins.
    pub(crate) rules: Vec<Ruled>,
    /// How many of them are blocks.
    pub(crate) blocks: usize,
    /// Whether any rule is known from below and above only.
    pub(crate) vague: bool,
    /// Which those are.
    pub(crate) vague_ranks: Vec<usize>,
    cubes: Vec<(u32, Cube)>,
    index: Index,
}

impl Judge {
    pub(crate) fn new(translator: &Translator<'_>, space: &Space, model: &Model, stage: Stage) -> Self {
        let mut order: Vec<_> = model.stage(stage).collect();
        order.sort_by_key(|(id, rule)| (rule.verdict == Verdict::Pass, Reverse(rule.priority), *id));
        let mut rules: Vec<Ruled> = Vec::with_capacity(order.len() + 1);
        for (id, rule) in order {
            let (lower, upper) = translator.rule(rule);
            rules.push(Ruled { id: Some(id), verdict: rule.verdict, lower, upper });
        }
        let default = match stage {
            Stage::Client if model.default_of(stage) == Verdict::Pass => vec![Cube::all()],
            Stage::Client => Vec::new(),
            Stage::Socks => vec![Cube::with(Dim::Kind, default_kinds(model))],
        };
        let default: Vec<Cube> = default.into_iter().filter(|cube| !cube.is_empty(&space.bounds)).collect();
        if !default.is_empty() {
            let lower = Region { cubes: default, except: Vec::new() };
            rules.push(Ruled { id: None, verdict: Verdict::Pass, lower, upper: None });
        }
        let cubes: Vec<(u32, Cube)> = (0..)
            .zip(&rules)
            .flat_map(|(rank, rule)| rule.lower.cubes.iter().map(move |cube| (rank, cube.clone())))
            .collect();
        let vague_ranks: Vec<usize> =
            (0..).zip(&rules).filter(|(_, rule)| rule.upper.is_some()).map(|(rank, _)| rank).collect();
        Self {
            blocks: rules.iter().filter(|rule| rule.verdict == Verdict::Block).count(),
            vague: !vague_ranks.is_empty(),
            vague_ranks,
            index: Index::new(&cubes, &space.bounds),
            cubes,
            rules,
        }
    }

    /// The first of the rules before `below` that has a request, with its cube.
    pub(crate) fn winner(&self, point: &Point, below: usize) -> Option<(usize, &Cube)> {
        let mut best: Option<(usize, &Cube)> = None;
        let mut bound = below;
        self.index.around(point, |list| {
            for &id in list {
                let Some((rank, cube)) = self.cubes.get(id as usize) else { continue };
                let rank = *rank as usize;
                if rank >= bound {
                    break;
                }
                if cube.contains(point) && !self.excepts(rank, point) {
                    best = Some((rank, cube));
                    bound = rank;
                    break;
                }
            }
        });
        best
    }

    /// How many rules a decision that tells requests apart by target, port, client, user and command
    /// has to examine one by one, at some request: those that fit it in all of this and rank no
    /// lower than the one that decides. Exact for that request; others may be worse. Nothing is
    /// searched where no request can have more than `enough`.
    pub(crate) fn crowd(&self, space: &Space, enough: usize) -> usize {
        let (most, last) = self.index.crowds(PLACES);
        if most <= enough {
            return 0;
        }
        let cubes = last.into_iter().filter_map(|id| self.cubes.get(id as usize));
        let points = cubes.filter_map(|(_, cube)| space.halves(cube).next()?.pick(&space.bounds, 0));
        points.map(|point| self.examined(&point)).max().unwrap_or(0)
    }

    fn examined(&self, point: &Point) -> usize {
        let decides = self.winner(point, self.rules.len()).map_or(self.rules.len(), |(rank, _)| rank);
        let mut different: HashSet<(&[Cube], &[Cube])> = HashSet::default();
        self.index.around(point, |list| {
            let cubes = list.iter().filter_map(|&id| self.cubes.get(id as usize));
            for (rank, cube) in cubes.take_while(|(rank, _)| *rank as usize <= decides) {
                if cube.fits_but_for_time(point)
                    && let Some(rule) = self.rules.get(*rank as usize)
                {
                    // The same conditions again are examined once.
                    different.insert((&rule.lower.cubes, &rule.lower.except));
                }
            }
        });
        different.len()
    }

    /// All rules that have a request, in the order in which they win.
    pub(crate) fn holders(&self, point: &Point) -> Vec<usize> {
        let mut found = Vec::new();
        self.index.around(point, |list| {
            let cubes = list.iter().filter_map(|&id| self.cubes.get(id as usize));
            let holding =
                cubes.filter(|(rank, cube)| cube.contains(point) && !self.excepts(*rank as usize, point));
            found.extend(holding.map(|(rank, _)| *rank as usize));
        });
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The rules that have something of a cube in their own cubes, in order.
    pub(crate) fn meeting(&self, cube: &Cube, bounds: &Bounds) -> Vec<usize> {
        let near = self.index.near(cube, bounds).into_iter().filter_map(|id| self.cubes.get(id as usize));
        let mut found: Vec<usize> =
            near.filter(|(_, one)| one.intersects(cube)).map(|(rank, _)| *rank as usize).collect();
        found.dedup();
        found
    }

    fn excepts(&self, rank: usize, point: &Point) -> bool {
        self.except(rank).iter().any(|cube| cube.contains(point))
    }

    /// What a rule excepts.
    pub(crate) fn except(&self, rank: usize) -> &[Cube] {
        self.rules.get(rank).map_or(&[], |rule| &rule.lower.except)
    }

    /// The rule of a rank.
    pub(crate) fn id(&self, rank: usize) -> Option<RuleId> {
        self.rules.get(rank).and_then(|rule| rule.id)
    }
}

/// How a hunt ends.
#[derive(Debug)]
pub(crate) enum Hunt {
    /// A request that nothing covers.
    Found(Point),
    /// There is none; these cover everything, each at least in part.
    Nothing(Vec<usize>),
    /// The budget ran out.
    Undecided,
}

/// What covers a request: one cube, less what is excepted.
pub(crate) struct Cover<'a> {
    pub(crate) who: usize,
    pub(crate) cube: &'a Cube,
    pub(crate) except: &'a [Cube],
}

/// How many pieces a hunt may look at.
pub(crate) const BUDGET: usize = 20_000;

/// Hunts in cubes for a request that nothing covers. `cover` is asked of one request at a time, so
/// that only what matters is ever subtracted.
pub(crate) fn hunt<'a>(
    cubes: Vec<Cube>,
    bounds: &Bounds,
    mut cover: impl FnMut(&Point) -> Option<Cover<'a>>,
) -> Hunt {
    for turn in 0..5 {
        for cube in &cubes {
            match cube.pick(bounds, turn) {
                Some(point) if cover(&point).is_none() => return Hunt::Found(point),
                _ => {}
            }
        }
    }
    let mut used = Vec::new();
    let mut stack = cubes;
    let mut left = BUDGET;
    while let Some(cube) = stack.pop() {
        let Some(point) = cube.pick(bounds, 0) else { continue };
        let Some(cover) = cover(&point) else { return Hunt::Found(point) };
        if !used.contains(&cover.who) {
            used.push(cover.who);
        }
        let pieces = cube.minus(cover.cube, bounds);
        let holes = cover.except.iter().filter_map(|hole| {
            cube.intersect(hole, bounds).and_then(|both| both.intersect(cover.cube, bounds))
        });
        let before = stack.len();
        stack.extend(pieces);
        stack.extend(holes);
        match left.checked_sub(stack.len() - before + 1) {
            Some(rest) => left = rest,
            None => return Hunt::Undecided,
        }
    }
    used.sort_unstable();
    Hunt::Nothing(used)
}

/// The requests of a region that there are: cubes with a user and without, nothing excepted.
/// `None`: too many.
pub(crate) fn pieces(region: &Region, space: &Space) -> Option<Vec<Cube>> {
    let mut pieces = Vec::new();
    for cube in region.cubes.iter().flat_map(|cube| space.halves(cube)) {
        pieces.extend(subtract(cube, &region.except, &space.bounds, BUDGET)?);
    }
    Some(pieces)
}
