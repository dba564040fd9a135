//! What the tests of the language share.
#![allow(dead_code, reason = "each test binary uses a part")]

use rustsocks_compiler::diagnostic::{Diagnostic, Label};
use rustsocks_compiler::load::{Loaded, load};
use rustsocks_compiler::model::HostFacts;
use rustsocks_compiler::source::{LoadError, Loader, Sources};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).to_owned()
}

/// A folder of the repository.
pub fn folder(name: &str) -> PathBuf {
    root().join(name)
}

/// A text of the repository.
pub fn read(name: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "a test reads what the compiler may not")]
    let text = std::fs::read_to_string(folder(name));
    text.unwrap_or_else(|reason| unreachable!("{name}: {reason}"))
}

/// The bytes of a file.
pub fn bytes(path: &Path) -> Vec<u8> {
    #[expect(clippy::disallowed_methods, reason = "a test reads what the compiler may not")]
    let bytes = std::fs::read(path);
    bytes.unwrap_or_else(|reason| unreachable!("{}: {reason}", path.display()))
}

/// The files of a folder and all below it with that extension, sorted.
pub fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        #[expect(clippy::disallowed_methods, reason = "a test reads what the compiler may not")]
        let entries = std::fs::read_dir(&folder);
        for entry in entries.into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|one| one == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Texts that need not be UTF-8, by name.
struct Bytes(BTreeMap<String, Vec<u8>>);

impl Loader for Bytes {
    fn read(&self, name: &str) -> Result<Arc<[u8]>, LoadError> {
        self.0.get(name).map(|bytes| bytes.as_slice().into()).ok_or(LoadError::Missing)
    }

    fn glob(&self, _: &str) -> Result<Vec<String>, LoadError> {
        Ok(self.0.keys().cloned().collect())
    }
}

/// Loads the first of some files.
pub fn load_bytes(files: &[(&str, Vec<u8>)]) -> Loaded {
    let map = files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.clone())).collect();
    let root = files.first().map_or("test.policy", |&(name, _)| name);
    load(root, &Bytes(map), &HostFacts::default(), None)
}

/// Loads one text.
pub fn load_text(text: &str) -> Loaded {
    load_files(&[("test.policy", text)])
}

/// Loads the first of some texts.
pub fn load_files(files: &[(&str, &str)]) -> Loaded {
    let map: BTreeMap<String, String> =
        files.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect();
    let root = files.first().map_or("test.policy", |&(name, _)| name);
    load(root, &map, &HostFacts::default(), None)
}

/// Findings as plain text.
pub fn render(loaded: &Loaded) -> String {
    let mut text = String::new();
    for one in &loaded.diagnostics {
        render_one(&mut text, &loaded.sources, one);
    }
    text
}

fn render_one(text: &mut String, sources: &Sources, one: &Diagnostic) {
    let Diagnostic { code, level, message, primary, related, help, fix, .. } = one;
    let _ = writeln!(text, "{level} {code}: {message}");
    label(text, sources, primary, "^");
    for other in related {
        label(text, sources, other, "-");
    }
    if let Some(help) = help {
        let _ = writeln!(text, "  help: {}", help.replace('\n', "\n        "));
    }
    if let Some(fix) = fix {
        let _ = writeln!(text, "  fix ({:?}): {}", fix.safety, fix.title);
        for edit in &fix.edits {
            let old = sources.text(edit.span).escape_debug();
            let _ = writeln!(text, "    {} `{old}` -> `{}`", sources.place(edit.span), edit.text);
        }
    }
    text.push('\n');
}

fn label(text: &mut String, sources: &Sources, label: &Label, mark: &str) {
    let place = sources.place(label.span);
    let end = sources.end_place(label.span);
    let line = sources
        .file(label.span.file)
        .and_then(|file| file.text().lines().nth(place.line as usize - 1).map(str::to_owned))
        .unwrap_or_default();
    let width = if end.line == place.line { (end.column - place.column).max(1) } else { 3 };
    let line: String = line.chars().take(160).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let _ = writeln!(text, "  {place}");
    let _ = writeln!(text, "    | {line}");
    let marks = mark.repeat((width as usize).min(160));
    let _ = writeln!(text, "    | {}{marks} {}", " ".repeat(place.column as usize - 1), label.text);
}
