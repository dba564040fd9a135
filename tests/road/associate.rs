//! UDP ASSOCIATE: datagrams of one client to the peers that it names, and back.

use crate::dns;
use crate::proxy::{OPEN, Proxy, receive, request, request_name, rest};
use crate::support::{PATIENCE, Target, wait_for};
use rustsocks::session::CloseReason;
use rustsocks::settings::Settings;
use rustsocks::settings::value::{PortRange, Span};
use std::net::{Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// An association with its client.
struct Client {
    control: TcpStream,
    socket: UdpSocket,
    relay: SocketAddr,
}

fn associate(proxy: &Proxy) -> Client {
    let mut control = proxy.asked(&request(3, "0.0.0.0:0".parse().unwrap()));
    let [5, 0, 0, 1, a, b, c, d, high, low] = receive::<10>(&mut control) else { panic!("no association") };
    let relay = SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low])));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    Client { control, socket, relay }
}

/// A datagram: the request without its first byte is the header.
fn wrapped(header: &[u8], payload: &[u8]) -> Vec<u8> {
    [&[0, 0, 0], &header[3..], payload].concat()
}

impl Client {
    fn send(&self, to: SocketAddr, payload: &[u8]) {
        self.socket.send_to(&wrapped(&request(1, to), payload), self.relay).unwrap();
    }

    #[track_caller]
    fn receive(&self) -> (SocketAddr, Vec<u8>) {
        let mut buffer = vec![0; 65_536];
        let (length, from) = self.socket.recv_from(&mut buffer).expect("an answer");
        assert_eq!((from, &buffer[..3]), (self.relay, &[0, 0, 0][..]));
        let (address, header) = match buffer[3] {
            1 => (<[u8; 4]>::try_from(&buffer[4..8]).unwrap().into(), 10),
            4 => (<[u8; 16]>::try_from(&buffer[4..20]).unwrap().into(), 22),
            other => panic!("address type {other}"),
        };
        let port = u16::from_be_bytes([buffer[header - 2], buffer[header - 1]]);
        (SocketAddr::new(address, port), buffer[header..length].to_vec())
    }

    /// Sends until there is an answer: datagrams may be lost, even on loopback.
    #[track_caller]
    fn echoes(&self, to: SocketAddr, payload: &[u8]) {
        self.answers(&wrapped(&request(1, to), payload), to, payload);
    }

    #[track_caller]
    fn answers(&self, datagram: &[u8], from: SocketAddr, payload: &[u8]) {
        self.socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        wait_for("an echo", || {
            self.socket.send_to(datagram, self.relay).unwrap();
            let mut buffer = [0; 1];
            // A datagram longer than the buffer is cut: it is only looked at here.
            self.socket.peek_from(&mut buffer).ok().map(|_| ())
        });
        self.socket.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(self.receive(), (from, payload.to_vec()));
        self.drain();
    }

    /// Throws away what else has come.
    fn drain(&self) {
        self.socket.set_nonblocking(true).unwrap();
        while self.socket.recv_from(&mut [0; 16]).is_ok() {}
        self.socket.set_nonblocking(false).unwrap();
    }

    /// Nothing has come, and what is sent now is answered.
    #[track_caller]
    fn nothing_but(&self, echo: SocketAddr) {
        self.socket.set_nonblocking(true).unwrap();
        assert!(self.socket.recv_from(&mut [0; 64]).is_err(), "something has come");
        self.socket.set_nonblocking(false).unwrap();
        self.echoes(echo, b"and now");
    }
}

#[track_caller]
fn counted(counter: &AtomicU64, at_least: u64) {
    wait_for("a count", || (counter.load(Ordering::Relaxed) >= at_least).then_some(()));
}

#[test]
fn datagrams_go_there_and_back() {
    let proxy = Proxy::open();
    let target = Target::udp_echo("127.0.0.1:0");
    let v6 = Target::udp_echo("[::1]:0");
    let client = associate(&proxy);
    client.echoes(target.address, b"hello");
    client.echoes(v6.address, b"over IPv6");
    client.echoes(target.address, b"");
    let named = wrapped(&request_name(1, b"127.0.0.1", target.address.port()), b"by name");
    client.answers(&named, target.address, b"by name");
    drop(client);
    let record = proxy.ended(1).remove(0);
    assert_eq!(record.close_reason, Some(CloseReason::ClientClosed));
    assert!(record.packets_sent >= 4 && record.packets_received >= 4 && record.bytes_sent >= 21);
    assert_eq!(record.target, Some(target.address));
    assert!(record.verdict.as_ref().is_some_and(|verdict| verdict.passed));
}

