//! Globs and regexes over names, in automata that find all that fit in one pass over a name:
//! no cache, no lock, no memory asked for.

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::util::primitives::StateID;
use regex_automata::util::{start, syntax};
use regex_automata::{Anchored, MatchKind};
use std::cell::Cell;
use std::sync::Arc;

/// One pattern of a policy.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// A glob, as [`crate::model::TextPattern::matches_name`] has it.
    Glob(Arc<str>),
    /// A regex, as the model has it.
    Regex(Arc<regex::Regex>),
}

/// All patterns of a policy; a pattern's token is its place among them.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    automata: Vec<Chunk>,
    /// Those beyond the automata's budget, tried one by one.
    beyond: Vec<(u32, Arc<regex::Regex>)>,
    sources: Vec<Source>,
}

/// What each pattern adds to what an automaton of several may take: those that multiply each other's
/// states (`*ab*`) are parted soon, and all that is built in vain is in proportion to their number.
const SHARE: usize = 16 << 10;

/// Patterns that an automaton may have.
const MAX_TOGETHER: usize = 512;

/// The same of those that may begin anywhere, of which each remembers whether it has.
const MAX_ROAMING: usize = 4;

/// Bytes of automata that are built for one policy, in vain or not; what is left is tried one by one.
const MAX_WORK: usize = 128 << 20;

#[derive(Debug)]
struct Chunk {
    automaton: dense::DFA<Vec<u32>>,
    start: StateID,
    /// Tokens by number in the automaton.
    tokens: Vec<u32>,
}

/// Where the automata ended on the name of one decision, once they were run.
#[derive(Debug, Default)]
pub(crate) struct Ends([Cell<Option<StateID>>; 4]);

impl Patterns {
    /// Builds automata of at most `budget` bytes each.
    pub(crate) fn new(sources: Vec<Source>, budget: usize) -> Self {
        let mut all = Self { sources, ..Self::default() };
        let (roaming, others): (Vec<u32>, Vec<u32>) = (0..)
            .take(all.sources.len())
            .partition(|&token| all.sources.get(token as usize).is_some_and(is_roaming));
        let mut work = 0;
        for some in others.chunks(MAX_TOGETHER).chain(roaming.chunks(MAX_ROAMING)) {
            all.build(some, budget, &mut work);
        }
        all
    }

    fn build(&mut self, tokens: &[u32], most: usize, work: &mut usize) {
        let budget = if tokens.len() > 1 { most.min(tokens.len() * SHARE) } else { most };
        let texts: Vec<String> =
            tokens.iter().filter_map(|&token| self.sources.get(token as usize)).map(expression).collect();
        if *work < MAX_WORK {
            let built = automaton(&texts, budget).and_then(|automaton| Chunk::new(automaton, tokens));
            *work += built.as_ref().map_or(budget, |chunk| chunk.automaton.memory_usage());
            if let Some(chunk) = built {
                self.automata.push(chunk);
                return;
            }
        }
        match tokens {
            [one] => match self.sources.get(*one as usize) {
                Some(Source::Regex(regex)) => self.beyond.push((*one, regex.clone())),
                Some(source @ Source::Glob(_)) => {
                    let regex = regex::Regex::new(&expression(source)).ok();
                    self.beyond.extend(regex.map(|regex| (*one, Arc::new(regex))));
                }
                None => {}
            },
            _ => {
                for some in tokens.chunks(tokens.len().div_ceil(4)) {
                    self.build(some, most, work);
                }
            }
        }
    }

    /// Hands out the tokens of the patterns that a name fits, of those from the first to the last
    /// that are asked for at least.
    pub(crate) fn each(&self, name: &str, (first, last): (u32, u32), ends: &Ends, mut take: impl FnMut(u32)) {
        for (at, chunk) in self.automata.iter().enumerate() {
            if !chunk.has_some(first, last) {
                continue;
            }
            let memo = ends.0.get(at);
            let end = match memo.and_then(Cell::get) {
                Some(end) => end,
                None => {
                    let end = chunk.run(name);
                    if let Some(memo) = memo {
                        memo.set(Some(end));
                    }
                    end
                }
            };
            if chunk.automaton.is_match_state(end) {
                for index in 0..chunk.automaton.match_len(end) {
                    let pattern = chunk.automaton.match_pattern(end, index);
                    chunk.tokens.get(pattern.as_usize()).copied().into_iter().for_each(&mut take);
                }
            }
        }
        for (token, regex) in &self.beyond {
            if (first..=last).contains(token) && regex.is_match(name) {
                take(*token);
            }
        }
    }

    /// The patterns that are tried one by one, because they are beyond the budget.
    pub(crate) fn beyond(&self) -> impl Iterator<Item = &Source> {
        self.beyond.iter().filter_map(|&(token, _)| self.sources.get(token as usize))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.sources.len()
    }

    /// What a pattern is called.
    pub(crate) fn name(&self, token: u32) -> String {
        match self.sources.get(token as usize) {
            Some(Source::Glob(glob)) => glob.to_string(),
            Some(Source::Regex(regex)) => format!("/{regex}/"),
            None => "?".into(),
        }
    }

    /// What they take in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.automata.iter().map(|chunk| chunk.automaton.memory_usage() + chunk.tokens.capacity() * 4).sum()
    }
}

impl Chunk {
    fn new(automaton: dense::DFA<Vec<u32>>, tokens: &[u32]) -> Option<Self> {
        let start = automaton.start_state(&start::Config::new().anchored(Anchored::Yes)).ok()?;
        Some(Self { automaton, start, tokens: tokens.to_vec() })
    }

