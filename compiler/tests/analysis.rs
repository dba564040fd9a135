//! The analysis against the oracle: no false claim, ever.

#![expect(
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops at what is unexpected"
)]

use proptest::prelude::*;
use rustsocks_compiler::analysis::{self, Analysis, Change, Never, Proof, Reach};
use rustsocks_compiler::model::{
    Host, HostFacts, InvariantKind, Model, Name, RuleId, SampleRequest, Stage, Timestamp, Verdict,
};
use rustsocks_compiler::oracle::{self, Facts, Truth};
use rustsocks_compiler::request::{Command, Method, MethodSpec, ProxyProtocol};
use rustsocks_compiler::sample::Sample;
use rustsocks_compiler::{Answer, Policy, load};
use std::collections::BTreeMap;
use std::sync::Arc;

const HEAD: &str = r#"policy 1
set mixed { .b.test, 10.2.0.0/16 except 10.2.3.0/24, deep.b.test }
set nets { 10.0.0.0/8, 192.168.0.0/16, 2001:db8::/32 }
group crew { alice, carol }
time work { mon-fri 08:00-18:00  zone: "Europe/Warsaw" }
"#;

fn policy(text: &str) -> Arc<Model> {
    let loader = BTreeMap::from([("p.policy".to_owned(), format!("{HEAD}{text}"))]);
    let loaded = load("p.policy", &loader, &HostFacts::default(), None);
    loaded.model.unwrap_or_else(|| panic!("{text}\n{:?}", loaded.diagnostics))
}

const TERMS: &[(&str, &[&str])] = &[
    (
        "from",
        &[
            "10.0.0.0/8",
            "10.1.0.0/16",
            "any4",
            "192.168.0.5",
            "any except 10.0.0.0/8",
            "@nets",
            "2001:db8::1",
        ],
    ),
    (
        "to",
        &[
            "a.test",
            "*.a.test",
            ".b.test",
            "x*.b.test",
            r"/w[0-9]+\.b\.test/",
            "10.0.0.0/8",
            "10.1.2.3",
            "@private",
            "@mixed",
            "literal",
            "name",
            "a.test:80, 10.9.9.9:443",
            "any",
            "@mixed except *.b.test",
            "any except @private",
            "any6",
            "name except .a.test",
            "@internet, .b.test except x1.b.test, 10.0.0.0/9",
        ],
    ),
    ("port", &["80", "443", "1-1000", "22, 443"]),
    ("user", &["alice", "alice, bob", "@crew", "any", "none"]),
    ("group", &["crew", "sys1", "sys1, sys2", "crew, sys2"]),
    ("command", &["connect", "udpassociate", "bind, connect", "udpreply", "connect, udpreply"]),
    ("protocol", &["tcp", "udp"]),
    ("proxyprotocol", &["socks5", "socks4, http"]),
    ("socksmethod", &["none", "password", "pam.username(x)", "pam.username, none"]),
    ("listen", &["main", "lan"]),
    ("cert", &[r#""alice.*""#, r#""*.corp", "bob""#]),
    ("time", &["@work", r#"sat sun 22:00-06:00"#]),
    ("expires", &["2027-01-31", "2026-06-01"]),
];

#[derive(Clone, Debug)]
struct Conds(Vec<(usize, usize, bool)>);

impl Conds {
    fn text(&self, keys: &[usize]) -> String {
        let mut said = std::collections::BTreeSet::new();
        let mut text = String::new();
        for &(key, value, negated) in &self.0 {
            let (key, values) = TERMS[keys[key % keys.len()]];
            if said.insert(key) {
                let not = if negated { "not " } else { "" };
                text += &format!("\n  {not}{key}: {}", values[value % values.len()]);
            }
        }
        text
    }
}

fn conds(most: usize) -> impl Strategy<Value = Conds> {
    prop::collection::vec((0..100_usize, 0..100_usize, prop::bool::weighted(0.2)), 0..=most).prop_map(Conds)
}

#[derive(Clone, Debug)]
struct RuleText {
    pass: bool,
    when: Conds,
    except: Option<Conds>,
    priority: i16,
    log: bool,
}

fn rule() -> impl Strategy<Value = RuleText> {
    (prop::bool::weighted(0.65), conds(3), prop::option::weighted(0.25, conds(2)), -1..2_i16, any::<bool>())
        .prop_map(|(pass, when, except, priority, log)| RuleText { pass, when, except, priority, log })
}

impl RuleText {
    fn text(&self, keys: &[usize]) -> String {
        let verdict = if self.pass { "pass" } else { "block" };
        let except = self.except.as_ref().map(|when| when.text(keys)).filter(|text| !text.is_empty());
        let except = except.map(|text| format!("  except {{ {text} }}")).unwrap_or_default();
        let priority =
            if self.priority == 0 { String::new() } else { format!("  priority: {}", self.priority) };
        let log = if self.log { "  log: connect" } else { "" };
        format!("socks {verdict} {{ {}{priority}{log}{except} }}\n", self.when.text(keys))
    }
}

/// What a policy may list: half of the policies list all there are.
fn methods() -> impl Strategy<Value = &'static str> {
    prop::sample::select(
        &[
            "",
            "socksmethod: password, none\n",
            "socksmethod: pam.username(x)\n",
            "socksmethod: none, pam.address, password, pam.username, pam.username(x), pam.username(y)\n",
            "socksmethod: none, pam.address, password, pam.username, pam.username(x), pam.username(y)\n",
            "socksmethod: none, pam.address, password, pam.username, pam.username(x), pam.username(y)\n",
        ][..],
    )
}

fn offers(model: &Model, sample: &Sample) -> bool {
    model.socks_methods().contains(&sample.method)
}

fn keys() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        3 => prop::sample::subsequence((0..TERMS.len()).collect::<Vec<_>>(), 2..=4),
        1 => Just((0..TERMS.len()).collect::<Vec<_>>()),
        1 => Just(vec![1, 2, 3]),
    ]
}

#[derive(Clone, Debug)]
struct Draw([usize; 13]);

/// Requests from a seed: there are so many that they are not worth shrinking.
fn draws(mut seed: u64) -> impl Iterator<Item = Draw> {
    let mut next = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 40).expect("24 bits")
    };
    (0..200).map(move |_| Draw(std::array::from_fn(|_| next())))
}

