//! Rules and their conditions.

use super::{PortSet, SetExpr, TextPattern, Timestamp, Window};
use crate::request::{Command, MethodSpec, Protocol, ProxyProtocol};
use crate::source::Span;
use std::fmt;
use std::sync::Arc;

/// A rule of a policy, as an index into [`super::Model::rules`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RuleId(pub u32);

/// When a rule is asked.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Stage {
    /// At accept, before the handshake.
    Client,
    /// With the request in hand.
    Socks,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Socks => "socks",
        })
    }
}

/// What a rule says.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Verdict {
    /// Refuse.
    Block,
    /// Let through.
    Pass,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Block => "block",
            Self::Pass => "pass",
        })
    }
}

/// What is logged of a session.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, named as the policy names them")]
pub struct Log {
    /// Its start.
    pub connect: bool,
    /// Each read.
    pub data: bool,
    /// Its end.
    pub disconnect: bool,
    /// What went wrong.
    pub error: bool,
}

impl Default for Log {
    /// Ends and errors.
    fn default() -> Self {
        Self { connect: false, data: false, disconnect: true, error: true }
    }
}

impl Log {
    /// `log: none`.
    pub const NONE: Self = Self { connect: false, data: false, disconnect: false, error: false };
}

/// What a blocked client sees.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Reply {
    /// Reply 02, "not allowed by ruleset".
    #[default]
    Blocked,
    /// Nothing: the connection is closed.
    Drop,
    /// Reply 05, as if the target refused.
    Refused,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// When it is asked.
    pub stage: Stage,
    /// What it says.
    pub verdict: Verdict,
    /// Its name, unique in the policy.
    pub name: Option<Arc<str>>,
    /// What must hold.
    pub when: Conditions,
    /// `except { … }`: none of these may hold.
    pub except: Vec<Conditions>,
    /// What is logged; `None` if the rule does not say.
    pub log: Option<Log>,
    /// What a blocked client sees.
    pub reply: Reply,
    /// Which rule of a verdict is named first; −1000 to 1000, 0 if not said.
    pub priority: i16,
    /// Text for people.
    pub note: Option<Arc<str>>,
    /// From the stage to the name: what a diagnostic points at.
    pub head: Span,
    /// The whole rule.
    pub span: Span,
}

/// Terms that must all hold; none: it always holds.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// At most one per key and sign.
    pub terms: Vec<Term>,
    /// The whole block.
    pub span: Option<Span>,
}

/// One key with its values.
#[derive(Clone, Debug)]
pub struct Term {
    /// `not key: …`.
    pub negated: bool,
    /// The test.
    pub test: Test,
    /// From the key to its last value.
    pub span: Span,
}

/// What a key asks: whether any of its values fits.
#[derive(Clone, Debug)]
pub enum Test {
    /// `cert`: subject names of the client's certificate.
    Cert(Vec<TextPattern>),
    /// `command`.
    Command(Vec<Command>),
    /// `expires`: before this instant.
    Expires(Timestamp),
    /// `from`: the client's address.
    From(SetExpr),
    /// `group`.
    Group(Vec<Arc<str>>),
    /// `listen`: the listener's name.
    Listen(Vec<Arc<str>>),
    /// `clientmethod` at the client stage, `socksmethod` at the socks stage.
    Method(Vec<MethodSpec>),
    /// `port`: the requested port.
    Port(PortSet),
    /// `protocol`.
    Protocol(Vec<Protocol>),
    /// `proxyprotocol`.
    ProxyProtocol(Vec<ProxyProtocol>),
    /// `time`.
    Time(Vec<Window>),
    /// `to`: the target.
    To(SetExpr),
    /// `user`.
    User(Vec<UserItem>),
}

impl Test {
    /// The key as the language has it; `stage` tells the two methods apart.
    pub fn key(&self, stage: Stage) -> &'static str {
        match self {
            Self::Cert(_) => "cert",
            Self::Command(_) => "command",
            Self::Expires(_) => "expires",
            Self::From(_) => "from",
            Self::Group(_) => "group",
            Self::Listen(_) => "listen",
            Self::Method(_) if stage == Stage::Client => "clientmethod",
            Self::Method(_) => "socksmethod",
            Self::Port(_) => "port",
            Self::Protocol(_) => "protocol",
            Self::ProxyProtocol(_) => "proxyprotocol",
            Self::Time(_) => "time",
            Self::To(_) => "to",
            Self::User(_) => "user",
        }
    }
}

/// One value of `user`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum UserItem {
    /// `any`: whoever has a name.
    Any,
    /// `@oncall`: the members of a group of the policy.
    Group(Arc<str>),
    /// `none`: whoever has none.
    None,
    /// A name, compared byte by byte.
    User(Arc<str>),
}
