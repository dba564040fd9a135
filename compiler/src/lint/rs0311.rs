//! RS0311: a policy that others may write
//!
//! The file of the policy, or of a list, is writable by its group or by everybody. `check --environment` looks
//! at it.
//!
//! ## Why it matters
//!
//! Whoever may write the policy decides what passes.
//!
//! ## Example
//!
//! ```policy
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
//! `chmod go-w` the file. A folder that others may write lets them replace it, too.

use super::{Grade, Lint};

/// The code.
pub(super) const LINT: Lint = Lint::page("RS0311", Grade::Warning, include_str!("rs0311.rs"));
