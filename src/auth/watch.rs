//! The users file in force, and its reload when the file changes.

use super::{Users, UsersError};
use arc_swap::ArcSwap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The users that logins are held against. A file that is not accepted changes nothing.
#[derive(Debug)]
pub(super) struct LiveUsers {
    path: PathBuf,
    current: ArcSwap<Users>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// What the file looked like when it was last read, well or badly.
    seen: Option<Look>,
    failure: Option<String>,
}

/// What changes when a file does: a new one in its place, or new content.
type Look = (u64, u64, u64, i64, i64, i64, i64);

impl LiveUsers {
    /// Reads the file for the first time.
    pub(super) fn open(path: &Path) -> Result<Self, UsersError> {
        let seen = look(path);
        let users = Users::read(path)?;
        let state = Mutex::new(State { seen, failure: None });
        Ok(Self { path: path.into(), current: ArcSwap::from_pointee(users), state })
    }

    pub(super) fn load(&self) -> Arc<Users> {
        self.current.load_full()
    }

    /// Why the file as it is now is not in force.
    pub(super) fn failure(&self) -> Option<String> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).failure.clone()
    }

    /// Reads the file again if it has changed; says whether other users are in force now. Blocks
    /// on the disk.
    pub(super) fn refresh(&self) -> bool {
        let now = look(&self.path);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.seen == now {
            return false;
        }
        state.seen = now;
        match Users::read(&self.path) {
            Ok(users) => {
                tracing::info!("users file `{}` reloaded: {} users", self.path.display(), users.len());
                state.failure = None;
                self.current.store(Arc::new(users));
                true
            }
            Err(error) => {
                let path = self.path.display();
                tracing::error!("users file `{path}` not reloaded, the users of before stay: {error}");
                state.failure = Some(error.to_string());
                false
            }
        }
    }
}

fn look(path: &Path) -> Option<Look> {
    let seen = std::fs::metadata(path).ok()?;
    Some((
        seen.dev(),
        seen.ino(),
        seen.len(),
        seen.mtime(),
        seen.mtime_nsec(),
        seen.ctime(),
        seen.ctime_nsec(),
    ))
}
