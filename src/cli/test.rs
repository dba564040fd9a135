//! `rustsocks test`: whether a policy keeps what it promises.

use super::findings::{Checked, Format as Findings, write};
use super::{Exit, Failure, complain, is_colored, policy_files, print};
use rustsocks_compiler::Policy;
use rustsocks_compiler::diagnostic::{Diagnostic, Level};
use rustsocks_compiler::explain::Explanation;
use rustsocks_compiler::model::{Invariant, InvariantKind, Model, RuleId, Stage, Verdict};
use rustsocks_compiler::promise::{self, Played, Proof};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Flags of `rustsocks test`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// Policies; `-` is standard input.
    #[arg(value_name = "FILE", default_value = policy_files::DEFAULT)]
    files: Vec<PathBuf>,

    /// Lists also the rules that no test decides.
    #[arg(long)]
    coverage: bool,

    /// How the results are written.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

/// How results are written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Human,
    /// One array of objects, one for each policy.
    Json,
    /// JUnit XML, which most build servers read.
    Junit,
}

/// Runs the tests of policies.
///
/// # Errors
/// Where a policy can not be read.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let mut exit = Exit::Ok;
    let mut texts = Vec::new();
    let mut objects = Vec::new();
    for file in &args.files {
        let reader = policy_files::Reader::new(file)?;
        let loaded = reader.load();
        let Some(model) = &loaded.model else {
            let errors: Vec<Diagnostic> =
                loaded.diagnostics.iter().filter(|one| one.level == Level::Error).cloned().collect();
            let checked = Checked { sources: &loaded.sources, found: &errors };
            complain(write(&[checked], Findings::Human, is_colored()).trim_end());
            exit = Exit::Findings;
            continue;
        };
        let results = Results::of(model);
        if !results.hold() {
            exit = Exit::Findings;
        }
        match args.format {
            Format::Human => print(results.human(file, args.coverage)),
            Format::Json => objects.push(results.object(file)),
            Format::Junit => texts.push(results.junit(file)),
        }
    }
    match args.format {
        Format::Human => {}
        Format::Json => print(format_args!("{:#}\n", Value::Array(objects))),
        Format::Junit => print(format_args!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n{}</testsuites>\n",
            texts.concat()
        )),
    }
    Ok(exit)
}

/// What came of the promises of one policy.
struct Results<'m> {
    model: &'m Model,
    played: Vec<Played<'m>>,
    /// Why each case came out as it did, where that is not as it says.
    why: Vec<Option<Explanation>>,
    proofs: Vec<(&'m Invariant, Proof)>,
}

impl<'m> Results<'m> {
    fn of(model: &'m Arc<Model>) -> Self {
        let played = promise::play(model);
        let broken = played.iter().any(|one| !one.held);
        let policy = broken.then(|| Policy::compile(model.clone()));
        let explain = |one: &Played<'_>| policy.as_ref().map(|policy| promise::explain(policy, one.case));
        let why = played.iter().map(|one| if one.held { None } else { explain(one) }).collect();
        Self { model, played, why, proofs: promise::prove(model) }
    }

    /// All cases, those that failed with the reason.
    fn cases(&self) -> impl Iterator<Item = (&Played<'m>, Option<&Explanation>)> {
        self.played.iter().zip(self.why.iter().map(Option::as_ref))
    }

    fn hold(&self) -> bool {
        self.played.iter().all(|one| one.held)
            && !self.proofs.iter().any(|(_, proof)| matches!(proof, Proof::Broken { .. }))
    }

