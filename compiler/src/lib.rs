//! The policy language of rustsocks: text in, an immutable [`Policy`] and diagnostics out.
//!
//! The road for text is `source → syntax → resolve → model → lint → compile → tree`. This crate
//! opens no file and no socket, asks no clock and prints nothing: what it needs from outside comes
//! in through [`source::Loader`], [`model::HostFacts`] and each request.

// What pest generates names it.
extern crate alloc;

pub mod analysis;
mod compile;
pub mod decision;
pub mod diagnostic;
pub mod explain;
pub mod fix;
pub mod format;
mod hash;
pub mod lint;
pub mod list;
pub mod load;
pub mod model;
pub mod oracle;
pub mod promise;
pub mod request;
pub mod resolve;
pub mod sample;
mod settle;
pub mod source;
pub mod suggest;
pub mod syntax;
pub mod tree;

pub use decision::{Answer, Decision, Permit};
pub use load::{Loaded, load};
pub use tree::{Digest, Policy};