#[test]
fn the_largest_datagram_passes() {
    let proxy = Proxy::open();
    let target = Target::udp_echo("127.0.0.1:0");
    let client = associate(&proxy);
    client.echoes(target.address, &vec![7; 65_507 - 10]);
}

#[test]
fn row_28_a_stranger_is_not_the_client() {
    let proxy = Proxy::open();
    let target = Target::udp_echo("127.0.0.1:0");
    let client = associate(&proxy);
    client.echoes(target.address, b"hello");
    for from in ["127.0.0.9:0", "127.0.0.1:0"] {
        let stranger = UdpSocket::bind(from).unwrap();
        stranger.send_to(&wrapped(&request(1, target.address), b"mine"), client.relay).unwrap();
    }
    counted(&proxy.road.tally.udp_strangers, 2);
    client.nothing_but(target.address);
}

#[test]
fn row_29_a_stranger_cannot_be_first_either() {
    let proxy = Proxy::open();
    let target = Target::udp_echo("127.0.0.1:0");
    let client = associate(&proxy);
    let stranger = UdpSocket::bind("127.0.0.9:0").unwrap();
    stranger.send_to(&wrapped(&request(1, target.address), b"mine"), client.relay).unwrap();
    counted(&proxy.road.tally.udp_strangers, 1);
    client.echoes(target.address, b"hello");
    stranger.set_nonblocking(true).unwrap();
    assert!(stranger.recv_from(&mut [0; 64]).is_err());
}

#[test]
fn row_30_fragments_are_dropped() {
    let proxy = Proxy::open();
    let target = Target::udp_echo("127.0.0.1:0");
    let client = associate(&proxy);
    let mut fragment = wrapped(&request(1, target.address), b"part");
    fragment[2] = 1;
    client.socket.send_to(&fragment, client.relay).unwrap();
    counted(&proxy.road.tally.udp_malformed, 1);
    client.nothing_but(target.address);
}

#[test]
fn row_31_an_association_ends_with_its_connection() {
    let proxy = Proxy::open();
    let client = associate(&proxy);
    let Client { control, relay, .. } = client;
    drop(control);
    proxy.ended(1);
    // Its port is free again.
    wait_for("a free port", || UdpSocket::bind(relay).ok());
}

#[test]
fn row_32_nobody_answers_who_was_not_asked() {
    let third = UdpSocket::bind("127.0.0.1:0").unwrap();
    let target = UdpSocket::bind("127.0.0.1:0").unwrap();
    target.set_read_timeout(Some(PATIENCE)).unwrap();
    for (policy, passes) in [
        (OPEN, false),
        ("policy 1\ndefault pass\nsocks pass any { command: udpreply }\n", true),
        ("policy 1\ndefault pass\nsocks block all { command: udpreply }\n", false),
    ] {
        let proxy = Proxy::start(policy, |_| {});
        let client = associate(&proxy);
        client.send(target.local_addr().unwrap(), b"hello");
        let (_, outside) = target.recv_from(&mut [0; 64]).expect("arrives");
        third.send_to(b"psst", outside).unwrap();
        if passes {
            assert_eq!(client.receive(), (third.local_addr().unwrap(), b"psst".to_vec()));
        } else {
            counted(&proxy.road.tally.udp_unsolicited, 1);
        }
        target.send_to(b"answer", outside).unwrap();
        if policy.contains("block") {
            counted(&proxy.road.tally.udp_unsolicited, 2);
        } else {
            assert_eq!(client.receive(), (target.local_addr().unwrap(), b"answer".to_vec()));
        }
    }
}

#[test]
fn row_33_garbage_does_no_harm() {
    let proxy = Proxy::open();
    let target = Target::udp_echo("127.0.0.1:0");
    let client = associate(&proxy);
    let large = vec![0xff; 65_507];
    let cut = [0, 0, 0, 1, 127];
    let unknown = [0, 0, 0, 9, 1, 2, 3, 4, 0, 80, 1];
    let nameless = [0, 0, 0, 3, 0, 0, 80, 1];
    for garbage in [&[][..], &[0], &[0, 0, 0], &cut, &unknown, &nameless, &large] {
        client.socket.send_to(garbage, client.relay).unwrap();
    }
    client.echoes(target.address, b"hello");
    counted(&proxy.road.tally.udp_malformed, 6);
}

