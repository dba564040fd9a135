//! Robustness: rude clients in numbers.

use crate::bind::connect_from;
use crate::proxy::{Proxy, receive, request, send};
use crate::support::{Daemon, Target, connect, tunnel, wait_for};
use std::io::{Read as _, Write as _};
use std::time::Duration;

#[test]
fn garbage_never_harms() {
    let proxy = Proxy::open();
    let target = Target::echo("127.0.0.1:0");
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for round in 0..2_000 {
        let mut stream = connect(proxy.address);
        stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let length = random() % 64;
        let mut bytes: Vec<u8> = (0..length).map(|_| random() as u8).collect();
        // Half of them begin as somebody might.
        match round % 6 {
            0 => bytes.splice(0..0, [5, 1, 0, 5]).for_each(drop),
            1 => bytes.splice(0..0, [4, 1]).for_each(drop),
            2 => bytes.splice(0..0, *b"CONNECT ").for_each(drop),
            _ => {}
        }
        // It may have been closed on us already.
        let _sent = stream.write_all(&bytes);
        if round % 3 == 0 {
            let _read = stream.read(&mut [0; 64]);
        }
    }
    let records = proxy.ended(2_000);
    assert_eq!(records.len(), 2_000);
    let mut stream = tunnel(proxy.address, target.address).expect("passes");
    send(&mut stream, b"well");
    assert_eq!(&receive::<4>(&mut stream), b"well");
}

#[test]
fn a_client_may_hang_up_at_every_byte() {
    let proxy = Proxy::open();
    let target = Target::echo("127.0.0.1:0");
    let dialogue = [&[5, 1, 0][..], &request(1, target.address), b"payload"].concat();
    for cut in 0..=dialogue.len() {
        for rude in [false, true] {
            let mut stream = proxy.client();
            send(&mut stream, &dialogue[..cut]);
            if rude {
                crate::proxy::reset_on_close(&stream);
            }
        }
    }
    let count = 2 * (dialogue.len() + 1);
    let records = proxy.ended(count);
    assert_eq!(records.len(), count);
    wait_for("an empty table", || (proxy.road.sessions.count() == 0).then_some(()));
    wait_for("no handshake", || (proxy.road.admission.handshakes() == 0).then_some(()));
    // One record each, and no two of the same attempt.
    let mut ids: Vec<_> = records.iter().map(|record| record.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count);
}

/// How much is done where `ROAD_FULL=1` asks for all of it, or else.
fn scale(full: usize, otherwise: usize) -> usize {
    if std::env::var_os("ROAD_FULL").is_some_and(|value| value == "1") { full } else { otherwise }
}

/// Clients need descriptors as well.
fn raise_descriptors() {
    rustsocks::server::raise_descriptor_limit();
}

fn daemon() -> Daemon {
    Daemon::start("policy 1\ndefault pass\n")
}

/// A figure of a process, in the unit of the kernel.
fn status(daemon: &Daemon, field: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).expect("lives");
    let line = text.lines().find_map(|line| line.strip_prefix(field)).expect("is a field");
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().expect("is a number")
}

fn descriptors(daemon: &Daemon) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).expect("lives").count()
}

/// Processor time so far, in ticks of 10 ms.
fn ticks(daemon: &Daemon) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/stat", daemon.pid())).expect("lives");
    let fields = text.rsplit_once(')').expect("has a name").1;
    fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().expect("a number")).sum()
}

#[test]
fn row_04_a_server_without_descriptors_rests_and_recovers() {
    raise_descriptors();
    let target = Target::echo("127.0.0.1:0");
    let daemon = daemon();
    let mut old = tunnel(daemon.socks(), target.address).expect("passes");
    let limit = rustix::process::Rlimit { current: Some(64), maximum: Some(64) };
    let pid = rustix::process::Pid::from_raw(daemon.pid());
    rustix::process::prlimit(pid, rustix::process::Resource::Nofile, limit).expect("is ours");
    let flood: Vec<_> = (0..150).map(|_| connect(daemon.socks())).collect();
    let before = ticks(&daemon);
    let window = Duration::from_secs(2);
    std::thread::sleep(window);
    let used = Duration::from_millis(10 * (ticks(&daemon) - before));
    assert!(used < window / 2, "it spins: {used:?} of {window:?}");
    send(&mut old, b"still here");
    assert_eq!(&receive::<10>(&mut old), b"still here");
    drop(flood);
    let mut new = tunnel(daemon.socks(), target.address).expect("passes");
    send(&mut new, b"again");
    assert_eq!(&receive::<5>(&mut new), b"again");
}

#[test]
fn silent_connections_in_thousands_leave_tunnels_alone() {
    raise_descriptors();
    let target = Target::echo("127.0.0.1:0");
    let daemon = daemon();
    let mut old = tunnel(daemon.socks(), target.address).expect("passes");
    // Somebody else's: one client has no more than its share where descriptors are few.
    let silent = (0..scale(10_000, 1_000)).map(|_| connect_from("127.0.0.3", daemon.socks()));
    let silent: Vec<_> = silent.collect::<Result<_, _>>().expect("connect");
    for _ in 0..100 {
        send(&mut old, b"ping");
        assert_eq!(&receive::<4>(&mut old), b"ping");
    }
    drop(silent);
    tunnel(daemon.socks(), target.address).expect("passes");
}

