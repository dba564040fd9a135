//! RS0503: another spelling of a word
//!
//! A word is written in a way that is understood but is not the language's own: `allow` for `pass`, `method`
//! for `socksmethod`.
//!
//! ## Why it matters
//!
//! One spelling is found by searching, two are not.
//!
//! ## Example
//!
//! ```policy
//! socks allow dns { to: 9.9.9.9  port: 53 }
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
//! `check --fix` and `rustsocks fmt` write the word as it should be.

use super::context::Context;
use super::{Grade, Lint};
use crate::diagnostic::{Diagnostic, Edit, Safety};
use crate::syntax::ast::{Form, Word};

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0503", Grade::Warning, include_str!("rs0503.rs"), check);

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for file in context.files {
        file.words(&mut |word| {
            let written = context.model.sources.text(word.span);
            if word.form == Form::Bare && !written.is_empty() && *written != *word.text {
                found.push(
                    LINT.at(word.span, format!("`{written}` is spelled `{}` here", word.text))
                        .help(format!("write `{}`", word.text))
                        .fix(
                            format!("write `{}`", word.text),
                            Safety::Safe,
                            vec![Edit { span: word.span, text: apart(context, word) }],
                        ),
                );
            }
        });
    }
}

/// The word, with a space before it where it would run into the one it stands behind, as in
/// `port<=1023`.
fn apart(context: &Context<'_>, word: &Word) -> String {
    let source = context.model.sources.file(word.span.file);
    let before = source.and_then(|source| source.text().get(..word.span.start as usize)?.chars().next_back());
    let runs_on = before.is_some_and(char::is_alphanumeric);
    format!("{}{}", if runs_on { " " } else { "" }, word.text)
}
