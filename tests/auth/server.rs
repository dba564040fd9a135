//! The real server: what strangers with passwords may try on it.

use crate::support::{Daemon, Target, connect, wait_for};
use crate::wire::{answer, credentials, greet, login, users_file};
use std::io::{Read, Write};
use std::process::Command;

const POLICY: &str = "policy 1\nsocksmethod: password\nsocks pass { user: any }\n";

pub fn with_users(users: &tempfile::NamedTempFile) -> impl FnOnce(&mut Command) + use<> {
    let set = format!("auth.users={:?}", users.path());
    move |command| {
        command.args(["--set", &set]);
    }
}

#[test]
fn a_user_of_the_file_reaches_its_target() {
    let (users, echo) = (users_file("alice", "correct horse"), Target::echo("127.0.0.1:0"));
    let server = Daemon::start_with(POLICY, with_users(&users));
    let (mut stream, method) = greet(server.socks(), &[0, 2]);
    assert_eq!(method, 2);
    stream.write_all(&credentials(b"alice", b"correct horse")).unwrap();
    assert_eq!(answer(&mut stream), [1, 0]);
    let port = echo.address.port().to_be_bytes();
    stream.write_all(&[5, 1, 0, 1, 127, 0, 0, 1, port[0], port[1]]).unwrap();
    let mut reply = [0; 10];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(reply[..2], [5, 0]);
    stream.write_all(b"hello").unwrap();
    let mut back = [0; 5];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"hello");
}

#[test]
fn row_38_malformed_credentials_are_refused_and_nothing_is_cut_short() {
    let users = users_file("alice", "pw");
    let server = Daemon::start_with(POLICY, |command| {
        with_users(&users)(command);
        command.args(["--set", "auth.failures=0", "--set", "auth.user_failures=0"]);
        command.args(["--set", "auth.failure_delay=off"]);
    });
    assert_eq!(login(server.socks(), b"alice", b"pw"), [1, 0]);
    let long = [b'a'; 255];
    for (user, password) in [
        (&b""[..], &b"pw"[..]),
        (b"alice", b""),
        (b"alice\0x", b"pw"),
        (b"alice", b"pw\0x"),
        (b"alice\0", b"pw\0"),
        (b"alice\n", b"pw"),
        (b"\x1b[31malice", b"pw"),
        (b"\xff\xfe", b"pw"),
        (b"alice", b"\xff\xfe"),
        (&long, &long),
        (b"alice", &long),
    ] {
        let said = login(server.socks(), user, password);
        assert!(said.is_empty() || (said.len() == 2 && said[1] != 0), "{user:?} {password:?}: {said:?}");
    }
    let (mut stream, _) = greet(server.socks(), &[2]);
    let mut wrong_version = credentials(b"alice", b"pw");
    wrong_version[0] = 5;
    stream.write_all(&wrong_version).unwrap();
    let said = answer(&mut stream);
    assert!(said.is_empty() || (said.len() == 2 && said[1] != 0), "{said:?}");
    assert!(!server.log().contains('\x1b'), "no raw control character in the log");
    assert!(server.log().lines().all(|line| !line.starts_with("alice")));
}

#[test]
fn row_38_the_shortest_and_the_longest_credentials_are_taken_whole() {
    let (name, password) = ("n".repeat(255), "p".repeat(255));
    let long = users_file(&name, &password);
    let server = Daemon::start_with(POLICY, |command| {
        with_users(&long)(command);
        command.args(["--set", "auth.failures=0", "--set", "auth.failure_delay=off"]);
    });
    let (name, password) = (name.as_bytes(), password.as_bytes());
    assert_eq!(login(server.socks(), name, password), [1, 0]);
    for (name, password) in [(&name[..254], password), (name, &password[..254]), (name, b"p")] {
        assert_eq!(login(server.socks(), name, password), [1, 1]);
    }
    let short = users_file("n", "p");
    let server = Daemon::start_with(POLICY, with_users(&short));
    assert_eq!(login(server.socks(), b"n", b"p"), [1, 0]);
}

