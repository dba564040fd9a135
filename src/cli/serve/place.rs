//! Where records are kept.

use crate::cli::Failure;
use crate::settings::Settings;
use std::path::{Path, PathBuf};

/// The folder of the store: as set, else `$XDG_STATE_HOME/rustsocks`, else `/var/lib/rustsocks` for
/// root and `~/.local/state/rustsocks` for others.
pub(super) fn store_folder(settings: &Settings) -> PathBuf {
    if let Some(dir) = &settings.store.dir {
        return dir.clone();
    }
    let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(state) = variable("XDG_STATE_HOME") {
        return state.join("rustsocks");
    }
    match variable("HOME") {
        Some(home) if !nix::unistd::Uid::effective().is_root() => home.join(".local/state/rustsocks"),
        _ => "/var/lib/rustsocks".into(),
    }
}

/// Makes the folder while there may be the right to, and gives it to the user that the server
/// becomes.
///
/// # Errors
/// Says why it can not be used.
pub(super) fn prepare_store(dir: &Path, settings: &Settings) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt;
    let unusable = |error: std::io::Error| {
        Failure::config(format!(
            "the store `{}` cannot be used: {error}; choose a folder that can be written with `--store`",
            dir.display()
        ))
    };
    let is_new = !dir.exists();
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(unusable)?;
    if is_new && let Some((user, group)) = crate::privilege::server_user(&settings.privileges) {
        std::os::unix::fs::chown(dir, Some(user), Some(group)).map_err(unusable)?;
    }
    Ok(())
}
