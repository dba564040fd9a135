//! Trees to a [`Model`]: every name looked up, every value read, every mistake of meaning reported.
//!
//! Definitions may stand behind their use and in any file, so names are collected first. A
//! definition that is broken still counts as defined: one mistake is one diagnostic.

mod address;
mod definition;
mod effect;
mod host;
pub mod keys;
mod legacy;
mod method;
mod port;
mod promise;
mod rule;
mod setting;
mod text;
mod time;
mod user;

pub use crate::lint::CODES;

use crate::diagnostic::{Code, Diagnostic, Edit, Level, Safety};
use crate::hash::{HashMap, HashSet};
use crate::list::List;
use crate::model::{HostFacts, Model, PortSet, SetId, Window};
use crate::source::{FileId, Sources, Span};
use crate::suggest::{did_you_mean, nearest};
use crate::syntax::ast::{Definition, DefinitionKind, File, Form, Statement, StatementKind, Word};
use std::sync::Arc;

/// `lint LEVEL CODE "reason"`, for one file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LintLevel {
    /// The file that it speaks of.
    pub file: FileId,
    /// What becomes of the lint.
    pub level: LintAction,
    /// The code.
    pub code: Code,
    /// Where the code stands.
    pub span: Span,
    /// Why.
    pub reason: Option<Arc<str>>,
}

/// What becomes of a lint.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum LintAction {
    /// It is not shown.
    Allow,
    /// It is an error.
    Deny,
    /// It is a warning.
    Warn,
}

/// What the resolver makes of the trees.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) model: Model,
    pub(crate) lints: Vec<LintLevel>,
    pub(crate) found: Vec<Diagnostic>,
}

/// Resolves the statements of all files; `lists` has the list behind each path, by its place, and
/// `found` what the parser has found.
pub(crate) fn resolve(
    files: &[File],
    sources: &Sources,
    host: &HostFacts,
    lists: &HashMap<Span, Arc<List>>,
    found: &[Diagnostic],
) -> Resolved {
    let statements = in_order(files);
    let mut resolver = Resolver::new(sources, host, lists);
    resolver.form = found.iter().map(|one| one.primary.span).collect();
    resolver.collect(&statements);
    resolver.definitions();
    resolver.statements(&statements);
    resolver.finish()
}

/// Statements in the order of the text, included files where they are included.
fn in_order(files: &[File]) -> Vec<(FileId, &Statement)> {
    fn walk<'a>(
        files: &'a [File],
        id: FileId,
        seen: &mut HashSet<FileId>,
        out: &mut Vec<(FileId, &'a Statement)>,
    ) {
        let Some(file) = files.get(id.0 as usize).filter(|_| seen.insert(id)) else { return };
        for statement in &file.statements {
            match &statement.kind {
                StatementKind::Include(include) => {
                    include.files.iter().for_each(|&id| walk(files, id, seen, out));
                }
                _ => out.push((id, statement)),
            }
        }
    }
    let mut out = Vec::new();
    walk(files, FileId(0), &mut HashSet::default(), &mut out);
    out
}

