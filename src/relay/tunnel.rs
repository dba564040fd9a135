//! The tunnel: bytes from the client to the target and back, until both have ended.
//!
//! Both directions live in one task and need no buffer while nothing moves: bytes are read into
//! one that all tunnels of a thread share, and only what the other side did not take at once is
//! kept, until it has. A direction that moves much goes over to `splice(2)`.

use super::pipe::{Pipe, Pipes};
use super::stream::Stream;
use crate::session::{CloseReason, Counters};
use crate::settings::value::Splice;
use crate::settings::{Settings, sections};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead as _, AsyncWrite as _, Interest, ReadBuf};
use tokio::time::{Instant, sleep_until};

/// How much one read takes at most.
const CHUNK: usize = 64 * 1024;
/// Full reads in a row after which a direction is taken for bulk.
const BULK_AFTER: u8 = 2;
/// A read below this is none of bulk.
const SMALL: usize = 16 * 1024;
/// Small reads in a row after which a direction is not taken for bulk any more.
const BULK_OVER: u8 = 16;
/// Rounds of one direction before others have their turn.
const ROUNDS: usize = 32;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; CHUNK].into());
}

/// How long a tunnel may last, and how silent it may be.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    idle: Duration,
    half_open: Duration,
    lifetime: Duration,
    keepalive: Option<Duration>,
    splice: Splice,
}

impl Clocks {
    /// As the settings want it.
    pub fn new(settings: &Settings) -> Self {
        let sections::Timeouts { idle, half_open, lifetime, .. } = &settings.timeouts;
        Self {
            idle: idle.get(),
            half_open: half_open.get(),
            lifetime: lifetime.get(),
            keepalive: settings.relay.keepalive.limit(),
            splice: settings.relay.splice,
        }
    }
}

/// Two ends and what was read too early.
#[derive(Debug)]
pub struct Tunnel {
    client: Stream,
    target: Stream,
    up: Half,
    down: Half,
    /// The side whose end or reset came first.
    first: Option<Side>,
    reset: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Side {
    Client,
    Target,
}

/// One direction.
#[derive(Debug, Default)]
struct Half {
    /// Read, not yet taken by the other side: from `taken` on.
    kept: Box<[u8]>,
    taken: usize,
    pipe: Option<Pipe>,
    state: State,
    bulk: bool,
    streak: u8,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum State {
    #[default]
    Flowing,
    /// Its end has come, and what came before it may still have to go out.
    Ending,
    Done,
}

/// Which end broke.
enum Broken {
    From(io::Error),
    To(io::Error),
}

impl Tunnel {
    /// A tunnel in which `early`, read from the client with its request, belongs to the target.
    pub fn new(client: Stream, target: Stream, early: Vec<u8>) -> Self {
        let up = Half { kept: early.into(), ..Half::default() };
        Self { client, target, up, down: Half::default(), first: None, reset: false }
    }

    /// Relays until both directions have ended, a clock runs out or `cut` says why to stop.
    ///
    /// Cut short, even by dropping this future, it resets both connections: half of what was under
    /// way must not look like the whole.
    pub async fn run(
        self: Box<Self>,
        clocks: &Clocks,
        pipes: &Pipes,
        counters: &Counters,
        cut: impl Future<Output = CloseReason>,
    ) -> CloseReason {
        let mut running = Running { tunnel: self, pipes, counters, whole: false };
        let mut cut = pin!(cut);
        let begun = Instant::now();
        let (mut moved, mut half_open) = (begun, false);
        let mut probing = clocks.keepalive;
        let timer = sleep_until(begun + probing.unwrap_or(clocks.idle).min(clocks.idle).min(clocks.lifetime));
        let mut timer = pin!(timer);
        let tunnel = &mut running.tunnel;
        let reason = poll_fn(|cx| {
            if tunnel.poll_both(cx, clocks.splice, pipes, counters) {
                moved = Instant::now();
            }
            if tunnel.up.state == State::Done && tunnel.down.state == State::Done {
                return Poll::Ready(tunnel.reason());
            }
            if let Poll::Ready(reason) = cut.as_mut().poll(cx) {
                return Poll::Ready(reason);
            }
            if tunnel.first.is_some() && !half_open {
                // Half a tunnel is on a shorter leash.
                half_open = true;
                let (when, _) = tunnel.next_tick(clocks, begun, moved);
                if when < timer.deadline() {
                    timer.as_mut().reset(when);
                }
            }
            while timer.as_mut().poll(cx).is_ready() {
                let now = Instant::now();
                if let Some(after) = probing.take() {
                    tunnel.client.keep_alive(after);
                    tunnel.target.keep_alive(after);
                }
                match tunnel.next_tick(clocks, begun, moved) {
                    (when, reason) if when <= now => return Poll::Ready(reason),
                    (when, _) => timer.as_mut().reset(when),
                }
            }
            Poll::Pending
        })
        .await;
        running.whole = matches!(reason, CloseReason::ClientClosed | CloseReason::TargetClosed);
        reason
    }

