//! RS0303: a block by name that an address walks around
//!
//! A block speaks of names, and a request for the address behind such a name passes. A client that looks the
//! name up by itself sends the address.
//!
//! ## Why it matters
//!
//! Most programs send addresses when they are told `socks5://` instead of `socks5h://`, so this happens without
//! malice.
//!
//! ## Example
//!
//! ```policy
//! socks block inside { to: @private, @loopback, @link-local, @metadata }
//! socks block tracker { to: .tracker.example }
//! socks pass web { from: 10.0.0.0/8  port: 443 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks block inside { to: @private, @loopback, @link-local, @metadata }
//! socks block tracker { to: .tracker.example }
//! socks block literals { to: literal }
//! socks pass web { from: 10.0.0.0/8  port: 443 }
//! ```
//!
//! ## Fix
//!
//! Block requests by address (`to: literal`, perhaps `not group: developers`), or name the addresses too.

use super::context::Context;
use super::witness::Sample;
use super::{Grade, Lint};
use crate::diagnostic::Diagnostic;
use crate::model::{Conditions, Rule, Stage, Test, Verdict};

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0303", Grade::Warning, include_str!("rs0303.rs"), check);

/// Passing rules that are tried against each block by name.
const MOST: usize = 32;

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let by_name: Vec<_> = context
        .those(Stage::Socks, Verdict::Block)
        .filter(|(id, _, _)| context.cover(*id).is_none() && names_only(context, *id))
        .collect();
    let open: Vec<&Rule> = context
        .those(Stage::Socks, Verdict::Pass)
        .filter(|(id, _, _)| {
            context.ends(*id, true).is_none_or(|(_, flat)| {
                flat.include.any || flat.include.literal || !flat.include.addresses.is_empty()
            })
        })
        .map(|(_, rule, _)| rule)
        .take(MOST)
        .collect();
    let hit = by_name.iter().take(MOST).find_map(|(_, block, _)| {
        let rest = without_target(&block.when);
        open.iter().find_map(|pass| {
            let fits = |sample: &Sample| {
                sample.name.is_none()
                    && sample.matches(context.model, pass)
                    && context.verdict(sample) == Some(Verdict::Pass)
            };
            context.reach(&[&rest, &pass.when], &Sample::default(), fits).map(|sample| (block, *pass, sample))
        })
    });
    let Some((block, pass, sample)) = hit else { return };
    let others = by_name.len() - 1;
    let more = match others {
        0 => String::new(),
        1 => ", and one other block by name".into(),
        _ => format!(", and {others} other blocks by name"),
    };
    found.push(
        LINT.at(block.head, format!("a request by address walks around {}{more}", context.name(block)))
            .label("this speaks of names alone")
            .related(pass.head, "this passes a client that looked the name up by itself")
            .help("block addresses too, such as `socks block literals { to: literal }`, or name the addresses")
            .witness(context.show(&sample)),
    );
}

fn names_only(context: &Context<'_>, id: crate::model::RuleId) -> bool {
    context.ends(id, true).is_some_and(|(_, flat)| flat.include.only_names())
}

fn without_target(when: &Conditions) -> Conditions {
    let terms = when.terms.iter().filter(|term| !matches!(term.test, Test::To(_))).cloned().collect();
    Conditions { terms, span: when.span }
}
