//! RS0109: a file that can not be had
//!
//! An `include` or a list `from "file"` names a file that is missing, unreadable or too large, or includes go
//! round in a circle. Or a pattern in an `include` fits no file.
//!
//! ## Why it matters
//!
//! A missing list of known bad addresses is an open door. The last good policy stays in force until the file is
//! there.
//!
//! ## Example
//!
//! ```policy,fails
//! include "teams/missing.policy"
//! socks pass web { to: .example.com }
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
//! Correct the path: it is relative to the file that names it. A pattern such as `teams/*.policy` that fits no
//! file is a warning only; where the folder may well be empty, say `lint allow RS0109 "the reason"`.

use super::{Grade, Lint};

/// The code.
pub(super) const LINT: Lint = Lint::page("RS0109", Grade::Error, include_str!("rs0109.rs"));
