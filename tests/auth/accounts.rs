//! `pam_unix` with real accounts of this machine, made for the test and removed after it.

use crate::support::{Said, command, run};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// An account that lives as long as this.
pub struct Account {
    pub name: String,
}

/// Of "correct horse", by `openssl passwd -6`.
pub const HASH: &str = "$6$0123456789abcdef$lDHzA5IdO41viXIs6llkDKq4Uh2VG9JXIYJ.taq2zlNFqBnKQ0/fOUW0Zoz49ZnOpe2ACY.PoF6wosL.jL3Af0";

/// What `useradd` ends with where a killed test has left an account behind.
const NAME_TAKEN: i32 = 9;
static NEXT: AtomicU32 = AtomicU32::new(0);
/// The tools lock the account files, and give up where another of them holds the lock for long.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

impl Account {
    /// An account with the hash of a password, and more arguments for `useradd`.
    pub fn create(hash: &str, more: &[&str]) -> Self {
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..100 {
            let name = format!("rs{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            let said = Self::useradd(&name, hash, more);
            match said.code() {
                0 => return Self { name },
                NAME_TAKEN => {}
                _ => panic!("useradd must make an account for this test: {}", said.err),
            }
        }
        panic!("no name for an account is free");
    }

    fn useradd(name: &str, hash: &str, more: &[&str]) -> Said {
        let mut useradd = command("/usr/sbin/useradd");
        useradd.args(["--no-create-home", "--no-log-init", "--home-dir", "/nonexistent"]);
        useradd.args(["--no-user-group", "--gid", "nogroup", "--shell", "/usr/sbin/nologin"]);
        run(useradd.args(["--password", hash]).args(more).arg(name))
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        run(command("/usr/sbin/userdel").arg(&self.name));
    }
}

/// Whether this process may make accounts; who develops as somebody else has these tests skipped.
pub fn may_create() -> bool {
    nix::unistd::Uid::effective().is_root()
}

mod tests {
    use super::{Account, HASH, may_create};
    use crate::wards::Services;
    use rustsocks::auth::AuthError;
    use rustsocks_compiler::Policy;
    use rustsocks_compiler::model::HostFacts;
    use std::collections::BTreeMap;

    fn policy_of(text: &str) -> Policy {
        let texts = BTreeMap::from([("test.policy".to_owned(), text.to_owned())]);
        let loaded = rustsocks_compiler::load("test.policy", &texts, &HostFacts::default(), None);
        loaded.policy().expect("is a policy")
    }

    fn unix() -> Services {
        Services::new().service("unix", &["auth required pam_unix.so", "account required pam_unix.so"])
    }

    #[tokio::test]
    async fn a_user_of_the_machine_logs_in_with_its_password() {
        if !may_create() {
            return;
        }
        let (account, services) = (Account::create(HASH, &[]), unix());
        let ward = services.ward();
        let identity = ward.login("unix", &account.name, "correct horse").await.unwrap();
        assert_eq!(identity.user.as_deref(), Some(account.name.as_str()));
        // Its groups come from the system, those that the policy names.
        let policy = "policy 1\nsocksmethod: pam.username\nsocks pass { group: nogroup, daemon }\n";
        ward.auth.follow(&policy_of(policy));
        let identity = ward.login("unix", &account.name, "correct horse").await.unwrap();
        assert_eq!(identity.groups, ["nogroup".into()]);
        for wrong in ["wrong", "correct hors", "correct horse ", ""] {
            assert_eq!(ward.login("unix", &account.name, wrong).await, Err(AuthError::Refused), "{wrong:?}");
        }
        assert_eq!(ward.login("unix", "no-such-user-here", "x").await, Err(AuthError::Refused));
    }

    #[tokio::test]
    async fn an_expired_account_is_refused_with_the_right_password() {
        if !may_create() {
            return;
        }
        let (account, services) = (Account::create(HASH, &["--expiredate", "2020-01-01"]), unix());
        let ward = services.ward();
        assert_eq!(ward.login("unix", &account.name, "correct horse").await, Err(AuthError::Refused));
    }

    #[tokio::test]
    async fn an_account_without_a_password_stays_shut() {
        if !may_create() {
            return;
        }
        let account = Account::create("", &[]);
        let services = Services::new()
            .service("nullok", &["auth required pam_unix.so nullok", "account required pam_unix.so"]);
        let ward = services.ward();
        for password in ["", "x"] {
            assert_eq!(ward.login("nullok", &account.name, password).await, Err(AuthError::Refused));
        }
    }

    /// A file of `examples/pam`, with what it names below `/etc` looked for in the folder.
    fn shipped(services: Services, name: &str, files: &[(&str, &str)]) -> Services {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/pam").join(name);
        let mut text = std::fs::read_to_string(path).unwrap();
        let mut services = services;
        for (there, here) in files {
            assert!(text.contains(there), "{name} names {there}");
            text = text.replace(there, here);
        }
        services = services.service(name, &text.lines().collect::<Vec<_>>());
        services
    }

    #[tokio::test]
    async fn the_services_that_we_ship_let_in_whom_they_should() {
        if !may_create() {
            return;
        }
        let account = Account::create(HASH, &[]);
        let name = account.name.as_str();
        let mut services = Services::new().file("addresses", "192.0.2.7\n");
        services = shipped(services, "rustsocks-unix", &[]);
        services = shipped(services, "rustsocks-address", &[("/etc/rustsocks/addresses", "DIR/addresses")]);
        let debian = ["common-auth", "common-account"]
            .map(|file| std::fs::read_to_string(format!("/etc/pam.d/{file}")));
        let mut good = vec!["rustsocks-unix"];
        if let [Ok(auth), Ok(account)] = &debian {
            for (file, text) in [("common-auth", auth), ("common-account", account)] {
                services = services.service(file, &text.lines().collect::<Vec<_>>());
            }
            services = shipped(services, "rustsocks", &[]);
            good.push("rustsocks");
        }
        let ward = services.ward();
        for service in good {
            assert!(ward.login(service, name, "correct horse").await.is_ok(), "{service}");
            for (user, password) in [(name, "wrong"), (name, ""), ("no-such-user-here", "correct horse")] {
                assert_eq!(
                    ward.login(service, user, password).await,
                    Err(AuthError::Refused),
                    "{service} {user}"
                );
            }
        }
        assert!(ward.address("rustsocks-address", [192, 0, 2, 7].into()).await.is_ok());
        assert_eq!(ward.address("rustsocks-address", [192, 0, 2, 8].into()).await, Err(AuthError::Refused));
    }
}
