//! RS0401: a pattern that is too large
//!
//! A pattern would need more memory as an automaton than the compiler allows, or it is the first beyond 4,096
//! names with a `*` inside and regexes.
//!
//! ## Why it matters
//!
//! A decision takes the same short time whatever the patterns are. Beyond the budget that could not be kept.
//!
//! ## Example
//!
//! ```policy,fails
//! socks block inside { to: @private, @loopback, @link-local, @metadata }
//! socks pass odd { to: /([a-z]{1,200}\.){1,200}example\.com/ }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks block inside { to: @private, @loopback, @link-local, @metadata }
//! socks pass odd { to: *.example.com }
//! ```
//!
//! ## Fix
//!
//! Use suffixes (`.example.com`) or lists of names instead of regular expressions; they cost next to nothing.

use super::{Grade, Lint};

/// The code.
pub(super) const LINT: Lint = Lint::page("RS0401", Grade::Error, include_str!("rs0401.rs"));
