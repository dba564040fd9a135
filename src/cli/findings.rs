//! Findings on paper: for people, for programs, for GitHub, and as SARIF.

use super::excerpt::Excerpt;
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, Severity, SourceCode};
use rustsocks_compiler::diagnostic::{Diagnostic, Label, Level, Safety};
use rustsocks_compiler::lint;
use rustsocks_compiler::source::{FileId, Sources, Span};
use serde_json::{Value, json};
use std::fmt::{self, Write};
use std::sync::Arc;

/// How findings are written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Format {
    /// Commands that GitHub shows beside the lines of a pull request.
    Github,
    /// For people: each with the lines that it speaks of.
    #[default]
    Human,
    /// One array of objects.
    Json,
    /// SARIF 2.1.0, for code scanning services.
    Sarif,
}

/// The findings of one policy.
pub struct Checked<'a> {
    /// Its texts.
    pub sources: &'a Sources,
    /// What was found.
    pub found: &'a [Diagnostic],
}

/// Writes the findings of several policies.
pub fn write(all: &[Checked<'_>], format: Format, color: bool) -> String {
    match format {
        Format::Github => {
            all.iter().flat_map(|one| one.found.iter().map(|found| github(one.sources, found))).collect()
        }
        Format::Human => all.iter().map(|one| human(one, color)).collect(),
        Format::Json => {
            let items: Vec<Value> =
                all.iter().flat_map(|one| one.found.iter().map(|found| object(one.sources, found))).collect();
            format!("{:#}\n", Value::Array(items))
        }
        Format::Sarif => format!("{:#}\n", sarif(all)),
    }
}

fn human(all: &Checked<'_>, color: bool) -> String {
    let theme = if color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(100)
        .with_links(false)
        .with_wrap_lines(false)
        .with_context_lines(1);
    let texts: Vec<Arc<str>> = all.sources.iter().map(|(_, source)| shown(source.text())).collect();
    let mut out = String::new();
    for found in all.found {
        let report = Report::new(found, all.sources, &texts);
        if handler.render_report(&mut out, &report).is_err() {
            // A span that is none of the text: the finding is told without its lines.
            let place = all.sources.place(found.primary.span);
            out += &format!("{}: {place}: {}\n", found.code, found.message);
        }
        out.push('\n');
    }
    out
}

/// A text as a terminal may have it: no character moves the cursor, turns the direction of writing or
/// ends a line that the policy does not end. Every stand-in is as long as what it stands for.
fn shown(text: &Arc<str>) -> Arc<str> {
    // What turns the direction, ends a line in some editors, or is not to be seen at all.
    let hides = |one: char| matches!(one, '\u{61C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}');
    let moves = |one: char| one.is_control() && !matches!(one, '\n' | '\t') || hides(one);
    if !text.contains(moves) {
        return text.clone();
    }
    let mut left = text.chars().peekable();
    let mut shown = String::with_capacity(text.len());
    while let Some(one) = left.next() {
        shown.push(match (one, one.len_utf8()) {
            ('\r', _) if left.peek() == Some(&'\n') => '\r',
            ('\r', _) => '\n',
            (one, _) if !moves(one) => one,
            (_, 1) => '?',
            (_, 2) => '\u{BF}',
            (_, _) => char::REPLACEMENT_CHARACTER,
        });
    }
    shown.into()
}

/// One finding as the drawing library wants it.
struct Report<'a> {
    found: &'a Diagnostic,
    sources: &'a Sources,
    excerpt: Excerpt,
}

impl<'a> Report<'a> {
    fn new(found: &'a Diagnostic, sources: &'a Sources, texts: &[Arc<str>]) -> Self {
        let file = found.primary.span.file;
        let labels = std::iter::once(&found.primary).chain(&found.related);
        let spans: Vec<Span> = labels.map(|label| label.span).filter(|span| span.file == file).collect();
        let text = texts.get(file.0 as usize).map_or("", |text| text);
        Self { found, sources, excerpt: Excerpt::new(sources, file, text, &spans) }
    }

    fn is_beside(&self, label: &Label) -> bool {
        label.span.file == self.found.primary.span.file
    }
}

impl fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.found.fmt(f)
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.found.message)
    }
}

impl std::error::Error for Report<'_> {}

