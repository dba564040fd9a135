//! `rustsocks check`: what is wrong with a policy, and what could be better.

use super::findings::{Checked, Format, write};
use super::{Exit, Failure, complain, environment, explain_code, is_colored, policy_files, print, rewrite};
use rustsocks_compiler::diagnostic::{Code, Diagnostic, Level, Safety};
use rustsocks_compiler::lint::{self, Options, Override};
use rustsocks_compiler::model::Timestamp;
use rustsocks_compiler::resolve::LintAction;
use rustsocks_compiler::source::Sources;
use rustsocks_compiler::{fix, promise};
use std::path::{Path, PathBuf};

/// Flags of `rustsocks check`.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = "\
Exit codes: 0 for a policy without errors and warnings, 1 for one with any, 2 for a wrong command line \
or a file that is not there. Notes, such as that of a file that is not formatted (RS0504), do not count: \
`--deny RS0504` makes them count, and so does `rustsocks fmt --check`.")]
pub struct Args {
    /// Policies; `-` is standard input.
    #[arg(value_name = "FILE", default_value = policy_files::DEFAULT)]
    files: Vec<PathBuf>,

    /// How findings are written.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,

    /// Applies the fixes that change no verdict.
    #[arg(long)]
    fix: bool,

    /// Applies also the fixes that may change a verdict.
    #[arg(long)]
    unsafe_fixes: bool,

    /// Shows what the fixes would change and writes nothing.
    #[arg(long)]
    diff: bool,

    /// Prints the manual page of a code; `list` lists all codes.
    #[arg(long, value_name = "CODE")]
    explain: Option<String>,

    /// Says nothing but the findings.
    #[arg(short, long)]
    quiet: bool,

    /// Checks also what the policy says of this host: users, groups, PAM services, names, files.
    #[arg(long)]
    environment: bool,

    /// Makes a code an error; `warnings`: all warnings.
    #[arg(long, value_name = "CODE")]
    deny: Vec<String>,

    /// Makes a code a warning.
    #[arg(long, value_name = "CODE")]
    warn: Vec<String>,

    /// Leaves a code out.
    #[arg(long, value_name = "CODE")]
    allow: Vec<String>,
}

/// Checks policies.
///
/// # Errors
/// Where the command line asks for what can not be, or a fix can not be written.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    if let Some(code) = &args.explain {
        return explain_code::run(code);
    }
    let overrides = overrides(args)?;
    let mut all = Vec::new();
    for file in &args.files {
        all.push(one(file, args, &overrides)?);
    }
    let checked: Vec<Checked<'_>> = all.iter().map(|(sources, found)| Checked { sources, found }).collect();
    // Standard output is taken where the fixed text of standard input goes there.
    let taken =
        args.diff || (args.fix || args.unsafe_fixes) && args.files.iter().any(|file| file.as_os_str() == "-");
    if taken && !args.diff {
        complain(write(&checked, args.format, is_colored()).trim_end());
    } else if !taken {
        print(write(&checked, args.format, is_colored()));
    }
    let found: Vec<&Diagnostic> = all.iter().flat_map(|(_, found)| found).collect();
    if !args.quiet && !args.diff && args.format == Format::Human {
        complain(summary(&found, args.files.len()));
    }
    let fails = found.iter().any(|one| one.level >= Level::Warning);
    Ok(if fails { Exit::Findings } else { Exit::Ok })
}

/// Checks one policy, after its fixes where they are asked for.
fn one(file: &Path, args: &Args, overrides: &[Override]) -> Result<(Sources, Vec<Diagnostic>), Failure> {
    let reader = policy_files::Reader::new(file)?;
    let fixing = args.fix || args.unsafe_fixes || args.diff;
    let most = if args.unsafe_fixes { Safety::Unsafe } else { Safety::Safe };
    let mut reader = reader;
    let mut rounds = 0;
    loop {
        let (loaded, found) = look(&reader, args, overrides);
        let fixed = fix::apply(&loaded.sources, &found, most);
        if !fixing || fixed.texts.is_empty() || rounds == MOST_ROUNDS {
            if fixing {
                rewrite::deliver(&reader, args.diff)?;
            }
            return Ok((loaded.sources, found));
        }
        for (id, text) in fixed.texts {
            if let Some(source) = loaded.sources.file(id) {
                reader.replace(source.name(), text);
            }
        }
        rounds += 1;
    }
}

fn look(
    reader: &policy_files::Reader,
    args: &Args,
    overrides: &[Override],
) -> (rustsocks_compiler::Loaded, Vec<Diagnostic>) {
    let loaded = reader.load();
    let mut options = Options { now: Some(now()), overrides: overrides.to_vec(), ..Options::default() };
    if let Some(model) = &loaded.model {
        options.others.extend(promise::broken(model));
        if args.environment {
            options.others.extend(environment::findings(model, &loaded));
        }
    }
    let found = lint::run(&loaded, &options);
    (loaded, found)
}

fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_second())
}

fn overrides(args: &Args) -> Result<Vec<Override>, Failure> {
    let mut all = Vec::new();
    let lists =
        [(&args.warn, LintAction::Warn), (&args.deny, LintAction::Deny), (&args.allow, LintAction::Allow)];
    for (codes, action) in lists {
        for code in codes.iter().flat_map(|codes| codes.split(',')) {
            if action == LintAction::Deny && code == "warnings" {
                continue;
            }
            all.push(Override::Code(known(code)?, action));
        }
    }
    if args.deny.iter().any(|code| code == "warnings") {
        all.push(Override::Warnings);
    }
    Ok(all)
}

fn known(code: &str) -> Result<Code, Failure> {
    let lint = lint::find(code).ok_or_else(|| {
        let near = rustsocks_compiler::suggest::nearest(code, lint::ALL.iter().map(|lint| lint.code.0));
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        Failure::usage(format!("there is no code `{code}`{hint}"))
    })?;
    Ok(lint.code)
}

fn summary(found: &[&Diagnostic], files: usize) -> String {
    let count = |level: Level| found.iter().filter(|one| one.level == level).count();
    let some = |count: usize, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {many}")),
    };
    let parts: Vec<String> = [
        some(count(Level::Error), "error", "errors"),
        some(count(Level::Warning), "warning", "warnings"),
        some(count(Level::Info), "note", "notes"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let policies = if files == 1 { "the policy is".into() } else { format!("{files} policies are") };
    match parts.as_slice() {
        [] => format!("{policies} clean"),
        parts => format!("{}; `rustsocks check --explain CODE` says more", parts.join(", ")),
    }
}

/// Fixes may make room for others; this many times.
const MOST_ROUNDS: usize = 16;
