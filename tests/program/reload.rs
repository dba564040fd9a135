//! The policy is hot: a save, a signal or a request puts another in force, whole or not at all.

use crate::support::{Daemon, Target, tunnel, wait_for};
use nix::sys::signal::Signal;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;

const PASS: &str = "policy 1\nsocks pass open { to: any }\n";
const PASS_TOO: &str = "policy 1\nsocks pass wide-open { to: any }\n";
const BLOCK: &str = "policy 1\nsocks block shut { to: any }\n";
const BROKEN: &str = "policy 1\nsocks pass open { to: \n";

fn in_force(daemon: &Daemon) -> String {
    daemon.json("/health")["policy"].as_str().unwrap().to_string()
}

/// Waits until another policy than that is in force.
#[track_caller]
fn another(daemon: &Daemon, before: &str) {
    wait_for(&format!("another policy; the log: {}", daemon.log()), || {
        (in_force(daemon) != before).then_some(())
    });
}

fn passes(daemon: &Daemon, target: SocketAddr) -> bool {
    tunnel(daemon.socks(), target).is_ok()
}

fn rename_over(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(beside, path).unwrap();
}

#[test]
fn a_save_in_place_and_a_save_by_rename_take_effect_and_a_tunnel_survives() {
    let echo = Target::echo("127.0.0.1:0");
    let daemon = Daemon::start(PASS);
    let mut stream = tunnel(daemon.socks(), echo.address).unwrap();
    let first = in_force(&daemon);
    std::fs::write(daemon.policy(), PASS_TOO).unwrap();
    another(&daemon, &first);
    let second = in_force(&daemon);
    rename_over(&daemon.policy(), PASS);
    another(&daemon, &second);
    assert_eq!(in_force(&daemon), first);
    stream.write_all(b"alive").unwrap();
    let mut back = [0; 5];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"alive");
}

#[test]
fn what_does_not_compile_changes_nothing_and_shows() {
    let echo = Target::echo("127.0.0.1:0");
    let daemon = Daemon::start(PASS);
    let mut stream = tunnel(daemon.socks(), echo.address).unwrap();
    let first = in_force(&daemon);
    let unkept = "policy 1\nsocks pass open { to: any }\nnever pass { to: @loopback }\n";
    for (count, text) in (1..).zip([BROKEN, "", "\u{0}\u{1}garbage", "policy 99\n", unkept]) {
        std::fs::write(daemon.policy(), text).unwrap();
        wait_for(&format!("the rejection of {text:?}"), || {
            (daemon.log().matches("is rejected").count() >= count).then_some(())
        });
        assert_eq!(in_force(&daemon), first, "{text:?}");
        assert!(passes(&daemon, echo.address), "{text:?}");
        let health = daemon.json("/health");
        assert_eq!(health["status"], "degraded", "{health}");
        assert!(health["reasons"].to_string().contains("policy"), "{health}");
    }
    stream.write_all(b"alive").unwrap();
    stream.read_exact(&mut [0; 5]).unwrap();
    std::fs::write(daemon.policy(), BLOCK).unwrap();
    another(&daemon, &first);
    assert_eq!(daemon.json("/health")["status"], "ok");
    assert!(!passes(&daemon, echo.address));
}

#[test]
fn a_session_that_the_new_policy_blocks_is_ended() {
    let echo = Target::echo("127.0.0.1:0");
    let daemon = Daemon::start(PASS);
    let mut stream = tunnel(daemon.socks(), echo.address).unwrap();
    std::fs::write(daemon.policy(), BLOCK).unwrap();
    let mut rest = Vec::new();
    // Its end comes as an end or as a reset.
    let _either = stream.read_to_end(&mut rest);
    assert!(rest.is_empty());
    wait_for("the record", || daemon.log().contains("blocked_by_reload").then_some(()));
}

#[test]
fn without_watching_a_signal_and_a_request_reload() {
    let daemon = Daemon::start_with(PASS, |command| {
        command.args(["--set", "policy.watch=false"]);
    });
    let first = in_force(&daemon);
    std::fs::write(daemon.policy(), PASS_TOO).unwrap();
    daemon.signal(Signal::SIGHUP);
    another(&daemon, &first);
    let second = in_force(&daemon);
    std::fs::write(daemon.policy(), BROKEN).unwrap();
    let (status, body) = daemon.post("/api/policy/reload");
    assert!(status >= 400 && body.contains("RS01"), "{status} {body}");
    assert_eq!(in_force(&daemon), second);
    std::fs::write(daemon.policy(), PASS).unwrap();
    let (status, body) = daemon.post("/api/policy/reload");
    assert_eq!((status, body.contains(&first)), (200, true), "{body}");
}

