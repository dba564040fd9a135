//! RS0106: a value that can not be read
//!
//! The value has the place of an address, a port, a date, a zone, a regular expression or a number, and is
//! none.
//!
//! ## Why it matters
//!
//! Values are never guessed at: `10.0.0.300` is not cut to something that fits.
//!
//! ## Example
//!
//! ```policy,fails
//! socks pass web { to: 10.0.0.300  port: 80 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks pass web { to: 10.0.0.30  port: 80 }
//! ```
//!
//! ## Fix
//!
//! Correct the value. Ports are 0 to 65535, dates `2027-01-31`, zones names such as `Europe/Warsaw`, regular
//! expressions stand between slashes.

use super::{Grade, Lint};

/// The code.
pub(super) const LINT: Lint = Lint::page("RS0106", Grade::Error, include_str!("rs0106.rs"));
