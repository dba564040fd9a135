//! A folder of PAM services, and an authenticator that asks them through the real helper.

use crate::support::wait_for;
use rustsocks::auth::helper::{Helper, HelperPlan};
use rustsocks::auth::{AuthError, Authenticator, HelperHealth, Identity};
use rustsocks::settings::sections::Auth;
use rustsocks::settings::value::Span;
use rustsocks_compiler::request::{Method, MethodSpec};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

/// Service files in a folder of their own: no root, no `/etc`.
pub struct Services {
    dir: tempfile::TempDir,
}

impl Services {
    pub fn new() -> Self {
        Self { dir: tempfile::Builder::new().prefix("rustsocks-pam-").tempdir_in("/tmp").expect("a folder") }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a service file; `DIR` stands for the folder.
    pub fn service(self, name: &str, lines: &[&str]) -> Self {
        let text = lines.join("\n").replace("DIR", &self.dir.path().to_string_lossy());
        std::fs::write(self.dir.path().join(name), text + "\n").expect("is written");
        self
    }

    /// Writes a file beside the services, for its owner alone.
    pub fn file(self, name: &str, text: &str) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let path = self.dir.path().join(name);
        std::fs::write(&path, text.replace("DIR", &self.dir.path().to_string_lossy())).expect("is written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("is ours");
        self
    }

    pub fn ward(&self) -> Ward {
        self.ward_with(|_| {})
    }

    pub fn ward_with(&self, change: impl FnOnce(&mut Auth)) -> Ward {
        let mut settings = Auth {
            pam_directory: Some(self.dir.path().into()),
            pam_timeout: Span::secs(60),
            failure_delay: Span::OFF,
            failures: 0,
            user_failures: 0,
            ..Auth::default()
        };
        change(&mut settings);
        let plan = HelperPlan {
            program: env!("CARGO_BIN_EXE_rustsocks").into(),
            ..HelperPlan::of(&settings, &rustsocks::settings::sections::Privileges::default())
        };
        let helper = Helper::start(&plan).expect("the helper comes up");
        let auth = Authenticator::new(&settings, Some(helper), None).expect("is set up");
        let stop = CancellationToken::new();
        let (carer, token) = (auth.clone(), stop.clone());
        tokio::spawn(async move { carer.care(token).await });
        Ward { auth, _stop: stop.drop_guard() }
    }
}

/// An authenticator with a helper of its own.
pub struct Ward {
    pub auth: Authenticator,
    _stop: tokio_util::sync::DropGuard,
}

impl Ward {
    pub async fn login(&self, service: &str, user: &str, password: &str) -> Result<Identity, AuthError> {
        self.login_bytes(service, user.as_bytes(), password.as_bytes()).await
    }

    pub async fn login_bytes(
        &self,
        service: &str,
        user: &[u8],
        password: &[u8],
    ) -> Result<Identity, AuthError> {
        self.auth.password(&spec(Method::PamUsername, service), client(), user, password).await
    }

    pub async fn address(&self, service: &str, client: IpAddr) -> Result<Identity, AuthError> {
        self.auth.address(&spec(Method::PamAddress, service), client).await
    }

    pub fn helper(&self) -> u32 {
        match self.auth.health().helper {
            HelperHealth::Alive { pid } => pid,
            other => panic!("the helper is {other:?}"),
        }
    }
}

pub fn spec(method: Method, service: &str) -> MethodSpec {
    MethodSpec { method, service: (!service.is_empty()).then(|| service.into()) }
}

pub fn client() -> IpAddr {
    IpAddr::from([192, 0, 2, 7])
}

/// The processes below a process, by what the kernel says of each one's parent.
pub fn descendants(of: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .expect("is mounted")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid: u32| Some((pid, status(pid, "PPid:")?.parse().ok()?)))
        .collect();
    let mut found = vec![of];
    let mut place = 0;
    while place < found.len() {
        let parent = found[place];
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        place += 1;
    }
    found.split_off(1)
}

/// A line of a process's status.
pub fn status(pid: u32, field: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    text.lines().find_map(|line| line.strip_prefix(field)).map(|value| value.trim().into())
}

/// Waits, without holding up the runtime.
pub async fn until(what: &str, ask: impl FnMut() -> Option<()> + Send + 'static) {
    let what = what.to_owned();
    tokio::task::spawn_blocking(move || wait_for(&what, ask)).await.expect("comes true");
}

/// A program that stalls, with a command line that no other process of the machine has; what is
/// left of it ends with the test.
pub struct Stall {
    pub command: String,
}

impl Stall {
    pub fn new() -> Self {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Self { command: format!("/bin/sleep 300.{}{number:03}", std::process::id()) }
    }
}

impl Drop for Stall {
    fn drop(&mut self) {
        for pid in running(&self.command) {
            // It may have ended by now.
            let _gone = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
    }
}

/// Whether a process with that command line is there.
pub fn runs(command: &str) -> bool {
    !running(command).is_empty()
}

fn running(command: &str) -> Vec<nix::unistd::Pid> {
    let wanted = command.replace(' ', "\0") + "\0";
    let processes = std::fs::read_dir("/proc").expect("is mounted").filter_map(Result::ok);
    let wanted = processes.filter(|process| {
        std::fs::read(process.path().join("cmdline")).is_ok_and(|line| line == wanted.as_bytes())
    });
    let pid = |process: std::fs::DirEntry| process.file_name().to_str()?.parse().ok();
    wanted.filter_map(pid).map(nix::unistd::Pid::from_raw).collect()
}

/// Where the distribution keeps `pam_matrix`, of libpam-wrapper.
pub fn pam_matrix() -> PathBuf {
    let found = std::fs::read_dir("/usr/lib").expect("is there").filter_map(|entry| {
        let module = entry.ok()?.path().join("pam_wrapper/pam_matrix.so");
        module.is_file().then_some(module)
    });
    found.last().expect("pam_matrix.so is missing: install the Debian package libpam-wrapper")
}
