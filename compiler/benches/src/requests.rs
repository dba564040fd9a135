//! Random requests that mean some of the rules.

use crate::Dice;
use crate::rules::{Rule, To, Who, groups_of, users};
use rustsocks_compiler::Policy;
use rustsocks_compiler::model::{Name, Timestamp};
use rustsocks_compiler::request::{Client, Command, Method, Principal, ProxyProtocol, Request, Target};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// A request as plain data.
pub struct Asked {
    pub from: IpAddr,
    pub user: u64,
    pub principal: Principal,
    pub name: Option<Name>,
    pub address: Option<IpAddr>,
    pub port: u16,
}

/// Distinct requests: seven of ten aim at what a rule speaks of, half of these by somebody whom it
/// means; a third by name alone, a third by name with the address, a third by address.
pub fn requests(policy: &Policy, rules: &[Rule], count: usize, dice: &mut Dice) -> Vec<Asked> {
    let people: Vec<Principal> = (0..users(rules.len()))
        .map(|user| {
            let groups = groups_of(user, rules.len()).map(|group| Arc::from(format!("g{group}")));
            policy.principal(Some(format!("u{user}").into()), groups.to_vec())
        })
        .collect();
    (0..count).map(|_| request(&people, rules, dice)).collect()
}

fn request(people: &[Principal], rules: &[Rule], dice: &mut Dice) -> Asked {
    let rule = &rules[dice.throw(rules.len() as u64) as usize];
    let aimed = dice.percent(70);
    let mut user = dice.throw(people.len() as u64);
    if aimed && dice.percent(50) {
        user = match &rule.who {
            Who::Anybody => user,
            Who::Group(group) => *group,
            Who::Users(users) => users[dice.throw(users.len() as u64) as usize],
        };
    }
    let far = |dice: &mut Dice| IpAddr::from(Ipv4Addr::from_bits(dice.throw(1 << 32) as u32));
    let label = dice.throw(1 << 20);
    let (name, address) = match &rule.to {
        _ if !aimed => (Some(format!("www{label}.site{}.com", dice.throw(100_000))), far(dice)),
        To::Exact(name) => (Some(name.clone()), far(dice)),
        To::Tree(name) => (Some(format!("h{label}.{name}")), far(dice)),
        To::Prefix(a, b) => (None, Ipv4Addr::new(10, *a, *b, dice.throw(256) as u8).into()),
    };
    let (name, address) = match dice.throw(3) {
        0 if name.is_some() => (name, None),
        1 => (name.or_else(|| Some(format!("www{label}.site.com"))), Some(address)),
        _ if name.is_some() => (name, Some(address)),
        _ => (None, Some(address)),
    };
    let port = match rule.ports.first() {
        Some(&port) if aimed => port,
        _ => [443, 80, 22, 8080][dice.throw(4) as usize],
    };
    let net = rule.from.filter(|_| aimed).unwrap_or(dice.throw(64) as u8);
    Asked {
        from: Ipv4Addr::new(10, net, dice.throw(256) as u8, dice.throw(256) as u8).into(),
        user,
        principal: people[user as usize].clone(),
        name: name.map(|name| Name::parse(&name).expect("a name")),
        address,
        port,
    }
}

impl Asked {
    /// Reads all of it, as the parser of the request just has.
    pub fn touch(&self) -> u64 {
        let name = self.name.as_ref().map_or(0, |name| name.as_str().bytes().map(u64::from).sum());
        let groups: usize = self.principal.groups().iter().map(|group| group.len()).sum();
        let classified = format_args!("{:?}", self.principal).as_str().map_or(0, str::len);
        name + groups as u64 + classified as u64
    }

    /// The request.
    pub fn request(&self) -> Request<'_> {
        Request {
            client: Client {
                address: self.from,
                listener: "main",
                time: Timestamp(1_767_600_000),
                method: Method::None,
                certificate: &[],
            },
            principal: &self.principal,
            method: Method::Password,
            service: None,
            command: Command::Connect,
            proxy_protocol: ProxyProtocol::Socks5,
            target: Target { name: self.name.as_ref(), address: self.address, port: self.port },
        }
    }
}
