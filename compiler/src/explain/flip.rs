//! What would have to change for the verdict to be the other one.

use super::{Judged, Miss, Outcome, RuleView, default_view, plan, view};
use crate::model::{Model, Stage, Verdict};
use crate::oracle::{self, Facts};
use crate::sample::Sample;
use serde::Serialize;

/// What stands between a request and the other verdict.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Flip {
    /// Of a blocked request: all blocks that match. Each must give way.
    pub in_the_way: Vec<RuleView>,
    /// What would decide then; of a passed request, without the rule that passes it.
    pub then: Option<RuleView>,
    /// Where nothing passes it: the pass rule that fails on least. Of a passed request: the block
    /// that fails on least.
    pub nearest: Option<Miss>,
    /// Of a blocked request: what keeps it from passing once the stage that blocks it lets it
    /// through. The changes see to that as well, unless it is an address that is not known.
    pub beyond: Option<Judged>,
    /// The smallest changes that would do, each as a sentence: all of them are needed.
    pub changes: Vec<String>,
}

pub(super) fn find(
    model: &Model,
    stage: Stage,
    outcome: Outcome,
    sample: &Sample,
    facts: &Facts<'_>,
    misses: &[(Miss, usize)],
) -> Flip {
    let matching = |verdict: Verdict| plan::matching(model, stage, verdict, facts);
    let nearest = |verdict: Verdict| {
        misses.iter().find(|(miss, _)| miss.rule.verdict == verdict.to_string()).map(|(miss, _)| miss.clone())
    };
    let default = match stage {
        Stage::Client => model.default_of(stage),
        Stage::Socks => oracle::default_for(model, sample.command),
    };
    match outcome {
        Outcome::NeedsAddress => Flip {
            changes: vec!["it depends on the address: give one with `--address`, or resolve the name".into()],
            ..Flip::default()
        },
        Outcome::Block => {
            let blocks = matching(Verdict::Block);
            let pass = matching(Verdict::Pass).first().map(|&id| view(model, id));
            let then = pass.or_else(|| (default == Verdict::Pass).then(|| default_view(default)));
            let nearest = if then.is_none() { nearest(Verdict::Pass) } else { None };
            let plan::Plan { changes, beyond } = plan::of(model, sample);
            let in_the_way = blocks.iter().map(|&id| view(model, id)).collect();
            let then = then.or_else(|| (!blocks.is_empty()).then(|| default_view(default)));
            Flip { in_the_way, then, nearest, beyond, changes }
        }
        Outcome::Pass => {
            let passes = matching(Verdict::Pass);
            let next = passes.get(1).map_or_else(|| default_view(default), |&id| view(model, id));
            let then = (!passes.is_empty()).then_some(next);
            let nearest = nearest(Verdict::Block);
            let changes = nearest.iter().map(narrow).collect();
            Flip { in_the_way: Vec::new(), then, nearest, beyond: None, changes }
        }
    }
}

fn narrow(miss: &Miss) -> String {
    let how = if miss.excepted { "but for its `except`" } else { "but for" };
    let only = if miss.failing == 1 { String::new() } else { format!(" and {} more", miss.failing - 1) };
    format!("`{}` would block it {how} `{}: {}`{only}", miss.rule.label, miss.on.key, miss.on.wants)
}
