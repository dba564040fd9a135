//! Fifty times a writer is killed in the middle of its work: what was acknowledged is there.

use super::support::{Kept, command};
use rustsocks::session::{CloseReason, Endpoint, SessionId, SessionRecord, Status, UnixMicros, VerdictTaken};
use rustsocks::store::{Batch, DiskOptions, DiskStore, Query, Store};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

const FOLDER: &str = "CRASH_TEST_FOLDER";

pub fn record(number: u64) -> SessionRecord {
    let now = UnixMicros::now();
    SessionRecord {
        id: SessionId::new(),
        status: Status::Closed,
        close_reason: Some(CloseReason::ClientClosed),
        start: now,
        end: Some(now),
        duration: Duration::from_millis(number % 100),
        client: ([127, 0, 0, 1], 40_000).into(),
        listener: "main".into(),
        protocol: None,
        command: None,
        user: Some(format!("user{}", number % 5).into()),
        groups: Vec::new(),
        method: None,
        certificate: Vec::new(),
        requested: Some(Endpoint { host: format!("host{}.example.com", number % 7).into(), port: 443 }),
        target: None,
        egress: None,
        upstream: None,
        bytes_sent: number,
        bytes_received: 0,
        packets_sent: 0,
        packets_received: 0,
        verdict: Some(VerdictTaken { passed: true, rule: "web".into(), rule_place: "a.policy:1".into() }),
        policy: rustsocks_compiler::Digest::from_bytes([7; 32]),
    }
}

fn open(dir: &Path) -> DiskStore {
    DiskStore::open(dir, DiskOptions::default(), UnixMicros::now()).expect("it opens").0
}

/// Not a test by itself: the process that the test below kills.
#[test]
fn writes_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let store = open(Path::new(&folder));
    for batch in 0.. {
        let ended: Vec<_> = (0..40).map(|number| Arc::new(record(batch * 40 + number))).collect();
        let ids: Vec<String> = ended.iter().map(|record| record.id.to_string()).collect();
        let began = vec![Arc::new(record(batch))];
        store.append(&Batch { at: UnixMicros::now(), ended, began, ..Batch::default() }).expect("it writes");
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nacknowledged {}", ids.join(" ")).and_then(|()| out.flush()).expect("is heard");
    }
}

#[test]
fn nothing_acknowledged_is_lost_and_the_indexes_agree() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut acknowledged: Vec<String> = Vec::new();
    for round in 0..50_usize {
        let mut child = command(std::env::current_exe().expect("this test"));
        child.args(["--exact", "crash::writes_until_it_is_killed", "--nocapture"]).env(FOLDER, dir.path());
        let mut child = Kept(child.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts"));
        let lines = BufReader::new(child.0.stdout.take().expect("is piped")).lines().map_while(Result::ok);
        let heard = lines.filter_map(|line| line.strip_prefix("acknowledged ").map(ToOwned::to_owned));
        // It is killed while it writes the next batch, at another moment each time.
        for line in heard.take(1 + round % 4) {
            acknowledged.extend(line.split(' ').map(ToOwned::to_owned));
        }
        std::thread::sleep(Duration::from_micros(u64::try_from(round).expect("small") * 137));
        drop(child);
        if round % 10 == 9 {
            check(dir.path(), &acknowledged);
        }
    }
}

fn check(dir: &Path, acknowledged: &[String]) {
    let store = open(dir);
    for id in acknowledged {
        let found = store.find(id.parse().expect("an id")).expect("it reads");
        assert!(found.is_some(), "{id} is lost");
    }
    let count = |query: &Query| -> usize {
        let (mut query, mut count) = (query.clone(), 0);
        loop {
            let page = store.history(&query).expect("it reads");
            count += page.records.len();
            match page.next {
                Some(next) => query.cursor = Some(next),
                None => return count,
            }
        }
    };
    let base = Query { limit: 1_000, status: None, ..Query::default() };
    let all = count(&base);
    let by_user = |user: u64| count(&Query { user: Some(format!("user{user}")), ..base.clone() });
    assert_eq!((0..5).map(by_user).sum::<usize>(), all);
    let by_status = |status| count(&Query { status: Some(status), ..base.clone() });
    assert_eq!(by_status(Status::Closed) + by_status(Status::Interrupted), all);
    assert!(all >= acknowledged.len());
    let sums: u64 = store
        .hours(rustsocks::store::Hour(0), rustsocks::store::Hour(u32::MAX))
        .expect("it reads")
        .iter()
        .map(|(_, rollup)| rollup.all.sessions)
        .sum();
    assert_eq!(usize::try_from(sums).expect("small"), all);
}
