//! The changes after which a blocked request passes: found by making them to a copy of the policy
//! and asking it again, through both stages.

use super::{Judged, Outcome, judged};
use crate::Answer;
use crate::model::{Conditions, Host, Model, Rule, RuleId, SetExpr, SetItem, Stage, Term, Test, Verdict};
use crate::oracle::{self, Facts, Truth};
use crate::request::{Request, Target};
use crate::sample::Sample;
use crate::settle::Settled;
use crate::syntax::quoted;
use std::cmp::Reverse;

/// What lets a blocked request pass.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The changes; all are needed.
    pub(super) changes: Vec<String>,
    /// What still keeps it from passing once the stage that blocks it lets it through.
    pub(super) beyond: Option<Judged>,
}

/// No request needs more rounds than there are stages and addresses.
const MAX_ROUNDS: usize = 64;

pub(super) fn of(model: &Model, sample: &Sample) -> Plan {
    let mut trial = model.clone();
    let mut plan = Plan::default();
    let first = Settled::of(&trial, sample);
    let mut now = first;
    for _ in 0..MAX_ROUNDS {
        let is_beyond = now.stage != first.stage || now.answer != first.answer;
        if is_beyond && now.answer != Answer::Pass && plan.beyond.is_none() {
            plan.beyond = Some(judged(&trial, now.stage, now.answer, now.rule));
        }
        if now.answer != Answer::Block || !plan.round(&mut trial, sample, &now) {
            break;
        }
        now = Settled::of(&trial, sample);
    }
    plan
}

impl Plan {
    /// Makes what one stage needs; `false` if no other round can help.
    fn round(&mut self, trial: &mut Model, sample: &Sample, now: &Settled) -> bool {
        let request = sample.request(now.address);
        let facts = facts(now.stage, sample, &request);
        let blocks = matching(trial, now.stage, Verdict::Block, &facts);
        for &id in &blocks {
            self.changes.push(carve(trial, now.stage, id, sample, &facts));
        }
        for id in &blocks {
            // Without a condition an exception always holds.
            if let Some(rule) = trial.rules.get_mut(id.0 as usize) {
                rule.except.push(Conditions::default());
            }
        }
        if !blocks.is_empty() {
            return true;
        }
        let add = addition(now.stage, sample);
        if let Some((text, id, fault)) = widening(trial, now.stage, sample, &facts, &add) {
            self.changes.push(text);
            mend(trial, id, fault, sample);
            return true;
        }
        self.changes.push(format!("add `{add}`"));
        match now.stage {
            Stage::Client => trial.defaults.client = Some(Verdict::Pass),
            Stage::Socks => trial.defaults.socks = Verdict::Pass,
        }
        // A reply that needs a rule has no default to lean on.
        !sample.command.is_reply()
    }
}

fn facts<'a>(stage: Stage, sample: &'a Sample, request: &Request<'a>) -> Facts<'a> {
    match stage {
        Stage::Client => Facts::of_client(sample.client()),
        Stage::Socks => Facts::from(request),
    }
}

/// The rules of a verdict that match, the one that is named first in front.
pub(super) fn matching(model: &Model, stage: Stage, verdict: Verdict, facts: &Facts<'_>) -> Vec<RuleId> {
    let mut ids: Vec<_> = model
        .stage(stage)
        .filter(|(_, rule)| rule.verdict == verdict && oracle::matches(model, rule, facts) == Truth::True)
        .map(|(id, rule)| (Reverse(rule.priority), id))
        .collect();
    ids.sort();
    ids.into_iter().map(|(_, id)| id).collect()
}

/// How a block lets this request alone.
fn carve(model: &Model, stage: Stage, id: RuleId, sample: &Sample, facts: &Facts<'_>) -> String {
    let except = match (stage, &sample.to) {
        (Stage::Socks, Some(to)) => format!("{}to: {to}{}", user(sample), reply(sample)),
        _ => format!("from: {}", sample.from),
    };
    let mut change = format!("`except {{ {except} }}` in `{}`", model.label(id));
    let listed = model.rule(id).and_then(|rule| {
        let terms = super::term::of_rule(model, rule, sample, facts);
        terms
            .into_iter()
            .find_map(|term| term.through.filter(|through| through.value.contains("through line ")))
    });
    if let Some(place) = listed.and_then(|through| through.place) {
        // A list keeps the first of its lines that says something.
        change.push_str(&format!(", or drop {place} and any other line that has this target"));
    }
    change
}

/// A rule that passes just this.
fn addition(stage: Stage, sample: &Sample) -> String {
    match (stage, &sample.to) {
        (Stage::Socks, Some(to)) => {
            format!("socks pass {{ {}to: {to}  port: {}{} }}", user(sample), sample.port, reply(sample))
        }
        _ => format!("client pass {{ from: {} }}", sample.from),
    }
}

fn user(sample: &Sample) -> String {
    sample.principal.user().map(|user| format!("user: {}  ", written(user))).unwrap_or_default()
}

fn reply(sample: &Sample) -> String {
    if sample.command.is_reply() { format!("  command: {}", sample.command) } else { String::new() }
}

