//! What others see of authentication: counts for the metrics, lines for the log, the state for
//! `/health`. Never a password, and a name only with its signs escaped.

use super::{AuthError, Shut};
use rustsocks_compiler::request::Method;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::Instant;

/// Hears of every attempt; the metrics are one.
pub trait AuthObserver: fmt::Debug + Send + Sync {
    /// A client has tried to log in.
    fn attempted(&self, method: Method, result: AuthResult);

    /// PAM has been asked; another method may decide after it.
    fn asked_pam(&self, method: Method, result: AuthResult, took: Duration);
}

/// How an attempt went.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum AuthResult {
    /// The client is who it says it is.
    Accepted,
    /// Not looked at: too many failures before.
    Penalised,
    /// It is not.
    Refused,
    /// Nobody could be asked.
    Unavailable,
}

impl AuthResult {
    /// All, in the order of their names.
    pub const ALL: [Self; 4] = [Self::Accepted, Self::Penalised, Self::Refused, Self::Unavailable];

    /// Its label in the metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Penalised => "penalised",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
        }
    }

    pub(super) fn of<T>(result: &Result<T, AuthError>) -> Self {
        match result {
            Ok(_) => Self::Accepted,
            Err(AuthError::Penalised) => Self::Penalised,
            Err(AuthError::Refused) => Self::Refused,
            Err(AuthError::Unavailable) => Self::Unavailable,
        }
    }
}

/// One attempt to log in.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The method.
    pub method: Method,
    /// From where.
    pub client: IpAddr,
    /// The name, as far as it is text.
    pub user: &'a str,
    /// When it began.
    pub start: Instant,
}

/// How the authorities are, for `/health`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuthHealth {
    /// The process that asks PAM.
    pub helper: HelperHealth,
    /// The users file, if there is one: how many users, or why it is not in force as it is now.
    pub users: Option<Result<usize, String>>,
    /// How many addresses and users are refused now for failed logins.
    pub shut: (usize, usize),
}

impl AuthHealth {
    /// Whether every authority that the settings name answers.
    pub fn is_ok(&self) -> bool {
        self.faults().is_empty()
    }

    /// What is at fault, a sentence each.
    pub fn faults(&self) -> Vec<String> {
        let helper = (self.helper == HelperHealth::Dead)
            .then(|| "the process that asks PAM is lost: logins through PAM fail until a restart".to_owned());
        let users = self
            .users
            .as_ref()
            .and_then(|users| users.as_ref().err())
            .map(|failure| format!("the users file is not in force as it is now: {failure}"));
        helper.into_iter().chain(users).collect()
    }
}

/// How the process that asks PAM is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HelperHealth {
    /// It answers.
    Alive {
        /// Its process.
        pid: u32,
    },
    /// It has died: every login through PAM fails until the server is started again.
    Dead,
    /// There is none.
    Unused,
}

/// The line that fail2ban reads; `examples/fail2ban/` has the filter. The address stands before
/// the name, so that no name can pass for an address, and the name is quoted and escaped.
pub(super) fn log_failure(attempt: &Attempt<'_>) {
    let Attempt { method, client, user, .. } = attempt;
    tracing::warn!("authentication failure from {client} by {method} for {user:?}");
}

/// The same for an address that PAM has refused, which comes without a name.
pub(super) fn log_turned_away(client: IpAddr) {
    tracing::warn!("authentication failure from {client} by {}", Method::PamAddress);
}

pub(super) fn log_shut_address(client: IpAddr, shut: Shut) {
    if let Some(time) = shut.address {
        tracing::warn!("too many failed logins from {client}: refused for {} seconds", time.as_secs());
    }
}

pub(super) fn log_penalty(attempt: &Attempt<'_>, shut: Shut) {
    let Attempt { client, user, .. } = attempt;
    log_shut_address(*client, shut);
    if let Some(time) = shut.user {
        tracing::warn!("too many failed logins for {user:?}: refused for {} seconds", time.as_secs());
    }
}
