//! Random policies and requests in a small world, so that they collide all the time.

use proptest::prelude::*;
use proptest::sample::select;
use rustsocks_compiler::list::List;
use rustsocks_compiler::model::{
    AddressRange, Builtin, Conditions, Defaults, Group, HostFacts, Model, Name, NamePattern, NamedSet,
    PortRange, PortSet, Reply, Rule, SetBody, SetExpr, SetId, SetItem, SetItemKind, Stage, Term, Test,
    TextPattern, Timestamp, UserItem, Verdict, Window, Zone,
};
use rustsocks_compiler::request::{
    Client, Command, Method, MethodSpec, Principal, Protocol, ProxyProtocol, Request, Target,
};
use rustsocks_compiler::source::{FileId, Span};
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

pub const NAMES: [&str; 12] = [
    "com",
    "a.com",
    "b.a.com",
    "c.b.a.com",
    "evila.com",
    "api.x.com",
    "api.y.x.com",
    "web-1.a.com",
    "web-2.org",
    "x.org",
    "ads7.net",
    "q.ads7.net",
];
const GLOBS: [&str; 6] = ["api.*.com", "web-*.a.com", "*.web-*.org", "*s7.net", "*", "*.*.com"];
const REGEXES: [&str; 5] =
    ["^(?:ads[0-9]+\\..*)$", "^(?:.*a.*)$", "^(?:WEB-\\d\\.[a-z.]+)$", "org", "^(?:com)$"];
pub const ADDRESSES: [&str; 14] = [
    "10.0.0.0",
    "10.0.0.1",
    "10.0.0.2",
    "10.0.0.5",
    "10.0.1.0",
    "10.255.255.255",
    "127.0.0.1",
    "169.254.169.254",
    "1.1.1.1",
    "203.0.113.9",
    "255.255.255.255",
    "::1",
    "2001:db8::7",
    "2a00::1",
];
const RANGES: [&str; 12] = [
    "10.0.0.0/8",
    "10.0.0.0/30",
    "10.0.0.1/32",
    "10.0.0.2/31",
    "10.0.0.0/16",
    "0.0.0.0/0",
    "::/0",
    "2001:db8::/32",
    "::1/128",
    "1.1.1.1/32",
    "128.0.0.0/1",
    "2000::/3",
];
pub const USERS: [&str; 5] = ["alice", "bob", "carol", "dave", "@oncall"];
pub const GROUPS: [&str; 5] = ["oncall", "web", "staff", "wheel", "empty"];
pub const LISTENERS: [&str; 3] = ["main", "tls", "other"];
pub const SERVICES: [&str; 2] = ["sshd", "proxy"];
pub const PORTS: [u16; 8] = [0, 22, 25, 80, 443, 8000, 8999, 65535];
pub const CERTS: [&str; 4] = ["alice@example.com", "CN=Bob", "STRAẞE.example", "x"];
pub const TIMES: [i64; 5] = [1_767_600_000, 1_767_623_400, 1_783_324_800, 1_767_999_999, 0];

pub fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

pub fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn nowhere() -> Span {
    Span { file: FileId(0), start: 0, end: 0 }
}

/// A list that is too long to be taken apart, with lines that collide.
static LONG: LazyLock<Arc<List>> = LazyLock::new(|| {
    let mut text = String::from("10.0.0.2\n.a.com\nx.org # exact\n*.org\n2001:db8::/33\n10.0.0.4-10.0.0.6\n");
    for number in 0..5000 {
        text.push_str(&format!("filler{number}.example\n"));
    }
    Arc::new(List::scan("long.txt", text.as_bytes()).list)
});
static SHORT: LazyLock<Arc<List>> = LazyLock::new(|| {
    let text = "10.0.0.0/31\nb.a.com\n*.x.com\n||ads7.net^\n0.0.0.0 web-2.org\n";
    Arc::new(List::scan("short.txt", text.as_bytes()).list)
});
/// Names alone: the address of a name need not be known.
static NAMES_ONLY: LazyLock<Arc<List>> = LazyLock::new(|| {
    let mut text = String::from("*.com\nads7.net\n");
    for number in 0..5000 {
        text.push_str(&format!("filler{number}.example\n"));
    }
    Arc::new(List::scan("names.txt", text.as_bytes()).list)
});

