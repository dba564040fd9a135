//! What the lints of one run share: the policy, its rules in comparable form, and a budget.

use super::Options;
use super::cover::{self, Cover};
use super::flat::{Flat, Flats};
use super::guard::{self, Reached};
use super::index::Index;
use super::ranges::Ranges;
use super::shape::{Ground, RuleShape, Shape};
use super::witness::{Sample, find};
use crate::analysis::Analysis;
use crate::decision::Answer;
use crate::diagnostic::{Diagnostic, Edit, Safety};
use crate::model::{
    Conditions, Model, Rule, RuleId, SetBody, SetExpr, Stage, Term, Test, Timestamp, Verdict,
};
use crate::oracle;
use crate::request::Command;
use crate::source::Span;
use crate::syntax::ast::{File, StatementKind};
use std::cell::{Cell, OnceCell};
use std::sync::Arc;

/// One run.
pub(crate) struct Context<'a> {
    pub model: &'a Model,
    pub shared: &'a Arc<Model>,
    pub ground: Ground<'a>,
    pub shapes: Vec<RuleShape<'a>>,
    pub files: &'a [File],
    pub now: Option<Timestamp>,
    pub list_budget: usize,
    budget: Cell<usize>,
    analysis: OnceCell<Analysis<'a>>,
    covers: OnceCell<Vec<Option<Cover>>>,
    blocked: OnceCell<Ranges>,
    inside: OnceCell<Option<Reached>>,
}

/// Entries of lists that are kept without a word.
const LIST_BUDGET: usize = 4_000_000;

/// Rules tried one by one in a run before it stops looking for further witnesses.
const BUDGET: usize = 400_000;

/// Passing client rules that are tried for one request.
const MOST_DOORS: usize = 8;

impl<'a> Context<'a> {
    pub(crate) fn new(
        shared: &'a Arc<Model>,
        files: &'a [File],
        flats: &'a Flats,
        options: &Options,
    ) -> Self {
        let model: &Model = shared;
        let ground = Ground { model, flats };
        Self {
            model,
            shared,
            ground,
            shapes: model.rules.iter().map(|rule| ground.rule(rule)).collect(),
            files,
            now: options.now,
            list_budget: options.list_budget.unwrap_or(LIST_BUDGET),
            budget: Cell::new(BUDGET),
            analysis: OnceCell::new(),
            covers: OnceCell::new(),
            blocked: OnceCell::new(),
            inside: OnceCell::new(),
        }
    }

    /// Every rule with its number and shape.
    pub(crate) fn rules(&self) -> impl Iterator<Item = (RuleId, &'a Rule, &RuleShape<'a>)> {
        (0..)
            .map(RuleId)
            .zip(&self.model.rules)
            .zip(&self.shapes)
            .map(|((id, rule), shape)| (id, rule, shape))
    }

    /// The rules of a stage and verdict.
    pub(crate) fn those(
        &self,
        stage: Stage,
        verdict: Verdict,
    ) -> impl Iterator<Item = (RuleId, &'a Rule, &RuleShape<'a>)> {
        self.rules().filter(move |(_, rule, _)| rule.stage == stage && rule.verdict == verdict)
    }