pub(crate) struct Resolver<'a> {
    /// Where the parser found something wrong.
    form: Vec<Span>,
    sources: &'a Sources,
    host: &'a HostFacts,
    lists: &'a HashMap<Span, Arc<List>>,
    model: Model,
    lints: Vec<LintLevel>,
    found: Vec<Diagnostic>,
    defined: HashMap<(DefinitionKind, &'a str), &'a Definition>,
    order: Vec<&'a Definition>,
    /// Names that broken statements may have meant.
    meant: HashSet<&'a str>,
    sets: HashMap<&'a str, SetId>,
    ports: HashMap<&'a str, Memo<PortSet>>,
    groups: HashMap<&'a str, Memo<Vec<Arc<str>>>>,
    times: HashMap<&'a str, Memo<Vec<Window>>>,
    /// Groups of the system: names that a `group:` says bare, and no definition has.
    system_groups: HashSet<&'a str>,
    /// Names that are no group of the policy, each with the group that it is a slip away from.
    near_groups: HashMap<String, Option<&'a str>>,
    /// Names of rules, and where they stand.
    rules: HashMap<&'a str, Span>,
    settings: HashMap<&'static str, Span>,
    /// Names that are looked for in vain, with the finding that says so.
    missing: HashMap<(&'static str, String), usize>,
}

/// A definition that others refer to.
#[derive(Clone, Debug)]
enum Memo<T> {
    Busy,
    Done(T),
}

impl<'a> Resolver<'a> {
    fn new(sources: &'a Sources, host: &'a HostFacts, lists: &'a HashMap<Span, Arc<List>>) -> Self {
        let model = Model { host: host.clone(), sources: sources.clone(), ..Model::default() };
        Self {
            form: Vec::new(),
            sources,
            host,
            lists,
            model,
            lints: Vec::new(),
            found: Vec::new(),
            defined: HashMap::default(),
            order: Vec::new(),
            meant: HashSet::default(),
            sets: HashMap::default(),
            ports: HashMap::default(),
            groups: HashMap::default(),
            times: HashMap::default(),
            system_groups: HashSet::default(),
            near_groups: HashMap::default(),
            rules: HashMap::default(),
            settings: HashMap::default(),
            missing: HashMap::default(),
        }
    }

    /// What is called how.
    fn collect(&mut self, statements: &[(FileId, &'a Statement)]) {
        for (_, statement) in statements {
            match &statement.kind {
                StatementKind::Broken(broken) => {
                    self.meant.extend(broken.names.iter().map(|name| &*name.text));
                }
                StatementKind::Definition(definition) => self.define(definition),
                StatementKind::Rule(rule) => {
                    if let Some(name) = &rule.name {
                        self.name_rule(name);
                    }
                    let excepted = rule.block.excepts().flat_map(|except| &except.entries);
                    for entry in rule.block.entries().chain(excepted).filter(|entry| entry.key.is("group")) {
                        self.system_groups.extend(entry.values.iter().map(|word| &*word.text));
                    }
                }
                _ => {}
            }
        }
        if statements.iter().any(|(_, one)| matches!(&one.kind, StatementKind::Rule(_))) {
            let over = statements.iter().filter_map(|(_, one)| match &one.kind {
                StatementKind::Rule(rule) => Some(rule.head),
                _ => None,
            });
            if let Some(head) = over.into_iter().nth(MAX_RULES) {
                self.error("RS0117", head, format!("more than {MAX_RULES} rules"))
                    .help("values of one kind belong in a list file: `set name from \"file\"`");
            }
        }
    }

    fn name_rule(&mut self, name: &'a Word) {
        if name.text.len() > user::MAX_NAME {
            self.error("RS0117", name.span, format!("a name of more than {} bytes", user::MAX_NAME))
                .help("it stands in each record; a long text is a `note:`");
        } else if name.is("default") {
            self.error("RS0105", name.span, "a rule cannot be called `default`")
                .help("that is what records call the verdict without a rule");
        } else if let Some(&first) = self.rules.get(&*name.text) {
            let text = &name.text;
            self.error("RS0105", name.span, format!("rule `{text}` is defined twice"))
                .related(first, "first defined here")
                .help("records and tests call rules by name; give this one another");
        } else {
            self.rules.insert(&name.text, name.span);
        }
    }

    fn finish(self) -> Resolved {
        Resolved { model: self.model, lints: self.lints, found: self.found }
    }

    /// Reports an error; the methods of the answer add to it.
    fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) -> Report<'_> {
        self.report(code, Level::Error, span, message)
    }

    fn warning(&mut self, code: &'static str, span: Span, message: impl Into<String>) -> Report<'_> {
        self.report(code, Level::Warning, span, message)
    }

    fn report(
        &mut self,
        code: &'static str,
        level: Level,
        span: Span,
        message: impl Into<String>,
    ) -> Report<'_> {
        Report(self.found.push_mut(Diagnostic::new(Code(code), level, span, message)))
    }

    /// Whether it was said already that there is no such name; if so this place is added to it.
    fn missed(&mut self, what: &'static str, name: &str, span: Span) -> bool {
        let next = self.found.len();
        let at = *self.missing.entry((what, name.to_owned())).or_insert(next);
        let Some(first) = self.found.get_mut(at) else { return false };
        if first.related.len() < MAX_RELATED {
            first.related.push(crate::diagnostic::Label { span, text: "and here".into() });
        }
        true
    }

    /// Reports an unknown word with the nearest of those that there are.
    fn unknown<'c>(
        &mut self,
        code: &'static str,
        word: &Word,
        message: String,
        candidates: impl IntoIterator<Item = &'c str>,
        otherwise: &str,
    ) {
        let candidates: Vec<&str> = candidates.into_iter().collect();
        let mark = if word.reference().is_some() { "@" } else { "" };
        let typed = word.text.strip_prefix(mark).unwrap_or(&word.text);
        let meant = nearest(typed, candidates).map(|meant| format!("{mark}{meant}"));
        let report = self.error(code, word.span, message);
        match meant {
            Some(meant) => report.help(did_you_mean(&meant)).replace(word.span, meant, Safety::Unsafe),
            None if otherwise.is_empty() => {}
            None => _ = report.help(otherwise),
        }
    }
}

/// The diagnostic that was reported last.
struct Report<'d>(&'d mut Diagnostic);

impl Report<'_> {
    fn label(self, text: impl Into<String>) -> Self {
        self.0.primary.text = text.into();
        self
    }

    fn help(self, text: impl Into<String>) -> Self {
        self.0.help = Some(text.into());
        self
    }

    fn related(self, span: Span, text: impl Into<String>) -> Self {
        self.0.related.push(crate::diagnostic::Label { span, text: text.into() });
        self
    }

    fn replace(self, span: Span, text: impl Into<String>, safety: Safety) {
        let text = text.into();
        let title = if text.is_empty() { "drop it".to_owned() } else { format!("write `{text}`") };
        self.fix(title, safety, vec![Edit { span, text }]);
    }

    fn fix(self, title: impl Into<String>, safety: Safety, edits: Vec<Edit>) {
        self.0.fix = Some(crate::diagnostic::Fix { title: title.into(), safety, edits });
    }
}

/// Whether nothing is to be said of a word, since it was said already.
fn silent(word: &Word) -> bool {
    word.form == Form::Broken
}

/// How many other places a finding points at.
const MAX_RELATED: usize = 5;
/// How many rules a policy may have.
pub const MAX_RULES: usize = 200_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax;

    #[test]
    fn rules_beyond_the_limit_are_refused() {
        let text = "socks block { to: any }";
        let mut sources = Sources::default();
        let id = sources.add("a.policy", text);
        let mut file = syntax::parse(id, text, &mut Vec::new());
        let rule = file.statements[0].clone();
        for (more, codes) in [(MAX_RULES - 1, &[][..]), (1, &["RS0117"])] {
            file.statements.extend(std::iter::repeat_n(rule.clone(), more));
            let files = [file];
            let resolved = resolve(&files, &sources, &HostFacts::default(), &HashMap::default(), &[]);
            let found: Vec<&str> = resolved.found.iter().map(|one| one.code.0).collect();
            assert_eq!(found, codes, "{} rules", files[0].statements.len());
            [file] = files;
        }
    }
}
