//! Lays file, environment and flags over the defaults, and remembers where each value came from.

use super::sections::Listener;
use super::value::{Listen, Span};
use super::{Settings, nearest, text};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where a value came from.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// An environment variable.
    Environment(String),
    /// The settings file.
    File,
    /// A flag, as it is written.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Environment(name) => f.write_str(name),
            Self::File => f.write_str("file"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// What is wrong with the settings. Each is one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file can not be read.
    #[error("cannot read the settings file `{}`: {error}; check the path given with `--settings`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is not RON, or says what can not be.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong and what would be right.
        message: String,
    },
    /// A name that is no setting.
    #[error("{origin} names no setting{}; `rustsocks settings` lists them", text::suggestion(.nearest.as_deref()))]
    Unknown {
        /// Where it stands.
        origin: String,
        /// What was meant, most likely.
        nearest: Option<String>,
    },
    /// A value that the setting can not have.
    #[error("{origin}: {message}")]
    BadValue {
        /// Where it stands.
        origin: String,
        /// What is wrong and what would be right.
        message: String,
    },
}

/// Settings with where each came from.
#[derive(Clone, Debug)]
pub struct Effective {
    /// The values.
    pub settings: Settings,
    /// The file that was read.
    pub file: Option<PathBuf>,
    origins: BTreeMap<String, Origin>,
}

/// One value with where it came from.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its path, such as `timeouts.handshake`.
    pub path: String,
    /// Its value as RON.
    pub value: String,
    /// Its value as JSON.
    pub json: serde_json::Value,
    /// Where it came from.
    pub origin: Origin,
    /// What it is.
    pub doc: &'static str,
    /// What its number counts.
    pub unit: &'static str,
}

impl Effective {
    /// Where the value of a path came from.
    pub fn origin(&self, path: &str) -> Origin {
        self.origins.get(path).cloned().unwrap_or(Origin::Default)
    }

    /// All values, in the order they are written down.
    pub fn entries(&self) -> Vec<Entry> {
        let listeners = Entry {
            path: "listeners".into(),
            value: super::section::show(&self.settings.listeners),
            json: super::section::json(&self.settings.listeners),
            origin: self.origin("listeners"),
            doc: "Where clients are served.",
            unit: "list of listeners",
        };
        let mut entries = vec![listeners];
        for (name, fields) in Settings::SECTIONS {
            let Some(section) = self.settings.section(name) else { continue };
            entries.extend(fields.iter().map(|field| {
                let path = format!("{name}.{}", field.name);
                Entry {
                    value: section.show(field.name).unwrap_or_default(),
                    json: section.json(field.name).unwrap_or_default(),
                    origin: self.origin(&path),
                    doc: field.doc,
                    unit: field.unit,
                    path,
                }
            }));
        }
        entries
    }

    /// Changes one value on behalf of a flag that is no `--set`.
    pub fn flag(&mut self, flag: &'static str, path: &str, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings);
        self.origins.insert(path.into(), Origin::Flag(flag));
    }

    /// Listeners at these addresses in the place of those that are set; all else of each stays.
    pub fn listeners_at(&self, addresses: &[Listen]) -> Vec<Listener> {
        let mut known = self.settings.listeners.iter();
        let listener = |(number, address): (usize, &Listen)| {
            let base = known.next().cloned().unwrap_or_else(|| Listener {
                name: if number == 1 { "main".into() } else { format!("main{number}") },
                ..Listener::default()
            });
            Listener { address: address.clone(), ..base }
        };
        (1..).zip(addresses).map(listener).collect()
    }

