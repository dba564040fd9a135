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

/// Looks at every rule: exactly, and pair by pair where the exact answer would take too long, or
/// does not say which rule it is.
pub(crate) fn covers(context: &Context<'_>) -> Vec<Option<Cover>> {
    let mut covers = vec![None; context.model.rules.len()];
    let exact = context.analysis().reach();
    for stage in [Stage::Client, Stage::Socks] {
        let blocks = context.index(stage, Verdict::Block);
        let passes = context.index(stage, Verdict::Pass);
        for (id, rule, shape) in context.rules().filter(|(_, rule, _)| rule.stage == stage) {
            let at = id.0 as usize;
            let cover = match exact.get(at) {
                // A rule that decides may still change nothing: that is found pair by pair.
                Some(Reach::Decides(_)) => {
                    let same = if rule.verdict == Verdict::Block { &blocks } else { &passes };
                    redundant(context, (id, rule, shape), same)
                }
                Some(Reach::Never(never)) => match one(context, (id, rule, shape), &blocks, &passes) {
                    None | Some(Cover::Redundant(_)) => exactly(never.clone()),
                    cover => cover,
                },
                Some(Reach::Undecided) | None => one(context, (id, rule, shape), &blocks, &passes),
            };
            if let Some(slot) = covers.get_mut(at) {
                *slot = cover;
            }
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
    let first =
        |other: &RuleId| context.model.rule(*other).is_some_and(|far| named_first((*other, far), (id, rule)));
    if let Some(earlier) = candidates(context, shape, same, first).next() {
        return Some(Cover::By(earlier));
    }
    if let Some(redundant) = redundant(context, (id, rule, shape), same) {
        return Some(redundant);
    }
    together(context, (id, rule, shape), blocks, same).map(Cover::Together)
}

/// A rule that is named later and would decide the same with the same effects.
fn redundant<'a>(
    context: &Context<'a>,
    (id, rule, shape): (RuleId, &'a Rule, &RuleShape<'a>),
    same: &Index<'a>,
) -> Option<Cover> {
    let alike =
        |far: &Rule| far.log == rule.log && (rule.verdict == Verdict::Pass || far.reply == rule.reply);
    let later = |other: &RuleId| {
        context.model.rule(*other).is_some_and(|far| named_first((id, rule), (*other, far)) && alike(far))
    };
    candidates(context, shape, same, later).next().map(Cover::Redundant)
}

/// Rules that cover a shape, among those that are wanted.
fn candidates<'s, 'a>(
    context: &'s Context<'a>,
    shape: &'s RuleShape<'a>,
    index: &'s Index<'a>,
    wanted: impl Fn(&RuleId) -> bool + 's,
) -> impl Iterator<Item = RuleId> + 's {
    let rules =
        index.candidates(shape).into_iter().filter_map(|number| u32::try_from(number).ok().map(RuleId));
    rules
        .filter(wanted)
        .filter(|id| context.shape(id.0 as usize).is_some_and(|other| context.ground.covers(other, shape)))
}

fn covering<'s, 'a>(
    context: &'s Context<'a>,
    shape: &'s RuleShape<'a>,
    index: &'s Index<'a>,
) -> impl Iterator<Item = RuleId> + 's {
    candidates(context, shape, index, |_| true)
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
