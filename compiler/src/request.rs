//! What is decided upon.

use crate::model::{Name, Timestamp};
use crate::tree::principals::PrincipalClass;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// How a client showed who it is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Method {
    /// A TLS client certificate.
    Certificate,
    /// GSSAPI (RFC 1961).
    Gssapi,
    /// Not at all.
    None,
    /// Its address, asked of PAM before the handshake.
    PamAddress,
    /// User name and password (RFC 1929), asked of PAM.
    PamUsername,
    /// User name and password (RFC 1929), from the users file.
    Password,
}

impl Method {
    /// All, by name.
    pub const ALL: [Self; 6] =
        [Self::Certificate, Self::Gssapi, Self::None, Self::PamAddress, Self::PamUsername, Self::Password];

    /// Its name in the language.
    pub fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Gssapi => "gssapi",
            Self::None => "none",
            Self::PamAddress => "pam.address",
            Self::PamUsername => "pam.username",
            Self::Password => "password",
        }
    }

    /// The method of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// Whether a client that used it has a user name.
    pub fn names_a_user(self) -> bool {
        match self {
            Self::Certificate | Self::Gssapi | Self::PamUsername | Self::Password => true,
            Self::None | Self::PamAddress => false,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A method, for PAM with the service that is asked.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct MethodSpec {
    /// The method.
    pub method: Method,
    /// `pam.username(service)`; without it any service fits, and the settings' one is asked.
    pub service: Option<Arc<str>>,
}

impl fmt::Display for MethodSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.service {
            Some(service) => write!(f, "{}({service})", self.method),
            None => self.method.fmt(f),
        }
    }
}

/// What a client wants (RFC 1928 §4), and the replies that Dante gives commands of their own.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Command {
    /// A listening port for one peer.
    Bind,
    /// That peer has come.
    BindReply,
    /// A connection.
    Connect,
    /// Datagrams.
    UdpAssociate,
    /// A datagram has come back.
    UdpReply,
}

impl Command {
    /// All, by name.
    pub const ALL: [Self; 5] =
        [Self::Bind, Self::BindReply, Self::Connect, Self::UdpAssociate, Self::UdpReply];

    /// Its name in the language.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bind => "bind",
            Self::BindReply => "bindreply",
            Self::Connect => "connect",
            Self::UdpAssociate => "udpassociate",
            Self::UdpReply => "udpreply",
        }
    }

    /// The command of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|command| command.name() == name)
    }

    /// The transport that it uses.
    pub fn protocol(self) -> Protocol {
        match self {
            Self::Bind | Self::BindReply | Self::Connect => Protocol::Tcp,
            Self::UdpAssociate | Self::UdpReply => Protocol::Udp,
        }
    }

    /// Whether it belongs to an earlier command, so that only rules that name it speak of it.
    pub fn is_reply(self) -> bool {
        match self {
            Self::BindReply | Self::UdpReply => true,
            Self::Bind | Self::Connect | Self::UdpAssociate => false,
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The transport towards the target.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// The protocol that the client speaks to us.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ProxyProtocol {
    /// HTTP CONNECT (RFC 9110 §9.3.6).
    Http,
    /// SOCKS 4 and 4a.
    Socks4,
    /// SOCKS 5 (RFC 1928).
    Socks5,
}

impl fmt::Display for ProxyProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Socks4 => "socks4",
            Self::Socks5 => "socks5",
        })
    }
}

/// What is known at accept.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// Its address; [`crate::model::canonical`].
    pub address: IpAddr,
    /// The name of the listener.
    pub listener: &'a str,
    /// Now.
    pub time: Timestamp,
    /// `none`, `pam.address` or, on a TLS listener, `certificate`.
    pub method: Method,
    /// Subject names of its certificate; empty without one.
    pub certificate: &'a [Box<str>],
}

/// Who asks: a user with groups, made once at authentication by [`crate::Policy::principal`].
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Principal {
    user: Option<Arc<str>>,
    groups: Vec<Arc<str>>,
    /// The policy that has classified it, and the class; see [`crate::tree`].
    pub(crate) class: Option<PrincipalClass>,
}

impl Principal {
    /// Nobody.
    pub fn nobody() -> Self {
        Self::default()
    }

    /// A user with system groups. Slower to decide upon than what
    /// [`crate::Policy::principal`] makes, never otherwise.
    pub fn new(user: Option<Arc<str>>, groups: Vec<Arc<str>>) -> Self {
        Self { user, groups, class: None }
    }

    /// The user name.
    pub fn user(&self) -> Option<&Arc<str>> {
        self.user.as_ref()
    }

    /// System groups.
    pub fn groups(&self) -> &[Arc<str>] {
        &self.groups
    }
}

/// The far side: a name, an address, or both once the name is resolved.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The name, if the client gave one.
    pub name: Option<&'a Name>,
    /// The address ([`crate::model::canonical`]): the literal that the client gave, or the
    /// candidate that would be dialled. `None`: not resolved yet.
    pub address: Option<IpAddr>,
    /// The port.
    pub port: u16,
}

/// A request at the socks stage.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Who connected.
    pub client: Client<'a>,
    /// Who asks.
    pub principal: &'a Principal,
    /// How it was shown.
    pub method: Method,
    /// The PAM service that was asked.
    pub service: Option<&'a str>,
    /// What is wanted.
    pub command: Command,
    /// The protocol that the client speaks.
    pub proxy_protocol: ProxyProtocol,
    /// The far side; of replies, the peer that has come.
    pub target: Target<'a>,
}
