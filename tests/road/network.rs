//! What takes a network of one's own to provoke. It takes root; without it a test says so and
//! proves nothing.

use crate::dns::Server;
use crate::proxy::{OPEN, Proxy, receive, request, request_name, send};
use crate::support::{Kept, Said, Target, command, run, tunnel, wait_for};
use rustsocks::session::CloseReason;
use rustsocks::settings::value::{Listen, ResolverKind, Span};
use std::net::{SocketAddr, TcpListener};

/// Whether the test runs in a network of its own, with mounts of its own; one that does not has run
/// itself again in one.
#[expect(clippy::print_stdout, reason = "says that it could not be tried")]
fn inside(name: &str) -> bool {
    const INSIDE: &str = "ROAD_TEST_OWN_NETWORK";
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let can = run(command("unshare").args(["-n", "-m", "ip", "link", "set", "lo", "up"]));
    if can.code() != 0 {
        println!("NOT TRIED: no network of our own: {}", can.err);
        return false;
    }
    let mut again = command("unshare");
    again.args(["-n", "-m"]).arg(std::env::current_exe().unwrap()).args(["--exact", name, "--nocapture"]);
    let said = run(again.env(INSIDE, "1"));
    assert!(said.code() == 0 && said.out.contains("1 passed"), "{}\n{}", said.out, said.err);
    false
}

#[test]
fn row_18_a_dead_peer_is_noticed() {
    if !inside("network::row_18_a_dead_peer_is_noticed") {
        return;
    }
    let link = |state: &str| {
        let said = run(command("ip").args(["link", "set", "lo", state]));
        assert_eq!(said.code(), 0, "{}", said.err);
    };
    link("up");
    let proxy = Proxy::start(OPEN, |settings| settings.relay.keepalive = Span::secs(1));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = tunnel(proxy.address, listener.local_addr().unwrap()).expect("passes");
    let mut target = listener.accept().unwrap().0;
    send(&mut client, b"alive");
    assert_eq!(&receive::<5>(&mut target), b"alive");
    link("down");
    let record = proxy.ended(1).remove(0);
    let reason = record.close_reason.unwrap();
    assert!(matches!(reason, CloseReason::ClientReset | CloseReason::TargetReset), "{reason:?}");
}

/// Both resolvers know the hosts file, and what it says is judged like any other answer.
#[test]
#[expect(clippy::print_stdout, reason = "says that it could not be tried")]
fn row_24_the_hosts_file_is_heard_and_leads_past_no_rule() {
    if !inside("network::row_24_the_hosts_file_is_heard_and_leads_past_no_rule") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let hosts = dir.path().join("hosts");
    std::fs::write(&hosts, "127.0.0.1 alias.test\n127.0.0.2 other.test\n").unwrap();
    let said = run(command("mount").arg("--bind").arg(&hosts).arg("/etc/hosts"));
    if said.code() != 0 {
        println!("NOT TRIED: no mount of our own: {}", said.err);
        return;
    }
    assert_eq!(run(command("ip").args(["link", "set", "lo", "up"])).code(), 0);
    let target = Target::echo("127.0.0.1:0");
    let policy = "policy 1\ndefault pass\nsocks block other { to: 127.0.0.2 }\n";
    for kind in [ResolverKind::Dns, ResolverKind::System] {
        let proxy = Proxy::start(policy, |settings| settings.resolver.kind = kind);
        let code = |name: &[u8]| proxy.reply_to(&request_name(1, name, target.address.port()));
        assert_eq!((code(b"alias.test"), code(b"other.test")), (0, 2), "{kind:?}");
    }
}

/// Puts files of the test in the place of those of the system.
#[expect(clippy::print_stdout, reason = "says that it could not be tried")]
fn mounted(files: &[(&str, &str)]) -> Option<tempfile::TempDir> {
    let dir = tempfile::tempdir().unwrap();
    for (at, (place, text)) in files.iter().enumerate() {
        let file = dir.path().join(at.to_string());
        std::fs::write(&file, text).unwrap();
        let said = run(command("mount").arg("--bind").arg(&file).arg(place));
        if said.code() != 0 {
            println!("NOT TRIED: no mount of our own: {}", said.err);
            return None;
        }
    }
    assert_eq!(run(command("ip").args(["link", "set", "lo", "up"])).code(), 0);
    Some(dir)
}

