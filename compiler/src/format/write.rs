//! Walks a tree in the order of the text and writes it.

use super::WIDTH;
use super::out::Out;
use crate::source::Span;
use crate::syntax::ast::{
    Block, Body, BodyValues, Case, Default, Definition, DefinitionKind, Entry, Except, File, Form, Member,
    Rule, Statement, StatementKind, Test, Values, Word,
};
use crate::syntax::quoted;

/// The whole text.
pub(super) fn file(file: &File, mut out: Out<'_>) -> String {
    for statement in &file.statements {
        out.comments_before(statement.span.start);
        out.end_line();
        out.keep_gap(statement.span.start);
        self::statement(statement, &mut out);
        out.pass(statement.span.end);
    }
    out.finish()
}

fn statement(statement: &Statement, out: &mut Out<'_>) {
    match &statement.kind {
        StatementKind::Broken(_) => {
            let text = out.under(statement.span);
            out.word(text);
        }
        StatementKind::Default(Default::Verdict(verdict)) => words(&["default", &verdict.text], out),
        StatementKind::Default(Default::Block(inner)) => headed("default", statement.span, inner, out),
        StatementKind::Definition(one) => definition(one, statement.span, out),
        StatementKind::Include(one) => {
            words(&["include", &path(&one.path, out)], out);
        }
        StatementKind::Invariant(one) => {
            let head = format!("{} {}", one.kind.text, one.verdict.text);
            headed(&head, statement.span, &one.block, out);
        }
        StatementKind::Lint(one) => {
            let codes: Vec<&str> = one.codes.iter().map(|code| &*code.text).collect();
            words(&["lint", &one.level.text, &codes.join(", ")], out);
            if let Some(reason) = &one.reason {
                let reason = written(reason, out);
                words(&["", &reason], out);
            }
        }
        StatementKind::Policy(edition) => words(&["policy", &edition.text], out),
        StatementKind::Rule(one) => headed(&rule_head(one, out), statement.span, &one.block, out),
        StatementKind::Setting(one) => entry(one, out),
        StatementKind::Test(one) => test(one, out),
    }
}

fn words(words: &[&str], out: &mut Out<'_>) {
    out.word(&words.join(" "));
}

fn rule_head(rule: &Rule, out: &Out<'_>) -> String {
    let name = rule.name.as_ref().map(|name| format!(" {}", written(name, out))).unwrap_or_default();
    format!("{} {}{name}", rule.stage.text, rule.verdict.text)
}

/// Comments within a head go before it.
fn headed(head: &str, whole: Span, inner: &Block, out: &mut Out<'_>) {
    out.comments_before(inner.span.start.max(whole.start));
    out.word(head);
    out.word(" ");
    block(inner, out);
}

fn block(block: &Block, out: &mut Out<'_>) {
    let members: Vec<Piece<'_>> = block.members.iter().map(Piece::from).collect();
    braced(block.span, &members, out);
}

/// One thing between braces.
#[derive(Clone, Copy)]
enum Piece<'a> {
    Entry(&'a Entry),
    Except(&'a Except),
}

impl<'a> From<&'a Member> for Piece<'a> {
    fn from(member: &'a Member) -> Self {
        match member {
            Member::Entry(entry) => Self::Entry(entry),
            Member::Except(except) => Self::Except(except),
        }
    }
}

impl Piece<'_> {
    fn span(self) -> Span {
        match self {
            Self::Entry(entry) => entry.span,
            Self::Except(except) => except.span,
        }
    }
}

