//! An authority of our own, and a server that speaks TLS with a certificate of it.

use crate::support::Daemon;
use crate::wire::open_folder;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use std::path::PathBuf;
use std::process::Command;

/// An authority with the certificates that it signs, as PEM files.
pub struct Authority {
    dir: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        let dir = open_folder();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "test authority");
        let key = KeyPair::generate().unwrap();
        std::fs::write(dir.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { dir, issuer: Issuer::new(params, key) }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Signs `NAME.pem` with `NAME.key`.
    pub fn sign(&self, name: &str, common: &str, alternatives: Vec<SanType>) {
        self.sign_as(name, common, |params| params.subject_alt_names = alternatives);
    }

    /// The same with whatever else is asked for.
    pub fn sign_as(&self, name: &str, common: &str, change: impl FnOnce(&mut CertificateParams)) {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        for (end, text) in [("key", key.serialize_pem()), ("pem", certificate.pem())] {
            let new = self.path("new");
            std::fs::write(&new, text).unwrap();
            std::fs::rename(&new, self.path(&format!("{name}.{end}"))).unwrap();
        }
    }

    pub fn with_server() -> Self {
        let authority = Self::new();
        authority.sign("server", "first", local());
        authority
    }

    /// Starts a server with one listener that speaks TLS.
    pub fn serve(&self, policy: &str, clients: &str, more: impl FnOnce(&mut Command)) -> Daemon {
        let quoted = |name: &str| format!("{:?}", self.path(name).to_str().unwrap());
        let clients = clients.replace("CA", &quoted("ca.pem"));
        let settings = self.path("settings.ron");
        let text = format!(
            "(listeners: [(name: \"tls\", address: \"127.0.0.1:0\", tls: (certificate: {}, key: {}{clients}))])",
            quoted("server.pem"),
            quoted("server.key"),
        );
        std::fs::write(&settings, text).unwrap();
        let policy_file = self.path("test.policy");
        std::fs::write(&policy_file, policy).unwrap();
        Daemon::launch(open_folder(), |command| {
            command.arg("--settings").arg(&settings).arg("--policy").arg(&policy_file);
            command.args(["--set", "timeouts.handshake=60s"]);
            more(command);
        })
    }
}

pub fn local() -> Vec<SanType> {
    vec![SanType::DnsName("localhost".try_into().unwrap()), SanType::IpAddress([127, 0, 0, 1].into())]
}

pub const OPEN: &str = "policy 1\nsocks pass { from: 127.0.0.1 }\n";
