//! The helper: the one process that keeps the right to ask PAM, and can do nothing but ask.
//!
//! The server starts it before it gives up its privileges and before there is a runtime, as the
//! same program with the argument `auth-helper`, so that it holds no memory, descriptor or thread
//! of the server's. [`Helper`] is the server's end, [`run`] the other.

mod client;
mod fork;
mod lanes;
mod process;
mod protocol;

pub use client::{Helper, HelperError, HelperPlan, this_program};
pub use process::{HelperConfig, HelperFailure, run};
