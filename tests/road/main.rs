//! The road end to end: raw bytes on loopback against a server inside the test.

#[path = "../support/mod.rs"]
mod support;

mod proxy;
mod smoke;
