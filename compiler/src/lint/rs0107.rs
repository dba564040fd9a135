//! RS0107: host bits in a prefix
//!
//! The address in front of the slash has bits set that the prefix length leaves to hosts. The prefix is taken
//! without them.
//!
//! ## Why it matters
//!
//! `10.1.2.3/8` is sixteen million addresses. Whoever wrote it may have meant one.
//!
//! ## Example
//!
//! ```policy
//! socks pass web { from: 10.1.2.3/8  to: .example.com }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks pass web { from: 10.0.0.0/8  to: .example.com }
//! ```
//!
//! ## Fix
//!
//! Write the network (`10.0.0.0/8`, which `check --fix` does, as nothing changes) or the one address
//! (`10.1.2.3`).

use super::{Grade, Lint};

/// The code.
pub(super) const LINT: Lint = Lint::page("RS0107", Grade::Warning, include_str!("rs0107.rs"));
