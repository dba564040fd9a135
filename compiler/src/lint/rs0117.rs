//! RS0117: beyond what the parser reads
//!
//! The policy is larger, nests deeper, includes further or has more rules than the reader takes.
//!
//! ## Why it matters
//!
//! Limits keep a broken or hostile file from using up the memory or the time of the server. They are far above
//! what people write.
//!
//! ## Example
//!
//! ```policy,fails
//! socks block deep { to: 10.0.0.1 }
//! {{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks block deep { to: 10.0.0.1 }
//! socks pass web { to: .example.com }
//! ```
//!
//! ## Fix
//!
//! Split the policy with `include`, and put long lists of addresses or names into list files: a million lines
//! are fine there.

use super::{Grade, Lint};

/// The code.
pub(super) const LINT: Lint = Lint::page("RS0117", Grade::Error, include_str!("rs0117.rs"));
