//! RS0101: the text is not a policy
//!
//! The parser met something that no statement begins or continues with. The message says in words what could
//! stand there.
//!
//! ## Why it matters
//!
//! A policy is loaded whole or not at all, so that no half of it is ever in force. The parser goes on at the
//! next statement: one mistake gives one message, and the others in the file are told in the same run.
//!
//! ## Example
//!
//! ```policy,fails
//! socks pass web { to .example.com }
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
//! Put in what is missing: most often a colon behind a key, a comma between values, or a closing brace.

use super::{Grade, Lint};

/// The code.
pub(super) const LINT: Lint = Lint::page("RS0101", Grade::Error, include_str!("rs0101.rs"));
