//! The store against a plain list, through crashes, damage and a clock that jumps.

use super::segment::{Mode, Segment, blocks_and_records, open_marks, write_schema};
use super::*;
use crate::session::{CloseReason, Status, digest_of, sample};
use proptest::prelude::*;
use std::path::Path;
use std::time::Duration;

const START: UnixMicros = UnixMicros(1_764_288_000_000_000);

fn open(dir: &Path) -> (DiskStore, Recovered) {
    DiskStore::open(dir, DiskOptions { daily: true, ..DiskOptions::default() }, START).expect("it opens")
}

fn records(seeds: std::ops::Range<u64>) -> Vec<Arc<SessionRecord>> {
    seeds.map(|seed| Arc::new(sample(seed))).collect()
}

fn append(store: &DiskStore, ended: Vec<Arc<SessionRecord>>) {
    let at = ended.last().and_then(|record| record.end).unwrap_or(START);
    store.append(&Batch { at, ended, ..Batch::default() }).expect("it writes");
}

/// All pages of a question, one after the other.
fn all(store: &DiskStore, query: &Query) -> Vec<SessionRecord> {
    let mut query = query.clone();
    let mut found = Vec::new();
    loop {
        let page = store.history(&query).expect("it reads");
        assert!(page.records.len() <= query.limit);
        found.extend(page.records);
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return found,
        }
    }
}

fn queries() -> Vec<Query> {
    let base = Query { limit: 7, ..Query::default() };
    let at = |seed: u64| sample(seed).end;
    vec![
        base.clone(),
        Query { user: Some("user4".into()), ..base.clone() },
        Query { user: Some("nobody".into()), ..base.clone() },
        Query { dest_host: Some("HOST3.example.com".into()), ..base.clone() },
        Query { dest_host: Some(".example.com".into()), limit: 100, ..base.clone() },
        Query { dest_ip: "192.0.2.4/32".parse().ok(), ..base.clone() },
        Query { dest_ip: "192.0.2.0/29".parse().ok(), ..base.clone() },
        Query { client: "127.0.0.9/32".parse().ok(), ..base.clone() },
        Query { status: Some(Status::Blocked), rule: Some("inside".into()), limit: 50, ..base.clone() },
        Query { status: Some(Status::Blocked), user: Some("user4".into()), ..base.clone() },
        Query { from: at(300), to: at(420), ..base.clone() },
        Query { from: at(300), to: at(420), user: Some("user1".into()), ..base },
    ]
}

#[test]
fn every_question_is_answered_as_a_plain_list_would() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, _) = open(dir.path());
    let everything = records(0..2_500);
    let mut rest = &everything[..];
    for size in [1, 3, 64, 65, 500, 7].into_iter().cycle() {
        let (batch, later) = rest.split_at(size.min(rest.len()));
        append(&store, batch.to_vec());
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    for query in queries() {
        let wanted: Vec<_> = everything.iter().rev().filter(|record| query.fits_record(record)).collect();
        let found = all(&store, &query);
        assert!(found.iter().eq(wanted.iter().map(|record| &***record)), "{query:?}");
    }
    for record in everything.iter().step_by(97) {
        assert_eq!(store.find(record.id).expect("it reads").as_ref(), Some(&**record));
    }
    assert_eq!(store.find(SessionId::new()).expect("it reads"), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn batches_of_any_size_and_segments_of_any_number_agree_with_a_list(
        sizes in proptest::collection::vec(1_usize..150, 1..60),
        gap in 0_i64..400_000_000,
    ) {
        let dir = tempfile::tempdir().expect("a folder");
        let (store, _) = open(dir.path());
        let mut everything = Vec::new();
        for size in sizes {
            let first = everything.len() as u64;
            let batch: Vec<_> = (first..first + size as u64).map(|seed| {
                let mut record = sample(seed);
                let shift = i64::try_from(seed).expect("small") * gap;
                record.end = record.end.map(|end| UnixMicros(end.0 + shift));
                Arc::new(record)
            }).collect();
            everything.extend(batch.iter().cloned());
            append(&store, batch);
        }
        for query in queries() {
            let wanted: Vec<_> = everything.iter().rev().filter(|record| query.fits_record(record)).collect();
            let found = all(&store, &query);
            prop_assert!(found.iter().eq(wanted.iter().map(|record| &***record)), "{:?}", query);
        }
    }
}

#[test]
fn runs_are_merged_up_to_the_largest_and_find_everything() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, _) = open(dir.path());
    for batch in 0..300 {
        let mut list = records(batch * 300..(batch + 1) * 300);
        // One day, so one segment.
        for (record, at) in list.iter_mut().zip(0..) {
            Arc::make_mut(record).end =
                Some(UnixMicros(START.0 + i64::try_from(batch).expect("small") * 1_000 + at));
        }
        append(&store, list);
    }
    let query = Query { user: Some("user5".into()), limit: 50, ..Query::default() };
    let page = store.history(&query).expect("it reads");
    let newest = (0..90_000).rev().filter(|seed| seed % 3 != 0 && seed % 17 == 5).take(50);
    let newest: Vec<_> = newest.map(|seed| sample(seed).id).collect();
    assert_eq!(page.records.iter().map(|record| record.id).collect::<Vec<_>>(), newest);
}

