//! RS0112: a character that is not what it seems
//!
//! The text has a character that looks like another one, has no width, turns the direction of writing, is a
//! no-break space, or is a carriage return without its line feed.
//!
//! ## Why it matters
//!
//! A name that looks like another name is another name. Text pasted from a web page or a chat is where they
//! come from; on purpose they hide what a rule says from whoever reviews it.
//!
//! ## Example
//!
//! ```policy
//! socks pass web { to: .example.com }
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
//! Type the character anew; `check --fix` puts in plain spaces. Where the character changes how the text is
//! read it is an error.

use super::{Grade, Lint};

/// The code.
pub(super) const LINT: Lint = Lint::page("RS0112", Grade::Warning, include_str!("rs0112.rs"));
