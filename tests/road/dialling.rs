//! What happens between a request and the answer to it.

use crate::proxy::{OPEN, Proxy, receive, request, reset_on_close, rest, send};
use crate::support::{Target, wait_for};
use rustsocks::session::CloseReason;
use rustsocks::settings::value::Span;
use socket2::{Domain, Socket, Type};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

/// A target that answers no call: its queue is full until somebody is taken out of it.
struct Busy {
    listener: TcpListener,
    first: TcpStream,
    address: SocketAddr,
}

impl Busy {
    fn start() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let listener = TcpListener::from(socket);
        let address = listener.local_addr().unwrap();
        let first = TcpStream::connect(address).unwrap();
        Self { listener, first, address }
    }
}

/// Sends a request for a target that does not answer; the proxy is dialling when this returns.
fn dialling(proxy: &Proxy, busy: &Busy) -> TcpStream {
    let mut client = proxy.asked(&request(1, busy.address));
    send(&mut client, b"early");
    wait_for("the request", || (proxy.road.admission.handshakes() == 0).then_some(()));
    client
}

#[test]
fn a_client_that_breaks_off_is_not_dialled_for_any_longer() {
    let proxy = Proxy::start(OPEN, |settings| settings.timeouts.connect = Span::minutes(60));
    let busy = Busy::start();
    let client = dialling(&proxy, &busy);
    reset_on_close(&client);
    drop(client);
    assert_eq!(proxy.ended(1)[0].close_reason, Some(CloseReason::ClientGone));
}

#[test]
fn a_client_that_has_said_everything_is_dialled_for() {
    let proxy = Proxy::start(OPEN, |settings| settings.timeouts.connect = Span::minutes(60));
    let busy = Busy::start();
    let mut client = dialling(&proxy, &busy);
    client.shutdown(Shutdown::Write).unwrap();
    drop(busy.listener.accept().unwrap());
    drop(busy.first);
    // The kernel calls again by itself.
    let mut target = busy.listener.accept().unwrap().0;
    assert_eq!(rest(&mut target), b"early");
    send(&mut target, b"late");
    drop(target);
    assert_eq!(receive::<10>(&mut client)[..2], [5, 0]);
    assert_eq!(rest(&mut client), b"late");
}

/// An address that this host does not have was reported as a lack of resources.
#[test]
fn an_egress_that_is_not_there_is_named() {
    let target = Target::echo("127.0.0.1:0");
    let proxy = Proxy::start(OPEN, |settings| settings.relay.egress = Some("192.0.2.1".into()));
    assert_eq!(proxy.reply_to(&request(1, target.address)), 1);
    assert_eq!(proxy.ended(1)[0].close_reason, Some(CloseReason::EgressUnavailable));
}