/// A word as the language has it, in quotes where it needs them.
fn written(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let is_reserved = matches!(word, "any" | "except" | "none" | "not");
    let is_bare = word.starts_with(|c: char| c.is_ascii_alphanumeric()) && word.chars().all(plain);
    if is_bare && !is_reserved {
        return word.to_owned();
    }
    quoted(word)
}

/// What keeps a rule from matching.
#[derive(Clone, Copy)]
enum Fault {
    /// A condition, by its index.
    Term(usize),
    /// An exception of the rule, by its index.
    Except(usize),
}

/// The one fault of a rule, with how many of its conditions hold; `None` if it has none or several.
fn only_fault(model: &Model, rule: &Rule, facts: &Facts<'_>) -> Option<(Fault, usize)> {
    let fails = |term: &Term| oracle::term(model, term, facts) != Truth::True;
    let holds = |when: &Conditions| oracle::conditions(model, when, facts) != Truth::False;
    let terms =
        rule.when.terms.iter().enumerate().filter(|(_, term)| fails(term)).map(|(at, _)| Fault::Term(at));
    let excepts =
        rule.except.iter().enumerate().filter(|(_, when)| holds(when)).map(|(at, _)| Fault::Except(at));
    let mut faults = terms.chain(excepts);
    let fault = faults.next().filter(|_| faults.next().is_none())?;
    let held = rule.when.terms.len() - usize::from(matches!(fault, Fault::Term(_)));
    Some((fault, held))
}

/// How the pass rule that is nearest would reach this request.
fn widening(
    model: &Model,
    stage: Stage,
    sample: &Sample,
    facts: &Facts<'_>,
    add: &str,
) -> Option<(String, RuleId, Fault)> {
    let mut near: Vec<_> = model
        .stage(stage)
        .filter(|(_, rule)| rule.verdict == Verdict::Pass)
        .filter_map(|(id, rule)| {
            let (fault, held) = only_fault(model, rule, facts)?;
            let said = sentence(model, id, rule, fault, sample, facts, add)?;
            Some((said.is_asked_otherwise, Reverse(held), id, said.text, fault))
        })
        .collect();
    near.sort_by_key(|(is_asked_otherwise, held, id, ..)| (*is_asked_otherwise, *held, *id));
    near.into_iter().next().map(|(_, _, id, text, fault)| (text, id, fault))
}

struct Sentence {
    text: String,
    /// It is the request that would have to be another, not the rule.
    is_asked_otherwise: bool,
}

fn sentence(
    model: &Model,
    id: RuleId,
    rule: &Rule,
    fault: Fault,
    sample: &Sample,
    facts: &Facts<'_>,
    add: &str,
) -> Option<Sentence> {
    let label = model.label(id);
    let policy = |text| Some(Sentence { text, is_asked_otherwise: false });
    let at = match fault {
        Fault::Except(at) => {
            let when = rule.except.get(at)?;
            let first =
                super::term::of_conditions(model, rule.stage, when, sample, facts).into_iter().next()?;
            return policy(format!("narrow the `except` of `{label}` ({}: {})", first.key, first.wants));
        }
        Fault::Term(at) => at,
    };
    let term = rule.when.terms.get(at)?;
    let view = super::term::of_term(model, rule.stage, term, sample, facts);
    if term.negated {
        return policy(format!("drop `{}: {}` from `{label}`", view.key, view.wants));
    }
    let key = term.test.key(rule.stage);
    if let Test::From(expr) | Test::To(expr) = &term.test {
        let target = match (&term.test, facts.target) {
            (Test::To(_), Some(target)) => target,
            _ => Target { name: None, address: Some(facts.client.address), port: 0 },
        };
        return policy(reach(model, &label, key, expr, sample, &target));
    }
    let passes = || format!("`{label}` passes it with `{key}: {}`", view.wants);
    match &term.test {
        Test::Time(_) => {
            Some(Sentence { text: format!("{}, or add `{add}`", passes()), is_asked_otherwise: true })
        }
        Test::Expires(_) => policy(format!("let `{label}` expire later than {}", view.has)),
        Test::Port(_) if view.wants.contains("except ") => {
            // Whether the `except` takes the port out is not told by the ports that are left.
            let out = view.wants.split_once("except ").map(|(_, out)| out)?;
            let taken = out.split(',').map(|word| ports(word.trim())).collect::<Option<Vec<_>>>()?;
            if !taken.iter().any(|ports| ports.contains(&sample.port)) {
                return policy(format!("let `port` of `{label}` have {}", sample.port));
            }
            policy(format!("narrow `except {out}` in `port` of `{label}` to leave {} alone", sample.port))
        }
        // Nobody widens a rule to those that say nothing of themselves.
        _ if view.has.starts_with("no ") && value(&term.test, sample).is_none() => {
            Some(Sentence { text: passes(), is_asked_otherwise: true })
        }
        test => {
            let value = value(test, sample).unwrap_or(view.has);
            policy(format!("let `{key}` of `{label}` have {value}"))
        }
    }
}

/// `80` or `80-443`.
fn ports(word: &str) -> Option<std::ops::RangeInclusive<u16>> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
}