fn ports() -> impl Strategy<Value = PortSet> {
    let range = (select(&PORTS[..]), select(&PORTS[..]))
        .prop_map(|(a, b)| PortRange { first: a.min(b), last: a.max(b) });
    let one = select(&PORTS[..]).prop_map(PortRange::one);
    prop::collection::vec(prop_oneof![one, range], 0..3).prop_map(|ranges| ranges.into_iter().collect())
}

fn pattern() -> impl Strategy<Value = NamePattern> {
    prop_oneof![
        3 => select(&NAMES[..]).prop_map(|text| NamePattern::Exact(name(text))),
        2 => select(&NAMES[..]).prop_map(|text| NamePattern::Below(name(text))),
        2 => select(&NAMES[..]).prop_map(|text| NamePattern::Tree(name(text))),
        1 => select(&GLOBS[..]).prop_map(|text| NamePattern::Glob(TextPattern::new(text))),
        1 => select(&REGEXES[..]).prop_map(|text| {
            let regex = regex::RegexBuilder::new(text).case_insensitive(true).build();
            NamePattern::Regex(Arc::new(regex.expect("a regex")))
        }),
    ]
}

fn range() -> impl Strategy<Value = AddressRange> {
    prop_oneof![
        4 => select(&RANGES[..]).prop_map(|text| AddressRange::prefix(text.parse().expect("a prefix"))),
        1 => (select(&ADDRESSES[..]), select(&ADDRESSES[..])).prop_filter_map("one family", |(a, b)| {
            AddressRange::new(address(a).min(address(b)), address(a).max(address(b)))
        }),
    ]
}

/// A value that may speak of the sets below `sets`.
fn item(sets: u32) -> impl Strategy<Value = SetItemKind> {
    let plain = prop_oneof![
        1 => Just(SetItemKind::Any),
        2 => select(&Builtin::ALL[..]).prop_map(SetItemKind::Builtin),
        1 => Just(SetItemKind::Literal),
        6 => pattern().prop_map(SetItemKind::Name),
        1 => Just(SetItemKind::Named),
        6 => range().prop_map(SetItemKind::Range),
        // A set that is not there holds nothing.
        3 => (0..=sets).prop_map(move |id| SetItemKind::Set(SetId(if id == sets { 99 } else { id }))),
    ];
    (plain, prop::option::weighted(0.2, ports())).prop_map(|(item, ports)| match ports {
        Some(ports) => SetItemKind::Ported(Box::new(item), ports),
        None => item,
    })
}

fn expr(sets: u32) -> impl Strategy<Value = SetExpr> {
    let items = move |most: usize| {
        let item = item(sets).prop_map(|kind| SetItem { span: nowhere(), kind });
        prop::collection::vec(item, 0..=most)
    };
    let exclude = prop_oneof![2 => Just(Vec::new()).boxed(), 1 => items(2).boxed()];
    (items(4), exclude).prop_map(|(include, exclude)| SetExpr { include, exclude })
}

fn some<T: Clone + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = Vec<T>> {
    prop::collection::vec(select(all), 0..3)
}

fn shared(all: &'static [&'static str]) -> impl Strategy<Value = Vec<Arc<str>>> {
    some(all).prop_map(|texts| texts.into_iter().map(Arc::from).collect())
}

fn spec() -> impl Strategy<Value = MethodSpec> {
    (select(&Method::ALL[..]), prop::option::weighted(0.3, select(&SERVICES[..])))
        .prop_map(|(method, service)| MethodSpec { method, service: service.map(Arc::from) })
}

fn window() -> impl Strategy<Value = Window> {
    let minute = || select(&[0u16, 480, 1080, 1320][..]);
    (0..128u8, minute(), prop_oneof![minute(), Just(1440)], any::<bool>()).prop_map(
        |(days, start, end, utc)| {
            let zone = if utc { Zone::utc() } else { Zone::named("Europe/Warsaw").expect("a zone") };
            Window { days, start, end, zone }
        },
    )
}