    fn assign(&mut self, path: &str, value: &str, origin: Origin, said: &str) -> Result<(), SettingsError> {
        let bad = |message| SettingsError::BadValue { origin: said.into(), message };
        if path == "listeners" {
            // A listener as RON has parentheses; an address has none.
            self.settings.listeners = if value.contains('(') || value.trim() == "[]" {
                text::parse(value).map_err(bad)?
            } else {
                let addresses = value.split(',').map(|address| address.trim().parse());
                let addresses: Result<Vec<Listen>, _> = addresses.collect();
                self.listeners_at(&addresses.map_err(|error| bad(error.to_string()))?)
            };
        } else {
            let (section, field) = path.split_once('.').unwrap_or((path, ""));
            let set = self.settings.section_mut(section).map(|section| section.set(field, value));
            match set {
                Some(Ok(())) => {}
                Some(Err(Some(message))) => return Err(bad(message)),
                Some(Err(None)) | None => {
                    let known: Vec<String> = paths().collect();
                    let nearest = nearest(path, known.iter().map(String::as_str)).map(Into::into);
                    return Err(SettingsError::Unknown { origin: said.into(), nearest });
                }
            }
        }
        self.origins.insert(path.into(), origin);
        Ok(())
    }
}

/// What lies over the defaults.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// `--settings`.
    pub file: Option<PathBuf>,
    /// The environment; only what starts with `RUSTSOCKS_` is looked at.
    pub environment: Vec<(String, String)>,
    /// `--set path=value`.
    pub set: Vec<(String, String)>,
}

const PREFIX: &str = "RUSTSOCKS_";

/// Variables called as the flags are. Like these they go before the full name of the same setting.
const SHORT: [(&str, &str); 6] = [
    ("RUSTSOCKS_ALLOW_OPEN", "policy.allow_open"),
    ("RUSTSOCKS_API", "api.listen"),
    ("RUSTSOCKS_API_TOKENS_FILE", "api.tokens"),
    ("RUSTSOCKS_LISTEN", "listeners"),
    ("RUSTSOCKS_POLICY", "policy.path"),
    ("RUSTSOCKS_STORE", "store.dir"),
];

impl Layers {
    /// The environment of this process.
    pub fn environment() -> Vec<(String, String)> {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        std::env::vars_os().filter_map(text).filter(|(name, _)| name.starts_with(PREFIX)).collect()
    }

    /// Lays them over the defaults.
    ///
    /// # Errors
    /// Says what is wrong, where, and what to do.
    pub fn resolve(&self) -> Result<Effective, SettingsError> {
        let variable = |wanted: &str| {
            self.environment.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone())
        };
        let file = self.file.clone().or_else(|| variable("RUSTSOCKS_SETTINGS").map(Into::into));
        let mut effective =
            Effective { settings: Settings::default(), file: file.clone(), origins: BTreeMap::new() };
        if let Some(path) = file {
            read_file(&mut effective, &path)?;
        }
        self.apply_environment(&mut effective)?;
        for (path, value) in &self.set {
            effective.assign(path, value, Origin::Flag("--set"), &format!("`--set {path}={value}`"))?;
        }
        check(&effective)?;
        Ok(effective)
    }

    fn apply_environment(&self, effective: &mut Effective) -> Result<(), SettingsError> {
        let long = paths().map(|path| (variable_of(&path), path));
        let short = SHORT.map(|(name, path)| (name.to_owned(), path.to_owned()));
        let known: BTreeMap<String, String> = long.chain(short).collect();
        let is_short = |name: &str| SHORT.iter().any(|(short, _)| *short == name);
        let (last, first): (Vec<_>, Vec<_>) = self.environment.iter().partition(|(name, _)| is_short(name));
        for (name, value) in first.into_iter().chain(last) {
            if !name.starts_with(PREFIX) || is_not_ours(name) {
                continue;
            }
            let Some(path) = known.get(name) else {
                let nearest = nearest(name, known.keys().map(String::as_str)).map(Into::into);
                let origin = format!("the environment variable `{name}`");
                return Err(SettingsError::Unknown { origin, nearest });
            };
            effective.assign(path, value, Origin::Environment(name.clone()), &format!("`{name}`"))?;
        }
        Ok(())
    }
}

/// The environment variable of a path: `timeouts.handshake` is `RUSTSOCKS_TIMEOUTS_HANDSHAKE`.
pub fn variable_of(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "_").to_ascii_uppercase())
}

fn paths() -> impl Iterator<Item = String> {
    let of = |&(section, fields): &(&'static str, &'static [super::Field])| {
        fields.iter().map(move |field| format!("{section}.{}", field.name))
    };
    std::iter::once("listeners".into()).chain(Settings::SECTIONS.iter().flat_map(of))
}

