//! The texts that `check`, `fmt` and `test` work on: files, or standard input.

use super::Failure;
use crate::policy::FileLoader;
use rustsocks_compiler::model::HostFacts;
use rustsocks_compiler::source::{LoadError, Loader};
use rustsocks_compiler::{Loaded, load};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// Where a policy is looked for if none is named.
pub(super) const DEFAULT: &str = "/etc/rustsocks/rustsocks.policy";

/// The name that standard input has in messages.
const STDIN: &str = "<stdin>";

/// Bytes of a policy that are read from standard input.
const LIMIT: u64 = 16 << 20;

/// One policy with what stands for its files so far: standard input, or fixed texts.
pub(super) struct Reader {
    root: String,
    files: FileLoader,
    instead: BTreeMap<String, String>,
    before: BTreeMap<String, String>,
    stdin: Arc<[u8]>,
}

impl Reader {
    pub(super) fn new(path: &Path) -> Result<Self, Failure> {
        let mut reader = Self {
            root: path.to_string_lossy().into_owned(),
            files: FileLoader::default(),
            instead: BTreeMap::new(),
            before: BTreeMap::new(),
            stdin: Arc::default(),
        };
        if path == Path::new("-") {
            let bytes = stdin()?;
            reader.root = STDIN.into();
            reader.before.insert(STDIN.into(), String::from_utf8_lossy(&bytes).into_owned());
            reader.stdin = bytes.into();
        } else if !path.is_file() {
            let found = std::fs::metadata(path);
            let path = path.display();
            return Err(Failure::usage(match found {
                Ok(data) if data.is_dir() => format!("`{path}` is a folder, and no policy"),
                Ok(_) => format!("`{path}` is no regular file; `-` reads standard input"),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    format!("there is no policy `{path}`")
                }
                Err(error) => format!("`{path}` can not be read: {error}"),
            }));
        }
        Ok(reader)
    }

    pub(super) fn load(&self) -> Loaded {
        load(&self.root, self, &HostFacts::default(), None)
    }

    pub(super) fn is_stdin(&self) -> bool {
        self.root == STDIN
    }

    /// Puts a text in the place of a file, without writing it.
    pub(super) fn replace(&mut self, name: &str, text: String) {
        if !self.before.contains_key(name)
            && let Ok(bytes) = self.files.read(name)
        {
            self.before.insert(name.into(), String::from_utf8_lossy(&bytes).into_owned());
        }
        self.instead.insert(name.into(), text);
    }

    /// Texts that have been replaced: name, before, after.
    pub(super) fn changes(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.instead.iter().filter_map(|(name, after)| {
            let before = self.before.get(name)?;
            (before != after).then_some((&**name, &**before, &**after))
        })
    }

    /// The text of the root.
    pub(super) fn root_text(&self) -> Result<String, Failure> {
        let wrong = |why: &dyn std::fmt::Display| Failure::config(format!("`{}`: {why}", self.root));
        let bytes = self.read(&self.root).map_err(|error| wrong(&error))?;
        String::from_utf8(bytes.to_vec()).map_err(|_| wrong(&"it is not UTF-8"))
    }

    /// The text of the root as the parser sees it: it reports what is no UTF-8.
    pub(super) fn readable(&self) -> Result<String, Failure> {
        let wrong = |why: &dyn std::fmt::Display| Failure::config(format!("`{}`: {why}", self.root));
        let bytes = self.read(&self.root).map_err(|error| wrong(&error))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    pub(super) fn root(&self) -> &str {
        &self.root
    }
}

impl Loader for Reader {
    fn read(&self, name: &str) -> Result<Arc<[u8]>, LoadError> {
        match self.instead.get(name) {
            Some(text) => Ok(text.as_bytes().into()),
            None if name == STDIN && self.is_stdin() => Ok(self.stdin.clone()),
            None => self.files.read(name),
        }
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, LoadError> {
        self.files.glob(pattern)
    }
}

fn stdin() -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(LIMIT + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::config(format!("standard input can not be read: {error}")))?;
    if bytes.len() as u64 > LIMIT {
        return Err(Failure::usage("standard input is larger than 16 MiB"));
    }
    Ok(bytes)
}
