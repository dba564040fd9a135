//! The space of requests that one or two policies tell apart: what each number of each dimension
//! stands for.

use super::automata::{Direction, Product, walk};
use super::clock::{Clock, Times};
use super::cube::{Bag, Bounds, Cube, DIMS, Dim};
use super::names::{LITERAL, Names};
use super::set::{Range, Set};
use crate::hash::HashMap;
use crate::model::{
    AddressRange, Conditions, Model, NamePattern, SetBody, SetExpr, SetItemKind, Test, TextPattern, UserItem,
};
use crate::request::{Command, Method, MethodSpec, ProxyProtocol};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// A list with more names than this is known from below and from above only.
pub(crate) const MAX_LIST: usize = 200_000;
/// How many names of such a list are looked at.
pub(crate) const LIST_SAMPLE: usize = 64;

/// No user, and a user that no policy names.
pub(crate) const NOBODY: u32 = 0;
pub(crate) const STRANGER: u32 = 1;

/// What a client can ask for in which protocol: SOCKS 4 knows no datagrams, HTTP only CONNECT.
pub(crate) const KINDS: [(Command, ProxyProtocol); 9] = [
    (Command::Connect, ProxyProtocol::Socks5),
    (Command::Connect, ProxyProtocol::Socks4),
    (Command::Connect, ProxyProtocol::Http),
    (Command::Bind, ProxyProtocol::Socks5),
    (Command::Bind, ProxyProtocol::Socks4),
    (Command::UdpAssociate, ProxyProtocol::Socks5),
    (Command::BindReply, ProxyProtocol::Socks5),
    (Command::BindReply, ProxyProtocol::Socks4),
    (Command::UdpReply, ProxyProtocol::Socks5),
];

/// How a client can be known at accept.
pub(crate) const CLIENT_METHODS: [Method; 3] = [Method::None, Method::PamAddress, Method::Certificate];

/// Words, each with a number.
#[derive(Debug, Default)]
pub(crate) struct Words {
    words: Vec<Arc<str>>,
    ids: HashMap<Arc<str>, u32>,
    offset: u32,
}

impl Words {
    fn new(words: BTreeSet<Arc<str>>, offset: u32) -> Self {
        let words: Vec<Arc<str>> = words.into_iter().collect();
        let ids = words.iter().cloned().zip(offset..).collect();
        Self { words, ids, offset }
    }

    pub(crate) fn id(&self, word: &str) -> Option<u32> {
        self.ids.get(word).copied()
    }

    pub(crate) fn word(&self, id: u128) -> Option<&Arc<str>> {
        self.words.get(usize::try_from(id.checked_sub(self.offset.into())?).ok()?)
    }

    fn universe(&self) -> Set {
        match u128::from(self.offset) + self.words.len() as u128 {
            0 => Set::none(),
            count => Set::One((0, count - 1)),
        }
    }

    /// A word that is none of these.
    fn other(&self, like: &str) -> Arc<str> {
        let numbered = (2..).map(|n| format!("{like}-{n}"));
        std::iter::once(like.to_owned())
            .chain(numbered)
            .find(|word| self.id(word).is_none())
            .unwrap_or_default()
            .into()
    }
}

/// All that policies speak of.
#[derive(Debug, Default)]
pub(crate) struct Vocabulary {
    certs: BTreeSet<TextPattern>,
    groups: BTreeSet<Arc<str>>,
    listeners: BTreeSet<Arc<str>>,
    methods: Vec<MethodSpec>,
    names: Vec<NamePattern>,
    times: Times,
    users: BTreeSet<Arc<str>>,
    /// Preferred for examples.
    nice_methods: Vec<MethodSpec>,
}

impl Vocabulary {
    /// Adds what a policy speaks of.
    pub(crate) fn model(&mut self, model: &Model) {
        for rule in &model.rules {
            for when in std::iter::once(&rule.when).chain(&rule.except) {
                self.conditions(when);
            }
        }
        for invariant in &model.invariants {
            for when in std::iter::once(&invariant.when).chain(&invariant.except) {
                self.conditions(when);
            }
        }
        for set in &model.sets {
            match &set.body {
                SetBody::Expr(expr) => self.set(expr),
                SetBody::List(list) if list.len() <= MAX_LIST => self.names.extend(list.names()),
                SetBody::List(list) => self.names.extend(list.names().take(LIST_SAMPLE)),
            }
        }
        self.users.extend(model.groups.iter().flat_map(|group| group.members.iter().cloned()));
        self.nice_methods.extend(model.methods.iter().cloned());
        self.methods.extend(model.methods.iter().chain(&model.client_methods).cloned());
    }

