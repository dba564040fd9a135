//! Why a policy says what it says to one request: plain data, and the same as text.
//!
//! The verdict comes from the [`Policy`]; the reasons from its [`Model`], rule by rule. Nothing is
//! resolved here: the addresses of a name come with the request, or it is judged without.

mod flip;
mod plan;
mod possible;
mod term;
mod text;
mod words;

pub use flip::Flip;
pub use possible::Form;
pub use term::{Holds, TermView, Through};
pub use words::{Unreadable, Words};

use crate::model::{Model, Rule, RuleId, Stage, Verdict};
use crate::oracle::{self, Facts, Truth};
use crate::sample::Sample;
use crate::source::Span;
use crate::{Answer, Policy};
use serde::Serialize;
use std::net::IpAddr;

/// What comes of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is refused.
    Block,
    /// It depends on the addresses of the name, which are not known.
    #[serde(rename = "needs address")]
    NeedsAddress,
    /// It is let through.
    Pass,
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Block => Self::Block,
            Answer::NeedsAddress => Self::NeedsAddress,
            Answer::Pass => Self::Pass,
        }
    }
}

/// A rule as people find it; without a place it is the default.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct RuleView {
    /// Its name, or `file:line`, or `default`.
    pub label: String,
    /// `file:line:column`.
    pub place: Option<String>,
    /// `block` or `pass`.
    pub verdict: String,
    /// Its text in the policy.
    pub source: Option<String>,
    /// Where that is.
    #[serde(skip)]
    pub span: Option<Span>,
}

/// What one stage, or one address, comes to.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Judged {
    /// What comes of it.
    #[serde(rename = "verdict")]
    pub outcome: Outcome,
    /// The rule that decides; `None` while the address is needed.
    pub by: Option<RuleView>,
}

/// What one address of a name comes to.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct AddressView {
    /// The address.
    pub address: IpAddr,
    /// What comes of it.
    #[serde(flatten)]
    pub judged: Judged,
}

/// A rule that does not match, and why.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Miss {
    /// The rule.
    pub rule: RuleView,
    /// What keeps it from matching: a condition that fails, or an exception that holds.
    pub on: TermView,
    /// Whether `on` is an exception.
    pub excepted: bool,
    /// How many conditions and exceptions keep it from matching.
    pub failing: usize,
}

/// Why a policy says what it says.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Explanation {
    /// What comes of the request.
    #[serde(rename = "verdict")]
    pub outcome: Outcome,
    /// The stage that settles it: `client` or `socks`.
    pub stage: &'static str,
    /// The rule that decides; `None` while the address is needed.
    pub by: Option<RuleView>,
    /// Its conditions, as they hold.
    pub conditions: Vec<TermView>,
    /// Digest of the policy.
    pub policy: String,
    /// The request in one line.
    pub request: String,
    /// What the client stage says.
    pub client: Judged,
    /// What the socks stage says of the name before it is resolved.
    pub name: Option<Judged>,
    /// What it says of each address.
    pub addresses: Vec<AddressView>,
    /// Rules of the same verdict that match as well.
    pub also: Vec<RuleView>,
    /// Rules that nearly match.
    pub close: Vec<Miss>,
    /// What would change the verdict.
    pub flip: Flip,
}

/// How many near misses are shown.
const MAX_CLOSE: usize = 4;

/// What a policy says of a name before it is resolved; of an address, for good.
pub fn answer(policy: &Policy, sample: &Sample) -> Outcome {
    if sample.to.is_none() || policy.admit(&sample.client()).answer() == Answer::Block {
        return policy.admit(&sample.client()).answer().into();
    }
    let address = if sample.name().is_some() { None } else { sample.addresses.first().copied() };
    policy.decide(&sample.request(address)).answer().into()
}

/// Explains what a policy says to a request.
pub fn explain(policy: &Policy, sample: &Sample) -> Explanation {
    beside(policy, sample, None)
}

/// Explains what a policy says to a request, and why a rule that was expected to decide does not
/// match.
pub fn beside(policy: &Policy, sample: &Sample, expected: Option<RuleId>) -> Explanation {
    let model = policy.model();
    let admitted = policy.admit(&sample.client());
    let client = judged(model, Stage::Client, admitted.answer(), admitted.rule());
    let mut explanation = Explanation {
        outcome: client.outcome,
        stage: "client",
        by: client.by.clone(),
        conditions: Vec::new(),
        policy: policy.digest().to_string(),
        request: text::request(sample),
        client,
        name: None,
        addresses: Vec::new(),
        also: Vec::new(),
        close: Vec::new(),
        flip: Flip::default(),
    };
    if explanation.outcome == Outcome::Block || sample.to.is_none() {
        let facts = Facts::of_client(sample.client());
        explanation.reason(model, Stage::Client, sample, &facts, [admitted.rule(), expected]);
        return explanation;
    }
    explanation.stage = "socks";
    let (address, rule) = explanation.judge(policy, sample);
    let request = sample.request(address);
    explanation.reason(model, Stage::Socks, sample, &Facts::from(&request), [rule, expected]);
    explanation
}

