//! `rustsocks top`: the live screen.

use super::show::{clean, size, span, table};
use super::source::{Source, SourceOptions};
use super::{Exit, Failure, print};
use crate::api::{ActiveSessions, Stats};
use crate::session::SessionView;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Modifier, Style, Stylize};
use ratatui::widgets::{Block, Paragraph, Row, Sparkline, Table};
use ratatui::{DefaultTerminal, Frame};
use serde::Serialize;
use std::collections::HashMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Flags of `rustsocks top`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Shows the state once and ends.
    #[arg(long)]
    once: bool,
    /// As JSON.
    #[arg(long, requires = "once")]
    json: bool,
    /// Sessions that are shown.
    #[arg(long, default_value_t = 50, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    #[command(flatten)]
    source: SourceOptions,
}

/// What one look at the server gives.
#[derive(Clone, Debug, Serialize)]
struct Look {
    stats: Stats,
    active: ActiveSessions,
    blocked: Vec<SessionView>,
}

/// Runs `rustsocks top`.
///
/// # Errors
/// The server cannot be reached, or there is no terminal.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let source =
        if args.once { super::sessions::open(&args.source)? } else { Source::Server(args.source.client()?) };
    let first = look(&source, args.limit)?;
    if args.once {
        print(if args.json {
            serde_json::to_string_pretty(&first).unwrap_or_default() + "\n"
        } else {
            snapshot(&first)
        });
        return Ok(Exit::Ok);
    }
    if !std::io::stdout().is_terminal() {
        return Err(Failure::usage("`rustsocks top` needs a terminal; `--once` does without"));
    }
    let mut terminal =
        ratatui::try_init().map_err(|error| Failure::usage(format!("no terminal: {error}")))?;
    let done = watch(&mut terminal, &source, args.limit, first);
    ratatui::restore();
    done.map(|()| Exit::Ok)
}

fn look(source: &Source, limit: u16) -> Result<Look, Failure> {
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    Ok(Look {
        stats: source.stats(&pairs(&[("hours", "24")]), 10)?,
        active: source.active(&pairs(&[("limit", &limit.to_string())]))?,
        blocked: source.history(&pairs(&[("status", "blocked"), ("limit", "8")]))?.sessions,
    })
}

fn snapshot(look: &Look) -> String {
    let columns = [
        ("CLIENT", false),
        ("USER", false),
        ("TO", false),
        ("RULE", false),
        ("SENT", true),
        ("RECEIVED", true),
        ("AGE", true),
    ];
    let rows: Vec<Vec<String>> = look
        .active
        .sessions
        .iter()
        .map(|session| {
            vec![
                session.client.clone(),
                clean(session.user.as_deref().unwrap_or("-")),
                clean(session.destination()),
                clean(session.rule.as_deref().unwrap_or("-")),
                size(session.bytes_sent),
                size(session.bytes_received),
                span(session.duration),
            ]
        })
        .collect();
    format!("{}\n\n{}", headline(look, None), table(&columns, &rows))
}

fn headline(look: &Look, rate: Option<u64>) -> String {
    let stats = &look.stats;
    let rate = rate.map(|rate| format!(" · {}/s", size(rate))).unwrap_or_default();
    format!(
        "{} under way · {} today, {}{rate} · last 24 h: {} passed, {} blocked",
        look.active.total,
        stats.total_sessions_today,
        size(stats.total_bytes_today),
        stats.acl_stats.allowed,
        stats.acl_stats.blocked,
    )
}

/// What the screen remembers from one look to the next.
struct Screen {
    look: Look,
    /// Bytes a second of each session, since the look before.
    rates: HashMap<String, u64>,
    total: u64,
    history: Vec<u64>,
    at: Instant,
    failure: Option<String>,
}

impl Screen {
    fn new(look: Look) -> Self {
        Self { look, rates: HashMap::new(), total: 0, history: Vec::new(), at: Instant::now(), failure: None }
    }

