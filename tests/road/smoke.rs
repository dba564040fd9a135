//! What every day looks like.

use crate::proxy::{Proxy, closed_port, receive, request, request_name, rest, send};
use crate::support::{Target, tunnel};
use std::net::Shutdown;

#[test]
fn bytes_go_there_and_back() {
    let proxy = Proxy::open();
    let target = Target::echo("127.0.0.1:0");
    let mut stream = tunnel(proxy.address, target.address).expect("passes");
    send(&mut stream, b"hello");
    assert_eq!(&receive::<5>(&mut stream), b"hello");
    stream.shutdown(Shutdown::Write).expect("closes");
    assert_eq!(rest(&mut stream), b"");
}

#[test]
fn names_are_resolved_and_both_families_tried() {
    let proxy = Proxy::open();
    let target = Target::echo("127.0.0.1:0");
    let mut stream = proxy.client();
    send(&mut stream, &[&[5, 1, 0][..], &request_name(1, b"localhost", target.address.port())].concat());
    assert_eq!(receive::<2>(&mut stream), [5, 0]);
    assert_eq!(receive::<4>(&mut stream), [5, 0, 0, 1]);
    receive::<6>(&mut stream);
    send(&mut stream, b"hello");
    assert_eq!(&receive::<5>(&mut stream), b"hello");
}

#[test]
fn a_megabyte_each_way_at_once_is_whole() {
    let proxy = Proxy::open();
    let target = Target::echo("127.0.0.1:0");
    let mut stream = tunnel(proxy.address, target.address).expect("passes");
    let sent: Vec<u8> = (0..4u32 << 20).map(|at| ((at * 31) >> 3) as u8).collect();
    let mut writer = stream.try_clone().expect("clones");
    let bytes = sent.clone();
    let sender = std::thread::spawn(move || {
        send(&mut writer, &bytes);
        writer.shutdown(Shutdown::Write).expect("closes");
    });
    assert!(rest(&mut stream) == sent);
    sender.join().expect("sends");
}

#[test]
fn a_closed_port_is_refused() {
    let proxy = Proxy::open();
    let free = closed_port();
    let mut stream = proxy.client();
    send(&mut stream, &[&[5, 1, 0][..], &request(1, free)].concat());
    assert_eq!(rest(&mut stream), [5, 0, 5, 5, 0, 1, 0, 0, 0, 0, 0, 0]);
}
