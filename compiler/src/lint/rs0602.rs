//! RS0602: a promise that is broken
//!
//! A request shows that a `never` or an `always` does not hold. It is shown, and can be pasted into `rustsocks
//! explain`.
//!
//! ## Why it matters
//!
//! An invariant is proved over all requests, not tried on some: this is one that was missed.
//!
//! ## Example
//!
//! ```policy
//! socks pass lab { from: 10.0.0.0/8  to: 10.7.0.0/16  port: 443 }
//! never pass { to: 10.7.0.1 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks pass lab { from: 10.0.0.0/8  to: 10.7.0.0/16 except 10.7.0.1  port: 443 }
//! never pass { to: 10.7.0.1 }
//! ```
//!
//! ## Fix
//!
//! Correct the rules, or narrow the promise with `except`.

use super::{Grade, Lint};

/// The code.
pub(super) const LINT: Lint = Lint::page("RS0602", Grade::Error, include_str!("rs0602.rs"));
