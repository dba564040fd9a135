//! What clients do before a tunnel is open, and what they must not be able to do.

use crate::proxy::{OPEN, Proxy, closed_port, receive, request, request_name, rest, send};
use crate::support::{Target, connect, tunnel, wait_for};
use rustsocks::session::{CloseReason, Status};
use rustsocks::settings::value::{Protocol, Span};
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::Ordering;
use std::time::Duration;

fn hasty() -> Proxy {
    Proxy::start(OPEN, |settings| settings.timeouts.handshake = Span::millis(500))
}

#[track_caller]
fn ends_by_timeout(proxy: &Proxy) {
    let record = proxy.record("a slow client", |record| record.close_reason.is_some());
    assert_eq!((record.status, record.close_reason), (Status::Failed, Some(CloseReason::HandshakeTimeout)));
}

#[test]
fn row_01_a_silent_client_is_closed_at_the_deadline() {
    let proxy = hasty();
    assert_eq!(rest(&mut proxy.client()), b"");
    ends_by_timeout(&proxy);
}

#[test]
fn row_02_half_a_greeting_or_half_a_request_does_not_help() {
    for part in [&[5][..], &[5, 1, 0, 5, 1, 0]] {
        let proxy = hasty();
        let mut stream = proxy.client();
        send(&mut stream, part);
        assert!(rest(&mut stream).len() <= 2);
        ends_by_timeout(&proxy);
    }
}

#[test]
fn row_03_the_deadline_does_not_move_with_each_byte() {
    let proxy = hasty();
    let mut stream = proxy.client();
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    send(&mut stream, &[5, 255]);
    // A greeting with 255 methods, drop by drop: at 20 ms a byte it would take five seconds.
    wait_for("the end of a drip", || {
        let sent = stream.write_all(&[5]).is_ok();
        let ended = std::io::Read::read(&mut stream, &mut [0]).is_ok_and(|read| read == 0);
        (!sent || ended).then_some(())
    });
    ends_by_timeout(&proxy);
}

#[test]
fn row_05_a_flood_of_silent_clients_leaves_tunnels_alone() {
    let proxy = Proxy::start(OPEN, |settings| settings.limits.handshakes = 64);
    let target = Target::echo("127.0.0.1:0");
    let mut old = tunnel(proxy.address, target.address).expect("passes");
    let flood: Vec<TcpStream> = (0..300).map(|_| proxy.client()).collect();
    wait_for("shedding", || (proxy.road.tally.shed_for_limits.load(Ordering::Relaxed) > 100).then_some(()));
    assert!(proxy.road.admission.handshakes() <= 64);
    send(&mut old, b"still here");
    assert_eq!(&receive::<10>(&mut old), b"still here");
    proxy.record("a client that was turned away", |record| {
        record.close_reason == Some(CloseReason::LimitReached)
    });
    drop(flood);
    wait_for("room", || (proxy.road.admission.handshakes() < 8).then_some(()));
    tunnel(proxy.address, target.address).expect("passes once there is room");
}

#[test]
fn row_05_one_client_cannot_take_all_the_room() {
    let proxy = Proxy::start(OPEN, |settings| settings.limits.connections_per_client = 4);
    let target = Target::echo("127.0.0.1:0");
    let tunnels: Vec<_> = (0..4).map(|_| tunnel(proxy.address, target.address).expect("passes")).collect();
    assert_eq!(rest(&mut proxy.client()), b"");
    // Another address of this host is another client.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.2:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    socket.connect(&proxy.address.into()).unwrap();
    let mut other: TcpStream = socket.into();
    send(&mut other, &[5, 1, 0]);
    assert_eq!(receive::<2>(&mut other), [5, 0]);
    drop(tunnels);
}

#[test]
fn row_06_whoever_does_not_fit_waits_in_the_queue_and_is_served() {
    let proxy = Proxy::start(OPEN, |settings| settings.limits.connections = 4);
    let target = Target::echo("127.0.0.1:0");
    let tunnels: Vec<_> = (0..4).map(|_| tunnel(proxy.address, target.address).expect("passes")).collect();
    let mut waiting: Vec<_> = (0..200).map(|_| proxy.client()).collect();
    waiting.iter_mut().for_each(|stream| send(stream, &[5, 1, 0]));
    drop(tunnels);
    for mut stream in waiting {
        assert_eq!(receive::<2>(&mut stream), [5, 0]);
    }
}

