//! Names of users as they come from the network: checked once, then a type of their own.

use std::fmt;
use std::sync::Arc;

/// A user name: 1 to 255 bytes of UTF-8 without control characters, whole as the client sent it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UserName(Arc<str>);

/// Why some bytes are no user name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NameError {
    /// A control character, NUL among them.
    #[error("a user name may not hold control characters")]
    Control,
    /// Nothing.
    #[error("a user name may not be empty")]
    Empty,
    /// Beyond what RFC 1929 can carry.
    #[error("a user name may not be longer than 255 bytes")]
    TooLong,
    /// Not UTF-8.
    #[error("a user name must be UTF-8")]
    Utf8,
}

impl UserName {
    /// Checks bytes of a client.
    ///
    /// # Errors
    /// Says what is wrong with them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NameError> {
        let text = std::str::from_utf8(bytes).map_err(|_| NameError::Utf8)?;
        text.parse()
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, shared.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl std::str::FromStr for UserName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > NAME_MAX {
            return Err(NameError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(NameError::Control);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The longest name that RFC 1929 §2 can carry, in bytes.
const NAME_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_whole_or_not_at_all() {
        let long = "a".repeat(255);
        for good in ["a", "alice", "alice@example.com", "DOMAIN\\alice", "łucja", "a b", long.as_str()] {
            assert_eq!(UserName::from_bytes(good.as_bytes()).unwrap().as_str(), good);
        }
        let too_long = "a".repeat(256);
        for (bad, error) in [
            (&b""[..], NameError::Empty),
            (b"alice\0x", NameError::Control),
            (b"alice\n", NameError::Control),
            (b"\x1b[31malice", NameError::Control),
            (b"ali\xc2\x85ce", NameError::Control),
            (b"\xff\xfe", NameError::Utf8),
            (too_long.as_bytes(), NameError::TooLong),
        ] {
            assert_eq!(UserName::from_bytes(bad).unwrap_err(), error);
        }
    }
}
