//! All that is done while the process has one thread and its privileges.

use super::open;
use crate::auth::{self, helper};
use crate::cli::Failure;
use crate::policy::{PolicySource, Rejected, Seen};
use crate::privilege::{self, Level};
use crate::records::{self, RecordsError};
use crate::server::{BindError, Bound, SocketPath};
use crate::settings::Settings;
use crate::settings::sections::Listener;
use crate::settings::value::Listen;
use crate::tls::TlsAcceptor;
use rustsocks_compiler::Policy;
use rustsocks_compiler::model::Timestamp;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the road is built from.
pub(super) struct Prepared {
    pub(super) settings: Arc<Settings>,
    pub(super) source: PolicySource,
    pub(super) policy: Arc<Policy>,
    pub(super) seen: Seen,
    pub(super) listeners: Vec<Bound>,
    pub(super) api: Option<TcpListener>,
    pub(super) api_tls: Option<TlsAcceptor>,
    pub(super) api_socket: Option<ApiSocket>,
    pub(super) helper: Option<helper::Helper>,
    pub(super) level: Level,
}

/// Why nothing is started.
pub(super) enum Unfit {
    /// One sentence.
    Failure(Failure),
    /// What is wrong with the policy.
    Policy(Rejected),
}

impl From<Failure> for Unfit {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl Prepared {
    /// Checks, opens, and gives up what is not needed any more.
    pub(super) fn prepare(settings: Settings) -> Result<Self, Unfit> {
        let source = PolicySource::new(&settings);
        let (loaded, seen) = source.load(None);
        let policy = loaded.map_err(Unfit::Policy)?.policy;
        let now = Timestamp(crate::session::UnixMicros::now().0 / 1_000_000);
        if !settings.policy.allow_open {
            let addresses = settings.listeners.iter().filter_map(|listener| match listener.address {
                Listen::Tcp(address) => Some((&*listener.name, address)),
                Listen::Inherit(_) | Listen::Unix(_) => None,
            });
            open::check(addresses, &policy, now)?;
        }
        auth::check(&settings.auth, &policy).map_err(Failure::config)?;

        let listeners = settings
            .listeners
            .iter()
            .map(|one| {
                Bound::open(one, settings.limits.backlog, settings.relay.keepalive).map_err(cannot_listen)
            })
            .collect::<Result<Vec<_>, _>>()?;
        if !settings.policy.allow_open {
            // Where an inherited socket listens is known only now.
            let addresses =
                settings.listeners.iter().zip(&listeners).filter_map(|(listener, bound)| {
                    match (&listener.address, bound.address()) {
                        (Listen::Inherit(_), Listen::Tcp(address)) => Some((&*listener.name, address)),
                        _ => None,
                    }
                });
            open::check(addresses, &policy, now)?;
        }
        settings.listeners.iter().try_for_each(|listener| own_listener(listener, &settings))?;
        let api = settings.api.listen.0.map(listen_api).transpose()?;
        let api_tls =
            settings.api.tls.as_ref().map(TlsAcceptor::open).transpose().map_err(Failure::config)?;
        let store = records::folder(&settings).ok_or_else(|| Failure::config(RecordsError::NoFolder))?;
        prepare_store(&store, &settings)?;
        let api_socket = listen_api_socket(&settings)?;

        let plan = helper::HelperPlan::of(&settings.auth, &settings.privileges);
        let asks = auth::asks_pam(&policy).then(|| helper::Helper::start(&plan));
        let helper = asks.transpose().map_err(Failure::config)?;
        let level = privilege::confine_server(&settings.privileges, &writable(&settings, &store))
            .map_err(Failure::config)?;
        let settings = Arc::new(settings);
        Ok(Self { settings, source, policy, seen, listeners, api, api_tls, api_socket, helper, level })
    }
}

/// The store, and the folders whose sockets are removed in the end.
fn writable(settings: &Settings, store: &Path) -> Vec<PathBuf> {
    let sockets = settings.listeners.iter().filter_map(|listener| match &listener.address {
        Listen::Unix(path) => path.parent(),
        Listen::Inherit(_) | Listen::Tcp(_) => None,
    });
    let sockets = sockets.chain(settings.api.socket.as_deref().and_then(Path::parent));
    let here = |path: &Path| if path.as_os_str().is_empty() { ".".into() } else { path.to_path_buf() };
    sockets.map(here).chain([store.to_path_buf()]).collect()
}

/// Gives a socket in the file system to the user that the server becomes, and to the group that is set.
fn own_listener(listener: &Listener, settings: &Settings) -> Result<(), Failure> {
    let Listen::Unix(path) = &listener.address else { return Ok(()) };
    let owned = own(path, settings).and_then(|()| match &listener.group {
        Some(name) => std::os::unix::fs::chown(path, None, Some(privilege::group_id(name)?)),
        None => Ok(()),
    });
    owned.map_err(|error| {
        Failure::config(format!(
            "the socket `{}` can not be given away: {error}; mend `group` of the listener `{}` in the settings",
            path.display(),
            listener.name
        ))
    })
}

fn cannot_listen(error: BindError) -> Failure {
    let remedy = remedy(error.error.kind(), "--listen");
    Failure::config(format!("{error}; {remedy}"))
}

fn listen_api(address: std::net::SocketAddr) -> Result<TcpListener, Failure> {
    let listen = || {
        let socket = TcpListener::bind(address)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    listen().map_err(|error: std::io::Error| {
        let remedy = remedy(error.kind(), "--api");
        Failure::config(format!("cannot listen on `{address}` for the API: {error}; {remedy}"))
    })
}

/// The socket for the command line. Where nobody asked for one it may be missing.
fn listen_api_socket(settings: &Settings) -> Result<Option<ApiSocket>, Failure> {
    let Some(path) = records::socket(settings) else { return Ok(None) };
    let listen = || {
        // Of a server that died; one that lives answers.
        if UnixStream::connect(&path).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused) {
            std::fs::remove_file(&path)?;
        }
        let socket = UnixListener::bind(&path)?;
        socket.set_nonblocking(true)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o660))?;
        own(&path, settings)?;
        Ok(ApiSocket { path: SocketPath::of(path.clone())?, socket })
    };
    match listen() {
        Ok(socket) => Ok(Some(socket)),
        Err(error) if settings.api.socket.is_none() => {
            let error: std::io::Error = error;
            tracing::warn!(path = %path.display(), %error, "the API has no socket for the command line");
            Ok(None)
        }
        Err(error) => Err(Failure::config(format!(
            "cannot listen on `{}` for the API: {error}; choose another path with `api.socket`",
            path.display()
        ))),
    }
}

