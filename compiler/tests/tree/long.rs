//! The tree against the oracle for as long as one likes. Not part of the usual run:
//! `CASES=100000000 cargo test --release -p rustsocks-compiler --test tree -- --ignored`.

use crate::arbitrary::{Asked, Dice, Splitmix, model};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rustsocks_compiler::oracle::{self, Facts};
use rustsocks_compiler::{Answer, Policy};
use std::sync::Arc;

/// Requests that each policy is asked.
const REQUESTS: u64 = 500;

/// How often each answer came.
#[derive(Debug, Default)]
struct Tally {
    block: u64,
    needs_address: u64,
    pass: u64,
    by_default: u64,
}

#[expect(clippy::disallowed_methods, reason = "the one that starts it says how long")]
fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
#[ignore = "takes as long as it is told to: CASES and SEED in the environment"]
#[expect(clippy::disallowed_macros, clippy::print_stderr, reason = "long work says how far it has come")]
fn many_cases_agree_with_the_oracle() {
    let (cases, seed) = (number("CASES", 1_000_000), number("SEED", 1));
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(seed.to_le_bytes()).for_each(|(byte, part)| *byte = part);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    // One runner draws all policies, however many it turns down on the way.
    let config = Config { max_local_rejects: u32::MAX, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let mut dice = Splitmix(seed);
    let (mut done, mut tally) = (0, Tally::default());
    while done < cases {
        let rules = [3, 8, 20, 60][dice.throw(4)];
        let tree = model(rules).new_tree(&mut runner).expect("a model");
        let policy = Policy::compile(Arc::new(tree.current()));
        for _ in 0..REQUESTS {
            let asked = Asked::throw(&mut dice);
            let agrees =
                decides(&policy, &asked, &mut tally) && (asked.port != 80 || foresees(&policy, &asked));
            assert!(agrees, "{:#?}\n{asked:#?}", policy.model());
        }
        done += REQUESTS;
        if done % 10_000_000 == 0 {
            eprintln!("{done} cases agree");
        }
    }
    let shares = [tally.block, tally.needs_address, tally.pass, done - tally.by_default];
    assert!(shares.iter().all(|&share| share * 5000 > done), "one answer hardly came: {tally:?}");
}

fn decides(policy: &Policy, asked: &Asked, tally: &mut Tally) -> bool {
    let own = policy.principal(asked.user.clone(), asked.groups.clone());
    let request = asked.request(&own);
    let (got, wanted) = (policy.decide(&request), oracle::decide(policy.model(), &request));
    match got.answer() {
        Answer::Block => tally.block += 1,
        Answer::NeedsAddress => tally.needs_address += 1,
        Answer::Pass => tally.pass += 1,
    }
    tally.by_default += u64::from(got.rule().is_none() && got.answer() != Answer::NeedsAddress);
    got.answer() == wanted.answer() && got.rule() == wanted.rule()
}

/// What is asked before there is a request.
fn foresees(policy: &Policy, asked: &Asked) -> bool {
    let principal = asked.principal();
    let mut facts = Facts::from(&asked.request(&principal));
    facts.target = None;
    let client = asked.client();
    let (admitted, admits) = (policy.admit(&client), oracle::admit(policy.model(), &client));
    admitted.answer() == admits.answer()
        && admitted.rule() == admits.rule()
        && policy.could_pass(&facts) == oracle::could_pass(policy.model(), &facts)
        && policy.offer(&client) == oracle::offer(policy.model(), &client)
}
