//! `rustsocks serve`: the banner, what a bad start is told, and how it stops.

use crate::support::{Daemon, Said, Target, connect, run, rustsocks, tunnel, wait_for};
use expect_test::expect_file;
use nix::sys::signal::Signal;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

const PASS: &str = "policy 1\nsocks pass all { to: any }\n";

#[test]
fn without_a_policy_the_banner_tells_true_facts() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::launch(dir, |command| {
        command.args(["--listen", "127.0.0.1:0", "--listen", "[::1]:0"]);
        command.args(["--set", "privileges.sandbox=off"]);
    });
    let policy = daemon.json("/health")["policy"].as_str().unwrap()[..12].to_string();
    let mut banner = daemon.banner.clone();
    banner = banner.replace(&daemon.dir().display().to_string(), "DIR").replace(&policy, "DIGEST");
    for (at, address) in daemon.listeners.iter().chain(&daemon.api).enumerate() {
        banner = banner.replace(&format!(":{}", address.port()), &format!(":PORT{at}"));
    }
    let confined = banner.lines().find(|line| line.trim_start().starts_with("confined")).unwrap().to_string();
    let size = banner.lines().find_map(|line| line.split_once("1 file, ")).unwrap().1.to_string();
    let banner = banner.replace(&confined, "  confined  HOW").replace(&size, "SIZE");
    expect_file!["../../golden/banner/embedded.txt"].assert_eq(&banner);
}

#[test]
fn the_curl_line_of_the_banner_works_as_pasted() {
    let web = Target::web("127.0.0.1:0", "hello");
    let daemon = Daemon::start(PASS);
    let line = daemon.banner.lines().find(|line| line.trim_start().starts_with("curl ")).unwrap();
    let line = line.replace("https://example.com/", &format!("http://{}/", web.address));
    let said = run(crate::support::command("bash").args(["-c", &format!("{line} -sS")]));
    assert_eq!((said.code(), &*said.out), (0, "hello"), "{line}: {said:?}");
}

fn serve(arguments: &[&str]) -> Said {
    let dir = tempfile::tempdir().unwrap();
    let mut command = rustsocks();
    command.args(["serve", "--api", "none"]).args(arguments);
    if !arguments.contains(&"--store") {
        command.arg("--store").arg(dir.path());
    }
    run(&mut command)
}

#[track_caller]
fn refused(arguments: &[&str], code: i32, words: &[&str]) {
    let said = serve(arguments);
    assert_eq!((said.code(), &*said.out), (code, ""), "{arguments:?}: {said:?}");
    for word in words {
        assert!(said.err.contains(word), "{arguments:?}: no `{word}` in {said:?}");
    }
}

fn file(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_string()
}

#[test]
fn a_bad_start_is_told_the_cause_and_the_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    let plain = file(dir.path(), "plain", "not a folder");
    let password =
        file(dir.path(), "users.policy", "policy 1\nsocksmethod: password\nsocks pass { user: any }\n");
    refused(&["--listen", &taken], 78, &["cannot listen on", &taken, "in use", "`--listen`"]);
    refused(&["--listen", "127.0.0.1:0", "--store", &plain], 78, &["the store", "`--store`"]);
    refused(&["--listen", "127.0.0.1:0", "--set", "log.level=loud=er"], 78, &["`log.level`", "`error`"]);
    refused(&["--listen", "127.0.0.1:0", "--policy", &password], 78, &["`password`", "`auth.users`"]);
    refused(&["--listen", "nonsense"], 2, &["--listen", "127.0.0.1:1080"]);
    refused(&["--nonsense"], 2, &["--nonsense"]);
    refused(&["--listen", "192.0.2.1:0", "--allow-open"], 78, &["192.0.2.1", "an address of this machine"]);
}

#[test]
fn a_policy_that_is_wrong_starts_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let wrong =
        file(dir.path(), "wrong.policy", "policy 1\nsocks pas x { to: any }\nsocks pass y { too: any }\n");
    let empty = file(dir.path(), "empty.policy", "\n");
    refused(&["--policy", &wrong], 78, &["RS0103", "RS0102", "wrong.policy", "nothing is started"]);
    refused(&["--policy", &empty], 78, &["empty"]);
    refused(&["--policy", "/nowhere/x.policy"], 2, &["/nowhere/x.policy"]);
}

