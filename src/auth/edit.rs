//! Changes to the users file: one at a time, each as a whole or not at all, comments kept.

use super::users::{check_access, split_entry};
use super::{PasswordHash, UserName, Users, UsersError};
use nix::fcntl::{Flock, FlockArg};
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A users file, held so that nobody else changes it meanwhile.
#[derive(Debug)]
pub struct UsersEdit {
    path: PathBuf,
    lines: Vec<Zeroizing<String>>,
    owner: Option<Owner>,
    /// The folder, locked until this is dropped: the file itself is replaced by each change.
    _lock: Flock<File>,
}

#[derive(Clone, Copy, Debug)]
struct Owner {
    uid: u32,
    gid: u32,
    mode: u32,
}

/// Why a change is not made.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// There is such a user already.
    #[error("there is a user `{0}` already")]
    Exists(UserName),
    /// A name that the file's format can not hold.
    #[error("a user name in this file may not hold `:`, start with `#` or end with a space")]
    NotWritable,
    /// The file can not be read or written.
    #[error(transparent)]
    Users(#[from] UsersError),
    /// There is no such user.
    #[error("there is no user `{0}`")]
    Unknown(UserName),
}

impl From<io::Error> for EditError {
    fn from(error: io::Error) -> Self {
        Self::Users(error.into())
    }
}

impl UsersEdit {
    /// Opens a file for changes; one that does not exist starts out empty.
    ///
    /// # Errors
    /// Says why the file is not taken.
    pub fn open(path: &Path) -> Result<Self, EditError> {
        let path = std::path::absolute(path)?;
        // A link is followed, so that the file is replaced where it lies.
        let path = path.canonicalize().unwrap_or(path);
        let folder = path.parent().unwrap_or(Path::new("/"));
        let lock = Flock::lock(File::open(folder)?, FlockArg::LockExclusive)
            .map_err(|(_, error)| io::Error::from(error))?;
        let (text, owner) = match File::open(&path) {
            Ok(file) => {
                check_access(&file)?;
                let metadata = file.metadata()?;
                let owner = Owner { uid: metadata.uid(), gid: metadata.gid(), mode: metadata.mode() & 0o640 };
                (Zeroizing::new(io::read_to_string(file)?), Some(owner))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => (Zeroizing::default(), None),
            Err(error) => return Err(error.into()),
        };
        Users::parse(&text)?;
        let lines = text.lines().map(|line| Zeroizing::new(line.to_owned())).collect();
        Ok(Self { path, lines, owner, _lock: lock })
    }

    /// Adds a user.
    ///
    /// # Errors
    /// Fails if there is one of that name.
    pub fn add(&mut self, name: &UserName, hash: &PasswordHash) -> Result<(), EditError> {
        let text = name.as_str();
        if text.contains(':') || text.starts_with('#') || text.ends_with(char::is_whitespace) {
            return Err(EditError::NotWritable);
        }
        if self.place(name).is_some() {
            return Err(EditError::Exists(name.clone()));
        }
        self.lines.push(entry(name, hash));
        Ok(())
    }

    /// Gives a user another password.
    ///
    /// # Errors
    /// Fails if there is no such user.
    pub fn replace(&mut self, name: &UserName, hash: &PasswordHash) -> Result<(), EditError> {
        let place = self.place(name).and_then(|place| self.lines.get_mut(place));
        *place.ok_or_else(|| EditError::Unknown(name.clone()))? = entry(name, hash);
        Ok(())
    }

    /// Removes a user.
    ///
    /// # Errors
    /// Fails if there is no such user.
    pub fn remove(&mut self, name: &UserName) -> Result<(), EditError> {
        let place = self.place(name).ok_or_else(|| EditError::Unknown(name.clone()))?;
        self.lines.remove(place);
        Ok(())
    }

    /// Puts the changed file in the place of the old one, in one step and safe against a crash.
    ///
    /// # Errors
    /// Where the folder can not be written.
    pub fn save(self) -> Result<(), EditError> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let mut file = tempfile::Builder::new().prefix(".users-").tempfile_in(folder)?;
        if let Some(owner) = self.owner {
            fchown(file.as_file(), Some(owner.uid), Some(owner.gid))?;
        }
        let mode = self.owner.map_or(0o600, |owner| owner.mode | 0o600);
        file.as_file().set_permissions(Permissions::from_mode(mode))?;
        for line in &self.lines {
            file.write_all(line.as_bytes())?;
            file.write_all(b"\n")?;
        }
        file.as_file().sync_all()?;
        file.persist(&self.path).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()?;
        Ok(())
    }

    fn place(&self, name: &UserName) -> Option<usize> {
        self.lines
            .iter()
            .position(|line| matches!(split_entry(line, 0), Ok(Some((found, _))) if found == *name))
    }
}

fn entry(name: &UserName, hash: &PasswordHash) -> Zeroizing<String> {
    Zeroizing::new(format!("{name}:{}", hash.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2";
    const OTHER: &str = "$6$0123456789abcdef$lDHzA5IdO41viXIs6llkDKq4Uh2VG9JXIYJ.taq2zlNFqBnKQ0/fOUW0Zoz49ZnOpe2ACY.PoF6wosL.jL3Af0";

    fn name(text: &str) -> UserName {
        text.parse().unwrap()
    }

    #[test]
    fn changes_keep_the_rest_of_the_file_and_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("users");
        let (hash, other) = (PasswordHash::parse(HASH).unwrap(), PasswordHash::parse(OTHER).unwrap());
        let mut edit = UsersEdit::open(&path).unwrap();
        edit.add(&name("alice"), &hash).unwrap();
        edit.save().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);

        std::fs::write(&path, format!("# staff\nalice:{HASH}\n\n# night shift\nbob:{HASH}\n")).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let mut edit = UsersEdit::open(&path).unwrap();
        assert!(matches!(edit.add(&name("bob"), &hash), Err(EditError::Exists(_))));
        assert!(matches!(edit.remove(&name("eve")), Err(EditError::Unknown(_))));
        assert!(matches!(edit.add(&name("a:b"), &hash), Err(EditError::NotWritable)));
        edit.replace(&name("bob"), &other).unwrap();
        edit.remove(&name("alice")).unwrap();
        edit.save().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("# staff\n\n# night shift\nbob:{OTHER}\n"));
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
    }

    #[test]
    fn changes_at_the_same_time_are_all_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("users");
        std::thread::scope(|scope| {
            for n in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    let mut edit = UsersEdit::open(path).unwrap();
                    edit.add(&name(&format!("user{n}")), &PasswordHash::parse(HASH).unwrap()).unwrap();
                    edit.save().unwrap();
                });
            }
        });
        assert_eq!(Users::read(&path).unwrap().len(), 8);
    }
}
