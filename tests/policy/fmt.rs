//! `rustsocks fmt`.

use crate::support::{run, rustsocks};
use expect_test::expect_file;
use rustsocks_compiler::format::format;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every policy of a folder and below it.
fn policies(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(policies(&path));
        } else if path.extension().is_some_and(|extension| extension == "policy") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn what_is_formatted_stays_as_it_is() {
    for folder in ["policies", "golden", "examples"] {
        for path in policies(&root().join(folder)) {
            let text = String::from_utf8_lossy(&fs::read(&path).expect("a text")).into_owned();
            if let Ok(once) = format(&text) {
                let twice = format(&once).expect("formats again");
                assert_eq!(once, twice, "{}", path.display());
            }
        }
    }
}

#[test]
fn policies_that_we_ship_are_formatted() {
    for path in policies(&root().join("policies")) {
        let text = fs::read_to_string(&path).expect("a text");
        assert_eq!(format(&text).expect("formats"), text, "{}", path.display());
    }
}

#[test]
fn texts_are_formatted_as_the_golden_files_say() {
    for path in policies(&root().join("golden/fmt")) {
        let text = fs::read_to_string(&path).expect("a text");
        let out = format(&text).unwrap_or_else(|error| panic!("{}: {error:?}", path.display()));
        expect_file![path.with_extension("formatted")].assert_eq(&out);
    }
}

#[test]
fn a_file_is_replaced_with_its_mode_and_a_broken_one_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.policy");
    fs::write(&file, "socks   pass a { to: .example.com }\n").expect("writes");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("sets the mode");

    let check = run(rustsocks().arg("fmt").arg("--check").arg(&file));
    assert_eq!(check.code(), 1, "{check:?}");
    let diff = run(rustsocks().arg("fmt").arg("--diff").arg(&file));
    assert!(diff.out.contains("-socks   pass a") && diff.out.contains("+socks pass a"), "{diff:?}");
    let done = run(rustsocks().arg("fmt").arg(&file));
    assert_eq!(done.code(), 0, "{done:?}");
    assert_eq!(fs::read_to_string(&file).expect("reads"), "socks pass a { to: .example.com }\n");
    assert_eq!(fs::metadata(&file).expect("is there").permissions().mode() & 0o777, 0o640);
    assert_eq!(run(rustsocks().arg("fmt").arg("--check").arg(&file)).code(), 0);

    fs::write(&file, "socks pass a { to .example.com }\n").expect("writes");
    let broken = run(rustsocks().arg("fmt").arg(&file));
    assert_eq!(broken.code(), 1, "{broken:?}");
    assert!(broken.err.contains("RS0101"), "{broken:?}");
    assert_eq!(fs::read_to_string(&file).expect("reads"), "socks pass a { to .example.com }\n");
}

/// What the parser can not read whole is told, and stays as it is: nothing of it is dropped.
#[test]
fn what_cannot_be_read_whole_is_left_alone() {
    for (text, code) in [
        (&b"internal: eth0 port = 1080\nsocks pass a { to: 9.9.9.9 }\n"[..], "RS0116"),
        (b"socks pass a { to: \xff }\n", "RS0101"),
        (b"socks pass a { to: 9.9.9.9; }\n", "RS0101"),
        (b"socks pass a { to: 10.0.0.0 netmask 255.0.0.0 }\n", "RS0116"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.policy");
        fs::write(&file, text).expect("writes");
        let said = run(rustsocks().arg("fmt").arg(&file));
        assert!(said.code() == 1 && said.err.contains(code), "{said:?}");
        assert_eq!(fs::read(&file).expect("reads"), text);
    }
}