impl miette::Diagnostic for Report<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.found.code))
    }

    fn severity(&self) -> Option<Severity> {
        Some(match self.found.level {
            Level::Error => Severity::Error,
            Level::Info => Severity::Advice,
            Level::Warning => Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let mut lines: Vec<String> = self.found.help.iter().cloned().collect();
        for far in self.found.related.iter().filter(|label| !self.is_beside(label)) {
            lines.push(format!("see {}: {}", self.sources.place(far.span), far.text));
        }
        if let Some(witness) = &self.found.witness {
            lines.push(format!("try: rustsocks explain {witness}"));
        }
        (!lines.is_empty()).then(|| Box::new(lines.join("\n")) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.excerpt)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let primary = std::iter::once(&self.found.primary);
        let related = self.found.related.iter().filter(|label| self.is_beside(label));
        let text = |label: &Label| (!label.text.is_empty()).then(|| label.text.clone());
        let place = |label: &Label| self.excerpt.place(label.span);
        let primary = primary.map(move |label| LabeledSpan::new_primary_with_span(text(label), place(label)));
        let related = related.map(move |label| LabeledSpan::new_with_span(text(label), place(label)));
        Some(Box::new(primary.chain(related)))
    }
}

/// One finding as an object; lines and columns count from 1.
pub fn object(sources: &Sources, found: &Diagnostic) -> Value {
    let (start, end) = (sources.place(found.primary.span), sources.end_place(found.primary.span));
    json!({
        "code": found.code.0,
        "level": found.level.to_string(),
        "message": found.message,
        "file": *start.file,
        "line": start.line,
        "column": start.column,
        "end_line": end.line,
        "end_column": end.column,
        "label": found.primary.text,
        "help": found.help,
        "related": found.related.iter().map(|label| {
            let mut place = place(sources, label.span);
            if let Some(place) = place.as_object_mut() {
                place.insert("message".into(), label.text.clone().into());
            }
            place
        }).collect::<Vec<_>>(),
        "fix": found.fix.as_ref().map(|fix| json!({
            "title": fix.title,
            "safe": fix.safety == Safety::Safe,
            "edits": fix.edits.iter().map(|edit| {
                let mut place = place(sources, edit.span);
                if let Some(place) = place.as_object_mut() {
                    place.insert("text".into(), edit.text.clone().into());
                }
                place
            }).collect::<Vec<_>>(),
        })),
        "witness": found.witness,
    })
}

fn place(sources: &Sources, span: Span) -> Value {
    let (start, end) = (sources.place(span), sources.end_place(span));
    json!({
        "file": *start.file,
        "line": start.line,
        "column": start.column,
        "end_line": end.line,
        "end_column": end.column,
    })
}

/// A workflow command of GitHub Actions.
fn github(sources: &Sources, found: &Diagnostic) -> String {
    let command = match found.level {
        Level::Error => "error",
        Level::Info => "notice",
        Level::Warning => "warning",
    };
    let (start, end) = (sources.place(found.primary.span), sources.end_place(found.primary.span));
    let mut message = found.message.clone();
    for more in
        [Some(&found.primary.text), found.help.as_ref()].into_iter().flatten().filter(|text| !text.is_empty())
    {
        let _written = write!(message, "\n{more}");
    }
    let last = if end.line == start.line { format!(",endColumn={}", end.column) } else { String::new() };
    format!(
        "::{command} file={},line={},endLine={},col={}{last},title={}::{}\n",
        property(&start.file),
        start.line,
        end.line,
        start.column,
        found.code,
        data(&message),
    )
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

fn sarif(all: &[Checked<'_>]) -> Value {
    let rules: Vec<Value> = lint::ALL
        .iter()
        .map(|lint| {
            json!({
                "id": lint.code.0,
                "shortDescription": { "text": lint.title() },
                "help": { "text": lint::manual_page(lint), "markdown": lint::manual_page(lint) },
                "defaultConfiguration": { "level": rule_level(lint.grade) },
            })
        })
        .collect();
    let results: Vec<Value> =
        all.iter().flat_map(|one| one.found.iter().map(|found| result(one.sources, found))).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "rustsocks",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule_level(grade: lint::Grade) -> &'static str {
    match grade {
        lint::Grade::Deny | lint::Grade::Error => "error",
        lint::Grade::Info => "note",
        lint::Grade::Off => "none",
        lint::Grade::Warning => "warning",
    }
}

fn result(sources: &Sources, found: &Diagnostic) -> Value {
    let level = match found.level {
        Level::Error => "error",
        Level::Info => "note",
        Level::Warning => "warning",
    };
    let mut text = found.message.clone();
    for more in
        [Some(&found.primary.text), found.help.as_ref()].into_iter().flatten().filter(|text| !text.is_empty())
    {
        let _written = write!(text, "\n{more}");
    }
    let mut result = json!({
        "ruleId": found.code.0,
        "level": level,
        "message": { "text": text },
        "locations": [location(sources, &found.primary, None)],
    });
    let Some(object) = result.as_object_mut() else { return result };
    if let Some(index) = lint::ALL.iter().position(|lint| lint.code == found.code) {
        object.insert("ruleIndex".into(), index.into());
    }
    if !found.related.is_empty() {
        let related = found.related.iter().enumerate().map(|(at, label)| location(sources, label, Some(at)));
        object.insert("relatedLocations".into(), related.collect());
    }
    if let Some(fix) = &found.fix {
        object.insert(
            "fixes".into(),
            json!([{
                "description": { "text": fix.title },
                "artifactChanges": changes(sources, fix),
            }]),
        );
    }
    result
}

fn changes(sources: &Sources, fix: &rustsocks_compiler::diagnostic::Fix) -> Vec<Value> {
    let mut files: Vec<FileId> = fix.edits.iter().map(|edit| edit.span.file).collect();
    files.sort_unstable();
    files.dedup();
    files
        .into_iter()
        .map(|file| {
            let name = sources.file(file).map(|source| source.name().clone()).unwrap_or_default();
            let edits = fix.edits.iter().filter(|edit| edit.span.file == file);
            let replacements: Vec<Value> = edits
                .map(|edit| {
                    json!({
                        "deletedRegion": region(sources, edit.span),
                        "insertedContent": { "text": edit.text },
                    })
                })
                .collect();
            json!({ "artifactLocation": { "uri": uri(&name) }, "replacements": replacements })
        })
        .collect()
}

fn location(sources: &Sources, label: &Label, id: Option<usize>) -> Value {
    let name = sources.place(label.span).file;
    let mut location = json!({
        "physicalLocation": {
            "artifactLocation": { "uri": uri(&name) },
            "region": region(sources, label.span),
        },
    });
    if let Some(object) = location.as_object_mut() {
        if let Some(id) = id {
            object.insert("id".into(), id.into());
        }
        if !label.text.is_empty() {
            object.insert("message".into(), json!({ "text": label.text }));
        }
    }
    location
}

fn region(sources: &Sources, span: Span) -> Value {
    let (start, end) = (sources.place(span), sources.end_place(span));
    json!({
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    })
}

/// A path as a relative reference (RFC 3986 §4.2).
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte))
            }
            _ => {
                let _written = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri
}