#[test]
fn row_39_an_unknown_user_and_a_wrong_password_get_the_same_reply() {
    let users = users_file("alice", "correct horse");
    let server = Daemon::start_with(POLICY, with_users(&users));
    let wrong = login(server.socks(), b"alice", b"wrong");
    let unknown = login(server.socks(), b"nobody-here", b"wrong");
    assert_eq!(wrong, unknown);
    assert_eq!(wrong.len(), 2);
    assert_ne!(wrong[1], 0);
}

#[test]
fn row_40_after_ten_failures_an_address_is_not_even_looked_at() {
    let users = users_file("alice", "correct horse");
    let server = Daemon::start_with(POLICY, |command| {
        with_users(&users)(command);
        command.args(["--set", "auth.failure_delay=off", "--set", "auth.penalty=1h"]);
    });
    wait_for("the penalty", || login_if_let(server.socks(), b"alice", b"wrong").is_none().then_some(()));
    assert!(login_if_let(server.socks(), b"alice", b"correct horse").is_none(), "not even the right one");
    let log = server.log();
    let failures = log.matches("authentication failure from 127.0.0.1 by password for \"alice\"").count();
    assert!((1..=11).contains(&failures), "{failures} attempts were looked at:\n{log}");
    assert!(log.contains("too many failed logins from 127.0.0.1"), "{log}");
}

/// A login, if the server does not turn away before it.
fn login_if_let(proxy: std::net::SocketAddr, user: &[u8], password: &[u8]) -> Option<Vec<u8>> {
    let mut stream = connect(proxy);
    stream.write_all(&[5, 1, 2]).ok()?;
    let mut choice = [0; 2];
    stream.read_exact(&mut choice).ok()?;
    if choice != [5, 2] {
        return None;
    }
    stream.write_all(&credentials(user, password)).ok()?;
    Some(answer(&mut stream))
}

#[test]
fn row_43_the_method_that_a_rule_needs_is_chosen_or_none() {
    let users = users_file("alice", "correct horse");
    let server = Daemon::start_with(
        "policy 1\nsocksmethod: none, password\nsocks pass { user: alice }\n",
        with_users(&users),
    );
    assert_eq!(greet(server.socks(), &[0, 2]).1, 2, "without a name nobody passes");
    assert_eq!(greet(server.socks(), &[2, 0]).1, 2);
    assert_eq!(greet(server.socks(), &[0]).1, 0xff);
    assert_eq!(greet(server.socks(), &[1, 3]).1, 0xff);
}

#[test]
fn methods_are_offered_in_the_order_of_the_policy_and_only_where_they_can_lead_to_a_pass() {
    let users = users_file("alice", "correct horse");
    let both = "socks pass { user: alice }\nsocks pass { from: 127.0.0.0/8 }\n";
    let elsewhere = "socks pass { user: alice  from: 10.0.0.0/8 }\n";
    for (methods, rules, offered, chosen) in [
        ("password, none", both, &[0, 2][..], 2),
        ("none, password", both, &[2, 0], 0),
        ("password, none", both, &[0], 0),
        ("none, password", both, &[2], 2),
        ("password, none", elsewhere, &[0, 2], 0xff),
        ("certificate, password", both, &[0], 0xff),
        ("certificate, password", both, &[0, 2], 2),
    ] {
        let policy = format!("policy 1\nsocksmethod: {methods}\n{rules}");
        let server = Daemon::start_with(&policy, with_users(&users));
        assert_eq!(greet(server.socks(), offered).1, chosen, "{policy}{offered:?}");
    }
}

#[test]
fn a_policy_that_asks_for_users_needs_a_users_file() {
    let dir = tempfile::tempdir().unwrap();
    let policy = dir.path().join("p.policy");
    std::fs::write(&policy, POLICY).unwrap();
    let mut command = crate::support::rustsocks();
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--api", "none", "--store"])
        .arg(dir.path().join("store"));
    let said = crate::support::run(command.arg("--policy").arg(&policy));
    assert_eq!(said.code(), 78, "{}", said.err);
    assert!(said.err.contains("auth.users"), "{}", said.err);
}
