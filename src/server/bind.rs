//! Listening sockets. They are opened before rights are dropped and before the runtime starts.

use crate::relay::{Stream, keep_alive};
use crate::settings::sections;
use crate::settings::value::{Listen, Mode, Net, Protocol, Span};
use crate::tls::TlsAcceptor;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};
use std::fs::{File, Permissions};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::{TcpListener, UnixListener};

/// Why a listener can not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on `{address}`: {error}")]
pub struct BindError {
    /// Where.
    pub address: Listen,
    /// Why.
    pub error: io::Error,
}

/// A listener that clients can reach.
#[derive(Debug)]
pub struct Listener {
    door: Arc<Door>,
    socket: Listening,
}

/// What a connection needs to know of the listener that it came in by. The socket is not part of
/// it: that closes when accepting ends, whatever is still being said at the door.
#[derive(Debug)]
pub struct Door {
    name: Arc<str>,
    protocols: Vec<Protocol>,
    balancers: Vec<Net>,
    tls: Option<Arc<TlsAcceptor>>,
}

#[derive(Debug)]
enum Listening {
    Tcp(TcpListener),
    // INVARIANT: the path goes before the socket is closed. As long as that is open, nobody takes the
    // path for a dead server's, and its inode is no other file's.
    Unix(#[expect(dead_code, reason = "held to be dropped")] Option<SocketPath>, UnixListener),
}

/// Clients on a socket of the file system are clients of this host.
const LOCAL_CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A socket that clients can reach already, though nobody accepts yet.
#[derive(Debug)]
pub struct Bound {
    name: Arc<str>,
    address: Listen,
    path: Option<SocketPath>,
    socket: Socket,
    protocols: Vec<Protocol>,
    balancers: Vec<Net>,
    tls: Option<Arc<TlsAcceptor>>,
}

/// The path of a socket of ours, removed when this is dropped, unless by then it is somebody else's.
/// Drop it before the socket.
#[derive(Debug)]
pub struct SocketPath {
    path: PathBuf,
    /// Device and inode.
    file: (u64, u64),
}

impl Bound {
    /// Opens the socket of a listener as the settings want it. It needs no runtime: this is done
    /// while the process still has its privileges and one thread.
    ///
    /// # Errors
    /// Says which one and why.
    pub fn open(settings: &sections::Listener, backlog: u32, keepalive: Span) -> Result<Self, BindError> {
        let fail = |error| BindError { address: settings.address.clone(), error };
        let (socket, path) = match &settings.address {
            Listen::Tcp(address) => (listen(*address, backlog).map_err(fail)?, None),
            Listen::Unix(path) => {
                let (socket, path) = listen_unix(path, settings.mode, backlog).map_err(fail)?;
                (socket, Some(path))
            }
            Listen::Inherit(name) => (super::inherit::take(name).map_err(fail)?, None),
        };
        prepare(&socket, keepalive).map_err(fail)?;
        let tls = settings.tls.as_ref().map(|tls| TlsAcceptor::open(tls).map(Arc::new)).transpose();
        let tls = tls.map_err(|error| fail(io::Error::new(io::ErrorKind::InvalidData, error)))?;
        Ok(Self {
            name: settings.name.as_str().into(),
            address: settings.address.clone(),
            socket,
            path,
            protocols: settings.protocols.clone(),
            balancers: settings.proxy_protocol.clone(),
            tls,
        })
    }

    /// Where it listens: with the port that was picked, where one was.
    pub fn address(&self) -> Listen {
        let bound = self.socket.local_addr().ok().and_then(|address| address.as_socket());
        bound.map_or_else(|| self.address.clone(), Listen::Tcp)
    }

    /// Gets ready to accept. Call it inside the runtime that will.
    ///
    /// # Errors
    /// Where the runtime does not take the socket.
    pub fn listen(self) -> Result<Listener, BindError> {
        let fail = |error| BindError { address: self.address.clone(), error };
        let is_unix = self.socket.domain().map_err(fail)? == Domain::UNIX;
        let socket = if is_unix {
            Listening::Unix(self.path, UnixListener::from_std(self.socket.into()).map_err(fail)?)
        } else {
            Listening::Tcp(TcpListener::from_std(self.socket.into()).map_err(fail)?)
        };
        let Self { name, protocols, balancers, tls, .. } = self;
        Ok(Listener { door: Arc::new(Door { name, protocols, balancers, tls }), socket })
    }
}

impl Listener {
    /// Opens a listener as the settings want it. Call it inside a runtime.
    ///
    /// # Errors
    /// Says which one and why.
    pub fn open(settings: &sections::Listener, backlog: u32, keepalive: Span) -> Result<Self, BindError> {
        Bound::open(settings, backlog, keepalive)?.listen()
    }

