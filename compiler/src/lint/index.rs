//! Finds, for a rule, the few rules that could cover it, without comparing all pairs.

use super::flat::Union;
use super::names;
use super::ranges::bits;
use super::shape::{RuleShape, Shape};
use crate::hash::HashMap;
use crate::model::{Test, UserItem};

/// Rules by the key that says most about them.
#[derive(Debug, Default)]
pub(crate) struct Index<'a> {
    names: HashMap<String, Vec<usize>>,
    to: Runs,
    from: Runs,
    users: HashMap<&'a str, Vec<usize>>,
    groups: HashMap<&'a str, Vec<usize>>,
    rest: Vec<usize>,
}

/// How many candidates are looked at for one rule. Where there are more, findings may be missed,
/// never made up.
pub(crate) const CANDIDATES: usize = 64;

impl<'a> Index<'a> {
    /// Adds a rule under a number of the caller's.
    pub(crate) fn add(&mut self, number: usize, rule: &RuleShape<'a>) {
        if let Some(union) = positive(&rule.when, true).filter(|union| union.only_names())
            && let Some(bases) = bases(union)
        {
            for base in bases {
                self.names.entry(base).or_default().push(number);
            }
        } else if let Some(union) = positive(&rule.when, true).filter(|union| union.only_addresses()) {
            self.to.add(union, number);
        } else if let Some(users) = users(&rule.when) {
            users.iter().for_each(|user| self.users.entry(user).or_default().push(number));
        } else if let Some(groups) = groups(&rule.when) {
            groups.iter().for_each(|group| self.groups.entry(group).or_default().push(number));
        } else if let Some(union) = positive(&rule.when, false).filter(|union| union.only_addresses()) {
            self.from.add(union, number);
        } else {
            self.rest.push(number);
        }
    }

    /// Sorts what was added.
    pub(crate) fn finish(&mut self) {
        self.to.finish();
        self.from.finish();
    }

    /// Rules that may cover this one.
    pub(crate) fn candidates(&self, rule: &RuleShape<'_>) -> Vec<usize> {
        let mut found: Vec<usize> = Vec::new();
        if let Some(union) = positive(&rule.when, true) {
            if let Some(base) = union.names.first().and_then(names::base) {
                for (at, _) in
                    std::iter::once((0, "")).chain(base.match_indices('.').map(|(at, dot)| (at + 1, dot)))
                {
                    let suffix = base.get(at..).unwrap_or_default();
                    found.extend(self.names.get(suffix).into_iter().flatten().take(CANDIDATES));
                }
            } else {
                self.to.stab(union, &mut found);
            }
        }
        for term in rule.when.terms.iter().filter(|part| !part.term.negated) {
            match &term.term.test {
                Test::User(users) => {
                    if let Some(UserItem::User(user)) = users.first() {
                        found.extend(self.users.get(&**user).into_iter().flatten().take(CANDIDATES));
                    }
                    if let Some(UserItem::Group(group)) = users.first() {
                        found.extend(self.groups.get(&**group).into_iter().flatten().take(CANDIDATES));
                    }
                }
                Test::Group(groups) => {
                    if let Some(group) = groups.first() {
                        found.extend(self.groups.get(&**group).into_iter().flatten().take(CANDIDATES));
                    }
                }
                _ => {}
            }
        }
        if let Some(union) = positive(&rule.when, false) {
            self.from.stab(union, &mut found);
        }
        found.extend(self.rest.iter().take(CANDIDATES));
        found.sort_unstable();
        found.dedup();
        found
    }
}

fn positive<'s>(shape: &'s Shape<'_>, to: bool) -> Option<&'s Union> {
    shape.terms.iter().find_map(|part| {
        let fits =
            if to { matches!(part.term.test, Test::To(_)) } else { matches!(part.term.test, Test::From(_)) };
        part.flat.as_ref().filter(|_| fits && !part.term.negated).map(|flat| &flat.include)
    })
}

fn bases(union: &Union) -> Option<Vec<String>> {
    union.names.iter().map(|name| names::base(name).map(str::to_owned)).collect()
}

fn users<'a>(shape: &Shape<'a>) -> Option<Vec<&'a str>> {
    shape.terms.iter().find_map(|part| match &part.term.test {
        Test::User(items) if !part.term.negated => items
            .iter()
            .map(|item| match item {
                UserItem::User(user) => Some(&**user),
                UserItem::Any | UserItem::Group(_) | UserItem::None => None,
            })
            .collect(),
        _ => None,
    })
}

fn groups<'a>(shape: &Shape<'a>) -> Option<Vec<&'a str>> {
    shape.terms.iter().find_map(|part| match &part.term.test {
        Test::Group(items) if !part.term.negated => Some(items.iter().map(|item| &**item).collect()),
        _ => None,
    })
}

/// Runs of addresses, found by a point.
#[derive(Debug, Default)]
struct Runs {
    v4: Family,
    v6: Family,
}

#[derive(Debug, Default)]
struct Family {
    runs: Vec<(u128, u128, usize)>,
    /// The furthest end so far.
    reach: Vec<u128>,
}

impl Runs {
    fn add(&mut self, union: &Union, number: usize) {
        for range in union.addresses.iter() {
            let family = if range.first().is_ipv4() { &mut self.v4 } else { &mut self.v6 };
            family.runs.push((bits(range.first()), bits(range.last()), number));
        }
    }

    fn finish(&mut self) {
        for family in [&mut self.v4, &mut self.v6] {
            family.runs.sort_unstable();
            let mut furthest = 0;
            family.reach.clear();
            for run in &family.runs {
                furthest = furthest.max(run.1);
                family.reach.push(furthest);
            }
        }
    }

    fn stab(&self, union: &Union, found: &mut Vec<usize>) {
        let Some(first) = union.addresses.iter().next() else { return };
        let family = if first.first().is_ipv4() { &self.v4 } else { &self.v6 };
        let point = bits(first.first());
        let behind = family.runs.partition_point(|run| run.0 <= point);
        let runs = family.runs.iter().zip(&family.reach).take(behind).rev();
        for (&(_, last, number), _) in runs.take_while(|(_, reach)| **reach >= point).take(4 * CANDIDATES) {
            if last >= point {
                found.push(number);
            }
        }
    }
}
