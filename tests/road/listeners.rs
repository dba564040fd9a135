//! Listeners of every kind, and load balancers in front of them.

use crate::proxy::{OPEN, Proxy, receive, request, rest, send};
use crate::support::{Kept, Target, command, connect, run, tunnel, wait_for};
use rustsocks::session::CloseReason;
use rustsocks::settings::sections::Listener;
use rustsocks::settings::value::Listen;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;

fn listener(name: &str, address: &str) -> Listener {
    Listener { name: name.into(), address: address.parse().unwrap(), ..Listener::default() }
}

#[test]
fn several_listeners_have_their_names() {
    let target = Target::echo("127.0.0.1:0");
    let policy = "policy 1\ndefault pass\nsocks block second { listen: second  command: connect }\n";
    let proxy = Proxy::start(policy, |settings| {
        settings.listeners = vec![listener("first", "127.0.0.1:0"), listener("second", "[::1]:0")];
    });
    let dialogue = [&[5, 1, 0][..], &request(1, target.address)].concat();
    for (address, code) in proxy.addresses.iter().zip([0, 2]) {
        let mut stream = connect(*address);
        send(&mut stream, &dialogue);
        assert_eq!(receive::<4>(&mut stream)[3], code);
    }
    let records = proxy.ended(2);
    assert!(records.iter().any(|record| &*record.listener == "second"));
}

#[test]
fn one_listener_serves_both_families() {
    let target = Target::echo("127.0.0.1:0");
    let policy = "policy 1\nsocks pass four { from: 127.0.0.0/8 }\n";
    let proxy = Proxy::start(policy, |settings| settings.listeners = vec![listener("both", "*:0")]);
    let port = proxy.address.port();
    for (address, code) in [("127.0.0.1", 0), ("::1", 2)] {
        let mut stream = connect(SocketAddr::new(address.parse().unwrap(), port));
        send(&mut stream, &[&[5, 1, 0][..], &request(1, target.address)].concat());
        assert_eq!(receive::<2>(&mut stream)[0], 5, "{address}");
        if code == 0 {
            assert_eq!(receive::<2>(&mut stream), [5, 0]);
        }
    }
}

#[test]
fn a_socket_in_the_file_system_is_served_and_removed() {
    let target = Target::echo("127.0.0.1:0");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socks.sock");
    let proxy = Proxy::start(OPEN, |settings| {
        settings.listeners[0].address = Listen::Unix(path.clone());
    });
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    stream.write_all(&[&[5, 1, 0][..], &request(1, target.address), b"ping"].concat()).unwrap();
    let mut answer = [0; 16];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer[12..], b"ping");
    drop(stream);
    assert!(proxy.ended(1)[0].client.ip().is_loopback());
    drop(proxy);
    assert!(!path.exists());
}

fn behind(balancers: &str) -> Proxy {
    let policy = "policy 1\nsocks pass them { from: 203.0.113.0/24, 2001:db8::/32 }\n\
                  socks pass here { from: 127.0.0.2 }\n";
    Proxy::start(policy, |settings| {
        settings.listeners[0].proxy_protocol = vec![balancers.parse().unwrap()];
    })
}

#[test]
fn a_load_balancer_says_who_the_client_is() {
    let target = Target::echo("127.0.0.1:0");
    let proxy = behind("127.0.0.0/8");
    let v1 = b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 1080\r\n".to_vec();
    let v1_v6 = b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 1080\r\n".to_vec();
    let v2 = [
        &b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..],
        &[203, 0, 113, 7, 192, 0, 2, 1],
        &4711u16.to_be_bytes(),
        &1080u16.to_be_bytes(),
    ]
    .concat();
    for (header, client) in
        [(v1, "203.0.113.7:4711"), (v2, "203.0.113.7:4711"), (v1_v6, "[2001:db8::7]:4711")]
    {
        let mut stream = proxy.client();
        let dialogue = [&header[..], &[5, 1, 0], &request(1, target.address), b"ping"].concat();
        for byte in dialogue {
            send(&mut stream, &[byte]);
        }
        assert_eq!(receive::<4>(&mut stream), [5, 0, 5, 0]);
        receive::<8>(&mut stream);
        assert_eq!(&receive::<4>(&mut stream), b"ping");
        drop(stream);
        proxy.record(client, |record| record.client == client.parse().unwrap());
    }
}

