//! RS0116: as Dante spells it
//!
//! The words are those of a Dante configuration that this language says otherwise: `port = 80`, `port gt 1023`,
//! `0/0`, `method`, `udpreply` without its command, `log: iooperation`, `libwrap`, `session.max`, …
//!
//! ## Why it matters
//!
//! What can be read with its exact meaning is read. What can not is answered with what to write, so that nobody
//! needs to search.
//!
//! ## Example
//!
//! ```policy,fails
//! socks pass high { to: .example.com  libwrap: "spawn finger @%h" }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks pass high { to: .example.com  log: connect }
//! ```
//!
//! ## Fix
//!
//! Write what the message says. `rustsocks import` turns a whole `sockd.conf` into a policy.

use super::{Grade, Lint};

/// The code.
pub(super) const LINT: Lint = Lint::page("RS0116", Grade::Error, include_str!("rs0116.rs"));
