//! The API: what it answers, and that its description says so.

use super::support::{Daemon, http, wait_for};
use super::{POLICY, busy, recorded};
use expect_test::expect_file;
use std::io::Read;

#[test]
fn the_description_is_golden() {
    let text = serde_json::to_string_pretty(&rustsocks::api::document()).expect("plain data") + "\n";
    expect_file!["../../golden/openapi.json"].assert_eq(&text);
}

#[test]
fn every_operation_of_the_description_is_served_and_answers_as_described() {
    let (daemon, _live) = busy();
    let document = daemon.json("/openapi.json");
    let paths = document["paths"].as_object().expect("paths");
    assert!(paths.len() >= 12);
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().expect("operations") {
            // A stream has no end; it has a test of its own.
            if path == "/api/events" {
                continue;
            }
            let known = recorded(&daemon, 2)[0]["id"].as_str().expect("an id").to_owned();
            let digest = daemon.json("/api/policy")["digest"].as_str().expect("a digest").to_owned();
            let real = path.replace("{id}", &known).replace("{user}", "alice").replace("{digest}", &digest);
            let api = daemon.api.expect("an API");
            let (status, body) = http(api, &method.to_uppercase(), &real);
            assert!(
                !body.contains("nothing at this path") && status != 405,
                "{method} {path}: {status} {body}"
            );
            let described = operation["responses"].as_object().expect("responses");
            let extra = matches!(status, 411 | 415);
            assert!(extra || described.contains_key(&status.to_string()), "{method} {path}: {status}");
        }
    }
}

#[test]
fn a_session_is_seen_while_it_lasts_and_ends_when_it_is_told_to() {
    let (daemon, mut live) = busy();
    let active = daemon.json("/api/sessions/active");
    assert_eq!(active["total"], 1);
    let id = active["sessions"][0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(daemon.json(&format!("/api/sessions/{id}"))["status"], "active");
    let api = daemon.api.expect("an API");
    assert_eq!(http(api, "DELETE", &format!("/api/sessions/{id}")).0, 204);
    let mut rest = Vec::new();
    // It may be cut off or closed: it ends.
    let _ended = live.read_to_end(&mut rest);
    let record = wait_for("its record", || {
        let session = daemon.json(&format!("/api/sessions/{id}"));
        (session["status"] == "closed").then_some(session)
    });
    assert_eq!(record["close_reason"], "killed");
    assert_eq!(record["rule"], "local");
    assert_eq!(http(api, "DELETE", &format!("/api/sessions/{id}")).0, 404);
}

#[test]
fn history_is_filtered_and_paged() {
    let (daemon, _live) = busy();
    let blocked = daemon.json("/api/sessions/history?status=blocked&dest_ip=10.0.0.0/8&rule=inside&hours=1");
    assert_eq!(blocked["sessions"].as_array().expect("a list").len(), 1);
    assert_eq!(blocked["sessions"][0]["close_reason"], "blocked_request");
    assert_eq!(blocked["sessions"][0]["rule_place"].as_str().expect("a place").rsplit(':').next(), Some("2"));
    let first = daemon.json("/api/sessions/history?limit=1");
    let cursor = first["next_cursor"].as_str().expect("there is more");
    let second = daemon.json(&format!("/api/sessions/history?limit=1&cursor={cursor}"));
    assert_ne!(first["sessions"][0]["id"], second["sessions"][0]["id"]);
    assert!(second["next_cursor"].is_null());
    let nobody = daemon.json("/api/users/nobody/sessions");
    assert!(nobody["sessions"].as_array().expect("a list").is_empty());
}

#[test]
fn statistics_sum_up_what_is_on_record() {
    let (daemon, _live) = busy();
    // Two days hold what has just ended, whatever the time of day.
    let stats = daemon.json("/api/sessions/stats?hours=48");
    assert_eq!(stats["active_sessions"], 1);
    assert_eq!(stats["total"]["sessions"], 2);
    assert_eq!(stats["total"]["bytes_sent"], 4);
    assert_eq!(stats["acl_stats"]["allowed"], 1);
    assert_eq!(stats["acl_stats"]["blocked"], 1);
    assert_eq!(stats["top_blocked_rules"][0]["name"], "inside");
    assert!(stats["total_sessions_today"].is_u64());
}

#[test]
fn the_policy_shows_its_rules_with_their_hits_and_its_revisions() {
    let (daemon, _live) = busy();
    let policy = daemon.json("/api/policy");
    let rule = |name: &str| {
        let rules = policy["rules"].as_array().expect("rules");
        rules.iter().find(|rule| rule["rule"] == name).expect("the rule").clone()
    };
    assert_eq!(rule("inside")["blocked"], 1);
    assert_eq!(rule("local")["passed"], 1);
    let digest = policy["digest"].as_str().expect("a digest");
    let revision = wait_for("the revision", || {
        let (status, body) = daemon.get(&format!("/api/policy/{digest}"));
        (status == 200).then_some(body)
    });
    assert!(revision.contains("socks block inside"));
}

#[test]
fn a_reload_takes_effect_or_says_why_not() {
    let daemon = Daemon::start(POLICY);
    let before = daemon.json("/api/policy")["digest"].clone();
    std::fs::write(daemon.policy(), "policy 1\nsocks pass {").expect("writable");
    let (status, body) = daemon.post("/api/policy/reload");
    assert_eq!(status, 422, "{body}");
    assert_eq!(daemon.json("/api/policy")["digest"], before);
    assert_eq!(daemon.json("/health")["status"], "degraded");
    std::fs::write(daemon.policy(), POLICY.replace("inside", "within")).expect("writable");
    assert_eq!(daemon.post("/api/policy/reload").0, 200);
    assert_ne!(daemon.json("/api/policy")["digest"], before);
    assert_eq!(daemon.json("/health")["status"], "ok");
}

#[test]
fn mistakes_are_problem_documents() {
    let daemon = Daemon::start(POLICY);
    for (path, status) in
        [("/nothing", 404), ("/api/sessions/history?hours=1e9", 400), ("/api/sessions/x", 404)]
    {
        let (got, body) = daemon.get(path);
        assert_eq!(got, status, "{path}");
        let problem: serde_json::Value = serde_json::from_str(&body).expect("is JSON");
        assert_eq!(problem["status"], status);
        assert!(!problem["detail"].as_str().expect("a detail").is_empty());
    }
}

#[test]
fn the_page_is_served_with_everything_in_it() {
    let daemon = Daemon::start(POLICY);
    let (status, page) = daemon.get("/");
    assert_eq!(status, 200);
    assert!(page.contains("<title>rustsocks</title>"));
    assert!(!page.contains("src=") && !page.contains("https://"), "it loads nothing from elsewhere");
}
