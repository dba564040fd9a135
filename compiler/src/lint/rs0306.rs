//! RS0306: a dot that stands for any character
//!
//! A regular expression has a dot between two letters without a backslash.
//!
//! ## Why it matters
//!
//! `/api.example.com/` fits `apixexample.com` too, which anybody may register.
//!
//! ## Example
//!
//! ```policy
//! socks block inside { to: @private, @loopback, @link-local, @metadata }
//! socks pass api { to: /api[0-9]+.example\.com/  port: 443 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks block inside { to: @private, @loopback, @link-local, @metadata }
//! socks pass api { to: /api[0-9]+\.example\.com/  port: 443 }
//! ```
//!
//! ## Fix
//!
//! Write `\.`; or use a pattern such as `api*.example.com`, where a dot is a dot and `*` stays within its
//! label.

use super::context::Context;
use super::{Grade, Lint};
use crate::diagnostic::{Diagnostic, Edit, Safety};
use crate::model::{NamePattern, SetItemKind};

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0306", Grade::Warning, include_str!("rs0306.rs"), check);

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for expr in context.expressions() {
        for item in expr.include.iter().chain(&expr.exclude) {
            if !matches!(&item.kind, SetItemKind::Name(NamePattern::Regex(_))) {
                continue;
            }
            let text = context.model.sources.text(item.span);
            let Some(escaped) = escaped(text) else { continue };
            found.push(
                LINT.at(item.span, format!("a dot in `{text}` stands for any character"))
                    .label("so names fit that nobody had in mind")
                    .help(format!("write `\\.` for a dot: `{escaped}`"))
                    .fix("escape the dot", Safety::Unsafe, vec![Edit { span: item.span, text: escaped }]),
            );
        }
    }
}

/// The text with a backslash before each dot that stands between two letters or digits, outside
/// of brackets; `None` if there is none.
fn escaped(text: &str) -> Option<String> {
    let letters: Vec<char> = text.chars().collect();
    let mut out = String::new();
    let mut inside = false;
    let mut changed = false;
    let mut before = None;
    for (at, &letter) in letters.iter().enumerate() {
        let after = letters.get(at + 1);
        let literal = before == Some('\\');
        match letter {
            '[' if !literal => inside = true,
            ']' if !literal => inside = false,
            '.' if !literal
                && !inside
                && before.is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, ')' | ']' | '}' | '+' | '*' | '?'))
                && after.is_some_and(|c| c.is_ascii_alphanumeric() || *c == '(') =>
            {
                out.push('\\');
                changed = true;
            }
            _ => {}
        }
        out.push(letter);
        before = if literal { None } else { Some(letter) };
    }
    changed.then_some(out)
}