    fn human(&self, file: &Path, coverage: bool) -> String {
        let mut text = format!("{}\n", file.display());
        for block in blocks(&self.played) {
            let failed = block.iter().filter(|one| !one.held).count();
            let name = block.first().map_or("", |one| one.block);
            let cases = count(block.len(), "case", "cases");
            let _ok = match failed {
                0 => writeln!(text, "  {} {name}  {cases}", paint("✓", GREEN)),
                failed => writeln!(text, "  {} {name}  {failed} of {cases} failed", paint("✗", RED)),
            };
            let of_block =
                |one: &Played<'_>| block.first().is_some_and(|first| std::ptr::eq(one.block, first.block));
            for (one, why) in self.cases().filter(|(one, why)| why.is_some() && of_block(one)) {
                self.failure(one, why, &mut text);
            }
        }
        for (invariant, proof) in &self.proofs {
            let words = words(self.model, invariant);
            let _ok = match proof {
                Proof::Broken { request, by } => writeln!(
                    text,
                    "  {} {words}\n      broken {}\n      try: rustsocks explain {request}",
                    paint("✗", RED),
                    self.label(*by)
                ),
                Proof::Holds => {
                    // A promise is about the socks stage.
                    let door = self.model.stage(Stage::Client).next().is_some();
                    let of = if door { ", of clients that are let in" } else { "" };
                    writeln!(text, "  {} {words}  proved{of}", paint("✓", GREEN))
                }
                Proof::Undecided => {
                    writeln!(text, "  {} {words}  not decided: neither proved nor broken", paint("?", YELLOW))
                }
            };
        }
        if coverage {
            self.coverage(&mut text);
        }
        text + &self.summary()
    }

    fn failure(&self, one: &Played<'_>, why: Option<&Explanation>, text: &mut String) {
        let place = self.model.sources.place(one.case.span);
        let case = self.model.sources.text(one.case.span).split_whitespace().collect::<Vec<_>>().join(" ");
        let expected = one.case.rule.as_ref().map(|rule| format!(" by `{rule}`")).unwrap_or_default();
        let _written = writeln!(
            text,
            "      {place}  {case}\n        expected {}{expected}\n        got      {} {}, at the {} stage",
            one.case.verdict,
            one.outcome.verdict,
            self.label(one.outcome.rule),
            one.outcome.stage
        );
        for line in why.map(ToString::to_string).unwrap_or_default().lines() {
            let _written = writeln!(text, "        {line}");
        }
    }

    fn label(&self, rule: Option<RuleId>) -> String {
        match rule.and_then(|id| self.model.rule(id).map(|rule| (id, rule))) {
            Some((id, rule)) => format!("by `{}` ({})", self.model.label(id), self.model.line(rule.head)),
            None => "by the default".into(),
        }
    }

    fn coverage(&self, text: &mut String) {
        let bare = promise::uncovered(self.model, &self.played);
        let all = self.model.rules.len();
        let _written =
            writeln!(text, "  {} of {} decided by a test", all - bare.len(), count(all, "rule", "rules"));
        for id in bare {
            if let Some(rule) = self.model.rule(id) {
                let _written = writeln!(
                    text,
                    "    not decided: `{}`  {}",
                    self.model.label(id),
                    self.model.line(rule.head)
                );
            }
        }
    }

    fn summary(&self) -> String {
        let failed = self.played.iter().filter(|one| !one.held).count();
        let broken = self.proofs.iter().filter(|(_, proof)| matches!(proof, Proof::Broken { .. })).count();
        let open = self.proofs.iter().filter(|(_, proof)| *proof == Proof::Undecided).count();
        let mut parts = vec![
            format!("{} passed", count(self.played.len() - failed, "case", "cases")),
            format!("{} proved", count(self.proofs.len() - broken - open, "promise", "promises")),
        ];
        for (number, word) in [(failed, "failed"), (broken, "broken"), (open, "not decided")] {
            if number > 0 {
                parts.push(format!("{number} {word}"));
            }
        }
        format!("  {}\n", parts.join(", "))
    }