/// The path of the file, what the command line asks for as a client, and what Kubernetes tells
/// every container of a service called `rustsocks`.
fn is_not_ours(name: &str) -> bool {
    let rest = name.strip_prefix(PREFIX).unwrap_or_default();
    let numbered = |tail: &str| tail.is_empty() || tail.starts_with('_');
    matches!(rest, "SETTINGS" | "API_URL" | "API_TOKEN" | "SERVICE_HOST")
        || rest.strip_prefix("SERVICE_PORT").is_some_and(numbered)
        || rest.strip_prefix("PORT").is_some_and(numbered)
}

fn read_file(effective: &mut Effective, path: &Path) -> Result<(), SettingsError> {
    let unreadable = |error| SettingsError::Unreadable { path: path.into(), error };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let malformed = |error: ron::error::SpannedError| SettingsError::Malformed {
        path: path.into(),
        line: error.span.start.line,
        column: error.span.start.col,
        message: text::in_words(&error.code),
    };
    effective.settings = text::options().from_str(&text).map_err(malformed)?;
    let tree: ron::Value = text::options().from_str(&text).map_err(malformed)?;
    for (section, value) in entries_of(&tree) {
        if section == "listeners" {
            effective.origins.insert(section, Origin::File);
            continue;
        }
        for (field, _) in entries_of(value) {
            effective.origins.insert(format!("{section}.{field}"), Origin::File);
        }
    }
    Ok(())
}

fn entries_of<'v>(value: &'v ron::Value) -> Vec<(String, &'v ron::Value)> {
    let ron::Value::Map(map) = value else { return Vec::new() };
    let named = |(key, value): (&'v ron::Value, &'v ron::Value)| match key {
        ron::Value::String(name) => Some((name.clone(), value)),
        _ => None,
    };
    map.iter().filter_map(named).collect()
}

fn check(effective: &Effective) -> Result<(), SettingsError> {
    let settings = &effective.settings;
    let bad = |path: &str, message: String| SettingsError::BadValue { origin: format!("`{path}`"), message };
    if settings.listeners.is_empty() {
        return Err(bad("listeners", "there is none; give at least one address to listen on".into()));
    }
    let mut names: Vec<&str> = settings.listeners.iter().map(|listener| &*listener.name).collect();
    names.sort_unstable();
    if let Some([name, _]) = names.array_windows().find(|[a, b]| a == b) {
        return Err(bad("listeners", format!("two are called `{name}`; give each a `name` of its own")));
    }
    let zero = |path: &str, value: usize| {
        if value > 0 { Ok(()) } else { Err(bad(path, "0 would serve nobody; give at least 1".into())) }
    };
    if let Some(listener) = settings.listeners.iter().find(|listener| listener.protocols.is_empty()) {
        let name = &listener.name;
        let message =
            format!("`{name}` speaks no protocol; give `protocols` one of `socks5`, `socks4`, `http`");
        return Err(bad("listeners", message));
    }
    let timeouts = &settings.timeouts;
    for (path, span) in [("timeouts.connect", timeouts.connect), ("timeouts.handshake", timeouts.handshake)] {
        if span == Span::millis(0) {
            return Err(bad(path, "no time at all would serve nobody; give at least `1ms`".into()));
        }
    }
    zero("api.connections", settings.api.connections)?;
    zero("bind.waiting", settings.bind.waiting)?;
    zero("auth.pam_workers", settings.auth.pam_workers)?;
    zero("limits.connections", settings.limits.connections)?;
    zero("limits.connections_per_client", settings.limits.connections_per_client)?;
    zero("limits.handshakes", settings.limits.handshakes)?;
    zero("limits.handshakes_per_client", settings.limits.handshakes_per_client)?;
    zero("resolver.concurrent", settings.resolver.concurrent)?;
    zero("runtime.threads", settings.runtime.threads.unwrap_or(1))?;
    zero("store.batch", settings.store.batch)?;
    zero("store.queue", settings.store.queue)?;
    zero("udp.peers", settings.udp.peers)
}
