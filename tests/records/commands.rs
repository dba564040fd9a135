//! The session commands, against a running server and against the store it left.

use super::support::{Daemon, Kept, Said, Target, command, run, rustsocks, tunnel, wait_for};
use super::{POLICY, busy, closed, recorded};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

fn ask(store: &Path, arguments: &[&str]) -> Said {
    run(rustsocks().args(arguments).arg("--store").arg(store))
}

fn lines(said: &Said) -> Vec<serde_json::Value> {
    assert_eq!(said.code(), 0, "{}", said.err);
    said.out.lines().map(|line| serde_json::from_str(line).expect("is JSON")).collect()
}

#[test]
fn the_commands_speak_to_the_server_and_read_the_store_when_it_is_down() {
    let (mut daemon, live) = busy();
    let store = daemon.dir().join("store");
    let list = lines(&ask(&store, &["sessions", "list", "--json"]));
    assert_eq!(list.len(), 2);
    let active = lines(&ask(&store, &["sessions", "list", "--active", "--json"]));
    assert_eq!(active.len(), 1);
    let id = active[0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(ask(&store, &["sessions", "kill", &id]).code(), 0);
    recorded(&daemon, 3);
    drop(live);
    let shown = ask(&store, &["sessions", "show", &id]);
    assert!(shown.out.contains("close_reason     killed"), "{}", shown.out);
    let table = ask(&store, &["sessions", "list", "--status", "blocked", "--to", "10.0.0.0/8"]);
    assert!(table.out.contains("blocked_request") && table.out.lines().count() == 2, "{}", table.out);
    let with_port = ask(&store, &["sessions", "list", "--to", "10.1.2.3:80"]);
    assert!(with_port.code() == 2 && with_port.err.contains("leave the port out"), "{}", with_port.err);
    let stats = ask(&store, &["sessions", "stats", "--last", "2d", "--by", "rule"]);
    assert!(stats.out.contains("inside"), "{}", stats.out);
    let top = ask(&store, &["top", "--once", "--json"]);
    let top: serde_json::Value = serde_json::from_str(&top.out).expect("is JSON");
    assert_eq!(top["active"]["total"], 0);
    let page = daemon.dir().join("report.html");
    let report =
        run(rustsocks().args(["report", "--last", "2d", "--html"]).arg(&page).arg("--store").arg(&store));
    assert_eq!(report.code(), 0, "{}", report.err);
    assert!(std::fs::read_to_string(&page).expect("is there").contains("<svg"));

    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    daemon.wait();
    let offline = ask(&store, &["sessions", "list", "--csv"]);
    assert_eq!(offline.out.lines().count(), 4, "{} {}", offline.out, offline.err);
    assert!(offline.err.contains("no server runs here"));
    let file = daemon.dir().join("all.jsonl");
    let export = run(rustsocks()
        .args(["sessions", "export", "--format", "jsonl", "-o"])
        .arg(&file)
        .arg("--store")
        .arg(&store));
    assert_eq!(export.code(), 0, "{}", export.err);
    assert_eq!(std::fs::read_to_string(&file).expect("is there").lines().count(), 3);
    let offline = ask(&store, &["top", "--once", "--json"]);
    let top: serde_json::Value = serde_json::from_str(&offline.out).expect("is JSON");
    assert_eq!(top["stats"]["total"]["sessions"], 3);
    let offline = ask(&store, &["sessions", "stats", "--last", "2d", "--json"]);
    let stats: serde_json::Value = serde_json::from_str(&offline.out).expect("is JSON");
    assert_eq!(stats["total"]["sessions"], 3);
    assert_eq!(ask(&store, &["sessions", "kill", &id]).code(), 69);
}

#[test]
fn without_server_and_store_the_commands_say_so() {
    let dir = tempfile::tempdir().expect("a folder");
    let said = ask(&dir.path().join("none"), &["sessions", "list"]);
    assert_eq!(said.code(), 69);
    assert!(said.err.contains("no server runs here"), "{}", said.err);
    let said = ask(&dir.path().join("none"), &["top", "--once"]);
    assert_eq!(said.code(), 69);
}

#[test]
fn tap_prints_decisions_as_they_are_taken() {
    let daemon = Daemon::start(POLICY);
    let echo = Target::echo("127.0.0.1:0");
    let mut tap = command(env!("CARGO_BIN_EXE_rustsocks"));
    tap.args(["tap", "--json", "--kind", "block,end", "--count", "2", "--store"])
        .arg(daemon.dir().join("store"));
    let mut tap = Kept(tap.stdout(Stdio::piped()).spawn().expect("starts"));
    let out = tap.0.stdout.take().expect("is piped");
    let reader =
        std::thread::spawn(move || BufReader::new(out).lines().map_while(Result::ok).collect::<Vec<_>>());
    // It hears only what happens once it listens: things happen until it has heard enough.
    wait_for("the end of tap", || {
        closed(&daemon, echo);
        let refused = tunnel(daemon.socks(), "10.1.2.3:80".parse().expect("an address"));
        assert_eq!(refused.err(), Some(2));
        tap.0.try_wait().expect("is a child")
    });
    let heard = reader.join().expect("reads");
    assert_eq!(heard.len(), 2, "{heard:?}");
    for line in heard {
        let event: serde_json::Value = serde_json::from_str(&line).expect("is JSON");
        assert!(event["event"] == "block" || event["event"] == "end");
        assert!(event["data"]["id"].is_string());
    }
}

#[test]
fn the_live_screen_shows_sessions_and_ends_by_a_key() {
    let (daemon, live) = busy();
    let size = nix::pty::Winsize { ws_row: 40, ws_col: 140, ws_xpixel: 0, ws_ypixel: 0 };
    let terminal = nix::pty::openpty(Some(&size), None).expect("a terminal");
    let mut top = {
        // Whatever holds an end of the terminal is gone with this block, except the program.
        let slave = terminal.slave;
        let end = || Stdio::from(slave.try_clone().expect("a descriptor"));
        let mut top = rustsocks();
        top.arg("top").arg("--store").arg(daemon.dir().join("store")).env("TERM", "xterm");
        Kept(top.stdin(end()).stdout(end()).stderr(end()).spawn().expect("starts"))
    };
    let mut keys = std::fs::File::from(terminal.master);
    let mut screen = keys.try_clone().expect("a descriptor");
    let (told, shown) = std::sync::mpsc::channel();
    // Reads to the end, or the program would wait for room in the terminal.
    let reader = std::thread::spawn(move || {
        let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
        while let Ok(length @ 1..) = screen.read(&mut buffer) {
            all.extend_from_slice(&buffer[..length]);
            let text = String::from_utf8_lossy(&all);
            if ["under", "bytes", "inside", "10.1.2.3"].iter().all(|word| text.contains(word)) {
                // Whoever listened may have heard it already.
                let _heard = told.send(());
            }
        }
        String::from_utf8_lossy(&all).into_owned()
    });
    let is_shown = shown.recv_timeout(Duration::from_secs(60)).is_ok();
    keys.write_all(b"q").expect("is heard");
    let status = wait_for("the screen to end", || top.0.try_wait().expect("a child"));
    drop((keys, live));
    let screen = reader.join().expect("reads");
    assert!(is_shown, "{screen:?}");
    assert!(status.success(), "{screen:?}");
}
