//! `rustsocks fmt`: writes policies the one way.

use super::findings::{Checked, Format, write};
use super::{Exit, Failure, complain, is_colored, policy_files, print, rewrite};
use rustsocks_compiler::format::{FormatError, format};
use rustsocks_compiler::source::Sources;
use std::path::{Path, PathBuf};

/// Flags of `rustsocks fmt`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// Policies; `-` reads standard input and writes standard output.
    #[arg(value_name = "FILE", default_value = policy_files::DEFAULT)]
    files: Vec<PathBuf>,

    /// Writes nothing; the exit code is 1 if a file is not formatted.
    #[arg(long)]
    check: bool,

    /// Shows what would change and writes nothing.
    #[arg(long)]
    diff: bool,
}

/// Formats policies. Files that they include are formatted where they are named themselves.
///
/// # Errors
/// Where a file can not be read or written.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let mut exit = Exit::Ok;
    for file in &args.files {
        if !one(file, args)? {
            exit = Exit::Findings;
        }
    }
    Ok(exit)
}

/// Formats one; `false` where it is broken, or differs and is only looked at.
fn one(file: &Path, args: &Args) -> Result<bool, Failure> {
    let reader = policy_files::Reader::new(file)?;
    let text = reader.readable()?;
    let formatted = match format(&text) {
        Ok(formatted) => formatted,
        Err(FormatError::Broken(found)) => {
            let mut sources = Sources::default();
            sources.add(reader.root(), text);
            let checked = Checked { sources: &sources, found: &found };
            complain(write(&[checked], Format::Human, is_colored()).trim_end());
            return Ok(false);
        }
        Err(error @ FormatError::Unfaithful) => {
            return Err(Failure::config(format!("`{}`: {error}", reader.root())));
        }
    };
    let same = formatted == text;
    if args.diff {
        print(if same { String::new() } else { rewrite::difference(reader.root(), &text, &formatted) });
    }
    if args.check && !same && !args.diff {
        complain(format_args!("`{}` is not formatted", reader.root()));
    }
    if args.check || args.diff {
        return Ok(same);
    }
    if reader.is_stdin() {
        print(formatted);
    } else if !same {
        rewrite::replace(file, &formatted)?;
        complain(format_args!("formatted `{}`", reader.root()));
    }
    Ok(true)
}
