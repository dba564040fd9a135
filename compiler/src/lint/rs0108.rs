//! RS0108: a key that this stage does not know
//!
//! A `client` rule speaks of what is known when a connection is accepted: `from listen cert time expires
//! clientmethod`. What a client asks for is known only to `socks` rules.
//!
//! ## Why it matters
//!
//! A condition that can not be asked can not be kept. Dante reads `to` in a client rule as the proxy's own
//! address, which surprised many.
//!
//! ## Example
//!
//! ```policy,fails
//! client pass office { from: 10.0.0.0/8  port: 443 }
//! socks pass web { to: .example.com }
//! ```
//!
//! ## Better
//!
//! ```policy
//! client pass office { from: 10.0.0.0/8 }
//! socks pass web { to: .example.com  port: 443 }
//! ```
//!
//! ## Fix
//!
//! Move the condition to a `socks` rule, or use `listen:` to tell the proxy's own addresses apart.

use super::{Grade, Lint};

/// The code.
pub(super) const LINT: Lint = Lint::page("RS0108", Grade::Error, include_str!("rs0108.rs"));