#[test]
fn row_34_a_client_has_a_bounded_number_of_peers() {
    let proxy = Proxy::start(OPEN, |settings| settings.udp.peers = 8);
    let client = associate(&proxy);
    let first = UdpSocket::bind("127.0.0.1:0").unwrap();
    first.set_read_timeout(Some(PATIENCE)).unwrap();
    client.send(first.local_addr().unwrap(), b"hello");
    let (_, outside) = first.recv_from(&mut [0; 64]).expect("arrives");
    let others: Vec<_> = (0..9).map(|_| Target::udp_echo("127.0.0.1:0")).collect();
    for other in &others {
        client.echoes(other.address, b"spray");
    }
    // The first has made room, so that its answer is nobody's any more.
    let before = proxy.road.tally.udp_unsolicited.load(Ordering::Relaxed);
    first.send_to(b"late", outside).unwrap();
    counted(&proxy.road.tally.udp_unsolicited, before + 1);
    client.nothing_but(others[8].address);
}

#[test]
fn row_35_each_datagram_is_decided_upon() {
    let target = Target::udp_echo("127.0.0.1:0");
    let forbidden = Target::udp_echo("127.0.0.3:0");
    let policy = "policy 1\ndefault pass\nsocks block there { to: 127.0.0.3 }\n\
                  socks block names { to: .evil.test }\n";
    let proxy = Proxy::start(policy, |_| {});
    let client = associate(&proxy);
    client.echoes(target.address, b"hello");
    client.send(forbidden.address, b"hello");
    let mapped: SocketAddr = format!("[::ffff:127.0.0.3]:{}", forbidden.address.port()).parse().unwrap();
    client.send(mapped, b"hello");
    let named = wrapped(&request_name(1, b"a.evil.test", 53), b"hello");
    client.socket.send_to(&named, client.relay).unwrap();
    counted(&proxy.road.tally.udp_blocked, 3);
    client.nothing_but(target.address);
    let nothing = "policy 1\nsocks pass out { protocol: tcp }\n";
    let proxy = Proxy::start(nothing, |_| {});
    assert_eq!(proxy.reply_to(&request(3, "0.0.0.0:0".parse().unwrap())), 2);
}

#[test]
fn a_slow_name_holds_nobody_up() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let target = Target::udp_echo("127.0.0.1:0");
    let proxy = Proxy::start(OPEN, |settings: &mut Settings| {
        settings.resolver.servers = vec![silent.local_addr().unwrap()];
        settings.resolver.timeout = Span::secs(60);
        settings.udp.waiting = 4;
    });
    let client = associate(&proxy);
    for at in 0..8 {
        let name = format!("slow-{at}.test");
        client.socket.send_to(&wrapped(&request_name(1, name.as_bytes(), 53), b"x"), client.relay).unwrap();
    }
    client.echoes(target.address, b"not waiting");
    counted(&proxy.road.tally.udp_overflow, 4);
}

#[test]
fn names_are_resolved_and_remembered() {
    let target = Target::udp_echo("127.0.0.1:0");
    let dns = dns::Server::start(|_, _| vec![[127, 0, 0, 1].into()]);
    let proxy = Proxy::start(OPEN, |settings| settings.resolver.servers = vec![dns.address]);
    let client = associate(&proxy);
    let datagram = wrapped(&request_name(1, b"echo.test", target.address.port()), b"hello");
    for _ in 0..3 {
        client.answers(&datagram, target.address, b"hello");
    }
}

/// CONNECT refused a name of which one address is blocked where the policy is strict; datagrams went
/// to the first address that passed.
#[test]
fn row_35_a_strict_policy_is_strict_with_datagrams() {
    let target = Target::udp_echo("127.0.0.1:0");
    let dns = dns::Server::start(|_, _| vec![[127, 0, 0, 1].into(), [127, 0, 0, 3].into()]);
    for (mode, passes) in [("resolve: strict\n", false), ("", true)] {
        let policy = format!("policy 1\n{mode}default pass\nsocks block there {{ to: 127.0.0.3 }}\n");
        let proxy = Proxy::start(&policy, |settings| settings.resolver.servers = vec![dns.address]);
        let client = associate(&proxy);
        let named = wrapped(&request_name(1, b"both.test", target.address.port()), b"hello");
        if passes {
            client.answers(&named, target.address, b"hello");
            continue;
        }
        client.socket.send_to(&named, client.relay).unwrap();
        counted(&proxy.road.tally.udp_blocked, 1);
        client.nothing_but(target.address);
    }
}

