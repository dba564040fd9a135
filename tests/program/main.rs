//! The real binary, end to end: help, settings, exit codes, the banner, hot reload, curl.

#[cfg(test)]
mod curl;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod help;
#[cfg(test)]
mod load;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod serve;
#[cfg(test)]
mod settings;
#[cfg(test)]
#[path = "../support/mod.rs"]
mod support;