/// The request's value of names that may need quotes.
fn value(test: &Test, sample: &Sample) -> Option<String> {
    match test {
        Test::Cert(_) => sample.certificate.first().map(|name| written(name)),
        Test::Group(_) => sample.principal.groups().first().map(|group| written(group)),
        Test::Listen(_) => Some(written(&sample.listener)),
        Test::User(_) => sample.principal.user().map(|user| written(user)),
        _ => None,
    }
}

/// How a set of a rule would hold a target: a value more helps only where its `except` does not take
/// it out again.
fn reach(
    model: &Model,
    label: &str,
    key: &str,
    expr: &SetExpr,
    sample: &Sample,
    target: &Target<'_>,
) -> String {
    let value = match (&sample.to, key) {
        (Some(Host::Name(name)), "to") => name.to_string(),
        _ => target.address.map_or_else(String::new, |address| address.to_string()),
    };
    let within = |item: &&SetItem| oracle::in_item(model, &item.kind, target);
    let out: Vec<String> = expr
        .exclude
        .iter()
        .filter(|item| within(item) != Truth::False)
        .map(|item| super::term::value(model, item))
        .collect();
    let has = format!("let `{key}` of `{label}` have {value}");
    if out.is_empty() {
        return has;
    }
    let narrow = format!("narrow `except {}` in `{key}` of `{label}` to leave {value} alone", out.join(", "));
    if expr.include.iter().any(|item| within(&item) == Truth::True) {
        return narrow;
    }
    format!("{narrow}, and {has}")
}

/// Makes a rule of the copy match, as the sentence says.
fn mend(trial: &mut Model, id: RuleId, fault: Fault, sample: &Sample) {
    let Some(rule) = trial.rules.get_mut(id.0 as usize) else { return };
    match fault {
        Fault::Except(at) if at < rule.except.len() => _ = rule.except.remove(at),
        Fault::Term(at) => match rule.when.terms.get_mut(at) {
            // A rule matches only the replies that it names.
            Some(Term { test: Test::Command(commands), negated: false, .. }) => commands.push(sample.command),
            Some(_) => _ = rule.when.terms.remove(at),
            None => {}
        },
        Fault::Except(_) => {}
    }
}

/// What comes after the stage that blocks, in words.
pub(super) fn beyond(judged: &Judged) -> String {
    match (&judged.by, judged.outcome) {
        (_, Outcome::NeedsAddress) => "it then depends on the address".into(),
        (Some(rule), _) => format!("the socks stage blocks it too, by {rule}"),
        (None, _) => "the socks stage blocks it too".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Words, explain};
    use super::*;
    use crate::model::HostFacts;
    use std::collections::BTreeMap;

    fn changes(policy: &str, from: &str, to: &str) -> Vec<String> {
        let texts = BTreeMap::from([("a".to_owned(), format!("policy 1\n{policy}"))]);
        let loaded = crate::load("a", &texts, &HostFacts::default(), None);
        let policy = loaded.policy().expect("compiles");
        let words = Words {
            user: Some("alice".into()),
            from: Some(from.into()),
            to: Some(to.into()),
            ..Words::default()
        };
        let explained = explain(&policy, &words.read(policy.model()).expect("a request"));
        assert_eq!(explained.outcome, Outcome::Block);
        explained.flip.changes
    }

    #[test]
    fn both_stages_have_their_say() {
        let policy =
            "socksmethod: password\nclient pass office { from: 10.0.0.0/8 }\nsocks block no { to: any4 }\n";
        assert_eq!(
            changes(policy, "11.1.1.1", "8.8.8.8:443"),
            [
                "let `from` of `office` have 11.1.1.1",
                "`except { user: alice  to: 8.8.8.8 }` in `no`",
                "add `socks pass { user: alice  to: 8.8.8.8  port: 443 }`",
            ]
        );
    }

    #[test]
    fn an_except_is_narrowed_rather_than_outdone() {
        let policy = "socksmethod: password\nsocks pass a { to: 192.168.0.0/16 except any4 }\n";
        assert_eq!(
            changes(policy, "10.1.1.1", "192.168.0.1:443"),
            ["narrow `except any4` in `to` of `a` to leave 192.168.0.1 alone"]
        );
        let policy = "socksmethod: password\nsocks pass a { port: 1-1023 except 80-443 }\n";
        assert_eq!(
            changes(policy, "10.1.1.1", "8.8.8.8:80"),
            ["narrow `except 80-443` in `port` of `a` to leave 80 alone"]
        );
    }

    #[test]
    fn a_time_is_not_what_a_rule_is_given() {
        let policy = "socksmethod: password\ntime never { mon 03:00-03:01 }\nsocks pass a { time: @never }\n";
        assert_eq!(
            changes(policy, "10.1.1.1", "8.8.8.8:80"),
            ["`a` passes it with `time: @never`, or add `socks pass { user: alice  to: 8.8.8.8  port: 80 }`"]
        );
    }

    #[test]
    fn words_that_need_quotes_have_them() {
        assert_eq!((&*written("alice"), &*written("a b"), &*written("any")), ("alice", "\"a b\"", "\"any\""));
    }
}
