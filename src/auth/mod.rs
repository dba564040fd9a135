//! Method → identity. What a client says it is, held against the users file, PAM or a certificate.

use rustsocks_compiler::request::MethodSpec;
use std::net::IpAddr;
use std::sync::Arc;

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
pub struct Authenticator {}

impl Authenticator {
    /// User name and password (RFC 1929), by `password` or `pam.username`.
    ///
    /// # Errors
    /// Says why it is refused. A failure is final: the connection must be closed.
    #[expect(clippy::unused_async, reason = "PAM and hashing happen elsewhere")]
    pub async fn password(
        &self,
        _spec: &MethodSpec,
        _client: IpAddr,
        _user: &[u8],
        _password: &[u8],
    ) -> Result<Identity, AuthError> {
        Err(AuthError::Unavailable)
    }

    /// The client's address alone (`pam.address`), before the handshake.
    ///
    /// # Errors
    /// Says why it is refused.
    #[expect(clippy::unused_async, reason = "PAM happens elsewhere")]
    pub async fn address(&self, _spec: &MethodSpec, _client: IpAddr) -> Result<Identity, AuthError> {
        Err(AuthError::Unavailable)
    }

    /// Whether an address is under penalty for failed logins and should be refused at accept.
    pub fn is_penalised(&self, _client: IpAddr) -> bool {
        false
    }
}