fn pick<T: Copy>(from: &[T], at: usize) -> T {
    from[at % from.len()]
}

impl Draw {
    fn sample(&self, model: &Model) -> Sample {
        let [from, name, address, port, user, groups, kind, method, listener, cert, time, client, _] = self.0;
        let ip = |text: &str| text.parse().expect("an address");
        let froms =
            ["10.0.0.1", "10.1.0.1", "192.168.0.5", "8.8.8.8", "2001:db8::1", "2001:db8::2", "127.0.0.1"];
        let names = [
            "",
            "",
            "a.test",
            "x.a.test",
            "b.test",
            "deep.b.test",
            "x1.b.test",
            "w1.b.test",
            "xw1.b.test",
            "q.w1.b.test",
            "other.org",
            "y.x1.b.test",
            "xa.test",
        ];
        let addresses = [
            "10.1.2.3",
            "10.9.9.9",
            "10.2.3.4",
            "10.2.9.9",
            "10.200.0.1",
            "192.168.9.9",
            "93.184.216.34",
            "2606:4700::1",
            "127.0.0.1",
            "fd00::1",
        ];
        let kinds = [
            (Command::Connect, ProxyProtocol::Socks5),
            (Command::Connect, ProxyProtocol::Http),
            (Command::Bind, ProxyProtocol::Socks4),
            (Command::UdpAssociate, ProxyProtocol::Socks5),
            (Command::UdpReply, ProxyProtocol::Socks5),
            (Command::BindReply, ProxyProtocol::Socks5),
        ];
        let with_user = [
            (Method::Password, None),
            (Method::PamUsername, None),
            (Method::PamUsername, Some("x")),
            (Method::PamUsername, Some("y")),
        ];
        let without = [(Method::None, None), (Method::PamAddress, None)];
        let user = pick(&["", "alice", "bob", "carol", "dave"], user);
        let (kind, name) = (pick(&kinds, kind), pick(&names, name));
        let (method, service) =
            if user.is_empty() { pick(&without, method) } else { pick(&with_user, method) };
        let groups = pick(&[&[][..], &["sys1"], &["sys2"], &["sys1", "sys2"]], groups);
        let address = ip(pick(&addresses, address));
        let certs = [&[][..], &["alice.x"], &["bob"], &["alice.corp"], &["zed", "q.corp"]];
        let request = SampleRequest {
            user: (!user.is_empty()).then(|| user.into()),
            groups: if user.is_empty() {
                Vec::new()
            } else {
                groups.iter().map(|&group| group.into()).collect()
            },
            from: Some(ip(pick(&froms, from))),
            to: Some(match name {
                "" => Host::Address(address),
                name => Host::Name(Name::parse(name).expect("a name")),
            }),
            resolves: vec![address],
            port: Some(pick(&[80, 443, 22, 9999], port)),
            command: Some(kind.0),
            method: Some(MethodSpec { method, service: service.map(Into::into) }),
            client_method: None,
            proxy_protocol: Some(kind.1),
            listener: Some(pick(&["main", "lan", "dmz"], listener).into()),
            certificate: pick(&certs, cert).iter().map(|&name| name.into()).collect(),
            // Wednesday noon, Monday 06:30 UTC, Saturday 23:00, in winter and summer, and later years.
            time: Some(Timestamp(pick(
                &[1_767_787_200, 1_767_594_600, 1_768_086_000, 1_783_319_400, 1_798_000_000, 1_830_000_000],
                time,
            ))),
        };
        let mut sample = Sample::new(model, &request);
        sample.client_method = pick(&[Method::None, Method::PamAddress, Method::Certificate], client);
        sample
    }
}

