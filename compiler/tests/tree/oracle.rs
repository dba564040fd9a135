//! Each question to a policy has the oracle's answer.

use crate::arbitrary::{Asked, Splitmix, model};
use proptest::prelude::*;
use rustsocks_compiler::model::{Model, RuleId};
use rustsocks_compiler::oracle::{self, Facts};
use rustsocks_compiler::request::Principal;
use rustsocks_compiler::{Decision, Policy};
use std::sync::Arc;

/// Requests that each random policy is asked.
const REQUESTS: usize = 64;

fn same(got: &Decision, wanted: &Decision) -> bool {
    got.answer() == wanted.answer() && got.rule() == wanted.rule()
}

/// Asks a policy all that can be asked; says what differs from the oracle.
fn ask(policy: &Policy, asked: &Asked) -> Result<(), String> {
    let model: &Model = policy.model();
    let foreign = asked.principal();
    let own = policy.principal(asked.user.clone(), asked.groups.clone());
    let client = asked.client();
    let wanted = oracle::admit(model, &client);
    let got = policy.admit(&client);
    if !same(&got, &wanted) {
        return Err(format!("admit: {got:?}, not {wanted:?}"));
    }
    let wanted = oracle::decide(model, &asked.request(&foreign));
    for principal in [&foreign, &own] {
        let got = policy.decide(&asked.request(principal));
        if !same(&got, &wanted) {
            return Err(format!("decide: {got:?}, not {wanted:?}"));
        }
    }
    if policy.decide(&asked.request(&own)).into_permit() != wanted.into_permit() {
        return Err("another permit".into());
    }
    if policy.offer(&client) != oracle::offer(model, &client) {
        return Err(format!("offer: {:?}, not {:?}", policy.offer(&client), oracle::offer(model, &client)));
    }
    for facts in facts(asked, &own) {
        let wanted = oracle::could_pass(model, &facts);
        if policy.could_pass(&facts) != wanted {
            return Err(format!("could_pass: not {wanted} of {facts:?}"));
        }
    }
    Ok(())
}

/// What may be known before a request is whole.
fn facts<'a>(asked: &'a Asked, principal: &'a Principal) -> Vec<Facts<'a>> {
    let whole = Facts::from(&asked.request(principal));
    let mut no_target = whole;
    no_target.target = None;
    let mut no_method = no_target;
    no_method.method = None;
    vec![whole, no_target, no_method, Facts::of_client(asked.client())]
}

fn requests(seed: u64) -> impl Iterator<Item = Asked> {
    let mut dice = Splitmix(seed);
    (0..REQUESTS).map(move |_| Asked::throw(&mut dice))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_small_policy_answers_as_the_oracle_does(model in model(6), seed: u64) {
        let policy = Policy::compile(Arc::new(model));
        for asked in requests(seed) {
            prop_assert_eq!(ask(&policy, &asked), Ok(()), "{:#?}", asked);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_large_policy_answers_as_the_oracle_does(model in model(120), seed: u64) {
        let policy = Policy::compile(Arc::new(model));
        for asked in requests(seed) {
            prop_assert_eq!(ask(&policy, &asked), Ok(()), "{:#?}", asked);
        }
    }

    #[test]
    fn the_order_of_rules_changes_no_verdict(model in model(40), seed: u64, turn in 0..40usize) {
        let mut turned = model.clone();
        if !turned.rules.is_empty() {
            let by = turn % turned.rules.len();
            turned.rules.rotate_left(by);
            turned.rules.reverse();
        }
        let (one, other) = (Policy::compile(Arc::new(model)), Policy::compile(Arc::new(turned)));
        let passes = |policy: &Policy, rule: Option<RuleId>| {
            rule.and_then(|rule| policy.model().rule(rule)).map(|rule| (rule.verdict, rule.priority))
        };
        for asked in requests(seed) {
            let principal = asked.principal();
            let request = asked.request(&principal);
            let (a, b) = (one.decide(&request), other.decide(&request));
            prop_assert_eq!(a.answer(), b.answer());
            prop_assert_eq!(passes(&one, a.rule()), passes(&other, b.rule()));
            prop_assert_eq!(one.admit(&asked.client()).answer(), other.admit(&asked.client()).answer());
        }
    }
}
