//! RS0115: a key said twice
//!
//! The same key stands twice in one block.
//!
//! ## Why it matters
//!
//! Dante joins repeated keys by OR, other programs by AND, others take the last. A rule must not depend on
//! which of them its reader has in mind.
//!
//! ## Example
//!
//! ```policy,fails
//! socks pass web { to: .example.com  port: 80  port: 443 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks pass web { to: .example.com  port: 80, 443 }
//! ```
//!
//! ## Fix
//!
//! List the values behind one key; the offered edit does so. Where both must hold, say one of them with `not`
//! or `except`.

use super::{Grade, Lint};

/// The code.
pub(super) const LINT: Lint = Lint::page("RS0115", Grade::Error, include_str!("rs0115.rs"));
