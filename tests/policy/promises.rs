//! `rustsocks test`.

use crate::support::{Said, run, rustsocks};
use expect_test::expect_file;
use serde_json::Value;
use std::path::Path;

/// One rule that no test decides, one case that fails by verdict, one by rule, one broken promise.
const POLICY: &str = r#"socks block inside { to: @private, @loopback, @link-local, @metadata }
socks pass dns { from: 10.0.0.0/8  to: 9.9.9.9  port: 53 }
socks pass web { from: 10.0.0.0/8  to: .example.com  port: 443 }
socks pass idle { from: 10.0.0.0/8  to: 9.9.9.10  port: 53 }

test "the resolver" {
    pass dns { from: 10.1.2.3  to: 9.9.9.9  port: 53 }
}
test "what is wrong" {
    pass dns { from: 10.1.2.3  to: 9.9.9.9  port: 853 }
    pass dns { from: 10.1.2.3  to: www.example.com  port: 443 }
}
never pass { to: 9.9.9.9 }
never pass { to: @loopback }
"#;

fn test(text: &str, flags: &[&str]) -> Said {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.policy"), text).expect("writes");
    run(rustsocks().current_dir(folder.path()).arg("test").args(flags).arg("a.policy"))
}

fn golden(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/check").join(name)
}

#[test]
fn what_fails_is_shown_with_its_conditions() {
    let said = test(POLICY, &["--coverage"]);
    assert_eq!(said.code(), 1, "{said:?}");
    expect_file![golden("test.txt")].assert_eq(&said.out);
}

#[test]
fn results_are_told_to_programs() {
    let said = test(POLICY, &["--format", "json"]);
    let all: Value = serde_json::from_str(&said.out).expect("is JSON");
    let one = &all[0];
    assert_eq!(one["passed"], false);
    let passed: Vec<bool> =
        one["cases"].as_array().expect("cases").iter().map(|case| case["passed"] == true).collect();
    assert_eq!(passed, [true, false, false]);
    assert_eq!(one["promises"][0]["state"], "broken");
    assert!(one["promises"][0]["witness"].as_str().expect("a request").contains("9.9.9.9"));
    assert_eq!(one["uncovered"], serde_json::json!(["inside", "idle"]));
}

#[test]
fn results_are_told_to_build_servers() {
    let said = test(POLICY, &["--format", "junit"]);
    assert_eq!(said.code(), 1);
    expect_file![golden("test.xml")].assert_eq(&said.out);
}

#[test]
fn a_policy_that_cannot_be_read_has_no_tests() {
    let said = test("socks pass web { to .example.com }\n", &[]);
    assert_eq!(said.code(), 1);
    assert!(said.err.contains("RS0101"), "{said:?}");
}
