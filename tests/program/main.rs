//! The real binary, end to end: help, settings, exit codes, the banner, hot reload, curl.

#[cfg(test)]
mod settings;
#[cfg(test)]
#[path = "../support/mod.rs"]
mod support;