fn decided(model: &Model, sample: &Sample) -> (Verdict, Option<RuleId>) {
    let decision = oracle::decide(model, &sample.request(sample.addresses.first().copied()));
    let verdict = match decision.answer() {
        Answer::Pass => Verdict::Pass,
        Answer::Block => Verdict::Block,
        Answer::NeedsAddress => panic!("there is an address"),
    };
    (verdict, decision.rule())
}

fn matches(model: &Model, id: RuleId, sample: &Sample) -> bool {
    let request = sample.request(sample.addresses.first().copied());
    oracle::matches(model, &model.rules[id.0 as usize], &Facts::from(&request)) == Truth::True
}

fn without(model: &Model, id: RuleId) -> Model {
    let mut other = model.clone();
    other.rules.remove(id.0 as usize);
    other
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reachability_makes_no_false_claim(
        keys in keys(),
        rules in prop::collection::vec(rule(), 1..7),
        default in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let mut text = if default { "default pass\n".to_owned() } else { String::new() };
        rules.iter().for_each(|rule| text += &rule.text(&keys));
        let model = policy(&text);
        let analysis = Analysis::new(&model);
        let reach = analysis.reach();
        let samples: Vec<Sample> = draws(seed).map(|draw| draw.sample(&model)).collect();
        for (id, reach) in (0..).map(RuleId).zip(&reach) {
            match reach {
                Reach::Undecided => prop_assert!(false, "undecided\n{text}"),
                Reach::Decides(spot) => {
                    let witness = analysis.witness(spot);
                    prop_assert!(witness.is_some(), "{id:?} {spot:?}\n{text}");
                }
                Reach::Never(why) => {
                    let by: &[RuleId] = match why {
                        Never::Empty => &[],
                        Never::Redundant { by, example } | Never::Shadowed { by, example } => {
                            let witness = analysis.witness(example).expect("a witness");
                            prop_assert!(matches(&model, id, &witness.sample(&model)), "{text}");
                            by
                        }
                    };
                    for sample in samples.iter().filter(|sample| matches(&model, id, sample)) {
                        prop_assert!(by.iter().any(|&by| matches(&model, by, sample)), "{id:?} {why:?} {sample:?}\n{text}");
                    }
                    if let Never::Shadowed { by, .. } = why {
                        prop_assert!(by.iter().all(|by| model.rules[by.0 as usize].verdict == Verdict::Block));
                    }
                }
            }
        }
        for sample in &samples {
            if let (_, Some(id)) = decided(&model, sample) {
                prop_assert!(matches!(reach[id.0 as usize], Reach::Decides(_)), "{id:?} {sample:?}\n{text}");
            }
        }
        for id in (0..).map(RuleId).take(model.rules.len()) {
            let other = without(&model, id);
            match analysis.change(id) {
                Change::Undecided => prop_assert!(false, "undecided\n{text}"),
                Change::Changes(spot) => {
                    let sample = analysis.witness(&spot).expect("a witness").sample(&model);
                    prop_assert_ne!(decided(&model, &sample).0, decided(&other, &sample).0, "{:?}\n{}", id, text);
                }
                Change::Nothing { .. } => {
                    for sample in &samples {
                        prop_assert_eq!(decided(&model, sample).0, decided(&other, sample).0, "{:?}\n{}", id, text);
                    }
                }
            }
        }
        for overlap in analysis.overlaps() {
            let sample = analysis.witness(&overlap.example).expect("a witness").sample(&model);
            prop_assert!(matches(&model, overlap.loser, &sample) && decided(&model, &sample).1 == Some(overlap.winner));
        }
    }

    #[test]
    fn a_difference_is_found_and_each_is_one(
        keys in keys(),
        rules in prop::collection::vec((rule(), 0..4_u8), 1..7),
        defaults in (any::<bool>(), any::<bool>()),
        listed in (methods(), methods(), any::<bool>()),
        seed in any::<u64>(),
    ) {
        let text = |keep: &dyn Fn(u8) -> bool, default| {
            let mut text = if default { "default pass\n".to_owned() } else { String::new() };
            rules.iter().filter(|(_, side)| keep(*side)).for_each(|(rule, _)| text += &rule.text(&keys));
            text
        };
        // Most rules are in both.
        let (old_text, new_text) = (text(&|side| side != 0, defaults.0), text(&|side| side != 1, defaults.1));
        let (old_methods, new_methods, same_methods) = listed;
        let new_methods = if same_methods { old_methods } else { new_methods };
        let (old_text, new_text) = (format!("{old_methods}{old_text}"), format!("{new_methods}{new_text}"));
        let (old, new) = (policy(&old_text), policy(&new_text));
        let diff = analysis::diff(&Policy::compile(old.clone()), &Policy::compile(new.clone()));
        prop_assert!(diff.complete, "{old_text}\n--\n{new_text}");
        for one in &diff.differences {
            let sample = one.witness.sample(&new);
            let (was, is) = (decided(&old, &sample), decided(&new, &sample));
            prop_assert!(was.0 != is.0 && was.1 == one.old && is == (one.verdict, one.new));
            prop_assert!(offers(&old, &sample) || offers(&new, &sample), "{sample:?}\n{old_text}\n--\n{new_text}");
        }
        let samples = draws(seed).map(|draw| draw.sample(&old));
        for sample in samples.filter(|sample| offers(&old, sample) || offers(&new, sample)) {
            let (was, is) = (decided(&old, &sample), decided(&new, &sample));
            let found = diff.differences.iter().any(|one| one.old == was.1 && one.new == is.1);
            prop_assert!(was.0 == is.0 || found, "{sample:?}\n{old_text}\n--\n{new_text}");
        }
    }

    #[test]
    fn a_promise_is_proved_or_broken(
        keys in keys(),
        rules in prop::collection::vec(rule(), 1..6),
        promise in (any::<bool>(), any::<bool>(), conds(3), prop::option::weighted(0.3, conds(2))),
        client in prop::option::of((any::<bool>(), 0..100_usize)),
        listed in methods(),
        seed in any::<u64>(),
    ) {
        let mut text = listed.to_owned();
        rules.iter().for_each(|rule| text += &rule.text(&keys));
        if let Some((pass, value)) = client {
            let values = TERMS[0].1;
            let verdict = if pass { "pass" } else { "block" };
            text += &format!("client {verdict} {{ from: {} }}\n", values[value % values.len()]);
            text += "client pass { clientmethod: pam.address, certificate }\n";
        }
        let kind = if promise.0 { "never" } else { "always" };
        let verdict = if promise.1 { "pass" } else { "block" };
        let except = promise.3.map(|when| when.text(&keys)).filter(|text| !text.is_empty());
        let except = except.map(|text| format!("  except {{ {text} }}")).unwrap_or_default();
        text += &format!("{kind} {verdict} {{ {} {except} }}\n", promise.2.text(&keys));
        let model = policy(&text);
        let invariant = &model.invariants[0];
        let proof = analysis::prove(&model, invariant);
        let reachable = analysis::can_reach(&model, &invariant.when);
        prop_assert!(reachable.complete);
        let broken = |sample: &Sample| {
            let request = sample.request(sample.addresses.first().copied());
            let holds = |when: &_| oracle::conditions(&model, when, &Facts::from(&request)) == Truth::True;
            let named = |command: Command| !command.is_reply() || oracle::names_command(&invariant.when, command);
            let admitted = oracle::admit(&model, &sample.client()).answer() == Answer::Pass;
            let meant = holds(&invariant.when) && named(sample.command) && admitted;
            let got = decided(&model, sample);
            let excepted = invariant.except.iter().any(holds);
            let wrong = (got.0 == invariant.verdict) == (invariant.kind == InvariantKind::Never);
            (meant && !excepted && wrong, meant && got.0 == Verdict::Pass, got.1)
        };
        for sample in draws(seed).map(|draw| draw.sample(&model)) {
            let (broken, passed, rule) = broken(&sample);
            prop_assert!(!broken || matches!(proof, Proof::Violated(_)), "{sample:?}\n{text}");
            let passed = passed && offers(&model, &sample);
            prop_assert!(!passed || reachable.passes.iter().any(|one| one.rule == rule), "{sample:?}\n{text}");
        }
        match &proof {
            Proof::Holds => {}
            Proof::Undecided => prop_assert!(false, "undecided\n{text}"),
            Proof::Violated(witness) => prop_assert!(broken(&witness.sample(&model)).0, "{witness:?}\n{text}"),
        }
        for one in &reachable.passes {
            let sample = one.witness.sample(&model);
            prop_assert!(broken(&sample).1 && offers(&model, &sample), "{one:?}\n{text}");
        }
    }
}

