//! What the process may still do once it serves: nothing that it does not need.
//!
//! [`confine_server`] runs on the one thread there is, after the listeners are bound and the
//! helper stands, before the runtime. Threads that start later inherit all of it.

mod drop;
mod landlock;
mod seccomp;

use crate::settings::sections::Privileges;
use crate::settings::value::Sandbox;
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use std::fmt;
use std::path::PathBuf;

pub use landlock::Landlock;

/// Why the process cannot give up what it must not keep: it must not start then.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// A step that the kernel refuses.
    #[error("{step} is refused: {error}")]
    Refused {
        /// What was tried.
        step: &'static str,
        /// Why not.
        error: Errno,
    },
    /// A group that the system does not know.
    #[error("there is no group `{0}`; create it or set `privileges.group`")]
    NoGroup(String),
    /// A user that the system does not know.
    #[error("there is no user `{0}`; create it or set `privileges.user_unprivileged`")]
    NoUser(String),
    /// Becoming somebody else takes root.
    #[error("only root can become `{0}`; start as root, or as that user")]
    NotRoot(String),
    /// What was given up came back.
    #[error("{0} could be taken back after it was given up")]
    Regained(&'static str),
    /// Some state is not what it should be after all.
    #[error("`{field}` of thread {thread} is `{value}` after the privileges were given up")]
    Left {
        /// The line of `/proc/PID/status`.
        field: &'static str,
        /// What it says.
        value: String,
        /// Where.
        thread: String,
    },
    /// The settings require a sandbox that the kernel does not have.
    #[error("the kernel has no {0}, which `privileges.sandbox: require` asks for")]
    NoSandbox(&'static str),
}

/// Who the process is and how far it is confined: for the banner and `/health`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Level {
    /// Who it runs as.
    pub user: String,
    /// Whether that is root.
    pub root: bool,
    /// Whether it holds no capability, and can get none.
    pub bare: bool,
    /// The file system.
    pub landlock: Landlock,
    /// Whether the kernel refuses calls that no proxy needs.
    pub seccomp: bool,
}

impl Level {
    /// How much of the sandbox is in force, in one word.
    pub fn sandbox(&self) -> &'static str {
        match (self.landlock, self.seccomp) {
            (Landlock::Full, true) => "full",
            (Landlock::None, false) => "none",
            _ => "partial",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "runs as {}", self.user)?;
        match (self.root, self.bare) {
            (true, _) => f.write_str(" with all its rights (set `privileges.user_unprivileged`)")?,
            (false, true) => f.write_str(" without privileges")?,
            (false, false) => {}
        }
        write!(f, ", sandbox {} (landlock {}, ", self.sandbox(), self.landlock)?;
        f.write_str(if self.seccomp { "seccomp on)" } else { "seccomp off)" })
    }
}

/// Gives up all that the server does not need, for good, and checks that it is gone.
///
/// `writable` are the files and folders that the server writes: nothing else can be written, and
/// nothing at all executed, once Landlock holds.
///
/// # Errors
/// Where something cannot be given up. The server must not start then.
pub fn confine_server(settings: &Privileges, writable: &[PathBuf]) -> Result<Level, PrivilegeError> {
    forbid_core_dumps()?;
    let target = drop::target(settings)?;
    // Whoever wants us to end with them still does when we are somebody else.
    let ends_with_parent = refused("PR_GET_PDEATHSIG", prctl::get_pdeathsig())?;
    let user = drop::become_user(target.as_ref())?;
    refused("PR_SET_PDEATHSIG", prctl::set_pdeathsig(ends_with_parent))?;
    refused("PR_SET_NO_NEW_PRIVS", prctl::set_no_new_privs())?;
    // The change of user has set it anew.
    refused("PR_SET_DUMPABLE", prctl::set_dumpable(false))?;
    let bare = !user.root;
    if bare {
        drop::check_dropped(&user)?;
    }
    let (landlock, seccomp) = match settings.sandbox {
        Sandbox::Off => (Landlock::None, false),
        Sandbox::Auto | Sandbox::Require => (landlock::restrict(writable), seccomp::install()),
    };
    if settings.sandbox == Sandbox::Require {
        match (landlock, seccomp) {
            (Landlock::Full, true) => {}
            (_, false) => return Err(PrivilegeError::NoSandbox("seccomp")),
            (Landlock::None | Landlock::Partial, true) => {
                return Err(PrivilegeError::NoSandbox("complete Landlock"));
            }
        }
    }
    Ok(Level { user: user.name, root: user.root, bare, landlock, seccomp })
}

/// User and group that the server will become; `None` where it stays who it is.
pub fn server_user(settings: &Privileges) -> Option<(u32, u32)> {
    drop::ids(settings)
}

/// The number of a group.
///
/// # Errors
/// There is no such group.
pub fn group_id(name: &str) -> std::io::Result<u32> {
    let found = nix::unistd::Group::from_name(name)?;
    let none = || std::io::Error::other(format!("there is no group `{name}`"));
    found.map(|group| group.gid.as_raw()).ok_or_else(none)
}

/// Leaves the helper what PAM modules need and nothing more.
///
/// # Errors
/// Where something cannot be given up. The helper must not work then.
pub fn confine_helper(user: Option<&str>) -> Result<(), PrivilegeError> {
    forbid_core_dumps()?;
    drop::become_helper(user)?;
    refused("PR_SET_DUMPABLE", prctl::set_dumpable(false))
}

/// Passwords pass through this memory.
fn forbid_core_dumps() -> Result<(), PrivilegeError> {
    refused("RLIMIT_CORE", setrlimit(Resource::RLIMIT_CORE, 0, 0))
}

fn refused<T>(step: &'static str, result: nix::Result<T>) -> Result<T, PrivilegeError> {
    result.map_err(|error| PrivilegeError::Refused { step, error })
}
