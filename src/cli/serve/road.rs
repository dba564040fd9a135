//! Inside the runtime: the store, the road, the API, and how they end.

use super::banner::{Facts, banner};
use super::prepare::Prepared;
use super::signals::Signals;
use crate::auth::{self, Authenticator};
use crate::cli::{Exit, Failure};
use crate::policy::{Keeper, Keeping, LivePolicy};
use crate::server::{self, Listener, Road, Stop};
use crate::session::{Sessions, UnixMicros};
use crate::settings::Settings;
use crate::settings::value::{Listen, Segment};
use crate::store::{DiskOptions, DiskStore, QueueOptions, Revision, Store, Writer};
use sd_notify::NotifyState;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Serves until it is told to stop; `tell` prints the banner.
///
/// # Errors
/// Where the store or the runtime does not come up.
pub(super) fn serve(prepared: Prepared, tell: fn(String)) -> Result<Exit, Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = prepared.settings.runtime.threads {
        builder.worker_threads(threads);
    }
    let runtime = builder.enable_all().thread_name("rustsocks").build().map_err(|error| {
        Failure::config(format!("cannot start threads: {error}; raise the limit on processes (`ulimit -u`)"))
    })?;
    let done = runtime.block_on(run(prepared, tell));
    // Whatever a look-up in the C library still waits for is not waited for here.
    runtime.shutdown_timeout(Duration::from_secs(1));
    done
}

async fn run(prepared: Prepared, tell: fn(String)) -> Result<Exit, Failure> {
    let settings = Arc::clone(&prepared.settings);
    let records = Records::open(&prepared)?;
    records.writer.policy(Revision::of(&prepared.policy, UnixMicros::now()));
    let sessions = Sessions::new(vec![Arc::new(records.writer.clone())]);
    let auth = Authenticator::new(&settings.auth, prepared.helper, None).map_err(Failure::config)?;
    auth.follow(&prepared.policy);

    let bound: Vec<Listen> = prepared.listeners.iter().map(server::Bound::address).collect();
    let mut own: Vec<SocketAddr> = bound.iter().filter_map(address_of).collect();
    let api_address = prepared.api.as_ref().and_then(|socket| socket.local_addr().ok());
    own.extend(api_address);
    let listeners = prepared.listeners.into_iter().map(|bound| bound.listen().map(Arc::new));
    let listeners: Vec<Arc<Listener>> = listeners.collect::<Result<_, _>>().map_err(Failure::config)?;

    let live = Arc::new(LivePolicy::new(Arc::clone(&prepared.policy)));
    let source = prepared.source.describe();
    let keeper = Keeper::new(
        Arc::clone(&live),
        prepared.source,
        prepared.seen,
        keeping(&settings, auth.clone(), records.writer.clone()),
    );
    let road = Road::new(Arc::clone(&settings), Arc::clone(&live), auth.clone(), sessions, &own);
    let road = Arc::new(road);

    let signals = Signals::new().map_err(|error| Failure::config(format!("cannot take signals: {error}")))?;
    let stop = Stop::default();
    let care = CancellationToken::new();
    let tasks = TaskTracker::new();
    tasks.spawn(care.clone().run_until_cancelled_owned(signals.pass_on(stop.clone())));
    tasks.spawn(care.clone().run_until_cancelled_owned(watchdog()));
    let until = care.clone();
    tasks.spawn(async move { auth.care(until).await });
    let until = care.clone();
    tasks.spawn(async move {
        if let Err(error) = keeper.run(until).await {
            tracing::error!(%error, "the policy is not reloaded any more");
        }
    });

    tell(banner(&Facts {
        listeners: &settings.listeners.iter().cloned().zip(bound).collect::<Vec<_>>(),
        policy: &prepared.policy,
        policy_path: &source,
        store: &records.describe,
        resolver: &settings.resolver,
        api: &api_address.map_or_else(|| "none".into(), |address| format!("http://{address}")),
        confined: &prepared.level.to_string(),
    }));
    // Whoever started us may not listen.
    let _unheard = sd_notify::notify(&[NotifyState::Ready]);
    server::run(listeners, road, stop).await;
    care.cancel();
    tasks.close();
    tasks.wait().await;
    records.close();
    Ok(Exit::Ok)
}

fn address_of(listen: &Listen) -> Option<SocketAddr> {
    match listen {
        Listen::Tcp(address) => Some(*address),
        Listen::Inherit(_) | Listen::Unix(_) => None,
    }
}

/// What has a say in a reload beside the compiler.
fn keeping(settings: &Arc<Settings>, auth: Authenticator, writer: Writer) -> Keeping {
    let asked = Arc::clone(settings);
    let has_helper = matches!(auth.health().helper, auth::HelperHealth::Unused);
    Keeping {
        fits: Box::new(move |policy| {
            if has_helper && auth::asks_pam(policy) {
                return Err(
                    "the policy asks PAM and the server was started with one that did not: restart it".into(),
                );
            }
            auth::check(&asked.auth, policy).map_err(|error| error.to_string())
        }),
        prepare: Box::new(move |policy| {
            auth.follow(policy);
            writer.policy(Revision::of(policy, UnixMicros::now()));
        }),
        watch: settings.policy.watch,
    }
}

/// Tells the service manager that we live, where it wants to know.
async fn watchdog() {
    let Some(period) = sd_notify::watchdog_enabled() else { return };
    let mut tick = tokio::time::interval(period / 2);
    loop {
        tick.tick().await;
        // The next one may be heard.
        let _unheard = sd_notify::notify(&[NotifyState::Watchdog]);
    }
}

/// The store with its writer.
struct Records {
    store: Arc<DiskStore>,
    writer: Writer,
    describe: String,
}

impl Records {
    fn open(prepared: &Prepared) -> Result<Self, Failure> {
        let wanted = &prepared.settings.store;
        let dir = &prepared.store;
        let unusable = |error: &dyn std::fmt::Display| {
            Failure::config(format!(
                "the store `{}` cannot be used: {error}; choose another folder with `--store`",
                dir.display()
            ))
        };
        let options = DiskOptions {
            daily: wanted.segment == Segment::Day,
            cache: wanted.cache.get(),
            ..DiskOptions::default()
        };
        let opened = DiskStore::open(dir, options, UnixMicros::now());
        let (store, recovered) = opened.map_err(|error| unusable(&error))?;
        for path in &recovered.set_aside {
            tracing::warn!(path = %path.display(), "a file of the store could not be read and was set aside");
        }
        if recovered.interrupted > 0 {
            tracing::info!(
                sessions = recovered.interrupted,
                "sessions that were cut off are on record as interrupted"
            );
        }
        let status = store.status();
        let describe = format!("{}  {} files, {} KiB", dir.display(), status.segments, status.bytes >> 10);
        let store = Arc::new(store);
        let queue = QueueOptions {
            queue: wanted.queue,
            batch: wanted.batch,
            flush: wanted.flush.get(),
            retention: wanted.retention.limit(),
        };
        let writer =
            Writer::start(store.clone(), queue, Box::new(|_| {})).map_err(|error| unusable(&error))?;
        Ok(Self { store, writer, describe })
    }

    fn close(&self) {
        self.writer.stop();
        if let Err(error) = self.store.close() {
            tracing::error!(%error, "the store could not be closed");
        }
    }
}
