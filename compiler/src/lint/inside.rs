//! Values of one list that lie within another value of it.

use super::context::Context;
use super::names;
use super::ranges::bits;
use crate::hash::HashMap;
use crate::model::{NamePattern, SetItem, SetItemKind};
use std::cmp::Reverse;

/// Lists up to this length are compared pair by pair; longer ones by sorting, values of the same
/// kind only.
const SHORT: usize = 40;

/// Pairs of positions: the first lies within the second.
pub(crate) fn pairs(context: &Context<'_>, items: &[SetItem]) -> Vec<(usize, usize)> {
    if items.len() < 2 {
        return Vec::new();
    }
    if items.len() > SHORT {
        let mut found = addresses(items);
        found.extend(by_name(items));
        found.sort_unstable();
        found.dedup_by_key(|pair| pair.0);
        return found;
    }
    let unions: Vec<_> =
        items.iter().map(|item| context.ground.flats.item(context.model, &item.kind)).collect();
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (at, inner) in unions.iter().enumerate() {
        let outer = unions.iter().enumerate().find(|(far, outer)| {
            *far != at
                && context.ground.flats.union_covers(context.model, outer, inner)
                && (*far < at || !context.ground.flats.union_covers(context.model, inner, outer))
        });
        if let Some((far, _)) = outer.filter(|_| !inner.is_empty()) {
            found.push((at, far));
        }
    }
    found
}

fn addresses(items: &[SetItem]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(bool, u128, Reverse<u128>, usize)> = items
        .iter()
        .enumerate()
        .filter_map(|(at, item)| match &item.kind {
            SetItemKind::Range(range) => {
                Some((range.first().is_ipv4(), bits(range.first()), Reverse(bits(range.last())), at))
            }
            _ => None,
        })
        .collect();
    runs.sort_unstable();
    let mut found = Vec::new();
    let mut widest: Option<(bool, u128, usize)> = None;
    for (v4, _, Reverse(last), at) in runs {
        match widest {
            Some((family, reach, outer)) if family == v4 && last <= reach => found.push((at, outer)),
            _ => widest = Some((v4, last, at)),
        }
    }
    found
}

fn by_name(items: &[SetItem]) -> Vec<(usize, usize)> {
    let mut bases: HashMap<&str, Vec<(usize, &NamePattern)>> = HashMap::default();
    let named = |item: &'_ SetItem| matches!(item.kind, SetItemKind::Name(_));
    for (at, item) in items.iter().enumerate().filter(|(_, item)| named(item)) {
        if let SetItemKind::Name(pattern) = &item.kind
            && let Some(base) = names::base(pattern)
        {
            bases.entry(base).or_default().push((at, pattern));
        }
    }
    let mut found = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let SetItemKind::Name(inner) = &item.kind else { continue };
        let Some(base) = names::base(inner) else { continue };
        let ends = std::iter::once(0).chain(base.match_indices('.').map(|(dot, _)| dot + 1));
        let outer = ends.filter_map(|end| base.get(end..).and_then(|end| bases.get(end))).flatten().find(
            |(far, outer)| {
                *far != at && names::covers(outer, inner) && (*far < at || !names::covers(inner, outer))
            },
        );
        if let Some((far, _)) = outer {
            found.push((at, *far));
        }
    }
    found
}
