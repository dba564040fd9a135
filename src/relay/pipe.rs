//! Pipes for `splice(2)`: the kernel moves pages from one socket to another through them, and no
//! byte passes through this process. A pipe is taken while bytes are moving and given back empty,
//! so that an idle tunnel holds none.

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How much a pipe is asked to hold; the kernel may give less.
const WANTED: usize = 256 * 1024;
/// How much one holds that was not enlarged.
const PLAIN: usize = 64 * 1024;
/// Empty pipes that are kept for the next who needs one.
const KEPT: usize = 32;

/// A pipe with how much is in it.
#[derive(Debug)]
pub(super) struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    room: usize,
    held: usize,
}

impl Pipe {
    fn new() -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let room = fcntl_setpipe_size(&write, WANTED).unwrap_or(PLAIN);
        Ok(Self { read, write, room, held: 0 })
    }

    /// Bytes in it.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Takes in what a socket has; zero is its end.
    pub(super) fn fill(&mut self, from: BorrowedFd<'_>) -> io::Result<usize> {
        let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
        let moved = splice(from, None, &self.write, None, self.room.saturating_sub(self.held), flags)?;
        self.held += moved;
        Ok(moved)
    }

    /// Lets out what a socket takes.
    pub(super) fn drain(&mut self, to: BorrowedFd<'_>) -> io::Result<usize> {
        let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
        let moved = splice(&self.read, None, to, None, self.held, flags)?;
        self.held -= moved.min(self.held);
        Ok(moved)
    }
}

/// The pipes there are.
#[derive(Clone, Debug)]
pub struct Pipes {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    most: usize,
    made: AtomicUsize,
    empty: Mutex<Vec<Pipe>>,
}

impl Pipes {
    /// At most so many at a time; two descriptors each.
    pub fn new(most: usize) -> Self {
        Self { inner: Arc::new(Inner { most, made: AtomicUsize::new(0), empty: Mutex::default() }) }
    }

    /// An empty pipe; `None` where there are too many, or no descriptors: copy then.
    pub(super) fn take(&self) -> Option<Pipe> {
        if let Some(pipe) = self.empty().pop() {
            return Some(pipe);
        }
        if self.inner.made.fetch_add(1, Ordering::Relaxed) < self.inner.most
            && let Ok(pipe) = Pipe::new()
        {
            return Some(pipe);
        }
        self.inner.made.fetch_sub(1, Ordering::Relaxed);
        None
    }

    /// Gives one back. One that still holds bytes of somebody is closed.
    pub(super) fn give_back(&self, pipe: Pipe) {
        let mut empty = self.empty();
        if pipe.held == 0 && empty.len() < KEPT {
            empty.push(pipe);
        } else {
            self.inner.made.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn empty(&self) -> std::sync::MutexGuard<'_, Vec<Pipe>> {
        self.inner.empty.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
