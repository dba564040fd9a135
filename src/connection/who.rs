//! What is known of a client, in the form that the policy is asked with.

use rustsocks_compiler::Policy;
use rustsocks_compiler::model::Timestamp;
use rustsocks_compiler::oracle::Facts;
use rustsocks_compiler::request::{Client, Command, Method, Principal, ProxyProtocol, Request, Target};
use std::net::IpAddr;
use std::sync::Arc;

/// A client at the client stage.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Its address, canonical.
    pub address: IpAddr,
    /// The name of the listener.
    pub listener: Arc<str>,
    /// How it was admitted.
    pub method: Method,
    /// Subject names of its certificate.
    pub certificate: Box<[Box<str>]>,
}

impl Caller {
    /// As the policy sees it now.
    pub fn client(&self) -> Client<'_> {
        Client {
            address: self.address,
            listener: &self.listener,
            time: now(),
            method: self.method,
            certificate: &self.certificate,
        }
    }
}

/// A client that has shown who it is.
#[derive(Clone, Debug)]
pub struct Who {
    /// Where it calls from.
    pub caller: Caller,
    /// Who it is.
    pub principal: Principal,
    /// How it was shown.
    pub method: Method,
    /// The PAM service that was asked.
    pub service: Option<Arc<str>>,
    /// What it speaks.
    pub protocol: ProxyProtocol,
}

impl Who {
    /// A request of its.
    pub fn request<'a>(&'a self, command: Command, target: Target<'a>) -> Request<'a> {
        Request {
            client: self.caller.client(),
            principal: &self.principal,
            method: self.method,
            service: self.service.as_deref(),
            command,
            proxy_protocol: self.protocol,
            target,
        }
    }

    /// Whether a command could be passed for any target.
    pub fn could(&self, policy: &Policy, command: Command) -> bool {
        policy.could_pass(&Facts {
            client: self.caller.client(),
            method: Some((self.method, self.service.as_deref())),
            principal: Some(&self.principal),
            command: Some(command),
            proxy_protocol: Some(self.protocol),
            target: None,
        })
    }
}

/// The clock that the policy is asked by.
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp(since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX)))
}
