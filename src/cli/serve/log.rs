//! The log of the server: on standard error, as text or as JSON; its level can be changed while it
//! runs.

use crate::api::LogControl;
use crate::cli::{Failure, is_colored_log};
use crate::settings::sections::Log;
use crate::settings::value::LogFormat;
use std::sync::Arc;
use tracing_subscriber::filter::{FilterFn, ParseError};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt, reload};

/// Sends what is traced to standard error from now on; gives the handle that changes the level.
///
/// # Errors
/// Where the level is none.
pub(super) fn start(log: &Log) -> Result<LogControl, Failure> {
    let filter = filter(&log.level)
        .map_err(|error| Failure::config(format!("`log.level`: {}", no_level(&log.level, &error))))?;
    let (filter, handle) = reload::Layer::new(filter);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter).with(FilterFn::new(is_quiet));
    // A second subscriber in one process can only be that of a test: the first one stays.
    let _already = match log.format {
        // Without the target of tracing: sessions have a field of that name.
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(false).with_target(false);
            registry.with(lines).try_init()
        }
        LogFormat::Text => registry.with(lines.with_ansi(is_colored_log()).with_target(false)).try_init(),
    };
    Ok(Arc::new(move |wanted| {
        if let Some(wanted) = wanted {
            let filter = filter_of(wanted)?;
            handle.reload(filter).map_err(|error| error.to_string())?;
            tracing::info!(level = wanted, "the log level is set");
        }
        handle.with_current(ToString::to_string).map_err(|error| error.to_string())
    }))
}

/// Whether a line may be written at all. What watches the files of the policy tells of every event at
/// the level `trace`; with the log in the same folder, each line would be an event.
fn is_quiet(line: &tracing::Metadata<'_>) -> bool {
    !["inotify", "notify", "notify_debouncer_full"].iter().any(|name| {
        line.target().strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    })
}

fn filter_of(level: &str) -> Result<EnvFilter, String> {
    filter(level).map_err(|error| no_level(level, &error))
}

fn filter(level: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(level)
}

fn no_level(level: &str, error: &ParseError) -> String {
    format!(
        "`{level}` is no level ({error}); say `error`, `warn`, `info`, `debug`, `trace` or `module=level` \
         with commas"
    )
}
