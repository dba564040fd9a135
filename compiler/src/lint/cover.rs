//! What becomes of each rule beside the others: asked once, told by several codes.

use super::context::{Context, named_first};
use super::index::Index;
use super::shape::{RuleShape, Void};
use crate::analysis::{Never, Reach};
use crate::model::{PortSet, Rule, RuleId, SetItemKind, Stage, Test, Verdict};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Why a rule is not needed.
#[derive(Clone, Debug)]
pub(crate) enum Cover {
    /// A block takes all that this rule would pass.
    Blocked(RuleId),
    /// A rule of the same verdict that is named first takes all.
    By(RuleId),
    /// A rule of the same verdict and the same effects that is named later would take all.
    Redundant(RuleId),
    /// Several rules together take all.
    Together(Vec<RuleId>),
    /// It matches nothing.
    Void(Void),
}

/// Looks at every rule: exactly, and pair by pair where the exact answer would take too long.
pub(crate) fn covers(context: &Context<'_>) -> Vec<Option<Cover>> {
    let mut covers = pairwise(context);
    let exact = context.analysis().reach();
    for (cover, reach) in covers.iter_mut().zip(exact) {
        match reach {
            // A rule that decides may still change nothing: that is found pair by pair.
            Reach::Decides(_) => {
                if !matches!(cover, Some(Cover::Redundant(_))) {
                    *cover = None;
                }
            }
            Reach::Never(never) if cover.is_none() || matches!(cover, Some(Cover::Redundant(_))) => {
                *cover = exactly(never);
            }
            Reach::Never(_) | Reach::Undecided => {}
        }
    }
    covers
}

fn exactly(never: Never) -> Option<Cover> {
    match never {
        Never::Empty => Some(Cover::Void(Void::Together)),
        Never::Redundant { by, .. } | Never::Shadowed { by, .. } if by.is_empty() => None,
        Never::Redundant { by, .. } | Never::Shadowed { by, .. } if by.len() > 1 => Some(Cover::Together(by)),
        Never::Redundant { by, .. } => by.first().copied().map(Cover::By),
        Never::Shadowed { by, .. } => by.first().copied().map(Cover::Blocked),
    }
}

fn pairwise(context: &Context<'_>) -> Vec<Option<Cover>> {
    let mut covers = vec![None; context.model.rules.len()];
    for stage in [Stage::Client, Stage::Socks] {
        let blocks = context.index(stage, Verdict::Block);
        let passes = context.index(stage, Verdict::Pass);
        for (id, rule, shape) in context.rules().filter(|(_, rule, _)| rule.stage == stage) {
            let cover = one(context, (id, rule, shape), &blocks, &passes);
            if let Some(slot) = covers.get_mut(id.0 as usize) {
                *slot = cover;
            }
        }
    }
    covers
}

fn one<'a>(
    context: &Context<'a>,
    (id, rule, shape): (RuleId, &'a Rule, &RuleShape<'a>),
    blocks: &Index<'a>,
    passes: &Index<'a>,
) -> Option<Cover> {
    if let Some(why) = context.ground.is_void(shape) {
        return Some(Cover::Void(why));
    }
    let same = if rule.verdict == Verdict::Block { blocks } else { passes };
    if rule.verdict == Verdict::Pass
        && let Some(block) = covering(context, shape, blocks).next()
    {
        return Some(Cover::Blocked(block));
    }
    let others: Vec<RuleId> = covering(context, shape, same).filter(|other| *other != id).collect();
    let first =
        |other: &RuleId| context.model.rule(*other).is_some_and(|far| named_first((*other, far), (id, rule)));
    if let Some(earlier) = others.iter().copied().find(first) {
        return Some(Cover::By(earlier));
    }
    let alike = |other: &RuleId| {
        context.model.rule(*other).is_some_and(|far| {
            far.log == rule.log && (rule.verdict == Verdict::Pass || far.reply == rule.reply)
        })
    };
    if let Some(later) = others.into_iter().find(alike) {
        return Some(Cover::Redundant(later));
    }
    together(context, (id, rule, shape), blocks, same).map(Cover::Together)
}

fn covering<'s, 'a>(
    context: &'s Context<'a>,
    shape: &'s RuleShape<'a>,
    index: &'s Index<'a>,
) -> impl Iterator<Item = RuleId> + 's {
    index
        .candidates(shape)
        .into_iter()
        .filter(|number| context.shape(*number).is_some_and(|other| context.ground.covers(other, shape)))
        .filter_map(|number| u32::try_from(number).ok().map(RuleId))
}

/// Cuts the rule along one key and looks for a rule that takes each piece.
fn together<'a>(
    context: &Context<'a>,
    (id, rule, shape): (RuleId, &'a Rule, &RuleShape<'a>),
    blocks: &Index<'a>,
    same: &Index<'a>,
) -> Option<Vec<RuleId>> {
    for at in 0..shape.when.terms.len() {
        let pieces = pieces(context, shape, at);
        if !(2..=32).contains(&pieces.len()) {
            continue;
        }
        let takers: Option<BTreeSet<RuleId>> = pieces
            .iter()
            .map(|piece| {
                let by_block = (rule.verdict == Verdict::Pass).then(|| covering(context, piece, blocks));
                let by_same = covering(context, piece, same).filter(|other| {
                    *other != id
                        && context
                            .model
                            .rule(*other)
                            .is_some_and(|far| named_first((*other, far), (id, rule)))
                });
                by_block.into_iter().flatten().chain(by_same).next()
            })
            .collect();
        if let Some(takers) = takers {
            return Some(takers.into_iter().collect());
        }
    }
    None
}

/// The rule once for each value of one of its keys.
fn pieces<'a>(context: &Context<'a>, shape: &RuleShape<'a>, at: usize) -> Vec<RuleShape<'a>> {
    let Some(part) = shape.when.terms.get(at).filter(|part| !part.term.negated) else { return Vec::new() };
    let (Test::From(expr) | Test::To(expr)) = &part.term.test else { return Vec::new() };
    let whole = |kind: &SetItemKind| !matches!(kind, SetItemKind::Any);
    if expr.include.len() > 32 || !expr.include.iter().all(|item| whole(&item.kind)) {
        return Vec::new();
    }
    expr.include
        .iter()
        .filter_map(|item| {
            let mut piece = shape.clone();
            let mut flat = part.flat.as_deref()?.clone();
            flat.include = context.ground.flats.item(context.model, &item.kind);
            flat.include.addresses = flat.include.addresses.without(&flat.exclude.addresses);
            piece.when.terms.get_mut(at)?.flat = Some(Arc::new(flat));
            Some(piece)
        })
        .collect()
}

/// Whether ports are all there are.
pub(crate) fn all_ports(ports: &PortSet) -> bool {
    ports.ranges().first().is_some_and(|range| range.first <= 1 && range.last == u16::MAX)
}
