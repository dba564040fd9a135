//! What edits a policy never changes what it says: the formatter and the safe fixes, on random
//! policies in a small world where everything collides. And no lint claims what is not so.

#![expect(clippy::expect_used, reason = "what a test stands on is there, or the test fails")]

use proptest::prelude::*;
use proptest::sample::select;
use rustsocks_compiler::diagnostic::Safety;
use rustsocks_compiler::format::{FormatError, format};
use rustsocks_compiler::lint::{Options, run};
use rustsocks_compiler::model::{HostFacts, Model, Name, Stage, Timestamp, Verdict, canonical};
use rustsocks_compiler::oracle::{self, Facts, Truth};
use rustsocks_compiler::request::{Client, Command, Method, Principal, ProxyProtocol, Request, Target};
use rustsocks_compiler::{Answer, Loaded, fix, load};
use std::collections::BTreeMap;
use std::net::IpAddr;

const TO: [&str; 14] = [
    "10.0.0.0/8",
    "10.0.0.1",
    "10.0.0.0-10.0.0.9",
    "1.1.1.1",
    "@loopback",
    "@private",
    ".a.com",
    "*.a.com",
    "a.com",
    "b.a.com",
    "api.*.com",
    "literal",
    "@near",
    "10.0.0.1:22",
];
const FROM: [&str; 6] = ["10.0.0.0/8", "10.0.0.1", "@office", "0.0.0.0/0", "any", "192.168.0.0/16"];
const USERS: [&str; 5] = ["alice", "bob", "any", "none", "@oncall"];
const PORTS: [&str; 5] = ["22", "80", "443", "20-100", "@web"];
const TIMES: [&str; 3] = ["mon-fri 08:00-18:00", "sat,sun", "@work"];
const COMMENTS: [&str; 4] = ["# a word", "#", "# {", "#   two  words   "];

fn joined(values: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(select(values), 1..4).prop_map(|values| values.join(", "))
}

fn entry() -> impl Strategy<Value = (&'static str, String)> {
    prop_oneof![
        4 => joined(&TO).prop_map(|values| ("to", values)),
        1 => (joined(&TO), select(&TO[..])).prop_map(|(values, but)| ("to", format!("{values} except {but}"))),
        2 => joined(&FROM).prop_map(|values| ("from", values)),
        2 => joined(&PORTS).prop_map(|values| ("port", values)),
        2 => joined(&USERS).prop_map(|values| ("user", values)),
        1 => joined(&["connect", "bind", "udpassociate", "udpreply"]).prop_map(|values| ("command", values)),
        1 => joined(&["tcp", "udp"]).prop_map(|values| ("protocol", values)),
        1 => joined(&["password", "none"]).prop_map(|values| ("socksmethod", values)),
        1 => select(&TIMES[..]).prop_map(|value| ("time", value.to_owned())),
        1 => Just(("expires", "2001-01-01".to_owned())),
        1 => Just(("log", "connect, disconnect".to_owned())),
        1 => Just(("priority", "5".to_owned())),
    ]
}

/// Keys of a block, each at most once, with noise between them.
fn block(stage: &'static str) -> impl Strategy<Value = String> {
    let noise = prop_oneof![6 => Just("  ".to_owned()), 2 => Just("\n    ".to_owned()),
        1 => select(&COMMENTS[..]).prop_map(|comment| format!("  {comment}\n\n\n "))];
    let one = (entry(), prop::bool::weighted(0.15), noise);
    (prop::collection::vec(one, 0..4), prop::option::weighted(0.2, entry()), any::<bool>()).prop_map(
        move |(entries, except, open)| {
            let mut text = String::from(if open { "{\n" } else { "{ " });
            let mut seen: Vec<&str> = Vec::new();
            for ((key, values), not, noise) in entries {
                let known =
                    stage == "socks" || matches!(key, "from" | "time" | "expires" | "log" | "priority");
                let effect = matches!(key, "log" | "priority" | "expires");
                if !known || seen.contains(&key) {
                    continue;
                }
                seen.push(key);
                let not = if not && !effect { "not " } else { "" };
                text.push_str(&format!("{not}{key}: {values}{noise}"));
            }
            if let Some((key, values)) = except {
                let known = stage == "socks" || matches!(key, "from" | "time");
                if known && !matches!(key, "log" | "priority" | "expires") {
                    text.push_str(&format!("except {{ {key}: {values} }} "));
                }
            }
            text + "}"
        },
    )
}

