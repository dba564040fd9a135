//! `rustsocks sessions`: who talked to what, when, how much, under which rule, and what was refused.

use super::show::{bars, clean, size, span, table};
use super::source::{Filter, Source, SourceOptions, since};
use super::{Exit, Failure, complain, print};
use crate::api::{NamedSums, Stats};
use crate::session::{CSV_HEADER, SessionView};
use crate::settings::value::Span;
use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::PathBuf;

/// Flags of `rustsocks sessions`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Sub,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Sub {
    /// Lists sessions, newest first.
    List(List),
    /// Shows one session with everything on record.
    Show(Show),
    /// Ends a session that is under way.
    Kill(Kill),
    /// Sums sessions up.
    Stats(Sums),
    /// Writes all records that fit to a file.
    Export(Export),
}

#[derive(Clone, Debug, clap::Args)]
struct List {
    /// Only those under way.
    #[arg(long)]
    active: bool,
    /// At most so many.
    #[arg(long, default_value_t = 50, value_name = "COUNT")]
    limit: usize,
    /// As JSON, one object a line.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// As CSV.
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    source: SourceOptions,
}

#[derive(Clone, Debug, clap::Args)]
struct Show {
    /// The session.
    #[arg(value_name = "ID")]
    id: String,
    /// As JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: SourceOptions,
}

#[derive(Clone, Debug, clap::Args)]
struct Kill {
    /// The session.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    source: SourceOptions,
}

/// What sums are shown by.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum By {
    /// Requested hosts.
    Dest,
    /// Hours (UTC).
    Hour,
    /// Rules.
    Rule,
    /// Users.
    User,
}

#[derive(Clone, Debug, clap::Args)]
struct Sums {
    /// Of this time, such as `24h` or `7d`, instead of today (UTC).
    #[arg(long, value_name = "TIME")]
    last: Option<Span>,
    /// Only by this.
    #[arg(long, value_enum)]
    by: Option<By>,
    /// Names in each list.
    #[arg(long, default_value_t = 10, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// As JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: SourceOptions,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
enum Format {
    /// Comma-separated, with a head.
    #[default]
    Csv,
    /// One JSON object a line.
    Jsonl,
}

#[derive(Clone, Debug, clap::Args)]
struct Export {
    /// The file; standard output without it.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How records are written.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    source: SourceOptions,
}

/// Runs `rustsocks sessions`.
///
/// # Errors
/// Neither the server nor its store can be reached, or the question is wrong.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    match &args.command {
        Sub::List(args) => list(args),
        Sub::Show(args) => show(args),
        Sub::Kill(args) => kill(args),
        Sub::Stats(args) => stats(args),
        Sub::Export(args) => export(args),
    }
}

/// The server or, with a word on it, its store.
pub(super) fn open(options: &SourceOptions) -> Result<Source, Failure> {
    let source = options.open()?;
    if let Some(note) = source.note() {
        complain(format!("rustsocks: {note}"));
    }
    Ok(source)
}

fn list(args: &List) -> Result<Exit, Failure> {
    let source = open(&args.source)?;
    let mut sessions = Vec::new();
    if args.active {
        let mut pairs = args.filter.pairs_of_active();
        pairs.push(("limit".into(), args.limit.clamp(1, 1_000).to_string()));
        sessions = source.active(&pairs)?.sessions;
    } else {
        source.each(&args.filter.pairs(), Some(args.limit), |session| {
            sessions.push(session);
            Ok(())
        })?;
    }
    if args.csv {
        let lines = sessions.iter().map(SessionView::csv_line);
        print(
            std::iter::once(CSV_HEADER.to_owned()).chain(lines).map(|line| line + "\r\n").collect::<String>(),
        );
    } else if args.json {
        print(sessions.iter().map(json_line).collect::<String>());
    } else {
        print(session_table(&sessions));
    }
    Ok(Exit::Ok)
}

fn json_line(session: &SessionView) -> String {
    // Plain data with text for keys: it can always be written.
    serde_json::to_string(session).unwrap_or_default() + "\n"
}

/// Sessions as people look at them.
pub(super) fn session_table(sessions: &[SessionView]) -> String {
    let columns = [
        ("ID", false),
        ("ENDED", false),
        ("STATUS", false),
        ("WHY", false),
        ("CLIENT", false),
        ("USER", false),
        ("TO", false),
        ("RULE", false),
        ("SENT", true),
        ("RECEIVED", true),
        ("TOOK", true),
    ];
    let rows = sessions.iter().map(|session| {
        let time = |text: &str| text.get(..19).unwrap_or(text).replace('T', " ");
        vec![
            session.id.clone(),
            session.end.as_deref().map_or_else(|| "under way".into(), time),
            session.status.clone(),
            session.close_reason.clone().unwrap_or_default(),
            session.client.clone(),
            clean(session.user.as_deref().unwrap_or("-")),
            clean(session.destination()),
            clean(session.rule.as_deref().unwrap_or("-")),
            size(session.bytes_sent),
            size(session.bytes_received),
            span(session.duration),
        ]
    });
    table(&columns, &rows.collect::<Vec<_>>())
}

