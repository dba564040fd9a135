//! Rules such as offices have: teams and people, services by name and by prefix, some blocks.

use crate::Dice;

/// One rule, as data.
#[derive(Clone, Debug)]
pub struct Rule {
    pub blocks: bool,
    pub who: Who,
    pub to: To,
    pub ports: Vec<u16>,
    /// Second byte of a `from: 10.x.0.0/16`.
    pub from: Option<u8>,
}

#[derive(Clone, Debug)]
pub enum Who {
    Anybody,
    Group(u64),
    Users(Vec<u64>),
}

#[derive(Clone, Debug)]
pub enum To {
    /// A name alone.
    Exact(String),
    /// A name and all below.
    Tree(String),
    /// `10.a.b.0/24`.
    Prefix(u8, u8),
}

/// How many groups a policy of so many rules has.
pub fn groups(rules: usize) -> u64 {
    (rules as u64 / 40).max(5)
}

/// How many users there are.
pub fn users(rules: usize) -> u64 {
    groups(rules) * 20
}

/// The groups of a user: three of all.
pub fn groups_of(user: u64, rules: usize) -> [u64; 3] {
    let all = groups(rules);
    [user % all, (user * 7 + 1) % all, (user * 13 + 5) % all]
}

/// Random rules.
pub fn rules(count: usize, dice: &mut Dice) -> Vec<Rule> {
    const PORTS: [u16; 12] = [443, 80, 22, 8080, 8443, 5432, 3306, 6379, 9200, 25, 993, 3128];
    let (groups, users) = (groups(count), users(count));
    let domains = (count as u64 / 2).max(20);
    (0..count)
        .map(|_| {
            let blocks = dice.percent(8);
            let domain = dice.throw(domains);
            let to = match dice.throw(100) {
                0..40 => To::Tree(format!("svc{}.corp{}.example", domain, domain % 97)),
                40..62 => {
                    To::Exact(format!("host{}.svc{}.corp{}.example", dice.throw(9), domain, domain % 97))
                }
                _ => To::Prefix(dice.throw(256) as u8, dice.throw(256) as u8),
            };
            let who = match dice.throw(100) {
                _ if blocks && dice.percent(70) => Who::Anybody,
                0..65 => Who::Group(dice.throw(groups)),
                65..95 => Who::Users((0..=dice.throw(3)).map(|_| dice.throw(users)).collect()),
                _ => Who::Anybody,
            };
            let ports = (0..dice.throw(4)).map(|_| PORTS[dice.throw(12) as usize]).collect();
            let from = dice.percent(10).then(|| dice.throw(32) as u8);
            Rule { blocks, who, to, ports, from }
        })
        .collect()
}

/// The rules in the language of rustsocks.
pub fn policy(rules: &[Rule]) -> String {
    let mut text = String::from("policy 1\nsocksmethod: password\n");
    for rule in rules {
        text.push_str(if rule.blocks { "socks block {" } else { "socks pass {" });
        match &rule.who {
            Who::Anybody => {}
            Who::Group(group) => text.push_str(&format!(" group: g{group}")),
            Who::Users(users) => {
                let users: std::collections::BTreeSet<_> = users.iter().collect();
                let users: Vec<String> = users.into_iter().map(|user| format!("u{user}")).collect();
                text.push_str(&format!(" user: {}", users.join(", ")));
            }
        }
        match &rule.to {
            To::Exact(name) => text.push_str(&format!(" to: {name}")),
            To::Tree(name) => text.push_str(&format!(" to: .{name}")),
            To::Prefix(a, b) => text.push_str(&format!(" to: 10.{a}.{b}.0/24")),
        }
        if let Some(from) = rule.from {
            text.push_str(&format!(" from: 10.{from}.0.0/16"));
        }
        if !rule.ports.is_empty() {
            let ports: std::collections::BTreeSet<_> = rule.ports.iter().collect();
            let ports: Vec<String> = ports.into_iter().map(ToString::to_string).collect();
            text.push_str(&format!(" port: {}", ports.join(", ")));
        }
        text.push_str(" }\n");
    }
    text
}

/// Rules made to be expensive: wide ranges of addresses and ports and many users that all overlap.
pub fn adversarial(count: usize, dice: &mut Dice) -> String {
    let mut text = String::from("policy 1\nsocksmethod: password\n");
    for _ in 0..count {
        let (a, b) = (dice.throw(200), dice.throw(200));
        let (p, q) = (dice.throw(60_000), dice.throw(60_000));
        let users: std::collections::BTreeSet<u64> = (0..20).map(|_| dice.throw(60)).collect();
        let users: Vec<String> = users.into_iter().map(|user| format!("u{user}")).collect();
        text.push_str(&format!(
            "socks pass {{ user: {}  from: 10.{}.0.0-10.{}.255.255  to: *.n{}.example, 20.{}.0.0-20.{}.255.255  port: {}-{} }}\n",
            users.join(", "),
            a.min(b),
            a.max(b),
            dice.throw(4),
            a.min(b),
            a.max(b),
            p.min(q),
            p.max(q),
        ));
    }
    text
}
