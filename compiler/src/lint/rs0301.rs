//! RS0301: a pass that reaches the inside
//!
//! A request for a loopback, link-local or metadata address passes. The request is shown, and can be pasted
//! into `rustsocks explain`.
//!
//! ## Why it matters
//!
//! A proxy speaks from where it stands. Through it a client reaches services that trust their own host, and the
//! metadata service that hands out a cloud machine's credentials.
//!
//! ## Example
//!
//! ```policy
//! socks pass web { from: 10.0.0.0/8  port: 80, 443 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks block inside { to: @loopback, @link-local, @metadata }
//! socks pass web { from: 10.0.0.0/8  port: 80, 443 }
//! ```
//!
//! ## Fix
//!
//! Block the inside for all, in one rule: a block wins wherever it stands. Where a service there is meant, name
//! its address in a pass rule and in the `except` of the block.

use super::context::Context;
use super::{Grade, Lint};
use crate::diagnostic::Diagnostic;

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0301", Grade::Warning, include_str!("rs0301.rs"), check);

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(reached) = context.inside() else { return };
    let mut one = LINT
        .at(reached.span, format!("{} reaches {}", reached.who, reached.what))
        .label("this lets a client reach what only this host, or nobody, should")
        .help("block it for all: `socks block inside { to: @loopback, @link-local, @metadata }`")
        .witness(context.show(&reached.sample));
    for span in &reached.others {
        one = one.related(*span, "so does this");
    }
    found.push(one);
}
