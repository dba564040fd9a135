//! Changed texts: shown as a difference, or written in the place of the old ones.

use super::policy_files::Reader;
use super::{Failure, complain, is_colored, print};
use similar::TextDiff;
use std::fs;
use std::io::Write;
use std::path::Path;

/// Shows or writes what has changed of a policy. Of standard input the text goes to standard
/// output.
pub(super) fn deliver(reader: &Reader, only_show: bool) -> Result<(), Failure> {
    if reader.is_stdin() && !only_show {
        print(reader.root_text()?);
        return Ok(());
    }
    for (name, before, after) in reader.changes() {
        if only_show {
            print(difference(name, before, after));
        } else {
            replace(Path::new(name), after)?;
            complain(format_args!("changed `{name}`"));
        }
    }
    Ok(())
}

/// The unified difference of two texts.
pub(super) fn difference(name: &str, before: &str, after: &str) -> String {
    let plain = TextDiff::from_lines(before, after)
        .unified_diff()
        .context_radius(3)
        .header(name, &format!("{name} (after)"))
        .to_string();
    if !is_colored() {
        return plain;
    }
    let paint = |line: &str| match line.as_bytes().first() {
        Some(b'+') => format!("\x1b[32m{line}\x1b[0m\n"),
        Some(b'-') => format!("\x1b[31m{line}\x1b[0m\n"),
        Some(b'@') => format!("\x1b[36m{line}\x1b[0m\n"),
        _ => format!("{line}\n"),
    };
    plain.lines().map(paint).collect()
}

/// Replaces a file in one step: readers see the old text or the new one. Mode and owner stay; a
/// symbolic link stays a link.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let failed =
        |error: std::io::Error| Failure::config(format!("`{}` can not be written: {error}", path.display()));
    let path = fs::canonicalize(path).map_err(failed)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let old = fs::metadata(&path).map_err(failed)?;
    let mut new = tempfile::Builder::new().prefix(".rustsocks-").tempfile_in(folder).map_err(failed)?;
    new.write_all(text.as_bytes()).map_err(failed)?;
    let file = new.as_file();
    // Only root may give a file away; whoever may not keeps it as his own.
    let _kept = keep_owner(file, &old);
    file.set_permissions(old.permissions()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    new.persist(&path).map_err(|error| failed(error.error))?;
    Ok(())
}

fn keep_owner(file: &fs::File, old: &fs::Metadata) -> std::io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    fchown(file, Some(old.uid()), Some(old.gid()))
}
