//! The load tool, against a server that it is told of and one that it starts.

use crate::support::{Daemon, command, run};
use std::path::Path;

fn load_test(arguments: &[&str]) -> serde_json::Value {
    let folder = Path::new(env!("CARGO_BIN_EXE_rustsocks")).parent().unwrap();
    let tool = folder.join("examples/load-test");
    assert!(tool.exists(), "the load tool is not built: run `cargo build --example load-test`");
    let said = run(command(tool).args(arguments).arg("--json"));
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
