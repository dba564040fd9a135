//! `examples/monitoring`: real Prometheus against a live server, and every expression in it.

use super::busy;
use super::metrics::promtool;
use super::support::{Kept, command, http, wait_for};
use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/monitoring")
}

#[test]
fn the_alerts_hold_their_own_tests() {
    let folder = examples().join("prometheus");
    let path = |name: &str| folder.join(name).to_str().expect("UTF-8").to_owned();
    promtool(&["check", "config", &path("prometheus.yml")], None);
    promtool(&["check", "rules", &path("rules.yml")], None);
    promtool(&["test", "rules", &path("rules.test.yml")], None);
}

/// Every expression of the dashboards and of the alerts, with Grafana's variables filled in.
fn expressions() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let dashboards = std::fs::read_dir(examples().join("grafana/dashboards")).expect("readable");
    for entry in dashboards {
        let text = std::fs::read_to_string(entry.expect("an entry").path()).expect("readable");
        let dashboard: serde_json::Value = serde_json::from_str(&text).expect("is JSON");
        for panel in dashboard["panels"].as_array().expect("panels") {
            for target in panel["targets"].as_array().expect("targets") {
                let text = target["expr"].as_str().expect("an expression");
                let filled = text.replace("$instance", ".*").replace("$__rate_interval", "1m");
                all.insert(filled.replace("$__range", "5m"));
            }
        }
    }
    all
}

/// Prometheus takes no free port by itself: it is given one that was free a moment ago, and another
/// one if somebody was faster.
fn prometheus(config: &Path, data: &Path) -> (Kept, SocketAddr) {
    for _ in 0..10 {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
        let mut child = command("prometheus");
        child
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg(format!("--web.listen-address={free}"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child =
            Kept(child.spawn().expect("prometheus is missing: install the Debian package `prometheus`"));
        let mut err = child.0.stderr.take().expect("is piped");
        // Read to the end, so that it never waits for us.
        let log = std::thread::spawn(move || {
            let mut text = String::new();
            let _cut = std::io::Read::read_to_string(&mut err, &mut text);
            text
        });
        let is_up = wait_for("Prometheus to be ready", || match child.0.try_wait().expect("is a child") {
            Some(_) => Some(false),
            None => {
                let listens = std::net::TcpStream::connect(free).is_ok();
                (listens && http(free, "GET", "/-/ready").0 == 200).then_some(true)
            }
        });
        if is_up {
            return (child, free);
        }
        let text = log.join().expect("reads");
        assert!(
            text.contains("address already in use"),
            "prometheus does not start (package `prometheus`): {text}"
        );
    }
    panic!("no port stays free");
}

#[test]
fn prometheus_scrapes_a_live_server_and_understands_every_expression() {
    let (daemon, _live) = busy();
    let dir = tempfile::tempdir().expect("a folder");
    let text = std::fs::read_to_string(examples().join("prometheus/prometheus.yml")).expect("readable");
    let text = text
        .replace("127.0.0.1:8080", &daemon.api.expect("an API").to_string())
        .replace("15s", "1s")
        .replace("- rules.yml", &format!("- {}", examples().join("prometheus/rules.yml").display()));
    let config = dir.path().join("prometheus.yml");
    std::fs::write(&config, text).expect("writable");
    let (_prometheus, address) = prometheus(&config, &dir.path().join("data"));
    let query = |expression: &str| -> serde_json::Value {
        let encoded: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let (status, body) = http(address, "GET", &format!("/api/v1/query?query={encoded}"));
        assert_eq!(status, 200, "{expression}: {body}");
        serde_json::from_str(&body).expect("is JSON")
    };
    let results = |expression: &str| query(expression)["data"]["result"].as_array().map_or(0, Vec::len);
    wait_for("a scrape", || (results("up{job=\"rustsocks\"} == 1") > 0).then_some(()));
    let all = expressions();
    assert!(all.len() > 30);
    for expression in &all {
        assert_eq!(query(expression)["status"], "success", "{expression}");
    }
    // What has been counted already has data, not only a meaning.
    for name in [
        "rustsocks_active_sessions",
        "rustsocks_acl_decisions_total",
        "process_open_fds",
        "rustsocks_store_up",
    ] {
        assert!(results(name) > 0, "{name}");
    }
    wait_for("two scrapes", || {
        (results("sum(rate(rustsocks_sessions_total{instance=~\".*\"}[1m]))") > 0).then_some(())
    });
    let (_, rules) = http(address, "GET", "/api/v1/rules");
    let rules: serde_json::Value = serde_json::from_str(&rules).expect("is JSON");
    let rules = rules["data"]["groups"][0]["rules"].as_array().expect("rules");
    assert_eq!(rules.len(), 10);
    wait_for("the rules to be evaluated", || {
        let (_, rules) = http(address, "GET", "/api/v1/rules");
        let rules: serde_json::Value = serde_json::from_str(&rules).expect("is JSON");
        let rules = rules["data"]["groups"][0]["rules"].as_array().expect("rules").clone();
        rules.iter().all(|rule| rule["health"] == "ok").then_some(())
    });
    // Every series that an expression names is one that the server has, or gets with an opt-in.
    let (_, text) = daemon.get("/metrics");
    for expression in &all {
        for word in expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            if !word.starts_with("rustsocks_") && !word.starts_with("process_") {
                continue;
            }
            let name = word.trim_end_matches("_bucket");
            let known = text.contains(&format!("# TYPE {name} "));
            assert!(known || name == "rustsocks_user_bytes_total", "{name} in {expression}");
        }
    }
}
