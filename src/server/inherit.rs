//! Sockets that a service manager opened for us (`LISTEN_FDS`, `LISTEN_FDNAMES`;
//! sd_listen_fds(3)), found by name.

use socket2::Socket;
use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};

type Inherited = Vec<(String, Option<Socket>)>;

/// The socket of a name. Each is handed out once.
pub(super) fn take(name: &str) -> io::Result<Socket> {
    /// The descriptors belong to the process, and may be claimed from its environment only once.
    static INHERITED: OnceLock<Mutex<Inherited>> = OnceLock::new();
    let inherited = INHERITED.get_or_init(|| Mutex::new(claim()));
    let mut inherited = inherited.lock().unwrap_or_else(PoisonError::into_inner);
    let found = inherited.iter_mut().find(|(known, socket)| known == name && socket.is_some());
    found.and_then(|(_, socket)| socket.take()).ok_or_else(|| {
        io::Error::new(io::ErrorKind::NotFound, "the service manager handed over no socket of that name")
    })
}

fn claim() -> Inherited {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':').map(String::from);
    let mut handed = listenfd::ListenFd::from_env();
    (0..handed.len())
        .map(|at| {
            let name = names.next().filter(|name| !name.is_empty()).unwrap_or_else(|| at.to_string());
            let socket = handed.take_tcp_listener(at).ok().flatten().map(Socket::from);
            let socket = socket.or_else(|| handed.take_unix_listener(at).ok().flatten().map(Socket::from));
            (name, socket)
        })
        .collect()
}
