//! PAM: what may be asked, and what an answer of libpam means.
//!
//! Only the helper process asks; see [`super::helper`].

mod code;
#[cfg(feature = "pam")]
mod ffi;

pub(super) use code::name_of;

use super::UserName;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The name of a PAM service: of a file, never of a path.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ServiceName(Arc<str>);

/// A text that names no service.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "{0:?} is no name of a PAM service: 1 to 64 letters, digits, `.`, `_` and `-`, not starting with `.`"
)]
pub struct NotAService(String);

impl std::str::FromStr for ServiceName {
    type Err = NotAService;

    fn from_str(text: &str) -> Result<Self, NotAService> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if text.is_empty() || text.len() > SERVICE_MAX || text.starts_with('.') || !text.bytes().all(fits) {
            return Err(NotAService(text.into()));
        }
        // libpam opens the file of the name in lower case.
        Ok(Self(text.to_ascii_lowercase().into()))
    }
}

impl ServiceName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, shared.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// The service's file, in a folder or where the system keeps them.
    pub fn file(&self, directory: Option<&Path>) -> Option<PathBuf> {
        let folders = match directory {
            Some(directory) => vec![directory],
            None => SYSTEM_FOLDERS.iter().map(Path::new).collect(),
        };
        folders.into_iter().map(|folder| folder.join(self.as_str())).find(|file| file.is_file())
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One question to PAM.
#[derive(Clone)]
pub struct Question {
    /// The service.
    pub service: ServiceName,
    /// The user.
    pub user: UserName,
    /// The password; `None` with `pam.address`, where a module that asks for one fails.
    pub password: Option<Zeroizing<Vec<u8>>>,
    /// The client. PAM is told the numeric address: with a name there, it would ask DNS.
    pub client: IpAddr,
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, user, password: _, client } = self;
        let mut shown = f.debug_struct("Question");
        shown.field("service", service).field("user", user).field("client", client).finish_non_exhaustive()
    }
}

/// What came of a question.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Outcome {
    /// Yes.
    Accepted,
    /// More questions at a time than there are workers.
    Busy,
    /// The process that asked has died.
    Crashed,
    /// PAM does not work: a module or a service is missing, a directory is down.
    Failed,
    /// No.
    Refused,
    /// A module took too long and was killed.
    TimedOut,
}

/// An answer of PAM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// What came of it.
    pub outcome: Outcome,
    /// libpam's own code.
    pub code: i32,
    /// The user as the system writes the name.
    pub user: Vec<u8>,
    /// What the modules said of it, for the log.
    pub message: Vec<u8>,
}

impl Answer {
    /// An answer that libpam had no part in.
    pub(super) fn bare(outcome: Outcome) -> Self {
        Self { outcome, code: -1, user: Vec::new(), message: Vec::new() }
    }
}

/// Asks libpam, on this thread, for as long as it takes.
#[cfg(feature = "pam")]
pub(super) fn ask(question: &Question, directory: Option<&Path>) -> Answer {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;

    let c_password = |password: &Zeroizing<Vec<u8>>| {
        // One allocation of the right size, so that no copy stays behind when it grows.
        let mut bytes = Vec::with_capacity(password.len() + 1);
        bytes.extend_from_slice(password);
        CString::new(bytes)
    };
    let service = CString::new(question.service.as_str());
    let user = CString::new(question.user.as_str());
    let password = question.password.as_ref().map(c_password).transpose();
    let client = CString::new(question.client.to_canonical().to_string());
    let directory = directory.map(|path| CString::new(path.as_os_str().as_bytes())).transpose();
    let (Ok(service), Ok(user), Ok(password), Ok(client), Ok(directory)) =
        (service, user, password, client, directory)
    else {
        // A NUL: C would see less than the client sent.
        return Answer::bare(Outcome::Refused);
    };
    let said = ffi::ask(ffi::Call {
        service: &service,
        user: &user,
        password: password.as_deref(),
        client: &client,
        directory: directory.as_deref(),
    });
    drop(password.map(|password| Zeroizing::new(password.into_bytes())));
    let user = canonical_user(said.user);
    Answer { outcome: code::outcome_of(said.code), code: said.code, user, message: said.errors }
}

#[cfg(not(feature = "pam"))]
pub(super) fn ask(_question: &Question, _directory: Option<&Path>) -> Answer {
    Answer::bare(Outcome::Failed)
}

/// The name as the system writes it: a directory that takes `ALICE` for `alice` must not let her
/// walk around a rule on `alice`.
#[cfg(feature = "pam")]
fn canonical_user(user: Vec<u8>) -> Vec<u8> {
    let known = std::str::from_utf8(&user).ok().and_then(|name| nix::unistd::User::from_name(name).ok()?);
    known.map_or(user, |account| account.name.into_bytes())
}

/// Where Linux-PAM looks for service files.
const SYSTEM_FOLDERS: [&str; 2] = ["/etc/pam.d", "/usr/lib/pam.d"];
const SERVICE_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_a_file_name_and_nothing_else() {
        for good in ["rustsocks", "socks-vpn", "sshd", "a.b_c"] {
            assert_eq!(good.parse::<ServiceName>().unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", ".x", "../passwd", "a/b", "a b", "a\0", "ż", &"a".repeat(65)] {
            assert!(bad.parse::<ServiceName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_question_does_not_show_its_password() {
        let question = Question {
            service: "rustsocks".parse().unwrap(),
            user: "alice".parse().unwrap(),
            password: Some(Zeroizing::new(b"hunter2".to_vec())),
            client: IpAddr::from([192, 0, 2, 1]),
        };
        assert!(!format!("{question:?}").contains("hunter2"));
    }
}