fn braced(span: Span, pieces: &[Piece<'_>], out: &mut Out<'_>) {
    let first = pieces.first().map_or(span.end, |piece| piece.span().start);
    let commented = out.has_comment(span.start, span.end);
    if pieces.is_empty() && !commented {
        out.word("{}");
        return;
    }
    if !commented && !out.breaks(span.start, first) {
        let flat = flat(pieces, out);
        if out.column() + flat.chars().count() <= WIDTH {
            out.word(&flat);
            return;
        }
    }
    out.word("{");
    out.pass(span.start + 1);
    out.indent += 1;
    if !out.has_comment(span.start, first) {
        out.end_line();
    }
    let mut before = span.start;
    for piece in pieces {
        let at = piece.span();
        let beside = at.start < before;
        if !beside {
            out.comments_before(at.start);
        }
        out.end_line();
        if !beside {
            out.keep_gap(at.start);
        }
        match piece {
            Piece::Entry(one) => entry(one, out),
            Piece::Except(one) => except(one, out),
        }
        out.pass(at.end);
        before = at.end;
    }
    out.comments_before(span.end);
    out.end_line();
    out.indent -= 1;
    out.word("}");
    out.pass(span.end);
}

fn flat(pieces: &[Piece<'_>], out: &Out<'_>) -> String {
    let parts: Vec<String> = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Entry(one) => flat_entry(one, out),
            Piece::Except(one) => {
                let inner: Vec<Piece<'_>> = one.entries.iter().map(Piece::Entry).collect();
                format!("except {}", if inner.is_empty() { "{}".into() } else { flat(&inner, out) })
            }
        })
        .collect();
    format!("{{ {} }}", parts.join("  "))
}

fn flat_entry(entry: &Entry, out: &Out<'_>) -> String {
    let not = if entry.not.is_some() { "not " } else { "" };
    let comma = if ends_open(&entry.values) { "," } else { "" };
    format!("{not}{}: {}{comma}", entry.key.text, flat_values(&entry.values, is_time(&entry.key.text), out))
}

fn flat_values(values: &Values, time: bool, out: &Out<'_>) -> String {
    let mut text = String::new();
    for (at, word) in values.include.iter().enumerate() {
        if at > 0 {
            text.push_str(separator(values.include.get(at - 1), word, time, out));
        }
        text.push_str(&written(word, out));
    }
    if values.but.is_some() {
        text.push_str(" except ");
        let parts: Vec<String> = values.exclude.iter().map(|word| written(word, out)).collect();
        text.push_str(&parts.join(", "));
    }
    text
}

fn is_time(key: &str) -> bool {
    key == "time"
}

/// Between two values stands a comma; between the days and the hours of a time, a space.
fn separator(before: Option<&Word>, word: &Word, time: bool, out: &Out<'_>) -> &'static str {
    let spaced = before.is_some_and(|before| !out.between(before.span.end, word.span.start).contains(','));
    if time && spaced { " " } else { ", " }
}

fn except(except: &Except, out: &mut Out<'_>) {
    out.word("except ");
    let pieces: Vec<Piece<'_>> = except.entries.iter().map(Piece::Entry).collect();
    braced(except.block, &pieces, out);
}

/// An entry on a line of its own. A comment between its key and its first value would cut the two
/// apart: it goes before them.
fn entry(entry: &Entry, out: &mut Out<'_>) {
    out.comments_before(entry.values.iter().next().map_or(entry.span.end, |word| word.span.start));
    if entry.not.is_some() {
        out.word("not ");
    }
    out.word(&format!("{}: ", entry.key.text));
    out.pass(entry.key.span.end);
    out.indent += 1;
    open_values(&entry.values, is_time(&entry.key.text), true, out);
    out.indent -= 1;
    if ends_open(&entry.values) {
        out.word(",");
    }
}

/// Whether the last value is a word that would be read as part of the key that follows, were it
/// not for a comma.
fn ends_open(values: &Values) -> bool {
    values.iter().last().is_some_and(|word| word.is("not") || word.is("redirect"))
}

/// Values with the line breaks of the source. `keyed`: the first stands behind its key.
fn open_values(values: &Values, time: bool, keyed: bool, out: &mut Out<'_>) {
    let all: Vec<&Word> = values.iter().collect();
    let included = values.include.len();
    for (at, word) in all.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| all.get(before));
        let mut text = String::new();
        if at == included && values.but.is_some() {
            text.push_str("except ");
        }
        text.push_str(&written(word, out));
        let comma = at + 1 < all.len() && at + 1 != included;
        let next_gap = all.get(at + 1).map_or("", |next| separator(Some(word), next, time, out));
        if comma && next_gap == ", " {
            text.push(',');
        }
        if let Some(before) = before {
            out.comments_before(word.span.start);
            // What is joined by a space stays on one line: on the next it would be something else.
            let joined = separator(Some(before), word, time, out) == " ";
            let full = !joined && !out.is_fresh() && out.column() + 1 + text.chars().count() > WIDTH;
            if full || out.breaks(before.span.end, word.span.start) {
                out.end_line();
                out.keep_gap(word.span.start);
            } else if !out.is_fresh() {
                out.word(" ");
            }
        } else if !keyed {
            out.comments_before(word.span.start);
            out.end_line();
        }
        out.word(&text);
        out.pass(word.span.end);
    }
}

