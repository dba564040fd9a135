//! The load tool, against a server that it is told of and one that it starts.

use crate::support::{Daemon, command, run};
use std::path::{Path, PathBuf};

fn tool() -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_rustsocks")).parent().unwrap();
    let tool = folder.join("examples/load-test");
    assert!(tool.exists(), "the load tool is not built: run `cargo build --example load-test`");
    tool
}

fn load_test(arguments: &[&str]) -> serde_json::Value {
    let said = run(command(tool()).args(arguments).arg("--json"));
    assert_eq!(said.code(), 0, "{said:?}");
    serde_json::from_str(&said.out).unwrap()
}

#[test]
fn the_load_tool_loads_a_server_that_it_is_told_of() {
    let daemon = Daemon::start("policy 1\nsocks pass load { to: @loopback }\n");
    let (proxy, pid) = (daemon.socks().to_string(), daemon.pid().to_string());
    let here = ["--proxy", &proxy, "--pid", &pid];
    let hold = load_test(&[&here[..], &["-n", "60", "--rounds", "2"]].concat());
    assert_eq!(
        (&hold["tunnels_open_at_once"], &hold["round_trip"]["count"]),
        (&60.0.into(), &120.into()),
        "{hold}"
    );
    assert!(hold["server_cpu"].is_number(), "{hold}");
    let counts = hold["round_trip"]["histogram"].as_array().unwrap().iter();
    assert_eq!(counts.map(|bucket| bucket["count"].as_u64().unwrap()).sum::<u64>(), 120, "{hold}");
    let bulk = load_test(
        &[&here[..], &["--mode", "bulk", "-n", "2", "--bytes", "1MiB", "--direction", "both"]].concat(),
    );
    assert_eq!(bulk["streams"], 2.0, "{bulk}");
    let udp = load_test(&[&here[..], &["--mode", "udp", "-n", "1", "--datagrams", "100"]].concat());
    assert!(udp["datagrams_back"].as_f64().unwrap() > 0.0, "{udp}");
}

#[test]
fn the_load_tool_starts_a_server_of_its_own() {
    let churn = load_test(&["--mode", "churn", "-n", "40", "-c", "8", "--rounds", "1"]);
    assert_eq!((&churn["connections"], &churn["set_up"]["count"]), (&40.0.into(), &40.into()), "{churn}");
}

#[test]
fn the_load_tool_compares_servers_that_take_turns() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("test.policy"), "policy 1\nsocks pass load { to: @loopback }\n").unwrap();
    // Commands are split at blanks, and the folder of the program may hold one.
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_rustsocks"), dir.path().join("rustsocks")).unwrap();
    let itself =
        "itself=./rustsocks serve --api none --listen 127.0.0.1:{port} --policy test.policy --store store";
    let mut compare = command(tool());
    compare.args(["--beside", itself, "--only", "latency", "--turns", "2", "--json"]).current_dir(dir.path());
    let said = run(&mut compare);
    assert_eq!(said.code(), 0, "{said:?}");
    let compared: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(compared["servers"], serde_json::json!(["rustsocks", "itself"]), "{compared}");
    for server in ["rustsocks", "itself"] {
        let turns = compared["figures"]["added p50 latency, µs"][server].as_array();
        assert_eq!(turns.map(Vec::len), Some(2), "{server}: {compared}");
    }
}

#[test]
fn a_server_that_does_not_serve_is_not_compared() {
    let said = run(command(tool()).args(["--beside", "gone=false {port}", "--only", "latency"]));
    assert_eq!(said.code(), 1, "{said:?}");
    assert!(said.err.contains("false does not serve on 127.0.0.1"), "{said:?}");
}

/// A server that is not there, or lets nobody in, gave a table of zeros.
#[test]
fn the_load_tool_says_why_nothing_comes_through() {
    let said = |arguments: &[&str]| run(command(tool()).args(["-n", "3", "--rounds", "1"]).args(arguments));
    let dead = std::net::TcpListener::bind("127.88.0.1:0").unwrap().local_addr().unwrap().to_string();
    for mode in ["hold", "churn"] {
        let told = said(&["--proxy", &dead, "--mode", mode, "--json"]);
        assert_eq!(told.code(), 1, "{told:?}");
        let json: serde_json::Value = serde_json::from_str(&told.out).unwrap();
        assert!(json["error"].as_str().unwrap().contains("refused"), "{told:?}");
        assert!(told.err.contains(&dead), "{told:?}");
    }
    for policy in ["policy 1\nclient block all { from: any }\n", "policy 1\ndefault block\n"] {
        let shut = Daemon::start(policy);
        let told = said(&["--proxy", &shut.socks().to_string()]);
        assert!(told.code() == 1 && told.err.contains("its policy blocks"), "{told:?}");
    }
    let told = said(&["--pid", "4194999"]);
    assert!(told.code() == 1 && told.err.contains("4194999") && told.err.contains("`--pid`"), "{told:?}");
}
