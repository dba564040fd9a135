//! curl through the real binary: every way to name a target, and what the policy says to each.

use crate::support::{Daemon, Said, Target, command, run, rustsocks, wait_for};
use std::net::SocketAddr;

const LOOPBACK: &str = "policy 1\nsocks pass loopback { to: @loopback }\n";

fn curl(proxy: &str, url: &str) -> Said {
    run(command("curl").args(["-sS", "--max-time", "60", "-x", proxy, url]))
}

#[test]
fn a_policy_that_passes_loopback_lets_curl_reach_it_in_every_way() {
    let web4 = Target::web("127.0.0.1:0", "four");
    let web6 = Target::web("[::1]:0", "six");
    let daemon = Daemon::start(LOOPBACK);
    let proxy = daemon.socks();
    let port = |target: SocketAddr| target.port();
    let cases = [
        ("socks5h", format!("http://{}/", web4.address), "four"),
        ("socks5h", format!("http://{}/", web6.address), "six"),
        ("socks5h", format!("http://localhost:{}/", port(web4.address)), "four"),
        ("socks5h", format!("http://localhost:{}/", port(web6.address)), "six"),
        ("socks5", format!("http://{}/", web4.address), "four"),
        ("socks5", format!("http://{}/", web6.address), "six"),
        ("socks5", format!("http://localhost:{}/", port(web4.address)), "four"),
        ("socks4", format!("http://{}/", web4.address), "four"),
        ("socks4a", format!("http://localhost:{}/", port(web4.address)), "four"),
    ];
    for (scheme, url, body) in cases {
        // `socks5` resolves by itself and may try IPv6 first: then it says so and tries the other.
        let said = curl(&format!("{scheme}://{proxy}"), &url);
        assert_eq!((said.code(), &*said.out), (0, body), "{scheme} {url}: {said:?}");
    }
    let said = run(command("curl")
        .args(["-sS", "--proxytunnel", "-x", &format!("http://{proxy}")])
        .arg(format!("http://{}/", web4.address)));
    assert_eq!((said.code(), &*said.out), (0, "four"), "{said:?}");
}

#[test]
fn the_embedded_policy_blocks_loopback_and_the_record_names_the_rule() {
    let web = Target::web("127.0.0.1:0", "secret");
    let daemon = Daemon::launch(tempfile::tempdir().unwrap(), |command| {
        command.args(["--listen", "127.0.0.1:0"]);
    });
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        let url = format!("http://{host}:{}/", web.address.port());
        let said = curl(&format!("socks5h://{}", daemon.socks()), &url);
        assert_eq!((said.code(), &*said.out), (97, ""), "{url}: {said:?}");
        // 2: not allowed by ruleset (RFC 1928 §6).
        assert!(said.err.contains("(2)"), "{said:?}");
    }
    let records = wait_for("five records", || {
        let json = daemon.json("/api/sessions/history?status=blocked");
        let records = json["sessions"].as_array().unwrap().clone();
        (records.len() == 5).then_some(records)
    });
    for record in records {
        assert_eq!(record["rule"], "not-the-internet", "{record}");
        assert!(record["rule_place"].as_str().unwrap().starts_with("default.policy:"), "{record}");
        let id = record["id"].as_str().unwrap();
        let why = run(rustsocks().args(["explain", id, "--store"]).arg(daemon.dir().join("store")));
        assert_eq!(why.code(), 1, "{why:?}");
        assert!(why.out.contains("on record  block by `not-the-internet`  default.policy:"), "{why:?}");
        assert!(why.out.contains("BLOCK  by `not-the-internet`  default.policy:"), "{record}: {why:?}");
    }
}
