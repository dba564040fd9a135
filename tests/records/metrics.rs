//! What Prometheus reads: names, types, and that strangers cannot make it grow.

use super::support::{Kept, command, wait_for};
use super::{POLICY, busy};
use expect_test::expect_file;
use rustsocks::metrics::Metrics;
use rustsocks::session::{Sessions, Sink};
use std::collections::BTreeSet;
use std::io::Write;
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
