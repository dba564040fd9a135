//! What strangers try with names and with the API.

use super::support::{Daemon, connect, http, run, rustsocks, wait_for};
use super::{POLICY, recorded};
use std::io::{Read, Write};
use std::net::TcpStream;

/// Asks for a host by name, with any bytes; gives the reply code, if one came.
fn ask_for(daemon: &Daemon, host: &[u8]) -> Option<u8> {
    let mut stream = connect(daemon.socks());
    let mut request = vec![5, 1, 0, 5, 1, 0, 3, u8::try_from(host.len()).expect("short")];
    request.extend_from_slice(host);
    request.extend_from_slice(&[0, 80]);
    stream.write_all(&request).expect("is sent");
    let mut reply = [0; 4];
    stream.read_exact(&mut reply).ok().map(|()| reply[3])
}

#[test]
fn row_44_log_injection() {
    let hosts: [&[u8]; 6] = [
        b"evil\n2026-01-01T00:00:00Z INFO forged",
        b"\x1b[2J\x1b[31mred.example",
        b"quote\",\"status\":\"forged.example",
        b"\xff\xfe\x00nul",
        b"=cmd|' /C calc'!A0",
        &[b'a'; 255],
    ];
    for format in ["text", "json"] {
        let daemon = Daemon::start_with(POLICY, |command| {
            command.args(["--set", &format!("log.format={format}")]);
        });
        for host in hosts {
            assert_ne!(ask_for(&daemon, host), Some(0));
        }
        let sessions = recorded(&daemon, hosts.len());
        assert_eq!(sessions.len(), hosts.len());
        let log = wait_for("the lines of the log", || {
            let log = daemon.log();
            let lines = log.lines().filter(|line| line.contains("close_reason")).count();
            (lines >= hosts.len()).then_some(log)
        });
        assert!(!log.contains('\u{1b}') && !log.contains('\0'), "{log:?}");
        assert!(!log.lines().any(|line| line.starts_with("2026-01-01T00:00:00Z")), "{log}");
        if format == "json" {
            for line in log.lines() {
                let line: serde_json::Value = serde_json::from_str(line).expect("each line is JSON");
                assert_ne!(line["status"], "forged.example");
            }
        }
        let csv =
            run(rustsocks().args(["sessions", "list", "--csv", "--store"]).arg(daemon.dir().join("store")));
        assert_eq!(csv.out.matches("\r\n").count(), hosts.len() + 1, "{}", csv.out);
        assert!(!csv.out.replace("\r\n", "").contains(char::is_control));
        let table = run(rustsocks().args(["sessions", "list", "--store"]).arg(daemon.dir().join("store")));
        assert!(!table.out.contains('\u{1b}'));
        assert!(!daemon.get("/metrics").1.contains('\u{1b}'));
    }
}