    fn next_tick(&self, clocks: &Clocks, begun: Instant, moved: Instant) -> (Instant, CloseReason) {
        let half_open = self.first.is_some();
        let (silence, reason) = match half_open {
            true => (clocks.half_open.min(clocks.idle), CloseReason::HalfOpenTimeout),
            false => (clocks.idle, CloseReason::IdleTimeout),
        };
        let (silent, end) = (moved + silence, begun + clocks.lifetime);
        if end < silent { (end, CloseReason::LifetimeReached) } else { (silent, reason) }
    }

    /// Moves what can be moved; says whether anything was.
    fn poll_both(
        &mut self,
        cx: &mut Context<'_>,
        splice: Splice,
        pipes: &Pipes,
        counters: &Counters,
    ) -> bool {
        let Self { client, target, up, down, .. } = self;
        let before = (up.state, down.state);
        let mut flow = Flow { cx, splice, pipes, moved: false };
        let sent = up.poll(&mut flow, client, target, &counters.bytes_sent, down.state == State::Done);
        let received =
            down.poll(&mut flow, target, client, &counters.bytes_received, up.state == State::Done);
        let moved = flow.moved;
        self.settle(before.0, sent, Side::Client);
        self.settle(before.1, received, Side::Target);
        moved || before != (self.up.state, self.down.state)
    }

    /// Notes which side ended or broke first, by the direction that comes from `from`.
    fn settle(&mut self, before: State, polled: Poll<Result<(), Broken>>, from: Side) {
        let (half, to) = match from {
            Side::Client => (&mut self.up, Side::Target),
            Side::Target => (&mut self.down, Side::Client),
        };
        match polled {
            Poll::Ready(Err(broken)) => {
                half.state = State::Done;
                let (side, error) = match broken {
                    Broken::From(error) => (from, error),
                    Broken::To(error) => (to, error),
                };
                tracing::trace!(%error, ?side, "a connection broke");
                if !self.reset {
                    self.reset = true;
                    self.first = Some(side);
                }
                // The side that broke takes nothing any more; what it has sent may still come.
                let other = if from == Side::Client { &mut self.down } else { &mut self.up };
                if side == to {
                    return;
                }
                other.state = State::Done;
            }
            Poll::Ready(Ok(())) | Poll::Pending => {
                if before == State::Flowing && half.state != State::Flowing {
                    self.first.get_or_insert(from);
                }
            }
        }
    }

    fn reason(&self) -> CloseReason {
        match (self.first.unwrap_or(Side::Client), self.reset) {
            (Side::Client, false) => CloseReason::ClientClosed,
            (Side::Client, true) => CloseReason::ClientReset,
            (Side::Target, false) => CloseReason::TargetClosed,
            (Side::Target, true) => CloseReason::TargetReset,
        }
    }

    /// Makes the end a reset, on whichever side still stands, and takes back from the counts what
    /// that destroys: bytes that the kernel holds for a peer that has not acknowledged them.
    fn reset(&self, counters: &Counters) {
        for (to, half, count) in [
            (&self.target, &self.up, &counters.bytes_sent),
            (&self.client, &self.down, &counters.bytes_received),
        ] {
            // An end that was said stands in the queue as one byte more.
            let end = u64::from(half.state == State::Done);
            let lost = to.unacknowledged().saturating_sub(end);
            if lost > 0 {
                let less = |sent: u64| Some(sent.saturating_sub(lost));
                _ = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
            }
            to.reset_on_close();
        }
    }
}

/// A tunnel under way. However it ends, the pipes are given back, and an end that was not the end of
/// both directions is a reset.
struct Running<'r> {
    tunnel: Box<Tunnel>,
    pipes: &'r Pipes,
    counters: &'r Counters,
    whole: bool,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let Tunnel { up, down, .. } = &mut *self.tunnel;
        for pipe in [up.pipe.take(), down.pipe.take()].into_iter().flatten() {
            self.pipes.give_back(pipe);
        }
        if !self.whole {
            self.tunnel.reset(self.counters);
        }
    }
}

/// What both directions need to move bytes.
struct Flow<'a, 'w> {
    cx: &'a mut Context<'w>,
    splice: Splice,
    pipes: &'a Pipes,
    moved: bool,
}

