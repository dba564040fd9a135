//! The live policy: what is in force, where it comes from, and how a changed one takes effect.
//!
//! A policy that does not compile never takes effect, in part or in whole: the last good one stays.

mod files;
mod live;

pub use files::{FileLoader, Stamp};
pub use live::{LivePolicy, PolicyHealth};
