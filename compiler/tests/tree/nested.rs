//! Sets within sets: what multiplies is refused with its name, and what does not is judged rightly.

use rustsocks_compiler::lint::{self, Options};
use rustsocks_compiler::model::{Host, HostFacts, SampleRequest};
use rustsocks_compiler::sample::Sample;
use rustsocks_compiler::{Loaded, analysis, oracle};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const FIRST: &str = "set s0 { 10.0.0.0/8, .x.com }\nset t0 { 10.1.0.0/16, q.com }\n";

/// `levels` sets, each made of the ones before: `S` and `T` stand for them, `N` for its number.
fn chain(levels: usize, s: &str, t: &str) -> String {
    let mut text = String::from(FIRST);
    for level in 1..levels {
        for (name, values) in [("s", s), ("t", t)] {
            let values = values
                .replace('S', &format!("@s{}", level - 1))
                .replace('T', &format!("@t{}", level - 1))
                .replace('N', &level.to_string());
            writeln!(text, "set {name}{level} {{ {values} }}").expect("room");
        }
    }
    let last = levels - 1;
    text + &format!("socks block b {{ to: @s{last}, @t{last} }}\nsocks pass p {{ to: any }}\n")
}

fn load(text: &str) -> Loaded {
    let texts = BTreeMap::from([("a.policy".to_owned(), text.to_owned())]);
    rustsocks_compiler::load("a.policy", &texts, &HostFacts::default(), None)
}

fn agrees(loaded: &Loaded, text: &str) {
    let model = loaded.model.as_ref().expect("a model");
    lint::run(loaded, &Options::default());
    assert_eq!(analysis::reach(model).len(), model.rules.len());
    let policy = loaded.policy().expect("a policy");
    for host in ["10.1.2.3", "10.2.0.1", "9.9.9.9", "a.x.com", "x.com", "b3.com", "a1.com", "q.com", "z.com"]
    {
        for address in ["10.1.2.3", "10.2.0.1", "10.3.7.7", "9.9.9.9"] {
            let request = SampleRequest {
                to: Some(Host::parse(host).expect("a host")),
                resolves: vec![address.parse().expect("an address")],
                ..SampleRequest::default()
            };
            let sample = Sample::new(model, &request);
            for address in [sample.addresses.first().copied(), None] {
                let request = sample.request(address);
                let wanted = oracle::decide(model, &request).answer();
                assert_eq!(policy.decide(&request).answer(), wanted, "{host} at {address:?} in\n{text}");
            }
        }
    }
}

#[test]
fn sets_that_hold_each_other_twice_are_no_more_than_once() {
    for (s, t) in [("S, S", "T"), ("S, T, aN.com", "S, bN.com"), ("S, T, a*N.com", "S, b*N.com, 10.N.0.0/16")]
    {
        let text = chain(40, s, t);
        let loaded = load(&text);
        assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
        agrees(&loaded, &text);
    }
}

#[test]
fn sets_that_take_out_each_other_are_judged_or_refused() {
    let mut refused = 0;
    for (s, t) in [
        ("S, bN.com except S", "T"),
        ("S, aN.com except T", "S, bN.com"),
        ("S, aN.com, a*N.com except T", "S, b*N.com, 10.N.0.0/16 except S"),
        ("S:80, T, aN.com:443 except T:81", "S, b*N.com, 10.N.0.0/16 except S:443"),
        ("10.N.0.0/16, S, *.yN.com except T, 10.N.7.0/24", "S"),
    ] {
        for levels in [3, 6, 12, 60] {
            let text = chain(levels, s, t);
            let loaded = load(&text);
            let codes: Vec<&str> = loaded.diagnostics.iter().map(|one| one.code.0).collect();
            match codes.as_slice() {
                [] => agrees(&loaded, &text),
                ["RS0405"] => {
                    assert!(levels > 6, "{levels} levels of {s} are little\n{:#?}", loaded.diagnostics);
                    assert!(loaded.model.is_none());
                    refused += 1;
                }
                other => panic!("{other:?} of\n{text}"),
            }
        }
    }
    assert!(refused > 0);
}

#[test]
fn sets_too_deep_in_each_other_are_refused() {
    let mut text = String::from("set s0 { 10.0.0.0/8 }\n");
    for level in 1..50_000 {
        writeln!(text, "set s{level} {{ @s{} }}", level - 1).expect("room");
    }
    let loaded = load(&(text + "socks block b { to: @s49999 }\n"));
    let [one] = loaded.diagnostics.as_slice() else { panic!("{:#?}", loaded.diagnostics) };
    assert_eq!((one.code.0, one.message.as_str()), ("RS0405", "`@s65` holds sets more than 64 deep"));
}
