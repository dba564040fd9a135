//! The one way in: a name and a loader, out come a policy or the reasons why there is none.
//!
//! A policy with an error is never loaded, in part or in whole: [`Loaded::model`] is `None` then.

use crate::diagnostic::{Code, Diagnostic, Level};
use crate::hash::{HashMap, HashSet};
use crate::list::List;
use crate::model::{HostFacts, Model, SetBody};
use crate::resolve::{self, LintLevel};
use crate::source::{FileId, LoadError, Loader, Sources, Span};
use crate::syntax::ast::{Body, File, Form, StatementKind, Word};
use crate::syntax::{self, Suppression};
use crate::tree::Policy;
use std::sync::Arc;

/// What came of loading a policy.
#[derive(Debug)]
pub struct Loaded {
    /// The resolved policy; `None` if anything is wrong with it.
    pub model: Option<Arc<Model>>,
    /// All texts, the root first. List files are not among them.
    pub sources: Sources,
    /// The trees of the texts; a [`FileId`] is the index here.
    pub files: Vec<File>,
    /// What was found by parser and resolver (RS01xx), by place.
    pub diagnostics: Vec<Diagnostic>,
    /// `lint` statements. Nothing is done with them here.
    pub lints: Vec<LintLevel>,
    /// `# rustsocks: allow(…)` comments. Nothing is done with them here.
    pub suppressions: Vec<Suppression>,
}

impl Loaded {
    /// Compiles the model; `None` where there is none.
    pub fn policy(&self) -> Option<Policy> {
        self.model.clone().map(Policy::compile)
    }

    /// Whether any finding keeps the policy from being loaded.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|one| one.level == Level::Error)
    }
}

/// Loads a policy: the text of that name, all that it includes, and its lists. Lists whose content
/// is that of a list of the `cache` are shared with it.
pub fn load(root: &str, loader: &dyn Loader, host: &HostFacts, cache: Option<&Policy>) -> Loaded {
    load_within(MAX_ENTRIES, root, loader, host, cache)
}

fn load_within(
    max_entries: usize,
    root: &str,
    loader: &dyn Loader,
    host: &HostFacts,
    cache: Option<&Policy>,
) -> Loaded {
    let mut reader = Reader {
        loader,
        max_entries,
        sources: Sources::default(),
        files: Vec::new(),
        found: Vec::new(),
        seen: HashMap::default(),
        open: Vec::new(),
    };
    reader.root(root);
    let lists = reader.lists(&Cache::of(cache));
    let Reader { sources, files, mut found, .. } = reader;
    let suppressions =
        files.iter().flat_map(|file| syntax::suppressions(file, &sources, &mut found)).collect();
    let resolved = resolve::resolve(&files, &sources, host, &lists, &found);
    found.extend(resolved.found);
    for file in &files {
        let text = sources.file(file.id).map(|source| source.text().clone()).unwrap_or_default();
        syntax::characters(file, &text, &mut found);
    }
    found.iter_mut().for_each(Diagnostic::cut);
    if !found.iter().any(|one| one.level == Level::Error) {
        found.extend(crate::compile::too_many_patterns(&resolved.model));
        found.extend(crate::compile::excess(&resolved.model));
    }
    found.sort_by_key(|one| (one.primary.span.file, one.primary.span.start, one.primary.span.end));
    let wrong = found.iter().any(|one| one.level == Level::Error);
    let model = (!wrong).then(|| Arc::new(resolved.model));
    Loaded { model, sources, files, diagnostics: found, lints: resolved.lints, suppressions }
}

struct Reader<'l> {
    loader: &'l dyn Loader,
    /// How many entries a list may have.
    max_entries: usize,
    sources: Sources,
    files: Vec<File>,
    found: Vec<Diagnostic>,
    /// Texts by name; one that is included twice is read once.
    seen: HashMap<String, FileId>,
    /// The files that are being read, outermost first.
    open: Vec<FileId>,
}

