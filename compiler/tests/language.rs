//! What the language says, end to end: texts in, meaning out.

mod support;

use support::{load_files, load_text, read, render};

#[test]
fn the_page_of_the_design_is_a_policy() {
    let page = read("golden/language/page.policy");
    let loaded = load_files(&[
        ("page.policy", &page),
        ("teams/web.policy", "set extra { extra.example.com }\n"),
        ("lists/threat.cidr", "192.0.2.0/24\n198.51.100.7\n"),
    ]);
    assert!(loaded.model.is_some(), "{}", render(&loaded));
    assert!(loaded.diagnostics.is_empty(), "{}", render(&loaded));
    let model = loaded.model.expect("a model");
    assert_eq!(model.rules.len(), 8);
    assert_eq!(model.tests[0].cases.len(), 2);
    assert_eq!(model.invariants.len(), 2);
    assert!(model.sets.iter().any(|set| &*set.name == "extra"), "the include is read");
}

#[test]
fn the_default_policy_is_clean() {
    let text = read("policies/default.policy");
    let loaded = load_text(&text);
    assert!(loaded.diagnostics.is_empty(), "{}", render(&loaded));
    assert!(loaded.policy().is_some());
}

#[test]
fn a_negated_key_behind_values_is_a_key() {
    let loaded = load_text("socks block a { to: literal  not group: staff  user: any not port: 22 }\n");
    let model = loaded.model.expect("a model");
    let terms: Vec<(bool, &str)> = model.rules[0]
        .when
        .terms
        .iter()
        .map(|term| (term.negated, term.test.key(rustsocks_compiler::model::Stage::Socks)))
        .collect();
    assert_eq!(terms, [(false, "to"), (true, "group"), (false, "user"), (true, "port")]);
}
