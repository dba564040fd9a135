//! Time in classes: two instants of one class are in the same windows and on the same side of
//! every `expires`.
//!
//! Windows are told in zones whose clocks are changed now and then; so time is walked from change
//! to change, for all the years of which a policy speaks and at least one more.

use super::names::Side;
use super::set::Set;
use crate::hash::{HashMap, HashSet};
use crate::model::{Timestamp, Window, Zone};
use std::collections::BTreeSet;

use crate::sample::USUAL_TIME as USUAL;

const DAY: i64 = 86_400;
/// 2000-01-01 and 2070-01-01: what lies outside is not looked at.
const EARLIEST: i64 = 946_684_800;
const LATEST: i64 = 3_155_760_000;
/// Instants that are tried at most.
const BUDGET: usize = 400_000;

#[derive(Debug)]
pub(crate) struct Clock {
    /// An instant of each class; classes between the same two `expires` are neighbours.
    examples: Vec<Timestamp>,
    windows: HashMap<WindowKey, Set>,
    exact: bool,
}

type WindowKey = (u8, u16, u16, Box<str>);

fn key(window: &Window) -> WindowKey {
    (window.days, window.start, window.end, window.zone.name().into())
}

/// What a policy says of time.
#[derive(Debug, Default)]
pub(crate) struct Times {
    windows: HashMap<WindowKey, Window>,
    ends: BTreeSet<Timestamp>,
}

impl Times {
    pub(crate) fn window(&mut self, window: &Window) {
        self.windows.entry(key(window)).or_insert_with(|| window.clone());
    }

    /// Time before and from an instant differ.
    pub(crate) fn end(&mut self, end: Timestamp) {
        self.ends.insert(end);
    }
}

impl Clock {
    pub(crate) fn new(times: &Times) -> Self {
        let mut keys: Vec<&WindowKey> = times.windows.keys().collect();
        keys.sort();
        let windows: Vec<&Window> = keys.iter().filter_map(|key| times.windows.get(*key)).collect();
        let Some(instants) = instants(times, &windows) else {
            return Self { examples: vec![USUAL], windows: HashMap::default(), exact: false };
        };
        let mut examples = Vec::new();
        let mut members: Vec<Vec<u32>> = vec![Vec::new(); windows.len()];
        let mut seen: HashSet<(usize, Vec<bool>)> = HashSet::default();
        let side_of = |time: Timestamp| times.ends.range(..=time).count();
        let holds =
            |time: Timestamp| -> Vec<bool> { windows.iter().map(|window| window.contains(time)).collect() };
        let usual = (side_of(USUAL), holds(USUAL));
        let mut side = 0;
        let mut ends = times.ends.iter().peekable();
        for time in instants {
            while ends.next_if(|&&end| end <= time).is_some() {
                side += 1;
            }
            let class = (side, holds(time));
            if seen.contains(&class) {
                continue;
            }
            let id = u32::try_from(examples.len()).unwrap_or(u32::MAX);
            for (members, _) in members.iter_mut().zip(&class.1).filter(|(_, holds)| **holds) {
                members.push(id);
            }
            examples.push(if class == usual { USUAL } else { time });
            seen.insert(class);
        }
        let windows = keys.into_iter().cloned().zip(members.into_iter().map(Set::values)).collect();
        Self { examples, windows, exact: true }
    }

    pub(crate) fn universe(&self) -> Set {
        Set::One((0, self.examples.len().saturating_sub(1) as u128))
    }

    /// Whether its sets are what is meant.
    pub(crate) fn is_exact(&self) -> bool {
        self.exact
    }

    pub(crate) fn within(&self, windows: &[Window], side: Side) -> Set {
        if !self.exact {
            return unknown(side);
        }
        let sets = windows.iter().filter_map(|window| self.windows.get(&key(window)));
        sets.fold(Set::none(), |all, set| all.union(set))
    }

    pub(crate) fn before(&self, end: Timestamp, side: Side) -> Set {
        if !self.exact {
            return unknown(side);
        }
        let before = self.examples.partition_point(|&time| time < end);
        match before.checked_sub(1) {
            Some(last) => Set::One((0, last as u128)),
            None => Set::none(),
        }
    }

    pub(crate) fn example(&self, class: u128) -> Option<Timestamp> {
        self.examples.get(usize::try_from(class).ok()?).copied()
    }

    /// The class of [`USUAL`].
    pub(crate) fn usual(&self) -> u128 {
        self.examples.iter().position(|&time| time == USUAL).unwrap_or(0) as u128
    }
}

fn unknown(side: Side) -> Set {
    match side {
        Side::Lower => Set::none(),
        Side::Upper => Set::All,
    }
}

/// At least one instant of every class, in order; `None`: there are too many.
fn instants(times: &Times, windows: &[&Window]) -> Option<BTreeSet<Timestamp>> {
    let mut zones: HashMap<&str, (&Zone, BTreeSet<u16>)> = HashMap::default();
    for window in windows {
        let (_, edges) = zones.entry(window.zone.name()).or_insert((&window.zone, BTreeSet::new()));
        for day in 0..7 {
            edges.insert((day * 1440 + window.start) % 10_080);
            edges.insert((day * 1440 + window.end) % 10_080);
        }
    }
    let first = times.ends.first().map_or(USUAL.0, |end| end.0.min(USUAL.0));
    let last = times.ends.last().map_or(USUAL.0, |end| end.0.max(USUAL.0));
    let begin = Timestamp((first - 8 * DAY).max(EARLIEST));
    let end = Timestamp((last + 400 * DAY).min(LATEST));
    let mut breaks: BTreeSet<Timestamp> = times.ends.range(begin..end).copied().collect();
    breaks.insert(begin);
    for (zone, _) in zones.values() {
        breaks.extend(zone.changes(begin, end));
    }
    let edges: usize = zones.values().map(|(_, edges)| edges.len()).sum();
    if breaks.len().saturating_mul(edges + 1) > BUDGET {
        return None;
    }
    let mut instants = breaks.clone();
    let next = breaks.iter().skip(1).copied().chain([end]);
    for (&start, stop) in breaks.iter().zip(next) {
        for (zone, edges) in zones.values() {
            let now = i64::from(zone.minute_of_week(start));
            instants.extend(edges.iter().filter_map(|&edge| {
                let wait = (i64::from(edge) - now).rem_euclid(10_080);
                let at = Timestamp(start.0 - start.0.rem_euclid(60) + 60 * wait);
                (start <= at && at < stop).then_some(at)
            }));
        }
    }
    Some(instants)
}