#[test]
fn small_batches_are_packed_together_as_they_age() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, _) = open(dir.path());
    let everything = records(0..1_500);
    for batch in everything.chunks(3) {
        append(&store, batch.to_vec());
    }
    let query = Query { limit: 100, ..Query::default() };
    assert!(all(&store, &query).iter().eq(everything.iter().rev().map(|record| &**record)));
    for record in everything.iter().step_by(31) {
        assert_eq!(store.find(record.id).expect("it reads").as_ref(), Some(&**record));
    }
    store.close().expect("it closes");
    drop(store);
    let path = dir.path().join("sessions-2025-11-28.redb");
    let (blocks, kept) = blocks_and_records(&Segment::open(&path, Mode::Read, 1 << 20).expect("it opens"));
    assert_eq!(kept, 1_500);
    assert!(blocks < 80, "{blocks} blocks");
}

#[test]
fn sessions_that_a_crash_cuts_off_come_back_as_interrupted() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, _) = open(dir.path());
    let began = records(0..3);
    let at = UnixMicros(START.0 + 5_000_000);
    store.append(&Batch { at, began: began.clone(), ..Batch::default() }).expect("it writes");
    append(&store, vec![began[1].clone()]);
    drop(store);
    let (store, recovered) = open(dir.path());
    assert_eq!(recovered.interrupted, 2);
    let record = store.find(began[2].id).expect("it reads").expect("on record");
    assert_eq!(record.status, Status::Interrupted);
    assert_eq!(record.close_reason, Some(CloseReason::ServerDied));
    let closed = store.find(began[1].id).expect("it reads").expect("on record");
    assert_eq!(closed, *began[1]);
    drop(store);
    assert_eq!(open(dir.path()).1.interrupted, 0);
}

#[test]
fn marks_of_open_sessions_move_with_the_day() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, _) = open(dir.path());
    let began = records(0..2);
    store.append(&Batch { at: START, began: began.clone(), ..Batch::default() }).expect("it writes");
    let mut late = sample(7);
    late.end = Some(UnixMicros(START.0 + 86_400_000_000));
    append(&store, vec![Arc::new(late)]);
    let mut ended = sample(0);
    ended.end = Some(UnixMicros(START.0 + 86_400_000_001));
    append(&store, vec![Arc::new(ended)]);
    store.close().expect("it closes");
    drop(store);
    let marks = |name: &str| {
        open_marks(&Segment::open(&dir.path().join(name), Mode::Read, 1 << 20).expect("it opens"))
    };
    assert_eq!((marks("sessions-2025-11-28.redb"), marks("sessions-2025-11-29.redb")), (0, 1));
}