/// Each dialogue with a tunnel at its end, and the answers up to there.
fn dialogues(target: std::net::SocketAddr) -> Vec<(Vec<u8>, usize)> {
    let port = target.port();
    let socks5 = [&[5, 2, 0, 2][..], &request(1, target), b"ping"].concat();
    let named = [&[5, 1, 0][..], &request_name(1, b"127.0.0.1", port), b"ping"].concat();
    let [high, low] = port.to_be_bytes();
    let socks4 = [&[4, 1, high, low, 127, 0, 0, 1][..], b"user\0ping"].concat();
    let socks4a = [&[4, 1, high, low, 0, 0, 0, 1][..], b"user\0localhost\0ping"].concat();
    let http = format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: x\r\n\r\nping").into_bytes();
    let established = "HTTP/1.1 200 Connection established\r\n\r\n".len();
    vec![(socks5, 12), (named, 12), (socks4, 8), (socks4a, 8), (http, established)]
}

#[track_caller]
fn pongs(mut stream: TcpStream, answer: usize) {
    let mut answered = vec![0; answer];
    std::io::Read::read_exact(&mut stream, &mut answered).expect("is answered");
    assert_eq!(&receive::<4>(&mut stream), b"ping");
}

#[test]
fn row_07_every_message_may_come_byte_by_byte() {
    let proxy = Proxy::open();
    let target = Target::echo("127.0.0.1:0");
    for (dialogue, answer) in dialogues(target.address) {
        let mut stream = proxy.client();
        stream.set_nodelay(true).unwrap();
        for byte in dialogue {
            send(&mut stream, &[byte]);
            std::thread::yield_now();
        }
        pongs(stream, answer);
    }
}

#[test]
fn row_08_early_data_belongs_to_the_target() {
    let proxy = Proxy::open();
    let target = Target::echo("127.0.0.1:0");
    for (dialogue, answer) in dialogues(target.address) {
        let mut stream = proxy.client();
        send(&mut stream, &dialogue);
        pongs(stream, answer);
    }
}

#[test]
fn row_09_a_dialogue_may_be_cut_anywhere() {
    let proxy = Proxy::open();
    let target = Target::echo("127.0.0.1:0");
    for (dialogue, answer) in dialogues(target.address) {
        for cut in 1..dialogue.len() {
            let mut stream = proxy.client();
            stream.set_nodelay(true).unwrap();
            let (one, other) = dialogue.split_at(cut);
            send(&mut stream, one);
            std::thread::yield_now();
            send(&mut stream, other);
            pongs(stream, answer);
        }
    }
}

#[test]
fn row_10_greetings_that_lead_nowhere_are_refused() {
    let proxy = Proxy::open();
    for greeting in [&[5, 0][..], &[6, 1, 0], &[0], &[0x16, 3, 1], &[5, 1, 2], &[5, 2, 1, 0x80]] {
        let mut stream = proxy.client();
        send(&mut stream, greeting);
        assert_eq!(rest(&mut stream), [5, 0xff], "{greeting:?}");
    }
    let mut stream = proxy.client();
    let all: Vec<u8> = [5, 255].into_iter().chain((0..255).rev()).collect();
    send(&mut stream, &all);
    assert_eq!(receive::<2>(&mut stream), [5, 0]);
}

/// A client that the socks stage blocks whatever it asks for had failed for lack of a method, and no
/// rule stood in its record.
#[test]
fn a_client_that_nothing_is_passed_for_is_blocked_by_the_rule_that_says_so() {
    let policy = "policy 1\nsocks block guests { from: 127.0.0.0/8 }\nsocks pass rest { to: any }\n";
    let target = Target::echo("127.0.0.1:0");
    for (policy, rule) in [(policy, "guests"), ("policy 1\nsocks pass far { from: 10.0.0.0/8 }\n", "default")]
    {
        let proxy = Proxy::start(policy, |_| {});
        let mut stream = proxy.client();
        send(&mut stream, &[5, 1, 0]);
        assert_eq!(rest(&mut stream), [5, 0xff]);
        let others = dialogues(target.address).split_off(2);
        let answers: Vec<Vec<u8>> = others
            .into_iter()
            .map(|(dialogue, _)| {
                let mut stream = proxy.client();
                send(&mut stream, &dialogue);
                rest(&mut stream)
            })
            .collect();
        assert_eq!((answers[0][1], answers[1][1]), (91, 91));
        assert!(answers[2].starts_with(b"HTTP/1.1 403 "));
        for record in proxy.ended(4) {
            assert_eq!(
                (record.status, record.close_reason),
                (Status::Blocked, Some(CloseReason::BlockedRequest))
            );
            let verdict = record.verdict.as_ref().expect("a verdict");
            assert_eq!((verdict.passed, &*verdict.rule), (false, rule));
        }
    }
}