impl Reader<'_> {
    fn root(&mut self, name: &str) {
        match self.loader.read(name) {
            Ok(bytes) => {
                let id = self.file(name, &bytes);
                let nothing = self.files.get(id.0 as usize).is_some_and(|file| file.statements.is_empty());
                if nothing && self.found.is_empty() {
                    let span = Span { file: id, start: 0, end: 0 };
                    let empty = Diagnostic::new(Code("RS0101"), Level::Error, span, "the policy is empty")
                        .help("a file that blocks everything says so: `default block`");
                    self.found.push(empty);
                }
            }
            Err(reason) => {
                let file = self.sources.add(name, "");
                let span = Span { file, start: 0, end: 0 };
                self.files.push(syntax::parse(file, "", &mut Vec::new()));
                let message = format!("the policy `{name}` cannot be read: {reason}");
                self.found.push(Diagnostic::new(Code("RS0109"), Level::Error, span, message));
            }
        }
    }

    fn file(&mut self, name: &str, bytes: &[u8]) -> FileId {
        let id = self.sources.add(name, syntax::text_of(bytes));
        self.seen.insert(name.to_owned(), id);
        let text = self.sources.file(id).map(|source| source.text().clone()).unwrap_or_default();
        let mut file = syntax::parse(id, &text, &mut self.found);
        let includes: Vec<(usize, Word)> = (0..)
            .zip(&file.statements)
            .filter_map(|(at, statement)| match &statement.kind {
                StatementKind::Include(include) if include.path.form != Form::Broken => {
                    Some((at, include.path.clone()))
                }
                _ => None,
            })
            .collect();
        // The place of the file is taken before its includes take theirs.
        let placeholder = File { statements: Vec::new(), comments: Vec::new(), ..file };
        self.files.push(placeholder);
        self.open.push(id);
        for (at, path) in includes {
            let files = self.include(name, &path);
            if let Some(statement) = file.statements.get_mut(at)
                && let StatementKind::Include(include) = &mut statement.kind
            {
                include.files = files;
            }
        }
        self.open.pop();
        if let Some(slot) = self.files.get_mut(id.0 as usize) {
            *slot = file;
        }
        id
    }

    fn include(&mut self, from: &str, path: &Word) -> Vec<FileId> {
        let pattern = join(from, &path.text);
        let is_pattern = path.text.contains(['*', '?', '[']);
        let names = if is_pattern {
            match self.loader.glob(&pattern) {
                Ok(names) => {
                    if names.is_empty() {
                        self.nothing_fits(path, "a path is relative to the file that names it; where the folder may be empty: `lint allow RS0109 \"…\"`");
                    }
                    names
                }
                Err(LoadError::Missing) => {
                    self.nothing_fits(
                        path,
                        "its folder is not there; a path is relative to the file that names it",
                    );
                    return Vec::new();
                }
                Err(reason) => {
                    self.unreadable(path, &reason);
                    return Vec::new();
                }
            }
        } else {
            vec![pattern]
        };
        let mut files = Vec::new();
        for name in names {
            if let Some(&id) = self.seen.get(&name) {
                if self.open.contains(&id) && !is_pattern {
                    let message = format!("`{}` includes itself", path.text);
                    let chain: Vec<&str> = self
                        .open
                        .iter()
                        .filter_map(|&id| self.sources.file(id))
                        .map(|file| &**file.name())
                        .collect();
                    let help = format!("the way here: {}", chain.join(" → "));
                    self.found
                        .push(Diagnostic::new(Code("RS0109"), Level::Error, path.span, message).help(help));
                }
                continue;
            }
            if self.open.len() >= MAX_INCLUDE_DEPTH || self.files.len() >= MAX_FILES {
                let message = if self.open.len() >= MAX_INCLUDE_DEPTH {
                    format!("files include each other more than {MAX_INCLUDE_DEPTH} deep")
                } else {
                    format!("the policy has more than {MAX_FILES} files")
                };
                self.found.push(Diagnostic::new(Code("RS0117"), Level::Error, path.span, message));
                return files;
            }
            match self.loader.read(&name) {
                Ok(bytes) => files.push(self.file(&name, &bytes)),
                Err(reason) => self.unreadable(path, &reason),
            }
        }
        files
    }

    /// A pattern may fit nothing yet; but it is not passed over in silence.
    fn nothing_fits(&mut self, path: &Word, help: &str) {
        let message = format!("no file fits `{}`", path.text);
        let found = Diagnostic::new(Code("RS0109"), Level::Warning, path.span, message);
        self.found.push(found.label("nothing is included").help(help));
    }

    fn unreadable(&mut self, path: &Word, reason: &LoadError) {
        let message = format!("`{}` cannot be read: {reason}", path.text);
        let help = "a path is relative to the file that names it";
        self.found.push(Diagnostic::new(Code("RS0109"), Level::Error, path.span, message).help(help));
    }

    /// Reads the lists of all sets, by the place of their path.
    fn lists(&mut self, cache: &Cache) -> HashMap<Span, Arc<List>> {
        let mut wanted: Vec<(String, Word)> = Vec::new();
        for (id, file) in (0..).map(FileId).zip(&self.files) {
            let from = self.sources.file(id).map(|source| source.name().clone()).unwrap_or_default();
            for statement in &file.statements {
                if let StatementKind::Definition(definition) = &statement.kind
                    && let Body::From(path) = &definition.body
                    && definition.kind == syntax::ast::DefinitionKind::Set
                    && path.form != Form::Broken
                {
                    wanted.push((join(&from, &path.text), path.clone()));
                }
            }
        }
        let mut lists = HashMap::default();
        let mut read: HashMap<String, Arc<List>> = HashMap::default();
        let mut told: HashSet<String> = HashSet::default();
        for (name, path) in wanted {
            let list = match read.get(&name) {
                Some(list) => list.clone(),
                None => match self.loader.read(&name) {
                    Ok(bytes) => self.scan(&name, &path, &bytes, cache),
                    Err(reason) => {
                        if told.insert(name) {
                            self.unreadable(&path, &reason);
                        }
                        continue;
                    }
                },
            };
            read.insert(name, list.clone());
            lists.insert(path.span, list);
        }
        lists
    }

    fn scan(&mut self, name: &str, path: &Word, bytes: &[u8], cache: &Cache) -> Arc<List> {
        if let Some(list) = cache.get(name, bytes) {
            return list;
        }
        let scan = List::scan(name, bytes);
        if scan.bad_count > 0 {
            let lines = if scan.bad_count == 1 { "line is no entry" } else { "lines are no entries" };
            let message = format!("{} {lines} of the list `{}`", scan.bad_count, path.text);
            let shown: Vec<String> = scan
                .bad
                .iter()
                .map(|bad| format!("line {}: `{}`", bad.line, bad.text.escape_default()))
                .collect();
            let bad =
                Diagnostic::new(Code("RS0110"), Level::Warning, path.span, message).help(shown.join("\n"));
            self.found.push(bad);
        }
        if scan.list.len() > self.max_entries {
            let message = format!("the list has more than {} entries", self.max_entries);
            self.found.push(Diagnostic::new(Code("RS0117"), Level::Error, path.span, message));
        }
        Arc::new(scan.list)
    }
}

