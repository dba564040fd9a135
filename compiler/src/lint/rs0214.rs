//! RS0214: a method that is never used
//!
//! A rule asks for a method that the policy's `socksmethod:` does not list, so that no client is ever offered
//! it.
//!
//! ## Why it matters
//!
//! The rule matches nobody: a pass that does not pass, or a block that does not hold.
//!
//! ## Example
//!
//! ```policy
//! socksmethod: none
//! socks pass dns { socksmethod: password  to: 9.9.9.9  port: 53 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socksmethod: password, none
//! socks pass dns { socksmethod: password  to: 9.9.9.9  port: 53 }
//! ```
//!
//! ## Fix
//!
//! List the method in `socksmethod:`, in order of preference, or remove it from the rule.

use super::context::Context;
use super::{Grade, Lint};
use crate::diagnostic::Diagnostic;
use crate::model::{Stage, Test};
use crate::request::MethodSpec;

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0214", Grade::Warning, include_str!("rs0214.rs"), check);

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let offered = context.model.socks_methods();
    for (_, rule, _) in context.rules().filter(|(_, rule, _)| rule.stage == Stage::Socks) {
        for term in rule.when.terms.iter().filter(|term| !term.negated) {
            let Test::Method(specs) = &term.test else { continue };
            let idle: Vec<String> = specs
                .iter()
                .filter(|spec| !offered.iter().any(|one| meets(one, spec)))
                .map(|spec| format!("`{spec}`"))
                .collect();
            if idle.is_empty() {
                continue;
            }
            let known: Vec<String> = offered.iter().map(ToString::to_string).collect();
            found.push(
                LINT.at(term.span, format!("{} is never offered to a client", idle.join(", ")))
                    .label(format!("the policy offers: {}", known.join(", ")))
                    .help(format!(
                        "add it to the policy's methods, in order of preference: `socksmethod: {}, {}`",
                        known.join(", "),
                        idle.join(", ").replace('`', "")
                    )),
            );
        }
    }
}

fn meets(offered: &MethodSpec, wanted: &MethodSpec) -> bool {
    let open = offered.service.is_none() || wanted.service.is_none();
    offered.method == wanted.method && (open || offered.service == wanted.service)
}
