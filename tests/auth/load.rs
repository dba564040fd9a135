//! The load tool as a client that speaks TLS, with and without a certificate of its own.

use crate::authority::{Authority, OPEN};
use crate::support::{Daemon, Said, command, run};
use serde_json::Value;
use std::path::Path;

fn load(server: &Daemon, arguments: &[&str]) -> Said {
    let folder = Path::new(env!("CARGO_BIN_EXE_rustsocks")).parent().unwrap();
    let tool = folder.join("examples/load-test");
    assert!(tool.exists(), "the load tool is not built: run `cargo build --example load-test`");
    run(command(tool).args(["--json", "--tls", "--proxy", &server.socks().to_string()]).args(arguments))
}

#[track_caller]
fn report(said: &Said) -> Value {
    assert_eq!(said.code(), 0, "{said:?}");
    serde_json::from_str(&said.out).unwrap()
}

#[test]
fn the_load_tool_speaks_tls_in_every_mode() {
    let authority = Authority::with_server();
    let server = authority.serve(OPEN, "", |_| {});
    let ca = authority.path("ca.pem");
    let ca = ["--tls-ca", ca.to_str().unwrap()];
    let ask = |more: &[&str]| report(&load(&server, &[&ca, more].concat()));
    let hold = ask(&["-n", "12", "--rounds", "2"]);
    assert_eq!((&hold["tunnels_open_at_once"], &hold["round_trip"]["count"]), (&12.0.into(), &24.into()));
    let churn = ask(&["--mode", "churn", "-n", "12", "-c", "4", "--rounds", "1", "--tls-name", "localhost"]);
    assert_eq!(churn["set_up"]["count"], 12, "{churn}");
    let bulk = ask(&["--mode", "bulk", "-n", "2", "--bytes", "1MiB", "--direction", "both"]);
    assert_eq!(bulk["streams"], 2.0, "{bulk}");
    let udp = ask(&["--mode", "udp", "-n", "1", "--datagrams", "50"]);
    assert!(udp["datagrams_back"].as_f64().unwrap() > 0.0, "{udp}");

    let other = load(&server, &[&ca[..], &["-n", "1", "--tls-name", "other.example"]].concat());
    assert_eq!(other.code(), 1, "a certificate of another name is not taken: {other:?}");
    let stranger = Authority::new();
    let unknown = load(&server, &["-n", "1", "--tls-ca", stranger.path("ca.pem").to_str().unwrap()]);
    assert_eq!(unknown.code(), 1, "nor one of another authority: {unknown:?}");
}

#[test]
fn the_load_tool_shows_a_certificate_where_the_server_asks_for_one() {
    let authority = Authority::with_server();
    authority.sign("alice", "alice", Vec::new());
    let policy = "policy 1\nsocksmethod: certificate\nsocks pass { user: alice }\n";
    let server = authority.serve(policy, ", client_authorities: CA", |_| {});
    let file = |name: &str| authority.path(name).to_str().unwrap().to_owned();
    let (ca, certificate, key) = (file("ca.pem"), file("alice.pem"), file("alice.key"));
    let without = ["--tls-ca", &ca, "-n", "4", "--rounds", "1"];
    let with = [&without[..], &["--tls-cert", &certificate, "--tls-key", &key]].concat();
    let hold = report(&load(&server, &with));
    assert_eq!(hold["tunnels_open_at_once"], 4.0, "{hold}");
    let refused = load(&server, &without);
    assert_eq!(refused.code(), 1, "{refused:?}");
    let report: Value = serde_json::from_str(&refused.out).unwrap();
    assert!(report["error"].as_str().unwrap().contains("no client without a method"), "{report}");
}

#[test]
fn the_load_tool_starts_a_server_that_speaks_tls() {
    let folder = Path::new(env!("CARGO_BIN_EXE_rustsocks")).parent().unwrap();
    let said = run(command(folder.join("examples/load-test"))
        .args(["--json", "--tls", "--mode", "churn", "-n", "8", "-c", "2", "--rounds", "1"]));
    assert_eq!(report(&said)["set_up"]["count"], 8);
}
