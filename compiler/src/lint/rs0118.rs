//! RS0118: opened and never closed
//!
//! A brace, a string or a regular expression is opened and the text ends, or another statement begins, before
//! it is closed. The message points at the opening, which is where the mistake is.
//!
//! ## Why it matters
//!
//! A parser that complains about the last line of the file sends its reader to the wrong place.
//!
//! ## Example
//!
//! ```policy,fails
//! socks pass web {
//!     to: .example.com
//!
//! socks pass mail { to: mail.example.org }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks pass web {
//!     to: .example.com
//! }
//!
//! socks pass mail { to: mail.example.org }
//! ```
//!
//! ## Fix
//!
//! Close it.

use super::{Grade, Lint};

/// The code.
pub(super) const LINT: Lint = Lint::page("RS0118", Grade::Error, include_str!("rs0118.rs"));