/// Opens tunnels to a target that says nothing, many at a time.
fn tunnels(daemon: &Daemon, count: usize) -> (Vec<std::net::TcpStream>, Vec<std::net::TcpStream>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("is bound");
    let proxy = daemon.socks();
    let accepting =
        std::thread::spawn(move || (0..count).map(|_| listener.accept().expect("comes").0).collect());
    let opened = (0..count).map(|_| tunnel(proxy, address).expect("passes")).collect();
    (opened, accepting.join().expect("accepts"))
}

#[test]
#[expect(clippy::print_stdout, reason = "figures for whoever asks with --nocapture")]
fn row_20_an_idle_tunnel_is_two_descriptors_and_little_memory() {
    raise_descriptors();
    let daemon = daemon();
    // What the allocator takes once is not a matter of tunnels.
    drop(tunnels(&daemon, 50));
    let settle = |wanted| {
        wait_for("the end of tunnels", || (descriptors(&daemon) <= wanted).then_some(()));
    };
    let floor = descriptors(&daemon);
    settle(floor.min(60));
    let (fds, memory) = (descriptors(&daemon), status(&daemon, "VmRSS"));
    let count = scale(5_000, 500);
    let (clients, targets) = tunnels(&daemon, count);
    let (more, grown) = (descriptors(&daemon) - fds, status(&daemon, "VmRSS").saturating_sub(memory));
    println!(
        "{count} idle tunnels: {:.2} KiB and {:.2} descriptors each",
        grown as f64 / count as f64,
        more as f64 / count as f64
    );
    assert!(more <= 2 * count + 16, "{more} descriptors");
    assert!(grown as usize <= 6 * count + 2_048, "{grown} KiB");
    let mut pair = (clients, targets);
    for (client, target) in pair.0.iter_mut().zip(&mut pair.1).take(50) {
        send(client, b"alive");
        assert_eq!(&receive::<5>(target), b"alive");
    }
    drop(pair);
    settle(fds + 8);
}

#[test]
#[expect(clippy::print_stdout, reason = "figures for whoever asks with --nocapture")]
fn nothing_grows_with_the_number_of_connections() {
    raise_descriptors();
    let target = Target::echo("127.0.0.1:0");
    let daemon = daemon();
    let round = |count: usize| {
        for _ in 0..count {
            let mut stream = tunnel(daemon.socks(), target.address).expect("passes");
            crate::proxy::reset_on_close(&stream);
            send(&mut stream, b"x");
            assert_eq!(receive::<1>(&mut stream), *b"x");
        }
    };
    round(scale(5_000, 500));
    let figures = || (descriptors(&daemon), status(&daemon, "Threads"), status(&daemon, "VmRSS"));
    let before = figures();
    round(scale(100_000, 1_500));
    wait_for("the last ones to end", || (descriptors(&daemon) <= before.0 + 8).then_some(()));
    let after = figures();
    println!("descriptors, threads, KiB: {before:?} before, {after:?} after");
    assert!(after.1 <= before.1 + 4, "threads: {before:?} {after:?}");
    assert!(after.2 <= before.2 + 24 * 1024, "memory: {before:?} {after:?}");
}

/// A stream of bytes that both ends can make. What arrives is compared byte by byte with what was
/// sent, which says more than equal digests would: also where it begins to differ.
fn noise(at: u64) -> [u8; 4096] {
    let mut word = at.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::array::from_fn(|_| {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        word as u8
    })
}

#[test]
fn much_each_way_at_once_is_whole() {
    let chunks = (scale(256, 24) << 20) / 4096;
    let pour = move |mut to: std::net::TcpStream, salt: u64| {
        for at in 0..chunks as u64 {
            to.write_all(&noise(at ^ salt)).expect("is sent");
        }
        to.shutdown(std::net::Shutdown::Write).expect("ends");
    };
    let drink = move |mut from: std::net::TcpStream, salt: u64| {
        let mut chunk = [0; 4096];
        for at in 0..chunks as u64 {
            from.read_exact(&mut chunk).expect("comes");
            assert!(chunk == noise(at ^ salt), "chunk {at}");
        }
        assert_eq!(from.read(&mut chunk).expect("ends"), 0);
    };
    let proxy = Proxy::open();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let client = tunnel(proxy.address, listener.local_addr().unwrap()).expect("passes");
    let (target, _) = listener.accept().unwrap();
    let ends = [(client, 0, 1 << 60), (target, 1 << 60, 0)];
    let threads: Vec<_> = ends
        .into_iter()
        .flat_map(|(end, out, back)| {
            let other = end.try_clone().expect("clones");
            [std::thread::spawn(move || pour(end, out)), std::thread::spawn(move || drink(other, back))]
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("is whole"));
    let record = proxy.ended(1).remove(0);
    let total = (chunks * 4096) as u64;
    assert_eq!((record.bytes_sent, record.bytes_received), (total, total));
}