impl Half {
    /// Moves bytes until it would have to wait; ready when the direction has ended.
    fn poll(
        &mut self,
        flow: &mut Flow<'_, '_>,
        from: &mut Stream,
        to: &mut Stream,
        count: &AtomicU64,
        last: bool,
    ) -> Poll<Result<(), Broken>> {
        for _ in 0..ROUNDS {
            if self.state == State::Done {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_flush(flow, to, count)).map_err(Broken::To)?;
            match self.state {
                State::Flowing => ready!(self.poll_read(flow, from, to, count))?,
                State::Ending => {
                    if to.says_goodbye() || !last {
                        ready!(Pin::new(&mut *to).poll_shutdown(flow.cx)).map_err(Broken::To)?;
                    }
                    self.state = State::Done;
                }
                State::Done => {}
            }
        }
        flow.cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Lets out what is kept, in memory or in the pipe.
    fn poll_flush(
        &mut self,
        flow: &mut Flow<'_, '_>,
        to: &mut Stream,
        count: &AtomicU64,
    ) -> Poll<io::Result<()>> {
        while let Some(rest) = self.kept.get(self.taken..).filter(|rest| !rest.is_empty()) {
            let taken = ready!(Pin::new(&mut *to).poll_write(flow.cx, rest))?;
            self.taken += taken;
            count.fetch_add(taken as u64, Ordering::Relaxed);
            flow.moved = true;
        }
        if !self.kept.is_empty() {
            self.kept = Box::default();
            self.taken = 0;
        }
        while let Some(pipe) = self.pipe.as_mut().filter(|pipe| pipe.held() > 0) {
            ready!(to.poll_writable(flow.cx))?;
            match to.try_io(Interest::WRITABLE, |to| pipe.drain(to)) {
                Ok(taken) => {
                    count.fetch_add(taken as u64, Ordering::Relaxed);
                    flow.moved = true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Pin::new(to).poll_flush(flow.cx)
    }

    fn poll_read(
        &mut self,
        flow: &mut Flow<'_, '_>,
        from: &mut Stream,
        to: &mut Stream,
        count: &AtomicU64,
    ) -> Poll<Result<(), Broken>> {
        if self.bulk && self.pipe.is_none() {
            self.pipe = flow.pipes.take();
            self.bulk = self.pipe.is_some();
        }
        match self.pipe.take() {
            Some(pipe) if self.bulk => self.poll_splice(flow, from, pipe),
            left => {
                left.into_iter().for_each(|pipe| flow.pipes.give_back(pipe));
                SCRATCH.with_borrow_mut(|scratch| self.poll_copy(flow, from, to, count, scratch))
            }
        }
    }

    fn poll_copy(
        &mut self,
        flow: &mut Flow<'_, '_>,
        from: &mut Stream,
        to: &mut Stream,
        count: &AtomicU64,
        scratch: &mut [u8],
    ) -> Poll<Result<(), Broken>> {
        let mut buf = ReadBuf::new(scratch);
        ready!(Pin::new(&mut *from).poll_read(flow.cx, &mut buf)).map_err(Broken::From)?;
        let read = buf.filled();
        if read.is_empty() {
            self.state = State::Ending;
            return Poll::Ready(Ok(()));
        }
        flow.moved = true;
        let full = read.len() == CHUNK;
        self.streak = if full { self.streak.saturating_add(1) } else { 0 };
        let may_splice = from.can_splice() && to.can_splice();
        self.bulk = may_splice
            && match flow.splice {
                Splice::Always => true,
                Splice::Auto => self.streak >= BULK_AFTER,
                Splice::Never => false,
            };
        if self.bulk {
            self.streak = 0;
        }
        let taken = match Pin::new(to).poll_write(flow.cx, read) {
            Poll::Ready(taken) => taken.map_err(Broken::To)?,
            Poll::Pending => 0,
        };
        count.fetch_add(taken as u64, Ordering::Relaxed);
        if let Some(rest) = read.get(taken..).filter(|rest| !rest.is_empty()) {
            self.kept = rest.into();
            self.taken = 0;
        }
        Poll::Ready(Ok(()))
    }

    /// Fills the pipe, which is empty. It is given back as soon as there is nothing to move.
    fn poll_splice(
        &mut self,
        flow: &mut Flow<'_, '_>,
        from: &Stream,
        mut pipe: Pipe,
    ) -> Poll<Result<(), Broken>> {
        loop {
            match from.poll_readable(flow.cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Broken::From(error))),
                Poll::Pending => {
                    flow.pipes.give_back(pipe);
                    return Poll::Pending;
                }
            }
            match from.try_io(Interest::READABLE, |from| pipe.fill(from)) {
                Ok(0) => {
                    flow.pipes.give_back(pipe);
                    self.state = State::Ending;
                    return Poll::Ready(Ok(()));
                }
                Ok(read) => {
                    flow.moved = true;
                    self.streak = if read < SMALL { self.streak + 1 } else { 0 };
                    if self.streak >= BULK_OVER && flow.splice == Splice::Auto {
                        self.bulk = false;
                        self.streak = 0;
                    }
                    self.pipe = Some(pipe);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(Broken::From(error))),
            }
        }
    }
}
