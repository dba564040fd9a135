//! `rustsocks explain`, `diff` and `query`: what they print, and how they end.

use crate::support::{Daemon, Said, run, rustsocks, tunnel, wait_for};
use expect_test::expect_file;
use std::path::{Path, PathBuf};

fn golden(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(folder)
}

fn said(folder: &str, arguments: &[&str]) -> Said {
    run(rustsocks().args(["--color", "never"]).args(arguments).current_dir(golden(folder)))
}

/// Runs a command and compares what it prints with the golden file of that name.
#[track_caller]
fn check(folder: &str, name: &str, code: i32, arguments: &[&str]) {
    let said = said(folder, arguments);
    assert_eq!((said.code(), &*said.err), (code, ""), "{arguments:?}: {said:?}");
    expect_file![golden(folder).join(name)].assert_eq(&said.out);
}

const OFFICE: [&str; 2] = ["--policy", "office.policy"];

fn explain(name: &str, code: i32, arguments: &[&str]) {
    let all: Vec<&str> = ["explain"].iter().chain(&OFFICE).chain(arguments).copied().collect();
    check("explain", name, code, &all);
}

const MONDAY: [&str; 2] = ["--time", "2026-01-05T09:30:00Z"];
const SATURDAY: [&str; 2] = ["--time", "2026-01-10T09:30:00Z"];

#[test]
fn a_block_by_a_list_names_its_line_and_what_would_pass() {
    let ask = ["--user", "bob", "--group", "staff", "--from", "10.1.2.3", "--to", "ads7.tracker.net:443"];
    explain("list.txt", 1, &[&ask[..], &MONDAY].concat());
    explain("list.json", 1, &[&ask[..], &MONDAY, &["--json"]].concat());
}

#[test]
fn a_pass_marks_its_conditions() {
    let ask = ["--user", "alice", "--from", "10.1.2.3", "--to", "wiki.company.com:443"];
    explain("pass.txt", 0, &[&ask[..], &MONDAY, &["--address", "93.184.216.34"]].concat());
}

#[test]
fn each_address_of_a_name_is_judged() {
    let ask = ["--user", "alice", "--from", "10.1.2.3", "--to", "wiki.company.com"];
    let both = ["--address", "93.184.216.34", "--address", "10.20.0.5"];
    explain("addresses.txt", 0, &[&ask[..], &MONDAY, &both].concat());
    explain("offline.txt", 1, &[&ask[..], &MONDAY, &["--offline"]].concat());
}

#[test]
fn the_default_and_the_client_stage_are_explained() {
    explain(
        "default.txt",
        1,
        &[&["--user", "alice", "--from", "10.1.1.1", "--to", "8.8.8.8:443"][..], &SATURDAY].concat(),
    );
    explain("client.txt", 1, &[&["--from", "10.66.2.3", "--to", "8.8.8.8:443"][..], &SATURDAY].concat());
    explain("inside.txt", 1, &[&["--from", "10.1.1.1", "--to", "10.20.0.7:22"][..], &SATURDAY].concat());
    let developer =
        ["--user", "alice", "--group", "developers", "--from", "10.1.1.1", "--to", "10.20.0.7:22"];
    explain("excepted.txt", 0, &[&developer[..], &SATURDAY].concat());
}

