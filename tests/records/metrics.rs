//! What Prometheus reads: names, types, and that strangers cannot make it grow.

use super::support::{Daemon, Kept, command, connect, wait_for};
use super::{POLICY, busy};
use expect_test::expect_file;
use rustsocks::metrics::Metrics;
use rustsocks::session::{Sessions, Sink};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::process::Stdio;
use std::sync::Arc;

#[test]
fn names_and_types_are_golden_and_promtool_finds_nothing() {
    let (daemon, _live) = busy();
    let (status, text) = daemon.get("/metrics");
    assert_eq!(status, 200);
    let kinds: BTreeSet<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let kinds: Vec<&str> = kinds.into_iter().collect();
    expect_file!["../../golden/metrics"].assert_eq(&(kinds.join("\n") + "\n"));
    promtool(&["check", "metrics"], Some(&text));
}

/// What never becomes a session was counted and shown to nobody.
#[test]
fn connections_that_are_turned_away_and_datagrams_that_are_dropped_are_counted() {
    let daemon = Daemon::start_with(POLICY, |command| {
        command.args(["--set", "limits.handshakes_per_client=1"]);
    });
    let count = |series: &str| {
        let (_, text) = daemon.get("/metrics");
        let line =
            text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')).map(str::to_owned);
        line.unwrap_or_else(|| panic!("no {series} in {text}"))
    };
    assert_eq!(count("rustsocks_accept_errors_total"), "0");
    let shed = r#"rustsocks_connections_shed_total{reason="limits"}"#;
    assert_eq!(count(shed), "0");
    let mut client = connect(daemon.socks());
    let _other = connect(daemon.socks());
    wait_for("a connection too many", || (count(shed) == "1").then_some(()));
    client.write_all(&[5, 1, 0, 5, 3, 0, 1, 0, 0, 0, 0, 0, 0]).expect("is sent");
    let mut reply = [0; 12];
    client.read_exact(&mut reply).expect("an association");
    let relay = SocketAddr::from(([127, 0, 0, 1], u16::from_be_bytes([reply[10], reply[11]])));
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    wait_for("a datagram that is none", || {
        socket.send_to(b"garbage", relay).expect("is sent");
        (count(r#"rustsocks_udp_datagrams_dropped_total{reason="malformed"}"#) != "0").then_some(())
    });
}

/// Runs promtool, which the package `prometheus` brings; it must find nothing.
pub fn promtool(arguments: &[&str], input: Option<&str>) {
    let mut child = command("promtool");
    child.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child =
        Kept(child.spawn().expect("promtool is missing: install the Debian package `prometheus`"));
    let mut stdin = child.0.stdin.take().expect("is piped");
    if let Some(input) = input {
        stdin.write_all(input.as_bytes()).expect("is read");
    }
    drop(stdin);
    let (out, err) = (child.0.stdout.take().expect("is piped"), child.0.stderr.take().expect("is piped"));
    let text = std::io::read_to_string(out).expect("reads") + &std::io::read_to_string(err).expect("reads");
    let status = wait_for("the end of promtool", || child.0.try_wait().expect("is a child"));
    assert_ne!(status.code(), Some(127), "promtool is missing: install the Debian package `prometheus`");
    assert!(status.success(), "promtool {arguments:?}: {text}");
}

#[test]
fn row_45_metrics_cardinality() {
    // 100,000 user names and as many hosts through the very sinks of the server.
    let metrics = Arc::new(Metrics::new(10).expect("it is made"));
    let sessions = Sessions::new(vec![metrics.clone() as Arc<dyn Sink>]);
    let policy = Arc::new(rustsocks::policy::LivePolicy::new(compiled(POLICY)));
    let series = || {
        let sources = rustsocks::metrics::Sources { sessions: &sessions, store: None, policy: &policy };
        let text = metrics.scrape(sources).expect("is written");
        text.lines().filter(|line| !line.starts_with('#')).count()
    };
    let send = |from: u64, to: u64| {
        for number in from..to {
            let mut record = super::crash::record(number);
            record.user = Some(format!("user-{number}").into());
            record.requested =
                Some(rustsocks::session::Endpoint { host: format!("h{number}.example").into(), port: 443 });
            sessions.finish(record);
        }
    };
    send(0, 1_000);
    let before = series();
    send(1_000, 100_000);
    assert_eq!(series(), before);
}

fn compiled(text: &str) -> Arc<rustsocks_compiler::Policy> {
    let texts = std::collections::BTreeMap::from([("test.policy".to_owned(), text.to_owned())]);
    let host = rustsocks_compiler::model::HostFacts::default();
    let loaded = rustsocks_compiler::load::load("test.policy", &texts, &host, None);
    Arc::new(loaded.policy().expect("it has no errors"))
}
