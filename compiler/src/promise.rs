//! Whether a policy keeps what it promises: `test` cases are played, `never` and `always` proved.

mod invariant;

pub use invariant::{Proof, prove};

use crate::Policy;
use crate::decision::Answer;
use crate::diagnostic::Diagnostic;
use crate::explain::{self, Explanation};
use crate::lint::{self, Lint};
use crate::model::{Case, InvariantKind, Model, RuleId, Stage, Verdict};
use crate::sample::Sample;
use crate::settle::Settled;
use crate::source::Span;
use std::collections::BTreeSet;

/// What came of a request: the verdict of both stages together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// The stage that settled it.
    pub stage: Stage,
    /// The rule that decided; `None` for the default.
    pub rule: Option<RuleId>,
    /// The rule that decided at the client stage, where the socks stage was asked too.
    pub admitted: Option<RuleId>,
}

/// One case of a `test` block.
#[derive(Clone, Debug)]
pub struct Played<'m> {
    /// The block's name.
    pub block: &'m str,
    /// The case.
    pub case: &'m Case,
    /// What came of it.
    pub outcome: Outcome,
    /// Whether that is what the case expects.
    pub held: bool,
}

/// Plays one request through both stages, as a connection would.
pub fn judge(model: &Model, sample: &Sample) -> Outcome {
    let Settled { stage, answer, rule, admitted, .. } = Settled::of(model, sample);
    match answer {
        Answer::Pass => Outcome { verdict: Verdict::Pass, stage, rule, admitted },
        Answer::Block => Outcome { verdict: Verdict::Block, stage, rule, admitted },
        // A name without addresses is never dialled.
        Answer::NeedsAddress => Outcome { verdict: Verdict::Block, stage, rule: None, admitted },
    }
}

/// Plays all cases, in the order of the text.
pub fn play(model: &Model) -> Vec<Played<'_>> {
    let mut played = Vec::new();
    for block in &model.tests {
        for case in &block.cases {
            let outcome = judge(model, &Sample::new(model, &case.request));
            let named = case.rule.as_ref().is_none_or(|rule| match outcome.rule {
                Some(id) => model.rule(id).and_then(|one| one.name.as_ref()) == Some(rule),
                None => &**rule == "default",
            });
            let held = outcome.verdict == case.verdict && named;
            played.push(Played { block: &block.name, case, outcome, held });
        }
    }
    played
}

/// Why a case came out as it did, and why the rule that was expected to decide did not.
pub fn explain(policy: &Policy, case: &Case) -> Explanation {
    let model = policy.model();
    let expected = case.rule.as_ref().and_then(|name| {
        let mut rules = (0..).map(RuleId).zip(&model.rules);
        rules.find(|(_, rule)| rule.name.as_ref() == Some(name)).map(|(id, _)| id)
    });
    explain::beside(policy, &Sample::new(model, &case.request), expected)
}

/// Rules that no case is decided by, in the order of the text.
pub fn uncovered(model: &Model, played: &[Played<'_>]) -> Vec<RuleId> {
    let decided: BTreeSet<RuleId> =
        played.iter().flat_map(|one| [one.outcome.rule, one.outcome.admitted]).flatten().collect();
    (0..).map(RuleId).take(model.rules.len()).filter(|id| !decided.contains(id)).collect()
}

/// What a policy does not keep, as findings (RS0601, RS0602).
pub fn broken(model: &Model) -> Vec<Diagnostic> {
    let failed = play(model).into_iter().filter(|one| !one.held).map(|one| failure(model, &one));
    let mut found: Vec<Diagnostic> = failed.collect();
    for (invariant, proof) in prove(model) {
        if let Proof::Broken { request, by } = proof {
            let kind = match invariant.kind {
                InvariantKind::Always => "always",
                InvariantKind::Never => "never",
            };
            let what = match invariant.kind {
                InvariantKind::Always => format!("a request gets another verdict than {}", invariant.verdict),
                InvariantKind::Never => format!("a request gets the verdict {}", invariant.verdict),
            };
            let head = Span {
                end: invariant.when.span.map_or(invariant.span.end, |span| span.start),
                ..invariant.span
            };
            let head = trimmed(model, head);
            let mut one = of("RS0602")
                .at(head, format!("`{kind} {}` does not hold", invariant.verdict))
                .label(what)
                .witness(request);
            if let Some(rule) = by.and_then(|id| model.rule(id)) {
                one = one.related(rule.head, "by this rule");
            } else {
                one = one.help("no rule speaks of it: the default decides");
            }
            found.push(one);
        }
    }
    found
}

fn failure(model: &Model, one: &Played<'_>) -> Diagnostic {
    let expected = match &one.case.rule {
        Some(rule) => format!("{} by `{rule}`", one.case.verdict),
        None => one.case.verdict.to_string(),
    };
    let name =
        |id: Option<RuleId>| id.map_or_else(|| "the default".into(), |id| format!("`{}`", model.label(id)));
    let got = format!("{} by {}", one.outcome.verdict, name(one.outcome.rule));
    let span = one.case.span;
    let mut found = of("RS0601")
        .at(span, format!("a case of test `{}` does not hold", one.block))
        .label(format!("expected {expected}, got {got}"));
    if one.outcome.stage == Stage::Client {
        found = found.help("the client stage decided; the socks rules were not asked");
    }
    match one.outcome.rule.and_then(|id| model.rule(id)) {
        Some(rule) => found.related(rule.head, "this rule decided"),
        None => found,
    }
}

fn of(code: &str) -> &'static Lint {
    // INVARIANT: the catalogue has both codes; its first stands in otherwise.
    lint::find(code).unwrap_or(lint::FIRST)
}

fn trimmed(model: &Model, span: Span) -> Span {
    let kept = model.sources.text(span).trim_end().len();
    Span { end: span.start + u32::try_from(kept).unwrap_or(0), ..span }
}
