//! TLS on a listener: versions, client certificates, reload; with openssl, curl and stunnel.

use crate::authority::{Authority, OPEN, local};
use crate::support::{Kept, Target, command, connect, run, wait_for};
use crate::wire::users_file;
use rcgen::SanType;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

/// `openssl s_client`: sends bytes, gives what it said and what came back.
fn s_client(to: SocketAddr, args: &[&str], send: &[u8], wanted: usize) -> (Vec<u8>, String) {
    let mut client = command("openssl");
    client.args(["s_client", "-connect", &to.to_string(), "-quiet", "-servername", "localhost"]).args(args);
    client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Kept(client.spawn().expect("openssl is missing: install the Debian package openssl"));
    let mut input = child.0.stdin.take().unwrap();
    // A server that refuses has closed by now.
    let _refused = input.write_all(send);
    let mut output = child.0.stdout.take().unwrap();
    let mut got = vec![0; wanted];
    let mut length = 0;
    while length < wanted {
        match output.read(&mut got[length..]) {
            Ok(0) | Err(_) => break,
            Ok(more) => length += more,
        }
    }
    got.truncate(length);
    drop((input, output));
    let _ended = child.0.kill();
    let mut said = String::new();
    child.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (got, said)
}

fn request(target: SocketAddr) -> Vec<u8> {
    let port = target.port().to_be_bytes();
    [&[5, 1, 0][..], &[5, 1, 0, 1, 127, 0, 0, 1, port[0], port[1]], b"hello"].concat()
}

#[test]
fn both_versions_of_tls_carry_a_tunnel_and_older_ones_none() {
    let (authority, echo) = (Authority::with_server(), Target::echo("127.0.0.1:0"));
    let server = authority.serve(OPEN, "", |_| {});
    let ca = authority.path("ca.pem");
    for version in ["-tls1_2", "-tls1_3"] {
        let args = [version, "-verify_return_error", "-CAfile", ca.to_str().unwrap()];
        let (got, said) = s_client(server.socks(), &args, &request(echo.address), 17);
        assert_eq!(got.get(..4), Some(&[5, 0, 5, 0][..]), "{version}: {said}");
        assert_eq!(got.get(12..), Some(&b"hello"[..]), "{version}: {said}");
    }
    let (got, _) =
        s_client(server.socks(), &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], &request(echo.address), 1);
    assert!(got.is_empty());
    // Whoever speaks no TLS is closed without a word of SOCKS.
    let mut plain = connect(server.socks());
    plain.write_all(&request(echo.address)).unwrap();
    let mut said = Vec::new();
    let _reset = plain.read_to_end(&mut said);
    assert_ne!(said.first(), Some(&5), "{said:?}");
}

#[test]
fn a_client_certificate_names_the_user() {
    let (authority, echo) = (Authority::with_server(), Target::echo("127.0.0.1:0"));
    authority.sign("alice", "alice", Vec::new());
    authority.sign("mail", "x", vec![SanType::Rfc822Name("bob@example.com".try_into().unwrap())]);
    authority.sign("eve", "eve", Vec::new());
    authority.sign_as("expired", "alice", |params| params.not_after = rcgen::date_time_ymd(2021, 1, 1));
    let stranger = Authority::new();
    stranger.sign("alice", "alice", Vec::new());
    let policy = "policy 1\nsocksmethod: certificate\nsocks pass { user: alice, bob@example.com }\n";
    let server = authority.serve(policy, ", client_authorities: CA", |_| {});
    let ask = |from: &Authority, name: &str| {
        let (certificate, key) = (from.path(&format!("{name}.pem")), from.path(&format!("{name}.key")));
        let args = ["-cert", certificate.to_str().unwrap(), "-key", key.to_str().unwrap()];
        s_client(server.socks(), &args, &request(echo.address), 17)
    };
    for name in ["alice", "mail"] {
        let (got, said) = ask(&authority, name);
        assert_eq!(got.get(..4), Some(&[5, 0, 5, 0][..]), "{name}: {said}");
    }
    let (got, said) = ask(&authority, "eve");
    assert_eq!(got.get(..4), Some(&[5, 0, 5, 2][..]), "known, and blocked by the policy: {said}");
    let (got, said) = ask(&authority, "expired");
    assert!(got.is_empty(), "of another time: {got:?} {said}");
    let (got, said) = ask(&stranger, "alice");
    assert!(got.is_empty(), "of another authority: {got:?} {said}");
    let (got, said) = s_client(server.socks(), &[], &request(echo.address), 2);
    assert_eq!(got, [5, 0xff], "without one there is no method left: {said}");
}

#[test]
fn where_certificates_are_required_nobody_comes_without() {
    let (authority, echo) = (Authority::with_server(), Target::echo("127.0.0.1:0"));
    authority.sign("alice", "alice", Vec::new());
    let server = authority.serve(OPEN, ", client_authorities: CA, client_required: true", |_| {});
    let (got, _) = s_client(server.socks(), &[], &request(echo.address), 1);
    assert!(got.is_empty(), "{got:?}");
    let (certificate, key) = (authority.path("alice.pem"), authority.path("alice.key"));
    let args = ["-cert", certificate.to_str().unwrap(), "-key", key.to_str().unwrap()];
    let (got, said) = s_client(server.socks(), &args, &request(echo.address), 17);
    assert_eq!(got.get(12..), Some(&b"hello"[..]), "{said}");
}

