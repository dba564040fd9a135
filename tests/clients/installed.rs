//! Where the clients are, and whether their traffic really came through the proxy.

use crate::support::{Daemon, Said, command, run, wait_for};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Everything that these tests ask for, and nothing else.
pub const POLICY: &str = "policy 1\nsocks pass loopback { from: @loopback  to: @loopback }\n";

/// A server with that policy.
pub fn server() -> Daemon {
    Daemon::start(POLICY)
}

/// A program of the system.
#[track_caller]
pub fn client(name: &str) -> Command {
    let found = std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()))
        .unwrap_or(false);
    assert!(found, "the client `{name}` is missing: run `make test`, which installs the test clients");
    command(name)
}

/// A file that `make test` has put into `target/clients`.
#[track_caller]
pub fn fetched(path: &str) -> PathBuf {
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("is in the target folder").join("clients");
    let path = folder.join(path);
    assert!(
        path.exists(),
        "`{}` is missing: run `make test`, which installs the test clients",
        path.display()
    );
    path
}

/// A script that lies beside this file.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// Runs a client, which must succeed, and gives its output.
#[track_caller]
pub fn works(command: &mut Command) -> String {
    let Said { status, out, err } = run(command);
    assert!(status.success(), "{command:?} ended with {status}\n{out}\n{err}");
    out
}

/// Waits for a record of a session to a target by a command; an association has many targets.
#[track_caller]
pub fn came_through(daemon: &Daemon, command: &str, target: Option<SocketAddr>) {
    let port = target.map(|target| format!(":{}", target.port())).unwrap_or_default();
    wait_for(&format!("a `{command}` to `{port}` on record; the log: {}", daemon.log()), || {
        let mut records = daemon.json("/api/sessions/history")["sessions"].as_array()?.clone();
        records.extend(daemon.json("/api/sessions/active")["sessions"].as_array()?.iter().cloned());
        let fits =
            |record: &serde_json::Value| record["command"] == command && record.to_string().contains(&port);
        records.iter().any(fits).then_some(())
    });
}
