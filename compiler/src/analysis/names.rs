//! Host names in classes: two names of one class are in the same patterns of the policy.
//!
//! The exact names and suffixes that a policy speaks of are a tree of labels. Each node gives a
//! class for itself and one for what is below it and below no other node; numbered depth first,
//! every such pattern is one run of classes. Wildcards inside labels and regexes split the classes
//! below a node: [`super::automata`] finds all combinations, or says that it could not; patterns
//! without classes are *opaque*: known from below and from above only.

use super::automata::{Direction, MAX_PATTERNS, Product, Signature};
use super::numbering::{Numbered, Numbering};
use super::set::Set;
use crate::hash::HashMap;
use crate::model::{Name, NamePattern};

/// The class of requests by address.
pub(crate) const LITERAL: u32 = 0;

#[derive(Debug)]
pub(crate) struct Names {
    pub(super) nodes: Vec<Node>,
    children: HashMap<(u32, Box<str>), u32>,
    classes: Vec<Class>,
    /// Wildcards inside labels and regexes, by kind and text.
    globs: HashMap<String, Glob>,
}

#[derive(Debug, Default)]
pub(super) struct Node {
    parent: u32,
    pub(super) label: Box<str>,
    pub(super) children: Vec<u32>,
    /// Of the root: of its first class below.
    own: u32,
    last: u32,
}

#[derive(Debug)]
pub(super) enum Class {
    /// Below a node; the text is of labels in front, where it matters.
    Below(u32, Option<Box<str>>),
    Itself(u32),
    Literal,
}

#[derive(Debug)]
struct Glob {
    pattern: NamePattern,
    /// Classes that are surely in it.
    lower: Set,
    /// Classes that may be in it.
    upper: Set,
}

/// How far a set is meant to be right where it is not known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Side {
    /// No more than what is meant.
    Lower,
    /// No less than what is meant.
    Upper,
}

impl Side {
    pub(crate) fn flip(self) -> Self {
        match self {
            Self::Lower => Self::Upper,
            Self::Upper => Self::Lower,
        }
    }
}

impl Names {
    /// Classes for patterns.
    pub(crate) fn new(patterns: &[NamePattern]) -> Self {
        let mut names = Self {
            nodes: vec![Node::default()],
            children: HashMap::default(),
            classes: Vec::new(),
            globs: HashMap::default(),
        };
        for pattern in patterns {
            match pattern {
                NamePattern::Below(name) | NamePattern::Exact(name) | NamePattern::Tree(name) => {
                    names.insert(name);
                }
                NamePattern::Glob(_) | NamePattern::Regex(_) => {
                    let glob = Glob { pattern: pattern.clone(), lower: Set::none(), upper: Set::none() };
                    names.globs.entry(key(pattern)).or_insert(glob);
                }
            }
        }
        names.sort();
        names.number();
        names
    }

    fn insert(&mut self, name: &Name) {
        let mut at = 0;
        for label in name.as_str().rsplit('.') {
            let fresh = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
            let child = *self.children.entry((at, label.into())).or_insert(fresh);
            if child == fresh {
                self.nodes.push(Node { parent: at, label: label.into(), ..Node::default() });
                if let Some(node) = self.nodes.get_mut(at as usize) {
                    node.children.push(child);
                }
            }
            at = child;
        }
    }

    fn sort(&mut self) {
        let labels: Vec<Box<str>> = self.nodes.iter().map(|node| node.label.clone()).collect();
        for node in &mut self.nodes {
            node.children.sort_unstable_by_key(|&child| labels.get(child as usize));
        }
    }

    /// Tries with all patterns, then without the regexes, then without any.
    fn number(&mut self) {
        let mut keys: Vec<(bool, String)> = self
            .globs
            .iter()
            .map(|(key, glob)| (matches!(glob.pattern, NamePattern::Regex(_)), key.clone()))
            .collect();
        keys.sort();
        let globs = keys.iter().filter(|(is_regex, _)| !is_regex).count();
        let mut tries = vec![keys.len(), globs, 0];
        tries.dedup();
        for take in tries {
            let mut product = Product::default();
            let mut members: Vec<&str> = Vec::new();
            for (_, key) in keys.iter().take(take.min(MAX_PATTERNS)) {
                let Some(glob) = self.globs.get(key) else { continue };
                if product.add(&regex_of(&glob.pattern), Direction::Backward) {
                    members.push(key);
                }
            }
            let numbering = Numbering::of(self, &product);
            if let Some(numbering) = numbering.run() {
                self.adopt(numbering, &members);
                return;
            }
        }
    }