#[test]
fn a_word_that_cannot_be_read_is_named_with_how_it_is_written() {
    for (arguments, word) in [
        (["--to", "a..b"], "`a..b` is no host"),
        (["--from", "10.1"], "`10.1` is no address"),
        (["--command", "fetch"], "`fetch` is no command"),
        (["--time", "noon"], "`noon` is no time"),
        (["--policy", "none.policy"], "there is no policy `none.policy`"),
    ] {
        let said = said("explain", &[&["explain"], &arguments[..]].concat());
        assert_eq!(said.code(), 2, "{said:?}");
        assert!(said.err.contains(word) && said.out.is_empty(), "{word}: {said:?}");
    }
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    for (flags, why) in [
        (&["--to", "8.8.8.8:53", "--port", "54"][..], "say one of them"),
        (&["--to", "8.8.8.8", "--address", "1.1.1.1"], "is no name"),
        (&["--to", "a.com", "--proxyprotocol", "socks4", "--command", "udpassociate"], "has no datagrams"),
        (&["--to", "a.com", "--proxyprotocol", "http", "--command", "bind"], "HTTP only `connect`"),
        (&["--to", "a.com", "--user", "alice", "--method", "none"], "tells no user"),
        (&["--to", "a.com", "--method", "password"], "say `--user` as well"),
        (&["--to", "a.com", "--user", "alice", "--group", "oncall"], "is a group of the policy"),
    ] {
        let said = said("explain", &[&["explain", "--offline"], &OFFICE[..], flags].concat());
        assert!(said.code() == 2 && said.err.contains(why) && said.out.is_empty(), "{flags:?}: {said:?}");
    }
    for (flags, why) in [(&["--last", "0"][..], "0 is not in"), (&["notanid"], "is no id of a session")] {
        let said = said("explain", &[&["explain"], flags].concat());
        assert!(said.code() == 2 && said.err.contains(why) && said.out.is_empty(), "{flags:?}: {said:?}");
    }
    let same = ["explain", "--to", "8.8.8.8:53", "--port", "53", "--policy", "office.policy"];
    assert_eq!(said("explain", &same).code(), 1);
}

#[test]
fn a_listener_of_another_machine_can_be_asked_about() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("a.policy");
    std::fs::write(&policy, "policy 1\nsocks pass { listen: ext }\n").unwrap();
    let policy = policy.to_str().unwrap();
    let ask = |flags: &[&str]| {
        said("explain", &[&["explain", "--policy", policy, "--to", "8.8.8.8"], flags].concat())
    };
    let ext = ask(&["--listen", "ext"]);
    assert_eq!((ext.code(), &*ext.err), (0, ""), "{ext:?}");
    assert_eq!(ask(&[]).code(), 1);
    let unknown = ask(&["--listen", "xet"]);
    assert!(unknown.code() == 1 && unknown.err.contains("have a listener `xet`"), "{unknown:?}");
    assert_eq!(said("diff", &["diff", policy, policy]).code(), 0);
    assert_eq!(said("query", &["query", "--policy", policy, "who can reach 8.8.8.8"]).code(), 0);
}

#[test]
fn what_a_change_changes_is_shown_with_what_is_newly_passed_first() {
    check("diff", "changed.txt", 1, &["diff", "old.policy", "new.policy"]);
    check("diff", "changed.json", 1, &["diff", "old.policy", "new.policy", "--json"]);
}

#[test]
fn a_refactoring_that_changes_nothing_is_proved_so() {
    check("diff", "same.txt", 0, &["diff", "old.policy", "same.policy"]);
    check("diff", "itself.txt", 0, &["diff", "old.policy", "old.policy"]);
}

/// Every witness of a difference shows it when it is pasted into `explain`.
#[test]
fn a_witness_of_a_difference_can_be_pasted() {
    let said_of = |arguments: &[&str]| said("diff", arguments);
    let diff = said_of(&["diff", "old.policy", "new.policy", "--json"]);
    let diff: serde_json::Value = serde_json::from_str(&diff.out).unwrap();
    let differences = diff["differences"].as_array().unwrap();
    assert!(!differences.is_empty());
    for one in differences {
        let words: Vec<&str> = one["witness"].as_str().unwrap().split(' ').collect();
        let explain = |policy| said_of(&[&["explain", "--policy", policy], &words[..]].concat()).code();
        let passes = one["verdict"] == "pass";
        assert_eq!(
            (explain("old.policy"), explain("new.policy")),
            (passes.into(), (!passes).into()),
            "{one}"
        );
    }
}

