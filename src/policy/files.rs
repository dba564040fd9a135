//! Texts of a policy from the file system: bounded, and with a note of all that was looked at.

use rustsocks_compiler::source::{LoadError, Loader};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Reads texts and lists by their paths, relative ones from the working directory.
#[derive(Debug)]
pub struct FileLoader {
    max_text: u64,
    max_list: u64,
    seen: Mutex<BTreeMap<PathBuf, Stamp>>,
}

/// What tells one state of a path from another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Stamp {
    /// A file: device, inode, size, time of change in nanoseconds.
    File(u64, u64, u64, i128),
    /// A folder that was searched: the names in it.
    Folder(Vec<PathBuf>),
    /// Nothing there, or nothing that may be read.
    Missing,
}

impl Default for FileLoader {
    /// Reads texts of at most 16 MiB and lists of at most 512 MiB.
    fn default() -> Self {
        Self::new(16 << 20, 512 << 20)
    }
}

impl FileLoader {
    /// Reads texts (`*.policy`) and lists of at most so many bytes.
    pub fn new(max_text: u64, max_list: u64) -> Self {
        Self { max_text, max_list, seen: Mutex::default() }
    }

    /// All that was looked at, as it was just before.
    pub fn into_seen(self) -> BTreeMap<PathBuf, Stamp> {
        self.seen.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, path: &Path, stamp: Stamp) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).entry(path.into()).or_insert(stamp);
    }

    fn entries(&self, folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
        let stamp = Stamp::of_folder(folder);
        let names = match &stamp {
            Stamp::Folder(names) => Ok(names.clone()),
            Stamp::File(..) | Stamp::Missing => Err(why_not(folder)),
        };
        self.note(folder, stamp);
        let names = names?;
        if names.len() > MAX_ENTRIES {
            let text = format!("more than {MAX_ENTRIES} entries in `{}`", folder.display());
            return Err(LoadError::Unreadable(text.into()));
        }
        Ok(names)
    }
}

impl Stamp {
    /// The present state of a path that was read.
    pub fn of_file(path: &Path) -> Self {
        std::fs::metadata(path).map_or(Self::Missing, |data| {
            let changed = i128::from(data.ctime()) * 1_000_000_000 + i128::from(data.ctime_nsec());
            Self::File(data.dev(), data.ino(), data.len(), changed)
        })
    }

    /// The present state of a folder that was searched.
    pub fn of_folder(path: &Path) -> Self {
        let here = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let Ok(entries) = std::fs::read_dir(here) else { return Self::Missing };
        let names = entries.filter_map(|entry| Some(entry.ok()?.file_name().into()));
        let mut names: Vec<PathBuf> = names.take(MAX_ENTRIES + 1).collect();
        names.sort();
        Self::Folder(names)
    }

    /// The present state of the same kind.
    #[must_use]
    pub fn again(&self, path: &Path) -> Self {
        match self {
            Self::Folder(_) => Self::of_folder(path),
            // What was missing may be a folder now: its time of change tells as well.
            Self::File(..) | Self::Missing => Self::of_file(path),
        }
    }
}