fn rule() -> impl Strategy<Value = String> {
    let of = |stage: &'static str| {
        (select(&["pass", "block", "allow"][..]), prop::bool::weighted(0.3), block(stage))
            .prop_map(move |(verdict, named, block)| (stage, verdict, named, block))
    };
    prop_oneof![1 => of("client"), 4 => of("socks")].prop_map(|(stage, verdict, named, block)| {
        let name = if named { " NAME" } else { "" };
        format!("{stage} {verdict}{name} {block}")
    })
}

prop_compose! {
    fn policy()(
        rules in prop::collection::vec((rule(), prop::option::weighted(0.2, select(&COMMENTS[..]))), 1..7),
        default in select(&["", "default block\n", "default   pass\n"][..]),
    ) -> String {
        let mut text = format!("{default}set office {{10.0.0.0/8,192.168.0.0/16, 10.1.0.0/16}}\n\n\n\
            set near {{ .a.com,   10.0.0.0/30 except 10.0.0.2 }}\nset idle {{ 1.1.1.1 }} # idle\n\
            ports web {{ 80,443 }}\ngroup oncall {{ alice,bob }}\ntime work {{ mon-fri 09:00-17:00 }}\n");
        for (at, (rule, comment)) in rules.into_iter().enumerate() {
            if let Some(comment) = comment {
                text.push_str(comment);
                text.push('\n');
            }
            text.push_str(&rule.replace("NAME", &format!("r{at}")));
            text.push('\n');
        }
        text
    }
}

#[derive(Clone, Debug)]
struct Asked {
    from: IpAddr,
    user: Option<&'static str>,
    name: Option<Name>,
    address: IpAddr,
    port: u16,
    command: Command,
    time: Timestamp,
    spoken: ProxyProtocol,
}

fn ip() -> impl Strategy<Value = IpAddr> {
    select(&["10.0.0.1", "10.0.0.2", "10.1.2.3", "192.168.1.1", "1.1.1.1", "127.0.0.1", "::1", "2a00::1"][..])
        .prop_map(|text| text.parse().expect("an address"))
}

prop_compose! {
    fn asked()(
        from in ip(),
        user in prop::option::of(select(&["alice", "bob", "carol"][..])),
        name in prop::option::of(select(&["a.com", "b.a.com", "api.x.com", "evila.com"][..])),
        address in ip(),
        port in select(&[22_u16, 25, 80, 443][..]),
        command in select(&Command::ALL[..]),
        time in select(&[1_767_600_000_i64, 1_767_787_200, 1_768_046_400, 946_684_800][..]),
        spoken in select(&[ProxyProtocol::Socks5, ProxyProtocol::Http][..]),
    ) -> Asked {
        let spoken = if command == Command::Connect { spoken } else { ProxyProtocol::Socks5 };
        let name = name.map(|name| Name::parse(name).expect("a name"));
        Asked { from, user, name, address: canonical(address), port, command, time: Timestamp(time), spoken }
    }
}

