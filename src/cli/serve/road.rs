//! Inside the runtime: the records, the road, the API, and how they end.

use super::banner::{Facts, banner};
use super::prepare::{ApiSocket, Prepared};
use super::signals::Signals;
use crate::api::{Api, Event, Events, Explain, Gate, Handles, LogControl, Reload, ServeOptions, Server};
use crate::auth::{self, Authenticator, HelperHealth};
use crate::cli::{Exit, Failure};
use crate::policy::{Keeper, Keeping, LivePolicy, ReloadHandle};
use crate::records::Records;
use crate::resident;
use crate::server::{self, Listener, Road, Stop};
use crate::session::UnixMicros;
use crate::settings::Settings;
use crate::settings::value::Listen;
use crate::tls::TlsAcceptor;
use sd_notify::NotifyState;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What the server is given from outside.
pub(super) struct Outside {
    /// Prints the banner.
    pub(super) tell: fn(String),
    /// Changes what is logged.
    pub(super) log: LogControl,
    /// Explains the policy.
    pub(super) explain: Explain,
}

/// Serves until it is told to stop.
///
/// # Errors
/// Where the store or the runtime does not come up.
pub(super) fn serve(prepared: Prepared, outside: Outside) -> Result<Exit, Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = prepared.settings.runtime.threads {
        builder.worker_threads(threads);
    }
    let runtime = builder.enable_all().thread_name("rustsocks").build().map_err(|error| {
        Failure::config(format!("cannot start threads: {error}; raise the limit on processes (`ulimit -u`)"))
    })?;
    let done = runtime.block_on(run(prepared, outside));
    // Whatever a look-up in the C library still waits for is not waited for here.
    runtime.shutdown_timeout(Duration::from_secs(1));
    done
}

async fn run(prepared: Prepared, outside: Outside) -> Result<Exit, Failure> {
    let settings = Arc::clone(&prepared.settings);
    let live = Arc::new(LivePolicy::new(Arc::clone(&prepared.policy)));
    let records = Records::open(&settings, &live).map_err(Failure::config)?;
    tell_recovered(&records);
    let observer = Arc::clone(&records.metrics);
    let auth =
        Authenticator::new(&settings.auth, prepared.helper, Some(observer)).map_err(Failure::config)?;
    auth.follow(&prepared.policy);

    let bound: Vec<Listen> = prepared.listeners.iter().map(server::Bound::address).collect();
    let mut own: Vec<SocketAddr> = bound.iter().filter_map(address_of).collect();
    let api_address = prepared.api.as_ref().and_then(|socket| socket.local_addr().ok());
    own.extend(api_address);
    let listeners = prepared.listeners.into_iter().map(|bound| bound.listen().map(Arc::new));
    let listeners: Vec<Arc<Listener>> = listeners.collect::<Result<_, _>>().map_err(Failure::config)?;

    let source = prepared.source.describe();
    let keeping = keeping(&settings, auth.clone(), records.events.clone());
    let keeper = Keeper::new(Arc::clone(&live), prepared.source, prepared.seen, keeping);
    let ready = Arc::new(AtomicBool::new(true));
    let api_tls = prepared.api_tls.map(Arc::new);
    let certificates = listeners.iter().filter_map(|listener| listener.door().tls()).chain(&api_tls);
    let handles = Handles {
        sessions: records.sessions.clone(),
        store: Some((Arc::clone(&records.store), records.writer.clone())),
        metrics: Arc::clone(&records.metrics),
        policy: Arc::clone(&live),
        events: records.events.clone(),
        auth: auth.clone(),
        certificates: certificates.cloned().collect(),
        level: Some(prepared.level.clone()),
        reload: reload(keeper.handle()),
        explain: outside.explain,
        log: outside.log,
        now: UnixMicros::now,
        ready: Arc::clone(&ready),
    };
    let care = CancellationToken::new();
    let api = api_server(&settings, handles, api_address, &care)?;
    let api = api.with_tls(api_tls.clone());
    let sessions = records.sessions.clone();
    let road = Road::new(Arc::clone(&settings), Arc::clone(&live), auth.clone(), sessions, &own);

    records.metrics.follow(Arc::clone(&road.tally));

    let signals = Signals::new().map_err(|error| Failure::config(format!("cannot take signals: {error}")))?;
    let stop = Stop::default();
    let tasks = TaskTracker::new();
    let (serving, tcp, unix) = (api.clone(), prepared.api, prepared.api_socket);
    tasks.spawn(async move { serve_api(serving, tcp, unix).await });
    tasks.spawn(care.clone().run_until_cancelled_owned(signals.pass_on(stop.clone(), Arc::clone(&ready))));
    tasks.spawn(care.clone().run_until_cancelled_owned(watchdog()));
    tasks.spawn(care.clone().run_until_cancelled_owned(renew(api_tls)));
    tasks.spawn(care.clone().run_until_cancelled_owned(give_back(live.subscribe())));
    let until = care.clone();
    tasks.spawn(async move { auth.care(until).await });
    let until = care.clone();
    tasks.spawn(async move {
        if let Err(error) = keeper.run(until).await {
            tracing::error!(%error, "the policy is not reloaded any more");
        }
    });
    let records = Arc::new(records);
    let (keeping, until) = (Arc::clone(&records), care.clone());
    tasks.spawn(async move { keeping.keep_policies(live, until).await });

    (outside.tell)(banner(&Facts {
        listeners: &settings.listeners.iter().cloned().zip(bound).collect::<Vec<_>>(),
        policy: &prepared.policy,
        policy_path: &source,
        store: &store_facts(&records),
        resolver: &settings.resolver,
        api: &api_facts(&settings, api_address),
        confined: &prepared.level.to_string(),
    }));
    // Whoever started us may not listen.
    let _unheard = sd_notify::notify(&[NotifyState::Ready]);
    server::run(listeners, Arc::new(road), stop).await;
    ready.store(false, Ordering::Relaxed);
    care.cancel();
    api.drain(LAST_ANSWERS).await;
    tasks.close();
    tasks.wait().await;
    close(&records);
    Ok(Exit::Ok)
}

