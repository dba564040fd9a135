//! What the kernel holds of a connection: bytes that it has taken from us and that the peer has not
//! acknowledged.
#![expect(unsafe_code, reason = "the kernel tells by an ioctl that no crate wraps")]

use rustix::ioctl::{Getter, ioctl};
use std::ffi::c_int;
use std::os::fd::AsFd;

/// Bytes in the send queue of a TCP connection (`SIOCOUTQ`, tcp(7)), an end that was said included;
/// none where the kernel does not tell.
pub(super) fn unacknowledged(tcp: &impl AsFd) -> u64 {
    // SAFETY: SIOCOUTQ, which is TIOCOUTQ, writes one int to where the third argument points
    // (include/uapi/linux/sockios.h), and that is what `Getter` gives it.
    let held = unsafe { ioctl(tcp, Getter::<{ SIOCOUTQ }, c_int>::new()) };
    held.ok().and_then(|held| u64::try_from(held).ok()).unwrap_or(0)
}

/// From include/uapi/linux/sockios.h.
const SIOCOUTQ: rustix::ioctl::Opcode = nix::libc::TIOCOUTQ as rustix::ioctl::Opcode;
