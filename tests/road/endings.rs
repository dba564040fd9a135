//! How tunnels end, and what becomes of the bytes.

use crate::proxy::{OPEN, Proxy, policy, receive, reset, reset_on_close, rest, send};
use crate::support::{Target, tunnel, wait_for};
use rustsocks::session::{CloseReason, Status};
use rustsocks::settings::value::{Span, Splice};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A tunnel with both its ends in hand.
fn ends(proxy: &Proxy) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = tunnel(proxy.address, listener.local_addr().unwrap()).expect("passes");
    let (target, _) = listener.accept().unwrap();
    target.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    (client, target)
}

#[track_caller]
fn ended(proxy: &Proxy, reason: CloseReason) -> Arc<rustsocks::session::SessionRecord> {
    // Whoever only knocked, to see whether the door is shut, has a record too.
    let established = |record: &Arc<rustsocks::session::SessionRecord>| record.status == Status::Closed;
    let record = wait_for("the end of a tunnel", || proxy.records().into_iter().find(established));
    assert_eq!(record.close_reason, Some(reason));
    assert!(record.end.is_some() && record.end >= Some(record.start));
    record
}

#[test]
fn row_14_the_target_may_answer_after_the_client_has_ended() {
    let proxy = Proxy::open();
    let (mut client, mut target) = ends(&proxy);
    send(&mut client, b"question");
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut target), b"question");
    send(&mut target, b"a long answer");
    drop(target);
    assert_eq!(rest(&mut client), b"a long answer");
    let record = ended(&proxy, CloseReason::ClientClosed);
    assert_eq!((record.bytes_sent, record.bytes_received), (8, 13));
}

#[test]
fn row_15_the_client_may_go_on_after_the_target_has_ended() {
    let proxy = Proxy::start(OPEN, |settings| settings.timeouts.half_open = Span::millis(500));
    let (mut client, mut target) = ends(&proxy);
    send(&mut target, b"banner");
    target.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut client), b"banner");
    send(&mut client, b"still talking");
    assert_eq!(&receive::<13>(&mut target), b"still talking");
    // And then nothing: half a tunnel does not stay for ever.
    reset(&mut target);
    let record = ended(&proxy, CloseReason::HalfOpenTimeout);
    assert_eq!((record.bytes_sent, record.bytes_received), (13, 6));
}

#[test]
fn row_16_a_reset_is_passed_on() {
    let proxy = Proxy::open();
    let (client, mut target) = ends(&proxy);
    reset_on_close(&client);
    drop(client);
    reset(&mut target);
    ended(&proxy, CloseReason::ClientReset);

    let proxy = Proxy::open();
    let (mut client, target) = ends(&proxy);
    reset_on_close(&target);
    drop(target);
    reset(&mut client);
    ended(&proxy, CloseReason::TargetReset);
}

#[test]
fn row_16_a_reset_is_passed_on_from_behind_a_full_buffer() {
    let proxy = Proxy::open();
    let (client, mut target) = ends(&proxy);
    // The client does not read, so that the proxy cannot write to it, nor does it send anything.
    target.set_nonblocking(true).unwrap();
    let chunk = vec![0; 1 << 16];
    let mut stuck = 0;
    wait_for("a full tunnel", || {
        stuck = if target.write(&chunk).is_ok() { 0 } else { stuck + 1 };
        (stuck > 20).then_some(())
    });
    reset_on_close(&client);
    drop(client);
    target.set_nonblocking(false).unwrap();
    wait_for("the reset", || target.write(&chunk).err());
    ended(&proxy, CloseReason::ClientReset);
}

#[test]
fn row_17_a_peer_that_never_reads_costs_a_bounded_amount() {
    let proxy = Proxy::open();
    let (client, mut target) = ends(&proxy);
    target.set_nonblocking(true).unwrap();
    let chunk = vec![7; 1 << 16];
    let (mut sent, mut stuck) = (0, 0);
    wait_for("back-pressure", || {
        match target.write(&chunk) {
            Ok(wrote) => (sent, stuck) = (sent + wrote, 0),
            Err(_) => stuck += 1,
        }
        (stuck > 50).then_some(())
    });
    // The buffers of the kernel, and no more than one of ours.
    assert!(sent < 64 << 20, "{sent}");
    target.set_nonblocking(false).unwrap();
    target.shutdown(Shutdown::Write).unwrap();
    let mut client = client;
    assert_eq!(rest(&mut client).len(), sent);
}

#[test]
fn row_19_an_idle_tunnel_is_closed() {
    let proxy = Proxy::start(OPEN, |settings| settings.timeouts.idle = Span::millis(400));
    let (mut client, mut target) = ends(&proxy);
    send(&mut client, b"one last word");
    assert_eq!(&receive::<13>(&mut target), b"one last word");
    reset(&mut client);
    assert_eq!(ended(&proxy, CloseReason::IdleTimeout).bytes_sent, 13);
}

#[test]
fn a_tunnel_that_is_used_is_not_idle_but_has_its_lifetime() {
    let proxy = Proxy::start(OPEN, |settings| {
        settings.timeouts.idle = Span::secs(60);
        settings.timeouts.lifetime = Span::millis(600);
    });
    let (mut client, _target) = ends(&proxy);
    client.set_nodelay(true).unwrap();
    wait_for("the end of a life", || {
        let alive = client.write_all(b"x").is_ok();
        (!alive).then_some(())
    });
    ended(&proxy, CloseReason::LifetimeReached);
}

