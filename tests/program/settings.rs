//! `rustsocks settings`: precedence, provenance, and what a wrong setting is told.

use crate::support::{Said, run, rustsocks};
use std::process::Command;

fn settings(change: impl FnOnce(&mut Command)) -> Said {
    let mut command = rustsocks();
    command.arg("settings");
    change(&mut command);
    run(&mut command)
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::Builder::new().suffix(".ron").tempfile().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn value(json: &str, path: &str) -> (serde_json::Value, String) {
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    let entry = &json[path];
    (entry["value"].clone(), entry["origin"].as_str().unwrap().to_string())
}

#[test]
fn flags_beat_the_environment_beats_the_file_beats_the_default() {
    let file = file(r#"(timeouts: (handshake: "1s", connect: "1s", idle: "1s"))"#);
    let said = settings(|command| {
        command.arg("--json").arg("--settings").arg(file.path());
        command.args(["--set", "timeouts.handshake=3s"]);
        command.env("RUSTSOCKS_TIMEOUTS_HANDSHAKE", "2s").env("RUSTSOCKS_TIMEOUTS_CONNECT", "2s");
    });
    assert_eq!(said.code(), 0, "{said:?}");
    assert_eq!(value(&said.out, "timeouts.handshake"), ("3s".into(), "--set".into()));
    assert_eq!(value(&said.out, "timeouts.connect"), ("2s".into(), "RUSTSOCKS_TIMEOUTS_CONNECT".into()));
    assert_eq!(value(&said.out, "timeouts.idle"), ("1s".into(), "file".into()));
    assert_eq!(value(&said.out, "timeouts.half_open"), ("10m".into(), "default".into()));
}

#[test]
fn every_setting_can_be_said_in_the_environment_and_comes_out_as_it_went_in() {
    let first = settings(|command| {
        command.arg("--json");
    });
    let json: serde_json::Value = serde_json::from_str(&first.out).unwrap();
    let entries = json.as_object().unwrap();
    assert!(entries.len() > 50);
    let again = settings(|command| {
        command.arg("--json");
        for (path, entry) in entries.iter().filter(|(path, _)| *path != "listeners") {
            let name = format!("RUSTSOCKS_{}", path.replace('.', "_").to_uppercase());
            let value = match &entry["value"] {
                serde_json::Value::String(text) => text.clone(),
                serde_json::Value::Null => "none".into(),
                other => other.to_string(),
            };
            command.env(name, value);
        }
    });
    assert_eq!(again.code(), 0, "{said}", said = again.err);
    let json: serde_json::Value = serde_json::from_str(&again.out).unwrap();
    for (path, entry) in entries.iter().filter(|(path, _)| *path != "listeners") {
        assert_eq!(json[path]["value"], entry["value"], "{path}");
        assert!(json[path]["origin"].as_str().unwrap().starts_with("RUSTSOCKS_"), "{path}");
    }
}

#[test]
fn the_file_of_tokens_may_be_named_as_a_secret() {
    let said = settings(|command| {
        command.arg("--json").env("RUSTSOCKS_API_TOKENS_FILE", "/run/secrets/tokens");
    });
    assert_eq!(
        value(&said.out, "api.tokens"),
        ("/run/secrets/tokens".into(), "RUSTSOCKS_API_TOKENS_FILE".into())
    );
}

#[test]
fn special_flags_are_named_as_the_origin() {
    let said = settings(|command| {
        command.args(["--json", "--listen", "[::1]:0", "--listen", "*:9", "--api", "none"]);
        command
            .args(["--policy", "x.policy", "--store", "records"])
            .env("RUSTSOCKS_API_LISTEN", "127.0.0.1:1");
    });
    let (listeners, origin) = value(&said.out, "listeners");
    assert_eq!(
        (&*origin, &listeners[0]["name"], &listeners[1]["name"]),
        ("--listen", &"main".into(), &"main2".into())
    );
    assert_eq!(listeners[1]["address"], "[::]:9");
    assert_eq!(value(&said.out, "api.listen"), ("none".into(), "--api".into()));
    assert_eq!(value(&said.out, "policy.path"), ("x.policy".into(), "--policy".into()));
    assert_eq!(value(&said.out, "store.dir"), ("records".into(), "--store".into()));
}

#[test]
fn variables_may_be_called_as_the_flags_are() {
    let all = |command: &mut Command| {
        command.arg("--json").env("RUSTSOCKS_LISTEN", "127.0.0.1:0, [::1]:7").env("RUSTSOCKS_API", "none");
        command.env("RUSTSOCKS_POLICY", "x.policy").env("RUSTSOCKS_STORE", "records");
        command.env("RUSTSOCKS_ALLOW_OPEN", "true").env("RUSTSOCKS_API_LISTEN", "127.0.0.1:1");
    };
    let said = settings(all);
    let (listeners, origin) = value(&said.out, "listeners");
    assert_eq!((&*origin, &listeners[0]["address"]), ("RUSTSOCKS_LISTEN", &"127.0.0.1:0".into()));
    assert_eq!((&listeners[1]["address"], &listeners[1]["name"]), (&"[::1]:7".into(), &"main2".into()));
    assert_eq!(value(&said.out, "api.listen"), ("none".into(), "RUSTSOCKS_API".into()));
    assert_eq!(value(&said.out, "policy.path"), ("x.policy".into(), "RUSTSOCKS_POLICY".into()));
    assert_eq!(value(&said.out, "policy.allow_open"), (true.into(), "RUSTSOCKS_ALLOW_OPEN".into()));
    assert_eq!(value(&said.out, "store.dir"), ("records".into(), "RUSTSOCKS_STORE".into()));
    let said = settings(|command| {
        all(command);
        command.args(["--store", "other", "--set", "listeners=127.0.0.1:9"]);
    });
    assert_eq!(value(&said.out, "store.dir"), ("other".into(), "--store".into()));
    assert_eq!(value(&said.out, "listeners").0[0]["address"], "127.0.0.1:9");
    let said = settings(|command| {
        command.env("RUSTSOCKS_LISTEN", "here");
    });
    assert_eq!(said.code(), 78);
    assert!(said.err.contains("`RUSTSOCKS_LISTEN`: `here` is not an address to listen on"), "{said:?}");
}

#[test]
fn what_kubernetes_says_of_a_service_is_not_taken_for_a_setting() {
    let said = settings(|command| {
        command
            .arg("--changed")
            .env("RUSTSOCKS_SERVICE_HOST", "10.0.0.1")
            .env("RUSTSOCKS_PORT", "tcp://10.0.0.1:1");
        command.env("RUSTSOCKS_PORT_1080_TCP_ADDR", "10.0.0.1").env("RUSTSOCKS_SERVICE_PORT_SOCKS", "1080");
    });
    assert_eq!((said.code(), &*said.out), (0, ""), "{said:?}");
}

#[test]
fn a_wrong_setting_is_told_in_one_sentence_with_the_remedy() {
    let key = file("(\n  timeouts: (\n    handshak: \"5s\",\n  ),\n)");
    let variant = file("(log: (format: jason))");
    let text = file("(timeouts: (handshake: \"5 parsecs\"))");
    let broken = file("(timeouts: (");
    let cases: [(&[&str], &str, i32); 9] = [
        (
            &["--settings", key.path().to_str().unwrap()],
            ":3:5: there is no setting `handshak` here; did you mean `handshake`?",
            78,
        ),
        (
            &["--settings", variant.path().to_str().unwrap()],
            "`jason` is no value of this setting; did you mean `json`?",
            78,
        ),
        (&["--settings", text.path().to_str().unwrap()], "`5 parsecs` is not a length of time such as", 78),
        (&["--settings", broken.path().to_str().unwrap()], ":1:12: ", 78),
        (&["--settings", "/nowhere/x.ron"], "cannot read the settings file `/nowhere/x.ron`", 78),
        (&["--set", "limits.conections=5"], "did you mean `limits.connections`?", 78),
        (&["--set", "limits.connections=0"], "0 would serve nobody; give at least 1", 78),
        (&["--set", "limits"], "write NAME=VALUE", 2),
        (&["--lisen", "x"], "--listen", 2),
    ];
    for (arguments, words, code) in cases {
        let said = settings(|command| {
            command.args(arguments);
        });
        assert_eq!((said.code(), &*said.out), (code, ""), "{arguments:?} {said:?}");
        assert!(said.err.contains(words), "{arguments:?} {said:?}");
        assert!(code == 2 || said.err.lines().count() == 1, "{said:?}");
    }
    let said = settings(|command| {
        command.env("RUSTSOCKS_API_LISTN", "none");
    });
    assert_eq!(said.code(), 78);
    assert!(said.err.contains("did you mean `RUSTSOCKS_API_LISTEN`?"), "{said:?}");
}

#[test]
fn a_list_and_what_would_serve_nobody_are_told_in_words() {
    for (set, words) in [
        ("resolver.servers=1.2.3.4", ["192.0.2.53:53", "commas"]),
        ("timeouts.handshake=0s", ["`timeouts.handshake`", "1ms"]),
        ("listeners=[(name: \"main\", protocols: [])]", ["speaks no protocol", "`socks5`"]),
    ] {
        let said = settings(|command| {
            command.args(["--set", set]);
        });
        assert_eq!(said.code(), 78, "{said:?}");
        for word in words {
            assert!(said.err.contains(word), "{set}: no {word} in {said:?}");
        }
    }
    let said = settings(|command| {
        command.args(["--changed", "--set", "resolver.servers=1.2.3.4:53, [2001:db8::1]:53"]);
    });
    assert!(said.code() == 0 && said.out.contains("2001:db8::1"), "{said:?}");
}
