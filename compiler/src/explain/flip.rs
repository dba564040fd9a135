//! What would have to change for the verdict to be the other one.

use super::{Miss, Outcome, RuleView, default_view, view};
use crate::model::{Model, RuleId, Stage, Verdict};
use crate::oracle::{self, Facts, Truth};
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
    /// The smallest changes that would do, each as a sentence.
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
    let matching = |verdict: Verdict| -> Vec<RuleId> {
        let mut ids: Vec<_> = model
            .stage(stage)
            .filter(|(_, rule)| rule.verdict == verdict && oracle::matches(model, rule, facts) == Truth::True)
            .map(|(id, rule)| (std::cmp::Reverse(rule.priority), id))
            .collect();
        ids.sort();
        ids.into_iter().map(|(_, id)| id).collect()
    };
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
            let mut changes: Vec<String> =
                blocks.iter().map(|&id| carve(model, stage, id, sample, facts)).collect();
            if then.is_none() {
                changes.push(widen(stage, nearest.as_ref(), sample));
            }
            let in_the_way = blocks.iter().map(|&id| view(model, id)).collect();
            let then = then.or_else(|| (!blocks.is_empty()).then(|| default_view(default)));
            Flip { in_the_way, then, nearest, changes }
        }
        Outcome::Pass => {
            let passes = matching(Verdict::Pass);
            let next = passes.get(1).map_or_else(|| default_view(default), |&id| view(model, id));
            let then = (!passes.is_empty()).then_some(next);
            let nearest = nearest(Verdict::Block);
            let changes = nearest.iter().map(narrow).collect();
            Flip { in_the_way: Vec::new(), then, nearest, changes }
        }
    }
}

/// How a block lets this request alone.
fn carve(model: &Model, stage: Stage, id: RuleId, sample: &Sample, facts: &Facts<'_>) -> String {
    let label = model.label(id);
    let except = match stage {
        Stage::Client => format!("from: {}", sample.from),
        Stage::Socks => {
            let user = sample.principal.user().map(|user| format!("user: {user}  ")).unwrap_or_default();
            let target = match (&sample.to, facts.target.and_then(|target| target.address)) {
                (Some(host), _) => host.to_string(),
                (None, Some(address)) => address.to_string(),
                (None, None) => "any".into(),
            };
            format!("{user}to: {target}")
        }
    };
    let mut change = format!("`except {{ {except} }}` in `{label}`");
    let listed = model.rule(id).and_then(|rule| {
        let terms = super::term::of_rule(model, rule, sample, facts);
        terms
            .into_iter()
            .find_map(|term| term.through.filter(|through| through.value.contains("through line ")))
    });
    if let Some(place) = listed.and_then(|through| through.place) {
        change.push_str(&format!(", or drop {place} from the list"));
    }
    change
}

/// How a pass rule would reach this request.
fn widen(stage: Stage, nearest: Option<&Miss>, sample: &Sample) -> String {
    match nearest {
        Some(miss) if miss.failing == 1 && miss.excepted => {
            format!("narrow the `except` of `{}` ({}: {})", miss.rule.label, miss.on.key, miss.on.wants)
        }
        Some(miss) if miss.failing == 1 && miss.on.key.starts_with("not ") => {
            format!("drop `{}: {}` from `{}`", miss.on.key, miss.on.wants, miss.rule.label)
        }
        // Nobody widens a rule to those that say nothing of themselves.
        Some(miss) if miss.failing == 1 && miss.on.has.starts_with("no ") => {
            format!("`{}` passes it with `{}: {}`", miss.rule.label, miss.on.key, miss.on.wants)
        }
        Some(miss) if miss.failing == 1 => {
            format!("let `{}` of `{}` have {}", miss.on.key, miss.rule.label, miss.on.has)
        }
        _ => match (stage, &sample.to) {
            (Stage::Socks, Some(to)) => {
                let user = sample.principal.user().map(|user| format!("user: {user}  ")).unwrap_or_default();
                format!("add `socks pass {{ {user}to: {to}  port: {} }}`", sample.port)
            }
            _ => format!("add `client pass {{ from: {} }}`", sample.from),
        },
    }
}

fn narrow(miss: &Miss) -> String {
    let how = if miss.excepted { "but for its `except`" } else { "but for" };
    let only = if miss.failing == 1 { String::new() } else { format!(" and {} more", miss.failing - 1) };
    format!("`{}` would block it {how} `{}: {}`{only}", miss.rule.label, miss.on.key, miss.on.wants)
}
