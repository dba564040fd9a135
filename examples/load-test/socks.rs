//! The client side of SOCKS5, as plain as can be.

use crate::tls::{Stream, Tls};
use std::io::{Error, ErrorKind, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The server under load.
#[derive(Clone)]
pub struct Proxy {
    /// Its address.
    pub address: SocketAddr,
    /// User and password, where it wants them.
    pub login: Option<(String, String)>,
    /// TLS, where it wants that.
    pub tls: Option<Tls>,
}

/// A proxy that tasks share.
pub type Shared = Arc<Proxy>;

impl Proxy {
    /// Opens a tunnel.
    pub async fn connect(&self, target: SocketAddr) -> Result<Stream> {
        Ok(self.ask(1, target).await?.0)
    }

    /// Opens an association; gives the control connection and where datagrams go.
    pub async fn associate(&self) -> Result<(Stream, SocketAddr)> {
        let (control, relay) = self.ask(3, (Ipv4Addr::UNSPECIFIED, 0).into()).await?;
        let ip = if relay.ip().is_unspecified() { self.address.ip() } else { relay.ip() };
        Ok((control, SocketAddr::new(ip, relay.port())))
    }

    async fn ask(&self, command: u8, target: SocketAddr) -> Result<(Stream, SocketAddr)> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let mut stream = match &self.tls {
            Some(tls) => tls.connect(stream).await?,
            None => Stream::Plain(stream),
        };
        stream.write_all(&[5, 1, if self.login.is_some() { 2 } else { 0 }]).await?;
        stream.flush().await?;
        let mut chosen = [0; 2];
        stream.read_exact(&mut chosen).await.map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => Error::other(
                "the server hangs up: its policy blocks this client, it is full, or it speaks no SOCKS5",
            ),
            _ => error,
        })?;
        if chosen != [5, if self.login.is_some() { 2 } else { 0 }] {
            return Err(Error::other(match (chosen, self.login.is_some()) {
                ([5, 0xff], false) => {
                    "the server takes no client without a method: its policy blocks this one, or wants `--user` \
                     and `--password`"
                }
                ([5, 0xff], true) => {
                    "the server takes no password from this client: its policy blocks it, or asks for none"
                }
                _ => "the server speaks no SOCKS5",
            }));
        }
        if let Some((user, password)) = &self.login {
            let mut request = vec![1];
            for text in [user, password] {
                let length = u8::try_from(text.len()).map_err(|_| Error::other("longer than 255 bytes"))?;
                request.push(length);
                request.extend_from_slice(text.as_bytes());
            }
            stream.write_all(&request).await?;
            stream.flush().await?;
            let mut status = [0; 2];
            stream.read_exact(&mut status).await?;
            if status != [1, 0] {
                return Err(Error::other("the server refuses user and password"));
            }
        }
        let mut request = vec![5, command, 0];
        put_address(&mut request, target);
        stream.write_all(&request).await?;
        stream.flush().await?;
        let mut head = [0; 4];
        stream.read_exact(&mut head).await?;
        let [_, reply, _, kind] = head;
        match reply {
            0 => {}
            2 => return Err(Error::other("the policy of the server blocks loopback (reply 2)")),
            code => return Err(Error::other(format!("the server answers with reply {code}"))),
        }
        let ip: IpAddr = if kind == 4 {
            let mut octets = [0; 16];
            stream.read_exact(&mut octets).await?;
            Ipv6Addr::from(octets).into()
        } else {
            let mut octets = [0; 4];
            stream.read_exact(&mut octets).await?;
            Ipv4Addr::from(octets).into()
        };
        let port = stream.read_u16().await?;
        Ok((stream, SocketAddr::new(ip, port)))
    }
}

/// Writes an address as requests and datagrams have it.
pub fn put_address(into: &mut Vec<u8>, address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => {
            into.push(1);
            into.extend_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            into.push(4);
            into.extend_from_slice(&ip.octets());
        }
    }
    into.extend_from_slice(&address.port().to_be_bytes());
}