    fn adopt(&mut self, numbering: Numbered, members: &[&str]) {
        for (node, (own, last)) in self.nodes.iter_mut().zip(numbering.spans) {
            (node.own, node.last) = (own, last);
        }
        self.classes = numbering.classes;
        for (bit, &key) in members.iter().enumerate() {
            let holds = |&(_, signature): &(u32, Signature)| signature >> bit & 1 == 1;
            let set =
                Set::values((0..).zip(numbering.signatures.iter().copied()).filter(holds).map(|(id, _)| id));
            if let Some(glob) = self.globs.get_mut(key) {
                (glob.lower, glob.upper) = (set.clone(), set);
            }
        }
        let opaque: Vec<String> =
            self.globs.keys().filter(|key| !members.contains(&key.as_str())).cloned().collect();
        for key in opaque {
            let Some(glob) = self.globs.get(&key) else { continue };
            let known = (0..).zip(&self.classes).filter_map(|(id, class): (u32, _)| match class {
                Class::Itself(node) => Name::parse(&self.text_of(*node))
                    .ok()
                    .filter(|name| glob.pattern.matches(name))
                    .map(|_| id),
                Class::Below(..) | Class::Literal => None,
            });
            let lower = Set::values(known);
            if let Some(glob) = self.globs.get_mut(&key) {
                glob.lower = lower;
                glob.upper = Self::named(self.classes.len());
            }
        }
    }

    fn named(classes: usize) -> Set {
        Set::One((u128::from(LITERAL) + 1, classes.saturating_sub(1) as u128))
    }

    /// Every class.
    pub(crate) fn universe(&self) -> Set {
        Set::One((0, self.classes.len().saturating_sub(1) as u128))
    }

    /// Requests by name.
    pub(crate) fn any_name(&self) -> Set {
        Self::named(self.classes.len())
    }

    /// The classes of a pattern that [`Names::new`] was given.
    pub(crate) fn set_of(&self, pattern: &NamePattern, side: Side) -> Set {
        match pattern {
            NamePattern::Exact(name) => self.run(name, true, false),
            NamePattern::Below(name) => self.run(name, false, true),
            NamePattern::Tree(name) => self.run(name, true, true),
            NamePattern::Glob(_) | NamePattern::Regex(_) => match (self.globs.get(&key(pattern)), side) {
                (Some(glob), Side::Lower) => glob.lower.clone(),
                (Some(glob), Side::Upper) => glob.upper.clone(),
                (None, Side::Lower) => Set::none(),
                (None, Side::Upper) => self.any_name(),
            },
        }
    }

    /// Whether a pattern's classes are known exactly.
    pub(crate) fn knows(&self, pattern: &NamePattern) -> bool {
        match pattern {
            NamePattern::Exact(_) | NamePattern::Below(_) | NamePattern::Tree(_) => true,
            NamePattern::Glob(_) | NamePattern::Regex(_) => {
                self.globs.get(&key(pattern)).is_some_and(|glob| glob.lower == glob.upper)
            }
        }
    }

    fn run(&self, name: &Name, itself: bool, below: bool) -> Set {
        let Some(node) = self.node(name) else { return Set::none() };
        let first = if itself { node.own } else { node.own + 1 };
        let last = if below { node.last } else { node.own };
        if first <= last { Set::One((first.into(), last.into())) } else { Set::none() }
    }

    fn node(&self, name: &Name) -> Option<&Node> {
        let mut at = 0;
        for label in name.as_str().rsplit('.') {
            at = *self.children.get(&(at, Box::from(label)))?;
        }
        self.nodes.get(at as usize)
    }

