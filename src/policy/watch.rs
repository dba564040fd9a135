//! Notices changes of the files of a policy: saved in place or by rename, a folder replaced, a
//! symbolic link set anew (as Kubernetes does).
//!
//! Only says "look again"; whether anything has changed is told by stamps. So a lost or a
//! superfluous event does no harm, and a slow look round finds what no event told of: also that this
//! host has other addresses than before.

use super::Seen;
use notify_debouncer_full::notify::event::{AccessKind, ModifyKind};
use notify_debouncer_full::notify::{self, EventKind, RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, NoCache, new_debouncer_opt};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Watches folders, never files: a watch on a file is lost when it is replaced.
#[derive(Debug)]
pub(super) struct Watch {
    debouncer: Option<Debouncer<RecommendedWatcher, NoCache>>,
    woken: Arc<Notify>,
    folders: BTreeSet<PathBuf>,
    names: Names,
    is_on: bool,
}

/// The names of the files that are looked at.
type Names = Arc<Mutex<BTreeSet<OsString>>>;

impl Watch {
    pub(super) fn new(is_on: bool) -> Self {
        let woken = Arc::new(Notify::new());
        let wake = woken.clone();
        let names = Names::default();
        let known = names.clone();
        let handler = move |events: DebounceEventResult| {
            let is_known = |event: &notify::Event| {
                let known = known.lock().unwrap_or_else(PoisonError::into_inner);
                event.paths.is_empty()
                    || event.paths.iter().filter_map(|path| path.file_name()).any(|name| known.contains(name))
            };
            let matters = |event: &notify::Event| match event.kind {
                // What is written into other files, such as a log, is nothing to us.
                EventKind::Access(AccessKind::Close(notify::event::AccessMode::Write))
                | EventKind::Modify(ModifyKind::Data(_)) => is_known(event),
                // Our own looking round opens files and folders.
                EventKind::Access(_) => false,
                _ => true,
            };
            if events.map_or(true, |events| events.iter().any(|event| matters(event))) {
                wake.notify_one();
            }
        };
        let config = notify::Config::default().with_follow_symlinks(true);
        let make = || new_debouncer_opt(QUIET, None, handler, NoCache, config);
        let debouncer = is_on.then(make).and_then(|made| {
            made.inspect_err(|error| {
                tracing::warn!(%error, "the system gives no file events; changed policies are found every {POLL:?}");
            })
            .ok()
        });
        Self { debouncer, woken, folders: BTreeSet::new(), names, is_on }
    }

    /// Watches what holds these paths, and no longer what does not.
    pub(super) fn follow(&mut self, seen: &Seen) {
        let Some(debouncer) = &mut self.debouncer else { return };
        let wanted: BTreeSet<PathBuf> = seen.keys().flat_map(|path| folders(path)).collect();
        let names = seen.keys().flat_map(|path| [Some(path.clone()), path.canonicalize().ok()]).flatten();
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) =
            names.filter_map(|path| path.file_name().map(Into::into)).collect();
        // A folder that was replaced has the same name and another inode: watch all anew.
        for folder in &self.folders {
            // It may have gone, and its watch with it.
            let _gone = debouncer.unwatch(folder);
        }
        for folder in &wanted {
            if let Err(error) = debouncer.watch(folder, RecursiveMode::NonRecursive) {
                tracing::debug!(folder = %folder.display(), %error, "not watched");
            }
        }
        self.folders = wanted;
        // What has changed before the watch stood gave no event.
        self.woken.notify_one();
    }

    /// Waits until it is time to look again. Cancel-safe: a wake-up is kept until it is taken.
    pub(super) async fn woken(&self) {
        if !self.is_on {
            return std::future::pending().await;
        }
        let pause = if self.debouncer.is_some() { SLOW_POLL } else { POLL };
        // A look round when the time is up is what a lost event would have asked for.
        let _time_is_up = tokio::time::timeout(pause, self.woken.notified()).await;
    }
}

/// The folders above a path as it is written and as it really is, up to the root.
fn folders(path: &Path) -> Vec<PathBuf> {
    let written = std::path::absolute(path).unwrap_or_else(|_| path.into());
    let real = written.canonicalize().unwrap_or_else(|_| written.clone());
    let above = |path: &Path| path.ancestors().skip(1).map(Path::to_path_buf).collect::<Vec<_>>();
    let mut folders = [above(&written), above(&real)].concat();
    // What was searched for names is watched itself.
    folders.extend([written, real].into_iter().filter(|path| path.is_dir()));
    folders
}

/// Events come together until nothing has happened for that long.
const QUIET: Duration = Duration::from_millis(200);
/// A look round beside events.
const SLOW_POLL: Duration = Duration::from_secs(30);
/// A look round where there are no events.
const POLL: Duration = Duration::from_secs(2);
