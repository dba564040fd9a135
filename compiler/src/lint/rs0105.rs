//! RS0105: defined twice
//!
//! Two statements give the same name to two sets, groups, lists of ports, times, or two rules.
//!
//! ## Why it matters
//!
//! Rules are named in records, logs and tests: a name has to lead to one rule. Of two sets with one name nobody
//! could say which counts.
//!
//! ## Example
//!
//! ```policy,fails
//! set office { 10.0.0.0/8 }
//! set office { 192.168.0.0/16 }
//! socks pass web { from: @office }
//! ```
//!
//! ## Better
//!
//! ```policy
//! set office { 10.0.0.0/8, 192.168.0.0/16 }
//! socks pass web { from: @office }
//! ```
//!
//! ## Fix
//!
//! Rename one of them, or join the two. The message points at both.

use super::{Grade, Lint};

/// The code.
pub(super) const LINT: Lint = Lint::page("RS0105", Grade::Error, include_str!("rs0105.rs"));
