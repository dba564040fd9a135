//! A child process for one question, so that a module which stalls, crashes or leaks does so alone
//! and can be killed.
#![expect(unsafe_code, reason = "fork(2) has no safe form; the caller proves that it has one thread")]

use nix::libc;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{ForkResult, Pid, fork, getpid, getppid, pipe2, setsid};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `work` in a child that leads a process group of its own, and hands back where its result
/// can be read. The child has no descriptor but that pipe and the standard three, and dies with
/// this process.
///
/// INVARIANT: this process has one thread, so that the child finds no lock held by another.
pub(super) fn in_child(work: impl FnOnce() -> Vec<u8>) -> nix::Result<(Pid, OwnedFd)> {
    let (read, write) = pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    let parent = getpid();
    // SAFETY: one thread, see above: the child may do all that this process may.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok((child, read)),
        ForkResult::Child => {
            let done = catch_unwind(AssertUnwindSafe(|| {
                settle(&write);
                // Whoever asked may have died before this one asked to die with it.
                match getppid() == parent {
                    true => nix::unistd::write(&write, &work()),
                    false => Err(nix::errno::Errno::ESRCH),
                }
            }));
            let code = i32::from(!matches!(done, Ok(Ok(_))));
            // SAFETY: ends the child at once; nothing of the parent's is run a second time.
            unsafe { libc::_exit(code) }
        }
    }
}

/// Cuts the child off from what is its parent's.
fn settle(keep: &OwnedFd) {
    let keep = keep.as_raw_fd();
    close_between(FIRST, keep - 1);
    close_between(keep + 1, RawFd::MAX);
    // None of these can fail in a fresh child, and each only narrows what it can do.
    let _led = setsid();
    let _dies = prctl::set_pdeathsig(Signal::SIGKILL);
    let _open = SigSet::all().thread_unblock();
}

fn close_between(first: RawFd, last: RawFd) {
    if first <= last {
        // SAFETY: the owners of these descriptors are never dropped: the child ends by `_exit`.
        unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    }
}

/// The first descriptor after the standard three.
const FIRST: RawFd = 3;
