//! Ports of a range, tried from a place that nobody can foresee.

use crate::settings::value::PortRange;
use std::hash::{BuildHasher as _, RandomState};
use std::io;

/// Opens a socket on a port of the range; without one the kernel picks.
///
/// # Errors
/// Of the last port that was tried, which is the last one there is.
pub(super) fn within<S>(range: Option<PortRange>, open: impl Fn(u16) -> io::Result<S>) -> io::Result<S> {
    let Some(PortRange { first, last }) = range else { return open(0) };
    let count = u64::from(last - first) + 1;
    let start = RandomState::new().hash_one(first) % count;
    let mut error = io::ErrorKind::AddrInUse.into();
    for step in 0..count {
        let at = u16::try_from((start + step) % count).unwrap_or(0);
        match open(first.saturating_add(at)) {
            Ok(socket) => return Ok(socket),
            Err(other) if other.kind() == io::ErrorKind::AddrInUse => error = other,
            Err(other) => return Err(other),
        }
    }
    Err(error)
}
