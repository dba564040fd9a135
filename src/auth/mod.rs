//! Method → identity. What a client says it is, held against the users file, PAM or a certificate.
//!
//! The road calls [`Authenticator`] and knows nothing else of this. Nothing here decides what a
//! user may do.

mod by_pam;
mod edit;
mod groups;
mod hash;
pub mod helper;
mod name;
mod observe;
pub mod pam;
mod penalty;
mod recent;
mod setup;
mod users;
mod watch;

pub use edit::{EditError, UsersEdit};
pub use groups::{GroupNames, Groups, GroupsUnavailable};
pub use hash::{HashError, PasswordHash, Scheme};
pub use name::{NameError, UserName};
pub use observe::{Attempt, AuthHealth, AuthObserver, AuthResult, HelperHealth};
pub use penalty::{Penalties, PenaltyRules, Shut};
pub use setup::{SetupError, asks_pam, check};
pub use users::{Users, UsersError};

use crate::settings::sections::Auth;
use by_pam::Pam;
use helper::Helper;
use recent::Recent;
use rustsocks_compiler::Policy;
use rustsocks_compiler::request::{Method, MethodSpec};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use watch::LiveUsers;
use zeroize::Zeroizing;

/// Who a client has shown to be.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Identity {
    /// The user name; `None` with methods that give none.
    pub user: Option<Arc<str>>,
    /// System groups (NSS) of the user that the policy speaks of.
    pub groups: Vec<Arc<str>>,
    /// The PAM service that was asked.
    pub service: Option<Arc<str>>,
}

/// Why a client is not who it says it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AuthError {
    /// Wrong credentials, an unknown user, an expired account.
    #[error("the credentials are refused")]
    Refused,
    /// Too many failures from there or for that user: not even looked at.
    #[error("too many failed logins")]
    Penalised,
    /// The authority could not be asked in time.
    #[error("the authentication service is not available")]
    Unavailable,
}

/// Asks the authorities. Cheap to clone; every call has a deadline.
#[derive(Clone, Debug, Default)]
pub struct Authenticator {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    users: Option<LiveUsers>,
    pam: Option<Pam>,
    penalties: Option<Penalties>,
    groups: Groups,
    recent: Option<Recent>,
    /// Bounds the threads that hash passwords.
    hashing: Arc<Semaphore>,
    failure_delay: Duration,
    observer: Option<Arc<dyn AuthObserver>>,
}

impl Default for Inner {
    /// No authority at all.
    fn default() -> Self {
        Self {
            users: None,
            pam: None,
            penalties: None,
            groups: Groups::default(),
            recent: None,
            hashing: Arc::new(Semaphore::new(hashing_threads())),
            failure_delay: Duration::ZERO,
            observer: None,
        }
    }
}

