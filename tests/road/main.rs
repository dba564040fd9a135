//! The road end to end: raw bytes on loopback against a server inside the test. Tests named
//! `row_NN_…` are the rows of the abuse checklist in `docs/threat-model.md`.

#[cfg(test)]
#[path = "../support/mod.rs"]
mod support;

#[cfg(test)]
mod associate;
#[cfg(test)]
mod bind;
#[cfg(test)]
mod dialling;
#[cfg(test)]
mod dns;
#[cfg(test)]
mod endings;
#[cfg(test)]
mod handshakes;
#[cfg(test)]
mod listeners;
#[cfg(test)]
mod names;
#[cfg(test)]
mod network;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod robust;
#[cfg(test)]
mod smoke;
