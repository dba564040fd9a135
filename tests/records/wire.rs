//! The API as others speak to it: curl, over TLS, with bodies and streams.

use super::support::{Daemon, Kept, Said, Target, command, run, tunnel, wait_for};
use super::{POLICY, busy, closed, recorded};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

fn curl(arguments: &[&str]) -> Said {
    run(command("curl")
        .args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "60"])
        .args(arguments))
}

/// A server whose API speaks TLS with a certificate of its own making, and asks for tokens.
fn over_tls(dir: &Path) -> Daemon {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    let files = [
        ("cert.pem", made.cert.pem()),
        ("key.pem", made.signing_key.serialize_pem()),
        ("tokens", "read:reads-and-nothing-else\nadmin:may-do-everything-here\n".to_owned()),
        ("settings.ron", "(api: (tls: (certificate: \"cert.pem\", key: \"key.pem\")))".to_owned()),
    ];
    for (name, text) in files {
        std::fs::write(dir.join(name), text).expect("writable");
    }
    Daemon::start_with(POLICY, |command| {
        command.current_dir(dir).args(["--settings", "settings.ron", "--set", "api.tokens=tokens"]);
    })
}

#[test]
fn the_api_is_served_over_tls() {
    let dir = tempfile::tempdir().expect("a folder");
    let daemon = over_tls(dir.path());
    let api = daemon.api.expect("an API");
    assert!(daemon.banner.contains("https://"), "{}", daemon.banner);
    let certificate = dir.path().join("cert.pem");
    let certificate = certificate.to_str().expect("a path");
    let ask = |path: &str, more: &[&str]| {
        let url = format!("https://{api}{path}");
        let status = ["--cacert", certificate, "--write-out", "\n%{http_code}", &url];
        let said = curl(&[&status[..], more].concat());
        let (body, status) = said.out.rsplit_once('\n').expect("a status");
        (status.to_owned(), body.to_owned(), said.err.clone())
    };
    let (status, body, err) = ask("/health", &[]);
    assert_eq!(status, "200", "{body} {err}");
    let reload = |token: &str| {
        let header = format!("Authorization: Bearer {token}");
        ask("/api/policy/reload", &["-X", "POST", "-H", &header]).0
    };
    assert_eq!(reload("reads-and-nothing-else"), "403");
    assert_eq!(reload("may-do-everything-here"), "200");
    // Whoever does not know the certificate, or speaks no TLS, hears nothing.
    assert_eq!(curl(&[&format!("https://{api}/health")]).code(), 60);
    assert_ne!(curl(&[&format!("http://{api}/health")]).code(), 0);
    assert_eq!(ask("/health", &[]).0, "200");
}

#[test]
fn an_explanation_is_posted_for() {
    let daemon = Daemon::start(POLICY);
    let url = format!("http://{}/api/explain", daemon.api.expect("an API"));
    let post = |body: &str| {
        let said = curl(&["-H", "Content-Type: application/json", "--data", body, &url]);
        serde_json::from_str::<serde_json::Value>(&said.out).expect("is JSON")
    };
    let blocked = post(r#"{"to": "10.1.2.3:80", "from": "127.0.0.1", "user": "alice"}"#);
    assert_eq!(blocked["verdict"], "block", "{blocked}");
    assert!(blocked.to_string().contains("inside"), "{blocked}");
    let passed = post(r#"{"to": "127.0.0.1:80"}"#);
    assert_eq!(passed["verdict"], "pass", "{passed}");
    let asked = post(
        r#"{"to": "a.test", "port": 81, "addresses": ["127.0.0.1", "10.1.2.3"], "cert": ["a"],
            "clientmethod": "certificate"}"#,
    );
    assert_eq!(asked["addresses"].as_array().map(Vec::len), Some(2), "{asked}");
    assert_eq!(post("{}")["verdict"], "pass", "only the client stage is asked");
    for mistake in [
        r#"{"to": ""}"#,
        r#"{"to": "a:1", "from": "x"}"#,
        r#"{"whom": "a:1"}"#,
        "[]",
        r#"{"to": "x.org", "user": "bob", "method": "none"}"#,
        r#"{"to": "x.org", "method": "password"}"#,
        r#"{"to": "10.1.2.3", "address": "10.1.2.3"}"#,
        r#"{"to": "x.org", "command": "udpassociate", "protocol": "http"}"#,
        r#"{"to": "x.org:1", "port": 2}"#,
    ] {
        let problem = post(mistake);
        assert_eq!(problem["status"], 400, "{mistake}: {problem}");
    }
}

#[test]
fn events_tell_of_starts_ends_blocks_and_reloads() {
    let (daemon, live) = busy();
    drop(live);
    let mut listening = command("curl");
    let url = format!("http://{}/api/events", daemon.api.expect("an API"));
    listening.args(["--silent", "--no-buffer", "--noproxy", "*", &url]);
    let mut listening = Kept(listening.stdout(Stdio::piped()).spawn().expect("starts"));
    let heard = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let (out, into) = (listening.0.stdout.take().expect("is piped"), heard.clone());
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            into.lock().expect("sound").push_str(&(line + "\n"));
        }
    });
    let echo = Target::echo("127.0.0.1:0");
    // It hears only what happens once it listens: things happen until it has heard all of them.
    wait_for("every kind of event", || {
        closed(&daemon, echo);
        assert_eq!(tunnel(daemon.socks(), "10.1.2.3:80".parse().expect("an address")).err(), Some(2));
        assert_eq!(daemon.post("/api/policy/reload").0, 200);
        let heard = heard.lock().expect("sound");
        let has =
            |kind: &str| heard.lines().any(|line| line.strip_prefix("event:").map(str::trim) == Some(kind));
        ["start", "end", "block", "reload"].into_iter().all(has).then_some(())
    });
    drop(listening);
    reader.join().expect("reads");
    for line in heard.lock().expect("sound").lines().filter_map(|line| line.strip_prefix("data:")) {
        assert!(serde_json::from_str::<serde_json::Value>(line.trim()).is_ok(), "{line}");
    }
}

/// tracing's own `target` stood behind the session's, and readers of JSON take the last of two.
#[test]
fn a_line_of_the_log_says_what_the_record_says() {
    let daemon = Daemon::start_with(POLICY, |command| {
        command.args(["--set", "log.format=json"]);
    });
    closed(&daemon, Target::echo("127.0.0.1:0"));
    let record = recorded(&daemon, 1).remove(0);
    let line = wait_for("its line", || {
        let log = daemon.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        lines.into_iter().find(|line| line["id"] == record["id"] && line["status"] == "closed")
    });
    let same = ["close_reason", "client", "listener", "protocol", "command", "requested", "target", "rule"];
    for name in same.into_iter().chain(["method", "bytes_sent", "bytes_received", "rule_place"]) {
        assert_eq!(line[name], record[name], "{name}: {line}");
    }
}
