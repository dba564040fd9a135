//! RS0502: a pass rule without a name
//!
//! In a file of more than five rules a pass rule has no name.
//!
//! ## Why it matters
//!
//! Records, metrics and `explain` call it by its line, which changes with every edit above it.
//!
//! ## Example
//!
//! ```policy
//! socks block a { to: 203.0.113.1 }
//! socks block b { to: 203.0.113.2 }
//! socks block c { to: 203.0.113.3 }
//! socks block d { to: 203.0.113.4 }
//! socks block e { to: 203.0.113.5 }
//! socks pass { to: 9.9.9.9  port: 53 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks block a { to: 203.0.113.1 }
//! socks block b { to: 203.0.113.2 }
//! socks block c { to: 203.0.113.3 }
//! socks block d { to: 203.0.113.4 }
//! socks block e { to: 203.0.113.5 }
//! socks pass dns { to: 9.9.9.9  port: 53 }
//! ```
//!
//! ## Fix
//!
//! Give it a name: `socks pass dns { … }`.

use super::context::Context;
use super::{Grade, Lint};
use crate::diagnostic::Diagnostic;
use crate::model::Verdict;
use std::collections::HashMap;

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0502", Grade::Info, include_str!("rs0502.rs"), check);

const MANY: usize = 5;

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let mut of_file: HashMap<u32, usize> = HashMap::new();
    for rule in &context.model.rules {
        *of_file.entry(rule.span.file.0).or_default() += 1;
    }
    for (_, rule, _) in context.rules() {
        let many = of_file.get(&rule.span.file.0).is_some_and(|count| *count > MANY);
        if many && rule.verdict == Verdict::Pass && rule.name.is_none() {
            found.push(
                LINT.at(rule.head, "a pass rule without a name")
                    .help("name it: records, metrics and `explain` speak of rules by name, or else by line"),
            );
        }
    }
}