fn test() -> impl Strategy<Value = Test> {
    let user = prop_oneof![
        Just(UserItem::Any),
        select(&GROUPS[..]).prop_map(|group| UserItem::Group(group.into())),
        Just(UserItem::None),
        select(&USERS[..]).prop_map(|user| UserItem::User(user.into())),
    ];
    let cert = select(&["*@EXAMPLE.com", "cn=*", "x", "*", "straße*"][..]).prop_map(TextPattern::new);
    let protocols: &[ProxyProtocol] = &[ProxyProtocol::Http, ProxyProtocol::Socks4, ProxyProtocol::Socks5];
    prop_oneof![
        1 => prop::collection::vec(cert, 0..2).prop_map(Test::Cert),
        2 => some(&Command::ALL).prop_map(Test::Command),
        1 => select(&TIMES[..]).prop_map(|end| Test::Expires(Timestamp(end + 1))),
        3 => expr(SETS).prop_map(Test::From),
        2 => shared(&GROUPS).prop_map(Test::Group),
        1 => shared(&LISTENERS).prop_map(Test::Listen),
        1 => prop::collection::vec(spec(), 0..3).prop_map(Test::Method),
        2 => ports().prop_map(Test::Port),
        1 => some(&[Protocol::Tcp, Protocol::Udp]).prop_map(Test::Protocol),
        1 => prop::collection::vec(select(protocols), 0..3).prop_map(Test::ProxyProtocol),
        1 => prop::collection::vec(window(), 0..3).prop_map(Test::Time),
        12 => expr(SETS).prop_map(Test::To),
        2 => prop::collection::vec(user, 0..3).prop_map(Test::User),
    ]
}

fn conditions(most: usize) -> impl Strategy<Value = Conditions> {
    let term = || {
        (prop::bool::weighted(0.2), test()).prop_map(|(negated, test)| Term {
            negated,
            test,
            span: nowhere(),
        })
    };
    let few = prop::collection::vec(term(), 0..=most.min(2));
    let many = prop::collection::vec(term(), 0..=most);
    prop_oneof![3 => few, 1 => many].prop_map(|terms| Conditions { terms, span: None })
}

fn verdict() -> impl Strategy<Value = Verdict> {
    select(&[Verdict::Block, Verdict::Pass][..])
}

fn rule() -> impl Strategy<Value = Rule> {
    let stage = prop_oneof![4 => Just(Stage::Socks), 1 => Just(Stage::Client)];
    let except =
        prop_oneof![3 => Just(Vec::new()).boxed(), 1 => prop::collection::vec(conditions(2), 0..3).boxed()];
    (stage, verdict(), conditions(4), except, -1..=1i16).prop_map(
        |(stage, verdict, when, except, priority)| Rule {
            stage,
            verdict,
            name: None,
            when,
            except,
            log: None,
            reply: Reply::default(),
            priority,
            note: None,
            head: nowhere(),
            span: nowhere(),
        },
    )
}

const SETS: u32 = 6;

fn set(at: u32, body: SetBody) -> NamedSet {
    NamedSet { name: format!("s{at}").into(), span: nowhere(), body }
}

/// A policy of up to `rules` rules.
pub fn model(rules: usize) -> impl Strategy<Value = Model> {
    // Sets speak of those before them only, the first three being lists.
    let sets = (expr(3), expr(4), expr(5));
    let group = |name: &'static str| {
        shared(&USERS).prop_map(move |mut members| {
            members.sort();
            members.dedup();
            Group { name: name.into(), span: nowhere(), members }
        })
    };
    let defaults = (prop::option::of(verdict()), verdict()).prop_map(|(client, socks)| Defaults {
        client,
        socks,
        ..Defaults::default()
    });
    let methods = prop::collection::vec(spec(), 0..4);
    let groups = (group("oncall"), group("web"), group("empty"));
    let host = prop::collection::vec(select(&ADDRESSES[..]), 0..2);
    (prop::collection::vec(rule(), 0..=rules), sets, groups, defaults, methods, host).prop_map(
        |(rules, sets, groups, defaults, methods, host)| Model {
            rules,
            defaults,
            methods,
            sets: vec![
                set(0, SetBody::List(SHORT.clone())),
                set(1, SetBody::List(LONG.clone())),
                set(2, SetBody::List(NAMES_ONLY.clone())),
                set(3, SetBody::Expr(sets.0)),
                set(4, SetBody::Expr(sets.1)),
                set(5, SetBody::Expr(sets.2)),
            ],
            groups: vec![groups.0, groups.1, groups.2],
            host: HostFacts { addresses: host.into_iter().map(address).collect(), ..HostFacts::default() },
            ..Model::default()
        },
    )
}

