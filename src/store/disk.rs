//! The store on one machine: a folder of segments, one for each day or month.

use super::error::StoreError;
use super::query::{Page, Query};
use super::rollup::{Hour, Rollup};
use super::search::Search;
use super::segment::{Mode, Segment};
use super::{Batch, Revision, Store, StoreStatus};
use crate::session::{CloseReason, SessionId, SessionRecord, Status, UnixMicros};
use rustsocks_compiler::Digest;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How a store is kept.
#[derive(Clone, Debug)]
pub struct DiskOptions {
    /// One segment holds a day instead of a month.
    pub daily: bool,
    /// Memory for pages of a segment.
    pub cache: usize,
    /// Segments that are open at a time.
    pub open: usize,
}

impl Default for DiskOptions {
    /// Months, 64 MiB, 16 segments.
    fn default() -> Self {
        Self { daily: false, cache: 64 << 20, open: 16 }
    }
}

/// What an earlier end of the server left behind.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// Sessions that were under way; they are on record as interrupted now.
    pub interrupted: usize,
    /// Segments that could not be read, as they are called now.
    pub set_aside: Vec<PathBuf>,
}

/// A folder of segments.
pub struct DiskStore {
    dir: PathBuf,
    options: DiskOptions,
    mode: Mode,
    segments: Mutex<Segments>,
    writing: Mutex<Writing>,
}

/// The segments that are there, and those of them that are open.
#[derive(Default)]
struct Segments {
    known: BTreeMap<u32, PathBuf>,
    open: HashMap<u32, (Arc<Segment>, u64)>,
    uses: u64,
    set_aside: Vec<PathBuf>,
    bad_blocks: u64,
}

/// What only the writer needs.
#[derive(Default)]
struct Writing {
    period: Option<u32>,
    /// Sessions that are marked as open in that segment.
    marked: HashMap<SessionId, Arc<SessionRecord>>,
    /// The policies to put into the next segment.
    revisions: Vec<Arc<Revision>>,
    /// The last append failed: parts of it may have reached the disk.
    is_doubtful: bool,
}

