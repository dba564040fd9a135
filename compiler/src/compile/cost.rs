//! What a policy costs, where that is more than it should.

use crate::diagnostic::{Code, Diagnostic, Level};
use crate::list::List;
use crate::model::{Model, NamePattern, SetBody, SetExpr, SetItemKind, Test};
use crate::source::Span;
use crate::tree::Policy;
use crate::tree::patterns::Source;

/// Memory that one list may take.
const LIST_BUDGET: usize = 256 << 20;
/// Rules that one decision may examine.
const CHECKS: usize = 256;

impl Policy {
    /// What of the policy is beyond the budgets: patterns (RS0401), lists (RS0402) and rules that
    /// no key tells apart (RS0403). Over budget means slower, never wrong.
    pub fn costs(&self) -> Vec<Diagnostic> {
        let mut found: Vec<Diagnostic> = Vec::new();
        let model = self.model();
        for source in self.compiled().space.patterns.beyond() {
            found.extend(pattern_span(model, source).map(pattern));
        }
        for set in &model.sets {
            if let SetBody::List(list) = &set.body
                && list.bytes() > LIST_BUDGET
            {
                found.push(list_too_large(list, set.span));
            }
        }
        found.extend(self.crowd());
        found
    }

    /// The largest leaf, if a decision may examine too many rules (RS0403).
    pub(crate) fn crowd(&self) -> Option<Diagnostic> {
        let compiled = self.compiled();
        let trees = [&compiled.whole, &compiled.by_name, &compiled.admit];
        let worst = trees.into_iter().filter(|grown| grown.worst > CHECKS).max_by_key(|grown| grown.worst)?;
        let model = self.model();
        let first = worst.crowd.first().and_then(|&rule| model.rule(rule))?;
        let message = format!("a decision may examine {} rules", worst.worst);
        let label = format!("no key tells {} rules apart, of which this is the first", worst.crowd.len());
        let mut finding = Diagnostic::new(Code("RS0403"), Level::Warning, first.head, message).label(label);
        if let Some(last) = worst.crowd.last().and_then(|&rule| model.rule(rule)) {
            finding = finding.related(last.head, "… and this the last");
        }
        Some(
            finding.help(
                "give them values of one key that do not overlap, or join those that differ in one key",
            ),
        )
    }
}

fn pattern(span: Span) -> Diagnostic {
    Diagnostic::new(Code("RS0401"), Level::Error, span, "this pattern is beyond the budget of the automaton")
        .label("its automaton would be larger than 1 MiB")
        .help("make repetitions such as `{1,1000}` smaller, or write the names out in a set")
}

fn list_too_large(list: &List, span: Span) -> Diagnostic {
    let (path, mib) = (list.path(), list.bytes() >> 20);
    Diagnostic::new(Code("RS0402"), Level::Warning, span, format!("`{path}` takes {mib} MiB of memory"))
        .label(format!("{} entries", list.len()))
        .help("split the list, and leave out names that are below others")
}

/// Where a pattern stands.
fn pattern_span(model: &Model, source: &Source) -> Option<Span> {
    let is = |pattern: &NamePattern| match (pattern, source) {
        (NamePattern::Glob(glob), Source::Glob(text)) => glob.as_str() == &**text,
        (NamePattern::Regex(regex), Source::Regex(other)) => regex.as_str() == other.as_str(),
        _ => false,
    };
    let sets = model.sets.iter().filter_map(|set| match &set.body {
        SetBody::Expr(expr) => Some(expr),
        SetBody::List(_) => None,
    });
    let conditions = model.rules.iter().flat_map(|rule| std::iter::once(&rule.when).chain(&rule.except));
    let terms = conditions.flat_map(|conditions| &conditions.terms).filter_map(|term| match &term.test {
        Test::To(expr) => Some(expr),
        _ => None,
    });
    let items = |expr: &'_ SetExpr| -> Vec<(Span, SetItemKind)> {
        expr.include.iter().chain(&expr.exclude).map(|item| (item.span, item.kind.clone())).collect()
    };
    sets.chain(terms).flat_map(items).find_map(|(span, kind)| match kind {
        SetItemKind::Name(pattern) if is(&pattern) => Some(span),
        SetItemKind::Ported(inner, _) if matches!(&*inner, SetItemKind::Name(pattern) if is(pattern)) => {
            Some(span)
        }
        _ => None,
    })
}
