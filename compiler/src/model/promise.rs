//! What a policy promises of itself: `test` cases, `never` and `always`.

use super::{Conditions, Host, Timestamp, Verdict};
use crate::request::{Command, Method, MethodSpec, ProxyProtocol};
use crate::source::Span;
use std::net::IpAddr;
use std::sync::Arc;

/// `test "name" { … }`.
#[derive(Clone, Debug)]
pub struct TestBlock {
    /// What it is called.
    pub name: Arc<str>,
    /// Its head.
    pub span: Span,
    /// Its cases.
    pub cases: Vec<Case>,
}

/// `pass company { user: alice … }`.
#[derive(Clone, Debug)]
pub struct Case {
    /// The verdict that is expected.
    pub verdict: Verdict,
    /// The rule that is expected to decide, by name; `default` for none.
    pub rule: Option<Arc<str>>,
    /// The request.
    pub request: SampleRequest,
    /// The whole case.
    pub span: Span,
}

/// A request as a test case or a command line writes it. What is not said is taken as stated
/// with each field.
#[derive(Clone, Debug, Default)]
pub struct SampleRequest {
    /// No one if not said.
    pub user: Option<Arc<str>>,
    /// System groups of the user.
    pub groups: Vec<Arc<str>>,
    /// 127.0.0.1 if not said.
    pub from: Option<IpAddr>,
    /// The target; without it only the client stage is asked.
    pub to: Option<Host>,
    /// Addresses that the name resolves to; if not said, a public address that no rule speaks of.
    pub resolves: Vec<IpAddr>,
    /// 443 if not said.
    pub port: Option<u16>,
    /// `connect` if not said; `udpassociate` where `protocol: udp`.
    pub command: Option<Command>,
    /// If not said: the first `socksmethod` that gives a user where there is one, else `none`.
    pub method: Option<MethodSpec>,
    /// How the client was known at accept; if not said: as the method and the certificate have it.
    pub client_method: Option<Method>,
    /// `socks5` if not said.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// `main` if not said.
    pub listener: Option<Arc<str>>,
    /// Subject names of the client's certificate.
    pub certificate: Vec<Box<str>>,
    /// A Wednesday at noon UTC (2026-01-07) if not said, so that results do not change with the day.
    pub time: Option<Timestamp>,
}

/// `never pass { … }`, `always pass { … }` and the same with `block`.
#[derive(Clone, Debug)]
pub struct Invariant {
    /// Which.
    pub kind: InvariantKind,
    /// The verdict that never or always comes.
    pub verdict: Verdict,
    /// Of the requests that fit these.
    pub when: Conditions,
    /// Those that do not count.
    pub except: Vec<Conditions>,
    /// The whole statement.
    pub span: Span,
}

/// Whether a verdict is excluded or demanded.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum InvariantKind {
    /// Every such request gets it.
    Always,
    /// No such request gets it.
    Never,
}
