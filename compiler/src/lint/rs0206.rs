//! RS0206: overlapping rules that log differently
//!
//! Two pass rules without different priorities have a request in common and different `log`; neither lies
//! within the other.
//!
//! ## Why it matters
//!
//! Which of them decides, and so what is logged, hangs on their order in the file: the one thing that order
//! changes.
//!
//! ## Example
//!
//! ```policy
//! socks block inside { to: @private, @loopback, @link-local, @metadata }
//! socks pass web { to: 9.9.9.0/24  port: 443  log: connect }
//! socks pass quad { to: 9.9.9.9  log: disconnect }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks block inside { to: @private, @loopback, @link-local, @metadata }
//! socks pass web { to: 9.9.9.0/24  port: 443  log: connect }
//! socks pass quad { to: 9.9.9.9  log: disconnect  priority: 10 }
//! ```
//!
//! ## Fix
//!
//! Give the rule that should count a `priority`, log the same in both, or keep them apart.

use super::context::Context;
use super::witness::{Sample, find};
use super::{Grade, Lint};
use crate::diagnostic::Diagnostic;
use crate::model::{Stage, Verdict};

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0206", Grade::Warning, include_str!("rs0206.rs"), check);

/// Rules with a `log` of their own that are compared with each other.
const MOST: usize = 100;

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let loud: Vec<_> =
        context.those(Stage::Socks, Verdict::Pass).filter(|(_, rule, _)| rule.log.is_some()).take(MOST).collect();
    for (at, (_, rule, shape)) in loud.iter().enumerate() {
        let clash = loud.iter().take(at).find_map(|(_, first, other)| {
            let rivals = first.log != rule.log
                && first.priority == rule.priority
                && !context.ground.disjoint(shape, other)
                && !context.ground.covers(other, shape)
                && !context.ground.covers(shape, other);
            let both = |sample: &Sample| {
                sample.matches(context.model, rule) && sample.matches(context.model, first)
            };
            rivals
                .then(|| find(context.model, &[&rule.when, &first.when], &Sample::default(), both))
                .flatten()
                .map(|sample| (first, sample))
        });
        let Some((first, sample)) = clash else { continue };
        found.push(
            LINT.at(rule.head, format!("{} and an earlier one log the same requests differently", context.name(rule)))
                .label("a request that both match is logged …")
                .related(first.head, "… as this one says, because it comes first")
                .help("give the one that should count a `priority`, or keep them apart")
                .witness(context.show(&sample)),
        );
    }
}
