//! All classifiers of a policy, and a request seen through them.

use super::addresses::Addresses;
use super::names::{NO_NAME, Names};
use super::patterns::{Ends, Patterns};
use super::principals::{Principals, Who};
use super::sets::Sets;
use crate::list::List;
use crate::model::{Name, TextPattern, Zone};
use crate::oracle::Facts;
use crate::request::{Client, Command, Method, ProxyProtocol};
use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;

/// What a node can dispatch on, and a box be bounded in.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Dim {
    /// The client's address.
    From,
    /// The target's address.
    To,
    /// The target's name.
    Name,
    /// The port.
    Port,
    /// The command.
    Command,
    /// The protocol that the client speaks.
    Proxy,
    /// The method and its service.
    Method,
    /// The listener.
    Listener,
    /// The principal; it has several classes at once.
    Who,
    /// Globs and regexes; a name has several classes at once.
    Pattern,
}

/// Dimensions in which a request has exactly one class.
pub(crate) const PLAIN: usize = 8;

impl Dim {
    /// All, by number.
    pub(crate) const ALL: [Self; 10] = [
        Self::From,
        Self::To,
        Self::Name,
        Self::Port,
        Self::Command,
        Self::Proxy,
        Self::Method,
        Self::Listener,
        Self::Who,
        Self::Pattern,
    ];

    /// What it is called in the language.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::From => "from",
            Self::To => "to address",
            Self::Name => "to name",
            Self::Port => "port",
            Self::Command => "command",
            Self::Proxy => "proxyprotocol",
            Self::Method => "method",
            Self::Listener => "listen",
            Self::Who => "user",
            Self::Pattern => "to pattern",
        }
    }
}

/// The classifiers.
#[derive(Debug)]
pub(crate) struct Space {
    pub(crate) from: Addresses,
    pub(crate) to: Addresses,
    pub(crate) names: Names,
    pub(crate) ports: Ports,
    pub(crate) methods: Methods,
    pub(crate) listeners: Vec<Arc<str>>,
    pub(crate) principals: Principals,
    pub(crate) patterns: Patterns,
    pub(crate) zones: Vec<Zone>,
    pub(crate) lists: Vec<Arc<List>>,
    pub(crate) certs: Vec<Vec<TextPattern>>,
    pub(crate) sets: Sets,
}

/// A request in classes. What is seldom asked for is found out when it is.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) class: [u32; PLAIN],
    pub(crate) who: Who<'a>,
    pub(crate) name: Option<&'a Name>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) client: &'a Client<'a>,
    pub(crate) ends: Ends,
    pub(crate) minutes: [Cell<u16>; 2],
}

impl Space {
    /// Sees what is known at accept, with a method that may be used later.
    pub(crate) fn see_client<'a>(
        &'a self,
        client: &'a Client<'a>,
        method: Method,
        service: Option<&str>,
    ) -> Seen<'a> {
        let mut class = [0; PLAIN];
        let [from, _, _, _, _, _, by, listener] = &mut class;
        *from = self.from.class(client.address);
        *by = self.methods.class(method, service);
        *listener = self.listener(client.listener);
        Seen {
            class,
            who: Who::Unknown,
            name: None,
            address: None,
            client,
            ends: Ends::default(),
            minutes: [const { Cell::new(u16::MAX) }; 2],
        }
    }

    /// Sees all that is known; what is not has class 0 and is not asked for.
    pub(crate) fn see<'a>(&'a self, facts: &'a Facts<'a>) -> Seen<'a> {
        let (method, service) = facts.method.unwrap_or((Method::None, None));
        let mut seen = self.see_client(&facts.client, method, service);
        let [_, to, name, port, command, proxy, ..] = &mut seen.class;
        if let Some(target) = &facts.target {
            *to = target.address.map_or(0, |address| self.to.class(address));
            *name = target.name.map_or(NO_NAME, |name| self.names.class(name.as_str()));
            *port = self.ports.class(target.port);
            seen.name = target.name;
            seen.address = target.address;
        }
        *command = facts.command.map_or(0, command_class);
        *proxy = facts.proxy_protocol.map_or(0, proxy_class);
        seen.who = facts.principal.map_or(Who::Unknown, |who| self.principals.see(who));
        seen
    }

    fn listener(&self, name: &str) -> u32 {
        let at = self.listeners.binary_search_by(|one| (**one).cmp(name));
        at.map_or(0, |at| truncate(at) + 1)
    }

    /// The minute of the week in a zone of the policy.
    pub(crate) fn minute(&self, zone: u16, seen: &Seen<'_>) -> u32 {
        let memo = seen.minutes.get(usize::from(zone));
        if let Some(minute) = memo.map(Cell::get).filter(|&minute| minute != u16::MAX) {
            return minute.into();
        }
        let minute =
            self.zones.get(usize::from(zone)).map_or(0, |zone| zone.minute_of_week(seen.client.time));
        if let Some(memo) = memo {
            memo.set(minute);
        }
        minute.into()
    }

    /// How many classes a dimension has.
    pub(crate) fn classes(&self, dim: Dim) -> usize {
        match dim {
            Dim::From => self.from.len(),
            Dim::To => self.to.len(),
            Dim::Name => self.names.len(),
            Dim::Port => self.ports.starts.len(),
            Dim::Command => Command::ALL.len(),
            Dim::Proxy => 3,
            Dim::Method => self.methods.len(),
            Dim::Listener => self.listeners.len() + 1,
            Dim::Who => self.principals.len(),
            Dim::Pattern => self.patterns.len(),
        }
    }

    /// What the classifiers take in memory, lists not counted.
    pub(crate) fn bytes(&self) -> usize {
        self.from.bytes()
            + self.to.bytes()
            + self.names.bytes()
            + self.ports.bytes()
            + self.principals.bytes()
            + self.patterns.bytes()
            + self.sets.bytes()
    }
}

