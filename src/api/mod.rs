//! The HTTP API: read handles behind warp filters, on a connection loop of our own.
//!
//! It looks at sessions, the store and the policy through handles and knows nothing of the road.

mod events;
mod explain;
mod gate;
mod handlers;
mod openapi;
mod page;
mod params;
mod problem;
mod routes;
mod serve;
mod types;

use crate::auth::Authenticator;
use crate::metrics::Metrics;
use crate::policy::LivePolicy;
use crate::privilege::Level;
use crate::session::{Sessions, UnixMicros};
use crate::store::{Store, Writer};
use crate::tls::TlsAcceptor;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Semaphore;

pub use events::{Event, Events, Reload};
pub use explain::explain;
pub use gate::{Gate, GateError, Peer, Scope};
pub use openapi::document;
pub use params::Params;
pub use problem::Problem;
pub use serve::{ServeOptions, Server};
pub use types::{
    AclStats, ActiveSessions, Health, History, HourSums, LogLevel, NamedSums, PolicyInfo, PolicyRevision,
    PolicyText, RuleInfo, Stats, Sums,
};

/// Reloads the policy now; says why it could not be.
pub type ReloadPolicy = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;
/// Explains what a policy says to a request in JSON; an error is the caller's mistake.
pub type Explain = Arc<dyn Fn(ExplainAsk) -> Result<serde_json::Value, String> + Send + Sync>;
/// Reads and sets what is logged.
pub type LogControl = Arc<dyn Fn(Option<&str>) -> Result<String, String> + Send + Sync>;

/// What is to be explained: the body of `POST /api/explain` and the policy it is held against.
pub struct ExplainAsk {
    /// The policy in force.
    pub policy: Arc<rustsocks_compiler::Policy>,
    /// The request in words.
    pub request: ExplainRequest,
    /// Now, for a request that names no time.
    pub now: UnixMicros,
}

pub use handlers::explain::ExplainRequest;

/// What the API reads and steers.
pub struct Handles {
    /// The live table.
    pub sessions: Sessions,
    /// The records, if they are kept.
    pub store: Option<(Arc<dyn Store>, Writer)>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// The policy in force.
    pub policy: Arc<LivePolicy>,
    /// The stream of events.
    pub events: Events,
    /// Who knows users: how the authorities are.
    pub auth: Authenticator,
    /// Certificates of the listeners and of this API.
    pub certificates: Vec<Arc<TlsAcceptor>>,
    /// How far the process is confined, if it is known.
    pub level: Option<Level>,
    /// Reloads the policy.
    pub reload: ReloadPolicy,
    /// Explains the policy.
    pub explain: Explain,
    /// What is logged.
    pub log: LogControl,
    /// The clock.
    pub now: fn() -> UnixMicros,
    /// Whether connections are taken: `false` while the server starts and drains.
    pub ready: Arc<AtomicBool>,
}

/// The API, cheap to clone.
#[derive(Clone)]
pub struct Api {
    handles: Arc<Handles>,
    /// Questions to the store at a time: each occupies a thread.
    reading: Arc<Semaphore>,
}

impl Api {
    /// The API over these handles.
    pub fn new(handles: Handles) -> Self {
        Self { handles: Arc::new(handles), reading: Arc::new(Semaphore::new(READERS)) }
    }

    /// Asks the store on a thread that may wait for the disk.
    async fn ask_store<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&dyn Store) -> Result<T, crate::store::StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        let unavailable = |detail: &str| Problem::new(warp::http::StatusCode::SERVICE_UNAVAILABLE, detail);
        let Some((store, _)) = self.handles.store.clone() else {
            return Err(unavailable("records are not kept"));
        };
        let permit = self.reading.clone().acquire_owned().await;
        let permit = permit.map_err(|_| unavailable("the server stops"))?;
        let asked = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            ask(&*store)
        });
        match asked.await {
            Ok(answer) => answer.map_err(|error| Problem::store(&error)),
            Err(_) => Err(unavailable("the store cannot be read; see the log")),
        }
    }

    fn now(&self) -> UnixMicros {
        (self.handles.now)()
    }

    fn is_ready(&self) -> bool {
        self.handles.ready.load(Ordering::Relaxed)
    }
}

const READERS: usize = 4;
