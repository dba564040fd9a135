//! TLS towards clients: a certificate that is read again when its file changes, and what a client's
//! own certificate says of it.

use crate::auth::UserName;
use crate::settings::sections::Tls;
use arc_swap::ArcSwap;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The authorities of client certificates are not usable.
    #[error("`{}` holds no usable authority for client certificates: {error}", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why.
        error: String,
    },
    /// Certificates of clients are required, and no authority is named.
    #[error(
        "`client_required` needs `client_authorities`: a file with the authorities of client certificates"
    )]
    NoAuthorities,
    /// Certificate and key do not go together.
    #[error("certificate `{}` and key `{}` cannot be used: {error}", certificate.display(), key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        error: rustls::Error,
    },
    /// A file that is not there, or holds something else.
    #[error("`{}` cannot be read as PEM: {error}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        error: pem::Error,
    },
}

/// Subject names of a client's certificate, the one that names the user first; empty without one.
pub type CertificateNames = Box<[Box<str>]>;

/// Speaks TLS with clients.
pub struct TlsAcceptor {
    settings: Tls,
    current: ArcSwap<ServerConfig>,
    seen: Mutex<Seen>,
}

/// The files as they were when they were last read, well or badly.
struct Seen {
    looks: Looks,
    failure: Option<String>,
}

impl TlsAcceptor {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// Says which file is wrong and why.
    pub fn open(settings: &Tls) -> Result<Self, TlsError> {
        let seen = Mutex::new(Seen { looks: looks(settings), failure: None });
        let current = ArcSwap::new(configure(settings)?);
        Ok(Self { settings: settings.clone(), current, seen })
    }

    /// The handshake. It has no deadline of its own: give it the connection's.
    ///
    /// # Errors
    /// Where the client does not speak TLS, or shows a certificate that is not accepted.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<(TlsStream<TcpStream>, CertificateNames)> {
        let acceptor = tokio_rustls::TlsAcceptor::from(self.current.load_full());
        let stream = acceptor.accept(stream).await?;
        let certificates = stream.get_ref().1.peer_certificates();
        let names = certificates.and_then(<[_]>::first).map(|certificate| names_of(certificate));
        Ok((stream, names.unwrap_or_default()))
    }

    /// Reads the files again if one has changed; connections that stand keep what they have. Blocks
    /// on the disk.
    pub fn refresh(&self) {
        let now = looks(&self.settings);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.looks == now {
            return;
        }
        seen.looks = now;
        match configure(&self.settings) {
            Ok(config) => {
                seen.failure = None;
                self.current.store(config);
                tracing::info!("certificate `{}` reloaded", self.settings.certificate.display());
            }
            Err(error) => {
                tracing::error!("certificate not reloaded, the one of before stays: {error}");
                seen.failure = Some(error.to_string());
            }
        }
    }

    /// Why the files as they are now are not in force.
    pub fn failure(&self) -> Option<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).failure.clone()
    }

    /// Says so where the files cannot be read any more by who we have become: a new certificate would
    /// not be taken, and nobody would know before the old one has expired.
    fn warn_unless_readable(&self) {
        if let Err(error) = configure(&self.settings) {
            tracing::warn!("a new certificate will not be taken without a restart: {error}");
        }
    }

    /// Looks at the files every few seconds until it is told to stop.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let acceptor = Arc::clone(&self);
        // A panic inside has been reported.
        let _reported = tokio::task::spawn_blocking(move || acceptor.warn_unless_readable()).await;
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(look.tick()).await.is_some() {
            let acceptor = Arc::clone(&self);
            let work = tokio::task::spawn_blocking(move || acceptor.refresh());
            // A panic inside has been reported; the certificate of before stays.
            let _reported = work.await;
        }
    }
}

impl fmt::Debug for TlsAcceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsAcceptor").field("settings", &self.settings).finish_non_exhaustive()
    }
}