    fn update(&mut self, look: Look) {
        let elapsed = u64::try_from(self.at.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        let moved = |session: &SessionView| session.bytes_sent.saturating_add(session.bytes_received);
        let before: HashMap<&str, u64> =
            self.look.active.sessions.iter().map(|session| (session.id.as_str(), moved(session))).collect();
        let rate = |session: &SessionView| {
            let since = moved(session).saturating_sub(before.get(session.id.as_str()).copied().unwrap_or(0));
            (session.id.clone(), since.saturating_mul(1_000) / elapsed)
        };
        self.rates = look.active.sessions.iter().map(rate).collect();
        self.total = self.rates.values().sum();
        self.history.push(self.total);
        let surplus = self.history.len().saturating_sub(240);
        self.history.drain(..surplus);
        self.look = look;
        self.at = Instant::now();
        self.failure = None;
    }
}

fn watch(terminal: &mut DefaultTerminal, source: &Source, limit: u16, first: Look) -> Result<(), Failure> {
    let lost = |error: std::io::Error| Failure::usage(format!("the terminal is lost: {error}"));
    let mut screen = Screen::new(first);
    loop {
        terminal.draw(|frame| draw(frame, &screen)).map_err(lost)?;
        let wait = EVERY.saturating_sub(screen.at.elapsed()).max(Duration::from_millis(50));
        if event::poll(wait).map_err(lost)?
            && let Event::Key(key) = event::read().map_err(lost)?
        {
            let is_break = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
            if is_break || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) {
                return Ok(());
            }
            continue;
        }
        match look(source, limit) {
            Ok(look) => screen.update(look),
            Err(failure) => {
                screen.failure = Some(failure.message);
                screen.at = Instant::now();
            }
        }
    }
}

fn draw(frame: &mut Frame<'_>, screen: &Screen) {
    let [head, graph, sessions, blocked] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(5),
        Constraint::Min(5),
        Constraint::Length(10),
    ])
    .areas(frame.area());
    let line = screen.failure.clone().unwrap_or_else(|| headline(&screen.look, Some(screen.total)));
    frame.render_widget(Paragraph::new(line).bold(), head);
    let sparkline =
        Sparkline::default().data(&screen.history).block(Block::bordered().title("bytes a second"));
    frame.render_widget(sparkline, graph);
    frame.render_widget(session_rows(screen), sessions);
    frame.render_widget(blocked_rows(&screen.look.blocked), blocked);
}

fn session_rows(screen: &Screen) -> Table<'static> {
    let mut list: Vec<&SessionView> = screen.look.active.sessions.iter().collect();
    let rate = |session: &SessionView| screen.rates.get(&session.id).copied().unwrap_or(0);
    list.sort_by_key(|session| std::cmp::Reverse(rate(session)));
    let rows = list.into_iter().map(|session| {
        Row::new([
            session.client.clone(),
            clean(session.user.as_deref().unwrap_or("-")),
            clean(session.destination()),
            clean(session.rule.as_deref().unwrap_or("-")),
            format!("{}/s", size(rate(session))),
            size(session.bytes_sent),
            size(session.bytes_received),
            span(session.duration),
        ])
    });
    let widths = [
        Constraint::Length(22),
        Constraint::Length(14),
        Constraint::Fill(2),
        Constraint::Fill(1),
        Constraint::Length(12),
        Constraint::Length(10),
        Constraint::Length(10),
        Constraint::Length(8),
    ];
    Table::new(rows, widths)
        .header(head(["client", "user", "to", "rule", "rate", "sent", "received", "age"]))
        .block(Block::bordered().title("under way  (q ends)"))
}

fn blocked_rows(blocked: &[SessionView]) -> Table<'static> {
    let rows = blocked.iter().map(|session| {
        Row::new([
            session.end.as_deref().and_then(|end| end.get(11..19)).unwrap_or_default().to_owned(),
            session.client.clone(),
            clean(session.user.as_deref().unwrap_or("-")),
            clean(session.destination()),
            clean(session.rule.as_deref().unwrap_or("-")),
        ])
    });
    let widths = [
        Constraint::Length(9),
        Constraint::Length(22),
        Constraint::Length(14),
        Constraint::Fill(2),
        Constraint::Fill(1),
    ];
    Table::new(rows, widths)
        .header(head(["at", "client", "user", "to", "rule"]))
        .block(Block::bordered().title("blocked last"))
}

fn head<const N: usize>(names: [&'static str; N]) -> Row<'static> {
    Row::new(names).style(Style::new().add_modifier(Modifier::DIM))
}

const EVERY: Duration = Duration::from_secs(1);