/// The API's socket in the file system; the path is removed when it is dropped.
pub(super) struct ApiSocket {
    // INVARIANT: dropped before the socket is.
    #[expect(dead_code, reason = "held to be dropped")]
    path: SocketPath,
    pub(super) socket: UnixListener,
}

/// Makes the folder of the store while there may be the right to, and gives it to the user that the
/// server becomes.
fn prepare_store(dir: &Path, settings: &Settings) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt;
    let is_new = !dir.exists();
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    let made = made.and_then(|()| if is_new { own(dir, settings) } else { Ok(()) });
    made.map_err(|error| {
        Failure::config(format!(
            "the store `{}` cannot be used: {error}; choose a folder that can be written with `--store`",
            dir.display()
        ))
    })
}

/// Gives a path to the user that the server becomes.
fn own(path: &Path, settings: &Settings) -> std::io::Result<()> {
    match privilege::server_user(&settings.privileges) {
        Some((user, group)) => std::os::unix::fs::chown(path, Some(user), Some(group)),
        None => Ok(()),
    }
}

fn remedy(kind: ErrorKind, flag: &str) -> String {
    match kind {
        ErrorKind::AddrInUse => format!("stop what listens there, or choose another port with `{flag}`"),
        ErrorKind::AddrNotAvailable => format!("choose an address of this machine with `{flag}`"),
        ErrorKind::PermissionDenied => {
            format!("ports below 1024 need root or CAP_NET_BIND_SERVICE; choose another with `{flag}`")
        }
        ErrorKind::InvalidData => "mend the section `tls` of this listener in the settings".into(),
        _ => format!("choose another address with `{flag}`"),
    }
}
