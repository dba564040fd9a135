//! Real clients against the real binary: what people use must work as they use it. `make test`
//! installs them where they are missing; one that is missing fails its test and says so.

#[cfg(test)]
mod browser;
#[cfg(test)]
mod installed;
#[cfg(test)]
mod java;
#[cfg(test)]
mod node;
#[cfg(test)]
mod python;
#[cfg(test)]
mod sarif;
#[cfg(test)]
mod socksify;
#[cfg(test)]
#[path = "../support/mod.rs"]
mod support;
#[cfg(test)]
mod tools;