/// Lists of an earlier generation. Only those without a bad line are shared, so that these are
/// reported each time.
struct Cache(HashMap<[u8; 32], Arc<List>>);

impl Cache {
    fn of(policy: Option<&Policy>) -> Self {
        let sets = policy.map(|policy| policy.model().sets.iter()).into_iter().flatten();
        let lists = sets.filter_map(|set| match &set.body {
            SetBody::List(list) => Some((*list.digest(), list.clone())),
            SetBody::Expr(_) => None,
        });
        Self(lists.collect())
    }

    fn get(&self, name: &str, bytes: &[u8]) -> Option<Arc<List>> {
        if self.0.is_empty() {
            return None;
        }
        let list = self.0.get(blake3::hash(bytes).as_bytes())?;
        (**list.path() == *name).then(|| list.clone())
    }
}

/// A path as seen from the file that names it.
fn join(from: &str, path: &str) -> String {
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let whole = match (path.starts_with('/'), from.starts_with('/'), folder) {
        (true, ..) | (_, false, "") => path.to_owned(),
        _ => format!("{folder}/{path}"),
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "." => {}
            ".." if parts.last().is_some_and(|last| !matches!(*last, ".." | "")) => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// How deep files may include each other.
pub const MAX_INCLUDE_DEPTH: usize = 16;
/// How many files a policy may have.
pub const MAX_FILES: usize = 2000;
/// How many entries a list may have.
pub const MAX_ENTRIES: usize = 20_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_list_beyond_the_limit_is_refused() {
        let files = BTreeMap::from([
            ("a.policy".to_owned(), "set feed from \"feed\"\nsocks block a { to: @feed }\n".to_owned()),
            ("feed".to_owned(), "10.0.0.1\n10.0.0.3\na.example.com\n".to_owned()),
        ]);
        for (most, codes) in [(3, &[][..]), (2, &["RS0117"])] {
            let loaded = load_within(most, "a.policy", &files, &HostFacts::default(), None);
            let found: Vec<&str> = loaded.diagnostics.iter().map(|one| one.code.0).collect();
            assert_eq!(found, codes);
            assert_eq!(loaded.model.is_some(), most == 3);
        }
    }
    #[test]
    fn a_pattern_that_fits_nothing_is_not_passed_over_in_silence() {
        let text = "include \"teams/*.policy\"\nsocks block a { to: 10.0.0.1 }\n";
        let mut files = BTreeMap::from([("a.policy".to_owned(), text.to_owned())]);
        let loaded = load("a.policy", &files, &HostFacts::default(), None);
        let found: Vec<(&str, Level)> =
            loaded.diagnostics.iter().map(|one| (one.code.0, one.level)).collect();
        assert_eq!(found, [("RS0109", Level::Warning)]);
        assert!(loaded.model.is_some());
        files.insert("teams/b.policy".to_owned(), "socks block b { to: 10.0.0.2 }\n".to_owned());
        assert!(load("a.policy", &files, &HostFacts::default(), None).diagnostics.is_empty());
    }
}
