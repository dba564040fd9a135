//! A request in the words of a command line or of JSON.

use crate::model::{Host, Model, SampleRequest, Timestamp, Zone};
use crate::request::{Command, Method, MethodSpec, ProxyProtocol};
use crate::sample::Sample;
use std::net::IpAddr;
use std::sync::Arc;

/// A request in words; what is not said is as [`SampleRequest`] has it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Words {
    /// The user.
    pub user: Option<String>,
    /// System groups of the user.
    pub groups: Vec<String>,
    /// Address of the client.
    pub from: Option<String>,
    /// Host, perhaps with a port: `example.com:443`, `[::1]:80`.
    pub to: Option<String>,
    /// The port, if `to` has none.
    pub port: Option<u16>,
    /// Addresses that a name resolves to.
    pub addresses: Vec<String>,
    /// `connect` and its like.
    pub command: Option<String>,
    /// `password`, `pam.username(service)` and their like.
    pub method: Option<String>,
    /// How the client was known at accept.
    pub client_method: Option<String>,
    /// `socks5`, `socks4` or `http`.
    pub proxy_protocol: Option<String>,
    /// The name of the listener.
    pub listener: Option<String>,
    /// Subject names of the certificate.
    pub certificate: Vec<String>,
    /// `mon 09:30`, `2026-01-07 09:30` or RFC 3339.
    pub time: Option<String>,
}

/// A word that cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{word}` is no {what}; write {example}")]
pub struct Unreadable {
    /// The word.
    pub word: String,
    /// What it should be.
    pub what: &'static str,
    /// How that is written.
    pub example: &'static str,
}

impl Words {
    /// Reads a request. A name without addresses stays without.
    ///
    /// # Errors
    /// Names the first word that cannot be read.
    pub fn read(&self, model: &Model) -> Result<Sample, Unreadable> {
        let (to, port) = self.to.as_deref().map(target).transpose()?.unzip();
        let request = SampleRequest {
            user: self.user.as_deref().map(Into::into),
            groups: self.groups.iter().map(|group| group.as_str().into()).collect(),
            from: self.from.as_deref().map(address).transpose()?,
            to,
            resolves: self.addresses.iter().map(|text| address(text)).collect::<Result<_, _>>()?,
            port: port.flatten().or(self.port),
            command: self.command.as_deref().map(command).transpose()?,
            method: self.method.as_deref().map(method).transpose()?,
            client_method: self.client_method.as_deref().map(method).transpose()?.map(|spec| spec.method),
            proxy_protocol: self.proxy_protocol.as_deref().map(protocol).transpose()?,
            listener: self.listener.as_deref().map(Into::into),
            certificate: self.certificate.iter().map(|name| name.as_str().into()).collect(),
            time: self.time.as_deref().map(|text| time(text, &model.host.zone)).transpose()?,
        };
        Ok(Sample::unresolved(model, &request))
    }
}

fn target(text: &str) -> Result<(Host, Option<u16>), Unreadable> {
    let no = || Unreadable {
        word: text.into(),
        what: "host",
        example: "a name or an address, perhaps with a port: `example.com:443`, `[::1]:80`",
    };
    if let Ok(v6) = text.parse::<std::net::Ipv6Addr>() {
        return Ok((Host::Address(v6.into()), None));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().map_err(|_| no())?)),
        None => (text, None),
    };
    Ok((Host::parse(host).map_err(|_| no())?, port))
}

fn address(text: &str) -> Result<IpAddr, Unreadable> {
    text.parse().map_err(|_| Unreadable {
        word: text.into(),
        what: "address",
        example: "one such as `10.1.2.3` or `2001:db8::1`",
    })
}

fn command(text: &str) -> Result<Command, Unreadable> {
    Command::named(text).ok_or_else(|| Unreadable {
        word: text.into(),
        what: "command",
        example: "`connect`, `bind`, `udpassociate`, `bindreply` or `udpreply`",
    })
}

fn method(text: &str) -> Result<MethodSpec, Unreadable> {
    let parts = text.strip_suffix(')').and_then(|rest| rest.split_once('('));
    let (name, service) = parts.map_or((text, None), |(name, service)| (name, Some(Arc::from(service))));
    let method = Method::named(name).ok_or_else(|| Unreadable {
        word: text.into(),
        what: "method",
        example: "`none`, `password`, `pam.username`, `pam.address`, `certificate` or `gssapi`",
    })?;
    Ok(MethodSpec { method, service })
}

fn protocol(text: &str) -> Result<ProxyProtocol, Unreadable> {
    match text {
        "http" => Ok(ProxyProtocol::Http),
        "socks4" | "socks4a" => Ok(ProxyProtocol::Socks4),
        "socks5" => Ok(ProxyProtocol::Socks5),
        _ => Err(Unreadable { word: text.into(), what: "protocol", example: "`socks5`, `socks4` or `http`" }),
    }
}

/// Days are those of the week of 2026-01-05, in which requests without a time are, too.
fn time(text: &str, zone: &Zone) -> Result<Timestamp, Unreadable> {
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let no = || Unreadable {
        word: text.into(),
        what: "time",
        example: "`mon 09:30`, `2026-01-07 09:30` or `2026-01-07T09:30:00Z`",
    };
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Ok(Timestamp(instant.as_second()));
    }
    let (day, clock) = text.split_once([' ', 'T']).unwrap_or((text, "00:00"));
    let day = day.to_ascii_lowercase();
    let date = match (5_i8..).zip(DAYS).find(|(_, name)| *name == day) {
        Some((of_month, _)) => (2026, 1, of_month),
        None => {
            let date = day.parse::<jiff::civil::Date>().map_err(|_| no())?;
            (date.year(), date.month(), date.day())
        }
    };
    let minute = clock.trim().split_once(':').and_then(|(hour, minute)| {
        let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
        (hour < 24 && minute < 60).then_some(hour * 60 + minute)
    });
    zone.at(date, minute.ok_or_else(no)?).ok_or_else(no)
}