fn definition(one: &Definition, whole: Span, out: &mut Out<'_>) {
    let name = written(&one.name, out);
    let head = format!("{} {name}", one.kind.keyword());
    match &one.body {
        Body::From(from) => {
            out.comments_before(from.span.start.max(whole.start));
            words(&[&head, "from", &path(from, out)], out);
        }
        Body::Values(body) => {
            out.comments_before(body.span.start);
            out.word(&head);
            out.word(" ");
            self::body(body, one.kind == DefinitionKind::Time, out);
        }
    }
}

fn body(body: &BodyValues, time: bool, out: &mut Out<'_>) {
    let span = body.span;
    let empty = body.values.include.is_empty() && body.entries.is_empty();
    let commented = out.has_comment(span.start, span.end);
    if empty && !commented {
        out.word("{}");
        return;
    }
    let first =
        body.values.iter().map(|word| word.span).chain(body.entries.iter().map(|entry| entry.span)).min();
    let first = first.map_or(span.end, |span| span.start);
    if !commented && !out.breaks(span.start, first) {
        let values = flat_values(&body.values, time, out);
        let parts = std::iter::once(values).filter(|text| !text.is_empty());
        let parts: Vec<String> = parts.chain(body.entries.iter().map(|one| flat_entry(one, out))).collect();
        let flat = format!("{{ {} }}", parts.join("  "));
        if out.column() + flat.chars().count() <= WIDTH {
            out.word(&flat);
            return;
        }
    }
    out.word("{");
    out.pass(span.start + 1);
    out.indent += 1;
    if !out.has_comment(span.start, first) {
        out.end_line();
    }
    open_values(&body.values, time, false, out);
    for one in &body.entries {
        out.comments_before(one.span.start);
        out.end_line();
        out.keep_gap(one.span.start);
        entry(one, out);
        out.pass(one.span.end);
    }
    out.comments_before(span.end);
    out.end_line();
    out.indent -= 1;
    out.word("}");
    out.pass(span.end);
}

fn test(test: &Test, out: &mut Out<'_>) {
    out.comments_before(test.block.start);
    let name = test.name.as_ref().map(|name| format!(" {}", written(name, out))).unwrap_or_default();
    out.word(&format!("test{name} {{"));
    out.pass(test.block.start + 1);
    if test.cases.is_empty() && !out.has_comment(test.block.start, test.block.end) {
        out.word("}");
        return;
    }
    out.indent += 1;
    for case in &test.cases {
        out.comments_before(case.span.start);
        out.end_line();
        out.keep_gap(case.span.start);
        self::case(case, out);
        out.pass(case.span.end);
    }
    out.comments_before(test.block.end);
    out.end_line();
    out.indent -= 1;
    out.word("}");
}

fn case(case: &Case, out: &mut Out<'_>) {
    let rule = case.rule.as_ref().map(|rule| format!(" {}", written(rule, out))).unwrap_or_default();
    headed(&format!("{}{rule}", case.verdict.text), case.span, &case.block, out);
}

/// A word as it is written: in the language's own spelling, quotes and slashes as they were.
fn written(word: &Word, out: &Out<'_>) -> String {
    match word.form {
        Form::Bare | Form::Broken => word.text.to_string(),
        Form::Quoted | Form::Regex => out.under(word.span).to_owned(),
    }
}

/// A path, which stands in quotes.
fn path(word: &Word, out: &Out<'_>) -> String {
    match word.form {
        Form::Quoted => out.under(word.span).to_owned(),
        Form::Bare | Form::Broken | Form::Regex => quoted(&word.text),
    }
}
