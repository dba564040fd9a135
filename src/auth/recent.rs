//! Credentials that were accepted a moment ago, so that a browser's hundred connections are not a
//! hundred questions. Only if the settings say so; only success; without the clear password.

use super::Identity;
use rustsocks_compiler::request::MethodSpec;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;
use zeroize::Zeroizing;

/// Digests of accepted credentials, under a key that lives as long as the process.
pub(super) struct Recent {
    accepted: moka::sync::Cache<[u8; 32], Identity>,
    key: Zeroizing<[u8; 32]>,
}

/// What stands for credentials: a keyed digest that tells nothing about the password.
pub(super) struct Token([u8; 32]);

impl Recent {
    /// Remembers for `life`; nothing at all if that is zero or the system gives no random key.
    pub(super) fn new(life: Duration) -> Option<Self> {
        let mut key = Zeroizing::new([0_u8; 32]);
        let filled = rustix::rand::getrandom(key.as_mut_slice(), rustix::rand::GetRandomFlags::empty());
        if life.is_zero() || filled != Ok(key.len()) {
            return None;
        }
        let accepted = moka::sync::Cache::builder().max_capacity(ACCEPTED_MAX).time_to_live(life).build();
        Some(Self { accepted, key })
    }

    /// The token of credentials. PAM may look at the address, so it is part of them.
    pub(super) fn token(&self, spec: &MethodSpec, client: IpAddr, user: &str, password: &[u8]) -> Token {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        for part in [spec.to_string().as_bytes(), client.to_string().as_bytes(), user.as_bytes(), password] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Token(*hasher.finalize().as_bytes())
    }

    /// Who showed these credentials a moment ago; without groups, which have a memory of their own.
    pub(super) fn find(&self, token: &Token) -> Option<Identity> {
        self.accepted.get(&token.0)
    }

    pub(super) fn accept(&self, token: &Token, identity: Identity) {
        self.accepted.insert(token.0, identity);
    }

    /// Forgets all: the users have changed.
    pub(super) fn forget(&self) {
        self.accepted.invalidate_all();
    }
}

impl fmt::Debug for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recent").field("accepted", &self.accepted.entry_count()).finish_non_exhaustive()
    }
}

const ACCEPTED_MAX: u64 = 16_384;
