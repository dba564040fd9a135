//! `password`: logins against a users file, and its reload.

use crate::support::PATIENCE;
use rustsocks::auth::{AuthError, Authenticator};
use rustsocks::settings::sections::Auth;
use rustsocks::settings::value::Span;
use rustsocks_compiler::request::{Method, MethodSpec};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

// Of "correct horse", cheap on purpose.
const BCRYPT: &str = "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2";

fn write(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::rename(&new, path).unwrap();
}

fn authenticator(path: &Path, change: impl FnOnce(&mut Auth)) -> Authenticator {
    let mut settings = Auth { users: Some(path.into()), failure_delay: Span::OFF, ..Auth::default() };
    change(&mut settings);
    Authenticator::new(&settings, None, None).unwrap()
}

async fn login(
    auth: &Authenticator,
    client: &str,
    user: &[u8],
    password: &[u8],
) -> Result<String, AuthError> {
    let spec = MethodSpec { method: Method::Password, service: None };
    let client: IpAddr = client.parse().unwrap();
    let identity = auth.password(&spec, client, user, password).await?;
    Ok(identity.user.unwrap().to_string())
}

#[tokio::test]
async fn a_user_of_the_file_logs_in_and_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("users");
    write(&path, &format!("alice:{BCRYPT}\n"));
    let auth = authenticator(&path, |_| {});
    assert_eq!(login(&auth, "192.0.2.1", b"alice", b"correct horse").await.unwrap(), "alice");
    for (user, password) in [
        (&b"alice"[..], &b"wrong"[..]),
        (b"alice", b""),
        (b"alice", b"correct horse\0"),
        (b"alice\0", b"correct horse"),
        (b"bob", b"correct horse"),
        (b"", b"correct horse"),
    ] {
        assert_eq!(login(&auth, "192.0.2.2", user, password).await, Err(AuthError::Refused), "{user:?}");
    }
}

#[tokio::test]
async fn a_changed_file_takes_effect_and_a_broken_one_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("users");
    write(&path, &format!("alice:{BCRYPT}\n"));
    let auth = authenticator(&path, |settings| {
        settings.failures = 0;
        settings.user_failures = 0;
        settings.remember = Span::minutes(60);
    });
    let stop = CancellationToken::new();
    let (carer, token) = (auth.clone(), stop.clone());
    let care = tokio::spawn(async move { carer.care(token).await });
    assert!(login(&auth, "192.0.2.1", b"alice", b"correct horse").await.is_ok());

    write(&path, &format!("bob:{BCRYPT}\n"));
    let deadline = Instant::now() + PATIENCE;
    while login(&auth, "192.0.2.1", b"bob", b"correct horse").await.is_err() {
        assert!(Instant::now() < deadline, "the new file never takes effect");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let alice = login(&auth, "192.0.2.1", b"alice", b"correct horse").await;
    assert_eq!(alice, Err(AuthError::Refused), "what was remembered goes with the user");

    write(&path, "bob:no hash\n");
    while auth.health().is_ok() {
        assert!(Instant::now() < deadline, "the broken file is never seen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(auth.health().users.unwrap().unwrap_err().starts_with("line 1: "));
    assert!(login(&auth, "192.0.2.1", b"bob", b"correct horse").await.is_ok(), "the last good one stays");
    stop.cancel();
    care.await.unwrap();
}

#[tokio::test]
async fn row_40_brute_force_is_penalised_and_others_are_not_affected() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("users");
    write(&path, &format!("alice:{BCRYPT}\nbob:{BCRYPT}\n"));
    let auth = authenticator(&path, |_| {});
    let eve = "192.0.2.66";
    let mut refused = 0;
    for n in 0..200 {
        match login(&auth, eve, b"bob", format!("guess {n}").as_bytes()).await {
            Err(AuthError::Refused) => refused += 1,
            Err(AuthError::Penalised) => break,
            other => panic!("{other:?}"),
        }
    }
    // One or two more where a loaded machine gave time to pay back.
    assert!((1..=15).contains(&refused), "{refused} guesses were looked at");
    assert!(auth.is_penalised(eve.parse().unwrap()));
    let right = login(&auth, eve, b"bob", b"correct horse").await;
    assert_eq!(right, Err(AuthError::Penalised), "not even the right one is looked at");
    assert!(!auth.is_penalised("192.0.2.1".parse().unwrap()));
    assert!(login(&auth, "192.0.2.1", b"alice", b"correct horse").await.is_ok());
    assert!(login(&auth, "192.0.2.1", b"bob", b"correct horse").await.is_ok());
    assert_eq!(auth.health().shut.0, 1);
}
