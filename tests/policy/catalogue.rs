//! Every code has a page, a policy that earns it, and one that just does not.

use expect_test::expect_file;
use rustsocks::cli::findings::{Checked, Format, write};
use rustsocks::policy::FileLoader;
use rustsocks_compiler::diagnostic::Diagnostic;
use rustsocks_compiler::lint::{self, Lint, Options};
use rustsocks_compiler::model::{HostFacts, Timestamp};
use rustsocks_compiler::source::{LoadError, Loader};
use rustsocks_compiler::{Loaded, load, promise};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A Wednesday at noon, 2026-01-07.
const NOW: Timestamp = Timestamp(1_767_787_200);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Reads from one folder, so that names in the golden files are short.
struct Folder(PathBuf);

impl Loader for Folder {
    fn read(&self, name: &str) -> Result<Arc<[u8]>, LoadError> {
        FileLoader::default().read(&self.0.join(name).to_string_lossy())
    }

    fn glob(&self, _: &str) -> Result<Vec<String>, LoadError> {
        Ok(Vec::new())
    }
}

fn look(folder: &Path, name: &str) -> (Loaded, Vec<Diagnostic>) {
    let loaded = load(name, &Folder(folder.into()), &HostFacts::default(), None);
    let mut options = Options { now: Some(NOW), list_budget: Some(2), ..Options::default() };
    options.others.extend(loaded.model.iter().flat_map(|model| promise::broken(model)));
    let found = lint::run(&loaded, &options);
    (loaded, found)
}

/// Codes that look at the host, which have a test of their own.
fn needs_a_host(lint: &Lint) -> bool {
    lint.code.0 == "RS0311"
}

#[test]
fn every_code_is_earned_and_just_missed() {
    for lint in lint::ALL {
        let folder = root().join("golden/lint").join(lint.code.0);
        for name in ["earns.policy", "near-miss.policy"] {
            let (loaded, found) = look(&folder, name);
            let earned = found.iter().any(|one| one.code == lint.code);
            let wanted = name == "earns.policy" && !needs_a_host(lint);
            assert_eq!(earned, wanted, "{}: {name}: {found:#?}", lint.code);
            if wanted {
                let text =
                    write(&[Checked { sources: &loaded.sources, found: &found }], Format::Human, false);
                expect_file![folder.join("earns.txt")].assert_eq(&text);
            }
        }
    }
}

#[test]
fn a_policy_that_earns_a_code_earns_few_others() {
    for lint in lint::ALL.iter().filter(|lint| !needs_a_host(lint)) {
        let (_, found) = look(&root().join("golden/lint").join(lint.code.0), "earns.policy");
        let others = found.iter().filter(|one| one.code != lint.code).count();
        assert!(others <= 2, "{}: {found:#?}", lint.code);
    }
}

#[test]
fn the_manual_is_what_the_sources_say() {
    for lint in lint::ALL {
        let path = root().join("docs/diagnostics").join(format!("{}.md", lint.code));
        expect_file![path].assert_eq(&lint::manual_page(lint));
    }
    expect_file![root().join("docs/diagnostics/README.md")].assert_eq(&lint::manual_index());
}

#[test]
fn the_manual_has_no_page_of_a_code_that_is_gone() {
    for folder in ["docs/diagnostics", "golden/lint"] {
        for entry in std::fs::read_dir(root().join(folder)).expect("a folder") {
            let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
            let code = name.trim_end_matches(".md");
            assert!(code == "README" || lint::find(code).is_some(), "{folder}/{name}");
        }
    }
}

#[test]
fn every_page_has_its_parts() {
    for lint in lint::ALL {
        let page = lint::manual_page(lint);
        for part in ["## Why it matters", "## Example", "## Better", "## Fix", "```policy"] {
            assert!(page.contains(part), "{}: no {part}", lint.code);
        }
        assert!(page.starts_with(&format!("# {}: ", lint.code)), "{page}");
    }
}

#[test]
fn codes_of_the_language_are_those_of_the_catalogue() {
    let ours: Vec<&str> = lint::ALL.iter().map(|lint| lint.code.0).collect();
    assert_eq!(rustsocks_compiler::resolve::CODES.to_vec(), ours);
}