/// What was said of a name held for the address as well, so that a client could name the address
/// itself after it had been there by name.
#[test]
fn row_35_an_address_is_judged_apart_from_the_names_that_lead_to_it() {
    let target = Target::udp_echo("127.0.0.1:0");
    let dns = dns::Server::start(|_, _| vec![[127, 0, 0, 1].into()]);
    let named = wrapped(&request_name(1, b"echo.test", target.address.port()), b"by name");
    let literal = wrapped(&request(1, target.address), b"by address");
    let policy = "policy 1\ndefault pass\nsocks block literals { to: literal }\n";
    let proxy = Proxy::start(policy, |settings| settings.resolver.servers = vec![dns.address]);
    let client = associate(&proxy);
    client.answers(&named, target.address, b"by name");
    client.socket.send_to(&literal, client.relay).unwrap();
    counted(&proxy.road.tally.udp_blocked, 1);
    client.answers(&named, target.address, b"by name");
    // And the other way round: the address passes, and the name does not.
    let policy = "policy 1\ndefault pass\nsocks block names { to: name }\n";
    let proxy = Proxy::start(policy, |settings| settings.resolver.servers = vec![dns.address]);
    let client = associate(&proxy);
    client.answers(&literal, target.address, b"by address");
    client.socket.send_to(&named, client.relay).unwrap();
    counted(&proxy.road.tally.udp_blocked, 1);
    client.answers(&literal, target.address, b"by address");
}

/// Only the first address of a name was sent to, whether there was a way to it or not.
#[test]
fn the_next_address_of_a_name_is_tried_where_there_is_no_way_to_the_first() {
    let dns = dns::Server::start(|_, _| vec![[127, 0, 0, 1].into(), Ipv6Addr::LOCALHOST.into()]);
    for (egress, target) in [("127.0.0.1", "127.0.0.1:0"), ("::1", "[::1]:0")] {
        let target = Target::udp_echo(target);
        let proxy = Proxy::start(OPEN, |settings| {
            settings.resolver.servers = vec![dns.address];
            settings.relay.egress = Some(egress.into());
        });
        let client = associate(&proxy);
        let named = wrapped(&request_name(1, b"both.test", target.address.port()), b"hello");
        for _ in 0..2 {
            client.answers(&named, target.address, b"hello");
        }
        drop(client);
        assert_eq!(proxy.ended(1)[0].target, Some(target.address));
    }
}

#[test]
fn an_idle_association_is_closed() {
    let proxy = Proxy::start(OPEN, |settings| settings.udp.idle = Span::millis(300));
    let mut client = associate(&proxy);
    assert_eq!(rest(&mut client.control), b"");
    assert_eq!(proxy.ended(1)[0].close_reason, Some(CloseReason::IdleTimeout));
}

#[test]
fn ports_and_address_are_what_the_settings_say() {
    let range = PortRange { first: 30_000, last: 60_000 };
    let proxy = Proxy::start(OPEN, |settings| {
        settings.udp.ports = Some(range);
        settings.udp.advertise = Some("192.0.2.7".parse().unwrap());
    });
    let mut control = proxy.asked(&request(3, "0.0.0.0:0".parse().unwrap()));
    let reply = receive::<10>(&mut control);
    assert_eq!(reply[..8], [5, 0, 0, 1, 192, 0, 2, 7]);
    assert!((30_000..=60_000).contains(&u16::from_be_bytes([reply[8], reply[9]])));
    let off = Proxy::start(OPEN, |settings| settings.udp.enabled = false);
    assert_eq!(off.reply_to(&request(3, "0.0.0.0:0".parse().unwrap())), 7);
}

#[test]
fn datagrams_do_not_go_round_in_circles() {
    let proxy = Proxy::open();
    let (one, other) = (associate(&proxy), associate(&proxy));
    one.send(other.relay, b"round");
    one.send(one.relay, b"round");
    counted(&proxy.road.tally.udp_blocked, 2);
}

#[test]
fn a_reload_asks_again_about_every_peer() {
    let target = Target::udp_echo("127.0.0.1:0");
    let proxy = Proxy::start(OPEN, |settings| settings.policy.ask_live_sessions_again = true);
    let mut client = associate(&proxy);
    client.echoes(target.address, b"hello");
    proxy
        .road
        .policy
        .swap(crate::proxy::policy("policy 1\ndefault pass\nsocks block it { to: 127.0.0.1 }\n"));
    wait_for("a block", || {
        client.send(target.address, b"hello");
        (proxy.road.tally.udp_blocked.load(Ordering::Relaxed) > 0).then_some(())
    });
    proxy.road.policy.swap(crate::proxy::policy("policy 1\ndefault block\n"));
    assert_eq!(rest(&mut client.control), b"");
    assert_eq!(proxy.ended(1)[0].close_reason, Some(CloseReason::BlockedByReload));
}
