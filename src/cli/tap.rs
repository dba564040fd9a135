//! `rustsocks tap`: decisions as they are taken.

use super::show::{clean, size, span};
use super::source::SourceOptions;
use super::{Exit, Failure, print};
use crate::api::Reload;
use crate::session::SessionView;

/// Flags of `rustsocks tap`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Only these, separated by commas: `start`, `end`, `block`, `reload`.
    #[arg(long, value_name = "KINDS")]
    kind: Option<String>,
    /// Ends after so many events.
    #[arg(long, value_name = "COUNT")]
    count: Option<u64>,
    /// As JSON, one object a line.
    #[arg(long)]
    json: bool,
    /// Of this user.
    #[arg(long)]
    user: Option<String>,
    /// From this address or network.
    #[arg(long, value_name = "ADDRESS")]
    client: Option<ipnet::IpNet>,
    /// To this host; `*.example.com` for all below it.
    #[arg(long, value_name = "HOST")]
    to: Option<String>,
    /// Decided by this rule.
    #[arg(long)]
    rule: Option<String>,
    #[command(flatten)]
    source: SourceOptions,
}

/// Runs `rustsocks tap`.
///
/// # Errors
/// The server cannot be reached.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let client = args.source.client()?;
    let pairs: Vec<_> = args.kind.clone().map(|kind| ("kind".to_owned(), kind)).into_iter().collect();
    let mut left = args.count.unwrap_or(u64::MAX);
    client.events(&pairs, |name, data| {
        let Some(line) = line(args, name, data) else { return true };
        print(line);
        left = left.saturating_sub(1);
        left > 0
    })?;
    Ok(Exit::Ok)
}

fn line(args: &Args, name: &str, data: &str) -> Option<String> {
    let session = serde_json::from_str::<SessionView>(data);
    if let Ok(session) = &session
        && !fits(args, session)
    {
        return None;
    }
    if args.json {
        return Some(format!("{{\"event\":\"{}\",\"data\":{data}}}\n", clean(name)));
    }
    Some(match (name, session) {
        (_, Ok(session)) => session_line(name, &session),
        ("reload", Err(_)) => match serde_json::from_str::<Reload>(data).ok()?.failure {
            Some(failure) => format!("reload  failed: {}\n", clean(&failure)),
            None => "reload  the policy in force is new\n".to_owned(),
        },
        ("lost", Err(_)) => format!("lost    {} events: this listener was too slow\n", clean(data)),
        (_, Err(_)) => return None,
    })
}

fn session_line(name: &str, session: &SessionView) -> String {
    let at = session.end.as_deref().unwrap_or(&session.start);
    let mut line = format!(
        "{} {name:<6} {} {} → {}",
        at.get(11..23).unwrap_or(at),
        session.client,
        clean(session.user.as_deref().unwrap_or("-")),
        clean(session.destination()),
    );
    if let Some(rule) = &session.rule {
        line.push_str(&format!("  by {}", clean(rule)));
    }
    if name == "end" {
        let reason = session.close_reason.as_deref().unwrap_or_default();
        let moved = format!("{} sent, {} received", size(session.bytes_sent), size(session.bytes_received));
        line.push_str(&format!("  {reason} after {}: {moved}", span(session.duration)));
    }
    line.push('\n');
    line
}

fn fits(args: &Args, session: &SessionView) -> bool {
    let is = |wanted: &Option<String>, value: &Option<String>| {
        wanted.as_ref().is_none_or(|wanted| value.as_ref() == Some(wanted))
    };
    let host = session.destination().rsplit_once(':').map_or("", |(host, _)| host);
    let to = args.to.as_deref().is_none_or(|to| match to.strip_prefix("*.") {
        Some(below) => host.strip_suffix(below).is_some_and(|head| head.ends_with('.')),
        None => host.trim_matches(['[', ']']).eq_ignore_ascii_case(to),
    });
    let address = session.client.parse::<std::net::SocketAddr>().ok();
    let client = args.client.is_none_or(|net| address.is_some_and(|address| net.contains(&address.ip())));
    to && client && is(&args.user, &session.user) && is(&args.rule, &session.rule)
}