#[test]
fn who_can_reach_what_is_answered_with_witnesses() {
    let ask = |name, code, question: &[&str]| {
        let policy = ["query", "--policy", "../explain/office.policy"];
        check("query", name, code, &[&policy, question].concat());
    };
    ask("who.txt", 0, &["who can reach 10.20.0.5:22"]);
    ask("what.txt", 0, &["what", "can", "alice", "reach"]);
    ask("nobody.txt", 1, &["can anyone reach @metadata?"]);
    ask("flags.json", 0, &["--user", "dave", "--to", ".company.com", "--json"]);
    // An IPv6 address with a port stands in brackets: it is that address with that port.
    let policy = ["query", "--policy", "../explain/office.policy", "--json"];
    let answer = |question: &[&str]| {
        let said = said("query", &[&policy, question].concat());
        let value: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        (said.code(), value["passes"].clone())
    };
    for (port, inner) in [("22", "2001:db8::1"), ("443", "2606:4700::1111")] {
        let bracketed = answer(&["who can reach", &format!("[{inner}]:{port}")]);
        assert_eq!(bracketed, answer(&["--to", inner, "--port", port]), "{inner}");
    }
    for (question, means) in [
        ("can anyone reach metadata", "to: @metadata  (proved)"),
        ("Who can reach company", "to: @company  through"),
        ("what can anyone reach", "to: any  through"),
        ("What can group staff reach?", "group: staff  through"),
        ("what can group oncall reach", "user: @oncall  through"),
    ] {
        let said = said("query", &["query", "--policy", "../explain/office.policy", question]);
        assert!(said.out.contains(means) && said.err.is_empty(), "{question}: {said:?}");
    }
    let said = said("query", &["query", "why", "not"]);
    assert!(said.code() == 2 && said.err.contains("is no question"), "{said:?}");
    assert!(said.err.contains("`what can WHO reach`"), "{said:?}");
    let said = said_of_set();
    assert!(said.code() == 2 && said.err.contains("cannot be read"), "{said:?}");
}

fn said_of_set() -> Said {
    said("query", &["query", "--policy", "../explain/office.policy", "who can reach @nowhere"])
}

#[test]
fn a_session_on_record_is_explained_by_the_policy_of_then() {
    let daemon = Daemon::start("policy 1\nsocks block here { to: @loopback }\nsocks pass rest { to: any }\n");
    assert_eq!(tunnel(daemon.socks(), "127.0.0.1:9".parse().unwrap()).err(), Some(2));
    let server = daemon.api.map(|api| api.to_string()).expect("has an API");
    let ask = |arguments: &[&str]| {
        run(rustsocks().args(["--color", "never", "explain", "--server", &server]).args(arguments))
    };
    let last = wait_for("the session on record", || {
        Some(ask(&["--last", "--json"])).filter(|said| !said.out.is_empty())
    });
    let value: serde_json::Value = serde_json::from_str(&last.out).unwrap();
    assert_eq!(
        (last.code(), &value["verdict"], &value["by"]["label"]),
        (1, &"block".into(), &"here".into()),
        "{last:?}"
    );
    // Another policy comes into force; that session is still explained by its own.
    std::fs::write(daemon.policy(), "policy 1\nsocks pass all { to: any }\n").unwrap();
    let _reloaded = daemon.post("/api/policy/reload");
    let history = daemon.json("/api/sessions/history");
    let id = history["sessions"][0]["id"].as_str().unwrap().to_owned();
    let said = ask(&[&id]);
    assert!(said.code() == 1 && said.out.contains("BLOCK  by `here`"), "{said:?}");
    let missing = ask(&["01890000-0000-7000-8000-000000000000"]);
    assert!(missing.code() == 66 && missing.err.contains("no session"), "{missing:?}");
    let nobody = ask(&["--last", "--user", "nobody-of-that-name"]);
    assert!(nobody.code() == 66 && nobody.err.contains("no blocked session"), "{nobody:?}");
}
