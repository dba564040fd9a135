//! Which of several patterns can hold of one text at once, and a shortest text for each case:
//! a breadth-first walk over the product of their automata, within a budget.

use crate::hash::{HashMap, HashSet};
use regex_automata::dfa::{Automaton, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::{primitives::StateID, start, syntax};
use regex_automata::{Anchored, MatchKind};
use std::collections::BTreeMap;
use std::hash::Hash;

/// Which patterns of a product hold: bit `n` is the `n`th.
pub(crate) type Signature = u64;

/// How many patterns a product holds at most.
pub(crate) const MAX_PATTERNS: usize = 64;

/// The largest automaton of one pattern, in bytes.
const MAX_AUTOMATON: usize = 1 << 20;

/// Automata that read a text side by side.
#[derive(Debug, Default)]
pub(crate) struct Product {
    automata: Vec<dense::DFA<Vec<u32>>>,
}

/// Where each automaton stands.
pub(crate) type States = Vec<StateID>;

/// Reads texts from the end, as names are sorted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Direction {
    Backward,
    Forward,
}

impl Product {
    /// Adds a regex that describes the whole text; false if its automaton would be too large.
    pub(crate) fn add(&mut self, regex: &str, direction: Direction) -> bool {
        if self.automata.len() >= MAX_PATTERNS {
            return false;
        }
        // Names are ASCII; without Unicode's classes automata are small. Where a pattern has
        // letters of its own, case folding must know them.
        let automaton = if regex.is_ascii() {
            build(regex, direction, false).or_else(|| build(regex, direction, true))
        } else {
            build(regex, direction, true)
        };
        let added = automaton.filter(|dfa| start_of(dfa).is_some());
        let fits = added.is_some();
        self.automata.extend(added);
        fits
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.automata.is_empty()
    }

    pub(crate) fn start(&self) -> States {
        self.automata.iter().filter_map(start_of).collect()
    }

    pub(crate) fn step(&self, states: &States, byte: u8) -> States {
        self.automata.iter().zip(states).map(|(dfa, &state)| dfa.next_state(state, byte)).collect()
    }

    pub(crate) fn signature(&self, states: &States) -> Signature {
        let accepts =
            self.automata.iter().zip(states).map(|(dfa, &at)| dfa.is_match_state(dfa.next_eoi_state(at)));
        accepts.zip(0..).map(|(accepts, bit)| u64::from(accepts) << bit).sum()
    }

    /// Whether no pattern can hold of anything that begins so.
    pub(crate) fn is_dead(&self, states: &States) -> bool {
        self.automata.iter().zip(states).all(|(dfa, &state)| dfa.is_dead_state(state))
    }

    /// Of bytes that all automata treat alike only the first.
    pub(crate) fn distinct(&self, bytes: &[u8], kind: impl Fn(u8) -> u8) -> Vec<u8> {
        let mut seen = HashSet::default();
        let classes = |byte: u8| -> Vec<u8> {
            let each = self.automata.iter().map(|dfa| dfa.byte_classes().get(byte));
            each.chain([kind(byte)]).collect()
        };
        bytes.iter().copied().filter(|&byte| seen.insert(classes(byte))).collect()
    }
}

fn build(regex: &str, direction: Direction, unicode: bool) -> Option<dense::DFA<Vec<u32>>> {
    dense::Builder::new()
        .configure(
            dense::Config::new()
                .match_kind(MatchKind::All)
                .start_kind(regex_automata::dfa::StartKind::Anchored)
                .dfa_size_limit(Some(MAX_AUTOMATON))
                .determinize_size_limit(Some(4 * MAX_AUTOMATON)),
        )
        .syntax(syntax::Config::new().case_insensitive(true).unicode(unicode).utf8(false))
        .thompson(
            thompson::Config::new()
                .reverse(direction == Direction::Backward)
                .utf8(false)
                .which_captures(thompson::WhichCaptures::None)
                .nfa_size_limit(Some(MAX_AUTOMATON)),
        )
        .build(regex)
        .ok()
}

fn start_of(dfa: &dense::DFA<Vec<u32>>) -> Option<StateID> {
    dfa.start_state(&start::Config::new().anchored(Anchored::Yes)).ok()
}

/// What a walk has found.
#[derive(Debug)]
pub(crate) struct Walk {
    /// A shortest text of each case.
    pub(crate) texts: BTreeMap<Signature, Vec<u8>>,
    /// Whether every state was seen, so that there is no other case.
    pub(crate) complete: bool,
}

/// Walks from a state until all states, or all `wanted` cases, are seen, or `budget` states.
pub(crate) fn walk<S: Clone + Eq + Hash>(
    start: S,
    alphabet: &[u8],
    step: impl Fn(&S, u8) -> Option<S>,
    case: impl Fn(&S) -> Option<Signature>,
    (wanted, budget): (Option<usize>, usize),
) -> Walk {
    let mut seen: HashMap<S, ()> = HashMap::from_iter([(start.clone(), ())]);
    let mut queue: Vec<(S, usize, u8)> = vec![(start, 0, 0)];
    let mut texts = BTreeMap::new();
    let mut at = 0;
    while let Some((state, _, _)) = queue.get(at) {
        let state = state.clone();
        if let Some(signature) = case(&state) {
            texts.entry(signature).or_insert_with(|| spell(&queue, at));
            if wanted.is_some_and(|wanted| texts.len() >= wanted) {
                return Walk { texts, complete: true };
            }
        }
        for &byte in alphabet {
            let Some(next) = step(&state, byte) else { continue };
            if seen.insert(next.clone(), ()).is_none() {
                if queue.len() >= budget {
                    return Walk { texts, complete: false };
                }
                queue.push((next, at, byte));
            }
        }
        at += 1;
    }
    Walk { texts, complete: true }
}

fn spell<S>(queue: &[(S, usize, u8)], mut at: usize) -> Vec<u8> {
    let mut text = Vec::new();
    while let Some(&(_, before, byte)) = queue.get(at).filter(|_| at > 0) {
        text.push(byte);
        at = before;
    }
    text.reverse();
    text
}
