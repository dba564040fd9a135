//! One golden pair for each finding of parser and resolver.

mod support;

use expect_test::expect_file;
use std::collections::BTreeSet;
use std::path::PathBuf;
use support::{bytes, folder, load_bytes, render};

/// The policies of `golden/diagnostics`, by name.
fn cases() -> Vec<PathBuf> {
    let mut cases = support::files(&folder("golden/diagnostics"), "policy");
    cases.sort();
    cases
}

#[test]
fn findings_read_as_the_golden_files_say() {
    for case in cases() {
        let name = case.file_name().expect("a name").to_string_lossy().into_owned();
        let broken = b"192.0.2.0/24\nnot an address!\n300.1.2.3\nok.example.com\n".to_vec();
        let loaded = load_bytes(&[(&name, bytes(&case)), ("lists/broken.txt", broken)]);
        expect_file![case.with_extension("txt")].assert_eq(&render(&loaded));
    }
}

#[test]
fn a_policy_with_an_error_has_no_model() {
    for case in cases() {
        let loaded = load_bytes(&[("case.policy", bytes(&case))]);
        assert_eq!(loaded.model.is_none(), loaded.has_errors(), "{}", case.display());
    }
}

#[test]
fn every_code_of_the_front_end_has_a_golden_file() {
    let found: BTreeSet<String> = cases()
        .iter()
        .flat_map(|case| {
            let text = String::from_utf8_lossy(&bytes(&case.with_extension("txt"))).into_owned();
            text.lines()
                .filter_map(|line| line.split_once(" RS01"))
                .filter(|(level, _)| matches!(*level, "error" | "warning"))
                .map(|(_, rest)| format!("RS01{}", &rest[..2]))
                .collect::<Vec<_>>()
        })
        .collect();
    let all: BTreeSet<String> = (1..=18).map(|number| format!("RS01{number:02}")).collect();
    assert_eq!(found, all);
}