#[test]
fn a_header_is_due_and_must_be_one() {
    let proxy = behind("127.0.0.0/8");
    let long = [&b"PROXY TCP4 "[..], &[b'1'; 200]].concat();
    let huge = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff"[..], &[0; 64]].concat();
    // Of a client on a socket in the file system: its balancer's address would be taken for its own.
    let unix = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x31\0\xd8"[..], &[0; 216]].concat();
    let all: [&[u8]; 8] = [
        &[5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, 0, 80],
        b"PROXY TCP4 nonsense\r\n",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 01 1080\r\n\x05\x01\x00",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 1 +1\r\n\x05\x01\x00",
        b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 00\r\n\x05\x01\x00",
        &long,
        &huge,
        &unix,
    ];
    for bad in all {
        let mut stream = proxy.client();
        send(&mut stream, bad);
        assert_eq!(rest(&mut stream), b"");
    }
    for record in proxy.ended(8) {
        assert_eq!(record.close_reason, Some(CloseReason::ProtocolError));
    }
    // Its health checks speak for itself.
    for local in [&b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"[..], b"PROXY UNKNOWN\r\n"] {
        let mut stream = proxy.client();
        send(&mut stream, local);
        send(&mut stream, &[5, 1, 0]);
        assert_eq!(receive::<1>(&mut stream), [5]);
    }
}

#[test]
fn nobody_else_may_say_who_it_is() {
    let proxy = behind("192.0.2.0/24");
    let mut stream = proxy.client();
    send(&mut stream, b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 1080\r\n\x05\x01\x00");
    assert_eq!(rest(&mut stream), b"");
    let record = proxy.ended(1).remove(0);
    assert!(record.client.ip().is_loopback());
}

#[test]
fn a_service_manager_hands_over_the_socket() {
    let target = Target::echo("127.0.0.1:0");
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("is bound");
    let dir = tempfile::tempdir().expect("a folder");
    let policy = dir.path().join("test.policy");
    std::fs::write(&policy, "policy 1\nsocks pass home { from: @loopback  to: @loopback }\n")
        .expect("a policy");
    // As sd_listen_fds(3) has it: descriptors from 3 on, meant for the process that is told its own id.
    let hand_over = r#"exec 3<&0 </dev/null
        export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=door
        exec "$@""#;
    let mut manager = command("sh");
    manager.args(["-c", hand_over, "sh", env!("CARGO_BIN_EXE_rustsocks"), "serve"]);
    manager.args(["--listen", "inherit:door", "--api", "none", "--policy"]).arg(&policy);
    manager.arg("--store").arg(dir.path().join("store"));
    manager.stdin(std::os::fd::OwnedFd::from(socket)).stdout(std::process::Stdio::null());
    let _server = Kept(manager.spawn().expect("starts"));
    // The descriptor here is closed: a server that does not start shows as a reset.
    drop(manager);
    let mut stream = tunnel(address, target.address).expect("passes");
    send(&mut stream, b"hello");
    assert_eq!(&receive::<5>(&mut stream), b"hello");
}

/// The guard against an open proxy looked at addresses of the settings only; a socket that was handed
/// over has none there.
#[test]
fn an_inherited_socket_is_no_way_around_the_guard() {
    let socket = std::net::TcpListener::bind("0.0.0.0:0").expect("a port");
    let dir = tempfile::tempdir().expect("a folder");
    let policy = dir.path().join("test.policy");
    std::fs::write(&policy, OPEN).expect("a policy");
    let hand_over =
        "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=door; exec \"$@\"";
    let mut manager = command("sh");
    manager.args(["-c", hand_over, "sh", env!("CARGO_BIN_EXE_rustsocks"), "serve"]);
    manager.args(["--listen", "inherit:door", "--api", "none", "--policy"]).arg(&policy);
    manager.arg("--store").arg(dir.path().join("store"));
    let said = run(manager.stdin(std::os::fd::OwnedFd::from(socket)));
    assert_eq!(said.code(), 78, "{said:?}");
    assert!(said.err.contains("0.0.0.0:") && said.err.contains("`--allow-open`"), "{said:?}");
}

/// A handshake under way held the listener, and with it the port: others connected to a server that
/// never answered, and the next server could not start.
#[test]
fn the_port_is_free_once_accepting_ends() {
    // An address that no other test takes a port of.
    let proxy = Proxy::start(OPEN, |settings| settings.listeners = vec![listener("main", "127.77.0.1:0")]);
    let mut slow = proxy.client();
    send(&mut slow, &[5]);
    wait_for("a handshake", || (proxy.road.admission.handshakes() == 1).then_some(()));
    proxy.stop.gently.cancel();
    let free = wait_for("the port", || std::net::TcpListener::bind(proxy.address).ok());
    // What was under way still is.
    send(&mut slow, &[1, 0]);
    assert_eq!(receive::<2>(&mut slow), [5, 0]);
    drop(free);
}

/// Each listener took a place before anybody came, so that two of them left none on a server with two.
#[test]
fn idle_listeners_take_no_places() {
    let proxy = Proxy::start(OPEN, |settings| {
        settings.listeners = ["a", "b", "c"].map(|name| listener(name, "127.0.0.1:0")).into();
        settings.limits.connections = 2;
    });
    let mut clients: Vec<_> = [1, 0].map(|at: usize| connect(proxy.addresses[at])).into();
    for client in &mut clients {
        send(client, &[5, 1, 0]);
        assert_eq!(receive::<2>(client), [5, 0]);
    }
    // Without room one waits, and is served when there is some.
    let mut third = connect(proxy.addresses[2]);
    send(&mut third, &[5, 1, 0]);
    clients.pop();
    assert_eq!(receive::<2>(&mut third), [5, 0]);
}

fn mode_of(path: &std::path::Path) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).unwrap().permissions()) & 0o777
}

