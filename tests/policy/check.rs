//! `rustsocks check`.

use crate::support::{Said, run, rustsocks};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

const OPEN: &str = "socks pass web { from: 10.0.0.0/8  to: .example.com  port: 443 }\n";
const CLEAN: &str = "socks block inside { to: @loopback, @link-local, @metadata }\nsocks pass web { from: 10.0.0.0/8  to: .example.com  port: 443 }\n";

fn written(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.policy");
    fs::write(&file, text).expect("writes");
    (folder, file)
}

fn check(file: &Path, flags: &[&str]) -> Said {
    run(rustsocks().arg("check").args(flags).arg(file))
}

#[test]
fn the_exit_code_says_whether_anything_was_found() {
    let (_folder, clean) = written(CLEAN);
    let said = check(&clean, &[]);
    assert_eq!((said.code(), said.out.as_str()), (0, ""), "{said:?}");
    assert!(said.err.contains("the policy is clean"), "{said:?}");
    let (_folder, open) = written(OPEN);
    let said = check(&open, &[]);
    assert_eq!(said.code(), 1, "{said:?}");
    assert!(said.out.contains("RS0313") && said.err.contains("1 warning"), "{said:?}");
    assert_eq!(check(Path::new("/nowhere/at/all.policy"), &[]).code(), 2);
    assert_eq!(check(&open, &["--no-such-flag"]).code(), 2);
    assert_eq!(check(&open, &["--deny", "RS9999"]).code(), 2);
}

#[test]
fn levels_are_set_on_the_command_line() {
    let (_folder, open) = written(OPEN);
    assert_eq!(check(&open, &["--allow", "RS0313"]).code(), 0);
    let level = |flags: &[&str]| {
        let said = check(&open, &[&["--format", "json"], flags].concat());
        let found: Value = serde_json::from_str(&said.out).expect("is JSON");
        found[0]["level"].as_str().expect("a level").to_owned()
    };
    assert_eq!(level(&[]), "warning");
    assert_eq!(level(&["--deny", "warnings"]), "error");
    assert_eq!(level(&["--deny", "RS0313"]), "error");
}

#[test]
fn a_finding_is_told_to_programs_with_its_place() {
    let (_folder, open) = written(OPEN);
    let said = check(&open, &["--format", "json"]);
    let found: Value = serde_json::from_str(&said.out).expect("is JSON");
    let one = &found[0];
    assert_eq!(one["code"], "RS0313");
    assert_eq!((&one["line"], &one["column"]), (&1.into(), &1.into()));
    assert_eq!((&one["end_line"], &one["end_column"]), (&1.into(), &15.into()));
    for key in ["level", "message", "file", "help", "related", "fix", "witness"] {
        assert!(one.get(key).is_some(), "no {key}: {one}");
    }
    let github = check(&open, &["--format", "github"]);
    assert!(github.out.starts_with("::warning file="), "{github:?}");
    assert!(github.out.contains(",line=1,endLine=1,col=1,endColumn=15,title=RS0313::"), "{github:?}");
}

#[test]
fn sarif_has_the_shape_that_its_schema_asks_for() {
    let (_folder, open) = written(&format!("{OPEN}set unused {{ 10.0.0.0/8, 10.1.0.0/16 }}\n"));
    let said = check(&open, &["--format", "sarif"]);
    let sarif: Value = serde_json::from_str(&said.out).expect("is JSON");
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    assert!(rules.iter().all(|rule| rule["id"].is_string() && rule["shortDescription"]["text"].is_string()));
    let results = run["results"].as_array().expect("results");
    assert!(results.len() >= 3, "{results:#?}");
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().expect("an index")).expect("is small");
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(["error", "warning", "note", "none"].contains(&result["level"].as_str().expect("a level")));
        let place = &result["locations"][0]["physicalLocation"];
        assert!(place["artifactLocation"]["uri"].is_string());
        assert!(place["region"]["startLine"].as_u64().expect("a line") >= 1);
        assert!(place["region"]["startColumn"].as_u64().expect("a column") >= 1);
        for fix in result["fixes"].as_array().into_iter().flatten() {
            let change = &fix["artifactChanges"][0];
            assert!(change["artifactLocation"]["uri"].is_string());
            assert!(change["replacements"][0]["deletedRegion"]["startLine"].is_u64());
        }
    }
}

#[test]
fn standard_input_is_checked_and_fixed() {
    let text = "socks allow  dns { to: 9.9.9.9  port: 53 }\n";
    let feed = |flags: &[&str]| {
        let mut command = rustsocks();
        command
            .arg("check")
            .args(flags)
            .arg("-")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("starts");
        child.stdin.take().expect("is piped").write_all(text.as_bytes()).expect("writes");
        let said = child.wait_with_output().expect("ends");
        (said.status.code(), String::from_utf8_lossy(&said.stdout).into_owned())
    };
    let (code, out) = feed(&[]);
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("RS0503") && out.contains("<stdin>"), "{out}");
    assert_eq!(feed(&["--fix"]), (Some(0), "socks pass dns { to: 9.9.9.9  port: 53 }\n".into()));
    let (_, diff) = feed(&["--diff"]);
    assert!(diff.contains("-socks allow  dns") && diff.contains("+socks pass dns"), "{diff}");
}

