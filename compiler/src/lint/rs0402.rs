//! RS0402: lists beyond the memory budget
//!
//! The lists of the policy have more than four million entries together.
//!
//! ## Why it matters
//!
//! Each takes some ten bytes and its text, twice while a policy is reloaded. A feed that grew by mistake would
//! take the memory of the server with it.
//!
//! ## Example
//!
//! ```policy,fails
//! set feed from "feed.txt"
//! socks block "known bad" { to: @feed }
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
//! Shorten the list: names below a listed `.example.com` need no lines of their own, nor do addresses within a
//! listed prefix.

use super::context::Context;
use super::{Grade, Lint};
use crate::diagnostic::Diagnostic;
use crate::model::SetBody;

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0402", Grade::Warning, include_str!("rs0402.rs"), check);

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let lists = context.model.sets.iter().filter_map(|set| match &set.body {
        SetBody::List(list) => Some((set, list.len())),
        SetBody::Expr(_) => None,
    });
    let total: usize = lists.clone().map(|(_, entries)| entries).sum();
    let Some((longest, entries)) = lists.max_by_key(|(_, entries)| *entries) else { return };
    if total > context.list_budget {
        found.push(
            LINT.at(longest.span, format!("the lists have {total} entries, more than {}", context.list_budget))
                .label(format!("the longest has {entries}"))
                .help("shorten it, or see that the host has the memory twice: a reload holds both generations"),
        );
    }
}