#[test]
fn an_administrator_can_end_a_tunnel() {
    let proxy = Proxy::open();
    let (mut client, mut target) = ends(&proxy);
    send(&mut client, b"seven b");
    assert_eq!(&receive::<7>(&mut target), b"seven b");
    let live = wait_for("the session", || proxy.road.sessions.active().pop());
    live.kill.cancel();
    reset(&mut client);
    reset(&mut target);
    assert_eq!(ended(&proxy, CloseReason::Killed).bytes_sent, 7);
}

#[test]
fn a_reload_asks_again() {
    let proxy = Proxy::start(OPEN, |settings| settings.policy.ask_live_sessions_again = true);
    let (mut kept, mut kept_target) = ends(&proxy);
    let (mut cut, mut cut_target) = ends(&proxy);
    let port = cut_target.local_addr().unwrap().port();
    let text = format!("policy 1\ndefault pass\nsocks block late {{ port: {port} }}\n");
    proxy.road.policy.swap(policy(&text));
    reset(&mut cut);
    reset(&mut cut_target);
    let record = ended(&proxy, CloseReason::BlockedByReload);
    let verdict = record.verdict.as_ref().unwrap();
    assert_eq!((verdict.passed, &*verdict.rule), (false, "late"));
    send(&mut kept, b"on");
    assert_eq!(&receive::<2>(&mut kept_target), b"on");
}

#[test]
fn a_reload_leaves_tunnels_alone_where_the_settings_say_so() {
    let proxy = Proxy::start(OPEN, |settings| settings.policy.ask_live_sessions_again = false);
    let (mut client, mut target) = ends(&proxy);
    proxy.road.policy.swap(policy("policy 1\ndefault pass\nsocks block home { to: @loopback }\n"));
    assert_eq!(proxy.reply_to(&crate::proxy::request(1, "127.0.0.1:9".parse().unwrap())), 2);
    send(&mut client, b"on");
    assert_eq!(&receive::<2>(&mut target), b"on");
}

#[test]
fn stopping_gently_lets_tunnels_end_and_stopping_now_does_not() {
    let proxy = Proxy::open();
    let (mut client, mut target) = ends(&proxy);
    proxy.stop.gently.cancel();
    wait_for("a closed listener", || TcpStream::connect(proxy.address).err());
    send(&mut client, b"going on");
    assert_eq!(&receive::<8>(&mut target), b"going on");
    proxy.stop.now.cancel();
    // An end would say that all has been sent.
    reset(&mut target);
    reset(&mut client);
    let record = ended(&proxy, CloseReason::Shutdown);
    assert_eq!(record.bytes_sent, 8);
}

#[test]
fn bulk_is_whole_and_counted_however_it_is_moved() {
    for splice in [Splice::Always, Splice::Auto, Splice::Never] {
        let proxy = Proxy::start(OPEN, |settings| settings.relay.splice = splice);
        let (mut client, mut target) = ends(&proxy);
        let bytes: Arc<[u8]> = (0..24u32 << 20).map(|at| (at ^ (at >> 9)) as u8).collect();
        let sending = Arc::clone(&bytes);
        let sender = std::thread::spawn(move || {
            send(&mut client, &sending);
            client.shutdown(Shutdown::Write).unwrap();
            rest(&mut client)
        });
        let mut got = Vec::new();
        target.read_to_end(&mut got).unwrap();
        assert!(got[..] == bytes[..], "{splice:?}");
        send(&mut target, &got);
        drop(target);
        assert!(sender.join().unwrap()[..] == bytes[..], "{splice:?}");
        let record = ended(&proxy, CloseReason::ClientClosed);
        assert_eq!((record.bytes_sent, record.bytes_received), (bytes.len() as u64, bytes.len() as u64));
    }
}

/// What lay in the queue of the kernel when a tunnel was cut was counted as sent, and never arrived.
#[test]
fn what_a_cut_destroys_is_not_counted() {
    let proxy = Proxy::open();
    let (mut client, mut target) = ends(&proxy);
    client.set_nonblocking(true).unwrap();
    let chunk = vec![7; 1 << 16];
    let mut stuck = 0;
    wait_for("back-pressure", || {
        stuck = if client.write(&chunk).is_ok() { 0 } else { stuck + 1 };
        (stuck > 50).then_some(())
    });
    let live = proxy.road.sessions.active().pop().expect("is live");
    let taken = live.counters.bytes_sent.load(Ordering::Relaxed);
    live.kill.cancel();
    let sent = ended(&proxy, CloseReason::Killed).bytes_sent;
    let (mut arrived, mut buffer) = (0, vec![0; 1 << 16]);
    while let Ok(read) = target.read(&mut buffer) {
        assert_ne!(read, 0, "an end, not a reset");
        arrived += read as u64;
    }
    assert!(0 < sent && sent <= arrived && arrived < taken, "{sent} sent, {arrived} of {taken} arrived");
}

#[test]
fn counts_are_exact_when_a_tunnel_is_cut() {
    let proxy = Proxy::open();
    let got = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&got);
    let target = Target::serve("127.0.0.1:0", move |mut stream| {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            seen.fetch_add(read, Ordering::SeqCst);
        }
        Ok(())
    });
    let mut client = tunnel(proxy.address, target.address).expect("passes");
    send(&mut client, &vec![1; 3 << 20]);
    wait_for("all bytes", || (got.load(Ordering::SeqCst) == 3 << 20).then_some(()));
    proxy.road.sessions.active().pop().expect("is live").kill.cancel();
    assert_eq!(ended(&proxy, CloseReason::Killed).bytes_sent, 3 << 20);
    client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
}
