//! `rustsocks report`: a page for people that needs nothing but itself.

use super::show::size;
use super::source::{SourceOptions, since};
use super::{Exit, Failure, complain};
use crate::api::{HourSums, NamedSums, Stats};
use crate::settings::value::Span;
use std::fmt::Write;
use std::path::PathBuf;

/// Flags of `rustsocks report`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Of this time, such as `24h` or `7d`.
    #[arg(long, value_name = "TIME", default_value = "7d")]
    last: Span,
    /// The page.
    #[arg(long, value_name = "FILE")]
    html: PathBuf,
    #[command(flatten)]
    source: SourceOptions,
}

/// Runs `rustsocks report`.
///
/// # Errors
/// Neither the server nor its store can be reached, or the page cannot be written.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let source = args.source.open()?;
    let stats = source.stats(&[since(args.last)], 20)?;
    std::fs::write(&args.html, page(&stats)).map_err(|error| {
        Failure::config(format!("cannot write `{}`: {error}; choose another file", args.html.display()))
    })?;
    complain(format!("the report of {} attempts is in {}", stats.total.sessions, args.html.display()));
    Ok(Exit::Ok)
}

/// The page.
fn page(stats: &Stats) -> String {
    let day = |text: &str| text.get(..16).unwrap_or(text).replace('T', " ");
    let bytes = |row: &NamedSums| row.sums.bytes_sent.saturating_add(row.sums.bytes_received);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>rustsocks: {} to {} UTC</title>\n{STYLE}",
        escaped(&day(&stats.from)),
        escaped(&day(&stats.to)),
    );
    // Writing to a `String` cannot fail.
    let _ = write!(
        html,
        "<h1>Sessions from {} to {} UTC</h1>\n<dl>\
         <div><dt>attempts</dt><dd>{}</dd></div><div><dt>passed</dt><dd>{}</dd></div>\
         <div><dt>blocked</dt><dd>{}</dd></div><div><dt>sent</dt><dd>{}</dd></div>\
         <div><dt>received</dt><dd>{}</dd></div></dl>\n",
        escaped(&day(&stats.from)),
        escaped(&day(&stats.to)),
        stats.total.sessions,
        stats.acl_stats.allowed,
        stats.acl_stats.blocked,
        size(stats.total.bytes_sent),
        size(stats.total.bytes_received),
    );
    let moved = |hour: &HourSums| [hour.sums.bytes_received, hour.sums.bytes_sent];
    html.push_str(&plot("Traffic by hour", &stats.by_hour, moved, size, ["received", "sent"]));
    let attempts =
        |hour: &HourSums| [hour.sums.sessions.saturating_sub(hour.sums.blocked), hour.sums.blocked];
    let count = |count: u64| count.to_string();
    html.push_str(&plot("Attempts by hour", &stats.by_hour, attempts, count, ["other", "blocked"]));
    html.push_str("<div class=\"columns\">\n");
    html.push_str(&bars("Users by traffic", &stats.top_users, bytes, size));
    html.push_str(&bars("Destinations by traffic", &stats.top_destinations, bytes, size));
    html.push_str(&bars(
        "Blocked destinations",
        &stats.top_blocked_destinations,
        |row| row.sums.blocked,
        count,
    ));
    html.push_str(&bars("Blocks by rule", &stats.top_blocked_rules, |row| row.sums.blocked, count));
    html.push_str("</div>\n</html>\n");
    html
}

