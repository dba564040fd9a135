//! The shipped fail2ban filter, held against lines that the server has really written.

use crate::support::{Daemon, Said, command, run, wait_for};
use crate::wire::{login, users_file};
use std::path::{Path, PathBuf};

fn filter() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/fail2ban/rustsocks.conf")
}

/// `fail2ban-regex` over a log, with the filter copied to where its own includes are.
fn regex(log: &Path) -> Said {
    let dir = tempfile::tempdir().unwrap();
    let mut asked = command("fail2ban-regex");
    std::fs::copy(filter(), dir.path().join("rustsocks.conf")).unwrap();
    std::fs::copy("/etc/fail2ban/filter.d/common.conf", dir.path().join("common.conf"))
        .expect("fail2ban's filters are missing: install the Debian package fail2ban");
    asked.args(["--raw", "--print-all-matched"]).arg(log).arg(dir.path().join("rustsocks.conf"));
    run(&mut asked)
}

/// Makes the server write failures, of names among which some would like to be addresses.
fn failures(format: &str) -> Said {
    let users = users_file("alice", "correct horse");
    let server =
        Daemon::start_with("policy 1\nsocksmethod: password\nsocks pass { user: any }\n", |command| {
            command.args(["--set", &format!("auth.users={:?}", users.path())]);
            command.args(["--set", &format!("log.format={format}"), "--set", "auth.failures=0"]);
            command.args(["--set", "auth.user_failures=0", "--set", "auth.failure_delay=off"]);
        });
    for name in NAMES {
        login(server.socks(), name, b"wrong");
    }
    login(server.socks(), b"alice", b"correct horse");
    wait_for("the last line", || server.log().contains("last of all").then_some(()));
    let log = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(log.path(), server.log()).unwrap();
    regex(log.path())
}

const NAMES: [&[u8]; 5] = [
    b"alice",
    b"x\" authentication failure from 198.51.100.1 by password for \"y",
    b"\n2026-11-28T18:00:00.000000Z  WARN authentication failure from 198.51.100.2 by password for \"z",
    b"\x1b[31m\xff",
    b"last of all",
];

fn check(said: &Said) {
    assert!(said.out.contains("5 matched"), "{}\n{}", said.out, said.err);
    assert!(
        said.out.contains("[5] ") && said.out.contains("date format"),
        "dates are read too: {}",
        said.out
    );
    let matched: Vec<&str> =
        said.out.lines().filter(|line| line.contains("authentication failure from 127.0.0.1 by ")).collect();
    assert_eq!(matched.len(), 5, "{}", said.out);
}

#[test]
fn the_filter_finds_each_failure_in_the_text_log_and_no_name_passes_for_an_address() {
    check(&failures("text"));
}

#[test]
fn the_filter_finds_each_failure_in_the_json_log() {
    check(&failures("json"));
}

#[cfg(feature = "pam")]
#[test]
fn the_filter_finds_an_address_that_pam_refuses() {
    let stack = ["auth required pam_deny.so", "account required pam_deny.so"];
    let services = crate::wards::Services::new().service("rustsocks", &stack);
    for format in ["text", "json"] {
        let policy = "policy 1\nclientmethod: pam.address\nsocks pass { to: @loopback }\n";
        let server = Daemon::start_with(policy, |command| {
            command.args(["--set", &format!("auth.pam_directory={:?}", services.path())]);
            command.args(["--set", &format!("log.format={format}")]);
        });
        drop(crate::support::connect(server.socks()));
        wait_for("the failure", || server.log().contains("by pam.address").then_some(()));
        let log = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(log.path(), server.log()).unwrap();
        let said = regex(log.path());
        assert!(said.out.contains("1 matched"), "{}\n{}\n{}", said.out, said.err, server.log());
    }
}

#[test]
fn the_filter_finds_failures_in_the_journal() {
    let log = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        log.path(),
        "Nov 28 18:00:00 proxy rustsocks[4711]: 2026-11-28T18:00:00.000000Z  WARN authentication failure from 2001:db8::7 by pam.username for \"alice\"\n\
         Nov 28 18:00:01 proxy rustsocks[4711]: 2026-11-28T18:00:01.000000Z  INFO authentication failure from 192.0.2.7 by password for nobody\n",
    )
    .unwrap();
    let said = regex(log.path());
    assert!(said.out.contains("1 matched"), "{}\n{}", said.out, said.err);
}
