//! Every code has a page, a policy that earns it, and one that just does not.

use expect_test::expect_file;
use rustsocks::cli::findings::{Checked, Format, write};
use rustsocks::policy::FileLoader;
use rustsocks_compiler::diagnostic::{Diagnostic, Safety};
use rustsocks_compiler::lint::{self, Grade, Lint, Options};
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

/// The catalogue of the language's design, a group a line: the code, its level (`E` error, `D` denied by
/// default, `W` warning, `I` information, `O` off) and its fix (`s` safe, `u` unsafe, `-` none).
const CATALOGUE: &str = "
    0101E- 0102E- 0103E- 0104E- 0105E- 0106E- 0107Ws 0108E- 0109E- 0110W- 0111E- 0112Ws 0113Es 0114E- 0115Es
    0116E- 0117E- 0118E-
    0201Wu 0202Wu 0203W- 0204Wu 0205W- 0206W- 0207W- 0208Is 0209Ws 0210I- 0211W- 0212W- 0213I- 0214W- 0215W-
    0216W-
    0301W- 0302D- 0303W- 0304W- 0305Wu 0306Wu 0307W- 0308W- 0309W- 0310Wu 0311W- 0312W- 0313W-
    0401E- 0402W- 0403W- 0404I- 0405E-
    0501Ws 0502I- 0503Ws 0504Is 0507Ws
    0601E- 0602E- 0603O-
";

/// RS0304 speaks of rules behind an upstream proxy, which a rule names with `via`. There is no `via` yet, so
/// that nothing can earn the code; this ends when there is one.
fn waits(code: &str) -> bool {
    code == "RS0304" && rustsocks_compiler::resolve::keys::LATER.contains(&"via")
}

#[test]
fn codes_of_the_language_are_those_of_the_catalogue() {
    let grade = |letter: &str| match letter {
        "D" => Grade::Deny,
        "E" => Grade::Error,
        "I" => Grade::Info,
        "O" => Grade::Off,
        _ => Grade::Warning,
    };
    let designed = CATALOGUE.split_whitespace().map(|one| (format!("RS{}", &one[..4]), grade(&one[4..5])));
    let designed: Vec<(String, Grade)> = designed.filter(|(code, _)| !waits(code)).collect();
    let ours: Vec<(String, Grade)> =
        lint::ALL.iter().map(|lint| (lint.code.0.to_owned(), lint.grade)).collect();
    assert_eq!(ours, designed);
    // What a policy may name in `lint` is the same list.
    for (code, _) in &designed {
        let text = format!("lint warn {code}\n");
        let loaded = load("a.policy", &Text(text), &HostFacts::default(), None);
        assert!(loaded.lints.iter().any(|one| one.code.0 == code), "{code}: {:#?}", loaded.diagnostics);
    }
    let loaded = load("a.policy", &Text("lint warn RS0304\n".into()), &HostFacts::default(), None);
    assert_eq!(loaded.lints.is_empty(), waits("RS0304"));
}

/// Where the catalogue has a fix, the policy that earns the code is offered one of that kind.
#[test]
fn fixes_are_those_of_the_catalogue() {
    for one in CATALOGUE.split_whitespace() {
        let wanted = match &one[5..] {
            "s" => Safety::Safe,
            "u" => Safety::Unsafe,
            _ => continue,
        };
        let code = format!("RS{}", &one[..4]);
        let (_, found) = look(&root().join("golden/lint").join(&code), "earns.policy");
        let fixes = found.iter().filter(|found| found.code.0 == code).filter_map(|found| found.fix.as_ref());
        assert!(fixes.map(|fix| fix.safety).any(|safety| safety == wanted), "{code}: {found:#?}");
    }
}

/// One text and nothing else.
struct Text(String);

impl Loader for Text {
    fn read(&self, _: &str) -> Result<Arc<[u8]>, LoadError> {
        Ok(self.0.as_bytes().into())
    }

    fn glob(&self, _: &str) -> Result<Vec<String>, LoadError> {
        Ok(Vec::new())
    }
}
