//! RS0114: a newer edition of the language
//!
//! `policy 2` says that the text is written for an edition that this program does not know.
//!
//! ## Why it matters
//!
//! A newer word that were skipped could be the one that blocks.
//!
//! ## Example
//!
//! ```policy,fails
//! policy 99
//! socks pass web { to: .example.com }
//! ```
//!
//! ## Better
//!
//! ```policy
//! policy 1
//! socks pass web { to: .example.com }
//! ```
//!
//! ## Fix
//!
//! Update rustsocks, or write the policy in the edition that it knows.

use super::{Grade, Lint};

/// The code.
pub(super) const LINT: Lint = Lint::page("RS0114", Grade::Error, include_str!("rs0114.rs"));
