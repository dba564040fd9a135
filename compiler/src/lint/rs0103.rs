//! RS0103: an unknown statement, stage or verdict
//!
//! A statement begins with `policy default socksmethod clientmethod resolve include lint set ports group time
//! client socks test never always`; behind `client` and `socks` stands `pass` or `block`.
//!
//! ## Why it matters
//!
//! What is not understood might have been the block that mattered, so the policy is not loaded.
//!
//! ## Example
//!
//! ```policy,fails
//! socks permit web { to: .example.com }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks pass web { to: .example.com }
//! ```
//!
//! ## Fix
//!
//! Write the word that the message suggests. Dante's bare `pass { … }` is `socks pass { … }` here: a rule
//! always says its stage.

use super::{Grade, Lint};

/// The code.
pub(super) const LINT: Lint = Lint::page("RS0103", Grade::Error, include_str!("rs0103.rs"));
