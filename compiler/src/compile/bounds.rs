//! What a policy may not come to, found before anything slow is made of it.

use super::literals::{self, Side};
use super::region::{Known, Regions};
use crate::diagnostic::{Code, Diagnostic, Level};
use crate::hash::HashSet;
use crate::model::{Model, NamePattern, SetBody, SetId, SetItemKind, Test};
use crate::source::Span;
use crate::tree::sets::SetPool;

/// Sets that may stand in each other.
const MAX_DEPTH: u32 = 64;

/// Globs and regexes that a policy may have: each may cost a decision an automaton of its own.
const MAX_PATTERNS: usize = 4096;

/// The first pattern beyond those that a policy may have (RS0401).
pub(crate) fn too_many_patterns(model: &Model) -> Option<Diagnostic> {
    let terms = model.rules.iter().flat_map(|rule| std::iter::once(&rule.when).chain(&rule.except));
    let of_rules = terms.flat_map(|when| &when.terms).filter_map(|term| match &term.test {
        Test::To(expr) => Some(expr),
        _ => None,
    });
    let of_sets = model.sets.iter().filter_map(|set| match &set.body {
        SetBody::Expr(expr) => Some(expr),
        SetBody::List(_) => None,
    });
    let mut seen = HashSet::default();
    let items = of_sets.chain(of_rules).flat_map(|expr| expr.include.iter().chain(&expr.exclude));
    let patterns = items.filter(|item| {
        let mut kind = &item.kind;
        while let SetItemKind::Ported(host, _) = kind {
            kind = host;
        }
        match kind {
            SetItemKind::Name(NamePattern::Glob(glob)) => seen.insert((false, glob.as_str())),
            SetItemKind::Name(NamePattern::Regex(regex)) => seen.insert((true, regex.as_str())),
            _ => false,
        }
    });
    let over = patterns.map(|item| item.span).nth(MAX_PATTERNS)?;
    let message = format!("more than {MAX_PATTERNS} names with a `*` inside and regexes");
    Some(
        Diagnostic::new(Code("RS0401"), Level::Error, over, message)
            .label("the first beyond")
            .help("write suffixes (`.example.com`) or whole names, of which a list may have millions"),
    )
}

/// Sets that come to more than a decision may take (RS0405): the first that does.
pub(crate) fn excess(model: &Model) -> Option<Diagnostic> {
    let inner: Vec<Vec<usize>> = model.sets.iter().map(|set| inner_sets(&set.body)).collect();
    if inner.iter().all(Vec::is_empty) {
        return None;
    }
    if let Some(set) = too_deep(&inner).and_then(|at| model.sets.get(at)) {
        let message = format!("`@{}` holds sets more than {MAX_DEPTH} deep", set.name);
        return Some(
            finding(set.span, message).label("sets within sets, to here").help(
                "write the values of the inner sets where they are needed, or put them into a list file",
            ),
        );
    }
    let (mut space, mut index) = literals::space_of_sets(model);
    let mut pool = SetPool::new();
    let mut regions = Regions::new(model, &mut index, &mut space, &mut pool, Known::ALL);
    for (at, _) in (0..).map(SetId).zip(&inner).filter(|(_, inner)| !inner.is_empty()) {
        for side in [Side::To, Side::From] {
            regions.named(at, side);
            let Some(set) = regions.exceeded.and_then(|id| model.set(id)) else { continue };
            let message = format!("`@{}` comes to more than a decision may take", set.name);
            return Some(
                finding(set.span, message)
                    .label("sets within sets, with `except`, multiply up to here")
                    .help("take names and addresses apart into sets of their own, and use fewer sets with `except` in each other"),
            );
        }
    }
    None
}

fn finding(span: Span, message: String) -> Diagnostic {
    Diagnostic::new(Code("RS0405"), Level::Error, span, message)
}

fn inner_sets(body: &SetBody) -> Vec<usize> {
    let SetBody::Expr(expr) = body else { return Vec::new() };
    let inner = |mut kind: &SetItemKind| {
        while let SetItemKind::Ported(host, _) = kind {
            kind = host;
        }
        match kind {
            SetItemKind::Set(id) => Some(id.0 as usize),
            _ => None,
        }
    };
    expr.include.iter().chain(&expr.exclude).filter_map(|item| inner(&item.kind)).collect()
}

/// A set in which others stand too deep; no set holds itself.
fn too_deep(inner: &[Vec<usize>]) -> Option<usize> {
    let mut depths: Vec<Option<u32>> = vec![None; inner.len()];
    let known = |depths: &[Option<u32>], set: usize| depths.get(set).copied().flatten();
    for start in 0..inner.len() {
        let mut open = vec![start];
        while let Some(&set) = open.last() {
            let within = inner.get(set).map(Vec::as_slice).unwrap_or_default();
            let waiting = within.iter().copied().find(|&one| known(&depths, one).is_none());
            if let Some(next) = waiting.filter(|_| known(&depths, set).is_none()) {
                open.push(next);
                continue;
            }
            let deepest = within.iter().filter_map(|&one| known(&depths, one)).max();
            let depth = deepest.map_or(0, |depth| depth + 1);
            if depth > MAX_DEPTH {
                return Some(set);
            }
            if let Some(own) = depths.get_mut(set) {
                *own = Some(depth);
            }
            open.pop();
        }
    }
    None
}
