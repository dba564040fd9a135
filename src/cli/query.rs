//! `rustsocks query`: who can reach what.

use super::source::SourceOptions;
use super::{Exit, Failure, diff, print};
use rustsocks_compiler::analysis::{self, Area, Reachable};
use rustsocks_compiler::diagnostic::Level;
use rustsocks_compiler::model::{Builtin, HostFacts, Model};
use rustsocks_compiler::source::{LoadError, Loader};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

/// Flags of `rustsocks query`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// A question: "who can reach 10.0.0.5:22", "what can alice reach", "can anyone reach @metadata",
    /// "can @crew reach .example.com".
    #[arg(value_name = "QUESTION")]
    question: Vec<String>,

    /// The user, `@group`, `any` or `none`.
    #[arg(long)]
    user: Option<String>,

    /// A group of the policy or of the system.
    #[arg(long)]
    group: Option<String>,

    /// Addresses of clients: an address, a network, `@set`.
    #[arg(long, value_name = "ADDRESSES")]
    from: Option<String>,

    /// Targets as a rule writes them: an address, a name, a network, `@set`, `host:port`.
    #[arg(long, value_name = "TARGETS")]
    to: Option<String>,

    /// Ports as a rule writes them.
    #[arg(long)]
    port: Option<String>,

    /// The policy instead of that of the settings.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// As JSON.
    #[arg(long)]
    json: bool,

    /// The settings file (RON); also `RUSTSOCKS_SETTINGS`.
    #[arg(long, value_name = "FILE.ron")]
    settings: Option<PathBuf>,
}

/// Answers a question: 0 if somebody can, 1 if nobody can.
///
/// # Errors
/// The question cannot be read, or the policy.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let source = SourceOptions { settings: args.settings.clone(), ..SourceOptions::default() };
    let Some(policy) = super::explain::load(args.policy.as_ref(), &source)? else { return Ok(Exit::Config) };
    let question = question(args, policy.model())?;
    let asked = ask(policy.model(), &question)?;
    let Some(invariant) = asked.invariants.last() else {
        return Err(Failure::usage(format!("`{question}` is no question")));
    };
    let answer = analysis::can_reach(&asked, &invariant.when);
    if args.json {
        print(format_args!("{:#}\n", as_json(&question, &answer, &asked)));
    } else {
        print(as_text(&question, &answer, &asked));
    }
    Ok(if answer.passes.is_empty() && answer.complete { Exit::Findings } else { Exit::Ok })
}

/// The conditions that are asked about, in the language.
fn question(args: &Args, model: &Model) -> Result<String, Failure> {
    let flags = [
        ("user", &args.user),
        ("group", &args.group),
        ("from", &args.from),
        ("to", &args.to),
        ("port", &args.port),
    ];
    let mut said: Vec<(String, String)> =
        flags.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.clone()?))).collect();
    let words = args.question.join(" ");
    said.extend(read(&words, model)?);
    if said.is_empty() {
        return Err(Failure::usage("say what is asked, such as `rustsocks query who can reach 10.0.0.5:22`"));
    }
    let lines: Vec<String> = said.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    Ok(lines.join("  "))
}

/// A question in English, as keys and values.
fn read(words: &str, model: &Model) -> Result<Vec<(String, String)>, Failure> {
    let words = words.trim().trim_end_matches('?').trim();
    if words.is_empty() {
        return Ok(Vec::new());
    }
    if words.contains(": ") {
        let (key, value) = words.split_once(": ").unwrap_or((words, ""));
        return Ok(vec![(key.to_owned(), value.to_owned())]);
    }
    let parts: Vec<&str> = words.split_whitespace().map(plain).collect();
    let (who, what): (&[&str], &[&str]) = match parts.as_slice() {
        ["who", "can" | "could", "reach", what @ ..] if !what.is_empty() => (&[], what),
        ["what", "can" | "could", who @ .., "reach"] if !who.is_empty() => (who, &[]),
        ["can" | "could", "group", who, "reach", what @ ..] if !what.is_empty() => (&["group", who], what),
        ["can" | "could", "user", who, "reach", what @ ..] if !what.is_empty() => (&["user", who], what),
        ["can" | "could", who, "reach", what @ ..] if !what.is_empty() => (&[who], what),
        ["is", "any" | "anyone", "client" | "able", rest @ ..] => match rest {
            ["able", "to", "reach", what @ ..] | ["to", "reach", what @ ..] if !what.is_empty() => {
                (&[], what)
            }
            _ => return Err(not_understood(words)),
        },
        _ => return Err(not_understood(words)),
    };
    let mut said = Vec::new();
    match who {
        [] | ["anyone" | "anybody" | "someone" | "somebody"] => {}
        ["nobody"] => said.push(("user".into(), "none".into())),
        ["group", group] => said.push(match model.group(group.trim_start_matches('@')) {
            Some(group) => ("user".into(), format!("@{}", group.name)),
            None => ("group".into(), (*group).to_owned()),
        }),
        [who] if is_address(who) => {
            said.push(("from".into(), (*who).to_owned()));
        }
        [who] | ["user", who] => said.push(("user".into(), (*who).to_owned())),
        _ => return Err(not_understood(words)),
    }
    match what {
        [] | ["anything"] if said.is_empty() => said.push(("to".into(), "any".into())),
        [] | ["anything"] => {}
        what => said.push(("to".into(), target(what, model))),
    }
    Ok(said)
}