impl Loader for FileLoader {
    fn read(&self, name: &str) -> Result<Arc<[u8]>, LoadError> {
        let path = Path::new(name);
        // INVARIANT: the stamp is older than the text, so that a change while it is read shows.
        self.note(path, Stamp::of_file(path));
        let is_text = path.extension().is_some_and(|extension| extension == "policy");
        let limit = if is_text { self.max_text } else { self.max_list };
        let said = |error: std::io::Error| match error.kind() {
            ErrorKind::NotFound => LoadError::Missing,
            _ => LoadError::Unreadable(error.to_string().into()),
        };
        let file = File::open(path).map_err(said)?;
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(said)?;
        if bytes.len() as u64 > limit {
            return Err(LoadError::TooLarge(limit));
        }
        Ok(bytes.into())
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, LoadError> {
        let mut found = vec![PathBuf::new()];
        let mut is_searched = false;
        for component in Path::new(pattern).components() {
            let Component::Normal(part) = component else {
                found.iter_mut().for_each(|path| path.push(component));
                continue;
            };
            let part = part.to_string_lossy();
            if !part.contains(['*', '?', '[']) {
                found.iter_mut().for_each(|path| path.push(&*part));
                continue;
            }
            let mut next = Vec::new();
            for folder in found {
                let names = match self.entries(&folder) {
                    // Of what a pattern has matched before, not everything is a folder.
                    Err(LoadError::Missing) if is_searched => Vec::new(),
                    names => names?,
                };
                for name in names {
                    if name.to_str().is_some_and(|name| fits(&part, name)) {
                        next.push(folder.join(name));
                    }
                }
            }
            found = next;
            is_searched = true;
        }
        found.retain(|path| path.is_file());
        found.sort();
        Ok(found.into_iter().filter_map(|path| path.to_str().map(Into::into)).collect())
    }
}

/// Why a folder is not searched.
fn why_not(folder: &Path) -> LoadError {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    match std::fs::read_dir(here).map(drop).map_err(|error| (error.kind(), error)) {
        Ok(()) | Err((ErrorKind::NotFound | ErrorKind::NotADirectory, _)) => LoadError::Missing,
        Err((_, error)) => LoadError::Unreadable(error.to_string().into()),
    }
}

/// Whether one name fits a pattern with `*`, `?` and `[a-z]`. A name that starts with a dot fits
/// only a pattern that does.
fn fits(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut pattern, mut name): (&[char], &[char]) = (&pattern, &name);
    // Where to go on when the rest does not fit: behind the last `*`, one character later.
    let mut retry: Option<(&[char], &[char])> = None;
    loop {
        let step = match (pattern, name) {
            ([], []) => return true,
            (['*', rest @ ..], _) => {
                retry = Some((rest, name));
                Some((rest, name))
            }
            (['[', rest @ ..], [first, name @ ..]) => class(rest, *first).map(|rest| (rest, name)),
            (['?', rest @ ..], [_, name @ ..]) => Some((rest, name)),
            ([wanted, rest @ ..], [first, name @ ..]) if wanted == first => Some((rest, name)),
            _ => None,
        };
        (pattern, name) = match (step, retry) {
            (Some(step), _) => step,
            (None, Some((behind, [_, later @ ..]))) => {
                retry = Some((behind, later));
                (behind, later)
            }
            (None, _) => return false,
        };
    }
}

/// The pattern behind `…]`, if the character is one of the class.
fn class(pattern: &[char], wanted: char) -> Option<&[char]> {
    let end = pattern.iter().skip(1).position(|&c| c == ']')? + 1;
    let (class, rest) = pattern.split_at_checked(end)?;
    let (negated, mut class) = match class {
        ['!' | '^', class @ ..] => (true, class),
        class => (false, class),
    };
    let mut is_in = false;
    loop {
        class = match class {
            [] => break,
            [first, '-', last, rest @ ..] => {
                is_in |= (*first..=*last).contains(&wanted);
                rest
            }
            [one, rest @ ..] => {
                is_in |= *one == wanted;
                rest
            }
        };
    }
    (is_in != negated).then(|| rest.get(1..).unwrap_or_default())
}

/// Entries of one folder that a pattern is held against.
const MAX_ENTRIES: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_names() {
        for (pattern, name) in
            [("*.policy", "a.policy"), ("a?c", "abc"), ("[a-c]x", "bx"), ("[!a]x", "bx"), ("*a*b", "xayab")]
        {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("*.policy", ".policy"), ("*.policy", "a.policy~"), ("a?c", "ac"), ("[a-c]x", "dx"), ("[a", "a")]
        {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn files_are_bounded_and_noted() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
        std::fs::write(path("b.policy"), "policy 1\n").unwrap();
        std::fs::write(path("a.policy"), "x".repeat(100)).unwrap();
        let loader = FileLoader::new(50, 1000);
        assert_eq!(&*loader.read(&path("b.policy")).unwrap(), b"policy 1\n");
        assert_eq!(loader.read(&path("a.policy")), Err(LoadError::TooLarge(50)));
        assert_eq!(loader.read(&path("c.policy")), Err(LoadError::Missing));
        assert!(matches!(loader.read(&path("")), Err(LoadError::Unreadable(_))));
        assert_eq!(loader.glob(&path("*.policy")).unwrap(), [path("a.policy"), path("b.policy")]);
        let seen = loader.into_seen();
        assert!(seen.iter().all(|(path, stamp)| *stamp == stamp.again(path)));
        std::fs::write(path("c.policy"), "").unwrap();
        let changed: Vec<_> = seen.iter().filter(|(path, stamp)| **stamp != stamp.again(path)).collect();
        assert_eq!(changed.len(), 2, "{changed:?}");
    }
}
