//! RS0507: a suppression without use or reason
//!
//! A comment `# rustsocks: allow(…)` or a `lint allow` gives no reason, names no code of ours, or has nothing
//! to suppress.
//!
//! ## Why it matters
//!
//! A suppression without a reason can not be reviewed, and has no effect here. One that suppresses nothing
//! would hide the next finding.
//!
//! ## Example
//!
//! ```policy
//! # rustsocks: allow(RS0312, "the mail gateway sends through here")
//! socks pass dns { to: 9.9.9.9  port: 53 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks pass dns { to: 9.9.9.9  port: 53 }
//! ```
//!
//! ## Fix
//!
//! Remove it, which `check --fix` does where it has nothing to do, or write the reason in quotes.

use super::{Grade, Lint};

/// The code.
pub(super) const LINT: Lint = Lint::page("RS0507", Grade::Warning, include_str!("rs0507.rs"));
