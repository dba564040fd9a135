//! What trees look like.

use expect_test::{ExpectFile, expect_file};
use rustsocks_compiler::model::{Host, HostFacts, SampleRequest};
use rustsocks_compiler::sample::Sample;
use rustsocks_compiler::{Policy, oracle};
use std::collections::BTreeMap;

fn policy(text: &str) -> Policy {
    let texts = BTreeMap::from([("golden.policy".to_owned(), text.to_owned())]);
    let loaded = rustsocks_compiler::load("golden.policy", &texts, &HostFacts::default(), None);
    loaded.policy().unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics))
}

fn shows(text: &str, tree: &ExpectFile, ron: &ExpectFile, dot: &ExpectFile) {
    let policy = policy(text);
    tree.assert_eq(&policy.emit_tree());
    ron.assert_eq(&policy.emit_ron());
    dot.assert_eq(&policy.emit_dot());
}

#[test]
fn the_policy_of_an_office_is_shown() {
    shows(
        include_str!("../../../golden/tree/office.policy"),
        &expect_file!["../../../golden/tree/office.tree"],
        &expect_file!["../../../golden/tree/office.ron"],
        &expect_file!["../../../golden/tree/office.dot"],
    );
}

#[test]
fn the_policy_of_teams_is_shown() {
    shows(
        include_str!("../../../golden/tree/teams.policy"),
        &expect_file!["../../../golden/tree/teams.tree"],
        &expect_file!["../../../golden/tree/teams.ron"],
        &expect_file!["../../../golden/tree/teams.dot"],
    );
}

#[test]
fn a_policy_that_no_key_splits_says_so() {
    let mut text = String::from("policy 1\n");
    for number in 0..300 {
        text.push_str(&format!("socks pass r{number} {{ to: any  cert: \"*a{number}*\" }}\n"));
    }
    let costs = policy(&text).costs();
    let [cost] = costs.as_slice() else { panic!("{costs:?}") };
    assert_eq!((cost.code.0, cost.message.as_str()), ("RS0403", "a decision may examine 300 rules"));
}

#[test]
fn a_pattern_beyond_the_budget_says_so_and_decides_all_the_same() {
    let text = "policy 1\nsocks pass big { to: /.*a.{60}b.{60}c[ab]{14}a[ab]{14}/, ok.example }\n";
    let policy = policy(text);
    let codes: Vec<&str> = policy.costs().iter().map(|cost| cost.code.0).collect();
    assert_eq!(codes, ["RS0401"]);
}

#[test]
fn many_infix_globs_are_no_stall_and_agree_with_the_oracle() {
    let letters: Vec<String> =
        (0..60u8).map(|n| format!("{}{}", char::from(b'a' + n % 26), char::from(b'a' + n / 26))).collect();
    let mut text = String::from("policy 1\n");
    for (number, two) in letters.iter().enumerate() {
        let verdict = if number % 3 == 0 { "block" } else { "pass" };
        text.push_str(&format!("socks {verdict} {{ to: *{two}*.example.com  port: {}-900 }}\n", number + 1));
    }
    let policy = policy(&text);
    for (name, port) in letters.iter().zip([80, 500, 30].into_iter().cycle()) {
        for host in [
            format!("x{name}y.example.com"),
            format!("{name}.example.org"),
            format!("aabb{name}.example.com"),
        ] {
            let request = SampleRequest {
                to: Some(Host::parse(&host).unwrap()),
                port: Some(port),
                ..SampleRequest::default()
            };
            let sample = Sample::new(policy.model(), &request);
            let request = sample.request(sample.addresses.first().copied());
            let (ours, wanted) = (policy.decide(&request), oracle::decide(policy.model(), &request));
            assert_eq!((ours.answer(), ours.rule()), (wanted.answer(), wanted.rule()), "{host}:{port}");
        }
    }
}

#[test]
fn the_pattern_beyond_those_that_a_policy_may_have_is_named() {
    let mut text = String::from("policy 1\nset many {\n");
    for number in 0..4100 {
        text.push_str(&format!("    a*b.x{number}.com\n"));
    }
    let texts = BTreeMap::from([("golden.policy".to_owned(), text + "}\nsocks block { to: @many }\n")]);
    let loaded = rustsocks_compiler::load("golden.policy", &texts, &HostFacts::default(), None);
    let [one] = loaded.diagnostics.as_slice() else { panic!("{:#?}", loaded.diagnostics) };
    assert_eq!((one.code.0, loaded.sources.text(one.primary.span)), ("RS0401", "a*b.x4096.com"));
}
