//! `rustsocks serve`: starts the proxy, says so in a banner, and serves until it is told to stop.
//!
//! The order is that of what must not fail later: settings, policy, sockets, the helper that asks
//! PAM; then privileges go for good; then the runtime, the store and the road.

mod banner;
mod log;
mod open;
mod prepare;
mod road;
mod signals;

use super::findings::{self, Checked, Format};
use super::{Exit, Failure, SettingsOptions, complain, is_colored_log, print};
use crate::policy::Rejected;
use prepare::{Prepared, Unfit};
use road::Outside;
use rustsocks_compiler::diagnostic::Level;
use std::path::Path;

/// Flags of `rustsocks serve`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    #[command(flatten)]
    options: SettingsOptions,

    /// Serves on addresses that others reach although the policy passes clients that show no identity.
    #[arg(long)]
    allow_open: bool,
}

/// Starts the proxy and serves until it is told to stop.
///
/// # Errors
/// Where it can not start.
pub fn run(args: Args) -> Result<Exit, Failure> {
    let mut effective = args.options.resolve()?;
    if args.allow_open {
        effective.flag("--allow-open", "policy.allow_open", |settings| settings.policy.allow_open = true);
    }
    let log = log::start(&effective.settings.log)?;
    crate::server::raise_descriptor_limit();
    let is_there = effective.settings.policy.path.as_deref().is_none_or(Path::exists);
    let prepared = match Prepared::prepare(effective.settings) {
        Ok(prepared) => prepared,
        Err(Unfit::Failure(failure)) => return Err(failure),
        Err(Unfit::Policy(rejected)) => {
            match &rejected {
                Rejected::Findings { diagnostics, sources } => {
                    let found: Vec<_> =
                        diagnostics.iter().filter(|found| found.level == Level::Error).cloned().collect();
                    let checked = [Checked { sources, found: &found }];
                    complain(findings::write(&checked, Format::Human, is_colored_log()).trim_end());
                }
                Rejected::Unfit(reason) => complain(reason),
            }
            complain("rustsocks: the policy is rejected and nothing is started; mend what stands above");
            return Ok(if is_there { Exit::Config } else { Exit::Usage });
        }
    };
    road::serve(prepared, Outside { tell: print, log, explain: explain() })
}

/// Explains what a policy says to a request.
fn explain() -> crate::api::Explain {
    std::sync::Arc::new(|ask| crate::api::explain(&ask))
}
