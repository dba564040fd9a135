//! The road end to end: raw bytes on loopback against a server inside the test. Tests named
//! `row_NN_…` are the rows of the abuse checklist in `docs/threat-model.md`.

#[path = "../support/mod.rs"]
mod support;

mod associate;
mod bind;
mod dns;
mod endings;
mod handshakes;
mod listeners;
mod names;
mod proxy;
mod robust;
mod smoke;
