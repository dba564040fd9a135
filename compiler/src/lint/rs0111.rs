//! RS0111: the wrong kind of set
//!
//! A set of addresses stands where ports belong, a list of ports where addresses do, names where only addresses
//! can be, and so on.
//!
//! ## Why it matters
//!
//! A client has an address and no name: `from: .example.com` would have to ask reverse DNS, which whoever owns
//! the address writes.
//!
//! ## Example
//!
//! ```policy,fails
//! set office { .example.com }
//! socks pass web { from: @office }
//! ```
//!
//! ## Better
//!
//! ```policy
//! set office { 10.0.0.0/8 }
//! socks pass web { from: @office }
//! ```
//!
//! ## Fix
//!
//! Use a set of the kind that the key takes.

use super::{Grade, Lint};

/// The code.
pub(super) const LINT: Lint = Lint::page("RS0111", Grade::Error, include_str!("rs0111.rs"));
