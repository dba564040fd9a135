//! RS0216: every IPv4 address, and no IPv6 address
//!
//! `0.0.0.0/0` (or Dante's `0/0`) is the whole of IPv4. A client or a target with an IPv6 address is not in it.
//!
//! ## Why it matters
//!
//! Written for "anybody", it forgets half of today's clients; in a block it leaves all of IPv6 open.
//!
//! ## Example
//!
//! ```policy
//! client pass all-of-us { from: 0.0.0.0/0 }
//! socks pass dns { to: 9.9.9.9  port: 53 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks pass dns { to: 9.9.9.9  port: 53 }
//! ```
//!
//! ## Fix
//!
//! Write `any` for both families, or `any4` where IPv4 alone is meant.

use super::context::Context;
use super::{Grade, Lint};
use crate::diagnostic::{Diagnostic, Edit, Safety};
use crate::model::{AddressRange, SetItem, SetItemKind};

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0216", Grade::Warning, include_str!("rs0216.rs"), check);

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for expr in context.expressions() {
        let whole = |item: &SetItem| matches!(&item.kind, SetItemKind::Range(range) if *range == AddressRange::ANY4);
        if !expr.include.iter().any(whole) {
            continue;
        }
        let flat = context.flat(expr);
        if flat.include.any || flat.include.addresses.has_v6() {
            continue;
        }
        for item in &expr.include {
            let text = context.model.sources.text(item.span);
            if whole(item) && text != "any4" {
                found.push(
                    LINT.at(item.span, format!("`{text}` is every IPv4 address and no IPv6 address"))
                        .label("IPv4 only")
                        .help("write `any` for both, or `any4` where IPv4 alone is meant")
                        .fix(
                            "write `any`",
                            Safety::Unsafe,
                            vec![Edit { span: item.span, text: "any".into() }],
                        ),
                );
            }
        }
    }
}
