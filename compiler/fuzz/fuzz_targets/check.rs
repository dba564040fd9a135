//! Any bytes from text to decision: a model exactly where nothing is wrong, and a tree that
//! decides as the oracle does.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustsocks_compiler::load::load;
use rustsocks_compiler::model::{HostFacts, Name, Timestamp};
use rustsocks_compiler::request::{Client, Command, Method, Principal, ProxyProtocol, Request, Target};
use rustsocks_compiler::source::{LoadError, Loader};
use rustsocks_compiler::oracle;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

struct One<'a>(&'a [u8]);

impl Loader for One<'_> {
    fn read(&self, name: &str) -> Result<Arc<[u8]>, LoadError> {
        match name {
            "fuzz.policy" => Ok(self.0.into()),
            "list" => Ok(b"192.0.2.0/24\n.example.com\n"[..].into()),
            _ => Err(LoadError::Missing),
        }
    }

    fn glob(&self, _: &str) -> Result<Vec<String>, LoadError> {
        Ok(vec!["fuzz.policy".into()])
    }
}

fuzz_target!(|bytes: &[u8]| {
    let loaded = load("fuzz.policy", &One(bytes), &HostFacts::default(), None);
    assert_eq!(loaded.model.is_none(), loaded.has_errors());
    let Some(policy) = loaded.policy() else { return };
    let name = Name::parse("www.example.com").expect("a name");
    let nobody = Principal::nobody();
    for (name, address) in [(None, Some([10, 0, 0, 1])), (Some(&name), None), (Some(&name), Some([192, 0, 2, 1]))] {
        for port in [22, 443] {
            let request = Request {
                client: Client {
                    address: Ipv4Addr::LOCALHOST.into(),
                    listener: "main",
                    time: Timestamp(1_767_787_200),
                    method: Method::None,
                    certificate: &[],
                },
                principal: &nobody,
                method: Method::None,
                service: None,
                command: Command::Connect,
                proxy_protocol: ProxyProtocol::Socks5,
                target: Target { name, address: address.map(|octets| IpAddr::from(Ipv4Addr::from(octets))), port },
            };
            let (fast, plain) = (policy.decide(&request), oracle::decide(policy.model(), &request));
            assert_eq!((fast.answer(), fast.rule()), (plain.answer(), plain.rule()));
            let (fast, plain) = (policy.admit(&request.client), oracle::admit(policy.model(), &request.client));
            assert_eq!((fast.answer(), fast.rule()), (plain.answer(), plain.rule()));
        }
    }
});
