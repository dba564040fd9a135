//! Robustness: rude clients in numbers.

use crate::proxy::{Proxy, receive, request, send};
use crate::support::{Target, connect, tunnel, wait_for};
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
