//! The two ways out: standard output for what was asked for, standard error for the rest.

use super::Color;
use std::fmt::Display;
use std::io::{ErrorKind, Write};

/// Settles for the whole process whether output is coloured.
pub(super) fn choose(color: Color) {
    let choice = match color {
        Color::Always => anstream::ColorChoice::Always,
        Color::Auto => anstream::ColorChoice::Auto,
        Color::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
}

/// Whether what goes to standard output is coloured.
pub fn is_colored() -> bool {
    !matches!(anstream::stdout().current_choice(), anstream::ColorChoice::Never)
}

/// Whether what goes to standard error is coloured.
pub fn is_colored_log() -> bool {
    !matches!(anstream::stderr().current_choice(), anstream::ColorChoice::Never)
}

/// Writes to standard output. Where the reader has gone (`| head`) the program ends in peace.
pub fn print(text: impl Display) {
    let mut out = anstream::stdout().lock();
    let done = write!(out, "{text}").and_then(|()| out.flush());
    if done.is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) {
        std::process::exit(0);
    }
}

/// Writes a line to standard error.
pub fn complain(text: impl Display) {
    // There is nobody left to tell.
    let _lost = writeln!(anstream::stderr().lock(), "{text}");
}
