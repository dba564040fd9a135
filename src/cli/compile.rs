//! `rustsocks compile`: the decision tree of a policy, for those who want to see it.

use super::{Exit, Failure, complain, print};
use crate::policy::FileLoader;
use rustsocks_compiler::diagnostic::Level;
use rustsocks_compiler::model::HostFacts;
use std::path::PathBuf;

/// Flags of `rustsocks compile`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The policy.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// What is printed.
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    emit: Emit,
}

/// What `compile` prints.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
enum Emit {
    /// The trees as a graph for Graphviz.
    Dot,
    /// The trees as RON.
    Ron,
    /// Nodes, depth, bytes, classes and the worst number of checks.
    #[default]
    Stats,
    /// The trees, indented.
    Tree,
}

/// Compiles a policy and prints what came of it. What goes beyond a budget is said on standard
/// error.
///
/// # Errors
/// Where the policy has an error.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let loader = FileLoader::default();
    let name = args.file.to_string_lossy();
    let loaded = rustsocks_compiler::load(&name, &loader, &HostFacts::default(), None);
    let told = |found: &rustsocks_compiler::diagnostic::Diagnostic| {
        format!("{}: {} {}", loaded.sources.place(found.primary.span), found.code, found.message)
    };
    let Some(policy) = loaded.policy() else {
        let errors = loaded.diagnostics.iter().filter(|found| found.level == Level::Error).map(told);
        return Err(Failure::config(errors.collect::<Vec<_>>().join("\n")));
    };
    for cost in policy.costs() {
        complain(told(&cost));
    }
    print(match args.emit {
        Emit::Dot => policy.emit_dot(),
        Emit::Ron => policy.emit_ron(),
        Emit::Stats => policy.statistics().to_string(),
        Emit::Tree => policy.emit_tree(),
    });
    Ok(Exit::Ok)
}