#[test]
fn a_rule_of_the_client_stage_is_judged_among_its_own() {
    let model = policy(
        "client block { from: 10.0.0.0/8 }\nclient pass { from: 10.1.0.0/16 }\nclient pass { from: @nets }\n",
    );
    let reach = analysis::reach(&model);
    assert!(matches!(&reach[0], Reach::Decides(_)));
    assert!(matches!(&reach[1], Reach::Never(Never::Shadowed { by, .. }) if by == &[RuleId(0)]));
    assert!(matches!(&reach[2], Reach::Decides(_)));
    assert!(model.stage(Stage::Client).count() == 3);
}

#[test]
fn a_union_covers_and_only_what_is_needed_is_named() {
    let model = policy(
        "socks block low { port: 0-1023 }\nsocks block web { port: 80, 443 }\nsocks block high { port: 1024-65535 }\n\
         socks pass all { to: any }\nsocks block { port: 22 }\nsocks block none { port: 80\n not port: 1-100 }\n",
    );
    let reach = analysis::reach(&model);
    assert!(matches!(&reach[1], Reach::Never(Never::Redundant { by, .. }) if by == &[RuleId(0)]));
    assert!(matches!(&reach[3], Reach::Never(Never::Shadowed { by, .. }) if by == &[RuleId(0), RuleId(2)]));
    assert!(matches!(&reach[4], Reach::Never(Never::Redundant { by, .. }) if by == &[RuleId(0)]));
    assert!(matches!(&reach[5], Reach::Never(Never::Empty)), "{:?}", reach[5]);
}