#[test]
fn a_clock_that_jumps_back_loses_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, _) = open(dir.path());
    let day = |days: i64, seed: u64| {
        let mut record = sample(seed);
        record.end = Some(UnixMicros(START.0 + days * 86_400_000_000));
        Arc::new(record)
    };
    append(&store, vec![day(0, 1), day(0, 2)]);
    append(&store, vec![day(3_650, 3)]);
    append(&store, vec![day(0, 4)]);
    append(&store, vec![day(-40, 5), day(0, 6)]);
    let found = all(&store, &Query { limit: 2, ..Query::default() });
    assert_eq!(found.len(), 6);
    for seed in 1..=6 {
        assert!(store.find(sample(seed).id).expect("it reads").is_some(), "{seed}");
    }
}

#[test]
fn a_damaged_segment_is_set_aside_and_the_store_goes_on() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, _) = open(dir.path());
    append(&store, records(0..10));
    store.close().expect("it closes");
    drop(store);
    let path = dir.path().join("sessions-2025-11-28.redb");
    for (damage, number) in [b"not a database".to_vec(), vec![0; 100_000]].into_iter().zip(1_usize..) {
        std::fs::write(&path, damage).expect("writable");
        let (store, recovered) = open(dir.path());
        assert_eq!(recovered.set_aside.len(), 1, "{number}");
        assert!(recovered.set_aside[0].exists());
        append(&store, records(20..30));
        assert_eq!(all(&store, &Query { limit: 100, ..Query::default() }).len(), 10);
        store.close().expect("it closes");
    }
}

#[test]
fn bytes_that_rot_in_a_segment_never_take_the_server_along() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, _) = open(dir.path());
    for batch in 0..20 {
        append(&store, records(batch * 100..(batch + 1) * 100));
    }
    store.close().expect("it closes");
    drop(store);
    let path = dir.path().join("sessions-2025-11-28.redb");
    let sound = std::fs::read(&path).expect("readable");
    for start in (0..sound.len()).step_by(sound.len() / 40) {
        let mut rotten = sound.clone();
        rotten[start..].iter_mut().take(700).for_each(|byte| *byte ^= 0x5a);
        std::fs::write(&path, rotten).expect("writable");
        let outcome = std::panic::catch_unwind(|| {
            let (store, _) = open(dir.path());
            let _ = store.history(&Query { limit: 5_000, ..Query::default() });
            let _ = store.history(&Query { user: Some("user4".into()), limit: 50, ..Query::default() });
            let _ = store.append(&Batch { at: START, ended: records(0..5), ..Batch::default() });
        });
        assert!(outcome.is_ok(), "from byte {start}");
        for entry in std::fs::read_dir(dir.path()).expect("readable") {
            std::fs::remove_file(entry.expect("an entry").path()).expect("removable");
        }
    }
}

#[test]
fn a_segment_of_a_newer_version_is_left_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, _) = open(dir.path());
    append(&store, records(0..10));
    store.close().expect("it closes");
    drop(store);
    let path = dir.path().join("sessions-2025-11-28.redb");
    write_schema(&Segment::open(&path, Mode::Write, 1 << 20).expect("it opens"), 99);
    let options = DiskOptions { daily: true, ..DiskOptions::default() };
    let later = UnixMicros(START.0 + 86_400_000_000);
    let (store, recovered) = DiskStore::open(dir.path(), options, later).expect("it opens");
    assert!(recovered.set_aside.is_empty());
    assert!(store.history(&Query { limit: 9, ..Query::default() }).expect("it reads").records.is_empty());
    assert!(path.exists());
    let error = Segment::open(&path, Mode::Read, 1 << 20).err().expect("refused");
    assert!(matches!(error, StoreError::TooNew { schema: 99, .. }), "{error}");
}