impl Asked {
    fn put<T>(&self, question: impl FnOnce(&Request<'_>) -> T) -> T {
        let principal = Principal::new(self.user.map(Into::into), Vec::new());
        question(&Request {
            client: Client {
                address: self.from,
                listener: "main",
                time: self.time,
                method: Method::None,
                certificate: &[],
            },
            principal: &principal,
            method: if self.user.is_some() { Method::Password } else { Method::None },
            service: None,
            command: self.command,
            proxy_protocol: self.spoken,
            target: Target { name: self.name.as_ref(), address: Some(self.address), port: self.port },
        })
    }

    /// The verdicts of both stages.
    fn verdicts(&self, model: &Model) -> (Answer, Answer) {
        self.put(|request| {
            (oracle::admit(model, &request.client).answer(), oracle::decide(model, request).answer())
        })
    }
}

fn read(text: &str) -> Loaded {
    let files = BTreeMap::from([("a.policy".to_owned(), text.to_owned())]);
    load("a.policy", &files, &HostFacts::default(), None)
}

fn options() -> Options {
    Options { now: Some(Timestamp(1_767_787_200)), ..Options::default() }
}

/// Applies the safe fixes until nothing is left to fix.
fn fixed(text: &str) -> String {
    fixed_up_to(text, Safety::Safe)
}

fn fixed_up_to(text: &str, most: Safety) -> String {
    let mut text = text.to_owned();
    for _ in 0..16 {
        let loaded = read(&text);
        let found = run(&loaded, &options());
        let after = fix::apply(&loaded.sources, &found, most);
        match after.texts.into_values().next() {
            Some(next) => text = next,
            None => break,
        }
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_formatter_changes_nothing_and_is_a_fixed_point(text in policy()) {
        let once = match format(&text) {
            Ok(once) => once,
            Err(FormatError::Broken(found)) => return Err(TestCaseError::fail(format!("{text}\n{found:#?}"))),
            Err(FormatError::Unfaithful) => return Err(TestCaseError::fail(format!("not faithful:\n{text}"))),
        };
        let twice = format(&once).map_err(|error| TestCaseError::fail(format!("{once}\n{error:?}")))?;
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn safe_fixes_change_no_verdict(text in policy(), requests in prop::collection::vec(asked(), 40)) {
        let Some(before) = read(&text).model else { return Ok(()) };
        let new = fixed(&text);
        let after = read(&new);
        let Some(after) = after.model else {
            return Err(TestCaseError::fail(format!("{text}\n->\n{new}\n{:#?}", after.diagnostics)));
        };
        // What has expired before now may be taken away: it is asked of now and later.
        for asked in requests.iter().filter(|asked| asked.time.0 >= 1_767_787_200) {
            prop_assert_eq!(asked.verdicts(&before), asked.verdicts(&after), "{:?}\n{}\n->\n{}", asked, text, new);
        }
    }

    #[test]
    fn what_is_said_never_to_decide_never_does(text in policy(), requests in prop::collection::vec(asked(), 60)) {
        let loaded = read(&text);
        let Some(model) = &loaded.model else { return Ok(()) };
        let found = run(&loaded, &options());
        for (id, rule) in (0..).map(rustsocks_compiler::model::RuleId).zip(&model.rules) {
            let told: Vec<&str> = found
                .iter()
                .filter(|one| rule.span.start <= one.primary.span.start && one.primary.span.end <= rule.span.end)
                .map(|one| one.code.0)
                .collect();
            for asked in &requests {
                let (decider, matches, verdict) = asked.put(|request| {
                    let decision = match rule.stage {
                        Stage::Client => oracle::admit(model, &request.client),
                        Stage::Socks => oracle::decide(model, request),
                    };
                    let facts = match rule.stage {
                        Stage::Client => Facts::of_client(request.client),
                        Stage::Socks => Facts::from(request),
                    };
                    (decision.rule(), oracle::matches(model, rule, &facts), decision.answer())
                });
                let never = ["RS0201", "RS0202", "RS0203", "RS0205"].iter().any(|code| told.contains(code));
                prop_assert!(!(never && decider == Some(id)), "{:?} {:?} {:?}\n{}", told, rule.name, asked, text);
                if told.contains(&"RS0203") {
                    prop_assert!(matches != Truth::True || verdict == Answer::Block, "{:?}\n{}", asked, text);
                }
                if told.contains(&"RS0211") && matches == Truth::True {
                    let admitted = asked.put(|request| oracle::admit(model, &request.client).answer());
                    prop_assert_eq!(admitted, Answer::Block, "{:?}\n{}", asked, text);
                }
            }
        }
    }
}

/// A text, looked at as `check` does in the year 2026.
fn looked_at(text: &str) -> (Loaded, Vec<rustsocks_compiler::diagnostic::Diagnostic>) {
    let files: BTreeMap<String, String> = [("p.policy".to_owned(), text.to_owned())].into();
    let loaded = load("p.policy", &files, &HostFacts::default(), None);
    let found = run(&loaded, &Options { now: Some(Timestamp(1_790_000_000)), ..Options::default() });
    (loaded, found)
}

#[test]
fn nobody_reaches_what_the_client_stage_keeps_shut() {
    let claims = |text: &str| -> Vec<&str> {
        let codes = looked_at(text).1.into_iter().map(|one| one.code.0);
        codes.filter(|code| ["RS0301", "RS0302", "RS0312", "RS0313"].contains(code)).collect()
    };
    let shut = "client block q { from: any }\n";
    let narrow = "client pass lan { from: 10.0.0.0/8 }\n";
    assert_eq!(claims(&format!("{shut}socks pass b {{ to: any }}\n")), [""; 0]);
    assert_eq!(claims(&format!("{shut}socks pass b {{ to: x.com  port: 443 }}\n")), [""; 0]);
    assert_eq!(claims(&format!("{narrow}socks pass b {{ from: 192.168.0.1  to: any }}\n")), [""; 0]);
    assert_eq!(claims(&format!("{narrow}socks pass b {{ to: any }}\n")), ["RS0301", "RS0312"]);
    assert_eq!(claims(&format!("{narrow}socks pass b {{ to: x.com  port: 443 }}\n")), ["RS0313"]);
    let mut open = claims("default pass\n");
    open.sort_unstable();
    assert_eq!(open, ["RS0301", "RS0302"]);
    let guarded = "default pass\nsocks block inside { to: @loopback, @link-local, @metadata }\n";
    assert_eq!(claims(&format!("{narrow}{guarded}")), [""; 0]);
}

#[test]
fn safe_fixes_leave_a_policy_that_loads() {
    for text in [
        "socks pass a { from: 10.0.0.0/8  to: 10.0.0.1 port gt 1023 }\n",
        "socks pass a { from: 10.0.0.0/8  to: 10.0.0.1 port<=1023 }\n",
        "socks pass a { from: 10.0.0.0/8  to: 10.0.0.1 port != 25 }\n",
        "socks pass old { to: 10.0.0.2  expires: 2020-01-01 }\nsocks pass b { from: 10.0.0.0/8  to: 10.0.0.1 }\n\
         test \"t\" { pass old { to: 10.0.0.2  time: \"2019-01-01 09:00\" } }\n",
        "socks block b { to: \u{445}.com }\n",
    ] {
        let (loaded, mut found) = looked_at(text);
        // What the formatter writes is not asked here, only what the fixes of other lints write.
        found.retain(|one| one.code.0 != "RS0504");
        let fixed = fix::apply(&loaded.sources, &found, Safety::Safe);
        for text in fixed.texts.values() {
            assert!(!text.contains("\u{445}") || !text.contains("x.com"), "{text}");
            assert!(looked_at(text).0.model.is_some(), "{text}");
        }
        if text.contains("old") || text.contains('\u{445}') {
            assert!(fixed.texts.is_empty(), "{fixed:?}");
        }
    }
}

#[test]
fn no_fix_opens_a_stage_that_a_rule_closes() {
    let socks = "socks pass rest { from: any  to: 9.9.9.9  port: 53 }\n";
    let ended = "expires: 2001-01-31";
    for (doors, left) in [
        (format!("client pass a {{ from: 10.0.0.0/8  {ended} }}\n"), 1),
        (
            format!(
                "client pass a {{ from: 10.0.0.0/8  {ended} }}\nclient pass b {{ from: any  {ended} }}\n"
            ),
            2,
        ),
        // Covered by a rule that has expired itself: one of the two must stay.
        (
            format!(
                "client pass a {{ from: 10.0.0.1  {ended} }}\nclient pass b {{ from: 10.0.0.0/8  {ended} }}\n"
            ),
            2,
        ),
        (format!("client block a {{ from: 10.0.0.0/8  {ended} }}\n"), 1),
        (format!("client pass a {{ from: 10.0.0.0/8  {ended} }}\nclient block b {{ from: 10.0.0.1 }}\n"), 2),
        // Where another stays, it may go.
        (
            format!("client pass a {{ from: 10.0.0.0/8  {ended} }}\nclient pass b {{ from: 10.1.0.0/16 }}\n"),
            1,
        ),
        ("client pass a { from: 10.0.0.1 }\nclient pass b { from: 10.0.0.0/8 }\n".to_owned(), 1),
    ] {
        let text = format!("{doors}{socks}");
        let new = fixed_up_to(&text, Safety::Unsafe);
        let model = read(&new).model.expect("a policy");
        assert_eq!(model.stage(Stage::Client).count(), left, "{text}->\n{new}");
        assert_eq!(model.default_of(Stage::Client), Verdict::Block, "{text}->\n{new}");
    }
    // The default of the stage is said: nothing hangs on the rule.
    let text = format!("default {{ client: block }}\nclient pass a {{ from: 10.0.0.0/8  {ended} }}\n{socks}");
    let model = read(&fixed_up_to(&text, Safety::Unsafe)).model.expect("a policy");
    assert_eq!((model.stage(Stage::Client).count(), model.default_of(Stage::Client)), (0, Verdict::Block));
    // Replies pass without a rule, unless a pass rule names them.
    let text =
        format!("{socks}socks pass reply {{ from: 10.0.0.1  to: any  command: bindreply  {ended} }}\n");
    let model = read(&fixed_up_to(&text, Safety::Unsafe)).model.expect("a policy");
    assert_eq!(oracle::default_for(&model, Command::BindReply), Verdict::Block);
}