    /// Whether it may have tokens from the first to the last; its own are in order.
    fn has_some(&self, first: u32, last: u32) -> bool {
        self.tokens.first().is_some_and(|&own| own <= last)
            && self.tokens.last().is_some_and(|&own| own >= first)
    }

    fn run(&self, name: &str) -> StateID {
        let mut state = self.start;
        for &byte in name.as_bytes() {
            state = self.automaton.next_state(state, byte);
            if self.automaton.is_dead_state(state) {
                return state;
            }
        }
        self.automaton.next_eoi_state(state)
    }
}

fn automaton(texts: &[String], budget: usize) -> Option<dense::DFA<Vec<u32>>> {
    let config = dense::Config::new()
        .start_kind(StartKind::Anchored)
        .match_kind(MatchKind::All)
        .accelerate(false)
        .unicode_word_boundary(true)
        .dfa_size_limit(Some(budget))
        .determinize_size_limit(Some(budget * 2));
    // Names are ASCII, so that letters of other scripts need no tables, unless a pattern has some.
    let plain = syntax::Config::new().case_insensitive(true).unicode(false).utf8(false);
    let full = syntax::Config::new().case_insensitive(true).utf8(false);
    let ascii = texts.iter().all(|text| {
        text.is_ascii() && !["\\x", "\\u", "\\U", "\\p", "\\P"].iter().any(|escape| text.contains(escape))
    });
    let thompson = regex_automata::nfa::thompson::Config::new().utf8(false).nfa_size_limit(Some(budget));
    let build = |syntax| {
        dense::Builder::new()
            .configure(config.clone())
            .thompson(thompson.clone())
            .syntax(syntax)
            .build_many(texts)
            .ok()
    };
    // What can be read without other scripts and is too large is no smaller with them.
    if ascii && texts.iter().all(|text| syntax::parse_with(text, &plain).is_ok()) {
        build(plain)
    } else {
        build(full)
    }
}

/// Whether a pattern may begin anywhere and go on after that: automata of several such have a state
/// for each of their subsets.
fn is_roaming(source: &Source) -> bool {
    match source {
        Source::Glob(glob) => {
            let rest = glob.strip_prefix("*.").unwrap_or(glob);
            rest.strip_prefix('*').is_some_and(|rest| rest.contains('*'))
        }
        Source::Regex(regex) => {
            let text = regex.as_str().trim_start_matches(['^', '(', '?', ':']);
            !text.starts_with(|first: char| first.is_ascii_alphanumeric())
        }
    }
}

/// A regex that fits exactly the whole names that a pattern fits.
fn expression(source: &Source) -> String {
    match source {
        Source::Regex(regex) => format!("(?s-u:.*)(?:{})(?s-u:.*)", regex.as_str()),
        Source::Glob(glob) => {
            let (deep, rest) = match glob.strip_prefix("*.") {
                Some(rest) => (true, rest),
                None => (false, &**glob),
            };
            let mut text = String::from("^(?:");
            if deep {
                text.push_str(r"(?:[^.]*\.)+");
            }
            for (at, part) in rest.split('*').enumerate() {
                if at > 0 {
                    text.push_str("[^.]*");
                }
                text.push_str(&regex::escape(part));
            }
            text.push_str(")$");
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TextPattern;

    #[test]
    fn every_pattern_that_fits_is_found() {
        let globs = ["api.*.com", "*.api-*.com", "web-*.example.com", "*", "a*b*c"];
        let regexes = ["^(?:ads?[0-9]+\\..*)$", "track", "^x", "\\bcom$"];
        let mut sources: Vec<Source> = globs.iter().map(|glob| Source::Glob((*glob).into())).collect();
        sources.extend(
            regexes.iter().map(|text| Source::Regex(Arc::new(regex::Regex::new(text).expect("a regex")))),
        );
        for budget in [1 << 20, 2000, 10] {
            let patterns = Patterns::new(sources.clone(), budget);
            for name in
                ["api.x.com", "api.x.y.com", "q.api-1.com", "web-.example.com", "ad7.track.net", "axbyc", "x"]
            {
                let mut found = Vec::new();
                patterns.each(name, (0, u32::MAX), &Ends::default(), |token| found.push(token));
                found.sort_unstable();
                let wanted: Vec<u32> = (0..)
                    .zip(&sources)
                    .filter(|(_, source)| match source {
                        Source::Glob(glob) => TextPattern::new(glob).matches_name(name),
                        Source::Regex(regex) => regex.is_match(name),
                    })
                    .map(|(token, _)| token)
                    .collect();
                assert_eq!(found, wanted, "{name} with {budget}");
            }
        }
    }

    #[test]
    fn patterns_that_multiply_take_room_in_proportion_to_their_number() {
        let letters = (0..60u8).map(|n| [b'a' + n % 26, b'a' + n / 26].map(char::from));
        let globs = letters.map(|[a, b]| Source::Glob(format!("*{a}{b}*.example.com").into()));
        let patterns = Patterns::new(globs.collect(), 1 << 20);
        assert!(patterns.beyond.is_empty());
        assert!(patterns.bytes() <= 60 * SHARE, "{} bytes", patterns.bytes());
        // What does not multiply stays together.
        let plain = (0..60).map(|n| Source::Glob(format!("web{n}-*.example.com").into()));
        assert_eq!(Patterns::new(plain.collect(), 1 << 20).automata.len(), 1);
    }
}
