//! RS0102: a key that no rule has
//!
//! The word before the colon is none of the keys of this block.
//!
//! ## Why it matters
//!
//! A key that were skipped would leave the rule wider than it reads: `usr: alice` would let everybody through.
//!
//! ## Example
//!
//! ```policy,fails
//! socks pass web { usr: alice  to: .example.com }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks pass web { user: alice  to: .example.com }
//! ```
//!
//! ## Fix
//!
//! Write the key that the message suggests. The keys of a rule: `from to port command protocol proxyprotocol
//! user group clientmethod socksmethod listen cert time expires except not log reply priority note`.

use super::{Grade, Lint};

/// The code.
pub(super) const LINT: Lint = Lint::page("RS0102", Grade::Error, include_str!("rs0102.rs"));