    /// What its connections need to know of it.
    pub fn door(&self) -> &Arc<Door> {
        &self.door
    }

    /// Where it listens; `None` for a socket in the file system.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.socket {
            Listening::Tcp(socket) => socket.local_addr().ok(),
            Listening::Unix(..) => None,
        }
    }

    /// The next connection. Safe to drop: then it stays in the queue.
    pub(super) async fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        match &self.socket {
            Listening::Tcp(socket) => socket.accept().await.map(|(tcp, peer)| (Stream::Tcp(tcp), peer)),
            Listening::Unix(_, socket) => {
                socket.accept().await.map(|(unix, _)| (Stream::Unix(unix), LOCAL_CLIENT))
            }
        }
    }
}

impl Door {
    /// What the policy and the records call the listener.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Whether clients may speak a protocol to it.
    pub fn speaks(&self, protocol: Protocol) -> bool {
        self.protocols.contains(&protocol)
    }

    /// The load balancers that it expects; with any, nobody else is served.
    pub fn balancers(&self) -> &[Net] {
        &self.balancers
    }

    /// What speaks TLS with its clients, if it does.
    pub fn tls(&self) -> Option<&Arc<TlsAcceptor>> {
        self.tls.as_ref()
    }
}

impl SocketPath {
    /// Remembers what has just been bound there.
    ///
    /// # Errors
    /// Nothing is there.
    pub fn of(path: PathBuf) -> io::Result<Self> {
        let file = file_at(&path)?;
        Ok(Self { path, file })
    }
}

fn file_at(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|meta| (meta.dev(), meta.ino()))
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        let removed = match file_at(&self.path) {
            Ok(file) if file == self.file => std::fs::remove_file(&self.path),
            // Another server's by now.
            Ok(_) => return,
            Err(error) => Err(error),
        };
        if let Err(error) = removed {
            tracing::info!(%error, path = %self.path.display(), "the socket stays in the file system");
        }
    }
}

/// Connections inherit these, so that none costs a system call of its own.
fn prepare(socket: &Socket, keepalive: Span) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    if socket.domain()? == Domain::UNIX {
        return Ok(());
    }
    socket.set_tcp_nodelay(true)?;
    keepalive.limit().map_or(Ok(()), |after| keep_alive(socket, after))
}

/// Opens a socket in the file system.
fn listen_unix(path: &Path, mode: Mode, backlog: u32) -> io::Result<(Socket, SocketPath)> {
    remove_stale(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)?;
    socket.bind(&socket2::SockAddr::unix(path)?)?;
    let bound = SocketPath::of(path.into())?;
    // Nobody can connect before it listens.
    std::fs::set_permissions(path, Permissions::from_mode(mode.0))?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok((socket, bound))
}

/// Opens a TCP socket; an IPv6 one for all addresses answers IPv4 as well.
fn listen(address: SocketAddr, backlog: u32) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking().cloexec(), None)?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket)
}

/// Removes what a server that died has left; not the socket of one that lives, nor another file.
fn remove_stale(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt as _;
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(meta) if !meta.file_type().is_socket() => Err(io::ErrorKind::AlreadyExists.into()),
        Ok(_) => match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
            Err(_) => std::fs::remove_file(path),
        },
    }
}

/// A descriptor that is kept for the moment when there are no others.
pub(super) struct Reserve(Option<File>);

impl Reserve {
    pub(super) fn new() -> Self {
        Self(File::open("/dev/null").ok())
    }

    /// Closes one waiting connection, so that its client learns of the trouble.
    pub(super) fn shed(&mut self, listener: &Listener) -> bool {
        drop(self.0.take());
        let socket = match &listener.socket {
            Listening::Tcp(socket) => socket.as_fd(),
            Listening::Unix(_, socket) => socket.as_fd(),
        };
        let shed = rustix::net::accept(socket).is_ok();
        self.0 = File::open("/dev/null").ok();
        shed
    }
}

/// How many descriptors there may be.
pub(super) fn descriptor_limit() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// Takes as many descriptors as the system lets us have. Call it before [`super::Road::new`].
pub fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "the number of descriptors stays as it is");
    }
}
