//! A request as a person writes it, with everything filled in that was left out.

use crate::model::{
    AddressRange, Host, Model, Name, SampleRequest, SetBody, SetExpr, SetItemKind, Test, Timestamp, canonical,
};
use crate::request::{Client, Command, Method, MethodSpec, Principal, ProxyProtocol, Request, Target};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// A Wednesday at noon UTC, 2026-01-07.
pub const USUAL_TIME: Timestamp = Timestamp(1_767_787_200);

/// A whole request; see [`SampleRequest`] for what stands for what is not said.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The client's address.
    pub from: IpAddr,
    /// The name of the listener.
    pub listener: Arc<str>,
    /// The time.
    pub time: Timestamp,
    /// Subject names of the certificate.
    pub certificate: Vec<Box<str>>,
    /// How the client was known at accept.
    pub client_method: Method,
    /// Who asks.
    pub principal: Principal,
    /// How that was shown, and the PAM service.
    pub method: MethodSpec,
    /// What is wanted.
    pub command: Command,
    /// How it is asked.
    pub proxy_protocol: ProxyProtocol,
    /// The name or address; `None`: only the client stage is asked.
    pub to: Option<Host>,
    /// The addresses that would be dialled: the literal, or what the name resolves to.
    pub addresses: Vec<IpAddr>,
    /// The port.
    pub port: u16,
}

impl Sample {
    /// Fills in what a request leaves out. A name whose addresses are not said resolves to a public
    /// address that no rule speaks of.
    pub fn new(model: &Model, request: &SampleRequest) -> Self {
        let mut sample = Self::unresolved(model, request);
        if sample.addresses.is_empty() && sample.to.is_some() {
            sample.addresses = vec![unspoken(model)];
        }
        sample
    }

    /// The same, but a name whose addresses are not said has none.
    pub fn unresolved(model: &Model, request: &SampleRequest) -> Self {
        let method = request.method.clone().unwrap_or_else(|| usual_method(model, request));
        let addresses = match &request.to {
            Some(Host::Address(address)) => vec![canonical(*address)],
            Some(Host::Name(_)) => request.resolves.iter().map(|&one| canonical(one)).collect(),
            None => Vec::new(),
        };
        Self {
            from: canonical(request.from.unwrap_or(Ipv4Addr::LOCALHOST.into())),
            listener: request.listener.clone().unwrap_or_else(|| "main".into()),
            time: request.time.unwrap_or(USUAL_TIME),
            certificate: request.certificate.clone(),
            client_method: request
                .client_method
                .unwrap_or_else(|| client_method(&method, &request.certificate)),
            principal: Principal::new(request.user.clone(), request.groups.clone()),
            method,
            command: request.command.unwrap_or(Command::Connect),
            proxy_protocol: request.proxy_protocol.unwrap_or(ProxyProtocol::Socks5),
            to: request.to.clone(),
            addresses,
            port: request.port.unwrap_or(443),
        }
    }

    /// The requested name, if it is one.
    pub fn name(&self) -> Option<&Name> {
        match &self.to {
            Some(Host::Name(name)) => Some(name),
            Some(Host::Address(_)) | None => None,
        }
    }

    /// What is known at accept.
    pub fn client(&self) -> Client<'_> {
        Client {
            address: self.from,
            listener: &self.listener,
            time: self.time,
            method: self.client_method,
            certificate: &self.certificate,
        }
    }

    /// The request, with an address to dial or without.
    pub fn request(&self, address: Option<IpAddr>) -> Request<'_> {
        Request {
            client: self.client(),
            principal: &self.principal,
            method: self.method.method,
            service: self.method.service.as_deref(),
            command: self.command,
            proxy_protocol: self.proxy_protocol,
            target: Target { name: self.name(), address, port: self.port },
        }
    }
}

/// The method of a request that does not say one.
pub fn usual_method(model: &Model, request: &SampleRequest) -> MethodSpec {
    let has_user = request.user.is_some();
    let fits = |spec: &MethodSpec| spec.method.names_a_user() == has_user;
    let otherwise = if has_user { Method::Password } else { Method::None };
    let first = if has_user { model.methods.iter().find(|spec| fits(spec)) } else { None };
    first.cloned().unwrap_or(MethodSpec { method: otherwise, service: None })
}

/// How a client that uses a method was known at accept, if nothing else is said.
pub fn client_method(method: &MethodSpec, certificate: &[Box<str>]) -> Method {
    match method.method {
        Method::PamAddress => Method::PamAddress,
        Method::Certificate => Method::Certificate,
        _ if !certificate.is_empty() => Method::Certificate,
        Method::Gssapi | Method::None | Method::PamUsername | Method::Password => Method::None,
    }
}

/// A public address that no rule speaks of.
pub fn unspoken(model: &Model) -> IpAddr {
    let mut spoken = Vec::new();
    for set in &model.sets {
        match &set.body {
            SetBody::Expr(expr) => ranges(expr, &mut spoken),
            SetBody::List(list) => spoken.extend(list.ranges()),
        }
    }
    for rule in &model.rules {
        let blocks = std::iter::once(&rule.when).chain(&rule.except);
        for term in blocks.flat_map(|when| &when.terms) {
            if let Test::To(expr) = &term.test {
                ranges(expr, &mut spoken);
            }
        }
    }
    let few = |range: &AddressRange| match (range.first(), range.last()) {
        (IpAddr::V4(first), IpAddr::V4(last)) => last.to_bits() - first.to_bits() < 1 << 28,
        _ => false,
    };
    spoken.retain(few);
    let candidates = (0..32_u32).map(|n| IpAddr::from(Ipv4Addr::from_bits(0x5db8_d70e + n * 0x0101_0101)));
    let fallback = Ipv4Addr::from_bits(0x5db8_d70e).into();
    candidates
        .into_iter()
        .find(|&address| !spoken.iter().any(|range| range.contains(address)))
        .unwrap_or(fallback)
}

fn ranges(expr: &SetExpr, into: &mut Vec<AddressRange>) {
    for item in expr.include.iter().chain(&expr.exclude) {
        let mut kind = &item.kind;
        while let SetItemKind::Ported(inner, _) = kind {
            kind = inner;
        }
        if let SetItemKind::Range(range) = kind {
            into.push(*range);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Builtin, Name};

    #[test]
    fn an_unsaid_address_is_a_public_one() {
        let address = unspoken(&Model::default());
        assert!(Builtin::Internet.ranges(&[]).iter().any(|range| range.contains(address)));
    }

    #[test]
    fn what_is_not_said_is_filled_in() {
        let to = Some(Host::Name(Name::parse("example.com").expect("a name")));
        let request = SampleRequest { to, user: Some("alice".into()), ..SampleRequest::default() };
        let sample = Sample::new(&Model::default(), &request);
        assert!(sample.method.method.names_a_user() && sample.addresses.len() == 1 && sample.port == 443);
    }
}