    fn object(&self, file: &Path) -> Value {
        let place = |span| {
            let place = self.model.sources.place(span);
            json!({ "file": *place.file, "line": place.line, "column": place.column })
        };
        let cases: Vec<Value> = self
            .cases()
            .map(|(one, why)| {
                json!({
                    "test": one.block,
                    "place": place(one.case.span),
                    "passed": one.held,
                    "expected": { "verdict": one.case.verdict.to_string(), "rule": one.case.rule.as_deref() },
                    "got": {
                        "verdict": one.outcome.verdict.to_string(),
                        "stage": one.outcome.stage.to_string(),
                        "rule": one.outcome.rule.map_or_else(|| "default".into(), |id| self.model.label(id)),
                    },
                    "explanation": why,
                })
            })
            .collect();
        let promises: Vec<Value> = self
            .proofs
            .iter()
            .map(|(invariant, proof)| {
                let (state, request) = match proof {
                    Proof::Broken { request, .. } => ("broken", Some(request)),
                    Proof::Holds => ("proved", None),
                    Proof::Undecided => ("not decided", None),
                };
                json!({
                    "promise": words(self.model, invariant),
                    "place": place(invariant.span),
                    "state": state,
                    "witness": request,
                })
            })
            .collect();
        let bare = promise::uncovered(self.model, &self.played);
        json!({
            "file": file.display().to_string(),
            "passed": self.hold(),
            "cases": cases,
            "promises": promises,
            "uncovered": bare.into_iter().map(|id| self.model.label(id)).collect::<Vec<_>>(),
        })
    }

    fn junit(&self, file: &Path) -> String {
        let failed = self.played.iter().filter(|one| !one.held).count();
        let broken = self.proofs.iter().filter(|(_, proof)| matches!(proof, Proof::Broken { .. })).count();
        let mut text = format!(
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\">\n",
            escaped(&file.display().to_string()),
            self.played.len() + self.proofs.len(),
            failed + broken
        );
        for (one, why) in self.cases() {
            let name =
                self.model.sources.text(one.case.span).split_whitespace().collect::<Vec<_>>().join(" ");
            let got = format!("got {} {}", one.outcome.verdict, self.label(one.outcome.rule));
            let why = why.map(ToString::to_string).unwrap_or_default();
            text += &junit_case(one.block, &name, (!one.held).then_some((got, why)));
        }
        for (invariant, proof) in &self.proofs {
            let fault = match proof {
                Proof::Broken { request, .. } => {
                    Some((format!("rustsocks explain {request}"), String::new()))
                }
                Proof::Holds | Proof::Undecided => None,
            };
            text += &junit_case("promises", &words(self.model, invariant), fault);
        }
        text + "  </testsuite>\n"
    }
}

/// A case; where it failed with a word on what came instead, and the reasons.
fn junit_case(class: &str, name: &str, fault: Option<(String, String)>) -> String {
    let head = format!("    <testcase classname=\"{}\" name=\"{}\"", escaped(class), escaped(name));
    match fault {
        None => format!("{head}/>\n"),
        Some((fault, why)) => {
            let lines: String = why.lines().map(|line| escaped(line) + "\n").collect();
            let fault = escaped(&fault);
            format!("{head}>\n      <failure message=\"{fault}\">{lines}</failure>\n    </testcase>\n")
        }
    }
}

/// For attributes of XML 1.0, which has no way to write most control characters.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(' '),
            character if character.is_control() => out.push('\u{fffd}'),
            character => out.push(character),
        }
    }
    out
}

fn blocks<'p, 'm>(played: &'p [Played<'m>]) -> impl Iterator<Item = &'p [Played<'m>]> {
    played.chunk_by(|one, next| std::ptr::eq(one.block, next.block))
}

fn words(model: &Model, invariant: &Invariant) -> String {
    let kind = match invariant.kind {
        InvariantKind::Always => "always",
        InvariantKind::Never => "never",
    };
    let verdict: Verdict = invariant.verdict;
    let text = model.sources.text(invariant.span).split_whitespace().collect::<Vec<_>>().join(" ");
    let rest = text.split_once('{').map(|(_, rest)| format!(" {{{rest}")).unwrap_or_default();
    format!("{kind} {verdict}{rest}")
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

const GREEN: u8 = 32;
const RED: u8 = 31;
const YELLOW: u8 = 33;

fn paint(text: &str, color: u8) -> String {
    if is_colored() { format!("\x1b[{color}m{text}\x1b[0m") } else { text.into() }
}
