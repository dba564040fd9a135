//! Where the session commands look: at the running server, or at its store while it is down.

use super::Failure;
use super::client::{Client, Pairs, Place, percent_encoded};
use crate::api::{ActiveSessions, History, Params, PolicyRevision, Stats};
use crate::records;
use crate::session::{SessionView, UnixMicros};
use crate::settings::value::Span;
use crate::settings::{Layers, Settings};
use crate::store::{DiskOptions, DiskStore, Hour, Query, Store};
use std::path::PathBuf;

/// Flags that say where to look.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Server")]
pub struct SourceOptions {
    /// The server to ask, as `unix:PATH` or `HOST:PORT`, instead of the one on this machine.
    #[arg(long, value_name = "PLACE")]
    pub server: Option<Place>,

    /// A file with the token to show to the server.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// The settings file of the server (RON); also `RUSTSOCKS_SETTINGS`.
    #[arg(long, value_name = "FILE.ron")]
    pub settings: Option<PathBuf>,

    /// The folder of the session records.
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,
}

/// Which sessions are wanted.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Filters")]
pub struct Filter {
    /// Of this user.
    #[arg(long)]
    pub user: Option<String>,

    /// From this address or network.
    #[arg(long, value_name = "ADDRESS")]
    pub client: Option<String>,

    /// To this host, address or network; `*.example.com` for all below it.
    #[arg(long, value_name = "DESTINATION", value_parser = destination)]
    pub to: Option<String>,

    /// That ended so: `blocked`, `closed`, `failed` or `interrupted`.
    #[arg(long)]
    pub status: Option<String>,

    /// Decided by this rule.
    #[arg(long)]
    pub rule: Option<String>,

    /// That ended in this time, such as `24h`, `30m` or `7d`.
    #[arg(long, value_name = "TIME")]
    pub last: Option<Span>,
}

impl Filter {
    /// As parameters of the API.
    pub fn pairs(&self) -> Pairs {
        let mut pairs = self.pairs_of_active();
        pairs.extend(self.status.clone().map(|status| ("status".to_owned(), status)));
        pairs.extend(self.last.map(since));
        pairs
    }

    /// Those that sessions under way know, too.
    pub fn pairs_of_active(&self) -> Pairs {
        let is_address =
            |to: &String| to.parse::<std::net::IpAddr>().is_ok() || to.parse::<ipnet::IpNet>().is_ok();
        let to = self.to.clone().map(|to| (if is_address(&to) { "dest_ip" } else { "dest_host" }, to));
        let named = [
            self.user.clone().map(|user| ("user", user)),
            self.client.clone().map(|client| ("client", client)),
            to,
            self.rule.clone().map(|rule| ("rule", rule)),
        ];
        named.into_iter().flatten().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// A destination as records are found by: a port, as the table shows one, would fit none.
fn destination(text: &str) -> Result<String, String> {
    let has_port = text.rsplit_once(':').is_some_and(|(host, port)| {
        port.parse::<u16>().is_ok() && (!host.contains(':') || host.starts_with('['))
    });
    if has_port { Err("records are found by host; leave the port out".into()) } else { Ok(text.into()) }
}

/// The parameter `from` for the time that has just passed.
pub fn since(last: Span) -> (String, String) {
    ("from".to_owned(), UnixMicros::now().before(last.get()).to_string())
}

/// Where to look.
pub enum Source {
    /// A server.
    Server(Client),
    /// The store of one that is down.
    Store(Box<DiskStore>),
}

impl SourceOptions {
    /// The server if it runs, its store if not.
    ///
    /// # Errors
    /// Neither can be reached.
    pub fn open(&self) -> Result<Source, Failure> {
        if self.server.is_some() {
            return self.client().map(Source::Server);
        }
        let settings = self.resolve()?;
        if let Some(client) = self.local(&settings)?.filter(Client::is_there) {
            return Ok(Source::Server(client));
        }
        let dir = records::folder(&settings).ok_or_else(|| {
            Failure::unreachable(
                "no server runs and there is no folder of records; say `--server` or `--store`",
            )
        })?;
        let opened = DiskStore::open_read_only(&dir, DiskOptions::default());
        opened.map(|store| Source::Store(Box::new(store))).map_err(|error| {
            Failure::unreachable(format!(
                "no server runs here and its records cannot be read: {error}; say `--server` or `--store`"
            ))
        })
    }

    /// The running server, for what only it can do.
    ///
    /// # Errors
    /// There is none.
    pub fn client(&self) -> Result<Client, Failure> {
        if let Some(place) = &self.server {
            return Ok(Client::new(place.clone(), self.token()?));
        }
        let settings = self.resolve()?;
        self.local(&settings)?.ok_or_else(|| {
            Failure::unreachable("there is no folder of records, so no socket of a server; say `--server`")
        })
    }

    fn local(&self, settings: &Settings) -> Result<Option<Client>, Failure> {
        let token = self.token()?;
        let socket = records::socket(settings).map(|path| Client::new(Place::Socket(path), token.clone()));
        if socket.as_ref().is_some_and(Client::is_there) || settings.store.dir.is_some() {
            return Ok(socket);
        }
        // One that keeps its records in another folder, or runs as another user, answers over TCP.
        let address = settings.api.listen.0.map(|address| Place::Tcp(address.to_string()));
        let other = address.map(|place| Client::new(place, token)).filter(Client::is_ours);
        Ok(other.or(socket))
    }

    fn token(&self) -> Result<Option<String>, Failure> {
        let Some(path) = &self.token_file else { return Ok(None) };
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::usage(format!("cannot read the token in `{}`: {error}", path.display()))
        })?;
        let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
        // A line of the server's own file has the role in front.
        let token =
            line.map(|line| line.strip_prefix("admin:").or(line.strip_prefix("read:")).unwrap_or(line));
        Ok(token.map(ToOwned::to_owned))
    }