fn address_of(listen: &Listen) -> Option<SocketAddr> {
    match listen {
        Listen::Tcp(address) => Some(*address),
        Listen::Inherit(_) | Listen::Unix(_) => None,
    }
}

fn tell_recovered(records: &Records) {
    for path in &records.recovered.set_aside {
        tracing::warn!(path = %path.display(), "a file of the store could not be read and was set aside");
    }
    if records.recovered.interrupted > 0 {
        let sessions = records.recovered.interrupted;
        tracing::info!(sessions, "sessions that an earlier end cut off are on record as interrupted");
    }
}

/// What has a say in a reload beside the compiler, and who hears of it.
fn keeping(settings: &Arc<Settings>, auth: Authenticator, events: Events) -> Keeping {
    let asked = Arc::clone(settings);
    let asks_nobody = auth.health().helper == HelperHealth::Unused;
    Keeping {
        fits: Box::new(move |policy| {
            if asks_nobody && auth::asks_pam(policy) {
                return Err("the policy asks PAM, and the server was started with one that did not: \
                            restart it to use this one"
                    .into());
            }
            auth::check(&asked.auth, policy).map_err(|error| error.to_string())
        }),
        prepare: Box::new(move |policy| auth.follow(policy)),
        heard: Box::new(move |policy, failure| {
            let (policy, failure) = (policy.digest().to_string(), failure.map(Into::into));
            events.tell(Event::Reload(Reload { policy, failure }));
        }),
        watch: settings.policy.watch,
    }
}

fn reload(handle: ReloadHandle) -> crate::api::ReloadPolicy {
    Arc::new(move || {
        let handle = handle.clone();
        Box::pin(async move { handle.reload().await.map(|_| ()).map_err(|error| error.to_string()) })
    })
}

fn api_server(
    settings: &Settings,
    handles: Handles,
    address: Option<SocketAddr>,
    stop: &CancellationToken,
) -> Result<Server, Failure> {
    let gate = Gate::new(&settings.api, address.as_slice()).map_err(Failure::config)?;
    let options = ServeOptions {
        connections: settings.api.connections,
        header_timeout: settings.api.header_timeout.get(),
        request_timeout: settings.api.request_timeout.get(),
    };
    Ok(Server::new(&Api::new(handles), gate, options, stop.clone()))
}

async fn serve_api(server: Server, tcp: Option<std::net::TcpListener>, unix: Option<ApiSocket>) {
    let tcp = async {
        match tcp.map(tokio::net::TcpListener::from_std) {
            Some(Ok(listener)) => server.serve_tcp(listener).await,
            Some(Err(error)) => tracing::error!(%error, "the API is not served"),
            None => {}
        }
    };
    let unix = async {
        let Some(unix) = &unix else { return };
        match unix.socket.try_clone().and_then(tokio::net::UnixListener::from_std) {
            Ok(listener) => server.serve_unix(listener).await,
            Err(error) => tracing::error!(%error, "the API is not served on its socket"),
        }
    };
    tokio::join!(tcp, unix);
}

fn store_facts(records: &Records) -> String {
    let status = records.store.status();
    let files = if status.segments == 1 { "1 file".into() } else { format!("{} files", status.segments) };
    format!("{}  {files}, {} KiB", records.dir.display(), status.bytes >> 10)
}

fn api_facts(settings: &Settings, address: Option<SocketAddr>) -> String {
    let scheme = if settings.api.tls.is_some() { "https" } else { "http" };
    address.map_or_else(|| "none".into(), |address| format!("{scheme}://{address}"))
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

/// Takes over a renewed certificate of the API.
async fn renew(tls: Option<Arc<TlsAcceptor>>) {
    let Some(tls) = tls else { return };
    let mut look = tokio::time::interval(CERTIFICATE_LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        let tls = Arc::clone(&tls);
        // A panic inside has been reported already; the certificate of before stays.
        let _reported = tokio::task::spawn_blocking(move || tls.refresh()).await;
    }
}

/// Gives back what the start has left resident, and what each new policy has: a second later, when
/// all tasks have begun and nobody reads the old policy any more.
async fn give_back(mut changes: watch::Receiver<u64>) {
    loop {
        tokio::time::sleep(SETTLED).await;
        match tokio::task::spawn_blocking(resident::give_back).await {
            Ok(Ok(bytes)) => tracing::debug!(bytes, "what is not needed any more is given back"),
            Ok(Err(error)) => tracing::debug!(%error, "what is not needed any more stays resident"),
            // A panic inside has been reported already.
            Err(_) => return,
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

fn close(records: &Records) {
    records.writer.stop();
    if let Err(error) = records.store.close() {
        tracing::error!(%error, "the store could not be closed");
    }
}

/// After that long the start, or a change of the policy, is over.
const SETTLED: Duration = Duration::from_secs(1);
/// How often the API's certificate is looked at.
const CERTIFICATE_LOOK: Duration = Duration::from_secs(30);
/// How long answers that are under way may take in the end.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
