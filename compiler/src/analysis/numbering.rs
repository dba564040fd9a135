//! Numbers the classes of names depth first, and splits those below a node by the patterns that
//! hold there.

use super::automata::{Product, Signature, States, Walk, walk};
use super::names::{Class, Names, Node};
use crate::hash::HashMap;
use crate::model::Name;
use std::collections::BTreeMap;

/// States that one walk may see, and cases that all walks together may find.
const WALK_BUDGET: usize = 20_000;
const TOTAL_BUDGET: usize = 2_000_000;

/// What numbering gives: per node its own class and its last; per class what it is and which
/// patterns it is in.
pub(super) struct Numbered {
    pub(super) spans: Vec<(u32, u32)>,
    pub(super) classes: Vec<Class>,
    pub(super) signatures: Vec<Signature>,
}

pub(super) struct Numbering<'n> {
    names: &'n Names,
    product: &'n Product,
    alphabet: Vec<u8>,
    found: Numbered,
    cache: HashMap<(States, bool), BTreeMap<Signature, Vec<u8>>>,
    spent: usize,
}

impl<'n> Numbering<'n> {
    pub(super) fn of(names: &'n Names, product: &'n Product) -> Self {
        let all = b"wabcdefghijklmnopqrstuvxyz0123456789-_.";
        Self {
            names,
            product,
            alphabet: product.distinct(all, kind),
            found: Numbered {
                spans: vec![(0, 0); names.nodes.len()],
                classes: vec![Class::Literal],
                signatures: vec![0],
            },
            cache: HashMap::default(),
            spent: 0,
        }
    }

    /// `None`: a budget ran out.
    pub(super) fn run(mut self) -> Option<Numbered> {
        let start = self.product.start();
        let mut stack = vec![(0_u32, start, false)];
        while let Some((at, states, done)) = stack.pop() {
            if done {
                let last = self.next().saturating_sub(1);
                if let Some(span) = self.found.spans.get_mut(at as usize) {
                    span.1 = last;
                }
                continue;
            }
            self.visit(at, &states, &mut stack)?;
        }
        Some(self.found)
    }

    fn next(&self) -> u32 {
        u32::try_from(self.found.classes.len()).unwrap_or(u32::MAX)
    }

    fn visit(&mut self, at: u32, states: &States, stack: &mut Vec<(u32, States, bool)>) -> Option<()> {
        let names = self.names;
        let node = names.nodes.get(at as usize)?;
        let own = self.next();
        if let Some(span) = self.found.spans.get_mut(at as usize) {
            span.0 = own;
        }
        let mut inner = states.clone();
        if at != 0 {
            self.push(Class::Itself(at), self.product.signature(states));
            inner = self.product.step(states, b'.');
        }
        self.split_below(at, node, &inner)?;
        stack.push((at, Vec::new(), true));
        for &child in node.children.iter().rev() {
            let label = &names.nodes.get(child as usize)?.label;
            let after =
                label.bytes().rev().fold(inner.clone(), |states, byte| self.product.step(&states, byte));
            stack.push((child, after, false));
        }
        Some(())
    }

    fn push(&mut self, class: Class, signature: Signature) {
        self.found.classes.push(class);
        self.found.signatures.push(signature);
    }

    fn split_below(&mut self, at: u32, node: &Node, states: &States) -> Option<()> {
        let room = 253_usize.saturating_sub(self.names.text_of(at).len());
        if room < 2 {
            return Some(());
        }
        if self.product.is_empty() || self.product.is_dead(states) {
            self.push(Class::Below(at, None), 0);
            return Some(());
        }
        let free = self.free_cases(at == 0, states)?;
        let cases =
            if node.children.is_empty() { free } else { self.cases_beside(at, node, states, free.len())? };
        for (signature, text) in cases {
            let front: String = text.iter().rev().map(|&byte| char::from(byte)).collect();
            Name::parse(&self.names.below(&front, at)).ok()?;
            self.push(Class::Below(at, Some(front.into())), signature);
        }
        Some(())
    }

    /// The cases below a node, whatever its children are.
    fn free_cases(&mut self, root: bool, states: &States) -> Option<BTreeMap<Signature, Vec<u8>>> {
        if let Some(cases) = self.cache.get(&(states.clone(), root)) {
            return Some(cases.clone());
        }
        let product = self.product;
        let found = walk(
            (Label::start(root), states.clone()),
            &self.alphabet,
            |(label, states), byte| Some((label.step(byte)?, product.step(states, byte))),
            |(label, states)| label.is_whole().then(|| product.signature(states)),
            (None, WALK_BUDGET),
        );
        let cases = self.account(found)?;
        self.cache.insert((states.clone(), root), cases.clone());
        Some(cases)
    }

