//! `rustsocks check --explain CODE`: the page of a code.

use super::{Exit, Failure, print};
use rustsocks_compiler::lint;
use rustsocks_compiler::suggest::nearest;

/// Prints a page, or with `list` one line for each code.
///
/// # Errors
/// Where there is no such code.
pub(super) fn run(code: &str) -> Result<Exit, Failure> {
    if code.eq_ignore_ascii_case("list") {
        for lint in lint::ALL {
            print(format_args!("{}  {}\n", lint.code, lint.title()));
        }
        return Ok(Exit::Ok);
    }
    let Some(lint) = lint::find(code) else {
        let codes = lint::ALL.iter().map(|lint| lint.code.0);
        let hint = nearest(&code.to_ascii_uppercase(), codes)
            .map_or_else(|| "`--explain list` shows all".into(), |near| format!("did you mean `{near}`?"));
        return Err(Failure::usage(format!("there is no code `{code}`; {hint}")));
    };
    print(lint::manual_page(lint));
    Ok(Exit::Ok)
}
