//! RS0104: a name that nothing defines
//!
//! A set, a list of ports, a time, a group or a listener is referred to, but no statement of the policy and its
//! includes defines it.
//!
//! ## Why it matters
//!
//! A rule over nothing would match nothing: a block that were meant to hold would be open.
//!
//! ## Example
//!
//! ```policy,fails
//! set office { 10.0.0.0/8 }
//! socks pass web { from: @offices }
//! ```
//!
//! ## Better
//!
//! ```policy
//! set office { 10.0.0.0/8 }
//! socks pass web { from: @office }
//! ```
//!
//! ## Fix
//!
//! Correct the name (the nearest one is suggested) or add the definition. Listeners are known only where the
//! settings are; `check` does not ask for them.

use super::{Grade, Lint};

/// The code.
pub(super) const LINT: Lint = Lint::page("RS0104", Grade::Error, include_str!("rs0104.rs"));