fn show(args: &Show) -> Result<Exit, Failure> {
    let session = open(&args.source)?.one(&args.id)?;
    if args.json {
        print(json_line(&session));
        return Ok(Exit::Ok);
    }
    let value = serde_json::to_value(&session).unwrap_or_default();
    let mut text = String::new();
    for name in CSV_HEADER.split(',') {
        let shown = match value.get(name) {
            None | Some(serde_json::Value::Null) => continue,
            Some(serde_json::Value::String(empty)) if empty.is_empty() => continue,
            Some(serde_json::Value::Array(list)) if list.is_empty() => continue,
            Some(serde_json::Value::String(string)) => clean(string),
            Some(serde_json::Value::Array(list)) => {
                list.iter().filter_map(|item| item.as_str()).map(clean).collect::<Vec<_>>().join(", ")
            }
            Some(other) => other.to_string(),
        };
        text.push_str(&format!("{name:<16} {shown}\n"));
    }
    print(text);
    Ok(Exit::Ok)
}

fn kill(args: &Kill) -> Result<Exit, Failure> {
    let client = args.source.client()?;
    client.ask("DELETE", &format!("/api/sessions/{}", super::client::percent_encoded(&args.id)))?;
    print(format!("session {} is told to end\n", clean(&args.id)));
    Ok(Exit::Ok)
}

fn stats(args: &Sums) -> Result<Exit, Failure> {
    let source = open(&args.source)?;
    let pairs: Vec<_> = args.last.map(since).into_iter().collect();
    let stats = source.stats(&pairs, usize::from(args.limit))?;
    if args.json {
        print(serde_json::to_string_pretty(&stats).unwrap_or_default() + "\n");
    } else {
        print(stats_text(&stats, args.by));
    }
    Ok(Exit::Ok)
}

fn stats_text(stats: &Stats, by: Option<By>) -> String {
    let mut text = String::new();
    if by.is_none() {
        let total = &stats.total;
        text.push_str(&format!(
            "{} to {}\n{} attempts: {} passed, {} blocked; {} sent, {} received; {} under way now\n",
            stats.from.get(..16).unwrap_or_default(),
            stats.to.get(..16).unwrap_or_default(),
            total.sessions,
            stats.acl_stats.allowed,
            stats.acl_stats.blocked,
            size(total.bytes_sent),
            size(total.bytes_received),
            stats.active_sessions,
        ));
    }
    let wanted = |one| by.is_none() || by == Some(one);
    let bytes = |row: &NamedSums| row.sums.bytes_sent.saturating_add(row.sums.bytes_received);
    let mut section = |title: &str, rows: Vec<(String, u64, String)>| {
        text.push_str(&format!("\n{title}\n"));
        text.push_str(if rows.is_empty() { "nothing\n" } else { "" });
        text.push_str(&bars(&rows));
    };
    if wanted(By::User) {
        let row = |row: &NamedSums| (clean(&row.name), bytes(row), traffic(row));
        section("Users by traffic", stats.top_users.iter().map(row).collect());
    }
    if wanted(By::Dest) {
        let row = |row: &NamedSums| (clean(&row.name), bytes(row), traffic(row));
        section("Destinations by traffic", stats.top_destinations.iter().map(row).collect());
    }
    if wanted(By::Rule) {
        let row = |row: &NamedSums| {
            let shown = format!("{} ({} blocked)", row.sums.sessions, row.sums.blocked);
            (clean(&row.name), row.sums.sessions, shown)
        };
        section("Rules by decisions", stats.top_rules.iter().map(row).collect());
    }
    if wanted(By::Hour) {
        let hours = stats.by_hour.iter().map(|hour| {
            let name = hour.hour.get(..16).unwrap_or_default().replace('T', " ");
            let moved = size(hour.sums.bytes_sent.saturating_add(hour.sums.bytes_received));
            let shown = format!("{} ({} blocked), {moved}", hour.sums.sessions, hour.sums.blocked);
            (name, hour.sums.sessions, shown)
        });
        section("Attempts by hour (UTC)", hours.collect());
    }
    text.trim_start_matches('\n').to_owned()
}

fn traffic(row: &NamedSums) -> String {
    let bytes = row.sums.bytes_sent.saturating_add(row.sums.bytes_received);
    format!("{} in {} attempts", size(bytes), row.sums.sessions)
}

fn export(args: &Export) -> Result<Exit, Failure> {
    let source = open(&args.source)?;
    let target =
        args.output.as_ref().map_or_else(|| "standard output".into(), |path| path.display().to_string());
    let failed = |error: std::io::Error| Failure::config(format!("cannot write to {target}: {error}"));
    let mut file = match &args.output {
        Some(path) => Some(BufWriter::new(File::create(path).map_err(failed)?)),
        None => None,
    };
    let progress = progress(file.is_some());
    let mut write = |text: String| match &mut file {
        Some(file) => file.write_all(text.as_bytes()).map_err(failed),
        None => {
            print(text);
            Ok(())
        }
    };
    if args.format == Format::Csv {
        write(format!("{CSV_HEADER}\r\n"))?;
    }
    let mut count = 0_u64;
    source.each(&args.filter.pairs(), None, |session| {
        count += 1;
        progress.inc(1);
        write(match args.format {
            Format::Csv => session.csv_line() + "\r\n",
            Format::Jsonl => json_line(&session),
        })
    })?;
    progress.finish_and_clear();
    if let Some(mut file) = file {
        file.flush().map_err(failed)?;
        complain(format!("{count} records in {target}"));
    }
    Ok(Exit::Ok)
}

/// A line that counts, where somebody looks and the records go elsewhere.
fn progress(to_file: bool) -> indicatif::ProgressBar {
    if !to_file || !std::io::stderr().is_terminal() {
        return indicatif::ProgressBar::hidden();
    }
    let style =
        indicatif::ProgressStyle::with_template("{spinner} {human_pos} records  {per_sec}  {elapsed}");
    let bar = indicatif::ProgressBar::new_spinner();
    style.map_or(bar.clone(), |style| bar.with_style(style))
}