/// `vault` was resolved as `vault.corp.test` where the system has that search domain, past a rule
/// for the name that was meant.
#[test]
fn search_domains_are_never_put_behind_a_name() {
    if !inside("network::search_domains_are_never_put_behind_a_name") {
        return;
    }
    let resolv = "nameserver 127.0.0.1\nsearch corp.test\noptions ndots:2\n";
    let files = [
        ("/etc/resolv.conf", resolv),
        ("/etc/hosts", "127.0.0.1 short long.name.test\n"),
        ("/etc/nsswitch.conf", "hosts: files dns\n"),
    ];
    let Some(_dir) = mounted(&files) else { return };
    let target = Target::echo("127.0.0.1:0");
    let home: std::net::IpAddr = [127, 0, 0, 1].into();
    let _dns = Server::start_at("127.0.0.1:53", move |name, _| match name {
        "vault.corp.test" | "vault.x.corp.test" | "open.test" => vec![home],
        _ => vec![],
    });
    let policy = "policy 1\ndefault pass\nsocks block vault { to: .corp.test }\n";
    for kind in [ResolverKind::Dns, ResolverKind::System] {
        let proxy = Proxy::start(policy, |settings| settings.resolver.kind = kind);
        for (name, code) in [
            ("vault.corp.test", 2),
            ("vault", 4),
            ("vault.", 4),
            ("vault.x", 4),
            ("open.test", 0),
            ("open.test.", 0),
            ("short", 0),
            ("short.", 0),
            ("long.name.test", 0),
            ("localhost", 0),
        ] {
            let said = proxy.reply_to(&request_name(1, name.as_bytes(), target.address.port()));
            assert_eq!(said, code, "{kind:?} {name}");
        }
    }
}

/// A resolver of the system that failed was reported as a name that does not exist.
#[test]
fn a_resolver_that_fails_is_not_a_name_that_is_missing() {
    if !inside("network::a_resolver_that_fails_is_not_a_name_that_is_missing") {
        return;
    }
    let files = [
        ("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"),
        ("/etc/nsswitch.conf", "hosts: files dns\n"),
    ];
    let Some(_dir) = mounted(&files) else { return };
    for kind in [ResolverKind::Dns, ResolverKind::System] {
        let proxy = Proxy::start(OPEN, |settings| settings.resolver.kind = kind);
        assert_eq!(proxy.reply_to(&request_name(1, b"any.test", 80)), 1, "{kind:?}");
        assert_eq!(proxy.ended(1)[0].close_reason, Some(CloseReason::ResolverFailed), "{kind:?}");
    }
}

#[test]
fn connections_leave_through_the_interface_that_is_set() {
    if !inside("network::connections_leave_through_the_interface_that_is_set") {
        return;
    }
    assert_eq!(run(command("ip").args(["link", "set", "lo", "up"])).code(), 0);
    let target = Target::echo("127.0.0.1:0");
    for (interface, codes) in [("lo", 0..=0), ("nosuch0", 1..=1)] {
        let proxy = Proxy::start(OPEN, |settings| settings.relay.egress = Some(interface.into()));
        let code = proxy.reply_to(&request(1, target.address));
        assert!(codes.contains(&code), "{interface}: {code}");
        if interface != "lo" {
            assert_eq!(proxy.ended(1)[0].close_reason, Some(CloseReason::EgressUnavailable));
        }
    }
}

