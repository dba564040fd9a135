//! The same rules in Cedar: a principal in groups, a context with name, address and port.

use crate::rules::{Rule, To, Who};
use std::fmt::Write;

/// The text of a policy set. Cedar, too, lets `forbid` win in any order.
pub fn policies(rules: &[Rule]) -> String {
    let mut text = String::new();
    for rule in rules {
        let effect = if rule.blocks { "forbid" } else { "permit" };
        let mut when = Vec::new();
        let principal = match &rule.who {
            Who::Anybody => "principal".to_owned(),
            Who::Group(group) => format!("principal in Group::\"g{group}\""),
            Who::Users(users) => {
                let any: Vec<String> =
                    users.iter().map(|user| format!("principal == User::\"u{user}\"")).collect();
                when.push(format!("({})", any.join(" || ")));
                "principal".to_owned()
            }
        };
        when.push(match &rule.to {
            To::Exact(name) => format!("context.name == \"{name}\""),
            To::Tree(name) => format!("(context.name == \"{name}\" || context.name like \"*.{name}\")"),
            To::Prefix(a, b) => format!("context.address.isInRange(ip(\"10.{a}.{b}.0/24\"))"),
        });
        if let Some(from) = rule.from {
            when.push(format!("context.from.isInRange(ip(\"10.{from}.0.0/16\"))"));
        }
        if !rule.ports.is_empty() {
            let any: Vec<String> = rule.ports.iter().map(|port| format!("context.port == {port}")).collect();
            when.push(format!("({})", any.join(" || ")));
        }
        _ = writeln!(
            text,
            "{effect}({principal}, action == Action::\"connect\", resource) when {{ {} }};",
            when.join(" && ")
        );
    }
    text
}
