//! TLS towards the server, where `--tls` asks for it, and a connection that is either.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io::{Error, Result};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How to speak TLS with the server.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsArgs {
    /// Speaks TLS with the server, a full handshake for each connection. Datagrams go as they are,
    /// beside a control connection in TLS. A server that is started gets a certificate of its own.
    #[arg(long)]
    pub tls: bool,

    /// The authorities that may vouch for the server, as PEM.
    #[arg(long, value_name = "FILE", requires = "tls", requires = "proxy", default_value = SYSTEM)]
    tls_ca: PathBuf,

    /// The name in the server's certificate, if it is not the address of `--proxy`.
    #[arg(long, value_name = "NAME", requires = "tls", requires = "proxy")]
    tls_name: Option<String>,

    /// A certificate to show to the server, as PEM.
    #[arg(long, value_name = "FILE", requires = "tls", requires = "proxy", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The certificate's key, as PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

/// Where Debian and its kin keep the authorities of the world.
const SYSTEM: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The client side of TLS, ready for as many connections as are wanted.
#[derive(Clone)]
pub struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// What the arguments ask for; nothing without `--tls`. An authority given here takes the place
    /// of the arguments' own.
    pub fn new(args: &TlsArgs, server: IpAddr, authority: Option<PathBuf>) -> Result<Option<Self>> {
        if !args.tls {
            return Ok(None);
        }
        let name = match &args.tls_name {
            Some(name) => ServerName::try_from(name.clone()).map_err(Error::other)?,
            None => ServerName::from(server),
        };
        let mut roots = RootCertStore::empty();
        let authorities = authority.as_ref().unwrap_or(&args.tls_ca);
        roots.add_parsable_certificates(certificates(authorities)?);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(Error::other)?.with_root_certificates(roots);
        let mut config = match (&args.tls_cert, &args.tls_key) {
            (Some(certificate), Some(key)) => {
                let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, &error))?;
                config.with_client_auth_cert(certificates(certificate)?, key).map_err(Error::other)?
            }
            _ => config.with_no_client_auth(),
        };
        // Many clients are imitated, and none of them has been here before.
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Some(Self { connector: TlsConnector::from(Arc::new(config)), name }))
    }

    /// The handshake.
    pub async fn connect(&self, stream: TcpStream) -> Result<Stream> {
        let stream = self.connector.connect(self.name.clone(), stream).await?;
        Ok(Stream::Tls(Box::new(stream)))
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read =
        CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>);
    read.map_err(|error| unusable(file, &error))
}

fn unusable(file: &Path, error: &rustls::pki_types::pem::Error) -> Error {
    Error::other(format!("`{}` cannot be read as PEM: {error}", file.display()))
}

/// A connection to the server.
pub enum Stream {
    /// In the clear.
    Plain(TcpStream),
    /// In TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