#[test]
fn wildcards_and_regexes_are_exact() {
    let model = policy(
        "socks block digits { to: /[0-9]+\\.shop\\.test/ }\nsocks block rest { to: /[a-z_-][a-z0-9_-]*\\.shop\\.test/ }\n\
         socks pass one { to: *1.shop.test }\nsocks pass 2 { to: api.*.test }\nsocks pass inner { to: /[0-9]{2}\\.shop\\.test/ }\n",
    );
    let reach = analysis::reach(&model);
    // `1a1.shop.test` begins with a digit and is no number.
    assert!(matches!(&reach[2], Reach::Decides(_)), "{:?}", reach[2]);
    assert!(matches!(&reach[3], Reach::Decides(_)));
    assert!(matches!(&reach[4], Reach::Never(Never::Shadowed { by, .. }) if by == &[RuleId(0)]));
}

/// A few in each run; more with `PROPTEST_CASES`.
fn cases() -> u32 {
    ProptestConfig::default().cases / 6
}

#[test]
fn a_difference_is_one_of_clients_that_are_let_in() {
    let door = "client pass { from: 10.0.0.0/8 }\n";
    let rule = "socks pass { from: 11.0.0.0/8  to: 9.9.9.9 }\n";
    let of = |old: &str, new: &str| {
        let compiled = |text: &str| Policy::compile(policy(text));
        analysis::diff(&compiled(old), &compiled(new))
    };
    assert!(of(&format!("{door}{rule}"), door).is_same());
    let opened = of(&format!("{door}{rule}"), rule);
    assert!(opened.complete && opened.differences.iter().any(|one| one.stage == Stage::Client));
    let strict = of("default pass\n", "default pass\nresolve: strict\n");
    assert!(!strict.is_same() && strict.settings == ["resolve"]);
}

