//! RS0310: IPv4 guarded, IPv6 open
//!
//! A block names IPv4 addresses of a kind (loopback, link-local, private, all), and the same kind of IPv6
//! passes.
//!
//! ## Why it matters
//!
//! Most hosts have both. A name resolves to whichever its owner likes.
//!
//! ## Example
//!
//! ```policy
//! socks block inside { to: 127.0.0.0/8, 169.254.0.0/16, fe80::/10 }
//! socks pass web { from: 10.0.0.0/8  port: 22 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks block inside { to: @loopback, @link-local, @metadata }
//! socks pass web { from: 10.0.0.0/8  port: 22 }
//! ```
//!
//! ## Fix
//!
//! Add the IPv6 range, or use the built-in sets: `@loopback`, `@link-local`, `@private` and `@metadata` hold
//! both families.

use super::context::Context;
use super::ranges::Ranges;
use super::witness::Sample;
use super::{Grade, Lint};
use crate::diagnostic::{Diagnostic, Edit, Safety};
use crate::model::{AddressRange, Conditions, Stage, Test, Verdict};
use std::net::IpAddr;

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0310", Grade::Warning, include_str!("rs0310.rs"), check);

/// An IPv4 range, its like of IPv6, and an address of that.
const TWINS: [(&str, &str, &str); 4] = [
    ("127.0.0.0/8", "::1", "::1"),
    ("169.254.0.0/16", "fe80::/10", "fe80::1"),
    ("10.0.0.0/8", "fc00::/7", "fd00::1"),
    ("0.0.0.0/0", "any6", "2606:4700::1111"),
];

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (id, rule, _) in context.those(Stage::Socks, Verdict::Block) {
        let Some((term, flat)) = context.ends(id, true) else { continue };
        let Test::To(expr) = &term.test else { continue };
        if !flat.include.only_addresses() {
            continue;
        }
        let terms = rule.when.terms.iter().filter(|one| !matches!(one.test, Test::To(_))).cloned();
        let rest = Conditions { terms: terms.collect(), span: None };
        let open = TWINS.iter().find_map(|(old, new, address)| {
            let range = AddressRange::prefix(old.parse().ok()?);
            let held = flat.include.addresses.covers(&std::iter::once(range).collect());
            let address: IpAddr = address.parse().ok()?;
            let like: Ranges = std::iter::once(AddressRange::new(address, address)?).collect();
            (held && flat.include.addresses.is_disjoint(&like)).then(|| reach(context, &rest, address)).flatten().map(|sample| (old, new, sample))
        });
        let Some((old, new, sample)) = open else { continue };
        let mut one = LINT
            .at(term.span, format!("{} guards {old} and leaves {new} open", context.name(rule)))
            .label(format!("{old} is here, {new} is not"))
            .help(format!("add `{new}`, or use the built-in sets, which hold both families"))
            .witness(context.show(&sample));
        if let Some(last) = expr.include.last().filter(|_| expr.exclude.is_empty()) {
            let edit = Edit { span: last.span.at_end(), text: format!(", {new}") };
            one = one.fix(format!("block {new} too"), Safety::Unsafe, vec![edit]);
        }
        found.push(one);
    }
}

fn reach(context: &Context<'_>, rest: &Conditions, address: IpAddr) -> Option<Sample> {
    let start = Sample { address, ..Sample::default() };
    let mut passes = context.those(Stage::Socks, Verdict::Pass).map(|(_, pass, _)| pass).take(32);
    passes.find_map(|pass| {
        let fits = |sample: &Sample| {
            sample.address == address && sample.name.is_none() && context.verdict(sample) == Some(Verdict::Pass)
        };
        context.reach(&[rest, &pass.when], &start, fits)
    })
}