    pub(crate) fn shape(&self, number: usize) -> Option<&RuleShape<'a>> {
        self.shapes.get(number)
    }

    /// An index over the rules of a stage and verdict.
    pub(crate) fn index(&self, stage: Stage, verdict: Verdict) -> Index<'a> {
        let mut index = Index::default();
        for (id, _, shape) in self.those(stage, verdict) {
            index.add(id.0 as usize, shape);
        }
        index.finish();
        index
    }

    /// What a rule is called in a message: with its name, or as "this rule".
    pub(crate) fn name(&self, rule: &Rule) -> String {
        match &rule.name {
            Some(name) => format!("rule `{name}`"),
            None => "this rule".into(),
        }
    }

    /// The verdict on a request, as long as the budget lasts.
    pub(crate) fn verdict(&self, sample: &Sample) -> Option<Verdict> {
        self.spend(self.model.rules.len()).then(|| sample.verdict(self.model))
    }

    /// Where the default passes what no rule speaks of: the statement that says so.
    pub(crate) fn open_default(&self) -> Option<Span> {
        let mut statements = self.files.iter().flat_map(|file| &file.statements);
        (self.model.defaults.socks == Verdict::Pass)
            .then(|| statements.find(|one| matches!(one.kind, StatementKind::Default(_))))
            .flatten()
            .map(|statement| statement.span)
    }

    /// Takes from the budget; `false` where it is used up.
    pub(crate) fn spend(&self, rules: usize) -> bool {
        let left = self.budget.get().checked_sub(rules);
        self.budget.set(left.unwrap_or(0));
        left.is_some()
    }

    /// A request as arguments of `rustsocks explain`.
    pub(crate) fn show(&self, sample: &Sample) -> String {
        sample.arguments(self.model)
    }

    /// Exact answers, where pairs of rules are not enough.
    pub(crate) fn analysis(&self) -> &Analysis<'a> {
        self.analysis.get_or_init(|| Analysis::new(self.model))
    }

    /// Whether the client stage lets a request's client in.
    pub(crate) fn admits(&self, sample: &Sample) -> bool {
        self.spend(self.model.rules.len())
            && sample.ask(|request| oracle::admit(self.model, &request.client).answer()) == Answer::Pass
    }

    /// A request that fits conditions and is as wanted, of a client that the client stage lets in.
    pub(crate) fn reach(
        &self,
        conditions: &[&Conditions],
        start: &Sample,
        wanted: impl Fn(&Sample) -> bool,
    ) -> Option<Sample> {
        let turned_away = Cell::new(false);
        let fits = |sample: &Sample| {
            let wanted = wanted(sample);
            let let_in = wanted && self.admits(sample);
            turned_away.set(turned_away.get() || wanted && !let_in);
            let_in
        };
        if let Some(sample) = find(self.model, conditions, start, fits) {
            return Some(sample);
        }
        if !turned_away.get() {
            return None;
        }
        let doors = self.those(Stage::Client, Verdict::Pass).take(MOST_DOORS);
        doors.map(|(_, door, _)| [conditions, &[&door.when]].concat()).find_map(|conditions| {
            find(self.model, &conditions, start, |sample| wanted(sample) && self.admits(sample))
        })
    }

    /// Whether a rule that passes is taken by blocks alone.
    pub(crate) fn only_blocks(&self, rule: &Rule, parts: &[RuleId]) -> bool {
        let blocks =
            |part: &RuleId| self.model.rule(*part).is_some_and(|part| part.verdict == Verdict::Block);
        rule.verdict == Verdict::Pass && parts.iter().all(blocks)
    }

    /// What becomes of a rule beside the others.
    pub(crate) fn cover(&self, id: RuleId) -> Option<&Cover> {
        self.covers.get_or_init(|| cover::covers(self)).get(id.0 as usize).and_then(Option::as_ref)
    }

    /// Addresses that are blocked for everybody, whatever else is asked.
    pub(crate) fn blocked(&self) -> &Ranges {
        self.blocked.get_or_init(|| {
            let mut blocked = Ranges::default();
            for (id, rule, _) in self.those(Stage::Socks, Verdict::Block) {
                if rule.when.terms.len() == 1
                    && rule.except.is_empty()
                    && let Some((_, flat)) = self.ends(id, true)
                    && flat.exclude.is_empty()
                {
                    blocked.add(&flat.include.addresses);
                }
            }
            blocked
        })
    }

    /// The first pass that reaches the inside by address.
    pub(crate) fn inside(&self) -> Option<&Reached> {
        self.inside.get_or_init(|| guard::by_address(self)).as_ref()
    }

    /// Whether conditions hold for all requests of a stage.
    pub(crate) fn takes_all(&self, rule: &RuleShape<'_>) -> bool {
        let Shape { commands, terms } = &rule.when;
        let all = |flat: &Arc<Flat>| flat.include.any && flat.exclude.is_empty();
        const REQUESTS: u8 = 1 | 4 | 8;
        rule.except.is_empty()
            && commands & REQUESTS == REQUESTS
            && terms.iter().all(|part| {
                !part.term.negated
                    && match &part.term.test {
                        Test::Port(ports) => cover::all_ports(ports),
                        _ => part.flat.as_ref().is_some_and(all),
                    }
            })
    }

    /// Every list of addresses and names: of sets, rules and their `except` blocks.
    pub(crate) fn expressions(&self) -> impl Iterator<Item = &'a SetExpr> {
        let sets = self.model.sets.iter().filter_map(|set| match &set.body {
            SetBody::Expr(expr) => Some(expr),
            SetBody::List(_) => None,
        });
        let blocks = self.model.rules.iter().flat_map(|rule| std::iter::once(&rule.when).chain(&rule.except));
        sets.chain(blocks.flat_map(|when| &when.terms).filter_map(|term| match &term.test {
            Test::From(expr) | Test::To(expr) => Some(expr),
            _ => None,
        }))
    }

    /// The finding with the offer to take a rule away, unless that would open what the rule closes.
    pub(crate) fn offer_removal(&self, one: Diagnostic, id: RuleId, safety: Safety) -> Diagnostic {
        match self.model.rule(id).filter(|rule| self.may_go(id, rule)) {
            Some(rule) => one.fix("remove the rule", safety, vec![self.removal(rule.span)]),
            None => one,
        }
    }

    /// Whether no stage is left open to everybody without a rule. The client stage is closed by any
    /// rule of its own, and a kind of replies by any pass rule that names it: of those that may match,
    /// one must stay, whatever else is taken away.
    pub(crate) fn may_go(&self, id: RuleId, rule: &Rule) -> bool {
        let stays = |closes: &dyn Fn(&Rule) -> bool| {
            self.those(rule.stage, Verdict::Pass).any(|(other, one, _)| {
                other != id && closes(one) && self.expiry(one).is_none() && self.cover(other).is_none()
            })
        };
        match rule.stage {
            Stage::Client => self.model.defaults.client.is_some() || stays(&|_| true),
            Stage::Socks => [Command::BindReply, Command::UdpReply].into_iter().all(|reply| {
                let names = |one: &Rule| oracle::names_command(&one.when, reply);
                rule.verdict == Verdict::Block || !names(rule) || stays(&names)
            }),
        }
    }

    /// The term by which a rule has expired.
    pub(crate) fn expiry<'r>(&self, rule: &'r Rule) -> Option<&'r Term> {
        let now = self.now?;
        let ended = |term: &&Term| !term.negated && matches!(&term.test, Test::Expires(end) if *end <= now);
        rule.when.terms.iter().find(ended)
    }

    /// The edit that takes a whole statement away, with its line where nothing else is on it.
    pub(crate) fn removal(&self, span: Span) -> Edit {
        let text = self.model.sources.file(span.file).map(|source| source.text().clone()).unwrap_or_default();
        let (start, end) = (span.start as usize, span.end as usize);
        let line = text.get(..start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let blank = text.get(line..start).is_some_and(|before| before.trim().is_empty());
        let rest = text.get(end..).unwrap_or_default();
        let gap = rest.find('\n').filter(|at| rest.get(..*at).is_some_and(|gap| gap.trim().is_empty()));
        let whole = match (blank, gap) {
            (true, Some(gap)) => Span { start: size(line), end: size(end + gap + 1), ..span },
            _ => span,
        };
        Edit { span: whole, text: String::new() }
    }

    /// The flat form of an expression.
    pub(crate) fn flat(&self, set: &SetExpr) -> Flat {
        self.ground.flats.expr(self.model, set)
    }

    /// The `from` or `to` of a rule where it is not negated.
    pub(crate) fn ends(&self, id: RuleId, to: bool) -> Option<(&'a Term, &Arc<Flat>)> {
        let shape = self.shape(id.0 as usize)?;
        shape.when.terms.iter().find_map(|part| {
            let fits = match &part.term.test {
                Test::From(_) => !to,
                Test::To(_) => to,
                _ => false,
            };
            part.flat.as_ref().filter(|_| fits && !part.term.negated).map(|flat| (part.term, flat))
        })
    }
}

fn size(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Whether a rule has a term of a kind.
pub(crate) fn says(rule: &Rule, kind: impl Fn(&Test) -> bool) -> bool {
    rule.when.terms.iter().any(|term| kind(&term.test))
}

/// Rules of one verdict that are named before another: higher priority, then earlier.
pub(crate) fn named_first(one: (RuleId, &Rule), other: (RuleId, &Rule)) -> bool {
    (std::cmp::Reverse(one.1.priority), one.0) < (std::cmp::Reverse(other.1.priority), other.0)
}
