//! What a router on the way said of a connection that failed. `connect` has one error, host
//! unreachable, for several answers of ICMP; the answer itself waits in the error queue of the
//! socket, whence it is read when a connection has failed and not before. IPv4 keeps it there of
//! itself; IPv6 must be asked to, and be told to stop once the connection stands, for else such an
//! answer would end it (RFC 1122 §4.2.3.9 wants that it does not).

use nix::libc;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd as _};

/// Has the answers of ICMP kept for an IPv6 connection, or no longer.
pub(super) fn keep_answers(socket: &impl AsFd, keep: bool) {
    if let Err(error) = setsockopt(&socket.as_fd(), sockopt::Ipv6RecvErr, &keep) {
        tracing::debug!(%error, "a hop limit that is used up looks like a host out of reach");
    }
}

/// Whether the packets went through more routers than they may: ICMP "time exceeded".
pub(super) fn used_up(socket: &impl AsFd) -> bool {
    // Of the packet that failed nothing is of interest.
    let mut packet = [0; 16];
    let mut iov = [IoSliceMut::new(&mut packet)];
    let mut room = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6);
    let socket = socket.as_fd().as_raw_fd();
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let Ok(message) = recvmsg::<SockaddrStorage>(socket, &mut iov, Some(&mut room), flags) else {
        return false;
    };
    message.cmsgs().is_ok_and(|mut said| {
        said.any(|said| match said {
            ControlMessageOwned::Ipv4RecvErr(error, _) => {
                (error.ee_origin, error.ee_type) == (libc::SO_EE_ORIGIN_ICMP, ICMP_TIME_EXCEEDED)
            }
            ControlMessageOwned::Ipv6RecvErr(error, _) => {
                (error.ee_origin, error.ee_type) == (libc::SO_EE_ORIGIN_ICMP6, ICMPV6_TIME_EXCEEDED)
            }
            _ => false,
        })
    })
}

/// RFC 792.
const ICMP_TIME_EXCEEDED: u8 = 11;
/// RFC 4443 §3.3.
const ICMPV6_TIME_EXCEEDED: u8 = 3;
