//! What the language says, end to end: texts in, meaning out.

mod support;

use rustsocks_compiler::promise;
use rustsocks_compiler::sample::Sample;
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

#[test]
fn an_address_in_brackets_is_one_address_with_or_without_a_port() {
    let text = "client pass all { from: [::1], 10.0.0.0/8, [2001:db8::]/32 }
socks block web { to: [::1]:80, [::ffff:10.0.0.1]:80, [2001:db8::1]:8000-8100 }
socks block whole { to: [2001:db8::2] }
socks pass rest { to: any }
test \"brackets\" {
    block web { from: ::1  to: ::1  port: 80 }
    block web { from: ::1  to: [::1]:80 }
    pass rest { from: ::1  to: [::1]:81 }
    pass rest { from: ::1  to: ::1:80  port: 80 }
    block web { from: ::1  to: 10.0.0.1:80 }
    block web { from: ::1  to: [::ffff:10.0.0.1]:80 }
    pass rest { from: ::1  to: 10.0.0.1:443 }
    block web { from: 2001:db8::7  to: [2001:db8::1]:8050 }
    pass rest { from: 2001:db8::7  to: [2001:db8::1]:8101 }
    block whole { from: 10.1.1.1  to: [2001:db8::2]:1 }
}
";
    let loaded = load_text(text);
    assert!(loaded.diagnostics.is_empty(), "{}", render(&loaded));
    let policy = loaded.policy().expect("a policy");
    let played = promise::play(policy.model());
    assert_eq!(played.len(), 10);
    for one in &played {
        let place = loaded.sources.text(one.case.span);
        assert!(one.held, "{place}: {:?}", one.outcome);
        let sample = Sample::new(policy.model(), &one.case.request);
        let decision = policy.decide(&sample.request(sample.addresses.first().copied()));
        assert_eq!(decision.rule(), one.outcome.rule, "{place}");
    }
}

#[test]
fn a_case_says_both_methods() {
    let loaded = load_text(
        "socksmethod: gssapi
clientmethod: certificate
client pass known { clientmethod: certificate }
socks pass both { socksmethod: gssapi  to: any }
test \"methods\" {
    pass both { user: alice  socksmethod: gssapi  clientmethod: certificate  to: example.com }
    pass both { user: alice  clientmethod: certificate  socksmethod: gssapi  to: example.com }
    block { user: alice  socksmethod: gssapi  clientmethod: none  to: example.com }
    pass known { clientmethod: certificate }
    block { user: alice  clientmethod: certificate  to: example.com }
}
",
    );
    let model = loaded.model.as_ref().unwrap_or_else(|| panic!("{}", render(&loaded)));
    assert!(promise::broken(model).is_empty(), "{:#?}", promise::broken(model));
}
