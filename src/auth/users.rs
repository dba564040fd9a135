//! The users file: `name:hash` a line, `#` comments. What `password` is held against.
//!
//! A file with a mistake, or that others may read, is never taken, in part or in whole.

use super::{HashError, NameError, PasswordHash, UserName};
use nix::unistd::Uid;
use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::BuildHasher;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use zeroize::Zeroizing;

/// The users and their hashes. Immutable.
#[derive(Debug, Default)]
pub struct Users {
    entries: BTreeMap<UserName, PasswordHash>,
    decoys: Vec<PasswordHash>,
    /// Which decoy an unknown name is given: the same one each time, of no order that a stranger
    /// could foresee.
    lots: RandomState,
}

/// Why a users file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// The same name on two lines.
    #[error("line {line}: the user stands on line {first} already")]
    Duplicate {
        /// The second line.
        line: usize,
        /// The first.
        first: usize,
    },
    /// A hash that is not accepted.
    #[error("line {line}: {error}")]
    Hash {
        /// Its line.
        line: usize,
        /// What is wrong.
        error: HashError,
    },
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A name that no client could send.
    #[error("line {line}: {error}")]
    Name {
        /// Its line.
        line: usize,
        /// What is wrong.
        error: NameError,
    },
    /// A line without a colon.
    #[error("line {line}: expected `name:hash`")]
    NoColon {
        /// The line.
        line: usize,
    },
    /// Its owner is neither root nor who runs us.
    #[error("belongs to uid {uid}, who is neither root nor the user that runs the server")]
    Owner {
        /// The owner.
        uid: u32,
    },
    /// Readable or writable by others.
    #[error("its mode is {mode:04o}: it must not be open to others (0600, or 0640 with a group of its own)")]
    TooOpen {
        /// The permission bits.
        mode: u32,
    },
    /// Beyond the bound on its size.
    #[error("larger than 64 MiB")]
    TooLarge,
    /// Not text.
    #[error("not UTF-8")]
    Utf8,
}

impl Users {
    /// Reads a file, after a look at who else may.
    ///
    /// # Errors
    /// Says why it is not taken.
    pub fn read(path: &Path) -> Result<Self, UsersError> {
        let mut file = File::open(path)?;
        check_access(&file)?;
        let mut bytes = Zeroizing::new(Vec::new());
        file.by_ref().take(SIZE_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > SIZE_MAX {
            return Err(UsersError::TooLarge);
        }
        Self::parse(std::str::from_utf8(&bytes).map_err(|_| UsersError::Utf8)?)
    }

    /// Reads a text.
    ///
    /// # Errors
    /// Says which line is wrong.
    pub fn parse(text: &str) -> Result<Self, UsersError> {
        let mut entries = BTreeMap::new();
        let mut places = BTreeMap::new();
        for (line, entry) in (1..).zip(text.lines()) {
            let Some((name, hash)) = split_entry(entry, line)? else { continue };
            if let Some(first) = places.insert(name.clone(), line) {
                return Err(UsersError::Duplicate { line, first });
            }
            entries.insert(name, hash);
        }
        let decoys = match entries.is_empty() {
            true => PasswordHash::parse(DECOY).into_iter().collect(),
            false => entries.values().cloned().collect(),
        };
        Ok(Self { entries, decoys, lots: RandomState::new() })
    }

    /// Whether this is the user's password. An unknown user costs the work of a known one. Takes
    /// tens of milliseconds.
    pub fn check(&self, name: &UserName, password: &[u8]) -> bool {
        let known = self.entries.get(name);
        let Some(hash) = known.or_else(|| self.decoy(name)) else { return false };
        let fits = hash.verify(password);
        known.is_some() & fits
    }

    /// Whether there is such a user.
    pub fn contains(&self, name: &UserName) -> bool {
        self.entries.contains_key(name)
    }

    /// Names and hashes, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&UserName, &PasswordHash)> {
        self.entries.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The hash that stands in for an unknown user's: one of the file, so that the work is that of
    /// the schemes and costs which the file holds.
    fn decoy(&self, name: &UserName) -> Option<&PasswordHash> {
        let lot = usize::try_from(self.lots.hash_one(name) >> 1).unwrap_or_default();
        self.decoys.get(lot.checked_rem(self.decoys.len())?)
    }
}

/// The name and hash of a line; nothing for an empty line and a comment.
pub(super) fn split_entry(entry: &str, line: usize) -> Result<Option<(UserName, PasswordHash)>, UsersError> {
    let entry = entry.trim_end();
    if entry.is_empty() || entry.starts_with('#') {
        return Ok(None);
    }
    let (name, hash) = entry.split_once(':').ok_or(UsersError::NoColon { line })?;
    let name = name.parse().map_err(|error| UsersError::Name { line, error })?;
    let hash = PasswordHash::parse(hash).map_err(|error| UsersError::Hash { line, error })?;
    Ok(Some((name, hash)))
}

/// Refuses what others could read or could have written.
pub(super) fn check_access(file: &File) -> Result<(), UsersError> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::from(io::ErrorKind::InvalidInput).into());
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o037 != 0 {
        return Err(UsersError::TooOpen { mode });
    }
    // Root may start the server for a file that the server's user owns.
    let uid = metadata.uid();
    let ours = Uid::effective();
    if uid != 0 && uid != ours.as_raw() && !ours.is_root() {
        return Err(UsersError::Owner { uid });
    }
    Ok(())
}

