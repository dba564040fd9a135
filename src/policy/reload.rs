//! The one task that changes the policy in force: asked by the API, by SIGHUP, or by a changed
//! file. Compiles off the road; what does not compile changes nothing.

use super::{LivePolicy, Loaded, PolicySource, Rejected, Seen, Watch, host};
use rustsocks_compiler::{Digest, Policy};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Who asked for a reload.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Trigger {
    /// `POST /api/policy/reload`.
    Api,
    /// A file of the policy has changed.
    File,
    /// SIGHUP.
    Signal,
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Api => "api",
            Self::File => "file",
            Self::Signal => "signal",
        })
    }
}

/// A reload that took effect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reloaded {
    /// The policy in force now.
    pub digest: Digest,
    /// Whether it is another than before.
    pub changed: bool,
}

/// Why there was no reload.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReloadError {
    /// The compiler has panicked.
    #[error("the compiler has panicked")]
    Broken,
    /// The policy can not be used.
    #[error("{0}")]
    Rejected(Arc<Rejected>),
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
}

/// Asks for reloads. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ReloadHandle {
    asks: mpsc::Sender<Ask>,
}

type Ask = oneshot::Sender<Result<Reloaded, ReloadError>>;

impl ReloadHandle {
    /// Loads the policy anew and says how it went. When many ask at once they wait for their turn.
    ///
    /// # Errors
    /// Says why the policy in force stays.
    pub async fn reload(&self) -> Result<Reloaded, ReloadError> {
        let (answer, answered) = oneshot::channel();
        self.asks.send(answer).await.map_err(|_| ReloadError::Stopping)?;
        answered.await.unwrap_or(Err(ReloadError::Stopping))
    }
}

/// Says what a policy asks for that this server can not do.
type Fits = Box<dyn Fn(&Policy) -> Result<(), String> + Send + Sync>;

/// Hears how a reload went.
type Heard = Box<dyn Fn(&Policy, Option<&str>) + Send + Sync>;

/// What else has a say in a reload.
pub struct Keeping {
    /// Whether this server can do what a policy asks for; says what is missing.
    pub fits: Fits,
    /// Hears of a policy just before it is put in force.
    pub prepare: Box<dyn Fn(&Policy) + Send + Sync>,
    /// Hears how it went: the policy in force after it, and why that is still the old one.
    pub heard: Heard,
    /// Whether changed files are looked for.
    pub watch: bool,
}

impl fmt::Debug for Keeping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeping").field("watch", &self.watch).finish_non_exhaustive()
    }
}

/// Keeps the policy in force up to date.
#[derive(Debug)]
pub struct Keeper {
    live: Arc<LivePolicy>,
    source: Arc<PolicySource>,
    keeping: Arc<Keeping>,
    seen: Seen,
    /// Those of this host when the policy was last loaded: `@self`.
    addresses: Vec<IpAddr>,
    asks: mpsc::Receiver<Ask>,
    handle: ReloadHandle,
}

impl Keeper {
    /// Starts from the policy in force and what was looked at to load it.
    pub fn new(live: Arc<LivePolicy>, source: PolicySource, seen: Seen, keeping: Keeping) -> Self {
        let (sender, asks) = mpsc::channel(8);
        let handle = ReloadHandle { asks: sender };
        let addresses = host::addresses();
        Self { live, source: Arc::new(source), keeping: Arc::new(keeping), seen, addresses, asks, handle }
    }

    /// For those who ask.
    pub fn handle(&self) -> ReloadHandle {
        self.handle.clone()
    }

    /// Serves until it is told to stop.
    ///
    /// # Errors
    /// Where SIGHUP can not be waited for.
    pub async fn run(mut self, stop: CancellationToken) -> std::io::Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        let mut watcher = Watch::new(self.keeping.watch && !self.seen.is_empty());
        watcher.follow(&self.seen);
        loop {
            let result = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                Some(answer) = self.asks.recv() => {
                    let result = self.reload(Trigger::Api).await;
                    // Whoever asked may have gone.
                    let _gone = answer.send(result);
                    true
                }
                Some(()) = hangup.recv() => {
                    let _logged = self.reload(Trigger::Signal).await;
                    true
                }
                () = watcher.woken() => {
                    let changed = self.has_changed().await;
                    if changed {
                        let _logged = self.reload(Trigger::File).await;
                    }
                    changed
                }
            };
            if result {
                watcher.follow(&self.seen);
            }
        }
    }

    async fn has_changed(&self) -> bool {
        let seen = self.seen.clone();
        let before = self.addresses.clone();
        let look = move || {
            seen.iter().any(|(path, stamp)| *stamp != stamp.again(path)) || host::addresses() != before
        };
        tokio::task::spawn_blocking(look).await.unwrap_or(true)
    }

    async fn reload(&mut self, trigger: Trigger) -> Result<Reloaded, ReloadError> {
        self.addresses = host::addresses();
        let (source, keeping, before) = (self.source.clone(), self.keeping.clone(), self.live.load());
        let work = move || {
            let (loaded, seen) = source.load(Some(&before));
            let fit = loaded.and_then(|loaded| match (keeping.fits)(&loaded.policy) {
                Ok(()) => Ok(loaded),
                Err(reason) => Err(Rejected::Unfit(reason)),
            });
            (fit, seen)
        };
        let Ok((loaded, seen)) = tokio::task::spawn_blocking(work).await else {
            tracing::error!(%trigger, "the compiler has panicked; the policy in force stays");
            self.live.failed("the compiler has panicked".into());
            return Err(ReloadError::Broken);
        };
        self.seen = seen;
        match loaded {
            Ok(loaded) => Ok(self.accept(trigger, loaded)),
            Err(rejected) => {
                self.refuse(trigger, &rejected);
                Err(ReloadError::Rejected(Arc::new(rejected)))
            }
        }
    }

    fn accept(&self, trigger: Trigger, loaded: Loaded) -> Reloaded {
        let digest = *loaded.policy.digest();
        let before = self.live.load();
        // The texts of a policy may mean something else once the host has other addresses.
        let (old, new) = (&before.model().host, &loaded.policy.model().host);
        let changed = digest != *before.digest() || old.addresses != new.addresses;
        if changed {
            (self.keeping.prepare)(&loaded.policy);
            self.live.swap(loaded.policy);
            tracing::info!(%trigger, policy = digest.short(), "another policy is in force");
        } else {
            self.live.unchanged();
            tracing::info!(%trigger, policy = digest.short(), "the policy is the same as before");
        }
        (self.keeping.heard)(&self.live.load(), None);
        Reloaded { digest, changed }
    }

    fn refuse(&self, trigger: Trigger, rejected: &Rejected) {
        for line in rejected.lines() {
            tracing::error!(%trigger, "{line}");
        }
        let in_force = self.live.load().digest().short();
        tracing::error!(%trigger, policy = in_force, "the new policy is rejected; the one in force stays");
        self.live.failed(rejected.to_string());
        (self.keeping.heard)(&self.live.load(), Some(&rejected.to_string()));
    }
}
