//! The store beside SQLite (WAL), in one run on one disk.
//!
//! `cargo run --release --manifest-path benches/store/Cargo.toml -- [RECORDS] [SQLITE_RECORDS]`

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use rusqlite::{Connection, params};
use rustsocks::session::{
    CloseReason, Counters, Endpoint, SessionId, SessionRecord, Sessions, Sink, Status, UnixMicros, VerdictTaken,
};
use rustsocks::store::{Batch, DiskOptions, DiskStore, Query, Store};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// As the server writes them where much happens: the default of `store.batch`.
const BATCH: u64 = 500;
const USERS: u64 = 2_000;
/// When the first record begins.
const EPOCH: UnixMicros = UnixMicros(1_764_288_000_000_000);

/// Records as a busy proxy has them: skewed hosts, many users, a block now and then.
fn record(number: u64) -> SessionRecord {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let at = EPOCH.0 + i64::try_from(number).expect("small") * 50;
    let mut tail = [0; 10];
    tail[2..].copy_from_slice(&mixed.to_be_bytes());
    let id = uuid::Builder::from_unix_timestamp_millis(u64::try_from(at / 1_000).expect("positive"), &tail);
    let blocked = mixed % 11 == 0;
    let host = (mixed >> 16) % (1 + (mixed >> 32) % 5_000);
    SessionRecord {
        id: SessionId(id.into_uuid()),
        status: if blocked { Status::Blocked } else { Status::Closed },
        close_reason: Some(if blocked { CloseReason::BlockedRequest } else { CloseReason::ClientClosed }),
        start: UnixMicros(at),
        end: Some(UnixMicros(at + i64::try_from(mixed % 3_000_000).expect("small"))),
        duration: Duration::from_micros(mixed % 3_000_000),
        client: ([10, 1, u8::try_from(mixed >> 40 & 15).expect("a byte"), u8::try_from(mixed >> 8 & 255).expect("a byte")], u16::try_from(20_000 + mixed % 40_000).expect("a port")).into(),
        listener: "main".into(),
        protocol: None,
        command: None,
        user: Some(format!("user{}", (mixed >> 20) % USERS).into()),
        groups: vec!["staff".into()],
        method: None,
        certificate: Vec::new(),
        requested: Some(Endpoint { host: format!("host{host}.example.com").into(), port: 443 }),
        target: (!blocked).then(|| ([203, 0, u8::try_from(host >> 8 & 255).expect("a byte"), u8::try_from(host & 255).expect("a byte")], 443).into()),
        egress: Some([192, 168, 1, 10].into()),
        upstream: None,
        bytes_sent: mixed >> 50,
        bytes_received: mixed >> 44,
        packets_sent: 0,
        packets_received: 0,
        verdict: Some(VerdictTaken { passed: !blocked, rule: if blocked { "inside" } else { "web" }.into(), rule_place: "office.policy:31".into() }),
        policy: rustsocks_compiler::Digest::from_bytes([7; 32]),
    }
}

fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("known");
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(u64::try_from(micros).expect("positive"))
}

/// Prints what a number of records took, the making of them left out.
fn report(name: &str, records: u64, wall: Duration, cpu: Duration, bytes: u64) {
    let per = |total: Duration| total.as_secs_f64() * 1e6 / records as f64;
    println!(
        "{name:<34} {:>9.0} records/s {:>7.2} µs wall {:>7.2} µs CPU {:>5} bytes a record",
        records as f64 / wall.as_secs_f64(),
        per(wall),
        per(cpu),
        bytes / records,
    );
}

fn folder_size(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).expect("readable");
    entries.map(|entry| entry.expect("an entry").metadata().expect("a size").len()).sum()
}

fn batches(records: u64) -> impl Iterator<Item = Vec<Arc<SessionRecord>>> {
    (0..records / BATCH).map(|batch| (batch * BATCH..(batch + 1) * BATCH).map(|number| Arc::new(record(number))).collect())
}

fn store(dir: &Path, records: u64) {
    let store = DiskStore::open(dir, DiskOptions::default(), EPOCH).expect("opens").0;
    let (mut wall, mut used) = (Duration::ZERO, Duration::ZERO);
    for ended in batches(records) {
        let at = ended.last().and_then(|record| record.end).expect("ended");
        let batch = Batch { at, ended, ..Batch::default() };
        let (start, before) = (Instant::now(), cpu());
        store.append(&batch).expect("writes");
        wall += start.elapsed();
        used += cpu() - before;
    }
    let (start, before) = (Instant::now(), cpu());
    store.close().expect("closes");
    wall += start.elapsed();
    used += cpu() - before;
    drop(store);
    report("store, batches of 500, durable", records, wall, used, folder_size(dir));
    where_bytes_go(dir, records);
    ask_store(dir, records);
    crash(dir, records);
}