#[test]
fn old_segments_go_as_a_whole() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, _) = open(dir.path());
    for day in 0..4 {
        let mut record = sample(day);
        record.end = Some(UnixMicros(START.0 + i64::try_from(day).expect("small") * 86_400_000_000));
        append(&store, vec![Arc::new(record)]);
    }
    assert_eq!(store.expire(UnixMicros(START.0 + 2 * 86_400_000_000 + 5)).expect("it deletes"), 2);
    assert_eq!(store.status().segments, 2);
    assert_eq!(all(&store, &Query { limit: 9, ..Query::default() }).len(), 2);
}

#[test]
fn sums_by_hour_survive_a_crash_before_they_are_written() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, _) = open(dir.path());
    append(&store, records(0..500));
    let hours = || (Hour::of(START), Hour::of(UnixMicros(START.0 + 3_600_000_000)));
    let before = store.hours(hours().0, hours().1).expect("it reads");
    drop(store);
    let (store, _) = open(dir.path());
    assert_eq!(store.hours(hours().0, hours().1).expect("it reads"), before);
    store.close().expect("it closes");
    drop(store);
    let (store, _) = open(dir.path());
    assert_eq!(store.hours(hours().0, hours().1).expect("it reads"), before);
    assert_eq!(Summary::of(before).total.all.sessions, 500);
}

#[test]
fn policies_are_found_by_their_digest() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, _) = open(dir.path());
    let revision =
        Revision { digest: [7; 32], since: 5, texts: vec![("office.policy".into(), "policy 1\n".into())] };
    let revisions = vec![Arc::new(revision.clone())];
    store.append(&Batch { at: START, revisions, ..Batch::default() }).expect("it writes");
    assert_eq!(store.revision(&digest_of(7)).expect("it reads"), Some(revision));
    assert_eq!(store.revision(&digest_of(8)).expect("it reads"), None);
    // A segment of another day has it too: each can be read by itself.
    let mut late = sample(7);
    late.end = Some(UnixMicros(START.0 + 86_400_000_000));
    append(&store, vec![Arc::new(late)]);
    assert_eq!(store.expire(UnixMicros(START.0 + 86_400_000_000)).expect("it deletes"), 1);
    assert!(store.revision(&digest_of(7)).expect("it reads").is_some());
}

#[test]
fn two_servers_do_not_share_a_store() {
    let dir = tempfile::tempdir().expect("a folder");
    let (_store, _) = open(dir.path());
    let options = DiskOptions { daily: true, ..DiskOptions::default() };
    let second = DiskStore::open(dir.path(), options, START);
    assert!(matches!(second, Err(StoreError::Busy(_))));
}

#[test]
fn a_store_without_its_server_can_be_read() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, _) = open(dir.path());
    append(&store, records(0..10));
    // No `close`: as a crash leaves it.
    drop(store);
    let store = DiskStore::open_read_only(dir.path(), DiskOptions::default()).expect("it opens");
    assert_eq!(all(&store, &Query { limit: 100, ..Query::default() }).len(), 10);
    assert!(matches!(store.expire(START), Err(StoreError::ReadOnly)));
}

/// A store that fails as long as it is told to.
#[derive(Default)]
struct Moody {
    fails: std::sync::atomic::AtomicBool,
    kept: std::sync::Mutex<Vec<Batch>>,
}

impl Store for Moody {
    fn append(&self, batch: &Batch) -> Result<(), StoreError> {
        if self.fails.load(std::sync::atomic::Ordering::Relaxed) {
            let error = std::io::Error::from(std::io::ErrorKind::StorageFull);
            return Err(StoreError::Io { path: "store".into(), error });
        }
        self.kept.lock().expect("sound").push(batch.clone());
        Ok(())
    }

    fn history(&self, _query: &Query) -> Result<Page, StoreError> {
        Ok(Page::default())
    }