/// The class of a command.
pub(crate) fn command_class(command: Command) -> u32 {
    match command {
        Command::Bind => 0,
        Command::BindReply => 1,
        Command::Connect => 2,
        Command::UdpAssociate => 3,
        Command::UdpReply => 4,
    }
}

/// The class of a protocol.
pub(crate) fn proxy_class(protocol: ProxyProtocol) -> u32 {
    match protocol {
        ProxyProtocol::Http => 0,
        ProxyProtocol::Socks4 => 1,
        ProxyProtocol::Socks5 => 2,
    }
}

/// Ports to classes: the intervals that all port ranges cut them into.
#[derive(Debug)]
pub(crate) struct Ports {
    starts: Vec<u16>,
    /// The class of each port, where one byte can say it and starts are not few.
    short: Box<[u8]>,
    /// The class of each port, where it takes two bytes.
    long: Box<[u16]>,
}

impl Ports {
    /// The classes that ranges make.
    pub(crate) fn new(mut starts: Vec<u16>) -> Self {
        starts.push(0);
        starts.sort_unstable();
        starts.dedup();
        starts.shrink_to_fit();
        let mut ports = Self { starts, short: Box::default(), long: Box::default() };
        let classes = (0..=u16::MAX).map(|port| ports.search(port));
        match ports.starts.len() {
            0..=16 => {}
            17..=256 => ports.short = classes.map(|class| class.to_le_bytes()[0]).collect(),
            _ => ports.long = classes.map(|class| (class & 0xffff) as u16).collect(),
        }
        ports
    }

    fn search(&self, port: u16) -> u32 {
        truncate(self.starts.partition_point(|&start| start <= port)) - 1
    }

    /// The class of a port.
    pub(crate) fn class(&self, port: u16) -> u32 {
        let at = usize::from(port);
        match (self.short.get(at), self.long.get(at)) {
            (Some(&class), _) => class.into(),
            (None, Some(&class)) => class.into(),
            (None, None) => self.search(port),
        }
    }

    /// The first port of a class.
    pub(crate) fn start(&self, class: u32) -> Option<u16> {
        self.starts.get(class as usize).copied()
    }

    fn bytes(&self) -> usize {
        self.starts.capacity() * 2 + self.short.len() + self.long.len() * 2
    }
}

/// Methods to classes: each method, and each of its services that the policy names.
#[derive(Debug)]
pub(crate) struct Methods {
    specs: Vec<(Method, Option<Arc<str>>)>,
}

impl Methods {
    /// The classes that the services of a policy make.
    pub(crate) fn new(services: impl Iterator<Item = (Method, Arc<str>)>) -> Self {
        let mut specs: Vec<(Method, Option<Arc<str>>)> =
            Method::ALL.into_iter().map(|method| (method, None)).collect();
        specs.extend(services.map(|(method, service)| (method, Some(service))));
        specs.sort_unstable();
        specs.dedup();
        Self { specs }
    }

    /// The class of a method with its service.
    pub(crate) fn class(&self, method: Method, service: Option<&str>) -> u32 {
        let mut class = 0;
        for (at, (one, named)) in (0..).zip(&self.specs) {
            if *one == method && (named.is_none() || named.as_deref() == service) {
                class = at;
            }
        }
        class
    }

    /// The classes of a method, with one service or with any.
    pub(crate) fn run(&self, method: Method, service: Option<&str>) -> (u32, u32) {
        if service.is_some() {
            let class = self.class(method, service);
            return (class, class);
        }
        let first = self.specs.partition_point(|(one, _)| *one < method);
        let behind = self.specs.partition_point(|(one, _)| *one <= method);
        (truncate(first), truncate(behind) - 1)
    }

    fn len(&self) -> usize {
        self.specs.len()
    }

    /// What a class holds.
    pub(crate) fn describe(&self, class: u32) -> String {
        match self.specs.get(class as usize) {
            Some((method, Some(service))) => format!("{method}({service})"),
            Some((method, None)) => method.to_string(),
            None => "?".into(),
        }
    }
}

fn truncate(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
