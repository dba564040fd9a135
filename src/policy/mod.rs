//! The live policy: what is in force, where it comes from, and how a changed one takes effect.
//!
//! A policy that does not compile never takes effect, in part or in whole: the last good one stays.

mod files;
pub mod host;
mod live;
mod reload;
mod source;
mod watch;

pub use files::{FileLoader, Stamp};
pub use live::{LivePolicy, PolicyHealth};
pub use reload::{Keeper, Keeping, ReloadError, ReloadHandle, Reloaded, Trigger};
pub use source::{EMBEDDED, EMBEDDED_NAME, Loaded, PolicySource, Rejected, Seen};

use watch::Watch;
