//! The signals that stop the server: the first gently, the second at once.

use crate::server::Stop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits for SIGTERM or SIGINT.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes them over from now on.
    ///
    /// # Errors
    /// Where the system does not let us.
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Passes them on, until the server has ended.
    pub(super) async fn pass_on(mut self, stop: Stop, ready: Arc<AtomicBool>) {
        let name = self.next().await;
        tracing::info!(signal = name, "stopping: connections may end by themselves");
        // Whoever started us may not listen.
        let _unheard = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
        ready.store(false, Ordering::Relaxed);
        stop.gently.cancel();
        let name = self.next().await;
        tracing::info!(signal = name, "stopping at once");
        stop.now.cancel();
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
