//! Where the policy comes from: the text that is built in, or a file with all that it includes.

use super::{FileLoader, Stamp, host};
use crate::settings::Settings;
use rustsocks_compiler::diagnostic::{Diagnostic, Level};
use rustsocks_compiler::model::HostFacts;
use rustsocks_compiler::source::{LoadError, Loader, Sources};
use rustsocks_compiler::{Policy, promise};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// The policy that is built in.
pub const EMBEDDED: &str = include_str!("../../policies/default.policy");
/// What it is called in records and diagnostics.
pub const EMBEDDED_NAME: &str = "default.policy";

/// All paths that were looked at, as they were just before.
pub type Seen = BTreeMap<PathBuf, Stamp>;

/// Loads the policy of the settings, as often as it is asked to.
#[derive(Clone, Debug)]
pub struct PolicySource {
    path: Option<PathBuf>,
    listeners: Option<Vec<Arc<str>>>,
    max_text: u64,
    max_list: u64,
    tests: bool,
}

/// A policy that can be put in force.
#[derive(Debug)]
pub struct Loaded {
    /// The policy.
    pub policy: Arc<Policy>,
    /// Warnings, which keep nobody from using it.
    pub diagnostics: Vec<Diagnostic>,
}

/// Why a policy can not be put in force.
#[derive(Debug)]
pub enum Rejected {
    /// Its texts are wrong.
    Findings {
        /// What is wrong, by place.
        diagnostics: Vec<Diagnostic>,
        /// The texts.
        sources: Sources,
    },
    /// This server can not do what it asks for; says what to do.
    Unfit(String),
}

impl PolicySource {
    /// The policy that the settings name, or the embedded one.
    pub fn new(settings: &Settings) -> Self {
        Self {
            path: settings.policy.path.clone(),
            listeners: Some(
                settings.listeners.iter().map(|listener| listener.name.as_str().into()).collect(),
            ),
            max_text: settings.policy.max_text.0,
            max_list: settings.policy.max_list.0,
            tests: settings.policy.tests_on_reload,
        }
    }

    /// The same for questions about a policy, which may be that of another machine: it may name
    /// listeners that the settings here do not have.
    pub fn for_questions(self) -> Self {
        Self { listeners: None, tests: false, ..self }
    }

    /// Where it comes from, for people.
    pub fn describe(&self) -> String {
        match &self.path {
            Some(path) => path.display().to_string(),
            None => "embedded".into(),
        }
    }

    /// Reads and compiles it. Lists that are as they were in `before` are shared with it.
    pub fn load(&self, before: Option<&Policy>) -> (Result<Loaded, Rejected>, Seen) {
        let facts = self.facts();
        let Some(path) = &self.path else {
            let texts = BTreeMap::from([(EMBEDDED_NAME.to_string(), EMBEDDED.to_string())]);
            let loaded = rustsocks_compiler::load(EMBEDDED_NAME, &texts, &facts, before);
            return (self.judge(loaded), Seen::new());
        };
        let loader = FileLoader::new(self.max_text, self.max_list);
        let loaded = rustsocks_compiler::load(&path.to_string_lossy(), &loader, &facts, before);
        (self.judge(loaded), loader.into_seen())
    }

    /// Compiles a policy from texts that were kept, the root first. Its lists are read as they are
    /// now.
    ///
    /// # Errors
    /// The texts are wrong for this version, or a list is gone.
    pub fn of_texts(&self, texts: Vec<(String, String)>) -> Result<Arc<Policy>, Rejected> {
        let root = texts.first().map(|(name, _)| name.clone()).unwrap_or_default();
        let kept =
            Kept { texts: texts.into_iter().collect(), lists: FileLoader::new(self.max_text, self.max_list) };
        let judge = Self { tests: false, ..self.clone() };
        judge.judge(rustsocks_compiler::load(&root, &kept, &self.facts(), None)).map(|loaded| loaded.policy)
    }

    fn facts(&self) -> HostFacts {
        HostFacts { addresses: host::addresses(), listeners: self.listeners.clone(), zone: host::zone() }
    }

    /// What has no error, and keeps what its own tests and promises say, can be put in force.
    fn judge(&self, loaded: rustsocks_compiler::Loaded) -> Result<Loaded, Rejected> {
        let broken = loaded.model.as_ref().filter(|_| self.tests).map(|model| promise::broken(model));
        let broken = broken.unwrap_or_default();
        match loaded.policy().filter(|_| broken.is_empty()) {
            Some(policy) => Ok(Loaded { policy: Arc::new(policy), diagnostics: loaded.diagnostics }),
            None => {
                let diagnostics = loaded.diagnostics.into_iter().chain(broken).collect();
                Err(Rejected::Findings { diagnostics, sources: loaded.sources })
            }
        }
    }
}

/// Texts as they were, and files for the rest.
struct Kept {
    texts: BTreeMap<String, String>,
    lists: FileLoader,
}

impl Loader for Kept {
    fn read(&self, name: &str) -> Result<Arc<[u8]>, LoadError> {
        match self.texts.get(name) {
            Some(text) => Ok(text.as_bytes().into()),
            None => self.lists.read(name),
        }
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, LoadError> {
        self.texts.glob(pattern)
    }
}

impl Rejected {
    /// Each error as `file:line:column: CODE message`.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Findings { diagnostics, sources } => diagnostics
                .iter()
                .filter(|found| found.level == Level::Error)
                .map(|found| {
                    format!("{}: {} {}", sources.place(found.primary.span), found.code, found.message)
                })
                .collect(),
            Self::Unfit(reason) => vec![reason.clone()],
        }
    }
}

impl fmt::Display for Rejected {
    /// The first error, and how many there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.lines();
        f.write_str(lines.first().map_or("the policy is rejected", String::as_str))?;
        match lines.len() {
            0 | 1 => Ok(()),
            count => write!(f, " (and {} more)", count - 1),
        }
    }
}
