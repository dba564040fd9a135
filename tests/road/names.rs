//! Every way of writing an address is the same address to the policy.

use crate::dns::Server;
use crate::proxy::{Proxy, receive, request, request_name, send};
use crate::support::{Target, wait_for};
use rustsocks::session::CloseReason;
use std::net::{IpAddr, SocketAddr, TcpListener};

const HOME_BLOCKED: &str = "policy 1\ndefault pass\nsocks block home { to: @loopback }\n";

#[test]
fn row_12_a_name_is_taken_whole_or_not_at_all() {
    let proxy = Proxy::open();
    let target = Target::echo("127.0.0.1:0");
    let port = target.address.port();
    for name in [&b"localhost\0.evil"[..], b"", b"local host", b"a\n.b", b"\xff\xfe", b"a..b", b"-a"] {
        assert_eq!(proxy.reply_to(&request_name(1, name, port)), 1, "{name:?}");
    }
    for record in proxy.ended(7) {
        assert_eq!(record.close_reason, Some(CloseReason::InvalidName));
    }
    for name in [&b"localhost."[..], b"LOCALHOST", b"x.localhost"] {
        assert_eq!(proxy.reply_to(&request_name(1, name, port)), 0, "{name:?}");
    }
    let longest = [[b'a'; 63]; 4].join(&b'.');
    assert_eq!(longest.len(), 255);
    assert_eq!(proxy.reply_to(&request_name(1, &longest, port)), 1);
}

#[test]
fn row_21_an_address_inside_an_address_is_seen() {
    let proxy = Proxy::start(HOME_BLOCKED, |_| {});
    for address in ["[::ffff:127.0.0.1]:80", "[::1]:80", "127.9.9.9:80"] {
        assert_eq!(proxy.reply_to(&request(1, address.parse().unwrap())), 2, "{address}");
    }
}

#[test]
fn row_22_the_unspecified_address_is_this_host() {
    let proxy = Proxy::start(HOME_BLOCKED, |_| {});
    for address in ["0.0.0.0:80", "[::]:80", "[::ffff:0.0.0.0]:80"] {
        assert_eq!(proxy.reply_to(&request(1, address.parse().unwrap())), 2, "{address}");
    }
    let open = Proxy::open();
    let target = Target::echo("127.0.0.1:0");
    let unspecified = SocketAddr::new([0, 0, 0, 0].into(), target.address.port());
    assert_eq!(open.reply_to(&request(1, unspecified)), 0);
    let record = open.record("the tunnel", |record| record.target.is_some());
    assert_eq!(record.target, Some(target.address), "what was decided is what is dialled");
}

#[test]
fn row_23_numbers_are_addresses() {
    let proxy = Proxy::start(HOME_BLOCKED, |_| {});
    for name in ["127.1", "2130706433", "0x7f.1", "0177.0.0.1", "[::1]", "0x7f000001", "::1", "127.0.0.1."] {
        assert_eq!(proxy.reply_to(&request_name(1, name.as_bytes(), 80)), 2, "{name}");
    }
}

#[test]
fn row_24_names_of_this_host_are_judged_by_their_address() {
    let proxy = Proxy::start(HOME_BLOCKED, |_| {});
    for name in ["localhost", "foo.localhost", "LocalHost."] {
        assert_eq!(proxy.reply_to(&request_name(1, name.as_bytes(), 80)), 2, "{name}");
    }
}

#[test]
fn row_25_special_addresses_are_not_the_internet() {
    let proxy = Proxy::start("policy 1\nsocks pass web { to: @internet }\n", |_| {});
    for address in [
        "64:ff9b::7f00:1",
        "2002:7f00:1::1",
        "2001:0:1::1",
        "fe80::5efe:7f00:1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "ff02::1",
        "fd00::1",
        "10.0.0.1",
        "192.168.1.1",
        "::ffff:169.254.169.254",
    ] {
        let target = SocketAddr::new(address.parse().unwrap(), 80);
        assert_eq!(proxy.reply_to(&request(1, target)), 2, "{address}");
    }
    assert_eq!(proxy.reply_to(&request_name(1, b"fe80::1%eth0", 80)), 1);
}

#[test]
fn row_25_an_address_within_another_is_the_one_that_is_judged() {
    // Whatever is not blocked is passed, so that only the address inside can be the reason.
    let policy = "policy 1\ndefault pass\nsocks block inside { to: 10.0.0.0/8, 127.0.0.0/8 }\n";
    let proxy = Proxy::start(policy, |_| {});
    for address in [
        "::ffff:10.0.0.1",
        "::10.0.0.1",
        "::127.0.0.1",
        "::ffff:0:10.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::10.0.0.1",
        "2002:a00:1::1",
        "2001:0:808:808::f5ff:fffe",
        "2001:db8:1::5efe:10.0.0.1",
        "2001:db8:1:0:200:5efe:10.0.0.1",
    ] {
        let target = SocketAddr::new(address.parse().unwrap(), 80);
        assert_eq!(proxy.reply_to(&request(1, target)), 2, "{address}");
    }
}

