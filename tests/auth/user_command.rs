//! `rustsocks user`: add, passwd, del, list, verify.

use crate::support::{Kept, Said, rustsocks, wait_for};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

/// Runs the command with a line of input.
fn user(file: &Path, args: &[&str], input: &str) -> Said {
    let mut command = rustsocks();
    command.arg("user").args(args).arg("--file").arg(file);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Kept(command.spawn().unwrap());
    // Who needs no input may be gone already.
    let _gone = child.0.stdin.take().unwrap().write_all(input.as_bytes());
    let status = wait_for("the end of the command", || child.0.try_wait().unwrap());
    let (mut out, mut err) = (String::new(), String::new());
    child.0.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.0.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    Said { status, out, err }
}

#[test]
fn users_come_change_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("users");
    let said = user(&file, &["add", "alice"], "correct horse\n");
    assert_eq!(said.code(), 0, "{}", said.err);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("alice:$argon2id$v=19$m=19456,t=2,p=1$"));

    assert_eq!(user(&file, &["verify", "alice"], "correct horse\n").out, "accepted\n");
    let wrong = user(&file, &["verify", "alice"], "wrong\n");
    assert_eq!((wrong.code(), wrong.out.as_str()), (1, "refused\n"));
    let unknown = user(&file, &["verify", "bob"], "correct horse\n");
    assert_eq!((unknown.code(), unknown.out.as_str()), (1, "refused\n"));

    let twice = user(&file, &["add", "alice"], "x\n");
    assert_eq!(twice.code(), 78);
    assert!(twice.err.contains("there is a user `alice` already"), "{}", twice.err);

    let hash = "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2";
    assert_eq!(user(&file, &["add", "bob", "--hash", hash], "").code(), 0);
    assert_eq!(user(&file, &["list"], "").out, "alice  argon2\nbob    bcrypt\n");

    assert_eq!(user(&file, &["passwd", "alice"], "battery staple\n").code(), 0);
    assert_eq!(user(&file, &["verify", "alice"], "correct horse\n").code(), 1);
    assert_eq!(user(&file, &["verify", "alice"], "battery staple\n").code(), 0);

    assert_eq!(user(&file, &["del", "alice"], "").code(), 0);
    assert_eq!(user(&file, &["del", "alice"], "").code(), 78);
    assert_eq!(user(&file, &["list"], "").out, "bob  bcrypt\n");
}

#[test]
fn what_cannot_be_a_user_or_a_password_is_said_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("users");
    let long = "x".repeat(256) + "\n";
    for (args, input, code) in [
        (&["add", "a:b"][..], "x\n", 78),
        (&["add", ""], "x\n", 2),
        (&["add", "a\tb"], "x\n", 2),
        (&["add", "alice"], "\n", 2),
        (&["add", "alice"], long.as_str(), 2),
        (&["add", "alice", "--hash", "plain"], "", 2),
        (&["passwd", "alice"], "x\n", 78),
    ] {
        let said = user(&file, args, input);
        assert_eq!(said.code(), code, "{args:?}: {}", said.err);
        assert!(!file.exists(), "{args:?}");
    }
}

#[test]
fn a_file_that_others_may_read_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("users");
    std::fs::write(&file, "").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let said = user(&file, &["add", "alice"], "x\n");
    assert_eq!(said.code(), 78);
    assert!(said.err.contains("its mode is 0644"), "{}", said.err);
}
