//! The resolved policy: typed rules with every name looked up. What the lints, the oracle, the
//! analysis and the compiler all read.
//!
//! Nothing here is fast; [`crate::tree`] is made from it.

mod address;
mod name;
mod port;
mod promise;
mod rule;
mod service;
mod set;
mod time;

pub use address::{AddressRange, Builtin, canonical};
pub use name::{Host, HostError, Name, NamePattern, TextPattern};
pub use port::{PortRange, PortSet};
pub use promise::{Case, Invariant, InvariantKind, SampleRequest, TestBlock};
pub use rule::{Conditions, Log, Reply, Rule, RuleId, Stage, Term, Test, UserItem, Verdict};
pub use service::{SERVICES, service};
pub use set::{Group, NamedSet, SetBody, SetExpr, SetId, SetItem, SetItemKind};
pub use time::{Timestamp, Window, Zone};

use crate::request::{Method, MethodSpec};
use crate::source::{Sources, Span};
use std::net::IpAddr;
use std::sync::Arc;

/// What a policy says where no rule matches, and the effects that go with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Defaults {
    /// The client stage, if said: without it, block where there are client rules, pass where not.
    pub client: Option<Verdict>,
    /// The socks stage; block if nothing is said.
    pub socks: Verdict,
    /// What is logged of a request that no rule decides.
    pub log: Log,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { client: None, socks: Verdict::Block, log: Log::default() }
    }
}

/// What only the host knows and some words of a policy speak of.
#[derive(Clone, Debug)]
pub struct HostFacts {
    /// `@self`: the proxy's own listeners' addresses and the addresses of the host.
    pub addresses: Vec<IpAddr>,
    /// Names of the listeners in the settings; `None` where they are not known (`check`).
    pub listeners: Option<Vec<Arc<str>>>,
    /// The zone of times that name none.
    pub zone: Zone,
}

impl Default for HostFacts {
    fn default() -> Self {
        Self { addresses: Vec::new(), listeners: None, zone: Zone::utc() }
    }
}

/// A policy with every reference resolved.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Rules of both stages in source order; a [`RuleId`] is the index here.
    pub rules: Vec<Rule>,
    /// The verdicts without a rule.
    pub defaults: Defaults,
    /// `socksmethod:` in order of preference; empty if not said, which means `none`.
    pub methods: Vec<MethodSpec>,
    /// `clientmethod:`, likewise.
    pub client_methods: Vec<MethodSpec>,
    /// Whether one blocked candidate address blocks the request (`resolve: strict`).
    pub strict: bool,
    /// Sets of addresses and names; a [`SetId`] is the index here.
    pub sets: Vec<NamedSet>,
    /// Groups of users.
    pub groups: Vec<Group>,
    /// `test` blocks.
    pub tests: Vec<TestBlock>,
    /// `never` and `always`.
    pub invariants: Vec<Invariant>,
    /// What the host said of itself.
    pub host: HostFacts,
    /// The texts.
    pub sources: Sources,
}

impl Model {
    /// Whether a condition of a rule is such a one.
    pub fn has_test(&self, is_it: impl Fn(&Test) -> bool) -> bool {
        let mut blocks = self.rules.iter().flat_map(|rule| std::iter::once(&rule.when).chain(&rule.except));
        blocks.any(|when| when.terms.iter().any(|term| is_it(&term.test)))
    }

    /// The rule of an id.
    pub fn rule(&self, id: RuleId) -> Option<&Rule> {
        self.rules.get(id.0 as usize)
    }

    /// The set of an id.
    pub fn set(&self, id: SetId) -> Option<&NamedSet> {
        self.sets.get(id.0 as usize)
    }

    /// The group of a name.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| &*group.name == name)
    }

    /// Rules of one stage, with their ids, in source order.
    pub fn stage(&self, stage: Stage) -> impl Iterator<Item = (RuleId, &Rule)> {
        (0..).map(RuleId).zip(&self.rules).filter(move |(_, rule)| rule.stage == stage)
    }

    /// The verdict of a stage where no rule matches.
    pub fn default_of(&self, stage: Stage) -> Verdict {
        match stage {
            Stage::Client => self.defaults.client.unwrap_or_else(|| match self.stage(Stage::Client).next() {
                None => Verdict::Pass,
                Some(_) => Verdict::Block,
            }),
            Stage::Socks => self.defaults.socks,
        }
    }

    /// What a rule is called in records and by people: its name, or its place as `file:line`.
    pub fn label(&self, id: RuleId) -> String {
        match self.rule(id) {
            Some(Rule { name: Some(name), .. }) => name.to_string(),
            Some(rule) => self.line(rule.head),
            None => "default".into(),
        }
    }

    /// A span as `file:line`.
    pub fn line(&self, span: Span) -> String {
        let place = self.sources.place(span);
        format!("{}:{}", place.file, place.line)
    }

    /// The methods of the socks stage in order of preference.
    pub fn socks_methods(&self) -> Vec<MethodSpec> {
        if self.methods.is_empty() {
            vec![MethodSpec { method: Method::None, service: None }]
        } else {
            self.methods.clone()
        }
    }
}
