//! `rustsocks completions`: a script for a shell.

use super::{Exit, print};

/// Flags of `rustsocks completions`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The shell.
    shell: clap_complete::Shell,
}

/// Prints the script.
pub fn run(args: &Args, command: &mut clap::Command) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "rustsocks", &mut script);
    print(String::from_utf8_lossy(&script));
    Exit::Ok
}
