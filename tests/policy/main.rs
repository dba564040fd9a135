//! What people do with policies on the command line: check, fix, format, test, start from one.

#[cfg(test)]
mod catalogue;
#[cfg(test)]
mod check;
#[cfg(test)]
mod fmt;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod starters;
#[cfg(test)]
#[path = "../support/mod.rs"]
mod support;
