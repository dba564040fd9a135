//! The log of the server: on standard error, as text or as JSON.

use crate::cli::{Failure, is_colored_log};
use crate::settings::sections::Log;
use crate::settings::value::LogFormat;
use tracing_subscriber::EnvFilter;

/// Sends what is traced to standard error from now on.
///
/// # Errors
/// Where the level is none.
pub(super) fn start(log: &Log) -> Result<(), Failure> {
    let wrong = |error| {
        Failure::config(format!(
            "`log.level`: `{}` is no level ({error}); say `error`, `warn`, `info`, `debug`, `trace` or \
             `module=level` with commas",
            log.level
        ))
    };
    let filter = EnvFilter::builder().parse(&log.level).map_err(wrong)?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second subscriber in one process can only be that of a test: the first one stays.
    let _already = match log.format {
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).try_init(),
        LogFormat::Text => lines.with_ansi(is_colored_log()).with_target(false).try_init(),
    };
    Ok(())
}
