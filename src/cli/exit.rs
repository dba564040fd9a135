//! How the program ends.

use std::fmt;
use std::process::ExitCode;

/// The exit codes, those beyond 2 from `sysexits.h`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Exit {
    /// 0: done, nothing found, or passed.
    Ok,
    /// 1: findings, a failed test, or blocked.
    Findings,
    /// 2: the command line is wrong.
    Usage,
    /// 66: what is asked for is not on record.
    Missing,
    /// 69: the server can not be reached.
    Unreachable,
    /// 78: the configuration can not be used.
    Config,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => 0,
            Exit::Findings => 1,
            Exit::Usage => 2,
            Exit::Missing => 66,
            Exit::Unreachable => 69,
            Exit::Config => 78,
        })
    }
}

/// Why a command did not do its work: one sentence with the cause and the remedy.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// The sentence.
    pub message: String,
}

impl Failure {
    /// The configuration can not be used.
    pub fn config(message: impl fmt::Display) -> Self {
        Self { exit: Exit::Config, message: message.to_string() }
    }

    /// The command line asks for what can not be.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self { exit: Exit::Usage, message: message.to_string() }
    }

    /// What is asked for is not on record.
    pub fn missing(message: impl fmt::Display) -> Self {
        Self { exit: Exit::Missing, message: message.to_string() }
    }

    /// The server can not be reached.
    pub fn unreachable(message: impl fmt::Display) -> Self {
        Self { exit: Exit::Unreachable, message: message.to_string() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rustsocks: {}", self.message)
    }
}

impl From<crate::settings::SettingsError> for Failure {
    fn from(error: crate::settings::SettingsError) -> Self {
        Self::config(error)
    }
}