    fn set(&mut self, expr: &SetExpr) {
        for item in expr.include.iter().chain(&expr.exclude) {
            let mut kind = &item.kind;
            while let SetItemKind::Ported(inner, _) = kind {
                kind = inner;
            }
            if let SetItemKind::Name(pattern) = kind {
                self.names.push(pattern.clone());
            }
        }
    }

    /// Adds what conditions speak of.
    pub(crate) fn conditions(&mut self, when: &Conditions) {
        for term in &when.terms {
            match &term.test {
                Test::Cert(patterns) => self.certs.extend(patterns.iter().cloned()),
                Test::Expires(end) => self.times.end(*end),
                Test::Group(groups) => self.groups.extend(groups.iter().cloned()),
                Test::Listen(names) => self.listeners.extend(names.iter().cloned()),
                Test::Method(specs) => self.methods.extend(specs.iter().cloned()),
                Test::Time(windows) => windows.iter().for_each(|window| self.times.window(window)),
                Test::From(expr) | Test::To(expr) => self.set(expr),
                Test::User(items) => items.iter().for_each(|item| self.user(item)),
                Test::Command(_) | Test::Port(_) | Test::Protocol(_) | Test::ProxyProtocol(_) => {}
            }
        }
    }

    fn user(&mut self, item: &UserItem) {
        match item {
            UserItem::Any | UserItem::None => {}
            UserItem::Group(group) => _ = self.groups.insert(group.clone()),
            UserItem::User(name) => _ = self.users.insert(name.clone()),
        }
    }
}

/// What the numbers stand for.
#[derive(Debug)]
pub(crate) struct Space {
    pub(crate) bounds: Bounds,
    pub(crate) names: Names,
    pub(crate) clock: Clock,
    pub(crate) users: Words,
    pub(crate) listeners: Words,
    /// System groups; groups of a policy are sets of users.
    pub(crate) groups: Words,
    pub(crate) methods: Vec<MethodSpec>,
    certs: Certs,
    stranger: Arc<str>,
    listener: Arc<str>,
    /// Splits by whether there is a user: the two halves have other methods.
    pub(crate) anonymous: Cube,
    pub(crate) named: Cube,
}

impl Space {
    /// The numbers of methods that somebody may log in with where these are listed: one without a
    /// service stands for any, since the settings say which it is.
    pub(crate) fn offered(&self, listed: &[MethodSpec]) -> Set {
        let fits = |spec: &MethodSpec| {
            let is = |one: &MethodSpec| {
                one.method == spec.method && (one.service.is_none() || one.service == spec.service)
            };
            listed.iter().any(is)
        };
        Set::values((0u32..).zip(&self.methods).filter(|(_, spec)| fits(spec)).map(|(id, _)| id))
    }

    pub(crate) fn of(models: &[&Model]) -> Self {
        let mut vocabulary = Vocabulary::default();
        models.iter().for_each(|model| vocabulary.model(model));
        Self::new(vocabulary)
    }

