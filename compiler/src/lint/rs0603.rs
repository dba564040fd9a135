//! RS0603: a rule that no test decides
//!
//! No case of a `test` block is decided by this rule. `rustsocks test --coverage` lists such rules too.
//!
//! ## Why it matters
//!
//! A rule that no test speaks of can be changed by mistake without anybody noticing.
//!
//! ## Example
//!
//! ```policy
//! lint warn RS0603
//! socks pass dns { to: 9.9.9.9  port: 53 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! lint warn RS0603
//! socks pass dns { to: 9.9.9.9  port: 53 }
//! test "the resolver" {
//!     pass dns { to: 9.9.9.9  port: 53 }
//! }
//! ```
//!
//! ## Fix
//!
//! Add a case that names it.

use super::context::Context;
use super::{Grade, Lint};
use crate::diagnostic::Diagnostic;
use crate::promise;

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0603", Grade::Off, include_str!("rs0603.rs"), check);

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for id in promise::uncovered(context.model, &promise::play(context.model)) {
        let Some(rule) = context.model.rule(id) else { continue };
        found.push(
            LINT.at(rule.head, format!("no test is decided by {}", context.name(rule)))
                .help("add a case to a `test` block that this rule decides"),
        );
    }
}
