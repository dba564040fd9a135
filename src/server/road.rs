//! All that a connection needs on its way.

use super::{Door, Ourselves, Waiting};
use crate::auth::Authenticator;
use crate::connection::Attempt;
use crate::dial::Dialer;
use crate::limits::{Admission, Full, Tally};
use crate::policy::LivePolicy;
use crate::relay::{Clocks, Pipes};
use crate::resolve::Resolver;
use crate::session::{CloseReason, Sessions};
use crate::settings::Settings;
use std::net::SocketAddr;
use std::sync::Arc;

/// What connections share. Made once, by whoever starts the server.
#[derive(Debug)]
pub struct Road {
    /// The policy in force.
    pub policy: Arc<LivePolicy>,
    /// Who knows users.
    pub auth: Authenticator,
    /// Who knows names.
    pub resolver: Resolver,
    /// Who opens connections.
    pub dialer: Dialer,
    /// Where records go.
    pub sessions: Sessions,
    /// The settings.
    pub settings: Arc<Settings>,
    /// What there is room for.
    pub admission: Admission,
    /// Counts of what never becomes a session.
    pub tally: Arc<Tally>,
    /// Ports that wait for peers.
    pub waiting: Waiting,
    /// Addresses that nobody is led to.
    pub ourselves: Ourselves,
    /// How long tunnels last.
    pub clocks: Clocks,
    /// Pipes for tunnels that move much.
    pub pipes: Pipes,
}

/// Of the descriptors that there may be, one in so many may be a pipe.
const PIPE_SHARE: usize = 16;

impl Road {
    /// A road as the settings want it. `own` are the addresses that the server itself listens on,
    /// those of the API included.
    pub fn new(
        settings: Arc<Settings>,
        policy: Arc<LivePolicy>,
        auth: Authenticator,
        sessions: Sessions,
        own: &[SocketAddr],
    ) -> Self {
        let descriptors = super::bind::descriptor_limit();
        Self {
            policy,
            auth,
            resolver: Resolver::new(&settings.resolver),
            dialer: Dialer::new(&settings),
            sessions,
            admission: Admission::new(&settings.limits, descriptors),
            tally: Arc::default(),
            waiting: Waiting::new(settings.bind.waiting),
            ourselves: Ourselves::new(own),
            clocks: Clocks::new(&settings),
            pipes: Pipes::new((descriptors / PIPE_SHARE / 2).clamp(4, 1_024)),
            settings,
        }
    }

    /// Puts on record a connection that a cap turned away.
    pub(super) fn turned_away(&self, client: SocketAddr, door: &Door, full: Full) {
        tracing::debug!(%client, %full, "turned away");
        let name = Arc::clone(door.name());
        Attempt::new(self.sessions.clone(), client, name, &self.policy.load()).end(CloseReason::LimitReached);
    }
}
