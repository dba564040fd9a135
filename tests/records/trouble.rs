//! A store in trouble: the proxy goes on, says so, and comes back.

use super::support::{Daemon, Target, command, run, tunnel, wait_for};
use super::{POLICY, busy, closed, recorded};

/// A server again, in the folder of one that is gone.
fn again(dir: tempfile::TempDir) -> Daemon {
    let policy = dir.path().join("test.policy");
    Daemon::launch(dir, |command| {
        command.arg("--policy").arg(policy).args(["--listen", "127.0.0.1:0"]);
    })
}

fn limit_files(daemon: &Daemon, bytes: &str) {
    let pid = daemon.pid().to_string();
    let said = run(command("prlimit").args([&format!("--fsize={bytes}"), "--pid", &pid]));
    assert_eq!(said.code(), 0, "prlimit: {}", said.err);
}

#[test]
fn row_48_store_trouble_full_disk() {
    let daemon = Daemon::start(POLICY);
    let echo = Target::echo("127.0.0.1:0");
    closed(&daemon, echo);
    recorded(&daemon, 1);
    limit_files(&daemon, "1:unlimited");
    // It keeps proxying, and says what is wrong.
    wait_for("the failure to show", || {
        closed(&daemon, echo);
        let health = daemon.json("/health");
        let reasons = health["reasons"].to_string();
        (health["status"] == "degraded" && reasons.contains("the store cannot be written")).then_some(())
    });
    assert!(daemon.get("/metrics").1.contains("rustsocks_store_up 0"));
    closed(&daemon, echo);
    limit_files(&daemon, "unlimited:unlimited");
    wait_for("the store to come back", || (daemon.json("/health")["status"] == "ok").then_some(()));
    let before = recorded(&daemon, 3).len();
    closed(&daemon, echo);
    recorded(&daemon, before + 1);
    assert!(daemon.get("/metrics").1.contains("rustsocks_store_up 1"));
}

#[test]
fn row_48_store_trouble_kill() {
    let (daemon, live) = busy();
    let known: Vec<_> = recorded(&daemon, 2).iter().map(|session| session["id"].clone()).collect();
    let open = daemon.json("/api/sessions/active")["sessions"][0]["id"].clone();
    // The mark of a session under way is written with the next batch.
    let echo = Target::echo("127.0.0.1:0");
    closed(&daemon, echo);
    recorded(&daemon, 3);
    let dir = daemon.into_dir();
    drop(live);
    let daemon = again(dir);
    for id in known {
        assert_eq!(daemon.get(&format!("/api/sessions/{}", id.as_str().expect("an id"))).0, 200);
    }
    let session = daemon.json(&format!("/api/sessions/{}", open.as_str().expect("an id")));
    assert_eq!(session["status"], "interrupted");
    assert_eq!(session["close_reason"], "server_died");
    closed(&daemon, echo);
}

#[test]
fn row_48_store_trouble_damage() {
    let (mut daemon, live) = busy();
    drop(live);
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    daemon.wait();
    let dir = daemon.into_dir();
    let store = dir.path().join("store");
    for entry in std::fs::read_dir(&store).expect("readable") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "redb") {
            std::fs::write(&path, vec![0x55; 50_000]).expect("writable");
        }
    }
    let daemon = again(dir);
    let health = daemon.json("/health");
    assert!(health["reasons"].to_string().contains("set aside"), "{health}");
    let echo = Target::echo("127.0.0.1:0");
    closed(&daemon, echo);
    recorded(&daemon, 1);
    assert!(tunnel(daemon.socks(), echo.address).is_ok());
}