    pub(crate) fn new(words: Vocabulary) -> Self {
        let names = Names::new(&words.names);
        let clock = Clock::new(&words.times);
        let users = Words::new(words.users, STRANGER + 1);
        let listeners = Words::new(words.listeners, 1);
        let groups = Words::new(words.groups, 0);
        let methods = methods(words.methods);
        let certs = Certs::new(&words.certs);
        let (stranger, listener) = (users.other("somebody"), listeners.other("main"));
        let of_user = |named: bool| {
            let fits = (0..).zip(&methods).filter(|(_, spec)| spec.method.names_a_user() == named);
            Set::values(fits.map(|(id, _): (u32, _)| id))
        };
        let mut anonymous = Cube::with(Dim::User, Set::one(NOBODY)).and(Dim::Method, &of_user(false));
        anonymous.groups = Bag::forbids(Set::All);
        let known = users.universe().minus(&Set::one(NOBODY), &Set::All);
        let named = Cube::with(Dim::User, known).and(Dim::Method, &of_user(true));
        let mut bounds = Bounds {
            universe: [const { Set::All }; DIMS],
            groups: groups.universe(),
            cert: certs.universe(),
            nice: std::array::from_fn(|_| Arc::from([])),
        };
        let nice_methods = words.nice_methods.iter().chain(&methods);
        let nice_methods =
            nice_methods.filter_map(|spec| methods.iter().position(|one| one == spec)).map(|at| at as u128);
        let home = [Ipv4Addr::LOCALHOST, Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(192, 168, 0, 1)];
        let near = home.map(|address| number(address.into()));
        let far =
            [Ipv4Addr::from_bits(0x5db8_d70e), Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(192, 168, 0, 1)];
        let far = far.map(|address| number(address.into()));
        let main = listeners.id("main").unwrap_or(0);
        let dims: [(Dim, Set, Vec<u128>); DIMS] = [
            (Dim::User, users.universe(), Vec::new()),
            (Dim::Name, names.universe(), vec![LITERAL.into()]),
            (Dim::Address, addresses(), far.to_vec()),
            (Dim::Port, Set::One((0, u16::MAX.into())), vec![443, 80, 22]),
            (Dim::From, addresses(), near.to_vec()),
            (Dim::Kind, Set::One((0, KINDS.len() as u128 - 1)), vec![0]),
            (Dim::Method, Set::One((0, methods.len().saturating_sub(1) as u128)), nice_methods.collect()),
            (Dim::Listener, listeners.universe(), vec![main.into()]),
            (Dim::ClientMethod, Set::One((0, CLIENT_METHODS.len() as u128 - 1)), vec![0]),
            (Dim::Time, clock.universe(), vec![clock.usual()]),
        ];
        for (dim, set, nice) in dims {
            if let Some(universe) = bounds.universe.get_mut(dim as usize) {
                *universe = set;
            }
            if let Some(best) = bounds.nice.get_mut(dim as usize) {
                *best = nice.into();
            }
        }
        Self {
            bounds,
            names,
            clock,
            users,
            listeners,
            groups,
            methods,
            certs,
            stranger,
            listener,
            anonymous,
            named,
        }
    }

    /// The name of a user; `None` for nobody.
    pub(crate) fn user(&self, id: u128) -> Option<Arc<str>> {
        match id {
            id if id == u128::from(NOBODY) => None,
            id => Some(self.users.word(id).unwrap_or(&self.stranger).clone()),
        }
    }

    pub(crate) fn listener(&self, id: u128) -> Arc<str> {
        self.listeners.word(id).unwrap_or(&self.listener).clone()
    }

    pub(crate) fn certs(&self) -> &Certs {
        &self.certs
    }

    /// The part of a cube where there are such requests, as cubes: with a user and without.
    pub(crate) fn halves(&self, cube: &Cube) -> impl Iterator<Item = Cube> {
        [&self.named, &self.anonymous].into_iter().filter_map(|half| cube.intersect(half, &self.bounds))
    }

    /// The kinds of request with one of these commands.
    pub(crate) fn kinds(holds: impl Fn(Command, ProxyProtocol) -> bool) -> Set {
        let fits = (0..).zip(KINDS).filter(|(_, (command, protocol))| holds(*command, *protocol));
        Set::values(fits.map(|(id, _): (u32, _)| id))
    }
}

fn methods(specs: Vec<MethodSpec>) -> Vec<MethodSpec> {
    let plain = [
        Method::None,
        Method::Password,
        Method::PamUsername,
        Method::Certificate,
        Method::Gssapi,
        Method::PamAddress,
    ];
    let mut methods: Vec<MethodSpec> =
        plain.into_iter().map(|method| MethodSpec { method, service: None }).collect();
    for spec in specs {
        if !methods.contains(&spec) {
            methods.push(spec);
        }
    }
    methods
}

const MAPPED: u128 = 0xffff_0000_0000;
const NAT64: Range = (0x64_ff9b << 96, (0x64_ff9b << 96) | 0xffff_ffff);
const SIX_TO_FOUR: Range = (0x2002 << 112, (0x2002 << 112) | ((1 << 112) - 1));