/// Whether somebody is named by an address or a network.
fn is_address(who: &str) -> bool {
    let bare = who.strip_prefix('[').and_then(|who| who.strip_suffix(']')).unwrap_or(who);
    bare.parse::<ipnet::IpNet>().is_ok() || bare.parse::<std::net::IpAddr>().is_ok()
}

/// A word of a question in small letters; any other as it is.
fn plain(word: &str) -> &str {
    const WORDS: [&str; 18] = [
        "able", "any", "anybody", "anyone", "anything", "can", "client", "could", "group", "is", "nobody",
        "reach", "somebody", "someone", "to", "user", "what", "who",
    ];
    WORDS.into_iter().find(|one| one.eq_ignore_ascii_case(word)).unwrap_or(word)
}

/// What is asked for, as a rule writes it: the name of a set stands for the set.
fn target(what: &[&str], model: &Model) -> String {
    let is_set =
        |word: &str| Builtin::named(word).is_some() || model.sets.iter().any(|set| &*set.name == word);
    match what {
        [word] | [word, "addresses"] if is_set(word) => format!("@{word}"),
        what => what.join(" "),
    }
}

fn not_understood(words: &str) -> Failure {
    Failure::usage(format!(
        "`{words}` is no question that is understood; try `who can reach TARGET`, `what can WHO reach` or \
         `can WHO reach TARGET`, where WHO is a user, `@group`, `group NAME`, `anyone`, `nobody` or an address \
         of clients, and TARGET is a host, a network or a set; or the flags `--user`, `--group`, `--from` and `--to`"
    ))
}

/// The policy with the question as its last promise: so it is read as the language reads it.
fn ask(model: &Model, question: &str) -> Result<Arc<Model>, Failure> {
    let asked = Asked { model, promise: format!("\nnever pass {{ {question} }}\n") };
    let root = model.sources.iter().next().map(|(_, source)| source.name().to_string()).unwrap_or_default();
    let facts: HostFacts = model.host.clone();
    let loaded = rustsocks_compiler::load(&root, &asked, &facts, None);
    loaded.model.ok_or_else(|| {
        let wrong = loaded.diagnostics.iter().find(|one| one.level == Level::Error);
        let why = wrong.map(|one| one.message.clone()).unwrap_or_default();
        Failure::usage(format!("the question `{question}` cannot be read: {why}"))
    })
}

struct Asked<'m> {
    model: &'m Model,
    promise: String,
}

impl Loader for Asked<'_> {
    fn read(&self, name: &str) -> Result<Arc<[u8]>, LoadError> {
        let found = self.model.sources.iter().enumerate().find(|(_, (_, source))| &**source.name() == name);
        match found {
            Some((0, (_, source))) => Ok(format!("{}{}", source.text(), self.promise).into_bytes().into()),
            Some((_, (_, source))) => Ok(source.text().as_bytes().into()),
            None => crate::policy::FileLoader::default().read(name),
        }
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, LoadError> {
        crate::policy::FileLoader::default().glob(pattern)
    }
}

fn as_text(question: &str, answer: &Reachable, model: &Model) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    match (answer.passes.len(), answer.complete) {
        (0, true) => _ = writeln!(text, "NOBODY  {question}  (proved{})", of_methods(model)),
        (0, false) => _ = writeln!(text, "UNDECIDED  {question}  (not within the budget)"),
        (count, _) => _ = writeln!(text, "{question}  through {count} of the rules"),
    }
    for passed in &answer.passes {
        _ = writeln!(text, "\nPASS by {}", diff::named(model, passed.rule));
        text.push_str(&diff::area(&passed.area, |_, id| diff::named(model, Some(id))));
        _ = writeln!(text, "  such as  rustsocks explain {}", passed.witness.arguments());
    }
    if !answer.complete && !answer.passes.is_empty() {
        text.push_str("\nthere may be more: this was not decided within the budget\n");
    }
    text
}

/// Where nobody can have a name, that may be why nobody can reach something.
fn of_methods(model: &Model) -> String {
    let methods = model.socks_methods();
    if methods.iter().any(|spec| spec.method.names_a_user()) {
        return String::new();
    }
    let listed: Vec<String> = methods.iter().map(ToString::to_string).collect();
    format!("; clients show {}, and so have no name", listed.join(" or "))
}

fn as_json(question: &str, answer: &Reachable, model: &Model) -> Value {
    let passes = answer.passes.iter().map(|passed| {
        let label = passed.rule.map_or_else(|| "default".to_owned(), |id| model.label(id));
        json!({
            "rule": label,
            "place": passed.rule.and_then(|id| model.rule(id)).map(|rule| model.line(rule.head)),
            "requests": requests(&passed.area, model),
            "witness": passed.witness.arguments(),
        })
    });
    json!({ "question": question, "complete": answer.complete, "passes": passes.collect::<Vec<_>>() })
}

fn requests(area: &Area, model: &Model) -> Value {
    diff::area_json(area, |_, id| model.label(id).into())
}
