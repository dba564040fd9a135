//! Names to addresses. Our own resolver reads `/etc/resolv.conf` and `/etc/hosts` (and reads them
//! again when they change), keeps answers as long as their TTL says and the lack of one for a short
//! while; `system` asks the C library instead (nsswitch, mDNS, LDAP).
//!
//! A name is asked for as it was judged, from the root: search domains of the system are never put
//! behind it, for else `vault` would reach `vault.corp.example` past a rule for that.
//!
//! Whatever comes out is no more than a candidate: the policy is asked about each before one is
//! dialled, and what was decided is what is dialled.

mod system;

use crate::settings::sections;
use crate::settings::value::ResolverKind;
use arc_swap::ArcSwap;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use rustsocks_compiler::model::{Name, canonical};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Why a name has no address.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ResolveError {
    /// There is no such name, or it has no address.
    #[error("the name has no address")]
    NotFound,
    /// Nobody could say in time.
    #[error("the resolver did not answer")]
    Failed,
}

/// Resolves names. Cheap to clone.
#[derive(Clone)]
pub struct Resolver {
    inner: Arc<Inner>,
}

struct Inner {
    settings: sections::Resolver,
    source: Source,
    slots: Semaphore,
}

enum Source {
    Dns(ArcSwap<Option<TokioResolver>>),
    System,
}

/// The most addresses of one name. All of them are judged; a name that has more is not taken, since
/// one that nobody has looked at might be blocked.
const MOST_ADDRESSES: usize = 256;
/// How often the files of the system are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

impl Resolver {
    /// A resolver as the settings want it. Without a readable `/etc/resolv.conf` it knows the
    /// names of `/etc/hosts` only, until there is one.
    pub fn new(settings: &sections::Resolver) -> Self {
        let source = match settings.kind {
            ResolverKind::Dns => Source::Dns(ArcSwap::from_pointee(build(settings))),
            ResolverKind::System => Source::System,
        };
        let slots = Semaphore::new(settings.concurrent.clamp(1, Semaphore::MAX_PERMITS));
        Self { inner: Arc::new(Inner { settings: settings.clone(), source, slots }) }
    }

    /// The addresses of a name, in their canonical form, those to be preferred first. `localhost`
    /// and what is below it are this host, whatever DNS may say (RFC 6761 §6.3).
    ///
    /// # Errors
    /// Says whether the name or the resolver is at fault.
    pub async fn addresses(&self, name: &Name) -> Result<Vec<IpAddr>, ResolveError> {
        if name.as_str() == "localhost" || name.as_str().ends_with(".localhost") {
            return Ok(vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]);
        }
        let asked = tokio::time::timeout(self.inner.settings.timeout.get(), self.ask(name)).await;
        candidates(asked.map_err(|_| ResolveError::Failed)??)
    }

    async fn ask(&self, name: &Name) -> Result<Vec<IpAddr>, ResolveError> {
        let _slot = self.inner.slots.acquire().await.map_err(|_| ResolveError::Failed)?;
        match &self.inner.source {
            Source::Dns(resolver) => {
                let resolver = resolver.load_full();
                let Some(resolver) = resolver.as_ref() else { return Err(ResolveError::Failed) };
                match resolver.lookup_ip(absolute(name)).await {
                    Ok(found) => Ok(found.iter().collect()),
                    Err(error) if error.is_nx_domain() || error.is_no_records_found() => {
                        Err(ResolveError::NotFound)
                    }
                    Err(_) => Err(ResolveError::Failed),
                }
            }
            Source::System => {
                let name = name.clone();
                let asked = tokio::task::spawn_blocking(move || system::addresses(&name));
                asked.await.unwrap_or(Err(ResolveError::Failed))
            }
        }
    }

    /// Reads the files of the system again whenever they have changed, until told to stop.
    pub async fn watch(self, stop: CancellationToken) {
        let Source::Dns(resolver) = &self.inner.source else { return };
        let mut seen = stamps().await;
        while stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
            let now = stamps().await;
            if now != seen {
                seen = now;
                let settings = self.inner.settings.clone();
                if let Ok(new) = tokio::task::spawn_blocking(move || build(&settings)).await {
                    resolver.store(Arc::new(new));
                    tracing::info!("name servers and hosts file read again");
                }
            }
        }
    }
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}

/// Each address once, in its canonical form.
fn candidates(found: Vec<IpAddr>) -> Result<Vec<IpAddr>, ResolveError> {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in found.into_iter().map(canonical) {
        if addresses.contains(&address) {
            continue;
        }
        if addresses.len() >= MOST_ADDRESSES {
            tracing::debug!("a name has more addresses than are looked at");
            return Err(ResolveError::Failed);
        }
        addresses.push(address);
    }
    if addresses.is_empty() { Err(ResolveError::NotFound) } else { Ok(addresses) }
}

/// A name as it is asked for: its dot says that nothing belongs behind it.
fn absolute(name: &Name) -> String {
    format!("{}.", name.as_str())
}

async fn stamps() -> Vec<Option<SystemTime>> {
    let look = || FILES.map(|file| Path::new(file).metadata().and_then(|meta| meta.modified()).ok()).to_vec();
    tokio::task::spawn_blocking(look).await.unwrap_or_default()
}

fn build(settings: &sections::Resolver) -> Option<TokioResolver> {
    let system = hickory_resolver::system_conf::read_system_conf();
    let (config, mut options) = match system {
        _ if !settings.servers.is_empty() => (servers(&settings.servers), ResolverOpts::default()),
        Ok(system) => system,
        Err(error) => {
            tracing::warn!(%error, "no name server is known: only the hosts file is");
            (ResolverConfig::from_parts(None, Vec::new(), Vec::new()), ResolverOpts::default())
        }
    };
    options.cache_size = settings.cache;
    options.negative_max_ttl = Some(settings.negative_ttl.get());
    options.timeout = options.timeout.min(settings.timeout.get());
    options.use_hosts_file = ResolveHosts::Always;
    options.try_tcp_on_error = true;
    let provider = TokioRuntimeProvider::default();
    let builder = TokioResolver::builder_with_config(config, provider).with_options(options);
    builder.build().inspect_err(|error| tracing::warn!(%error, "the resolver cannot be set up")).ok()
}

fn servers(servers: &[SocketAddr]) -> ResolverConfig {
    let server = |&address: &SocketAddr| {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
            connection.port = address.port();
            connection
        });
        NameServerConfig::new(address.ip(), true, connections.to_vec())
    };
    ResolverConfig::from_name_servers(servers.iter().map(server).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_more_addresses_than_are_judged_is_not_taken() {
        let many =
            |count: u16| (0..count).map(|at| IpAddr::from([10, 0, at.to_be_bytes()[0], at.to_be_bytes()[1]]));
        assert_eq!(candidates(many(256).chain(many(256)).collect()).map(|found| found.len()), Ok(256));
        assert_eq!(candidates(many(257).collect()), Err(ResolveError::Failed));
        assert_eq!(candidates(Vec::new()), Err(ResolveError::NotFound));
    }
}
