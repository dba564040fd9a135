//! `rustsocks user`: the users file of the method `password`.

use super::{Exit, Failure, SettingsOptions, complain, print};
use crate::auth::{EditError, PasswordHash, UserName, Users, UsersEdit};
use nix::sys::termios::{self, LocalFlags, SetArg};
use std::io::{self, BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Arguments of `rustsocks user`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,

    /// The users file instead of `auth.users` of the settings.
    #[arg(long, global = true, value_name = "FILE")]
    file: Option<PathBuf>,

    #[command(flatten)]
    options: SettingsOptions,
}

/// What is done to the file.
#[derive(Clone, Debug, clap::Subcommand)]
enum Action {
    /// Adds a user; the password is asked for, or read from standard input.
    Add(Change),
    /// Gives a user another password.
    Passwd(Change),
    /// Removes a user.
    Del {
        /// The user.
        name: UserName,
    },
    /// Lists the users and how their passwords are hashed.
    List,
    /// Says whether a password is a user's; the exit code is 1 if it is not.
    Verify {
        /// The user.
        name: UserName,
    },
}

/// A user and, where it is known, the hash.
#[derive(Clone, Debug, clap::Args)]
struct Change {
    /// The user.
    name: UserName,

    /// A hash made elsewhere (`$argon2id$`, `$6$`, `$y$`, `$2b$`) instead of a password.
    #[arg(long, value_name = "HASH")]
    hash: Option<String>,
}

/// Changes or reads the users file.
///
/// # Errors
/// Where the file can not be used, or there is no such user.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let path = users_file(args)?;
    let failed = |error: EditError| Failure::config(format!("`{}`: {error}", path.display()));
    match &args.action {
        Action::Add(change) => {
            let mut edit = UsersEdit::open(&path).map_err(failed)?;
            edit.add(&change.name, &hash_of(change)?).and_then(|()| edit.save()).map_err(failed)?;
            complain(format_args!("added `{}` to `{}`", change.name, path.display()));
        }
        Action::Del { name } => {
            let mut edit = UsersEdit::open(&path).map_err(failed)?;
            edit.remove(name).and_then(|()| edit.save()).map_err(failed)?;
            complain(format_args!("removed `{name}` from `{}`", path.display()));
        }
        Action::List => list(&read(&path)?),
        Action::Passwd(change) => {
            let mut edit = UsersEdit::open(&path).map_err(failed)?;
            edit.replace(&change.name, &hash_of(change)?).and_then(|()| edit.save()).map_err(failed)?;
            complain(format_args!("changed the password of `{}` in `{}`", change.name, path.display()));
        }
        Action::Verify { name } => return verify(&read(&path)?, name),
    }
    Ok(Exit::Ok)
}

fn list(users: &Users) {
    let width = users.iter().map(|(name, _)| name.as_str().chars().count()).max().unwrap_or(0);
    let lines = users.iter().map(|(name, hash)| format!("{:width$}  {}\n", name.as_str(), hash.scheme()));
    print(lines.collect::<String>());
}

fn verify(users: &Users, name: &UserName) -> Result<Exit, Failure> {
    let password = ask("Password: ")?;
    let fits = users.check(name, password.as_bytes());
    print(format_args!("{}\n", if fits { "accepted" } else { "refused" }));
    Ok(if fits { Exit::Ok } else { Exit::Findings })
}

fn users_file(args: &Args) -> Result<PathBuf, Failure> {
    if let Some(path) = &args.file {
        return Ok(path.clone());
    }
    args.options.resolve()?.settings.auth.users.ok_or_else(|| {
        Failure::usage("no users file is known; give `--file FILE`, or `auth.users` in the settings")
    })
}

fn read(path: &Path) -> Result<Users, Failure> {
    Users::read(path).map_err(|error| Failure::config(format!("`{}`: {error}", path.display())))
}

fn hash_of(change: &Change) -> Result<PasswordHash, Failure> {
    if let Some(hash) = &change.hash {
        return PasswordHash::parse(hash).map_err(|error| Failure::usage(format!("`--hash`: {error}")));
    }
    let password = ask("New password: ")?;
    if io::stdin().is_terminal() && *ask("Once more: ")? != *password {
        return Err(Failure::usage("the two passwords differ; nothing is changed"));
    }
    if password.is_empty() || password.len() > PASSWORD_MAX {
        return Err(Failure::usage("a password has 1 to 255 bytes (RFC 1929); nothing is changed"));
    }
    PasswordHash::create(password.as_bytes()).map_err(Failure::config)
}

/// Asks for a password without showing it; what is no terminal is read up to the end of its line.
fn ask(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    let stdin = io::stdin();
    let unreadable = |error: io::Error| Failure::usage(format!("no password can be read: {error}"));
    let shown = match stdin.is_terminal() {
        true => {
            anstream::eprint!("{prompt}");
            Some(hide_input().map_err(unreadable)?)
        }
        false => None,
    };
    let mut line = Zeroizing::new(String::new());
    let read = stdin.lock().read_line(&mut line);
    if let Some(shown) = shown {
        // The terminal is gone where this fails.
        let _gone = termios::tcsetattr(&stdin, SetArg::TCSANOW, &shown);
        complain("");
    }
    read.map_err(unreadable)?;
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    Ok(line)
}

fn hide_input() -> io::Result<termios::Termios> {
    let stdin = io::stdin();
    let shown = termios::tcgetattr(&stdin)?;
    let mut hidden = shown.clone();
    hidden.local_flags.remove(LocalFlags::ECHO);
    termios::tcsetattr(&stdin, SetArg::TCSAFLUSH, &hidden)?;
    Ok(shown)
}

/// The longest password that RFC 1929 §2 can carry, in bytes.
const PASSWORD_MAX: usize = 255;