#[test]
fn fixes_are_written_to_the_file_and_only_the_safe_ones() {
    let text = "set idle { 10.0.0.0/8 }\nsocks pass dns { to: 9.9.9.9, 9.9.9.0/24  port: 53 }\nsocks pass dns-2 { to: 9.9.9.9  port: 53 }\n";
    let (_folder, file) = written(text);
    let said = check(&file, &["--fix"]);
    assert_eq!(said.code(), 1, "the rule that never decides stays: {said:?}");
    let safe = fs::read_to_string(&file).expect("reads");
    assert_eq!(
        safe,
        "socks pass dns { to: 9.9.9.0/24  port: 53 }\nsocks pass dns-2 { to: 9.9.9.9  port: 53 }\n"
    );
    let said = check(&file, &["--unsafe-fixes"]);
    assert_eq!(said.code(), 0, "{said:?}");
    assert_eq!(fs::read_to_string(&file).expect("reads"), "socks pass dns { to: 9.9.9.0/24  port: 53 }\n");
}

#[test]
fn suppressions_count_where_they_say_why() {
    let reasoned = format!("# rustsocks: allow(RS0313, \"the names are ours\")\n{OPEN}");
    let (_folder, file) = written(&reasoned);
    assert_eq!(check(&file, &[]).code(), 0);
    let (_folder, file) = written(&format!("# rustsocks: allow(RS0313)\n{OPEN}"));
    let said = check(&file, &[]);
    assert!(said.out.contains("RS0313") && said.out.contains("RS0507"), "{said:?}");
    let (_folder, file) = written(&format!("lint allow RS0313 \"the names are ours\"\n{OPEN}"));
    assert_eq!(check(&file, &[]).code(), 0);
}

#[test]
fn pages_are_printed_by_code() {
    let said = run(rustsocks().args(["check", "--explain", "rs0203"]));
    assert_eq!(said.code(), 0);
    assert!(said.out.starts_with("# RS0203: "), "{said:?}");
    let said = run(rustsocks().args(["check", "--explain", "RS0230"]));
    assert_eq!(said.code(), 2);
    let said = run(rustsocks().args(["check", "--explain", "list"]));
    assert!(said.out.lines().count() > 50, "{said:?}");
}

#[test]
fn the_environment_is_asked_only_on_demand() {
    let text = "socksmethod: pam.username(no-such-service-here)\nsocks block inside { to: @loopback, @link-local, @metadata }\nsocks pass web { from: 10.0.0.0/8  user: no-such-user-here  port: 443 }\nsocks pass more { from: 10.0.0.0/8  group: no-such-group-here  port: 443 }\n";
    let (_folder, file) = written(text);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).expect("sets the mode");
    let said = check(&file, &[]);
    assert_eq!(said.code(), 0, "{said:?}");
    let said = check(&file, &["--environment"]);
    assert_eq!(said.code(), 1);
    for part in ["RS0311", "no user `no-such-user-here`", "no group `no-such-group-here`", "no PAM service"] {
        assert!(said.out.contains(part), "no {part}: {said:?}");
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("sets the mode");
    assert!(!check(&file, &["--environment"]).out.contains("RS0311"));
}

#[test]
fn an_include_that_fits_nothing_is_told() {
    let (folder, file) = written(&format!("include \"teams/*.policy\"\n{CLEAN}"));
    let said = check(&file, &[]);
    assert_eq!(said.code(), 1, "{said:?}");
    assert!(said.out.contains("RS0109") && said.out.contains("its folder is not there"), "{said:?}");
    fs::create_dir(folder.path().join("teams")).expect("a folder");
    let said = check(&file, &["--format", "json"]);
    let found: Value = serde_json::from_str(&said.out).expect("is JSON");
    assert_eq!((&found[0]["code"], &found[0]["level"]), (&"RS0109".into(), &"warning".into()));
    fs::write(folder.path().join("teams/a.policy"), "socks block b { to: 10.0.0.2 }\n").expect("writes");
    assert_eq!(check(&file, &[]).code(), 0);
}

#[test]
fn a_line_of_a_megabyte_is_shown_around_the_place() {
    let names: Vec<String> = (0..50_000).map(|at| format!("host-{at}.example.com")).collect();
    let long = format!("socks block a {{ to: {}  prot: 1 }}\n", names.join(", "));
    let (_folder, file) = written(&long);
    let said = check(&file, &[]);
    assert!(said.out.contains("unknown key `prot`") && said.out.contains("…"), "{}", said.out);
    assert!(said.out.len() < 2000, "{} bytes", said.out.len());
    let (_folder, file) = written(&format!("socks block a {{ to: {} }}\n", "w".repeat(1 << 20)));
    for format in ["human", "json", "github"] {
        let said = check(&file, &["--format", format]);
        assert!(said.out.contains("RS0106") && said.out.len() < 2000, "{format}: {} bytes", said.out.len());
    }
}

#[test]
fn what_is_merely_not_formatted_does_not_fail() {
    let (_folder, file) = written("socks   block b { to: 10.0.0.2 }\n");
    let said = check(&file, &[]);
    assert!(said.code() == 0 && said.out.contains("RS0504"), "{said:?}");
    assert_eq!(check(&file, &["--deny", "RS0504"]).code(), 1);
    let formatted = run(rustsocks().args(["fmt", "--check"]).arg(&file));
    assert_eq!(formatted.code(), 1, "{formatted:?}");
}
