//! RS0601: a test that does not hold
//!
//! A case of a `test` block expects another verdict, or another rule, than the policy gives.
//!
//! ## Why it matters
//!
//! The policy does not do what it promises. It is not loaded before it does.
//!
//! ## Example
//!
//! ```policy
//! socks pass dns { to: 9.9.9.9  port: 53 }
//! test "the resolver" {
//!     pass dns { to: 9.9.9.9  port: 853 }
//! }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks pass dns { to: 9.9.9.9  port: 53, 853 }
//! test "the resolver" {
//!     pass dns { to: 9.9.9.9  port: 853 }
//! }
//! ```
//!
//! ## Fix
//!
//! Correct the rule or the case. The message says which rule decided; `rustsocks test` shows how.

use super::{Grade, Lint};

/// The code.
pub(super) const LINT: Lint = Lint::page("RS0601", Grade::Error, include_str!("rs0601.rs"));
