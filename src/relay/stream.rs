//! A connection to a client or a target, whatever it is made of.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

/// A connection.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over TCP, inside TLS.
    Tls(Box<TlsStream<TcpStream>>),
    /// Over a socket in the file system.
    Unix(UnixStream),
}

impl Stream {
    /// Whether the kernel can move its bytes without our seeing them.
    pub fn can_splice(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::Unix(_) => true,
            Self::Tls(_) => false,
        }
    }

    /// Whether the end of our bytes must be said even if the connection is closed right after.
    pub(super) fn says_goodbye(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::Unix(_) => false,
            Self::Tls(_) => true,
        }
    }

    /// Makes the coming close a reset, so that the peer learns that its connection was cut.
    pub fn reset_on_close(&self) {
        if let Some(tcp) = self.tcp()
            && let Err(error) = tcp.set_zero_linger()
        {
            tracing::debug!(%error, "a reset is passed on as an end");
        }
    }

    /// Bytes that the kernel has taken and the peer has not acknowledged, where both are ours to count:
    /// not inside TLS, and not in the file system, where what was taken has arrived.
    pub(super) fn unacknowledged(&self) -> u64 {
        match self {
            Self::Tcp(tcp) => super::queue::unacknowledged(tcp),
            Self::Tls(_) | Self::Unix(_) => 0,
        }
    }

    /// Waits until the connection is broken: reset, or given up by the kernel. An end of what the
    /// peer sends is none, for it may still read. A socket in the file system tells no such thing.
    pub async fn broken(&self) {
        if let Some(tcp) = self.tcp()
            && tcp.ready(Interest::ERROR).await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }

    /// Probes a peer that is silent for `after`, and gives up on one that acknowledges nothing.
    pub(super) fn keep_alive(&self, after: Duration) {
        if let Some(tcp) = self.tcp()
            && let Err(error) = keep_alive(tcp, after)
        {
            tracing::debug!(%error, "dead peers are noticed by the idle deadline alone");
        }
    }

    /// Our own address; `None` for a socket in the file system.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.tcp().and_then(|tcp| tcp.local_addr().ok())
    }

    fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Tcp(tcp) => Some(tcp),
            Self::Tls(tls) => Some(tls.get_ref().0),
            Self::Unix(_) => None,
        }
    }

    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(tcp) => tcp.poll_read_ready(cx),
            Self::Unix(unix) => unix.poll_read_ready(cx),
            Self::Tls(_) => Poll::Ready(Ok(())),
        }
    }

    pub(super) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(tcp) => tcp.poll_write_ready(cx),
            Self::Unix(unix) => unix.poll_write_ready(cx),
            Self::Tls(_) => Poll::Ready(Ok(())),
        }
    }

    /// Does an operation of ours on the socket; one that would block takes its readiness away.
    pub(super) fn try_io<R>(
        &self,
        interest: Interest,
        act: impl FnOnce(BorrowedFd<'_>) -> io::Result<R>,
    ) -> io::Result<R> {
        match self {
            Self::Tcp(tcp) => tcp.try_io(interest, || act(tcp.as_fd())),
            Self::Unix(unix) => unix.try_io(interest, || act(unix.as_fd())),
            Self::Tls(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

/// Settings of the kernel for peers that may be gone; also for listeners, whose connections
/// inherit them.
pub(crate) fn keep_alive(socket: &impl AsFd, after: Duration) -> io::Result<()> {
    /// Probes without an answer before the peer is given up.
    const PROBES: u32 = 4;
    let socket = socket2::SockRef::from(socket);
    let interval = (after / PROBES).max(Duration::from_secs(1));
    let probes = socket2::TcpKeepalive::new().with_time(after).with_interval(interval).with_retries(PROBES);
    socket.set_tcp_keepalive(&probes)?;
    socket.set_tcp_user_timeout(Some(after.saturating_mul(2)))
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(&mut **tls).poll_read(cx, buf),
            Self::Unix(unix) => Pin::new(unix).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(&mut **tls).poll_write(cx, buf),
            Self::Unix(unix) => Pin::new(unix).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(_) | Self::Unix(_) => Poll::Ready(Ok(())),
            Self::Tls(tls) => Pin::new(&mut **tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(&mut **tls).poll_shutdown(cx),
            Self::Unix(unix) => Pin::new(unix).poll_shutdown(cx),
        }
    }
}