const SIZE_MAX: u64 = 64 << 20;

/// The argon2id hash of a password that nobody has, for a file without users.
const DECOY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$rustsocksnobodyhasthiQ$7ERTkhGRmOsAqJuZzsFSHd3EXbJOc+y/v5VSmDiXHfs";

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "alice:$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2";

    fn name(text: &str) -> UserName {
        text.parse().unwrap()
    }

    #[test]
    fn a_users_password_fits_that_user_alone() {
        let users = Users::parse(&format!("# staff\n\n{ALICE}\n")).unwrap();
        assert!(users.check(&name("alice"), b"correct horse"));
        assert!(!users.check(&name("alice"), b"wrong"));
        assert!(!users.check(&name("bob"), b"correct horse"), "a decoy's password opens nothing");
        assert!(!users.check(&name("Alice"), b"correct horse"));
    }

    #[test]
    fn without_users_nobody_fits_and_work_is_done_all_the_same() {
        let users = Users::parse("# nobody yet\n").unwrap();
        assert!(users.decoy(&name("alice")).is_some());
        assert!(!users.check(&name("alice"), b"correct horse"));
    }

    #[test]
    fn an_unknown_user_is_given_the_same_decoy_each_time() {
        let lines: String = (0..20).map(|n| ALICE.replace("alice", &format!("user{n}")) + "\n").collect();
        let users = Users::parse(&lines).unwrap();
        let first = users.decoy(&name("nobody")).unwrap();
        assert!((0..9).all(|_| std::ptr::eq(users.decoy(&name("nobody")).unwrap(), first)));
    }

    #[test]
    fn a_file_with_a_mistake_is_refused_with_its_line() {
        for (text, error) in [
            (format!("{ALICE}\nbob"), "line 2: expected `name:hash`"),
            (
                format!("{ALICE}\nbob:plain"),
                "line 2: not a hash that is known: expected `$argon2id$`, `$6$`, `$y$` or `$2b$`",
            ),
            (format!("{ALICE}\n{ALICE}"), "line 2: the user stands on line 1 already"),
            (format!("{ALICE}\n\n:$6$a$b"), "line 3: a user name may not be empty"),
            ("bo\tb:$6$a$b".into(), "line 1: a user name may not hold control characters"),
        ] {
            assert_eq!(Users::parse(&text).unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        use std::fs::Permissions;
        use std::os::unix::fs::PermissionsExt;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), ALICE).unwrap();
        for (mode, fits) in
            [(0o600, true), (0o640, true), (0o400, true), (0o644, false), (0o660, false), (0o604, false)]
        {
            std::fs::set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
            assert_eq!(Users::read(file.path()).is_ok(), fits, "{mode:o}");
        }
    }
}
