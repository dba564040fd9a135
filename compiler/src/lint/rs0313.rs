//! RS0313: a pass by name with the inside unguarded
//!
//! A rule passes names, and a name that resolves to a loopback, link-local or metadata address passes with
//! them.
//!
//! ## Why it matters
//!
//! Whoever owns a name chooses its address, and may change it between two requests. Every candidate address is
//! judged before it is dialled, but only a rule that speaks of addresses can refuse one.
//!
//! ## Example
//!
//! ```policy
//! socks pass partner { to: .partner.example  port: 443 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks block inside { to: @loopback, @link-local, @metadata }
//! socks pass partner { to: .partner.example  port: 443 }
//! ```
//!
//! ## Fix
//!
//! Block the inside for all, in one rule.

use super::context::Context;
use super::{Grade, Lint};
use crate::diagnostic::Diagnostic;

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0313", Grade::Warning, include_str!("rs0313.rs"), check);

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    if context.inside().is_some() {
        return;
    }
    let Some(reached) = super::guard::by_name(context) else { return };
    let mut one = LINT
        .at(reached.span, format!("{} reaches {} through a name", reached.who, reached.what))
        .label("whoever owns the name chooses the address")
        .help("block the inside for all: `socks block inside { to: @loopback, @link-local, @metadata }`")
        .witness(context.show(&reached.sample));
    for span in &reached.others {
        one = one.related(*span, "so does this");
    }
    found.push(one);
}
