//! `rustsocks check --environment`: what a policy says of this host and of the network, looked up.

use nix::unistd::{Group, User};
use rustsocks_compiler::Loaded;
use rustsocks_compiler::diagnostic::{Code, Diagnostic, Level};
use rustsocks_compiler::lint;
use rustsocks_compiler::model::{Model, NamePattern, SetBody, SetExpr, SetItemKind, Test, UserItem};
use rustsocks_compiler::request::{Method, MethodSpec};
use rustsocks_compiler::source::{FileId, Span};
use std::collections::BTreeSet;
use std::net::ToSocketAddrs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// All that the host does not know or should not allow.
pub(super) fn findings(model: &Model, loaded: &Loaded) -> Vec<Diagnostic> {
    let mut look = Look { found: Vec::new(), asked: BTreeSet::new(), names: 0 };
    look.files(loaded);
    look.lists(model);
    for rule in &model.rules {
        for when in std::iter::once(&rule.when).chain(&rule.except) {
            for term in &when.terms {
                look.test(model, &term.test, term.span);
            }
        }
    }
    for spec in &model.methods {
        look.service(spec, model.rules.first().map_or(START, |rule| rule.head.at_start()));
    }
    look.found
}

const START: Span = Span { file: FileId(0), start: 0, end: 0 };

/// Names that are asked of DNS in one run.
const MOST_NAMES: usize = 50;

/// A list that nothing has written for so long is worth a word.
const OLD: Duration = Duration::from_secs(30 * 24 * 3600);

struct Look {
    found: Vec<Diagnostic>,
    asked: BTreeSet<String>,
    names: usize,
}

impl Look {
    fn say(&mut self, span: Span, message: String, help: &str) {
        self.found.push(Diagnostic::new(Code("RS0104"), Level::Warning, span, message).help(help));
    }

    fn is_new(&mut self, kind: &str, name: &str) -> bool {
        self.asked.insert(format!("{kind} {name}"))
    }

    /// Who may write the texts.
    fn files(&mut self, loaded: &Loaded) {
        for (id, source) in loaded.sources.iter() {
            let span = Span { file: id, start: 0, end: 0 };
            self.permissions(source.name(), "policy", span);
        }
    }

    fn permissions(&mut self, name: &str, what: &str, span: Span) {
        let Ok(data) = std::fs::metadata(name) else { return };
        let others = match data.permissions().mode() & 0o022 {
            0 => return,
            0o020 => "its group",
            _ => "everybody",
        };
        let mode = data.permissions().mode() & 0o7777;
        let message = format!("the {what} `{name}` is writable by {others}");
        let Some(code) = lint::find("RS0311").map(|lint| lint.code) else { return };
        self.found.push(
            Diagnostic::new(code, Level::Warning, span, message)
                .label(format!("mode {mode:04o}, owner {}", data.uid()))
                .help(format!("chmod go-w {name}")),
        );
    }

    fn lists(&mut self, model: &Model) {
        for set in &model.sets {
            let SetBody::List(list) = &set.body else { continue };
            self.permissions(list.path(), "list", set.span);
            let age = std::fs::metadata(Path::new(&**list.path()))
                .and_then(|data| data.modified())
                .ok()
                .and_then(|changed| SystemTime::now().duration_since(changed).ok());
            if let Some(age) = age.filter(|age| *age > OLD) {
                let days = age.as_secs() / (24 * 3600);
                let message = format!("the list `{}` has not changed for {days} days", list.path());
                self.found.push(
                    Diagnostic::new(Code("RS0110"), Level::Info, set.span, message)
                        .help("see whether what fetches it still runs"),
                );
            }
        }
    }

    fn test(&mut self, model: &Model, test: &Test, span: Span) {
        match test {
            Test::Group(groups) => groups.iter().for_each(|group| self.group(model, group, span)),
            Test::Method(specs) => specs.iter().for_each(|spec| self.service(spec, span)),
            Test::To(set) => self.targets(set),
            Test::User(items) => {
                for item in items {
                    match item {
                        UserItem::Group(group) => self.group(model, group, span),
                        UserItem::User(user) => self.user(user, span),
                        UserItem::Any | UserItem::None => {}
                    }
                }
            }
            _ => {}
        }
    }

    fn group(&mut self, model: &Model, name: &str, span: Span) {
        match model.group(name) {
            Some(group) => group.members.iter().for_each(|user| self.user(user, group.span)),
            None if self.is_new("group", name) && matches!(Group::from_name(name), Ok(None)) => {
                let message = format!("this host knows no group `{name}`");
                self.say(span, message, "create it, or define it in the policy: `group NAME { … }`");
            }
            None => {}
        }
    }

    fn user(&mut self, name: &str, span: Span) {
        if self.is_new("user", name) && matches!(User::from_name(name), Ok(None)) {
            let message = format!("this host knows no user `{name}`");
            self.say(span, message, "fine for users of the password file; PAM will not know this one");
        }
    }

    fn service(&mut self, spec: &MethodSpec, span: Span) {
        let Some(service) = spec.service.as_deref() else { return };
        let pam = matches!(spec.method, Method::PamAddress | Method::PamUsername);
        let there = |folder: &str| Path::new(folder).join(service).is_file();
        if pam && self.is_new("service", service) && !there("/etc/pam.d") && !there("/usr/lib/pam.d") {
            let message = format!("there is no PAM service `{service}`");
            self.say(span, message, "PAM takes `other` instead: write /etc/pam.d/ with that name");
        }
    }

    fn targets(&mut self, set: &SetExpr) {
        for item in &set.include {
            let SetItemKind::Name(NamePattern::Exact(name)) = &item.kind else { continue };
            if self.names >= MOST_NAMES || !self.is_new("name", name.as_str()) {
                continue;
            }
            self.names += 1;
            if (name.as_str(), 0).to_socket_addrs().is_err() {
                let message = format!("`{name}` does not resolve here");
                self.say(item.span, message, "see whether the name is spelled right and still exists");
            }
        }
    }
}