/// A request as plain data.
#[derive(Clone, Debug)]
pub struct Asked {
    pub from: IpAddr,
    pub listener: &'static str,
    pub time: Timestamp,
    pub method: Method,
    pub service: Option<&'static str>,
    pub certificate: Vec<Box<str>>,
    pub user: Option<Arc<str>>,
    pub groups: Vec<Arc<str>>,
    pub command: Command,
    pub proxy_protocol: ProxyProtocol,
    pub name: Option<Name>,
    pub address: Option<IpAddr>,
    pub port: u16,
}

/// Numbers from wherever they come.
pub trait Dice {
    /// A number below `sides`.
    fn throw(&mut self, sides: usize) -> usize;
}

/// SplitMix64.
pub struct Splitmix(pub u64);

impl Dice for Splitmix {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((word ^ (word >> 31)) % sides as u64).expect("a small number")
    }
}

impl Asked {
    /// A request by the dice.
    pub fn throw(dice: &mut impl Dice) -> Self {
        const PROTOCOLS: [ProxyProtocol; 3] =
            [ProxyProtocol::Http, ProxyProtocol::Socks4, ProxyProtocol::Socks5];
        let form = dice.throw(8);
        let by_name = form != 0;
        Self {
            from: address(ADDRESSES[dice.throw(ADDRESSES.len())]),
            listener: LISTENERS[dice.throw(LISTENERS.len())],
            time: Timestamp(TIMES[dice.throw(TIMES.len())] + dice.throw(7) as i64 * 86_400),
            method: Method::ALL[dice.throw(Method::ALL.len())],
            service: [None, Some("sshd"), Some("proxy"), Some("login")][dice.throw(4)],
            certificate: (0..dice.throw(3)).map(|_| CERTS[dice.throw(CERTS.len())].into()).collect(),
            user: [None, Some("alice"), Some("bob"), Some("@oncall"), Some("eve")][dice.throw(5)]
                .map(Arc::from),
            groups: (0..dice.throw(3)).map(|_| GROUPS[dice.throw(GROUPS.len())].into()).collect(),
            command: Command::ALL[dice.throw(Command::ALL.len())],
            proxy_protocol: PROTOCOLS[dice.throw(3)],
            name: by_name.then(|| {
                name(
                    ["z.net", "w.web-9.org", "sub.api.x.com"]
                        .iter()
                        .chain(&NAMES)
                        .nth(dice.throw(15))
                        .expect("a name"),
                )
            }),
            address: (form < 4).then(|| address(ADDRESSES[dice.throw(ADDRESSES.len())])),
            port: PORTS[dice.throw(PORTS.len())],
        }
    }

    /// What is known at accept.
    pub fn client(&self) -> Client<'_> {
        Client {
            address: self.from,
            listener: self.listener,
            time: self.time,
            method: self.method,
            certificate: &self.certificate,
        }
    }

    /// Who asks, not classified.
    pub fn principal(&self) -> Principal {
        Principal::new(self.user.clone(), self.groups.clone())
    }

    /// The request.
    pub fn request<'a>(&'a self, principal: &'a Principal) -> Request<'a> {
        Request {
            client: self.client(),
            principal,
            method: self.method,
            service: self.service,
            command: self.command,
            proxy_protocol: self.proxy_protocol,
            target: Target { name: self.name.as_ref(), address: self.address, port: self.port },
        }
    }
}
