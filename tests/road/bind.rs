//! BIND: one peer, the one that was asked for.

use crate::proxy::{OPEN, Proxy, closed_port, receive, request, request_name, send};
use crate::support::connect;
use rustsocks::session::CloseReason;
use rustsocks::settings::value::{PortRange, Span};
use rustsocks_compiler::request::Command;
use std::net::{SocketAddr, TcpStream};

/// The address of a reply.
fn told(reply: [u8; 10]) -> SocketAddr {
    assert_eq!(reply[..4], [5, 0, 0, 1]);
    let [.., a, b, c, d, high, low] = reply;
    SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low])))
}

/// Connects from an address of this host.
pub fn connect_from(from: &str, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(from.parse().unwrap(), 0).into())?;
    socket.connect(&to.into())?;
    Ok(socket.into())
}

#[test]
fn the_peer_comes_and_bytes_flow() {
    let proxy = Proxy::open();
    for wanted in ["127.0.0.1:21", "0.0.0.0:0"] {
        let mut client = proxy.asked(&request(2, wanted.parse().unwrap()));
        let port = told(receive::<10>(&mut client));
        assert!(port.ip().is_loopback() && port.port() != 0);
        send(&mut client, b"early");
        let mut peer = connect(port);
        assert_eq!(told(receive::<10>(&mut client)), peer.local_addr().unwrap());
        assert_eq!(&receive::<5>(&mut peer), b"early");
        send(&mut peer, b"hello");
        assert_eq!(&receive::<5>(&mut client), b"hello");
        assert!(TcpStream::connect(port).is_err(), "one peer and no more");
    }
    let record = proxy.ended(2).remove(0);
    assert_eq!((record.command, record.bytes_sent, record.bytes_received), (Some(Command::Bind), 5, 5));
}

#[test]
fn socks4_knows_it_too() {
    let proxy = Proxy::open();
    let mut client = proxy.client();
    send(&mut client, &[4, 2, 0, 21, 127, 0, 0, 1, 0]);
    let [0, 90, high, low, 127, 0, 0, 1] = receive::<8>(&mut client) else { panic!("no first reply") };
    let mut peer = connect(SocketAddr::from(([127, 0, 0, 1], u16::from_be_bytes([high, low]))));
    assert_eq!(receive::<8>(&mut client)[..2], [0, 90]);
    send(&mut peer, b"hello");
    assert_eq!(&receive::<5>(&mut client), b"hello");
}

#[test]
fn row_36_somebody_else_is_turned_away_and_nobody_comes_after() {
    let proxy = Proxy::open();
    let mut client = proxy.asked(&request(2, "127.0.0.1:21".parse().unwrap()));
    let port = told(receive::<10>(&mut client));
    let stranger = connect_from("127.0.0.9", port);
    assert_eq!(receive::<2>(&mut client), [5, 2]);
    assert!(TcpStream::connect(port).is_err(), "the port is closed");
    drop(stranger);
    proxy.record("a stranger", |record| record.close_reason == Some(CloseReason::BindWrongPeer));
}

#[test]
fn row_36_nobody_comes() {
    let proxy = Proxy::start(OPEN, |settings| settings.bind.timeout = Span::millis(300));
    let mut client = proxy.asked(&request(2, "127.0.0.1:21".parse().unwrap()));
    told(receive::<10>(&mut client));
    assert_eq!(receive::<2>(&mut client), [5, 4]);
    proxy.record("nobody", |record| record.close_reason == Some(CloseReason::BindTimeout));
}

#[test]
fn row_37_the_policy_says_who_may_and_which_peer() {
    let policy = "policy 1\nsocks pass out { command: connect }\n";
    let proxy = Proxy::start(policy, |_| {});
    assert_eq!(proxy.reply_to(&request(2, "127.0.0.1:21".parse().unwrap())), 2);
    let policy = "policy 1\ndefault pass\nsocks block peers { command: bindreply  to: 127.0.0.1 }\n";
    let proxy = Proxy::start(policy, |_| {});
    let mut client = proxy.asked(&request(2, "127.0.0.1:21".parse().unwrap()));
    let port = told(receive::<10>(&mut client));
    // It may be reset before it knows that it was connected.
    let _peer = TcpStream::connect(port);
    assert_eq!(receive::<2>(&mut client), [5, 2]);
    let proxy = Proxy::start(OPEN, |settings| settings.bind.enabled = false);
    assert_eq!(proxy.reply_to(&request(2, "127.0.0.1:21".parse().unwrap())), 7);
}

#[test]
fn row_37_ports_come_from_the_range_and_are_given_back() {
    let first = closed_port().port().clamp(20_000, 60_000);
    let range = PortRange { first, last: first + 3 };
    let proxy = Proxy::start(OPEN, |settings| {
        settings.bind.ports = Some(range);
        settings.bind.timeout = Span::secs(60);
    });
    let mut open = Vec::new();
    // Others may have some of them; whoever gets none learns of it.
    for _ in 0..8 {
        let mut client = proxy.asked(&request(2, "127.0.0.1:21".parse().unwrap()));
        let reply = receive::<10>(&mut client);
        match reply[1] {
            0 => {
                assert!((first..=first + 3).contains(&told(reply).port()));
                open.push(client);
            }
            code => assert_eq!(code, 1),
        }
    }
    assert!(open.len() <= 4, "no port is given twice");
    if let Some(client) = open.pop() {
        drop(client);
        proxy.record("a client that left", |record| record.close_reason == Some(CloseReason::ClientGone));
    }
    drop(open);
}

/// A name with addresses of both families had its port opened on the first of them, whichever the
/// client itself spoke.
#[test]
fn the_port_is_of_the_family_of_the_peer_and_the_client() {
    let proxy = Proxy::open();
    let mut client = proxy.asked(&request_name(2, b"localhost", 21));
    let port = told(receive::<10>(&mut client));
    let peer = connect(port);
    assert_eq!(told(receive::<10>(&mut client)), peer.local_addr().unwrap());
}

/// Ports were opened where no peer of that family could come, or past an interface that is not there.
#[test]
fn an_egress_that_does_not_fit_opens_no_port() {
    for (egress, code) in [("::1", 3), ("nosuch0", 1), ("127.0.0.5", 0)] {
        let proxy = Proxy::start(OPEN, |settings| settings.relay.egress = Some(egress.into()));
        assert_eq!(proxy.reply_to(&request(2, "127.0.0.1:21".parse().unwrap())), code, "{egress}");
    }
    let proxy = Proxy::start(OPEN, |settings| settings.relay.egress = Some("nosuch0".into()));
    assert_eq!(proxy.reply_to(&request(2, "0.0.0.0:0".parse().unwrap())), 1);
}

#[test]
fn row_37_ports_of_one_client_are_capped() {
    let proxy = Proxy::start(OPEN, |settings| settings.bind.waiting = 2);
    let ask = request(2, "127.0.0.1:21".parse().unwrap());
    let mut waiting: Vec<TcpStream> = Vec::new();
    for _ in 0..2 {
        let mut client = proxy.asked(&ask);
        told(receive::<10>(&mut client));
        waiting.push(client);
    }
    assert_eq!(proxy.reply_to(&ask), 2);
    waiting.pop();
    proxy.record("a client that left", |record| record.close_reason == Some(CloseReason::ClientGone));
    assert_eq!(proxy.reply_to(&ask), 0);
}