/// An address as a number: IPv4 where IPv6 has it mapped, since no canonical address is there.
pub(crate) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => MAPPED | u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The address of a number.
pub(crate) fn address(number: u128) -> IpAddr {
    match (number >> 32 == MAPPED >> 32, u32::try_from(number & 0xffff_ffff)) {
        (true, Ok(bits)) => Ipv4Addr::from_bits(bits).into(),
        _ => Ipv6Addr::from_bits(number).into(),
    }
}

/// Every canonical address.
fn addresses() -> Set {
    Set::of([(0, NAT64.0 - 1), (NAT64.1 + 1, SIX_TO_FOUR.0 - 1), (SIX_TO_FOUR.1 + 1, u128::MAX)])
}

/// The canonical addresses of a range.
pub(crate) fn range(range: &AddressRange) -> Vec<Range> {
    let (first, last) = (number(range.first()), number(range.last()));
    if range.first().is_ipv4() {
        return vec![(first, last)];
    }
    let holes = [(MAPPED, MAPPED | 0xffff_ffff), NAT64, SIX_TO_FOUR];
    if holes.iter().all(|hole| hole.1 < first || last < hole.0) {
        return vec![(first, last)];
    }
    let kept = Set::One((first, last)).minus(&Set::of(holes), &Set::All);
    kept.ranges(&Set::All).to_vec()
}

/// Subject names of certificates by the patterns that they are in.
#[derive(Debug)]
pub(crate) struct Certs {
    patterns: HashMap<TextPattern, Set>,
    examples: Vec<Box<str>>,
    exact: bool,
}

impl Certs {
    fn new(patterns: &BTreeSet<TextPattern>) -> Self {
        let mut product = Product::default();
        let mut fits = true;
        let mut alphabet: BTreeSet<u8> = BTreeSet::from([b'q']);
        for pattern in patterns {
            alphabet.extend(pattern.as_str().bytes().filter(|&byte| byte != b'*'));
            let parts: Vec<String> = pattern.as_str().split('*').map(regex::escape).collect();
            fits &= product.add(&format!("^(?s:{})$", parts.join(".*")), Direction::Forward);
        }
        let alphabet: Vec<u8> = alphabet.into_iter().collect();
        let found = walk(
            product.start(),
            &alphabet,
            |states, byte| Some(product.step(states, byte)),
            |states| Some(product.signature(states)),
            (None, 20_000),
        );
        let cases: Vec<(u64, Box<str>)> = found
            .texts
            .into_iter()
            .filter(|(signature, _)| *signature != 0)
            .filter_map(|(signature, text)| Some((signature, String::from_utf8(text).ok()?.into())))
            .collect();
        let set = |bit: usize| {
            // The product takes 64 patterns; of those beyond nothing is known.
            let bit = u32::try_from(bit).unwrap_or(u32::MAX);
            let has = |signature: u64| signature.checked_shr(bit).is_some_and(|rest| rest & 1 == 1);
            let held = (0..).zip(&cases).filter(|(_, (signature, _))| has(*signature));
            Set::values(held.map(|(id, _): (u32, _)| id))
        };
        Self {
            patterns: patterns
                .iter()
                .cloned()
                .enumerate()
                .map(|(bit, pattern)| (pattern, set(bit)))
                .collect(),
            exact: fits && found.complete,
            examples: cases.into_iter().map(|(_, text)| text).collect(),
        }
    }

    fn universe(&self) -> Set {
        match self.examples.len() {
            0 => Set::none(),
            count => Set::One((0, count as u128 - 1)),
        }
    }

    pub(crate) fn is_exact(&self) -> bool {
        self.exact
    }

    /// The names in one of the patterns.
    pub(crate) fn set(&self, patterns: &[TextPattern]) -> Set {
        let sets = patterns.iter().filter_map(|pattern| self.patterns.get(pattern));
        sets.fold(Set::none(), |all, set| all.union(set))
    }

    pub(crate) fn example(&self, atom: u32) -> Option<Box<str>> {
        self.examples.get(atom as usize).cloned()
    }
}
