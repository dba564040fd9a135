//! Flags that `serve` and `settings` share: what lies over the settings.

use crate::settings::value::{ApiAddress, Listen};
use crate::settings::{Effective, Layers, SettingsError};
use std::path::PathBuf;

/// Flags that change settings. They go before the environment, that before the file.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Settings")]
pub struct SettingsOptions {
    /// The settings file (RON); also `RUSTSOCKS_SETTINGS`.
    #[arg(long, value_name = "FILE.ron")]
    pub settings: Option<PathBuf>,

    /// Listens here for SOCKS and HTTP CONNECT instead of 127.0.0.1:1080; port 0 picks a free one.
    ///
    /// Also `unix:PATH`, `*:PORT` for both families, `inherit:NAME` for a socket of systemd.
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Vec<Listen>,

    /// The policy instead of the embedded one.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,

    /// The folder for session records.
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,

    /// Where the API listens instead of 127.0.0.1:8080, or `none`.
    #[arg(long, value_name = "ADDR:PORT|none")]
    pub api: Option<ApiAddress>,

    /// Sets any setting, such as `timeouts.handshake=5s`; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    pub set: Vec<(String, String)>,
}

impl SettingsOptions {
    /// Lays file, environment and flags over the defaults.
    ///
    /// # Errors
    /// Says what is wrong, where, and what to do.
    pub fn resolve(&self) -> Result<Effective, SettingsError> {
        let layers =
            Layers { file: self.settings.clone(), environment: Layers::environment(), set: self.set.clone() };
        let mut effective = layers.resolve()?;
        if !self.listen.is_empty() {
            let listeners = effective.listeners_at(&self.listen);
            effective.flag("--listen", "listeners", |settings| settings.listeners = listeners);
        }
        if let Some(path) = &self.policy {
            effective.flag("--policy", "policy.path", |settings| settings.policy.path = Some(path.clone()));
        }
        if let Some(dir) = &self.store {
            effective.flag("--store", "store.dir", |settings| settings.store.dir = Some(dir.clone()));
        }
        if let Some(api) = self.api {
            effective.flag("--api", "api.listen", |settings| settings.api.listen = api);
        }
        Ok(effective)
    }
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().into(), value.into())),
        _ => Err("write NAME=VALUE, such as `timeouts.handshake=5s`".into()),
    }
}