#[test]
fn an_open_proxy_is_refused_unless_it_is_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let open = file(dir.path(), "open.policy", PASS);
    let closed =
        file(dir.path(), "closed.policy", "policy 1\nsocksmethod: password\nsocks pass all { user: any }\n");
    let words = ["`main`", "0.0.0.0:0", "show no identity", "`--allow-open`", "`socksmethod:`"];
    refused(&["--listen", "0.0.0.0:0", "--policy", &open], 78, &words);
    // What it takes: a method that names a user, or the word.
    let users = file(dir.path(), "users", "");
    std::fs::set_permissions(&users, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let mut daemons = Vec::new();
    for more in [
        vec!["--policy", &closed, "--set", &format!("auth.users={users}")],
        vec!["--policy", &open, "--allow-open"],
    ] {
        let daemon = Daemon::launch(tempfile::tempdir().unwrap(), |command| {
            command.args(["--listen", "0.0.0.0:0"]).args(&more);
        });
        assert!(daemon.listeners[0].ip().is_unspecified());
        daemons.push(daemon);
    }
}

#[test]
fn what_is_not_needed_any_more_is_given_back_and_all_goes_on() {
    let echo = Target::echo("127.0.0.1:0");
    let mut daemon = Daemon::start_with(PASS, |command| {
        command.args(["--set", "log.level=debug"]);
    });
    let given_back = |times| {
        wait_for("what is given back", || {
            (daemon.log().matches("is not needed any more is given back").count() >= times).then_some(())
        });
    };
    // What runs now, and what ran before: the road, the API, the compiler, the end.
    for round in 1..=3 {
        given_back(round);
        let mut stream = tunnel(daemon.socks(), echo.address).unwrap();
        stream.write_all(b"still here").unwrap();
        let mut back = [0; 10];
        stream.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"still here");
        assert_eq!(daemon.get("/metrics").0, 200);
        std::fs::write(daemon.policy(), PASS.replace("all", &format!("all{round}"))).unwrap();
        assert_eq!(daemon.post("/api/policy/reload").0, 200, "{}", daemon.log());
    }
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
}

#[test]
fn on_sigterm_tunnels_may_end_by_themselves() {
    let echo = Target::echo("127.0.0.1:0");
    let mut daemon = Daemon::start(PASS);
    let mut stream = tunnel(daemon.socks(), echo.address).unwrap();
    daemon.signal(Signal::SIGTERM);
    wait_for("the end of accepting", || daemon.log().contains("no new connections").then_some(()));
    stream.write_all(b"still here").unwrap();
    let mut back = [0; 10];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"still here");
    drop(stream);
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let echo = Target::echo("127.0.0.1:0");
    let mut daemon = Daemon::start_with(PASS, |command| {
        command.args(["--set", "timeouts.drain=1h"]);
    });
    let mut stream = tunnel(daemon.socks(), echo.address).unwrap();
    daemon.signal(Signal::SIGINT);
    wait_for("the first signal", || daemon.log().contains("stopping").then_some(()));
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
    let mut rest = Vec::new();
    // The tunnel is cut, by an end or by a reset.
    let _either = stream.read_to_end(&mut rest);
    assert!(rest.is_empty());
}

#[test]
fn two_servers_do_not_share_a_store() {
    let first = Daemon::start(PASS);
    let store = first.dir().join("store");
    let policy = first.policy();
    let arguments =
        ["--listen", "127.0.0.1:0", "--store", store.to_str().unwrap(), "--policy", policy.to_str().unwrap()];
    let said = serve(&arguments);
    assert_eq!(said.code(), 78, "{said:?}");
    assert!(said.err.contains("--store"), "{said:?}");
    // The first one lives on.
    assert_eq!(first.get("/health").0, 200);
}

#[test]
fn it_listens_on_a_socket_in_the_file_system_and_cleans_up() {
    let echo = Target::echo("127.0.0.1:0");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socks.sock");
    let mut daemon = Daemon::start_with(PASS, |command| {
        command.arg("--listen").arg(format!("unix:{}", path.display()));
    });
    let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let port = echo.address.port().to_be_bytes();
    stream.write_all(&[5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, port[0], port[1]]).unwrap();
    let mut reply = [0; 4];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(reply, [5, 0, 5, 0]);
    drop(stream);
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait().code(), Some(0));
    assert!(!path.exists() && !daemon.dir().join("store/api.sock").exists());
}

#[test]
fn a_connection_to_our_own_listener_is_refused() {
    let daemon = Daemon::start(PASS);
    for own in [daemon.socks(), daemon.api.unwrap()] {
        assert_eq!(tunnel(daemon.socks(), own).unwrap_err(), 2, "{own}");
    }
    drop(connect(daemon.socks()));
}