/// Bytes a record in each table: what was stored, what pages leave empty, what the tree costs.
fn where_bytes_go(dir: &Path, records: u64) {
    use redb::{ReadableDatabase, ReadableTableMetadata, TableHandle};
    let per = |bytes: u64| bytes as f64 / records as f64;
    for entry in std::fs::read_dir(dir).expect("readable") {
        let db = redb::ReadOnlyDatabase::open(entry.expect("an entry").path()).expect("opens");
        let txn = db.begin_read().expect("begins");
        for handle in txn.list_tables().expect("reads") {
            let name = handle.name().to_string();
            let stats = txn.open_untyped_table(handle).expect("opens").stats().expect("reads");
            println!(
                "  {name:<10} {:>7.1} stored {:>7.1} empty {:>7.1} tree",
                per(stats.stored_bytes()),
                per(stats.fragmented_bytes()),
                per(stats.metadata_bytes())
            );
        }
    }
}

/// Has a process write on, kills it in the midst, and opens what it leaves.
fn crash(dir: &Path, records: u64) {
    for turn in 0..3 {
        let program = std::env::current_exe().expect("known");
        let mut writing = Command::new(program)
            .args(["--write-on".as_ref(), dir.as_os_str(), (records + turn * 10_000_000).to_string().as_ref()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let said = BufReader::new(writing.stdout.take().expect("piped")).lines();
        let acknowledged = said.take(20).count() as u64 * BATCH;
        writing.kill().expect("runs");
        writing.wait().expect("ends");
        let start = Instant::now();
        let (store, recovered) = DiskStore::open(dir, DiskOptions::default(), EPOCH).expect("opens");
        let took = start.elapsed();
        assert_eq!(recovered.set_aside.len(), 0);
        for number in (0..acknowledged).step_by(997) {
            let id = record(records + turn * 10_000_000 + number).id;
            assert!(store.find(id).expect("reads").is_some(), "record {number} was acknowledged and is lost");
        }
        println!("  after kill -9 in mid-write: open in {took:.1?}, nothing acknowledged lost");
    }
}

/// Appends without end and says each batch that is safe.
fn write_on(dir: &Path, from: u64) {
    let store = DiskStore::open(dir, DiskOptions::default(), EPOCH).expect("opens").0;
    for batch in 0.. {
        let first = from + batch * BATCH;
        let ended: Vec<_> = (first..first + BATCH).map(|number| Arc::new(record(number))).collect();
        let at = ended.last().and_then(|record| record.end).expect("ended");
        store.append(&Batch { at, ended, ..Batch::default() }).expect("writes");
        println!("{batch}");
    }
}

fn ask_store(dir: &Path, records: u64) {
    let start = Instant::now();
    let store = DiskStore::open(dir, DiskOptions::default(), EPOCH).expect("opens").0;
    println!("  reopened in {:.1?}", start.elapsed());
    let ask = |user: u64| store.history(&Query { user: Some(format!("user{user}")), limit: 50, ..Query::default() }).expect("reads").records.len();
    percentiles("  newest 50 of one user", |turn| ask(turn % USERS));
    percentiles("  newest 50 of a user that is not", |turn| ask(USERS + turn));
    percentiles("  newest 50 blocked of one user", |turn| {
        let query = Query { user: Some(format!("user{}", turn % USERS)), status: Some(Status::Blocked), limit: 50, ..Query::default() };
        store.history(&query).expect("reads").records.len()
    });
    percentiles("  one session by id", |turn| {
        let id = record(turn.wrapping_mul(7_919) % records).id;
        usize::from(store.find(id).expect("reads").is_some())
    });
}

fn percentiles(name: &str, mut ask: impl FnMut(u64) -> usize) {
    let mut times = Vec::new();
    let mut found = 0;
    for turn in 0..1_500_u64 {
        let start = Instant::now();
        found += ask(turn % 500);
        if turn >= 500 {
            times.push(start.elapsed());
        }
    }
    times.sort();
    println!("{name:<36} p50 {:>9.3?}  p99 {:>9.3?}  ({} found a time)", times[times.len() / 2], times[times.len() * 99 / 100], found / 1_500);
}

fn sqlite(dir: &Path, records: u64) {
    let path = dir.join("sessions.sqlite");
    let mut db = Connection::open(&path).expect("opens");
    db.execute_batch(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-65536;
         CREATE TABLE sessions (id BLOB PRIMARY KEY, status INT, reason INT, start INT, end INT, duration INT, client TEXT, port INT,
           listener TEXT, user TEXT, groups TEXT, host TEXT, hostport INT, target TEXT, egress TEXT, sent INT, received INT,
           verdict INT, rule TEXT, place TEXT, policy BLOB) WITHOUT ROWID;
         CREATE INDEX by_user ON sessions (user, end); CREATE INDEX by_host ON sessions (host, end);
         CREATE INDEX by_target ON sessions (target, end); CREATE INDEX by_client ON sessions (client, end);
         CREATE INDEX by_status ON sessions (status, end); CREATE INDEX by_rule ON sessions (rule, end);",
    )
    .expect("is made");
    let (mut wall, mut used) = (Duration::ZERO, Duration::ZERO);
    for ended in batches(records) {
        let (start, before) = (Instant::now(), cpu());
        let txn = db.transaction().expect("begins");
        {
            let mut insert = txn
                .prepare_cached("INSERT INTO sessions VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)")
                .expect("is known");
            for one in &ended {
                let verdict = one.verdict.as_ref().expect("decided");
                let requested = one.requested.as_ref().expect("asked");
                insert
                    .execute(params![
                        one.id.0.as_bytes().as_slice(),
                        one.status as u8,
                        one.close_reason.map(CloseReason::code),
                        one.start.0,
                        one.end.map(|end| end.0),
                        i64::try_from(one.duration.as_micros()).expect("small"),
                        one.client.ip().to_string(),
                        one.client.port(),
                        &*one.listener,
                        one.user.as_deref(),
                        "staff",
                        &*requested.host,
                        requested.port,
                        one.target.map(|target| target.ip().to_string()),
                        one.egress.map(|egress| egress.to_string()),
                        i64::try_from(one.bytes_sent).expect("small"),
                        i64::try_from(one.bytes_received).expect("small"),
                        verdict.passed,
                        &*verdict.rule,
                        &*verdict.rule_place,
                        one.policy.as_bytes().as_slice(),
                    ])
                    .expect("is inserted");
            }
        }
        txn.commit().expect("is durable");
        wall += start.elapsed();
        used += cpu() - before;
    }
    db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("is written");
    report("SQLite WAL, batches of 500, FULL", records, wall, used, folder_size(dir));
    let mut ask = db
        .prepare("SELECT * FROM sessions WHERE user = ? ORDER BY end DESC LIMIT 50")
        .expect("is known");
    percentiles("  newest 50 of one user", |turn| {
        let rows = ask.query_map([format!("user{}", turn % USERS)], |row| row.get::<_, Vec<u8>>(0)).expect("reads");
        rows.count()
    });
}

struct Nobody;

impl Sink for Nobody {
    fn began(&self, _record: &Arc<SessionRecord>) {}
    fn ended(&self, _record: &Arc<SessionRecord>, _was_live: bool) {}
}

fn live() {
    const TURNS: u64 = 500_000;
    let sessions = Sessions::new(vec![Arc::new(Nobody)]);
    let held: Vec<_> = (0..10_000).map(|number| sessions.begin(&record(number))).collect();
    let records: Vec<_> = (0..1_000).map(|number| record(1_000_000 + number)).collect();
    let start = Instant::now();
    for turn in 0..TURNS {
        sessions.begin(&records[usize::try_from(turn % 1_000).expect("small")]);
        sessions.finish(records[usize::try_from(turn % 1_000).expect("small")].clone());
    }
    let both = start.elapsed() / u32::try_from(TURNS).expect("small");
    let counters: Arc<Counters> = held[0].counters.clone();
    let start = Instant::now();
    for turn in 0..TURNS * 20 {
        std::hint::black_box(&counters).bytes_sent.fetch_add(turn, Ordering::Relaxed);
    }
    let update = start.elapsed().as_secs_f64() * 1e9 / (TURNS * 20) as f64;
    println!("live table of 10,000: begin and finish {both:?}, one counter update {update:.1} ns");
}

fn main() {
    let words: Vec<_> = std::env::args().collect();
    if let [_, asked, dir, from] = &*words
        && asked == "--write-on"
    {
        return write_on(Path::new(dir), from.parse().expect("a number"));
    }
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let records = arguments.next().unwrap_or(1_000_000);
    let beside = arguments.next().unwrap_or(records.min(1_000_000));
    live();
    let (ours, theirs) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    store(ours.path(), records);
    if beside > 0 {
        sqlite(theirs.path(), beside);
    }
}
