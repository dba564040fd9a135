//! `rustsocks auth-helper`: the process that asks PAM. The server starts it, nobody else.

use super::{Exit, Failure};
use crate::auth::helper::{self, HelperConfig};
use std::path::PathBuf;
use std::time::Duration;

/// What the server says to it.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The server's process.
    #[arg(long)]
    parent: u32,

    /// The folder of PAM service files instead of the system's.
    #[arg(long)]
    directory: Option<PathBuf>,

    /// How long a question may take.
    #[arg(long)]
    timeout_ms: u64,

    /// Questions at a time.
    #[arg(long)]
    workers: usize,

    /// The user to become.
    #[arg(long)]
    user: Option<String>,
}

/// Serves until the server is gone.
///
/// # Errors
/// Where it cannot do its work; the server has been told.
pub fn run(args: Args) -> Result<Exit, Failure> {
    let config = HelperConfig {
        parent: args.parent,
        directory: args.directory,
        timeout: Duration::from_millis(args.timeout_ms),
        workers: args.workers,
        user: args.user,
    };
    helper::run(&config).map_err(|failure| Failure::config(format!("auth-helper: {failure}")))?;
    Ok(Exit::Ok)
}
