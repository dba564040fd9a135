//! RS0504: not formatted
//!
//! The text differs from what `rustsocks fmt` would write.
//!
//! ## Why it matters
//!
//! Policies that all look alike are compared and reviewed without noise.
//!
//! ## Example
//!
//! ```policy
//! socks   pass dns { to: 9.9.9.9 port: 53 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks pass dns { to: 9.9.9.9  port: 53 }
//! ```
//!
//! ## Fix
//!
//! Run `rustsocks fmt`, or `check --fix`.

use super::context::Context;
use super::{Grade, Lint};
use crate::diagnostic::{Diagnostic, Edit, Safety};
use crate::format::{draft, format};
use crate::source::Span;

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0504", Grade::Info, include_str!("rs0504.rs"), check);

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (file, source) in context.model.sources.iter() {
        let text = source.text();
        let Some(tree) = context.files.get(file.0 as usize) else { continue };
        let Some((at, _)) = difference(text, &draft(tree, text)) else { continue };
        let span = |start, end| Span { file, start: size(start), end: size(end) };
        let line = text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |end| at + end);
        let one = LINT
            .at(span(at, line.max(at)), "not formatted")
            .label("the first line that `rustsocks fmt` would write otherwise")
            .help("run `rustsocks fmt`");
        found.push(match edit(text) {
            Some((start, new)) => {
                let whole = Edit { span: span(start, text.len()), text: new };
                one.fix("format the file", Safety::Safe, vec![whole])
            }
            None => one,
        });
    }
}

/// The edit that formats the text; of a long one it is left to `rustsocks fmt`.
fn edit(text: &str) -> Option<(usize, String)> {
    let formatted = if text.len() <= LONG { format(text).ok()? } else { return None };
    difference(text, &formatted).map(|(start, new)| (start, new.to_owned()))
}

const LONG: usize = 256 << 10;

/// Where the first line that differs begins, and what should stand from there.
fn difference<'t>(text: &str, formatted: &'t str) -> Option<(usize, &'t str)> {
    if text == formatted {
        return None;
    }
    let equal = text.bytes().zip(formatted.bytes()).take_while(|(one, other)| one == other).count();
    let line = text.get(..text.floor_char_boundary(equal)).and_then(|same| same.rfind('\n'));
    let start = line.map_or(0, |at| at + 1);
    Some((start, formatted.get(start..)?))
}

fn size(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