impl DiskStore {
    /// Opens a store, makes its folder if needed, and puts sessions that a crash cut off on record.
    ///
    /// # Errors
    /// Says why the folder cannot be used.
    pub fn open(dir: &Path, options: DiskOptions, now: UnixMicros) -> Result<(Self, Recovered), StoreError> {
        use std::os::unix::fs::DirBuilderExt;
        let io = |error| StoreError::Io { path: dir.into(), error };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io)?;
        let store = Self::new(dir, options, Mode::Write)?;
        let interrupted = store.recover(now)?;
        // Opened now, an unwritable folder or a full disk shows at the start and not at midnight.
        store.segment(store.period_of(now))?;
        let set_aside = store.segments().set_aside.clone();
        Ok((store, Recovered { interrupted, set_aside }))
    }

    /// Opens a store to be read, such as one whose server is down.
    ///
    /// # Errors
    /// Says why the folder cannot be read.
    pub fn open_read_only(dir: &Path, options: DiskOptions) -> Result<Self, StoreError> {
        Self::new(dir, options, Mode::Read)
    }

    fn new(dir: &Path, options: DiskOptions, mode: Mode) -> Result<Self, StoreError> {
        let io = |error| StoreError::Io { path: dir.into(), error };
        let mut segments = Segments::default();
        for entry in std::fs::read_dir(dir).map_err(io)? {
            let path = entry.map_err(io)?.path();
            if let Some(period) = period_in(&path) {
                segments.known.insert(period, path);
            }
        }
        Ok(Self { dir: dir.into(), options, mode, segments: Mutex::new(segments), writing: Mutex::default() })
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn segments(&self) -> MutexGuard<'_, Segments> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writing(&self) -> MutexGuard<'_, Writing> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sessions that were marked as open when the server died become records.
    fn recover(&self, now: UnixMicros) -> Result<usize, StoreError> {
        let mut lost: BTreeMap<SessionId, SessionRecord> = BTreeMap::new();
        let mut marks: Vec<(u32, SessionId)> = Vec::new();
        for period in self.lately_written() {
            let Some(segment) = self.segment_if_sound(period)? else { continue };
            let (open, written) = segment.open_sessions()?;
            for mut record in open {
                marks.push((period, record.id));
                if self.find(record.id)?.is_none() {
                    let end = written.max(record.start).min(now.max(record.start));
                    record.status = Status::Interrupted;
                    record.close_reason = Some(CloseReason::ServerDied);
                    record.end = Some(end);
                    record.duration = end.since(record.start);
                    lost.insert(record.id, record);
                }
            }
        }
        let count = lost.len();
        self.append(&Batch {
            at: now,
            ended: lost.into_values().map(Arc::new).collect(),
            ..Batch::default()
        })?;
        let mut by_period: BTreeMap<u32, Vec<SessionId>> = BTreeMap::new();
        marks.into_iter().for_each(|(period, id)| by_period.entry(period).or_default().push(id));
        for (period, gone) in by_period {
            self.segment(period)?.append(&Batch { at: now, ..Batch::default() }, &[], &gone)?;
        }
        Ok(count)
    }

    /// The newest segments by name and by time of change: a clock that jumped makes them differ.
    fn lately_written(&self) -> Vec<u32> {
        let known = self.segments().known.clone();
        let changed = |path: &PathBuf| std::fs::metadata(path).and_then(|data| data.modified()).ok();
        let mut by_change: Vec<_> = known.iter().map(|(period, path)| (changed(path), *period)).collect();
        by_change.sort();
        let newest = known.keys().rev().take(3).copied();
        let mut periods: Vec<u32> =
            newest.chain(by_change.into_iter().rev().take(3).map(|(_, period)| period)).collect();
        periods.sort_unstable();
        periods.dedup();
        periods
    }

    fn period_of(&self, at: UnixMicros) -> u32 {
        let time = jiff::Timestamp::from_microsecond(at.0).unwrap_or_default();
        let date = time.to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
        let number = |part: i8| u32::try_from(part).unwrap_or(0);
        let day = if self.options.daily { number(date.day()) } else { 0 };
        u32::try_from(date.year()).unwrap_or(0) * 10_000 + number(date.month()) * 100 + day
    }

    /// The segment of a period, which is made if this store writes.
    fn segment(&self, period: u32) -> Result<Arc<Segment>, StoreError> {
        match self.open_segment(period) {
            Err(error) if error.is_corruption() && self.mode == Mode::Write => {
                self.set_aside(period, &error)?;
                self.open_segment(period)
            }
            other => other,
        }
    }

    /// The segment of a period, or `None` if it cannot be read and was set aside.
    fn segment_if_sound(&self, period: u32) -> Result<Option<Arc<Segment>>, StoreError> {
        match self.open_segment(period) {
            Ok(segment) => Ok(Some(segment)),
            Err(error) if error.is_corruption() => {
                if self.mode == Mode::Write {
                    self.set_aside(period, &error)?;
                }
                Ok(None)
            }
            Err(StoreError::TooNew { path, schema, .. }) => {
                tracing::warn!(segment = %path.display(), schema, "a newer version wrote this segment");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn open_segment(&self, period: u32) -> Result<Arc<Segment>, StoreError> {
        let mut segments = self.segments();
        segments.uses += 1;
        let uses = segments.uses;
        if let Some((segment, used)) = segments.open.get_mut(&period) {
            *used = uses;
            return Ok(segment.clone());
        }
        let path = segments.known.get(&period).cloned().unwrap_or_else(|| self.dir.join(file_name(period)));
        // redb checks what it reads, but a damaged file must not take the server along.
        let opening = || Segment::open(&path, self.mode, self.options.cache);
        let opened = std::panic::catch_unwind(opening).unwrap_or(Err(StoreError::Row(path.clone())));
        let segment = Arc::new(opened?);
        segments.known.insert(period, path);
        segments.make_room(self.options.open);
        segments.open.insert(period, (segment.clone(), uses));
        Ok(segment)
    }

    fn set_aside(&self, period: u32, error: &StoreError) -> Result<(), StoreError> {
        let mut segments = self.segments();
        segments.open.remove(&period);
        let Some(path) = segments.known.remove(&period) else { return Ok(()) };
        let free = (1..).map(|number| path.with_extension(format!("redb.damaged-{number}")));
        let Some(aside) = free.take(10_000).find(|aside| !aside.exists()) else { return Ok(()) };
        std::fs::rename(&path, &aside).map_err(|error| StoreError::Io { path: path.clone(), error })?;
        tracing::error!(segment = %path.display(), aside = %aside.display(), %error, "a damaged segment is set aside");
        segments.set_aside.push(aside);
        Ok(())
    }

    /// Periods from new to old.
    fn periods(&self) -> Vec<u32> {
        self.segments().known.keys().rev().copied().collect()
    }

    fn write_part(
        &self,
        writing: &mut Writing,
        period: u32,
        part: &Batch,
        began: &[Arc<SessionRecord>],
    ) -> Result<(), StoreError> {
        let segment = self.segment(period)?;
        let moved: Vec<_> = match writing.period {
            Some(before) if before != period => writing.marked.values().cloned().collect(),
            _ => Vec::new(),
        };
        let ended = |id: &SessionId| part.ended.iter().any(|record| record.id == *id);
        let gone: Vec<SessionId> = if writing.marked.is_empty() {
            Vec::new()
        } else {
            part.ended.iter().map(|record| record.id).filter(|id| writing.marked.contains_key(id)).collect()
        };
        let marks: Vec<_> = moved.iter().filter(|record| !ended(&record.id)).chain(began).cloned().collect();
        segment.append(part, &marks, &gone)?;
        if let Some(before) = writing.period.filter(|before| *before != period) {
            let all: Vec<SessionId> = writing.marked.keys().copied().collect();
            let old = self.segment(before)?;
            old.append(&Batch { at: part.at, ..Batch::default() }, &[], &all)?;
            old.flush()?;
        }
        writing.period = Some(period);
        gone.iter().for_each(|id| drop(writing.marked.remove(id)));
        writing.marked.extend(began.iter().map(|record| (record.id, record.clone())));
        Ok(())
    }
}

/// Periods of records that mostly end on the same day: one look at the calendar for all of them.
struct Periods<'s> {
    store: &'s DiskStore,
    last: Option<(i64, u32)>,
}

impl Periods<'_> {
    fn of(&mut self, at: UnixMicros) -> u32 {
        const DAY: i64 = 86_400_000_000;
        let day = at.0.div_euclid(DAY);
        match self.last {
            Some((last, period)) if last == day => period,
            _ => self.last.insert((day, self.store.period_of(at))).1,
        }
    }
}

impl Segments {
    /// Closes those that were not used for longest. A reader that still has one keeps it.
    fn make_room(&mut self, open: usize) {
        while self.open.len() >= open.max(2) {
            let idle = self.open.iter().filter(|(_, (segment, _))| Arc::strong_count(segment) == 1);
            let Some((&period, _)) = idle.min_by_key(|(_, (_, used))| *used) else { return };
            if let Some((segment, _)) = self.open.remove(&period) {
                self.bad_blocks += segment.bad_blocks();
                if let Err(error) = segment.flush() {
                    tracing::warn!(%error, "sums by hour are left to be made again");
                }
            }
        }
    }
}

impl Store for DiskStore {
    fn append(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut writing = self.writing();
        for revision in &batch.revisions {
            if !writing.revisions.iter().any(|known| known.digest == revision.digest) {
                writing.revisions.push(revision.clone());
            }
        }
        let forgotten = writing.revisions.len().saturating_sub(REVISIONS);
        writing.revisions.drain(..forgotten);
        let when = |record: &Arc<SessionRecord>| record.end.unwrap_or(record.start);
        let mut parts: BTreeMap<u32, Vec<Arc<SessionRecord>>> = BTreeMap::new();
        let mut periods = Periods { store: self, last: None };
        for record in &batch.ended {
            parts.entry(periods.of(when(record))).or_default().push(record.clone());
        }
        let now = self.period_of(batch.at);
        if !batch.began.is_empty() || !batch.revisions.is_empty() || parts.is_empty() {
            parts.entry(now).or_default();
        }
        let last = parts.keys().next_back().copied();
        for (period, ended) in parts {
            let is_there = |last: &Arc<SessionRecord>| Ok(self.segment(period)?.find(last.id)?.is_some());
            if writing.is_doubtful && ended.last().map(is_there).transpose()?.unwrap_or(false) {
                continue;
            }
            let part = Batch { at: batch.at, ended, began: Vec::new(), revisions: writing.revisions.clone() };
            let began = if last == Some(period) { &*batch.began } else { &[] };
            if let Err(error) = self.write_part(&mut writing, period, &part, began) {
                writing.is_doubtful = true;
                // After a failed write redb wants to be opened again.
                self.segments().open.remove(&period);
                return Err(error);
            }
        }
        writing.is_doubtful = false;
        Ok(())
    }

    fn history(&self, query: &Query) -> Result<Page, StoreError> {
        let mut search = Search::new(query, BUDGET);
        for period in self.periods() {
            let is_newer = query.cursor.is_some_and(|cursor| period > cursor.period);
            let (start, end) = span_of(period);
            if is_newer || !query.fits_time(start, end) {
                continue;
            }
            let Some(segment) = self.segment_if_sound(period)? else { continue };
            search.run(period, &segment)?;
            if search.is_full() || search.is_spent() {
                break;
            }
        }
        let is_spent = search.is_spent();
        let mut page = Page::default();
        if search.is_full() {
            search.found.truncate(query.limit);
            page.next = search.found.last().map(|(cursor, _)| *cursor);
        } else if is_spent {
            page.next = search.reached;
        }
        page.records = search.found.into_iter().map(|(_, record)| record).collect();
        Ok(page)
    }

    fn find(&self, id: SessionId) -> Result<Option<SessionRecord>, StoreError> {
        let born = id.0.get_timestamp().map_or(0, |stamp| stamp.to_unix().0);
        let born = i64::try_from(born).unwrap_or(0).saturating_mul(1_000_000);
        // Nearly always it ended soon after its birth. Before it, only where the clock jumped back.
        let (before, mut periods): (Vec<u32>, Vec<u32>) =
            self.periods().into_iter().partition(|period| span_of(*period).1 < born);
        periods.reverse();
        for period in periods.into_iter().chain(before) {
            if let Some(segment) = self.segment_if_sound(period)?
                && let Some(record) = segment.find(id)?
            {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    fn revision(&self, digest: &Digest) -> Result<Option<Revision>, StoreError> {
        for period in self.periods() {
            if let Some(segment) = self.segment_if_sound(period)?
                && let Some(revision) = segment.revision(digest.as_bytes())?
            {
                return Ok(Some(revision));
            }
        }
        Ok(None)
    }

    fn hours(&self, from: Hour, to: Hour) -> Result<Vec<(Hour, Rollup)>, StoreError> {
        let mut hours: BTreeMap<Hour, Rollup> = BTreeMap::new();
        for period in self.periods() {
            let (start, end) = span_of(period);
            if end < from.start().0 || start > to.start().0.saturating_add(HOUR) {
                continue;
            }
            let Some(segment) = self.segment_if_sound(period)? else { continue };
            for (hour, rollup) in segment.hours(from, to)? {
                hours.entry(hour).or_default().merge(&rollup);
            }
        }
        Ok(hours.into_iter().collect())
    }

    fn expire(&self, before: UnixMicros) -> Result<usize, StoreError> {
        if self.mode == Mode::Read {
            return Err(StoreError::ReadOnly);
        }
        let current = self.writing().period;
        let old = |period: &u32| span_of(*period).1 < before.0 && Some(*period) != current;
        let periods: Vec<u32> = self.periods().into_iter().filter(old).collect();
        let mut segments = self.segments();
        for period in &periods {
            segments.open.remove(period);
            if let Some(path) = segments.known.remove(period) {
                std::fs::remove_file(&path).map_err(|error| StoreError::Io { path, error })?;
            }
        }
        Ok(periods.len())
    }

    fn status(&self) -> StoreStatus {
        let segments = self.segments();
        let size = |path: &PathBuf| std::fs::metadata(path).map_or(0, |data| data.len());
        StoreStatus {
            segments: segments.known.len(),
            records: segments.open.values().map(|(segment, _)| segment.records()).sum(),
            bytes: segments.known.values().map(size).sum(),
            set_aside: segments.set_aside.clone(),
            bad_blocks: segments.bad_blocks
                + segments.open.values().map(|(segment, _)| segment.bad_blocks()).sum::<u64>(),
        }
    }

    fn close(&self) -> Result<(), StoreError> {
        let open: Vec<_> = self.segments().open.drain().map(|(_, (segment, _))| segment).collect();
        open.iter().try_for_each(|segment| segment.flush())
    }
}

impl std::fmt::Debug for DiskStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DiskStore").field("dir", &self.dir).finish_non_exhaustive()
    }
}

fn file_name(period: u32) -> String {
    let (year, month, day) = parts_of(period);
    if day == 0 {
        format!("sessions-{year:04}-{month:02}.redb")
    } else {
        format!("sessions-{year:04}-{month:02}-{day:02}.redb")
    }
}

fn period_in(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?;
    let mut parts = name.strip_prefix("sessions-")?.strip_suffix(".redb")?.split('-');
    let mut number = || parts.next().map_or(Some(0), |part| part.parse::<u32>().ok());
    let period = number()? * 10_000 + number()? * 100 + number()?;
    (file_name(period) == name).then_some(period)
}

fn parts_of(period: u32) -> (u32, u32, u32) {
    (period / 10_000, period / 100 % 100, period % 100)
}

/// The first and the last microsecond of a period; everything if it is no date.
fn span_of(period: u32) -> (i64, i64) {
    let (year, month, day) = parts_of(period);
    let part = |part: u32| i8::try_from(part).unwrap_or(0);
    let first = jiff::civil::Date::new(i16::try_from(year).unwrap_or(0), part(month), part(day.max(1)));
    let micros = |date: jiff::civil::Date| {
        date.to_zoned_datetime(jiff::tz::TimeZone::UTC).map(|zoned| zoned.timestamp().as_microsecond())
    };
    let span = first.and_then(|first| {
        let next = if day == 0 { first.last_of_month().tomorrow()? } else { first.tomorrow()? };
        Ok((micros(first)?, micros(next)? - 1))
    });
    span.unwrap_or((i64::MIN, i64::MAX))
}

/// Rows, runs and blocks that one question looks at: well under a second.
const BUDGET: usize = 200_000;
/// Policies that may still be named by records to come.
const REVISIONS: usize = 16;
const HOUR: i64 = 3_600_000_000;