#[test]
fn a_new_certificate_is_served_without_a_restart_and_a_broken_one_changes_nothing() {
    let authority = Authority::with_server();
    let server = authority.serve(OPEN, "", |_| {});
    let common = || {
        let mut client = command("openssl");
        client.args(["s_client", "-connect", &server.socks().to_string()]);
        let said = run(&mut client);
        said.out.lines().find_map(|line| Some(line.split_once("subject=CN = ")?.1.to_owned()))
    };
    assert_eq!(common().as_deref(), Some("first"));
    authority.sign("server", "second", local());
    wait_for("the new certificate", || (common().as_deref() == Some("second")).then_some(()));
    std::fs::write(authority.path("server.pem"), "no certificate").unwrap();
    wait_for("the complaint", || server.log().contains("certificate not reloaded").then_some(()));
    assert_eq!(common().as_deref(), Some("second"));
    let health = server.json("/health");
    assert_eq!(health["status"], "degraded", "{health}");
    assert!(health["reasons"].to_string().contains("a certificate is not in force"), "{health}");
    authority.sign("server", "third", local());
    wait_for("a good one again", || (server.json("/health")["status"] == "ok").then_some(()));
    assert_eq!(common().as_deref(), Some("third"));
}

#[test]
fn a_listener_with_a_wrong_key_does_not_start() {
    let authority = Authority::with_server();
    authority.sign("other", "other", local());
    std::fs::copy(authority.path("other.key"), authority.path("server.key")).unwrap();
    let settings = authority.path("settings.ron");
    let text = format!(
        "(listeners: [(address: \"127.0.0.1:0\", tls: (certificate: {:?}, key: {:?}))])",
        authority.path("server.pem"),
        authority.path("server.key"),
    );
    std::fs::write(&settings, text).unwrap();
    let mut serve = crate::support::rustsocks();
    serve.args(["serve", "--api", "none", "--settings"]).arg(&settings);
    let said = run(serve.arg("--store").arg(authority.path("store")));
    assert_eq!(said.code(), 78, "{}", said.err);
    assert!(said.err.contains("server.key"), "{}", said.err);
}

#[test]
fn curl_speaks_to_it_as_to_an_https_proxy_with_a_password() {
    let (authority, web) = (Authority::with_server(), Target::web("127.0.0.1:0", "behind the proxy"));
    let users = users_file("alice", "correct horse");
    let policy = "policy 1\nsocksmethod: password\nsocks pass { user: alice }\n";
    let server = authority.serve(policy, "", |command| {
        command.args(["--set", &format!("auth.users={:?}", users.path())]);
    });
    let mut curl = command("curl");
    curl.args(["--silent", "--show-error", "--proxytunnel", "--proxy-user", "alice:correct horse"]);
    curl.args(["--proxy", &format!("https://{}", server.socks())]);
    curl.arg("--proxy-cacert").arg(authority.path("ca.pem"));
    let said = run(curl.arg(format!("http://{}/", web.address)));
    assert_eq!(said.out, "behind the proxy", "{}", said.err);
}

#[test]
fn stunnel_brings_a_client_without_tls_to_it() {
    let (authority, web) = (Authority::with_server(), Target::web("127.0.0.1:0", "behind the proxy"));
    let server = authority.serve(OPEN, "", |_| {});
    let (_stunnel, local) = stunnel(&authority, server.socks());
    let mut curl = command("curl");
    curl.args(["--silent", "--show-error", "--socks5", &local.to_string()]);
    let said = run(curl.arg(format!("http://{}/", web.address)));
    assert_eq!(said.out, "behind the proxy", "{}", said.err);
}

/// stunnel as a client of the server, on a port that was free a moment ago: another one where
/// somebody has taken it meanwhile.
fn stunnel(authority: &Authority, to: SocketAddr) -> (Kept, SocketAddr) {
    let mut attempts = 0;
    wait_for("stunnel", || {
        attempts += 1;
        let local = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let file = authority.path(&format!("stunnel{attempts}.conf"));
        std::fs::write(&file, stunnel_conf(&authority.path("ca.pem"), local, to)).unwrap();
        let mut stunnel = command("stunnel4");
        stunnel.arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child =
            Kept(stunnel.spawn().expect("stunnel4 is missing: install the Debian package stunnel4"));
        for _ in 0..1_000 {
            if child.0.try_wait().unwrap().is_some() {
                return None;
            }
            if std::net::TcpStream::connect(local).is_ok() {
                return Some((child, local));
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        None
    })
}

fn stunnel_conf(ca: &Path, local: SocketAddr, to: SocketAddr) -> String {
    format!(
        "foreground = yes\npid =\n[socks]\nclient = yes\naccept = {local}\nconnect = {to}\n\
         CAfile = {}\nverifyChain = yes\ncheckIP = 127.0.0.1\n",
        ca.display()
    )
}

#[test]
fn a_key_that_the_servers_user_cannot_read_is_told_of_at_the_start() {
    if !nix::unistd::Uid::effective().is_root() {
        return;
    }
    use std::os::unix::fs::PermissionsExt;
    let authority = Authority::with_server();
    for (file, mode) in [("server.key", 0o600), ("server.pem", 0o644)] {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(authority.path(file), mode).unwrap();
    }
    let server = authority.serve(OPEN, "", |command| {
        command.args(["--set", "privileges.user_unprivileged=\"nobody\""]);
    });
    wait_for("the warning", || {
        server.log().contains("a new certificate will not be taken without a restart").then_some(())
    });
    assert!(server.log().contains("server.key"), "{}", server.log());
}