impl Explanation {
    /// Judges name and addresses; says which address (if any) and which rule settle it.
    fn judge(&mut self, policy: &Policy, sample: &Sample) -> (Option<IpAddr>, Option<RuleId>) {
        let model = policy.model();
        if sample.name().is_some() {
            let decision = policy.decide(&sample.request(None));
            let judged = judged(model, Stage::Socks, decision.answer(), decision.rule());
            (self.outcome, self.by) = (judged.outcome, judged.by.clone());
            self.name = Some(judged);
            if self.outcome != Outcome::NeedsAddress {
                return (None, decision.rule());
            }
        }
        let mut settled: Vec<(IpAddr, Outcome, Option<RuleId>)> = Vec::new();
        for &address in &sample.addresses {
            let decision = policy.decide(&sample.request(Some(address)));
            let judged = judged(model, Stage::Socks, decision.answer(), decision.rule());
            settled.push((address, judged.outcome, decision.rule()));
            self.addresses.push(AddressView { address, judged });
        }
        let first = |outcome: Outcome| settled.iter().find(|(_, one, _)| *one == outcome);
        let (passed, blocked) = (first(Outcome::Pass), first(Outcome::Block));
        let settling = if model.strict { blocked.or(passed) } else { passed.or(blocked) };
        let Some(&(address, outcome, rule)) = settling else { return (None, None) };
        self.outcome = outcome;
        self.by =
            self.addresses.iter().find(|one| one.address == address).and_then(|one| one.judged.by.clone());
        (Some(address), rule)
    }

    /// Fills in why a rule decides, if one does, and why another one does not.
    fn reason(
        &mut self,
        model: &Model,
        stage: Stage,
        sample: &Sample,
        facts: &Facts<'_>,
        [by, expected]: [Option<RuleId>; 2],
    ) {
        let rules: Vec<(RuleId, &Rule)> = model.stage(stage).collect();
        if let Some(rule) = by.and_then(|id| model.rule(id)) {
            self.conditions = term::of_rule(model, rule, sample, facts);
        }
        let holds = |rule: &Rule| oracle::matches(model, rule, facts) == Truth::True;
        let same = |rule: &Rule| match self.outcome {
            Outcome::Block => rule.verdict == Verdict::Block,
            Outcome::Pass => rule.verdict == Verdict::Pass,
            Outcome::NeedsAddress => false,
        };
        let also = rules.iter().filter(|(id, rule)| Some(*id) != by && same(rule) && holds(rule));
        self.also = also.take(MAX_CLOSE).map(|(id, _)| view(model, *id)).collect();
        let mut misses: Vec<(Miss, usize)> =
            rules.iter().filter_map(|(id, rule)| miss(model, *id, rule, sample, facts)).collect();
        misses.sort_by_key(|(miss, held)| (miss.failing, std::cmp::Reverse(*held)));
        self.flip = flip::find(model, stage, self.outcome, sample, facts, &misses);
        let expected = expected.and_then(|id| model.rule(id)).map(|rule| rule.span);
        let is_expected = |miss: &Miss| expected.is_some() && miss.rule.span == expected;
        misses.retain(|(miss, held)| *held > 0 || miss.failing == 1 || is_expected(miss));
        misses.sort_by_key(|(miss, _)| !is_expected(miss));
        self.close = misses.into_iter().take(MAX_CLOSE).map(|(miss, _)| miss).collect();
    }
}

fn judged(model: &Model, stage: Stage, answer: Answer, rule: Option<RuleId>) -> Judged {
    let by = match (answer, rule) {
        (Answer::NeedsAddress, _) => None,
        (_, Some(rule)) => Some(view(model, rule)),
        (Answer::Block, None) => Some(default_view(Verdict::Block)),
        (Answer::Pass, None) => Some(default_view(Verdict::Pass)),
    };
    debug_assert!(rule.is_none_or(|rule| model.rule(rule).is_some_and(|rule| rule.stage == stage)));
    Judged { outcome: answer.into(), by }
}

fn default_view(verdict: Verdict) -> RuleView {
    RuleView { label: "default".into(), place: None, verdict: verdict.to_string(), source: None, span: None }
}

fn view(model: &Model, id: RuleId) -> RuleView {
    let Some(rule) = model.rule(id) else { return default_view(Verdict::Block) };
    RuleView {
        label: model.label(id),
        place: Some(model.sources.place(rule.span).to_string()),
        verdict: rule.verdict.to_string(),
        source: Some(model.sources.text(rule.span).to_owned()),
        span: Some(rule.span),
    }
}

/// A rule that does not match, with how many of its conditions hold.
fn miss(model: &Model, id: RuleId, rule: &Rule, sample: &Sample, facts: &Facts<'_>) -> Option<(Miss, usize)> {
    let terms = term::of_conditions(model, rule.stage, &rule.when, sample, facts);
    let held = terms.iter().filter(|term| term.holds == Holds::Yes).count();
    let mut failing: Vec<(TermView, bool)> =
        terms.into_iter().filter(|term| term.holds != Holds::Yes).map(|term| (term, false)).collect();
    for except in &rule.except {
        if oracle::conditions(model, except, facts) != Truth::False {
            let terms = term::of_conditions(model, rule.stage, except, sample, facts);
            failing.extend(terms.into_iter().next().map(|term| (term, true)));
        }
    }
    if let Some(command) = facts.command.filter(|command| command.is_reply())
        && !oracle::names_command(&rule.when, command)
        && failing.is_empty()
    {
        failing.push((term::unnamed_reply(model, rule, command), false));
    }
    let count = failing.len();
    let (on, excepted) = failing.into_iter().next()?;
    Some((Miss { rule: view(model, id), on, excepted, failing: count }, held))
}
