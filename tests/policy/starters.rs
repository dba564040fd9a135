//! The policies that we ship are clean, formatted, and keep what they promise.

use crate::support::{run, rustsocks};
use rustsocks::cli::init::Situation;
use std::path::PathBuf;

fn shipped() -> Vec<PathBuf> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "policy"));
    found.sort();
    assert!(found.len() > Situation::ALL.len(), "{found:?}");
    found
}

#[test]
fn what_we_ship_is_clean_formatted_and_keeps_its_promises() {
    for path in shipped() {
        let check = run(rustsocks().args(["check", "--deny", "warnings"]).arg(&path));
        assert_eq!((check.code(), check.out.as_str()), (0, ""), "{}: {check:?}", path.display());
        let format = run(rustsocks().args(["fmt", "--check"]).arg(&path));
        assert_eq!(format.code(), 0, "{}: {format:?}", path.display());
        let test = run(rustsocks().args(["test", "--coverage"]).arg(&path));
        assert_eq!(test.code(), 0, "{}: {test:?}", path.display());
        assert!(!test.out.contains("not decided"), "{}: {}", path.display(), test.out);
    }
}

#[test]
fn init_writes_a_starter_and_never_over_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("new.policy");
    let said = run(rustsocks().args(["init", "office", "-o"]).arg(&file));
    assert_eq!(said.code(), 0, "{said:?}");
    assert_eq!(std::fs::read_to_string(&file).expect("reads"), Situation::Office.policy());
    let again = run(rustsocks().args(["init", "lab", "-o"]).arg(&file));
    assert_eq!(again.code(), 2, "{again:?}");
    assert_eq!(std::fs::read_to_string(&file).expect("reads"), Situation::Office.policy());
    assert_eq!(run(rustsocks().args(["init", "nowhere"])).code(), 2);
    let list = run(rustsocks().arg("init"));
    assert!(list.out.contains("laptop") && list.out.contains("crawler"), "{list:?}");
    let printed = run(rustsocks().args(["init", "lab"]));
    assert_eq!(printed.out, Situation::Lab.policy());
}
