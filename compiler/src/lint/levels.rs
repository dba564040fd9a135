//! Which findings count, and how: the catalogue, then the file, then the command line, then the
//! comment on a statement.

use super::{Grade, find, rs0507};
use crate::diagnostic::{Code, Diagnostic, Edit, Level, Safety};
use crate::load::Loaded;
use crate::resolve::{LintAction, LintLevel};
use crate::source::{FileId, Sources, Span};
use crate::syntax::Suppression;

/// A setting of the command line; the last one that speaks of a code counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Override {
    /// One code.
    Code(Code, LintAction),
    /// `--deny warnings`: every warning is an error.
    Warnings,
}

/// All settings of one run, and which suppressions have had something to do.
#[derive(Debug)]
pub(super) struct Levels<'a> {
    loaded: &'a Loaded,
    overrides: &'a [Override],
    used: Vec<bool>,
}

impl<'a> Levels<'a> {
    pub(super) fn new(loaded: &'a Loaded, overrides: &'a [Override]) -> Self {
        Self { loaded, overrides, used: vec![false; loaded.suppressions.len()] }
    }

    /// The level of a finding; `None` where it is not to be told.
    pub(super) fn of(&mut self, found: &Diagnostic) -> Option<Level> {
        let grade = find(found.code.0).map(|lint| lint.grade);
        if grade.is_none()
            || found.level == Level::Error && (grade == Some(Grade::Error) || is_structural(found))
        {
            return Some(found.level);
        }
        let mut level = (grade != Some(Grade::Off)).then_some(found.level);
        if let Some(said) = self.of_file(found) {
            level = apply(said.level, found.level);
        }
        for one in self.overrides {
            match *one {
                Override::Code(code, action) if code == found.code => level = apply(action, found.level),
                Override::Warnings if level == Some(Level::Warning) => level = Some(Level::Error),
                Override::Code(..) | Override::Warnings => {}
            }
        }
        if level.is_some() && self.is_suppressed(found) {
            return None;
        }
        level
    }

    /// The statement of the finding's own file, or else of the root. `allow` needs a reason.
    fn of_file(&self, found: &Diagnostic) -> Option<&'a LintLevel> {
        let of = |file: FileId| {
            let reasoned = |one: &&LintLevel| one.level != LintAction::Allow || one.reason.is_some();
            self.loaded
                .lints
                .iter()
                .rev()
                .filter(reasoned)
                .find(|one| one.code == found.code && one.file == file)
        };
        of(found.primary.span.file).or_else(|| of(FileId(0)))
    }

    fn is_suppressed(&mut self, found: &Diagnostic) -> bool {
        let at = found.primary.span;
        let hit = self.loaded.suppressions.iter().position(|one| {
            one.code == found.code
                && one.reason.is_some()
                && one.statement.is_some_and(|span| {
                    span.file == at.file && span.start <= at.start && at.start < span.end.max(span.start + 1)
                })
        });
        if let Some(used) = hit.and_then(|hit| self.used.get_mut(hit)) {
            *used = true;
        }
        hit.is_some()
    }

    /// Suppressions that say no reason or had nothing to suppress, and `lint allow` without reason.
    /// `complete`: everything was looked for, so that what was not found is not there.
    pub(super) fn useless(&self, complete: bool) -> Vec<Diagnostic> {
        let lint = &rs0507::LINT;
        let mut found = Vec::new();
        for (one, used) in self.loaded.suppressions.iter().zip(&self.used) {
            if one.reason.is_none() {
                let help = format!("write why: `# rustsocks: allow({}, \"the reason\")`", one.code);
                let message = "a suppression needs a reason";
                found.push(lint.at(one.comment, message).label("without one it has no effect").help(help));
            } else if complete && !used && one.code != lint.code {
                found.push(idle(&self.loaded.sources, &self.loaded.suppressions, one));
            }
        }
        for one in &self.loaded.lints {
            if one.level == LintAction::Allow && one.reason.is_none() {
                let help = format!("write why: `lint allow {} \"the reason\"`", one.code);
                let message = format!("`lint allow {}` needs a reason", one.code);
                found.push(lint.at(one.span, message).label("without one it has no effect").help(help));
            }
        }
        found
    }

    /// Codes that somebody asks for though they are off by default.
    pub(super) fn asked(loaded: &Loaded, overrides: &[Override]) -> Vec<Code> {
        let of_files = loaded.lints.iter().map(|one| (one.code, one.level));
        let of_line = overrides.iter().filter_map(|one| match *one {
            Override::Code(code, action) => Some((code, action)),
            Override::Warnings => None,
        });
        of_files
            .chain(of_line)
            .filter(|(_, action)| *action != LintAction::Allow)
            .map(|(code, _)| code)
            .collect()
    }
}

/// What the parser holds for an error is one, whatever its code is at other times.
fn is_structural(found: &Diagnostic) -> bool {
    found.level == Level::Error && found.code.0.starts_with("RS01")
}

fn apply(action: LintAction, own: Level) -> Option<Level> {
    match action {
        LintAction::Allow => None,
        LintAction::Deny => Some(Level::Error),
        LintAction::Warn => Some(own.clamp(Level::Warning, Level::Warning)),
    }
}

fn idle(sources: &Sources, all: &[Suppression], one: &Suppression) -> Diagnostic {
    let message = format!("this suppression of {} suppresses nothing", one.code);
    let found = rs0507::LINT.at(one.span, message).label("no such finding here").help("remove it");
    if all.iter().filter(|other| other.comment == one.comment).count() > 1 {
        return found;
    }
    let gone = Edit { span: whole(sources, one.comment), text: String::new() };
    found.fix("remove the suppression", Safety::Safe, vec![gone])
}

/// The comment, and its line where it stands alone on it.
fn whole(sources: &Sources, comment: Span) -> Span {
    let Some(source) = sources.file(comment.file) else { return comment };
    let text = source.text();
    let (start, end) = (comment.start as usize, comment.end as usize);
    let before = text.get(..start).unwrap_or_default();
    let line = before.rfind('\n').map_or(0, |at| at + 1);
    let blank = before.get(line..).is_some_and(|rest| rest.trim().is_empty());
    let newline = text.get(end..).is_some_and(|rest| rest.starts_with('\n'));
    if blank && newline {
        return Span { start: size(line), end: size(end + 1), ..comment };
    }
    Span { start: size(before.trim_end_matches([' ', '\t']).len()), ..comment }
}

fn size(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
