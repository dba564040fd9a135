//! RS0207: a rule that takes everything
//!
//! The rule has no condition, or only such as hold always: it blocks, or passes, every request of its stage.
//!
//! ## Why it matters
//!
//! In a first-match language a trailing "block all" closes the list. Here it blocks every request, because a
//! block wins wherever it stands; what no rule passes is blocked anyway.
//!
//! ## Example
//!
//! ```policy
//! socks pass dns { to: 9.9.9.9  port: 53 }
//! socks block rest { to: any }
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
//! Remove the rule. Where everything not blocked should pass, say `default pass`.

use super::context::Context;
use super::{Grade, Lint};
use crate::diagnostic::Diagnostic;
use crate::model::{Stage, Verdict};

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0207", Grade::Warning, include_str!("rs0207.rs"), check);

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (_, rule, _) in context.rules().filter(|(_, _, shape)| context.takes_all(shape)) {
        let blocks = context.those(rule.stage, Verdict::Block).next().is_some();
        let one = match (rule.verdict, rule.stage) {
            (Verdict::Block, stage) => LINT
                .at(rule.head, format!("{} blocks everything", context.name(rule)))
                .label(format!("no request passes the {stage} stage"))
                .help(instead_of_block(context, stage)),
            // Everything but what is blocked is a way to write a policy.
            (Verdict::Pass, _) if blocks => continue,
            (Verdict::Pass, Stage::Client) => LINT
                .at(rule.head, format!("{} passes every client", context.name(rule)))
                .label("as if there were no client rules")
                .help("remove it, or say who may connect"),
            (Verdict::Pass, Stage::Socks) => LINT
                .at(rule.head, format!("{} passes everything", context.name(rule)))
                .label("and nothing is blocked")
                .help("say who may reach what; where all is meant, `default pass` says it in one line"),
        };
        found.push(one);
    }
}

/// What is done without the rule: what no rule passes is blocked, unless the default says otherwise
/// or the client stage has no other rule.
fn instead_of_block(context: &Context<'_>, stage: Stage) -> String {
    let others = context.rules().filter(|(_, rule, _)| rule.stage == stage).nth(1).is_some();
    let defaults = &context.model.defaults;
    match stage {
        Stage::Client if defaults.client.is_none() && !others => {
            "write `default { client: block }` instead if nobody is to connect; without client rules everybody may"
        }
        Stage::Client if defaults.client == Some(Verdict::Pass) => "write `default { client: block }` instead",
        Stage::Socks if defaults.socks == Verdict::Pass => "write `default block` instead",
        Stage::Client | Stage::Socks => {
            "remove it: what no rule passes is blocked anyway, and a block wins wherever it stands"
        }
    }
    .into()
}