    /// The cases below a node and below none of its children.
    fn cases_beside(
        &mut self,
        at: u32,
        node: &Node,
        states: &States,
        most: usize,
    ) -> Option<BTreeMap<Signature, Vec<u8>>> {
        let labels =
            Labels::of(node.children.iter().filter_map(|&child| self.names.nodes.get(child as usize)));
        let mut alphabet = self.alphabet.clone();
        alphabet.extend(labels.bytes().filter(|byte| !self.alphabet.contains(byte)));
        let product = self.product;
        let found = walk(
            (Label::start(at == 0), Some(0), states.clone()),
            &alphabet,
            |(label, place, states), byte| {
                let place = labels.step(*place, byte)?;
                Some((label.step(byte)?, place, product.step(states, byte)))
            },
            |(label, place, states)| {
                (label.is_whole() && !labels.is_label(*place)).then(|| product.signature(states))
            },
            (Some(most), WALK_BUDGET),
        );
        self.account(found)
    }

    fn account(&mut self, found: Walk) -> Option<BTreeMap<Signature, Vec<u8>>> {
        self.spent += found.texts.len() + 64;
        (found.complete && self.spent < TOTAL_BUDGET).then_some(found.texts)
    }
}

fn kind(byte: u8) -> u8 {
    match byte {
        b'.' | b'-' | b'x' | b'0' => byte,
        b'1'..=b'9' => b'1',
        b'a'..=b'f' => b'a',
        _ => b'w',
    }
}

/// What a name has come to, read from its end: enough to know that it is one.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Label {
    /// How the last label of the name looks; see `is_number` of the model.
    top: Top,
    /// The character before: none yet in this label, a hyphen, or another one.
    before: Before,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Before {
    Hyphen,
    Nothing,
    Other,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Top {
    Digits,
    Hex,
    HexMark,
    HexNumber,
    Name,
}

impl Label {
    fn start(top: bool) -> Self {
        Self { top: if top { Top::Digits } else { Top::Name }, before: Before::Nothing }
    }

    fn step(self, byte: u8) -> Option<Self> {
        if byte == b'.' {
            return self.is_whole().then_some(Self { top: Top::Name, before: Before::Nothing });
        }
        let top = match (self.top, byte) {
            (Top::Digits, b'0'..=b'9') => Top::Digits,
            (Top::Digits | Top::Hex, b'0'..=b'9' | b'a'..=b'f') => Top::Hex,
            (Top::Digits | Top::Hex, b'x') => Top::HexMark,
            (Top::HexMark, b'0') => Top::HexNumber,
            _ => Top::Name,
        };
        match byte {
            b'-' if self.before == Before::Nothing => None,
            b'-' => Some(Self { top, before: Before::Hyphen }),
            _ => Some(Self { top, before: Before::Other }),
        }
    }

    fn is_whole(self) -> bool {
        self.before == Before::Other && !matches!(self.top, Top::Digits | Top::HexNumber)
    }
}

/// The labels of some nodes, to be read from their ends.
struct Labels {
    steps: HashMap<(usize, u8), usize>,
    ends: Vec<bool>,
}

impl Labels {
    fn of<'a>(nodes: impl Iterator<Item = &'a Node>) -> Self {
        let mut labels = Self { steps: HashMap::default(), ends: vec![false] };
        for node in nodes {
            let mut at = 0;
            for byte in node.label.bytes().rev() {
                let fresh = labels.ends.len();
                at = *labels.steps.entry((at, byte)).or_insert(fresh);
                if at == fresh {
                    labels.ends.push(false);
                }
            }
            if let Some(end) = labels.ends.get_mut(at) {
                *end = true;
            }
        }
        labels
    }

    fn bytes(&self) -> impl Iterator<Item = u8> {
        let bytes: std::collections::BTreeSet<u8> = self.steps.keys().map(|&(_, byte)| byte).collect();
        bytes.into_iter()
    }

    fn is_label(&self, place: Option<usize>) -> bool {
        place.is_some_and(|at| self.ends.get(at).copied().unwrap_or(false))
    }

    /// Outer `None`: that would be one of the labels; inner `None`: it can be none any more.
    #[expect(clippy::option_option, reason = "the two mean different things, as said")]
    fn step(&self, place: Option<usize>, byte: u8) -> Option<Option<usize>> {
        match (place, byte) {
            (Some(_), b'.') => (!self.is_label(place)).then_some(None),
            (Some(at), byte) => Some(self.steps.get(&(at, byte)).copied()),
            (None, _) => Some(None),
        }
    }
}
