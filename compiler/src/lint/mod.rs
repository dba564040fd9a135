//! What is worth saying about a policy that can be read: the catalogue of codes, one file each,
//! whose doc comment is its manual page. Codes of the parser and the resolver have a page here too.
//!
//! A lint never claims what is not so: what it says is proved by the algebra in `shape`, or shown
//! by a request that the naive interpreter confirms.

mod context;
mod cover;
mod flat;
mod guard;
mod index;
mod inside;
mod levels;
mod names;
mod page;
mod ranges;
mod shape;
pub(crate) mod witness;

macro_rules! catalogue {
    ($($code:ident),* $(,)?) => {
        $(mod $code;)*
        /// Every code there is, in order.
        pub const ALL: &[&Lint] = &[$(&$code::LINT),*];
        /// Their names, such as `RS0203`.
        pub const CODES: &[&str] = &[$($code::LINT.code.0),*];
    };
}

catalogue! {
    rs0101, rs0102, rs0103, rs0104, rs0105, rs0106, rs0107, rs0108, rs0109, rs0110, rs0111, rs0112, rs0113,
    rs0114, rs0115, rs0116, rs0117, rs0118,
    rs0201, rs0202, rs0203, rs0204, rs0205, rs0206, rs0207, rs0208, rs0209, rs0210, rs0211, rs0212, rs0213,
    rs0214, rs0215, rs0216,
    rs0301, rs0302, rs0303, rs0305, rs0306, rs0307, rs0308, rs0309, rs0310, rs0311, rs0312, rs0313,
    rs0401, rs0402, rs0403, rs0404, rs0405,
    rs0501, rs0502, rs0503, rs0504, rs0507,
    rs0601, rs0602, rs0603,
}

pub use levels::Override;
pub use page::{index as manual_index, page as manual_page};

use crate::diagnostic::{Code, Diagnostic, Level};
use crate::load::Loaded;
use crate::model::Timestamp;
use crate::source::Span;
use context::Context;
use levels::Levels;

/// How a code counts where nobody says otherwise.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Grade {
    /// An error that no setting softens: the policy can not be understood.
    Error,
    /// An error that a setting may soften.
    Deny,
    /// A warning.
    Warning,
    /// Worth knowing.
    Info,
    /// Not looked for unless asked.
    Off,
}

/// One code.
#[derive(Debug)]
pub struct Lint {
    /// The code.
    pub code: Code,
    /// How it counts.
    pub grade: Grade,
    /// The text of its file, which begins with its page.
    text: &'static str,
    /// What looks for it; `None` where the parser, the resolver or the command does.
    check: Option<fn(&Context<'_>, &mut Vec<Diagnostic>)>,
}

impl Lint {
    const fn new(
        code: &'static str,
        grade: Grade,
        text: &'static str,
        check: fn(&Context<'_>, &mut Vec<Diagnostic>),
    ) -> Self {
        Self { code: Code(code), grade, text, check: Some(check) }
    }

    /// A code that others report.
    const fn page(code: &'static str, grade: Grade, text: &'static str) -> Self {
        Self { code: Code(code), grade, text, check: None }
    }

    /// A finding of this code.
    pub(crate) fn at(&self, span: Span, message: impl Into<String>) -> Diagnostic {
        let level = match self.grade {
            Grade::Error | Grade::Deny => Level::Error,
            Grade::Warning => Level::Warning,
            Grade::Info | Grade::Off => Level::Info,
        };
        Diagnostic::new(self.code, level, span, message)
    }

    /// Its title: the first line of its page without the code.
    pub fn title(&self) -> &'static str {
        let first = self.text.lines().next().unwrap_or_default();
        first.split_once(": ").map_or(first, |(_, title)| title)
    }
}

/// The first code.
pub(crate) const FIRST: &Lint = &rs0101::LINT;

/// The code of a name such as `RS0203`, in any case.
pub fn find(code: &str) -> Option<&'static Lint> {
    ALL.iter().copied().find(|lint| lint.code.0.eq_ignore_ascii_case(code))
}

/// What a run may know beside the policy.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Now; without it nothing is said of dates.
    pub now: Option<Timestamp>,
    /// What the command line says of levels.
    pub overrides: Vec<Override>,
    /// Entries of all lists together before a word is said; four million if not set.
    pub list_budget: Option<usize>,
    /// Findings that others made: of tests, of the environment.
    pub others: Vec<Diagnostic>,
}

/// All that there is to say about a policy: what parser and resolver found, what others found, and
/// the lints where it has no error; with their levels, in the order of the text.
pub fn run(loaded: &Loaded, options: &Options) -> Vec<Diagnostic> {
    let mut found = loaded.diagnostics.clone();
    found.extend(options.others.iter().cloned());
    if let Some(model) = &loaded.model {
        let asked = Levels::asked(loaded, &options.overrides);
        let flats = flat::Flats::new(model);
        let context = Context::new(model, &loaded.files, &flats, options);
        for lint in ALL {
            let wanted = lint.grade != Grade::Off || asked.contains(&lint.code);
            if let Some(check) = lint.check.filter(|_| wanted) {
                check(&context, &mut found);
            }
        }
    }
    settle(loaded, found, &options.overrides)
}

/// Applies settings and suppressions, and puts the findings in the order of the text.
fn settle(loaded: &Loaded, found: Vec<Diagnostic>, overrides: &[Override]) -> Vec<Diagnostic> {
    let mut levels = Levels::new(loaded, overrides);
    let mut kept: Vec<Diagnostic> = found.into_iter().filter_map(|one| leveled(one, &mut levels)).collect();
    for one in levels.useless(loaded.model.is_some()) {
        kept.extend(leveled(one, &mut levels));
    }
    kept.iter_mut().for_each(Diagnostic::cut);
    kept.sort_by_key(|one| (one.primary.span, one.code));
    kept.dedup_by(|one, other| {
        one.primary == other.primary && one.code == other.code && one.message == other.message
    });
    kept
}

fn leveled(mut found: Diagnostic, levels: &mut Levels<'_>) -> Option<Diagnostic> {
    found.level = levels.of(&found)?;
    Some(found)
}