impl Authenticator {
    /// Reads the users file and prepares what the settings ask for. Without a helper, whatever goes
    /// through PAM is not available.
    ///
    /// # Errors
    /// Where the users file is not accepted.
    pub fn new(
        settings: &Auth,
        helper: Option<Helper>,
        observer: Option<Arc<dyn AuthObserver>>,
    ) -> Result<Self, SetupError> {
        let users = settings.users.as_deref().map(|path| {
            LiveUsers::open(path).map_err(|error| SetupError::Users { path: path.into(), error })
        });
        let rules = PenaltyRules {
            address_failures: settings.failures,
            address_penalty: settings.penalty.get(),
            user_failures: settings.user_failures,
            user_penalty: settings.user_penalty.get(),
            exempt: settings.exempt.clone(),
        };
        let inner = Inner {
            users: users.transpose()?,
            pam: helper.map(|helper| Pam::new(settings, helper, observer.clone())).transpose()?,
            penalties: Some(Penalties::new(rules)),
            recent: Recent::new(settings.remember.limit().unwrap_or_default()),
            failure_delay: settings.failure_delay.limit().unwrap_or_default(),
            observer,
            ..Inner::default()
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Takes over which system groups a policy speaks of. To be called with the first policy and
    /// with each that is put in force after it.
    pub fn follow(&self, policy: &Policy) {
        self.inner.groups.want(setup::groups(policy.model()));
    }

    /// User name and password (RFC 1929), by `password` or `pam.username`.
    ///
    /// # Errors
    /// Says why it is refused. A failure is final: the connection must be closed.
    pub async fn password(
        &self,
        spec: &MethodSpec,
        client: IpAddr,
        user: &[u8],
        password: &[u8],
    ) -> Result<Identity, AuthError> {
        self.passwords(&[spec], client, user, password).await.map(|(_, identity)| identity)
    }

    /// The same, asking several authorities in order until one accepts: one attempt, and one
    /// failure where none does.
    ///
    /// # Errors
    /// As [`Authenticator::password`].
    pub async fn passwords<'s>(
        &self,
        specs: &[&'s MethodSpec],
        client: IpAddr,
        user: &[u8],
        password: &[u8],
    ) -> Result<(&'s MethodSpec, Identity), AuthError> {
        let start = Instant::now();
        let name = UserName::from_bytes(user).ok();
        let (mut method, mut result) = (Method::Password, Err(AuthError::Refused));
        for spec in specs {
            method = spec.method;
            let answer = match &name {
                Some(name) => self.named(spec, client, name, password).await,
                None if self.is_penalised(client) => Err(AuthError::Penalised),
                None => Err(AuthError::Refused),
            };
            // That one authority cannot be asked makes the refusal of another none.
            result = match (answer, result) {
                (Ok(identity), _) => Ok((*spec, identity)),
                (Err(AuthError::Refused), Err(AuthError::Unavailable)) => Err(AuthError::Unavailable),
                (Err(error), _) => Err(error),
            };
            if !matches!(result, Err(AuthError::Refused | AuthError::Unavailable)) {
                break;
            }
        }
        let shown = String::from_utf8_lossy(user);
        self.settle(&Attempt { method, client, user: &shown, start }, name.as_ref(), result).await
    }

    /// A certificate that TLS has verified: its first subject name is the user.
    ///
    /// # Errors
    /// Where it names nobody, or the groups of the user cannot be asked.
    pub async fn certificate(&self, names: &[Box<str>]) -> Result<Identity, AuthError> {
        let user = names.first().ok_or(AuthError::Refused)?;
        let result = self.with_groups(Identity { user: Some((**user).into()), ..Identity::default() }).await;
        if let Some(observer) = &self.inner.observer {
            observer.attempted(Method::Certificate, AuthResult::of(&result));
        }
        result
    }

    /// The client's address alone (`pam.address`), before the handshake. A refusal is no failure
    /// yet: another method may be right, from the same address.
    ///
    /// # Errors
    /// Says why it is refused.
    pub async fn address(&self, spec: &MethodSpec, client: IpAddr) -> Result<Identity, AuthError> {
        let result = match self.is_penalised(client) {
            true => Err(AuthError::Penalised),
            false => match self.pam() {
                Ok(pam) => pam.address(spec, client).await,
                Err(error) => Err(error),
            },
        };
        if let Some(observer) = &self.inner.observer {
            observer.attempted(spec.method, AuthResult::of(&result));
        }
        result
    }

    /// Notes that PAM has refused a client's address and no other method has let it in. It counts as
    /// a failed login: who comes again and again need not be asked about each time.
    pub fn turned_away(&self, client: IpAddr) {
        observe::log_turned_away(client);
        let shut = self.inner.penalties.as_ref().map(|penalties| penalties.failed(client, None));
        observe::log_shut_address(client, shut.unwrap_or_default());
    }

    /// Whether an address is under penalty for failed logins and should be refused at accept.
    pub fn is_penalised(&self, client: IpAddr) -> bool {
        self.inner.penalties.as_ref().is_some_and(|penalties| penalties.shuts_address(client))
    }

    /// How the authorities are.
    pub fn health(&self) -> AuthHealth {
        AuthHealth {
            helper: self.inner.pam.as_ref().map_or(HelperHealth::Unused, |pam| pam.health()),
            users: self.inner.users.as_ref().map(|users| match users.failure() {
                None => Ok(users.load().len()),
                Some(failure) => Err(failure),
            }),
            shut: self.inner.penalties.as_ref().map_or((0, 0), Penalties::shut),
        }
    }

    /// Keeps the authorities in order until it is told to stop: hears the helper, reads a changed
    /// users file again. Without it, nobody hears what PAM answers.
    pub async fn care(&self, stop: CancellationToken) {
        tokio::join!(self.hear_helper(&stop), self.watch_users(&stop));
    }

    async fn hear_helper(&self, stop: &CancellationToken) {
        if let Some(pam) = &self.inner.pam {
            pam.listen(stop).await;
        }
    }

    async fn watch_users(&self, stop: &CancellationToken) {
        let mut look = tokio::time::interval(USERS_LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while self.inner.users.is_some() {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = look.tick() => self.refresh().await,
            }
        }
    }

    /// Reads the users file again if it has changed.
    pub async fn refresh(&self) {
        if self.inner.users.is_none() {
            return;
        }
        let inner = Arc::clone(&self.inner);
        let work = tokio::task::spawn_blocking(move || {
            let changed = inner.users.as_ref().is_some_and(LiveUsers::refresh);
            if changed && let Some(recent) = &inner.recent {
                recent.forget();
            }
        });
        // A panic inside has been reported already; the users of before stay.
        let _reported = work.await;
    }

    async fn named(
        &self,
        spec: &MethodSpec,
        client: IpAddr,
        name: &UserName,
        password: &[u8],
    ) -> Result<Identity, AuthError> {
        if self.is_penalised(client) || self.is_user_penalised(name, client) {
            return Err(AuthError::Penalised);
        }
        let inner = &self.inner;
        let recent = inner.recent.as_ref();
        let token = recent.map(|recent| (recent, recent.token(spec, client, name.as_str(), password)));
        if let Some((recent, token)) = &token
            && let Some(identity) = recent.find(token)
        {
            return self.with_groups(identity).await;
        }
        let identity = match spec.method {
            Method::Password => self.by_users_file(name, password).await?,
            Method::PamUsername => self.pam()?.password(spec, client, name, password).await?,
            Method::Certificate | Method::Gssapi | Method::None | Method::PamAddress => {
                return Err(AuthError::Refused);
            }
        };
        if let Some((recent, token)) = &token {
            recent.accept(token, identity.clone());
        }
        self.with_groups(identity).await
    }

    fn pam(&self) -> Result<&Pam, AuthError> {
        self.inner.pam.as_ref().ok_or(AuthError::Unavailable)
    }

    fn is_user_penalised(&self, name: &UserName, client: IpAddr) -> bool {
        let penalties = self.inner.penalties.as_ref();
        penalties.is_some_and(|penalties| penalties.shuts_user(name.as_str(), client))
    }

    async fn by_users_file(&self, name: &UserName, password: &[u8]) -> Result<Identity, AuthError> {
        let users = self.inner.users.as_ref().ok_or(AuthError::Unavailable)?.load();
        let permit = tokio::time::timeout(HASHING_WAIT, Arc::clone(&self.inner.hashing).acquire_owned());
        let permit = permit.await.ok().and_then(Result::ok).ok_or(AuthError::Unavailable)?;
        let (user, password) = (name.clone(), Zeroizing::new(password.to_vec()));
        let work = tokio::task::spawn_blocking(move || {
            let fits = users.check(&user, &password);
            drop(permit);
            fits
        });
        match work.await {
            Ok(true) => Ok(Identity { user: Some(name.shared()), ..Identity::default() }),
            Ok(false) => Err(AuthError::Refused),
            Err(_) => Err(AuthError::Unavailable),
        }
    }

    async fn with_groups(&self, mut identity: Identity) -> Result<Identity, AuthError> {
        if let Some(user) = &identity.user {
            let groups = self.inner.groups.of(user).await.map_err(|error| {
                tracing::error!("login of {user:?} not possible: {error}");
                AuthError::Unavailable
            })?;
            identity.groups = groups.to_vec();
        }
        Ok(identity)
    }

    /// Counts, logs and punishes; a failure is answered no sooner than `failure_delay` after it
    /// began, so that its reason does not show in how long it took.
    async fn settle<T>(
        &self,
        attempt: &Attempt<'_>,
        name: Option<&UserName>,
        result: Result<T, AuthError>,
    ) -> Result<T, AuthError> {
        let inner = &self.inner;
        if let Some(observer) = &inner.observer {
            observer.attempted(attempt.method, AuthResult::of(&result));
        }
        match (&result, &inner.penalties) {
            (Ok(_), Some(penalties)) => {
                if let Some(name) = name {
                    penalties.succeeded(attempt.client, name.as_str());
                }
            }
            (Err(AuthError::Refused), penalties) => {
                observe::log_failure(attempt);
                let shut =
                    penalties.as_ref().map(|all| all.failed(attempt.client, name.map(UserName::as_str)));
                observe::log_penalty(attempt, shut.unwrap_or_default());
            }
            (Ok(_), None) | (Err(AuthError::Penalised | AuthError::Unavailable), _) => {}
        }
        if result.is_err() {
            tokio::time::sleep_until(attempt.start + inner.failure_delay).await;
        }
        result
    }
}

fn hashing_threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// How often the users file is looked at. A look is one system call, and cannot miss a rename or
/// a link that was swapped, as a watch on an inode can.
const USERS_LOOK: Duration = Duration::from_secs(1);
/// How long a login waits for its turn to be hashed.
const HASHING_WAIT: Duration = Duration::from_secs(10);
