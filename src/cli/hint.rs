//! What was meant by a command line that is none: a flag before its command, a file where a command
//! belongs.

use super::Cli;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory};

/// The error with a word on what was most likely meant.
pub(super) fn with(mut error: clap::Error) -> clap::Error {
    if let Some(tip) = tip(&error) {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(tip)]));
    }
    error
}

fn tip(error: &clap::Error) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::UnknownArgument => flag(text(ContextKind::InvalidArg)?, error),
        ErrorKind::InvalidSubcommand => {
            let word = text(ContextKind::InvalidSubcommand)?;
            let is_policy = word.ends_with(".policy") || std::path::Path::new(word).is_file();
            is_policy.then(|| {
                format!("`rustsocks check {word}` checks a policy, `rustsocks serve --policy {word}` serves with it")
            })
        }
        _ => None,
    }
}

/// Which commands have a flag that stands before any.
fn flag(said: &str, error: &clap::Error) -> Option<String> {
    let usage = error.get(ContextKind::Usage)?.to_string();
    if !usage.contains("[COMMAND]") {
        return None;
    }
    let name = said.split('=').next().unwrap_or(said);
    let root = Cli::command();
    let has = |command: &&Command| {
        command.get_arguments().any(|argument| {
            name.strip_prefix("--").is_some_and(|long| argument.get_long() == Some(long))
                || name.strip_prefix('-').is_some_and(|short| {
                    short.chars().count() == 1 && argument.get_short() == short.chars().next()
                })
        })
    };
    let shown = |command: &&Command| !command.is_hide_set();
    let commands: Vec<String> = root
        .get_subcommands()
        .filter(shown)
        .filter(has)
        .map(|command| format!("`rustsocks {} {name}`", command.get_name()))
        .collect();
    match commands.as_slice() {
        [] => None,
        [one, ..] if one.contains(" serve ") => Some(format!("a flag stands behind its command: {one}")),
        commands => Some(format!("a flag stands behind its command: {}", commands.join(", "))),
    }
}