#[test]
fn a_symbolic_link_that_is_set_anew_is_followed() {
    // As Kubernetes mounts a ConfigMap: x.policy -> ..data/x.policy, ..data -> ..2026_1.
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("mount");
    for (folder, text) in [("..1", PASS), ("..2", BLOCK)] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
        std::fs::write(root.join(folder).join("x.policy"), text).unwrap();
    }
    std::os::unix::fs::symlink("..1", root.join("..data")).unwrap();
    std::os::unix::fs::symlink("..data/x.policy", root.join("x.policy")).unwrap();
    let daemon = Daemon::launch(tempfile::tempdir().unwrap(), |command| {
        command.args(["--listen", "127.0.0.1:0", "--policy"]).arg(root.join("x.policy"));
    });
    let first = in_force(&daemon);
    std::os::unix::fs::symlink("..2", root.join("..new")).unwrap();
    std::fs::rename(root.join("..new"), root.join("..data")).unwrap();
    another(&daemon, &first);
}

#[test]
fn a_folder_that_is_replaced_an_include_and_a_list_are_followed() {
    let dir = tempfile::tempdir().unwrap();
    let make = |folder: &Path, text: &str| {
        std::fs::create_dir_all(folder.join("teams")).unwrap();
        let root = "policy 1\ninclude \"teams/*.policy\"\nset feed from \"feed.txt\"\nsocks block bad { to: @feed }\n";
        std::fs::write(folder.join("main.policy"), root).unwrap();
        std::fs::write(folder.join("feed.txt"), "192.0.2.1\n").unwrap();
        std::fs::write(folder.join("teams/a.policy"), text).unwrap();
    };
    let here = dir.path().join("policy");
    make(&here, "socks pass a { to: any }\n");
    let daemon = Daemon::launch(tempfile::tempdir().unwrap(), |command| {
        command.args(["--listen", "127.0.0.1:0", "--policy"]).arg(here.join("main.policy"));
    });
    let steps: [&dyn Fn(); 4] = [
        &|| std::fs::write(here.join("feed.txt"), "192.0.2.1\n192.0.2.2\n").unwrap(),
        &|| std::fs::write(here.join("teams/b.policy"), "socks pass b { to: any }\n").unwrap(),
        &|| {
            make(&dir.path().join("next"), "socks pass c { to: any }\n");
            std::fs::rename(&here, dir.path().join("old")).unwrap();
            std::fs::rename(dir.path().join("next"), &here).unwrap();
        },
        &|| std::fs::write(here.join("teams/a.policy"), "socks pass d { to: any }\n").unwrap(),
    ];
    for (at, step) in steps.iter().enumerate() {
        let before = in_force(&daemon);
        step();
        wait_for(&format!("step {at}; the log: {}", daemon.log()), || {
            (in_force(&daemon) != before).then_some(())
        });
        // Quiet again: a step must not be taken for the next one's effect.
        wait_for("a settled log", || {
            let log = daemon.log();
            (log.matches("is rejected").count() == 0 || log.trim_end().lines().last()?.contains("in force"))
                .then_some(())
        });
    }
}

/// The watcher told the log of each event, at the level `trace`; with the log in the folder of the policy
/// each line was an event, and so for ever.
#[test]
fn what_is_written_beside_the_policy_is_not_logged() {
    let daemon = Daemon::start_with(PASS, |command| {
        command.args(["--set", "log.level=trace"]);
    });
    for line in 0..10 {
        std::fs::write(daemon.dir().join("a.log"), format!("{line}\n")).unwrap();
    }
    let before = in_force(&daemon);
    std::fs::write(daemon.policy(), PASS_TOO).unwrap();
    another(&daemon, &before);
    assert!(!daemon.log().contains("inotify"), "{}", daemon.log());
    assert!(daemon.log().contains("another policy is in force"), "{}", daemon.log());
}