    /// The settings of the server.
    ///
    /// # Errors
    /// Says what is wrong with them.
    pub fn resolve(&self) -> Result<Settings, Failure> {
        let layers =
            Layers { file: self.settings.clone(), environment: Layers::environment(), set: Vec::new() };
        let mut settings = layers.resolve()?.settings;
        if let Some(dir) = &self.store {
            settings.store.dir = Some(dir.clone());
        }
        Ok(settings)
    }
}

impl Source {
    /// A page of records.
    ///
    /// # Errors
    /// The question is wrong, or the records cannot be read.
    pub fn history(&self, pairs: &[(String, String)]) -> Result<History, Failure> {
        match self {
            Self::Server(client) => client.get("/api/sessions/history", pairs),
            Self::Store(store) => {
                let page = store.history(&query(pairs)?).map_err(unreadable)?;
                Ok(History {
                    sessions: page.records.iter().map(SessionView::from).collect(),
                    next_cursor: page.next.map(|next| next.to_string()),
                })
            }
        }
    }

    /// Calls `each` with records, newest first, up to a number of them.
    ///
    /// # Errors
    /// The question is wrong, the records cannot be read, or `each` fails.
    pub fn each(
        &self,
        pairs: &[(String, String)],
        limit: Option<usize>,
        mut each: impl FnMut(SessionView) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut left = limit.unwrap_or(usize::MAX);
        let mut pairs = pairs.to_vec();
        pairs.push(("limit".into(), left.clamp(1, PAGE).to_string()));
        while left > 0 {
            let page = self.history(&pairs)?;
            for session in page.sessions.into_iter().take(left) {
                each(session)?;
                left -= 1;
            }
            let Some(next) = page.next_cursor else { return Ok(()) };
            pairs.retain(|(name, _)| name != "cursor");
            pairs.push(("cursor".into(), next));
        }
        Ok(())
    }

    /// Sessions under way; a store has none.
    ///
    /// # Errors
    /// The question is wrong, or the server is gone.
    pub fn active(&self, pairs: &[(String, String)]) -> Result<ActiveSessions, Failure> {
        match self {
            Self::Server(client) => client.get("/api/sessions/active", pairs),
            Self::Store(_) => Ok(ActiveSessions { total: 0, sessions: Vec::new() }),
        }
    }

    /// One session.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn one(&self, id: &str) -> Result<SessionView, Failure> {
        let none = || Failure::missing("no session has this id");
        match self {
            Self::Server(client) => client.get(&format!("/api/sessions/{}", percent_encoded(id)), &[]),
            Self::Store(store) => {
                let id = id.parse().map_err(|_| none())?;
                store.find(id).map_err(unreadable)?.as_ref().map(SessionView::from).ok_or_else(none)
            }
        }
    }

    /// Sums.
    ///
    /// # Errors
    /// The question is wrong, or the records cannot be read.
    pub fn stats(&self, pairs: &[(String, String)], limit: usize) -> Result<Stats, Failure> {
        let mut pairs = pairs.to_vec();
        pairs.push(("limit".into(), limit.to_string()));
        match self {
            Self::Server(client) => client.get("/api/sessions/stats", &pairs),
            Self::Store(store) => {
                let now = UnixMicros::now();
                let today = Hour::of(now).midnight();
                let (from, _) =
                    Params::new(pairs).window(now).map_err(|problem| Failure::usage(problem.detail))?;
                let from = from.unwrap_or(today.start());
                let hours = store.hours(Hour::of(from), Hour::of(now)).map_err(unreadable)?;
                let of_today = store.hours(today, Hour::of(now)).map_err(unreadable)?;
                Ok(Stats::of(hours, &of_today, 0, (from, now), limit))
            }
        }
    }

    /// The texts of a policy that was in force, the root first.
    ///
    /// # Errors
    /// It is not kept, or cannot be read.
    pub fn revision(&self, digest: &str) -> Result<Vec<(String, String)>, Failure> {
        let none = || Failure::missing(format!("the policy {digest} is not kept"));
        match self {
            Self::Server(client) => {
                let kept: PolicyRevision =
                    client.get(&format!("/api/policy/{}", percent_encoded(digest)), &[])?;
                Ok(kept.source.into_iter().map(|text| (text.name, text.text)).collect())
            }
            Self::Store(store) => {
                let digest = digest.parse().map_err(|_| none())?;
                let kept = store.revision(&digest).map_err(unreadable)?.ok_or_else(none)?;
                Ok(kept.texts)
            }
        }
    }

    /// A word for people: where this comes from.
    pub fn note(&self) -> Option<&'static str> {
        match self {
            Self::Server(_) => None,
            Self::Store(_) => Some("no server runs here; this is what its store has"),
        }
    }
}

fn query(pairs: &[(String, String)]) -> Result<Query, Failure> {
    Params::new(pairs.to_vec()).query(UnixMicros::now()).map_err(|problem| Failure::usage(problem.detail))
}

fn unreadable(error: crate::store::StoreError) -> Failure {
    Failure::unreachable(format!("the records cannot be read: {error}"))
}

/// Records in one answer of the server.
const PAGE: usize = 1_000;