fn compiled(text: &str) -> Policy {
    Policy::compile(policy(text))
}

#[test]
fn a_method_without_a_service_is_offered_with_any() {
    let old = "socksmethod: pam.username\n";
    let new =
        format!("{old}socks pass admin {{ socksmethod: pam.username(rustsocks)  to: any  port: 22 }}\n");
    let diff = analysis::diff(&compiled(old), &compiled(&new));
    assert!(diff.complete && diff.differences.len() == 1, "{diff:?}");
    let model = policy(&format!("{new}never pass {{ port: 22 }}\n"));
    let reachable = analysis::can_reach(&model, &model.invariants[0].when);
    assert_eq!(reachable.passes.len(), 1);
}

#[test]
fn a_witness_says_its_method_where_one_of_the_policies_would_take_another() {
    let of = |methods: &str, rule: &str| {
        compiled(&format!("socksmethod: {methods}\nsocks pass p {{ socksmethod: {rule}  to: a.test }}\n"))
    };
    let diff = analysis::diff(&of("password", "password"), &of("certificate", "certificate, password"));
    assert!(!diff.differences.is_empty());
    for one in &diff.differences {
        assert!(one.witness.arguments().contains("--method certificate"), "{}", one.witness.arguments());
    }
}

/// What `p` of a policy passes, in the words of the language.
fn area_of_p(text: &str) -> String {
    let model = policy(&format!("socksmethod: password, none\n{text}\nnever pass {{ port: 443 }}\n"));
    let reachable = analysis::can_reach(&model, &model.invariants[0].when);
    let ways = reachable.passes.iter().flat_map(|passed| &passed.area.ways);
    ways.map(|way| analysis::Area::line(way)).collect::<Vec<_>>().join(" or ")
}

#[test]
fn a_region_is_no_smaller_in_words_than_it_is() {
    assert_eq!(area_of_p("socks pass p { not user: @crew  port: 443 }"), "user: any, none except @crew");
    assert_eq!(area_of_p("socks pass p { to: api.*.com, c.org  port: 443 }"), "to: api.*.com, c.org");
    let regex = area_of_p("socks pass p { to: c.org, /[a-z]+\\.evil\\.com/  port: 443 }");
    assert!(regex.contains("evil\\.com") && regex.contains("c.org"), "{regex}");
    let part = area_of_p("socks pass p { to: w*.x.com except w1*.x.com, c.org  port: 443 }");
    assert!(part.contains("such as"), "{part}");
}