#[test]
fn a_socket_in_the_file_system_has_the_rights_that_are_set() {
    let folder = tempfile::tempdir().unwrap();
    for (name, mode) in [("usual", None), ("all", Some("0666"))] {
        let path = folder.path().join(name);
        let _proxy = Proxy::start(OPEN, |settings| {
            settings.listeners[0].address = Listen::Unix(path.clone());
            if let Some(mode) = mode {
                settings.listeners[0].mode = mode.parse().unwrap();
            }
        });
        assert_eq!(mode_of(&path), mode.map_or(0o660, |_| 0o666), "{name}");
    }
}

/// A server that stopped removed whatever was at its path.
#[test]
fn a_server_that_stops_leaves_the_socket_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socks.sock");
    let proxy = Proxy::start(OPEN, |settings| settings.listeners[0].address = Listen::Unix(path.clone()));
    std::fs::remove_file(&path).unwrap();
    let other = std::os::unix::net::UnixListener::bind(&path).unwrap();
    drop(proxy);
    assert!(path.exists());
    drop(other);
}

/// There is no address that the client is known to reach: UDP told 0.0.0.0, and BIND listened everywhere.
#[test]
fn a_client_of_the_file_system_gets_no_port_on_all_addresses() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socks.sock");
    let start = |advertise: Option<&str>| {
        Proxy::start(OPEN, |settings| {
            settings.listeners[0].address = Listen::Unix(path.clone());
            settings.udp.advertise = advertise.map(|address| address.parse().unwrap());
        })
    };
    let reply = |command, address: &str| {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
        stream.write_all(&[&[5, 1, 0][..], &request(command, address.parse().unwrap())].concat()).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        (answer[3], [answer[6], answer[7], answer[8], answer[9]])
    };
    let proxy = start(None);
    assert_eq!(reply(2, "0.0.0.0:0").0, 7);
    assert_eq!(reply(3, "0.0.0.0:0").0, 7);
    // Towards a peer that is named there is an address.
    assert_eq!(reply(2, "127.0.0.1:21"), (0, [127, 0, 0, 1]));
    drop(proxy);
    let _proxy = start(Some("127.0.0.1"));
    assert_eq!(reply(3, "0.0.0.0:0"), (0, [127, 0, 0, 1]));
}
