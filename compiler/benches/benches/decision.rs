//! One decision: the tree, the naive scan and Cedar on the same rules and the same requests.
//! `cargo bench --bench decision`; `RULES=100,1000` chooses sizes.

use cedar_policy::{Authorizer, Context, Entities, Entity, EntityUid, PolicySet, RestrictedExpression};
use rustsocks_benches::requests::{Asked, requests};
use rustsocks_benches::rules::{groups_of, policy, rules, users};
use rustsocks_benches::{Dice, Times, cedar, model};
use rustsocks_compiler::{Policy, oracle};
use std::collections::HashSet;
use std::str::FromStr;
use std::sync::Arc;

fn main() {
    let sizes = std::env::var("RULES").unwrap_or_else(|_| "100,1000,10000,100000".into());
    println!("nanoseconds per decision          p50       p99     p99.9");
    for size in sizes.split(',').filter_map(|size| size.parse().ok()) {
        measure(size);
    }
}

fn measure(size: usize) {
    let mut dice = Dice(size as u64);
    let rules = rules(size, &mut dice);
    let policy = Policy::compile(model(&policy(&rules)));
    let all = requests(&policy, &rules, 200_000, &mut dice);
    let touch = |asked: &Asked| _ = std::hint::black_box(asked.touch());
    let tree = Times::of(&all, touch, |asked| policy.decide(&asked.request()).answer());
    println!("{size:>7} rules  tree      {}", tree.columns());
    let tree = Times::best_of(&all, touch, |asked| policy.decide(&asked.request()).answer());
    println!("{size:>7} rules    best of 3 {}", tree.columns());
    let few = (2_000_000 / size).clamp(20, 5_000);
    let naive =
        Times::of(&all[..few], touch, |asked| oracle::decide(policy.model(), &asked.request()).answer());
    println!("{size:>7} rules  naive     {}", naive.columns());
    if size > 10_000 {
        return;
    }
    let whole: Vec<&Asked> = all.iter().filter(|asked| asked.address.is_some()).take(few).collect();
    println!("{size:>7} rules  cedar     {}", in_cedar(&rules, size, &whole).columns());
}

/// Requests are built before the clock starts; Cedar is asked of requests with an address, since
/// it has no word for "it depends".
fn in_cedar(rules: &[rustsocks_benches::rules::Rule], size: usize, asked: &[&Asked]) -> Times {
    let policies = PolicySet::from_str(&cedar::policies(rules)).expect("a policy set");
    let uid = |kind: &str, name: String| EntityUid::from_str(&format!("{kind}::\"{name}\"")).expect("a uid");
    let entities = (0..users(size)).map(|user| {
        let groups: HashSet<EntityUid> =
            groups_of(user, size).into_iter().map(|group| uid("Group", format!("g{group}"))).collect();
        Entity::new_no_attrs(uid("User", format!("u{user}")), groups)
    });
    let entities = Entities::from_entities(entities, None).expect("entities");
    let ip = |address: Option<std::net::IpAddr>| {
        RestrictedExpression::new_ip(address.map_or_else(|| "0.0.0.0".into(), |address| address.to_string()))
    };
    let requests: Vec<cedar_policy::Request> = asked
        .iter()
        .map(|asked| {
            let name = asked.name.as_ref().map_or(String::new(), ToString::to_string);
            let context = Context::from_pairs([
                ("name".to_owned(), RestrictedExpression::new_string(name)),
                ("address".to_owned(), ip(asked.address)),
                ("from".to_owned(), ip(Some(asked.from))),
                ("port".to_owned(), RestrictedExpression::new_long(asked.port.into())),
            ]);
            let user = uid("User", format!("u{}", asked.user));
            let (action, host) = (uid("Action", "connect".into()), uid("Host", "any".into()));
            cedar_policy::Request::new(user, action, host, context.expect("a context"), None)
                .expect("a request")
        })
        .collect();
    let authorizer = Authorizer::new();
    let times = Times::of(
        &requests,
        |_| (),
        |request| authorizer.is_authorized(request, &policies, &entities).decision(),
    );
    let mut differ = 0;
    let policy = Arc::new(Policy::compile(model(&policy(rules))));
    for (asked, request) in asked.iter().zip(&requests).take(200) {
        let ours = policy.decide(&asked.request()).answer() == rustsocks_compiler::Answer::Pass;
        let theirs = authorizer.is_authorized(request, &policies, &entities).decision()
            == cedar_policy::Decision::Allow;
        differ += usize::from(ours != theirs);
    }
    assert_eq!(differ, 0, "both say the same");
    times
}
