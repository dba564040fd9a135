//! The command line: one file per subcommand, and the only place that prints.

mod exit;
mod options;
mod print;

mod auth_helper;
mod check;
mod client;
mod compile;
mod completions;
mod diff;
mod environment;
mod excerpt;
mod explain;
mod explain_code;
pub mod findings;
mod fmt;
mod hint;
pub mod init;
mod man;
mod policy_files;
mod query;
mod report;
mod rewrite;
mod serve;
mod sessions;
mod settings;
mod show;
mod source;
mod tap;
mod test;
mod top;
mod user;

pub use exit::{Exit, Failure};
pub use options::SettingsOptions;
pub use print::{complain, is_colored, is_colored_log, print};

use clap::{CommandFactory, Parser, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;

/// A SOCKS proxy server ruled by a declarative policy language.
///
/// Without a command it serves, with the embedded policy and no configuration.
#[derive(Debug, Parser)]
#[command(name = "rustsocks", version, max_term_width = 100)]
pub struct Cli {
    /// Whether output is coloured.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,

    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// When output is coloured.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Color {
    /// Always.
    Always,
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Never.
    Never,
}

/// The subcommands, in the order of the help text.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Starts the proxy; this is also what happens without a command.
    Serve(serve::Args),
    /// Says what is wrong with a policy, and what could be better.
    Check(check::Args),
    /// Writes a policy the one way.
    Fmt(fmt::Args),
    /// Says whether a policy keeps what its tests and promises say.
    Test(test::Args),
    /// Writes a policy to start from.
    Init(init::Args),
    /// Says why a request, or a session on record, is passed or blocked.
    Explain(explain::Args),
    /// Says which requests another policy would judge differently.
    Diff(diff::Args),
    /// Says who can reach what.
    Query(query::Args),
    /// Lists, shows, sums up, exports and ends sessions.
    Sessions(sessions::Args),
    /// Shows what goes on, live.
    Top(top::Args),
    /// Prints decisions as they are taken.
    Tap(tap::Args),
    /// Writes a page with plots of the traffic, its users and what was blocked.
    Report(report::Args),
    /// Changes and reads the users file of the method `password`.
    User(user::Args),
    /// Prints the effective settings with where each came from.
    Settings(settings::Args),
    /// Prints the decision tree of a policy, or what it amounts to.
    Compile(compile::Args),
    /// Prints a script that completes commands and flags in a shell.
    Completions(completions::Args),
    /// Prints the manual page, or writes one for each command into a folder.
    Man(man::Args),
    /// Asks PAM on behalf of a server, which starts it.
    #[command(hide = true)]
    AuthHelper(auth_helper::Args),
}

/// Runs the program on the arguments of the process.
pub fn main() -> ExitCode {
    main_with(std::env::args_os())
}

/// Runs the program on arguments, the first of which is its name.
pub fn main_with(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let error = hint::with(error);
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            // The help goes to a closed pipe at worst.
            let _closed = error.print();
            return exit.into();
        }
    };
    print::choose(cli.color);
    match run(cli) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            complain(&failure);
            failure.exit.into()
        }
    }
}

fn run(cli: Cli) -> Result<Exit, Failure> {
    match cli.command.unwrap_or_else(|| Command::Serve(serve::Args::default())) {
        Command::Serve(args) => serve::run(args),
        Command::Check(args) => check::run(&args),
        Command::Fmt(args) => fmt::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Query(args) => query::run(&args),
        Command::Sessions(args) => sessions::run(&args),
        Command::Top(args) => top::run(&args),
        Command::Tap(args) => tap::run(&args),
        Command::Report(args) => report::run(&args),
        Command::User(args) => user::run(&args),
        Command::Settings(args) => settings::run(&args),
        Command::Compile(args) => compile::run(&args),
        Command::Completions(args) => Ok(completions::run(&args, &mut Cli::command())),
        Command::AuthHelper(args) => auth_helper::run(args),
        Command::Man(args) => man::run(&args, Cli::command()),
    }
}
