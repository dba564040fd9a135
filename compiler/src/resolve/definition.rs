//! `set`, `ports`, `group`, `time`.

use super::Resolver;
use super::host::Side;
use crate::model::{Builtin, Group, NamedSet, SetBody, SetExpr, SetId, SetItemKind};
use crate::syntax::ast::{Body, Definition, DefinitionKind, Entry, Word};

impl<'a> Resolver<'a> {
    /// Takes note of a name.
    pub(super) fn define(&mut self, definition: &'a Definition) {
        let name = &definition.name;
        let text = &*name.text;
        let kind = definition.kind;
        if text.is_empty() || text.contains(|character: char| !is_plain(character)) {
            if name.form != crate::syntax::ast::Form::Broken {
                self.bad_name_of_definition(name);
            }
            self.meant.insert(text.trim_start_matches('@'));
            return;
        }
        if text.len() > super::user::MAX_NAME {
            self.error("RS0117", name.span, format!("a name of more than {} bytes", super::user::MAX_NAME));
            self.meant.insert(text);
            return;
        }
        if kind == DefinitionKind::Set && Builtin::named(text).is_some() {
            self.error("RS0105", name.span, format!("the set `@{text}` is built in"))
                .help("give yours another name");
            return;
        }
        if let Some(first) = self.defined.get(&(kind, text)) {
            let first = first.name.span;
            self.error("RS0105", name.span, format!("{} `{text}` is defined twice", kind.keyword()))
                .related(first, "first defined here")
                .help("join the two, or give one another name");
            return;
        }
        self.defined.insert((kind, text), definition);
        self.order.push(definition);
        if kind == DefinitionKind::Set {
            let id = SetId(u32::try_from(self.sets.len()).unwrap_or(u32::MAX));
            self.sets.insert(text, id);
            let body = SetBody::Expr(SetExpr::default());
            self.model.sets.push(NamedSet { name: text.into(), span: name.span, body });
        }
    }

    fn bad_name_of_definition(&mut self, name: &Word) {
        let text = &*name.text;
        let report = self.error("RS0101", name.span, format!("`{text}` cannot be a name"));
        match text.strip_prefix('@') {
            Some(bare) => report.help("a name is defined without the `@` that it is used with").replace(
                name.span,
                bare,
                crate::diagnostic::Safety::Safe,
            ),
            None => _ = report.help("a name is made of letters, digits, `-`, `_` and `.`"),
        }
    }

    /// Resolves all definitions.
    pub(super) fn definitions(&mut self) {
        for definition in self.order.clone() {
            match definition.kind {
                DefinitionKind::Group => {
                    self.not_from_file(definition);
                    let name = &definition.name;
                    let members = self.members(name, &name.text);
                    self.model.groups.push(Group { name: (*name.text).into(), span: name.span, members });
                }
                DefinitionKind::Ports => {
                    self.not_from_file(definition);
                    self.port_reference(&definition.name, &definition.name.text);
                }
                DefinitionKind::Set => self.set(definition),
                DefinitionKind::Time => {
                    self.not_from_file(definition);
                    self.time_set(&definition.name);
                }
            }
        }
        self.set_cycles();
    }

    fn not_from_file(&mut self, definition: &Definition) {
        if let Body::From(path) = &definition.body {
            let keyword = definition.kind.keyword();
            self.error("RS0101", path.span, format!("a {keyword} is not read from a file"))
                .help("only a `set` has a list file");
        }
    }

    fn set(&mut self, definition: &'a Definition) {
        let Some(&id) = self.sets.get(&*definition.name.text) else { return };
        let body = match &definition.body {
            Body::From(path) => match self.lists.get(&path.span) {
                Some(list) => SetBody::List(list.clone()),
                None => return,
            },
            Body::Values(body) => {
                self.no_keys(&body.entries, "set", &[]);
                SetBody::Expr(self.set_expr(Side::Set, &body.values))
            }
        };
        if let Some(set) = self.model.sets.get_mut(id.0 as usize) {
            set.body = body;
        }
    }

    /// Keys that a definition has not.
    pub(super) fn no_keys(&mut self, entries: &'a [Entry], keyword: &str, known: &[&str]) {
        let mut seen: Vec<&Entry> = Vec::new();
        for entry in entries.iter().filter(|entry| !entry.is_hollow()) {
            let key = &*entry.key.text;
            if let Some(first) = seen.iter().find(|first| first.key.text == entry.key.text) {
                self.error("RS0115", entry.key.span, format!("`{key}` is said twice"))
                    .related(first.key.span, "first said here");
            } else if known.contains(&key) {
                seen.push(entry);
            } else {
                let message = format!("a {keyword} has no key `{key}`");
                self.unknown(
                    "RS0102",
                    &entry.key,
                    message,
                    known.iter().copied(),
                    "its values stand without a key",
                );
            }
        }
    }

    pub(super) fn holds_itself(&mut self, word: &Word, definition: &Definition) {
        let (keyword, name) = (definition.kind.keyword(), &definition.name.text);
        self.error("RS0111", word.span, format!("{keyword} `{name}` holds itself"))
            .related(definition.name.span, "defined here");
    }

    /// Sets that hold themselves, each cycle once.
    fn set_cycles(&mut self) {
        let edges: Vec<Vec<(usize, crate::source::Span)>> = self.model.sets.iter().map(edges_of).collect();
        let mut colour = vec![Colour::New; edges.len()];
        for start in 0..edges.len() {
            // Depth first without recursion: (set, next edge).
            let mut path: Vec<(usize, usize)> = vec![(start, 0)];
            while let Some(&(set, next)) = path.last() {
                if next == 0 {
                    if colour.get(set) != Some(&Colour::New) {
                        path.pop();
                        continue;
                    }
                    paint(&mut colour, set, Colour::Open);
                }
                let Some(&(target, span)) = edges.get(set).and_then(|edges| edges.get(next)) else {
                    paint(&mut colour, set, Colour::Done);
                    path.pop();
                    continue;
                };
                if let Some(last) = path.last_mut() {
                    last.1 += 1;
                }
                match colour.get(target) {
                    Some(Colour::Open) => self.set_holds_itself(target, span),
                    Some(Colour::New) => path.push((target, 0)),
                    Some(Colour::Done) | None => {}
                }
            }
        }
    }

    fn set_holds_itself(&mut self, set: usize, span: crate::source::Span) {
        let Some(set) = self.model.sets.get(set) else { return };
        let (name, place) = (set.name.clone(), set.span);
        self.error("RS0111", span, format!("set `{name}` holds itself")).related(place, "defined here");
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Colour {
    Done,
    New,
    Open,
}

fn paint(colours: &mut [Colour], at: usize, colour: Colour) {
    if let Some(one) = colours.get_mut(at) {
        *one = colour;
    }
}

fn edges_of(set: &NamedSet) -> Vec<(usize, crate::source::Span)> {
    fn target(kind: &SetItemKind) -> Option<usize> {
        match kind {
            SetItemKind::Set(id) => Some(id.0 as usize),
            SetItemKind::Ported(inner, _) => target(inner),
            SetItemKind::Any
            | SetItemKind::Builtin(_)
            | SetItemKind::Literal
            | SetItemKind::Name(_)
            | SetItemKind::Named
            | SetItemKind::Range(_) => None,
        }
    }
    match &set.body {
        SetBody::Expr(expr) => {
            let items = expr.include.iter().chain(&expr.exclude);
            items.filter_map(|item| target(&item.kind).map(|set| (set, item.span))).collect()
        }
        SetBody::List(_) => Vec::new(),
    }
}

fn is_plain(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '-' | '_' | '.')
}
