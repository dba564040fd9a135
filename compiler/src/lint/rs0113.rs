//! RS0113: a range the wrong way round
//!
//! The first end of a range of addresses or ports is behind its last.
//!
//! ## Why it matters
//!
//! Such a range holds nothing, and a block over nothing blocks nothing.
//!
//! ## Example
//!
//! ```policy,fails
//! socks pass web { to: .example.com  port: 9000-8000 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks pass web { to: .example.com  port: 8000-9000 }
//! ```
//!
//! ## Fix
//!
//! Turn it round, which `check --fix` does.

use super::{Grade, Lint};

/// The code.
pub(super) const LINT: Lint = Lint::page("RS0113", Grade::Error, include_str!("rs0113.rs"));