    fn find(&self, _id: SessionId) -> Result<Option<SessionRecord>, StoreError> {
        Ok(None)
    }

    fn revision(&self, _digest: &Digest) -> Result<Option<Revision>, StoreError> {
        Ok(None)
    }

    fn hours(&self, _from: Hour, _to: Hour) -> Result<Vec<(Hour, Rollup)>, StoreError> {
        Ok(Vec::new())
    }

    fn expire(&self, _before: UnixMicros) -> Result<usize, StoreError> {
        Ok(0)
    }

    fn status(&self) -> StoreStatus {
        StoreStatus::default()
    }

    fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[test]
fn a_full_queue_drops_and_counts_and_never_waits() {
    use crate::session::Sink;
    let store = Arc::new(Moody::default());
    store.fails.store(true, std::sync::atomic::Ordering::Relaxed);
    let flush = Duration::from_millis(5);
    let options = QueueOptions { queue: 100, batch: 10, flush, retention: None, ..QueueOptions::default() };
    let writer = Writer::start(store.clone(), options, Box::new(|_| ())).expect("a thread");
    for seed in 0..500 {
        writer.ended(&Arc::new(sample(seed)), false);
    }
    let figures = writer.figures();
    assert!(figures.dropped >= 300, "{figures:?}");
    assert_eq!(figures.dropped + figures.waiting, 500);
    store.fails.store(false, std::sync::atomic::Ordering::Relaxed);
    assert!(writer.flush(Duration::from_secs(60)));
    writer.stop();
    let figures = writer.figures();
    assert_eq!(figures.written + figures.dropped, 500);
    assert_eq!(figures.failure, None);
}

#[test]
fn a_session_that_begins_and_ends_in_one_batch_leaves_no_mark() {
    use crate::session::Sink;
    let store = Arc::new(Moody::default());
    let options = QueueOptions { flush: Duration::from_secs(3_600), ..QueueOptions::default() };
    let writer = Writer::start(store.clone(), options, Box::new(|_| ())).expect("a thread");
    let (short, long) = (Arc::new(sample(1)), Arc::new(sample(2)));
    writer.began(&short);
    writer.began(&long);
    writer.ended(&short, true);
    assert!(writer.flush(Duration::from_secs(60)));
    writer.stop();
    let kept = store.kept.lock().expect("sound");
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].ended.clone(), kept[0].began.clone()), (vec![short], vec![long]));
}

#[test]
fn a_session_that_a_crash_cuts_off_keeps_its_last_known_counts() {
    use crate::session::Sessions;
    use std::sync::atomic::Ordering;
    let dir = tempfile::tempdir().expect("a folder");
    let store = DiskStore::open(dir.path(), DiskOptions::default(), UnixMicros::now()).expect("it opens").0;
    let heartbeat = Duration::ZERO;
    let options = QueueOptions { flush: Duration::from_millis(5), heartbeat, ..QueueOptions::default() };
    let writer = Writer::start(Arc::new(store), options, Box::new(|_| ())).expect("a thread");
    let sessions = Sessions::new(vec![Arc::new(writer.clone())]);
    writer.watch(sessions.clone());
    let mut record = sample(1);
    record.end = None;
    record.status = Status::Active;
    let live = sessions.begin(&record);
    // The first flush writes that it began, the next ones what has moved.
    for _ in 0..3 {
        live.counters.bytes_received.fetch_add(1_000, Ordering::Relaxed);
        assert!(writer.flush(Duration::from_secs(60)));
    }
    writer.stop();
    let (store, recovered) =
        DiskStore::open(dir.path(), DiskOptions::default(), UnixMicros::now()).expect("it opens");
    assert_eq!(recovered.interrupted, 1);
    let kept = store.find(record.id).expect("it reads").expect("is on record");
    assert_eq!((kept.status, kept.bytes_received), (Status::Interrupted, 3_000));
}