/// Sends bytes to the API and gives all that comes back, until it is closed.
fn raw(daemon: &Daemon, bytes: &[u8]) -> String {
    let mut stream = connect(daemon.api.expect("an API"));
    // The server may hang up before it has read everything; its answer is what counts.
    let _cut = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _reset = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> Option<u16> {
    answer.split(' ').nth(1)?.parse().ok()
}

#[test]
fn row_49_api_abuse_requests() {
    let daemon = Daemon::start_with(POLICY, |command| {
        command.args(["--set", "api.rate=0", "--set", "api.header_timeout=1s"]);
    });
    let get = |path: &str, headers: &str| {
        raw(&daemon, format!("GET {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n").as_bytes())
    };
    let local = "Host: localhost\r\n";
    // A head of a megabyte is refused, or its sender is cut off; the server goes on.
    let long = get("/health", &format!("{local}X: {}\r\n", "a".repeat(1 << 20)));
    assert!(matches!(status(&long), Some(431) | None), "{long}");
    let many = get("/health", &format!("{local}{}", "X: y\r\n".repeat(500)));
    assert!(matches!(status(&many), Some(431) | None), "{many}");
    for path in
        ["/api/../metrics/x", "//metrics", "/api/sessions/..%2f..%2fetc", "/%2e%2e/", "/api/sessions/%00"]
    {
        assert!(matches!(status(&get(path, local)), Some(400 | 404)), "{path}");
    }
    for query in [
        "hours=1e9",
        "hours=1000000000",
        "hours=-1",
        "limit=99999999",
        "limit=0",
        "from=x",
        "cursor=../x",
        "a=b",
    ] {
        assert_eq!(status(&get(&format!("/api/sessions/history?{query}"), local)), Some(400), "{query}");
    }
    // Names that were pointed at us, and pages of others.
    assert_eq!(status(&get("/api/policy", "Host: evil.example.com\r\n")), Some(421));
    assert_eq!(status(&get("http://evil.example.com/api/policy", local)), Some(421));
    assert_eq!(status(&get("/api/policy", "")), Some(400));
    let page = get("/api/policy", &format!("{local}Origin: https://evil.example.com\r\n"));
    assert!(!page.to_ascii_lowercase().contains("access-control-allow-origin"), "{page}");
    let post = format!(
        "POST /api/policy/reload HTTP/1.1\r\n{local}Origin: https://evil.example.com\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(status(&raw(&daemon, post.as_bytes())), Some(403));
    // Bodies that are too long, of no length, or no JSON.
    let body = |headers: &str, body: &str| {
        raw(
            &daemon,
            format!("POST /api/explain HTTP/1.1\r\n{local}Connection: close\r\n{headers}\r\n{body}")
                .as_bytes(),
        )
    };
    assert_eq!(
        status(&body("Content-Type: application/json\r\nContent-Length: 99999999\r\n", "")),
        Some(413)
    );
    assert_eq!(
        status(&body("Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")),
        Some(411)
    );
    assert_eq!(status(&body("Content-Type: application/json\r\nContent-Length: 1\r\n", "{")), Some(400));
    assert_eq!(http(daemon.api.expect("an API"), "GET", "/health").0, 200);
}

#[test]
fn row_49_api_abuse_slow_connections() {
    let daemon = Daemon::start_with(POLICY, |command| {
        command.args(["--set", "api.connections=8", "--set", "api.header_timeout=1s", "--set", "api.rate=0"]);
    });
    let api = daemon.api.expect("an API");
    // Twice as many as there are places, silent or in the middle of a head: all are cut off.
    let mut slow: Vec<TcpStream> = (0..16).map(|_| connect(api)).collect();
    for stream in slow.iter_mut().step_by(2) {
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: loc").expect("is sent");
    }
    assert_eq!(http(api, "GET", "/health").0, 200);
    for mut stream in slow {
        let mut rest = Vec::new();
        // Closed or reset: it ends.
        let _ended = stream.read_to_end(&mut rest);
    }
}

#[test]
fn row_49_api_abuse_tokens() {
    let dir = tempfile::tempdir().expect("a folder");
    let tokens = dir.path().join("tokens");
    std::fs::write(&tokens, "read:reads-and-nothing-else\nadmin:may-do-everything-here\n").expect("writable");
    let daemon = Daemon::start_with(POLICY, |command| {
        command.args(["--set", "api.rate=20", "--set", &format!("api.tokens={}", tokens.display())]);
    });
    let ask = |token: &str| {
        let token = format!("Authorization: Bearer {token}\r\n");
        status(&raw(&daemon, format!("POST /api/policy/reload HTTP/1.1\r\nHost: localhost\r\n{token}Content-Length: 0\r\nConnection: close\r\n\r\n").as_bytes()))
    };
    assert_eq!(ask("wrong"), Some(401));
    assert_eq!(ask("reads-and-nothing-else"), Some(403));
    assert_eq!(ask("may-do-everything-here"), Some(200));
    // Guessing is slowed down.
    wait_for("too many requests", || (ask("wrong") == Some(429)).then_some(()));
    // The command line has its own way in.
    let list = run(rustsocks().args(["sessions", "list", "--store"]).arg(daemon.dir().join("store")));
    assert_eq!(list.code(), 0, "{}", list.err);
}