/// Addresses were looked at when the server started: one that came later led back to it, and each of
/// its connections to the next.
#[test]
fn an_address_that_comes_later_is_our_own_as_well() {
    if !inside("network::an_address_that_comes_later_is_our_own_as_well") {
        return;
    }
    let ip = |arguments: &[&str]| assert_eq!(run(command("ip").args(arguments)).code(), 0, "{arguments:?}");
    ip(&["link", "set", "lo", "up"]);
    for (listen, address, prefix) in [("0.0.0.0:0", "10.99.0.1", "32"), ("[::]:0", "fd00:99::1", "128")] {
        let proxy = Proxy::start(OPEN, |settings| {
            settings.listeners[0].address = Listen::Tcp(listen.parse().unwrap());
        });
        ip(&["addr", "add", &format!("{address}/{prefix}"), "dev", "lo"]);
        let ours = SocketAddr::new(address.parse().unwrap(), proxy.address.port());
        let home: SocketAddr = (std::net::Ipv4Addr::LOCALHOST, proxy.address.port()).into();
        let mut stream = crate::support::connect(home);
        send(&mut stream, &[&[5, 1, 0][..], &request(1, ours)].concat());
        assert_eq!(receive::<4>(&mut stream), [5, 0, 5, 2], "{ours}");
        proxy.record("a loop", |record| record.close_reason == Some(CloseReason::Loop));
    }
}

/// Linux has one error, host unreachable, for a router without a way and for one at which the hop
/// limit was used up; the reply has two codes.
#[test]
#[expect(clippy::print_stdout, reason = "says that it could not be tried")]
fn row_13_a_hop_limit_that_is_used_up_has_its_own_reply() {
    if !inside("network::row_13_a_hop_limit_that_is_used_up_has_its_own_reply") {
        return;
    }
    let router = Router::start();
    if let Err(said) = router.connect() {
        println!("NOT TRIED: no router of our own: {}", said.err);
        return;
    }
    let proxy = Proxy::open();
    for far in ["10.98.2.2:80", "[fd00:98:2::2]:80"] {
        let far: SocketAddr = far.parse().unwrap();
        assert_eq!(proxy.reply_to(&request(1, far)), 6, "{far}");
        proxy.record("an end", |record| {
            record.target == Some(far) && record.close_reason == Some(CloseReason::TtlExpired)
        });
    }
    // A router that has no way says so, and that is another reply.
    for nowhere in ["10.98.3.3:80", "[fd00:98:3::3]:80"] {
        let code = proxy.reply_to(&request(1, nowhere.parse().unwrap()));
        assert!(matches!(code, 3 | 4), "{nowhere}: {code}");
    }
}

/// Another network, behind a wire, which forwards.
struct Router(Kept);

impl Router {
    fn start() -> Self {
        let child = command("unshare").args(["-n", "sleep", "600"]).spawn().expect("starts");
        let network = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        let ours = network("self");
        let pid = child.id().to_string();
        let router = Self(Kept(child));
        wait_for("a network", || network(&pid).filter(|theirs| ours.as_ref() != Some(theirs)));
        router
    }

    /// Lays the wire: all that is far lies behind the router, and one hop is all there is. The
    /// router has no way to 10.98.3.0/24, and its own hop limit is what it was.
    fn connect(&self) -> Result<(), Said> {
        let pid = self.0.0.id();
        let inside = format!("nsenter -t {pid} -n");
        let script = format!(
            "set -e
            ip link set lo up
            ip link add near type veth peer name far netns {pid}
            ip addr add 10.98.1.1/24 dev near
            ip addr add fd00:98:1::1/64 dev near nodad
            ip link set near up
            {inside} ip addr add 10.98.1.2/24 dev far
            {inside} ip addr add fd00:98:1::2/64 dev far nodad
            {inside} ip link set far up
            {inside} ip route add 10.98.2.0/24 dev far
            {inside} ip route add fd00:98:2::/64 dev far
            {inside} sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
            {inside} sh -c 'echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'
            ip route add 10.98.2.0/24 via 10.98.1.2 hoplimit 1
            ip route add fd00:98:2::/64 via fd00:98:1::2 hoplimit 1
            ip route add 10.98.3.0/24 via 10.98.1.2
            ip route add fd00:98:3::/64 via fd00:98:1::2"
        );
        let said = run(command("sh").args(["-c", &script]));
        if said.code() == 0 { Ok(()) } else { Err(said) }
    }
}