/// Two values an hour, one on the other.
fn plot(
    title: &str,
    hours: &[HourSums],
    values: impl Fn(&HourSums) -> [u64; 2],
    shown: impl Fn(u64) -> String,
    names: [&str; 2],
) -> String {
    let sum = |hour: &HourSums| values(hour).iter().fold(0, |sum: u64, value| sum.saturating_add(*value));
    let most = hours.iter().map(sum).max().unwrap_or(0).max(1);
    let width = WIDTH / hours.len().max(24) as u64;
    let scale =
        |value: u64| u64::try_from(u128::from(value) * u128::from(HEIGHT) / u128::from(most)).unwrap_or(0);
    let [low, high] = names;
    let mut svg = format!(
        "<h2>{} <small>most in an hour: {}; <i class=\"low\"></i> {low} <i class=\"high\"></i> {high}</small></h2>\n\
         <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">\n",
        escaped(title),
        shown(most),
        escaped(title),
    );
    for (hour, at) in hours.iter().zip(0_u64..) {
        let [low, high] = values(hour);
        let (first, second) = (scale(low), scale(high));
        let tip = format!("{}: {} and {}", escaped(&hour.hour), shown(low), shown(high));
        let mut rect = |class: &str, bottom: u64, height: u64| {
            // Writing to a `String` cannot fail.
            let _ = writeln!(
                svg,
                "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{height}\"><title>{tip}</title></rect>",
                at * width,
                HEIGHT.saturating_sub(bottom + height),
                width.saturating_sub(1).max(1),
            );
        };
        rect("low", 0, first);
        rect("high", first, second);
    }
    svg.push_str("</svg>\n");
    svg
}

fn bars(
    title: &str,
    rows: &[NamedSums],
    value: impl Fn(&NamedSums) -> u64,
    shown: impl Fn(u64) -> String,
) -> String {
    let most = rows.iter().map(&value).max().unwrap_or(0).max(1);
    let mut html = format!("<section><h2>{}</h2>\n<table>\n", escaped(title));
    for row in rows {
        let share = u128::from(value(row)) * 100 / u128::from(most);
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            html,
            "<tr><th>{}</th><td><svg viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\">\
             <rect class=\"low\" width=\"{share}\" height=\"8\"/></svg></td><td class=\"number\">{}</td></tr>",
            escaped(&row.name),
            shown(value(row)),
        );
    }
    if rows.is_empty() {
        html.push_str("<tr><td>nothing</td></tr>\n");
    }
    html.push_str("</table></section>\n");
    html
}

/// Text as text in HTML; control characters become visible.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in super::show::clean(text).chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            plain => html.push(plain),
        }
    }
    html
}

const WIDTH: u64 = 1_008;
const HEIGHT: u64 = 120;
const STYLE: &str = "<style>\
:root { color-scheme: light dark } body { font: 14px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }\
 h1 { font-size: 1.4rem } h2 { font-size: 1rem; margin: 1.6rem 0 .4rem } small { font-weight: normal }\
 dl { display: flex; gap: .8rem; flex-wrap: wrap } dl div { border: 1px solid #8884; border-radius: 8px; padding: .4rem .9rem }\
 dt { font-size: .85rem } dd { margin: 0; font-size: 1.3rem; font-variant-numeric: tabular-nums }\
 svg { width: 100%; height: 120px } td svg { height: .8rem; min-width: 8rem } .low { fill: #3b82f6; background: #3b82f6 }\
 .high { fill: #dc2626; background: #dc2626 } i { display: inline-block; width: .7rem; height: .7rem }\
 .columns { display: grid; gap: 0 2rem; grid-template-columns: repeat(auto-fit, minmax(22rem, 1fr)) }\
 table { width: 100%; border-collapse: collapse } th { text-align: left; font-weight: normal; max-width: 14rem; overflow: hidden; text-overflow: ellipsis }\
 .number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }</style>\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{UnixMicros, sample};
    use crate::store::{Hour, Rollup};

    #[test]
    fn the_page_stands_alone_and_strangers_names_are_text() {
        let mut rollup = Rollup::default();
        let mut record = sample(1);
        record.user = Some("<script>alert('x')</script>".into());
        rollup.add(&record);
        let hour = Hour::of(record.start);
        let stats = Stats::of(vec![(hour, rollup)], &[], 0, (UnixMicros(0), record.start), 10);
        let html = page(&stats);
        assert!(html.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"));
        assert!(!html.contains("<script") && !html.contains("http"), "{html}");
        assert!(html.contains("<svg"));
    }
}
