//! `rustsocks diff`: the requests that another policy would judge differently.

use super::source::SourceOptions;
use super::{Exit, Failure, print};
use rustsocks_compiler::Policy;
use rustsocks_compiler::analysis::{Area, Diff, Difference, Pair, Said, Side};
use rustsocks_compiler::model::{Model, RuleId, Verdict};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;

/// Flags of `rustsocks diff`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The policy as it was.
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The policy as it is to be.
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// The settings file (RON), for the names of listeners; also `RUSTSOCKS_SETTINGS`.
    #[arg(long, value_name = "FILE.ron")]
    settings: Option<PathBuf>,
}

/// Compares two policies: 0 if every request is judged as before, 1 if not.
///
/// # Errors
/// A policy cannot be read.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let source = SourceOptions { settings: args.settings.clone(), ..SourceOptions::default() };
    let load = |path: &PathBuf| super::explain::load(Some(path), &source);
    let (Some(old), Some(new)) = (load(&args.old)?, load(&args.new)?) else { return Ok(Exit::Config) };
    let pair = Pair::new(&old, &new);
    let diff = pair.diff();
    if args.json {
        print(format_args!("{:#}\n", as_json(&pair, &diff, old.model(), new.model())));
    } else {
        print(as_text(&pair, &diff, &old, &new));
    }
    Ok(if diff.is_same() { Exit::Ok } else { Exit::Findings })
}

/// What a rule is called, with its place.
pub(super) fn named(model: &Model, rule: Option<RuleId>) -> String {
    match rule.and_then(|id| model.rule(id)) {
        None => "the default".into(),
        Some(rule) => match &rule.name {
            Some(name) => format!("`{name}` {}", model.line(rule.head)),
            None => model.line(rule.head),
        },
    }
}

fn as_text(pair: &Pair<'_>, diff: &Diff, old: &Policy, new: &Policy) -> String {
    let mut text = String::new();
    let (short_old, short_new) = (old.digest().short(), new.digest().short());
    if diff.is_same() {
        let same = if old.digest() == new.digest() { "" } else { ", which is proved" };
        return format!("every request is judged as before{same}  ({short_old} → {short_new})\n");
    }
    let count = |verdict| diff.differences.iter().filter(|one| one.verdict == verdict).count();
    let (passed, blocked) = (count(Verdict::Pass), count(Verdict::Block));
    // Writing to a string does not fail.
    _ = writeln!(text, "{passed} newly passed, {blocked} newly blocked  ({short_old} → {short_new})");
    for one in &diff.differences {
        _ = write!(text, "\n{}", difference(pair, one, old.model(), new.model()));
    }
    for key in &diff.settings {
        _ = writeln!(text, "\n`{key}` differs: {}", changes(key));
    }
    if !diff.complete {
        text.push_str("\nthere may be more: this was not decided within the budget\n");
    }
    text
}

fn difference(pair: &Pair<'_>, one: &Difference, old: &Model, new: &Model) -> String {
    let (now, was) = match one.verdict {
        Verdict::Pass => ("PASSED", "blocked"),
        Verdict::Block => ("BLOCKED", "passed"),
    };
    let mut text = format!(
        "{now} by {}, was {was} by {}  ({} stage)\n",
        named(new, one.new),
        named(old, one.old),
        one.stage
    );
    text.push_str(&area(&pair.area(one), |side, id| match side {
        Side::Old => format!("{} (old)", named(old, Some(id))),
        Side::New => named(new, Some(id)),
    }));
    _ = writeln!(text, "  such as  rustsocks explain {}", one.witness.arguments());
    text
}

/// An area, indented, one way or exception a line.
pub(super) fn area(area: &Area, name: impl Fn(Side, RuleId) -> String) -> String {
    let mut text = String::new();
    for (at, way) in area.ways.iter().enumerate() {
        let head = if at == 0 { "  " } else { "  or " };
        _ = writeln!(text, "{head}{}", Area::line(way));
    }
    for except in &area.except {
        _ = writeln!(text, "  except  {}", Area::line(except));
    }
    let more = area.less.len().saturating_sub(MAX_LESS);
    for (side, id) in area.less.iter().take(MAX_LESS) {
        _ = writeln!(text, "  less what {} decides", name(*side, *id));
    }
    if more > 0 {
        _ = writeln!(text, "  less what {more} more rules decide");
    }
    text
}

/// How many rules are named that take something away.
const MAX_LESS: usize = 6;

/// An area as JSON: conditions of one key that must all hold are a list.
pub(super) fn area_json(area: &Area, rule: impl Fn(Side, RuleId) -> Value) -> Value {
    let conditions = |said: &Vec<Said>| {
        let mut all = serde_json::Map::new();
        for one in said {
            let value = Value::from(one.value.clone());
            match all.get_mut(one.key) {
                Some(Value::Array(values)) => values.push(value),
                Some(first) => *first = json!([first.take(), value]),
                None => _ = all.insert(one.key.to_owned(), value),
            }
        }
        Value::Object(all)
    };
    let lists = |lists: &[Vec<Said>]| lists.iter().map(conditions).collect::<Vec<_>>();
    let less: Vec<Value> = area.less.iter().map(|(side, id)| rule(*side, *id)).collect();
    json!({ "any_of": lists(&area.ways), "except": lists(&area.except), "less": less })
}

/// What a setting that differs may change.
fn changes(key: &str) -> &'static str {
    match key {
        "resolve" => "names with several addresses may be judged differently",
        _ => "other clients may be able to ask, or be known in another way",
    }
}

fn as_json(pair: &Pair<'_>, diff: &Diff, old: &Model, new: &Model) -> Value {
    let rule = |model: &Model, id: Option<RuleId>| {
        let label = id.map_or_else(|| "default".to_owned(), |id| model.label(id));
        let place = id.and_then(|id| model.rule(id)).map(|rule| model.line(rule.head));
        json!({ "rule": label, "place": place })
    };
    let differences = diff.differences.iter().map(|one| {
        json!({
            "verdict": one.verdict.to_string(),
            "stage": one.stage.to_string(),
            "old": rule(old, one.old),
            "new": rule(new, one.new),
            "requests": area_json(&pair.area(one), |side, id| match side {
                Side::Old => json!({ "rule": old.label(id), "policy": "old" }),
                Side::New => json!({ "rule": new.label(id), "policy": "new" }),
            }),
            "witness": one.witness.arguments(),
        })
    });
    json!({ "same": diff.is_same(), "complete": diff.complete, "settings": diff.settings, "differences": differences.collect::<Vec<_>>() })
}