#[test]
fn row_11_unknown_commands_and_address_types_are_named() {
    let proxy = Proxy::open();
    assert_eq!(proxy.reply_to(&[5, 9, 0, 1, 1, 2, 3, 4, 0, 80]), 7);
    assert_eq!(proxy.reply_to(&[5, 1, 0, 9, 1, 2, 3, 4, 0, 80]), 8);
    let reasons: Vec<_> = proxy.ended(2).iter().filter_map(|record| record.close_reason).collect();
    assert!(reasons.contains(&CloseReason::CommandNotSupported));
    assert!(reasons.contains(&CloseReason::AddressTypeNotSupported));
}

#[test]
fn row_13_replies_say_what_went_wrong() {
    let policy = "policy 1\ndefault pass\nsocks block no { to: 127.0.0.9 }\n\
                  socks block closed { to: 127.0.0.8  reply: refused }\n\
                  socks block silent { to: 127.0.0.7  reply: drop }\n";
    let proxy = Proxy::start(policy, |settings| {
        settings.timeouts.connect = Span::millis(300);
        settings.relay.egress = Some("127.0.0.1".into());
        settings.resolver.servers = vec![closed_port()];
        settings.resolver.timeout = Span::millis(300);
    });
    assert_eq!(proxy.reply_to(&request(1, closed_port())), 5);
    assert_eq!(proxy.reply_to(&request(1, "127.0.0.9:80".parse().unwrap())), 2);
    assert_eq!(proxy.reply_to(&request(1, "127.0.0.8:80".parse().unwrap())), 5);
    assert_eq!(rest(&mut proxy.asked(&request(1, "127.0.0.7:80".parse().unwrap()))), b"");
    // IPv4 is the only way out, so there is none to IPv6.
    assert_eq!(proxy.reply_to(&request(1, "[::1]:80".parse().unwrap())), 3);
    assert_eq!(proxy.reply_to(&request_name(1, b"unanswered.test", 80)), 1);
    // A listener whose queue is full does not answer at all.
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    full.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    full.listen(0).unwrap();
    let target = full.local_addr().unwrap().as_socket().unwrap();
    let filling: Vec<_> = (0..8)
        .map(|_| {
            let one = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            one.set_nonblocking(true).unwrap();
            // In progress, all of them.
            let _pending = one.connect(&target.into());
            one
        })
        .collect();
    assert_eq!(proxy.reply_to(&request(1, target)), 4);
    drop(filling);
    let blocked = proxy.record("a block", |record| record.status == Status::Blocked);
    let verdict = blocked.verdict.as_ref().expect("a verdict");
    assert!(!verdict.passed && blocked.close_reason == Some(CloseReason::BlockedRequest));
    assert!(verdict.rule_place.starts_with("test.policy:"), "{verdict:?}");
}

#[test]
fn row_27_nobody_is_led_back_to_us() {
    let proxy = Proxy::open();
    assert_eq!(proxy.reply_to(&request(1, proxy.address)), 2);
    assert_eq!(proxy.reply_to(&request_name(1, b"127.1", proxy.address.port())), 2);
    let mapped = format!("[::ffff:127.0.0.1]:{}", proxy.address.port()).parse().unwrap();
    assert_eq!(proxy.reply_to(&request(1, mapped)), 2);
    for record in proxy.ended(3) {
        assert_eq!(record.close_reason, Some(CloseReason::Loop));
    }
}