#[test]
fn row_26_what_was_decided_is_what_is_dialled() {
    let secret = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = secret.local_addr().unwrap().port();
    secret.set_nonblocking(true).unwrap();
    let allowed = Target::echo(&format!("127.0.0.2:{port}"));
    let (home, other): (IpAddr, IpAddr) = ([127, 0, 0, 1].into(), [127, 0, 0, 2].into());
    // The answer is another one each time, with no time to live.
    let dns = Server::start(move |_, turn| if turn % 2 == 0 { vec![other] } else { vec![home] });
    let policy = "policy 1\ndefault pass\nsocks block secret { to: 127.0.0.1 }\n";
    let proxy = Proxy::start(policy, |settings| settings.resolver.servers = vec![dns.address]);
    let mut codes = Vec::new();
    for _ in 0..8 {
        let mut stream = proxy.asked(&request_name(1, b"rebind.test", port));
        let [_, code, ..] = receive::<10>(&mut stream);
        if code == 0 {
            send(&mut stream, b"hello");
            assert_eq!(&receive::<5>(&mut stream), b"hello");
        }
        codes.push(code);
    }
    assert!(codes.contains(&0) && codes.contains(&2) && codes.iter().all(|code| [0, 2].contains(code)));
    // Of several candidates only those that pass are dialled.
    let both = Server::start(move |_, _| vec![home, other]);
    let proxy = Proxy::start(policy, |settings| settings.resolver.servers = vec![both.address]);
    assert_eq!(proxy.reply_to(&request_name(1, b"both.test", port)), 0);
    let strict = "policy 1\nresolve: strict\ndefault pass\nsocks block secret { to: 127.0.0.1 }\n";
    let proxy = Proxy::start(strict, |settings| settings.resolver.servers = vec![both.address]);
    assert_eq!(proxy.reply_to(&request_name(1, b"both.test", port)), 2);
    assert_eq!(allowed.address.ip(), other);
    assert!(secret.accept().is_err(), "nobody came to the blocked address");
}

/// Of a name with many addresses only the first sixteen were judged, so that a blocked one behind
/// them went unseen.
#[test]
fn row_26_every_address_of_a_name_is_judged() {
    let all: Vec<IpAddr> = (2..=25).map(|last| [127, 0, 0, last].into()).collect();
    let dns = Server::start(move |_, _| all.clone());
    let target = Target::echo("127.0.0.2:0");
    for (mode, code) in [("strict", 2), ("any", 0)] {
        let resolve = if mode == "strict" { "resolve: strict\n" } else { "" };
        let policy = format!("policy 1\n{resolve}default pass\nsocks block last {{ to: 127.0.0.25 }}\n");
        let proxy = Proxy::start(&policy, |settings| settings.resolver.servers = vec![dns.address]);
        let said = proxy.reply_to(&request_name(1, b"many.test", target.address.port()));
        assert_eq!(said, code, "{mode}");
    }
}

#[test]
fn a_name_that_is_blocked_is_never_looked_up() {
    let dns = Server::start(|_, _| vec![[127, 0, 0, 1].into()]);
    let policy = "policy 1\ndefault pass\nsocks block evil { to: .evil.test }\n";
    let proxy = Proxy::start(policy, |settings| settings.resolver.servers = vec![dns.address]);
    assert_eq!(proxy.reply_to(&request_name(1, b"www.evil.test", 80)), 2);
    assert_eq!(dns.questions(), 0);
    assert_eq!(proxy.reply_to(&request_name(1, b"good.test", 9)), 5);
    assert!(dns.questions() > 0);
}

#[test]
fn the_next_address_is_tried_after_a_refusal() {
    let (closed, open): (IpAddr, IpAddr) = ([127, 0, 0, 2].into(), [127, 0, 0, 3].into());
    // The same port of the other address is held, so that nobody listens there meanwhile.
    let (target, _held) = wait_for("a port of both addresses", || {
        let target = Target::echo("127.0.0.3:0");
        let held = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).ok()?;
        held.bind(&SocketAddr::new(closed, target.address.port()).into()).ok()?;
        Some((target, held))
    });
    let dns = Server::start(move |_, _| vec![closed, open]);
    let proxy =
        Proxy::start("policy 1\ndefault pass\n", |settings| settings.resolver.servers = vec![dns.address]);
    assert_eq!(proxy.reply_to(&request_name(1, b"two.test", target.address.port())), 0);
    let record = proxy.record("the tunnel", |record| record.target.is_some());
    assert_eq!(record.target, Some(target.address));
    assert_eq!(&*record.requested.as_ref().unwrap().host, "two.test");
}

#[test]
fn answers_and_their_lack_are_kept() {
    let dns = Server::start(|name, _| if name == "no.test" { vec![] } else { vec![[127, 0, 0, 1].into()] });
    let dns = dns.with_ttl(300);
    let proxy =
        Proxy::start("policy 1\ndefault pass\n", |settings| settings.resolver.servers = vec![dns.address]);
    assert_eq!(proxy.reply_to(&request_name(1, b"yes.test", 9)), 5);
    let once = dns.questions();
    assert_eq!(proxy.reply_to(&request_name(1, b"yes.test", 9)), 5);
    assert_eq!(dns.questions(), once);
    assert_eq!(proxy.reply_to(&request_name(1, b"no.test", 9)), 4);
    let twice = dns.questions();
    assert_eq!(proxy.reply_to(&request_name(1, b"no.test", 9)), 4);
    assert_eq!(dns.questions(), twice);
}
