//! RS0110: lines of a list that say nothing
//!
//! A list file has lines that are no address, prefix, range or name. The first five are shown, and how many
//! there are. The other lines count.
//!
//! ## Why it matters
//!
//! A list that a feed delivers as an HTML error page has no valid line at all; one with a typo lets through
//! what it was to block.
//!
//! ## Example
//!
//! ```policy
//! set feed from "bad.txt"
//! socks block "known bad" { to: @feed }
//! socks pass web { port: 443 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! set feed from "good.txt"
//! socks block "known bad" { to: @feed }
//! socks pass web { port: 443 }
//! ```
//!
//! ## Fix
//!
//! Correct the lines, or begin them with `#`.

use super::{Grade, Lint};

/// The code.
pub(super) const LINT: Lint = Lint::page("RS0110", Grade::Warning, include_str!("rs0110.rs"));
