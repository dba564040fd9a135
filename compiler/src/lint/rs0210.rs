//! RS0210: a rule of which almost nothing is left
//!
//! Blocks leave under one in a hundred of the addresses that the rule names.
//!
//! ## Why it matters
//!
//! The rule reads as if it opened a network; it opens a corner of it. What is meant should stand there.
//!
//! ## Example
//!
//! ```policy
//! socks block inside { to: @loopback, @link-local, @metadata, 10.0.1.0-10.255.255.255 }
//! socks pass servers { to: 10.0.0.0/8  port: 443 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks block inside { to: @loopback, @link-local, @metadata, 10.0.1.0-10.255.255.255 }
//! socks pass servers { to: 10.0.0.0/24  port: 443 }
//! ```
//!
//! ## Fix
//!
//! Name what is meant: the help lists what is left.

use super::context::Context;
use super::ranges::Ranges;
use super::{Grade, Lint};
use crate::diagnostic::Diagnostic;
use crate::model::{Stage, Verdict};

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0210", Grade::Info, include_str!("rs0210.rs"), check);

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let blocked = context.blocked();
    for (id, rule, _) in context.those(Stage::Socks, Verdict::Pass) {
        let Some((term, flat)) = context.ends(id, true) else { continue };
        if !flat.include.only_addresses() || flat.include.addresses.has_v6() || !flat.exclude.is_empty() {
            continue;
        }
        let said: &Ranges = &flat.include.addresses;
        let left = said.without(blocked);
        let share = left.share_of_v4() / said.share_of_v4();
        if left.is_empty() || share >= 0.01 {
            continue;
        }
        let rest: Vec<String> = left.iter().take(3).map(|range| range.to_string()).collect();
        found.push(
            LINT.at(term.span, format!("{} passes under 1 % of the addresses that it names", context.name(rule)))
                .label("the rest of these is blocked")
                .help(format!("name what is meant: {}", rest.join(", "))),
        );
    }
}
