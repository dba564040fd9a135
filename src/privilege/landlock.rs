//! The file system as far as Landlock has it: nothing is executed, nothing written but where the
//! server keeps its records.
//!
//! Reading stays with the file modes of the user that the server runs as: names, groups, zones and
//! certificates come from libraries that open files of their own, and a list of those would be
//! wrong on some system.

use ::landlock::{
    ABI, AccessFs, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus, Scope, path_beneath_rules,
};
use std::fmt;
use std::path::{Path, PathBuf};

/// How much of it the kernel has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Landlock {
    /// All that is asked for.
    Full,
    /// Nothing.
    None,
    /// An older form.
    Partial,
}

impl fmt::Display for Landlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::None => "off",
            Self::Partial => "partial",
        })
    }
}

/// Restricts this thread and those that it starts.
pub(super) fn restrict(writable: &[PathBuf]) -> Landlock {
    match try_restrict(writable) {
        Ok(level) => level,
        Err(error) => {
            tracing::warn!("Landlock is not in force: {error}");
            Landlock::None
        }
    }
}

fn try_restrict(writable: &[PathBuf]) -> Result<Landlock, RulesetError> {
    let guarded = AccessFs::from_write(VERSION) | AccessFs::Execute;
    let devices = [Path::new("/dev/null")];
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(guarded)?
        .scope(Scope::Signal)?
        .create()?
        .add_rules(path_beneath_rules(writable, writes()))?
        .add_rules(path_beneath_rules(devices, writes()))?
        .restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Landlock::Full,
        RulesetStatus::PartiallyEnforced => Landlock::Partial,
        RulesetStatus::NotEnforced => Landlock::None,
    })
}

fn writes() -> BitFlags<AccessFs> {
    AccessFs::from_write(VERSION)
}

/// What is asked for; an older kernel gives what it has.
const VERSION: ABI = ABI::V6;