    /// A name of a class; `None` for requests by address.
    pub(crate) fn example(&self, class: u128) -> Option<Name> {
        let text = match self.classes.get(usize::try_from(class).ok()?)? {
            Class::Literal => return None,
            Class::Itself(node) => self.text_of(*node),
            Class::Below(node, Some(front)) => self.below(front, *node),
            Class::Below(node, None) => {
                let children = &self.nodes.get(*node as usize)?.children;
                let taken = |label: &str| {
                    children
                        .iter()
                        .filter_map(|&child| self.nodes.get(child as usize))
                        .any(|child| &*child.label == label)
                };
                let label = fresh_labels(*node == 0).find(|label| !taken(label))?;
                let text = self.below(&label, *node);
                if *node == 0 { format!("www.{text}") } else { text }
            }
        };
        Name::parse(&text).ok()
    }

    pub(super) fn below(&self, front: &str, node: u32) -> String {
        match self.text_of(node) {
            base if base.is_empty() => front.to_owned(),
            base => format!("{front}.{base}"),
        }
    }

    pub(super) fn text_of(&self, mut at: u32) -> String {
        let mut labels: Vec<&str> = Vec::new();
        while let Some(node) = self.nodes.get(at as usize).filter(|_| at != 0) {
            labels.push(&node.label);
            at = node.parent;
        }
        labels.join(".")
    }

    /// A set of classes in the words of the language: patterns, and those taken out of them.
    pub(crate) fn describe(&self, set: &Set) -> Described {
        let mut words = Described::default();
        self.describe_node(0, set, false, &mut words);
        words
    }

    fn describe_node(&self, at: u32, set: &Set, inside: bool, words: &mut Described) {
        let Some(node) = self.nodes.get(at as usize) else { return };
        let name = self.text_of(at);
        let below = self.below_classes(at);
        let own = at != 0 && set.contains(node.own.into());
        let held = below.clone().filter(|&class| set.contains(class.into())).count();
        let all_below = held > 0 && held == below.clone().count();
        let open = if at == 0 { "name".to_owned() } else { format!("*.{name}") };
        match (inside, all_below, own) {
            (false, true, true) => words.with.push(format!(".{name}")),
            (false, true, false) => words.with.push(open),
            (false, false, true) => words.with.push(name),
            (true, false, false) if at != 0 => words.without.push(format!(".{name}")),
            (true, false, true) => words.without.push(format!("*.{name}")),
            (true, true, false) if at != 0 => words.without.push(name),
            _ => {}
        }
        if !all_below && held > 0 {
            let some = below.filter(|&class| set.contains(class.into()));
            let examples = some.filter_map(|class| self.example(class.into()));
            words.such_as.extend(examples.take(3).map(|name| name.to_string()));
        }
        for &child in &node.children {
            self.describe_node(child, set, all_below, words);
        }
    }

    fn below_classes(&self, at: u32) -> impl Iterator<Item = u32> + Clone {
        let node = self.nodes.get(at as usize);
        let first = node.map_or(0, |node| if at == 0 { node.own } else { node.own + 1 });
        let end = node.map_or(0, |node| {
            let child = node.children.first().and_then(|&child| self.nodes.get(child as usize));
            child.map_or(node.last + 1, |child| child.own)
        });
        first..end
    }
}

/// Names in words.
#[derive(Debug, Default)]
pub(crate) struct Described {
    /// Names and suffixes that are in it,
    pub(crate) with: Vec<String>,
    /// less these.
    pub(crate) without: Vec<String>,
    /// Names of further parts that no suffix describes.
    pub(crate) such_as: Vec<String>,
}

fn key(pattern: &NamePattern) -> String {
    match pattern {
        NamePattern::Regex(regex) => format!("/{}", regex.as_str()),
        other => other.to_string(),
    }
}

/// A wildcard or a regex as a regex of the whole name.
fn regex_of(pattern: &NamePattern) -> String {
    match pattern {
        NamePattern::Regex(regex) => format!("^(?:{})$", regex.as_str()),
        other => {
            let text = other.to_string();
            let (deep, rest) = match text.strip_prefix("*.") {
                Some(rest) => (r"(?:[^.]+\.)+", rest),
                None => ("", text.as_str()),
            };
            let labels: Vec<String> = rest.split('*').map(regex::escape).collect();
            format!("^(?:{deep}{})$", labels.join("[^.]*"))
        }
    }
}

fn fresh_labels(top: bool) -> impl Iterator<Item = String> {
    let first: &[&str] = if top { &["example", "test", "org"] } else { &["www", "a", "b", "c", "host"] };
    first.iter().map(|&label| label.to_owned()).chain((1..).map(|n| format!("host-{n}")))
}