fn configure(settings: &Tls) -> Result<Arc<ServerConfig>, TlsError> {
    let Tls { certificate, key, client_authorities, client_required } = settings;
    let chain = certificates(certificate)?;
    let private_key = PrivateKeyDer::from_pem_file(key).map_err(bad_pem(key))?;
    let pair = |error| TlsError::Pair { certificate: certificate.clone(), key: key.clone(), error };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(pair)?;
    let builder = match client_authorities {
        None if *client_required => return Err(TlsError::NoAuthorities),
        None => builder.with_no_client_auth(),
        Some(path) => {
            let roots = Arc::new(authorities(path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
            let verifier = if *client_required { verifier } else { verifier.allow_unauthenticated() };
            builder.with_client_cert_verifier(verifier.build().map_err(|error| unusable(path, &error))?)
        }
    };
    builder.with_single_cert(chain, private_key).map(Arc::new).map_err(pair)
}

fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| unusable(path, &error))?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let certificates: Vec<_> = read.map_err(bad_pem(path))?;
    match certificates.is_empty() {
        true => Err(bad_pem(path)(pem::Error::NoItemsFound)),
        false => Ok(certificates),
    }
}

fn unusable(path: &Path, error: &dyn fmt::Display) -> TlsError {
    TlsError::Authorities { path: path.into(), error: error.to_string() }
}

fn bad_pem(path: &Path) -> impl Fn(pem::Error) -> TlsError + use<> {
    let path = path.to_path_buf();
    move |error| TlsError::Pem { path: path.clone(), error }
}

/// The names of a certificate that an authority of ours has signed: mail addresses, then host
/// names, then URIs of the subject's alternative names, then its common name. What could not be a
/// user name, such as one with a NUL, is no name.
fn names_of(certificate: &CertificateDer<'_>) -> CertificateNames {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return Box::default() };
    let alternatives = certificate.subject_alternative_name().ok().flatten();
    let alternatives =
        alternatives.map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
    let of_kind = |pick: fn(&GeneralName<'_>) -> Option<String>| alternatives.iter().filter_map(pick);
    let mails = of_kind(|name| match name {
        GeneralName::RFC822Name(mail) => Some((*mail).to_owned()),
        _ => None,
    });
    let hosts = of_kind(|name| match name {
        GeneralName::DNSName(host) => Some((*host).to_owned()),
        _ => None,
    });
    let uris = of_kind(|name| match name {
        GeneralName::URI(uri) => Some((*uri).to_owned()),
        _ => None,
    });
    let common =
        certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok().map(str::to_owned));
    let mut names: Vec<Box<str>> = Vec::new();
    for name in mails.chain(hosts).chain(uris).chain(common) {
        let is_new = !names.iter().any(|known| **known == *name);
        if is_new && name.parse::<UserName>().is_ok() && names.len() < NAMES_MAX {
            names.push(name.into());
        }
    }
    names.into()
}

/// What changes when a file does.
type Looks = [Option<(u64, u64, u64, [i64; 4])>; 3];

fn looks(settings: &Tls) -> Looks {
    let look = |path: &Path| {
        let seen = std::fs::metadata(path).ok()?;
        // The time of change tells of a mode that has become right, too.
        let times = [seen.mtime(), seen.mtime_nsec(), seen.ctime(), seen.ctime_nsec()];
        Some((seen.dev(), seen.ino(), seen.len(), times))
    };
    let Tls { certificate, key, client_authorities, .. } = settings;
    [look(certificate), look(key), client_authorities.as_deref().and_then(look)]
}

const LOOK: Duration = Duration::from_secs(5);
const NAMES_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    fn names(change: impl FnOnce(&mut CertificateParams)) -> Vec<String> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        change(&mut params);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        names_of(certificate.der()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_user_is_named_by_mail_then_host_then_uri_then_common_name() {
        let all = names(|params| {
            params.distinguished_name.push(DnType::CommonName, "alice");
            params.subject_alt_names = vec![
                SanType::URI("spiffe://example.com/alice".try_into().unwrap()),
                SanType::DnsName("laptop.example.com".try_into().unwrap()),
                SanType::Rfc822Name("alice@example.com".try_into().unwrap()),
                SanType::IpAddress([192, 0, 2, 1].into()),
            ];
        });
        assert_eq!(all, ["alice@example.com", "laptop.example.com", "spiffe://example.com/alice", "alice"]);
        assert_eq!(names(|params| params.distinguished_name.push(DnType::CommonName, "łucja")), ["łucja"]);
        assert!(names(|_| {}).is_empty());
    }

    #[test]
    fn a_name_with_a_nul_or_a_control_character_is_none() {
        for bad in ["alice\0.evil.example", "al\nice", "\u{1b}[31m"] {
            assert!(names(|params| params.distinguished_name.push(DnType::CommonName, bad)).is_empty());
        }
    }
}