#[test]
fn protocols_can_be_switched_off() {
    let target = Target::echo("127.0.0.1:0");
    let proxy = Proxy::start(OPEN, |settings| settings.listeners[0].protocols = vec![Protocol::Socks5]);
    for (dialogue, _) in dialogues(target.address).split_off(2) {
        let mut stream = proxy.client();
        send(&mut stream, &dialogue);
        assert_eq!(rest(&mut stream), [5, 0xff]);
    }
    let by_policy = "policy 1\ndefault pass\nsocks block old { proxyprotocol: socks4, http }\n";
    let proxy = Proxy::start(by_policy, |_| {});
    let answers = dialogues(target.address).split_off(2).into_iter().map(|(dialogue, _)| {
        let mut stream = proxy.client();
        send(&mut stream, &dialogue);
        rest(&mut stream)
    });
    let answers: Vec<Vec<u8>> = answers.collect();
    assert_eq!((answers[0][1], answers[1][1]), (91, 91));
    assert!(answers[2].starts_with(b"HTTP/1.1 403 "));
}

#[test]
fn a_web_browser_at_the_wrong_door_gets_an_answer() {
    let proxy = Proxy::open();
    let mut stream = proxy.client();
    send(&mut stream, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(rest(&mut stream).starts_with(b"HTTP/1.1 405 "));
    let mut stream = proxy.client();
    send(&mut stream, b"CONNECT nonsense HTTP/1.1\r\n\r\n");
    assert!(rest(&mut stream).starts_with(b"HTTP/1.1 400 "));
}

#[test]
fn the_client_stage_comes_first() {
    let policy = "policy 1\ndefault pass\nclient block here { from: 127.0.0.0/8 }\n\
                  client pass rest { from: any }\n";
    let proxy = Proxy::start(policy, |_| {});
    let mut stream = proxy.client();
    assert_eq!(rest(&mut stream), b"");
    let record = proxy.record("a blocked client", |record| record.status == Status::Blocked);
    assert_eq!(record.close_reason, Some(CloseReason::BlockedClient));
    assert_eq!(&*record.verdict.as_ref().unwrap().rule, "here");
}

#[test]
fn a_refused_client_can_still_read_why() {
    let proxy = Proxy::open();
    // More behind the request than anybody reads: the answer must not be lost in a reset.
    let mut stream = connect(proxy.address);
    let dialogue = [&[5, 1, 0][..], &request(1, closed_port()), &[b'x'; 20_000]].concat();
    send(&mut stream, &dialogue);
    assert_eq!(receive::<4>(&mut stream), [5, 0, 5, 5]);
}

#[test]
fn the_reply_names_our_real_address() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::open();
    let mut stream = proxy.asked(&request(1, listener.local_addr().unwrap()));
    // BND.ADDR and BND.PORT are the real ones.
    let reply = receive::<10>(&mut stream);
    let (_, peer) = listener.accept().unwrap();
    assert_eq!(reply, [&[5, 0, 0, 1, 127, 0, 0, 1][..], &peer.port().to_be_bytes()].concat()[..]);
}

/// Credentials that could not be understood were a bad request, and a wrong method was not told the right one.
#[test]
fn http_says_what_it_takes() {
    let says = |policy: &str, head: &str| {
        let proxy = Proxy::start(policy, |_| {});
        let mut stream = proxy.client();
        send(&mut stream, head.as_bytes());
        String::from_utf8(rest(&mut stream)).unwrap()
    };
    let said = says(OPEN, "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(said.starts_with("HTTP/1.1 405 ") && said.contains("\r\nAllow: CONNECT\r\n"), "{said}");
    let users = "policy 1\nsocksmethod: password\nsocks pass all { user: any }\n";
    let nobody = "policy 1\nsocks pass far { to: 192.0.2.1 }\n";
    for shown in ["Bearer abc", "Basic YWJj", "nonsense"] {
        let head = format!("CONNECT 127.0.0.1:9 HTTP/1.1\r\nHost: a\r\nProxy-Authorization: {shown}\r\n\r\n");
        let said = says(users, &head);
        assert!(
            said.starts_with("HTTP/1.1 407 ") && said.contains("\r\nProxy-Authenticate: "),
            "{shown}: {said}"
        );
        // Where nobody has to show anything, it is not looked at.
        let said = says(nobody, &head);
        assert!(said.starts_with("HTTP/1.1 403 "), "{shown}: {said}");
    }
}
