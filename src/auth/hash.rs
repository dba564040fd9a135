//! Hashes of passwords: argon2id is written; bcrypt, SHA-512 crypt and yescrypt are read too.
//!
//! A hash is held to bounds when it is read, so that no line of a users file can make one login
//! cost gigabytes or minutes. Verification compares in constant time and is slow on purpose:
//! never call it on a thread of the runtime.

use argon2::password_hash::phc;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use sha_crypt::ShaCrypt;
use std::fmt;
use yescrypt::Yescrypt;
use zeroize::Zeroizing;

/// A password's hash, in the format that it was written in.
#[derive(Clone)]
pub struct PasswordHash {
    scheme: Scheme,
    text: Zeroizing<String>,
}

/// How a password was hashed.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Scheme {
    /// `$argon2id$`, `$argon2i$`, `$argon2d$`.
    Argon2,
    /// `$2a$`, `$2b$`, `$2y$`.
    Bcrypt,
    /// `$6$`.
    Sha512Crypt,
    /// `$y$`.
    Yescrypt,
}

impl Scheme {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Argon2 => "argon2",
            Self::Bcrypt => "bcrypt",
            Self::Sha512Crypt => "sha512-crypt",
            Self::Yescrypt => "yescrypt",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a text is not the hash of a password that is accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HashError {
    /// A known format, not followed.
    #[error("not a well-formed {0} hash")]
    Malformed(Scheme),
    /// The system gave no random salt.
    #[error("the system gives no random numbers")]
    NoRandomness,
    /// Its cost is beyond what a login may take.
    #[error("the cost of this {0} hash is beyond the bounds")]
    TooCostly(Scheme),
    /// None of the known formats.
    #[error("not a hash that is known: expected `$argon2id$`, `$6$`, `$y$` or `$2b$`")]
    Unknown,
}

impl PasswordHash {
    /// Hashes a password with argon2id and a random salt.
    ///
    /// # Errors
    /// Fails if the system gives no random numbers.
    pub fn create(password: &[u8]) -> Result<Self, HashError> {
        let hash = Argon2::default().hash_password(password).map_err(|_| HashError::NoRandomness)?;
        Ok(Self { scheme: Scheme::Argon2, text: Zeroizing::new(hash.to_string()) })
    }

    /// Reads a hash.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, HashError> {
        let scheme = scheme_of(text).ok_or(HashError::Unknown)?;
        match scheme {
            Scheme::Argon2 => check_argon2(text)?,
            Scheme::Bcrypt => check_bcrypt(text)?,
            Scheme::Sha512Crypt => check_sha512(text)?,
            Scheme::Yescrypt => check_yescrypt(text)?,
        }
        Ok(Self { scheme, text: Zeroizing::new(text.to_owned()) })
    }

    /// Whether it is the hash of this password. Takes tens of milliseconds.
    pub fn verify(&self, password: &[u8]) -> bool {
        match self.scheme {
            Scheme::Argon2 => Argon2::default().verify_password(password, self.text.as_str()).is_ok(),
            Scheme::Bcrypt => bcrypt::non_truncating_verify(password, &self.text).unwrap_or(false),
            Scheme::Sha512Crypt => ShaCrypt::default().verify_password(password, self.text.as_str()).is_ok(),
            Scheme::Yescrypt => Yescrypt::default().verify_password(password, self.text.as_str()).is_ok(),
        }
    }

