//! `rustsocks man`: the manual pages.

use super::{Exit, Failure, print};
use std::path::{Path, PathBuf};

/// Flags of `rustsocks man`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// Writes a page for each command into this folder instead of printing the main one.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Prints or writes the pages.
///
/// # Errors
/// Where the folder can not be written.
pub fn run(args: &Args, command: clap::Command) -> Result<Exit, Failure> {
    let written = match &args.dir {
        Some(dir) => clap_mangen::generate_to(command, dir).map_err(|error| (dir.as_path(), error)),
        None => {
            let mut page = Vec::new();
            let rendered = clap_mangen::Man::new(command).render(&mut page);
            print(String::from_utf8_lossy(&page));
            rendered.map_err(|error| (Path::new("-"), error))
        }
    };
    written.map_err(|(dir, error)| {
        Failure::config(format!("cannot write to `{}`: {error}; give a folder that exists", dir.display()))
    })?;
    Ok(Exit::Ok)
}
