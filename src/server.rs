//! Listeners and the accept loop: takes connections in as long as there is room, sends each down
//! the road ([`crate::connection`]) in a task of its own, and at the end waits for them.

mod arrival;
mod bind;
mod inherit;
mod ourselves;
mod road;
mod waiting;

pub use arrival::Arrival;
pub use bind::{BindError, Bound, Door, Listener, SocketPath, raise_descriptor_limit};
pub use ourselves::Ourselves;
pub use road::Road;
pub use waiting::Waiting;

use crate::connection;
use crate::limits::count;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::future::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How the server is told to stop.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Accept nothing more, and let what is under way end by itself for as long as the settings say.
    pub gently: CancellationToken,
    /// End everything now.
    pub now: CancellationToken,
}

/// How long cut connections have to hand in their records.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How long it is not said again that connections wait for room.
const QUIET: Duration = Duration::from_secs(60);
/// How long the accept loop waits for a descriptor before it looks again.
const BACK_OFF: Duration = Duration::from_millis(100);
/// Looks without a free descriptor after which waiting clients are closed, one each look.
const PATIENCE: u32 = 10;

/// Serves until told to stop. Listeners are closed first; tunnels may end by themselves for as
/// long as `timeouts.drain` says.
pub async fn run(listeners: Vec<Arc<Listener>>, road: Arc<Road>, stop: Stop) {
    let tasks = TaskTracker::new();
    let accepting = TaskTracker::new();
    for listener in listeners {
        if let Some(tls) = listener.door().tls() {
            accepting.spawn(Arc::clone(tls).watch(stop.gently.clone()));
        }
        accepting.spawn(accept(Arc::clone(&road), listener, tasks.clone(), stop.clone()));
    }
    accepting.spawn(road.resolver.clone().watch(stop.gently.clone()));
    accepting.close();
    accepting.wait().await;
    tasks.close();
    tracing::info!(connections = tasks.len(), "no new connections are accepted");
    let drained = tokio::time::timeout(road.settings.timeouts.drain.get(), tasks.wait());
    if stop.now.run_until_cancelled(drained).await.is_none_or(|drained| drained.is_err()) {
        tracing::info!(connections = tasks.len(), "the connections that are left are cut");
    }
    stop.now.cancel();
    if tokio::time::timeout(LAST_WORDS, tasks.wait()).await.is_err() {
        tracing::warn!(connections = tasks.len(), "connections do not end");
    }
}

/// Accepts until told to stop: no error of one connection may end it. The socket closes with it.
async fn accept(road: Arc<Road>, listener: Arc<Listener>, tasks: TaskTracker, stop: Stop) {
    let mut dice = Dice::new();
    let mut reserve = bind::Reserve::new();
    let (mut starving, mut told) = (0, None);
    loop {
        let Some(accepted) = stop.gently.run_until_cancelled(listener.accept()).await else { return };
        match accepted {
            Ok((stream, peer)) => {
                starving = 0;
                let client = connection::client_address(peer);
                // Only now: a slot held while nobody comes would be one that other listeners lack. Without
                // room this one connection waits here, and the others in the kernel's queue.
                let slot = match road.admission.slot_now() {
                    Some(slot) => Some(slot),
                    None => {
                        if told.is_none_or(|told: Instant| told.elapsed() > QUIET) {
                            told = Some(Instant::now());
                            let listener = listener.door().name();
                            tracing::warn!(%listener, "as many connections as there may be: others wait");
                        }
                        stop.gently.run_until_cancelled(road.admission.slot()).await.flatten()
                    }
                };
                let Some(slot) = slot else { return };
                match road.admission.admit(client.ip(), slot, dice.roll()) {
                    Ok(place) => {
                        let arrival = Arrival::new(stream, client, Arc::clone(listener.door()), place);
                        let journey = connection::serve(Arc::clone(&road), arrival);
                        // Not from within an async block: that would hold the journey several times over.
                        tasks.spawn(journey.with_cancellation_token_owned(stop.now.clone()));
                    }
                    Err(full) => {
                        count(&road.tally.shed_for_limits);
                        road.turned_away(client, listener.door(), full);
                    }
                }
            }
            Err(error) => {
                count(&road.tally.accept_errors);
                if is_of_one_connection(&error) {
                    continue;
                }
                if starving == 0 {
                    tracing::warn!(%error, listener = %listener.door().name(), "cannot accept: waiting for room");
                }
                starving += 1;
                if starving > PATIENCE && reserve.shed(&listener) {
                    count(&road.tally.shed_for_descriptors);
                }
                // A connection that ends gives its descriptors back: then it goes on at once.
                let freed = tokio::time::timeout(BACK_OFF, road.admission.freed());
                _ = stop.gently.run_until_cancelled(freed).await;
            }
        }
    }
}

/// Errors that are the end of the connection that was to be accepted, not of accepting (accept(2)).
fn is_of_one_connection(error: &io::Error) -> bool {
    use rustix::io::Errno;
    match Errno::from_io_error(error) {
        Some(errno) => !matches!(errno, Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM),
        None => error.kind() != io::ErrorKind::Other,
    }
}

/// Chance, for shedding load fairly; nothing secret hangs on it.
struct Dice(u32);

impl Dice {
    fn new() -> Self {
        let seed = uuid::Uuid::now_v7().as_u128();
        Self((seed as u32) | 1)
    }

    /// xorshift32.
    fn roll(&mut self) -> u32 {
        let mut x = self.0;
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.0 = x;
        x
    }
}