    /// How it was hashed.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The text, for a users file and nothing else.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHash").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

fn scheme_of(text: &str) -> Option<Scheme> {
    let id = text.strip_prefix('$')?.split('$').next()?;
    match id {
        "2a" | "2b" | "2y" => Some(Scheme::Bcrypt),
        "6" => Some(Scheme::Sha512Crypt),
        "argon2d" | "argon2i" | "argon2id" => Some(Scheme::Argon2),
        "y" => Some(Scheme::Yescrypt),
        _ => None,
    }
}

fn check_argon2(text: &str) -> Result<(), HashError> {
    let malformed = HashError::Malformed(Scheme::Argon2);
    let hash = phc::PasswordHash::new(text).map_err(|_| malformed)?;
    if hash.salt.is_none() || hash.hash.is_none() {
        return Err(malformed);
    }
    let params = argon2::Params::try_from(&hash).map_err(|_| malformed)?;
    bounded(
        Scheme::Argon2,
        params.m_cost() <= MEMORY_MAX_KIB && params.t_cost() <= PASSES_MAX && params.p_cost() <= LANES_MAX,
    )
}

fn check_bcrypt(text: &str) -> Result<(), HashError> {
    let parts: bcrypt::HashParts = text.parse().map_err(|_| HashError::Malformed(Scheme::Bcrypt))?;
    bounded(Scheme::Bcrypt, (BCRYPT_MIN..=BCRYPT_MAX).contains(&parts.get_cost()))
}

fn check_sha512(text: &str) -> Result<(), HashError> {
    let malformed = HashError::Malformed(Scheme::Sha512Crypt);
    let fields: Vec<&str> = text.split('$').skip(2).collect();
    let (rounds, salt, hash) = match fields.as_slice() {
        [salt, hash] => (None, salt, hash),
        [rounds, salt, hash] => (Some(rounds), salt, hash),
        _ => return Err(malformed),
    };
    if salt.len() > SHA512_SALT_MAX || hash.len() != SHA512_HASH_LEN || !is_crypt64(hash) {
        return Err(malformed);
    }
    let Some(rounds) = rounds else { return Ok(()) };
    let rounds = rounds.strip_prefix("rounds=").and_then(|digits| digits.parse::<u32>().ok());
    let rounds = rounds.filter(|rounds| *rounds >= sha_crypt::Params::ROUNDS_MIN).ok_or(malformed)?;
    bounded(Scheme::Sha512Crypt, rounds <= SHA512_ROUNDS_MAX)
}

fn check_yescrypt(text: &str) -> Result<(), HashError> {
    let malformed = HashError::Malformed(Scheme::Yescrypt);
    let fields: Vec<&str> = text.split('$').skip(2).collect();
    let [params, salt, hash] = fields.as_slice() else { return Err(malformed) };
    // INVARIANT: the hash has its full length; the crate would take an empty one for any password's.
    if hash.len() != YESCRYPT_HASH_LEN || !is_crypt64(hash) || !is_crypt64(salt) {
        return Err(malformed);
    }
    // What crypt(3) writes: flavour, N and r, one sign each; longer ones could ask for more passes.
    if params.len() != YESCRYPT_PARAMS_LEN {
        return Err(malformed);
    }
    let params: yescrypt::Params = params.parse().map_err(|_| malformed)?;
    let memory = params.n().checked_mul(u64::from(params.r())).and_then(|blocks| blocks.checked_mul(128));
    let fits = memory.is_some_and(|bytes| bytes <= u64::from(MEMORY_MAX_KIB) * 1024);
    bounded(Scheme::Yescrypt, fits)
}

fn bounded(scheme: Scheme, fits: bool) -> Result<(), HashError> {
    if fits { Ok(()) } else { Err(HashError::TooCostly(scheme)) }
}

/// The alphabet of crypt(3).
fn is_crypt64(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/'))
}

const MEMORY_MAX_KIB: u32 = 256 * 1024;
const PASSES_MAX: u32 = 16;
const LANES_MAX: u32 = 16;
const BCRYPT_MIN: u32 = 4;
const BCRYPT_MAX: u32 = 15;
const SHA512_SALT_MAX: usize = 16;
const SHA512_HASH_LEN: usize = 86;
const SHA512_ROUNDS_MAX: u32 = 1_000_000;
const YESCRYPT_HASH_LEN: usize = 43;
const YESCRYPT_PARAMS_LEN: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_hash_is_argon2id_and_fits_its_password_alone() {
        let hash = PasswordHash::create(b"correct horse").unwrap();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let read = PasswordHash::parse(hash.as_str()).unwrap();
        assert!(read.verify(b"correct horse"));
        assert!(!read.verify(b"correct horse\0"));
        assert!(!read.verify(b"correct hors"));
        assert!(!read.verify(b""));
    }

    #[test]
    fn hashes_of_crypt_and_htpasswd_are_read() {
        // Made with `openssl passwd -6` and crypt(3) of libxcrypt.
        for (text, scheme, password) in KNOWN {
            let hash = PasswordHash::parse(text).unwrap();
            assert_eq!(hash.scheme(), scheme);
            assert!(hash.verify(password.as_bytes()), "{text}");
            assert!(!hash.verify(b"something else"), "{text}");
            assert!(!hash.verify(format!("{password}\0x").as_bytes()), "{text}");
        }
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        use HashError::{Malformed, TooCostly, Unknown};
        for (text, error) in [
            ("", Unknown),
            ("secret", Unknown),
            ("$1$salt$hash", Unknown),
            ("$5$salt$hash", Unknown),
            ("$2x$10$abc", Unknown),
            ("$argon2id$v=19$m=19456,t=2,p=1", Malformed(Scheme::Argon2)),
            ("$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ", Malformed(Scheme::Argon2)),
            (
                "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$7ERTkhGRmOsAqJuZzsFSHd3EXbJOc+y/v5VSmDiXHfs",
                TooCostly(Scheme::Argon2),
            ),
            ("$6$salt$", Malformed(Scheme::Sha512Crypt)),
            ("$6$salt$short", Malformed(Scheme::Sha512Crypt)),
            ("$y$j9T$salt$", Malformed(Scheme::Yescrypt)),
            ("$y$jLT$salt$MaLDEFZEcrTHMmgGSW5L.Xv0BPjD8lbL3T0Y1ySJhJ3", TooCostly(Scheme::Yescrypt)),
            ("$2b$31$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u", TooCostly(Scheme::Bcrypt)),
            ("$2b$10$short", Malformed(Scheme::Bcrypt)),
        ] {
            assert_eq!(PasswordHash::parse(text).unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn a_hash_does_not_show_itself() {
        let hash = PasswordHash::parse(KNOWN[0].0).unwrap();
        assert_eq!(format!("{hash:?}"), "PasswordHash { scheme: Sha512Crypt, .. }");
    }

    const KNOWN: [(&str, Scheme, &str); 3] = [
        (
            "$6$0123456789abcdef$lDHzA5IdO41viXIs6llkDKq4Uh2VG9JXIYJ.taq2zlNFqBnKQ0/fOUW0Zoz49ZnOpe2ACY.PoF6wosL.jL3Af0",
            Scheme::Sha512Crypt,
            "correct horse",
        ),
        (
            "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$zwtVrjrUCmXcyLTs6oxLTQlzifSUkF8RHJ./tK5KU79",
            Scheme::Yescrypt,
            "correct horse",
        ),
        ("$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", Scheme::Bcrypt, "correct horse"),
    ];
}
