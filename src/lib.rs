//! rustsocks: a SOCKS proxy server ruled by a declarative policy language.
//!
//! Two roads meet in one call. Bytes: `server` → `connection` → `socks`, `auth`, `policy`,
//! `resolve`, `dial`, `relay` → [`session`] → `store`, `metrics`, `api`. Text: the crate
//! `rustsocks_compiler`. They meet in [`rustsocks_compiler::Policy::decide`].

pub mod api;
pub mod auth;
pub mod cli;
pub mod connection;
pub mod dial;
pub mod limits;
pub mod metrics;
pub mod policy;
pub mod privilege;
pub mod records;
pub mod relay;
pub mod resident;
pub mod resolve;
pub mod server;
pub mod session;
pub mod settings;
pub mod socks;
pub mod store;
pub mod tls;
