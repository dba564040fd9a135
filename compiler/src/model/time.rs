//! Windows of the week, and the zones they are told in.

use std::fmt;
use std::sync::Arc;

/// Seconds since the epoch (1970-01-01T00:00:00Z). The caller asks the clock.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(pub i64);

/// A time zone by its IANA name.
#[derive(Clone, Debug)]
pub struct Zone {
    name: Arc<str>,
    zone: jiff::tz::TimeZone,
}

impl Zone {
    /// UTC.
    pub fn utc() -> Self {
        Self { name: "UTC".into(), zone: jiff::tz::TimeZone::UTC }
    }

    /// The zone of an IANA name, from the database that is built in.
    pub fn named(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("utc") {
            return Some(Self::utc());
        }
        let zone = jiff::tz::db().get(name).ok()?;
        Some(Self { name: zone.iana_name().unwrap_or(name).into(), zone })
    }

    /// Its IANA name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The minute of the local week, Monday 00:00 being 0; below 10,080.
    pub fn minute_of_week(&self, time: Timestamp) -> u16 {
        let Ok(instant) = jiff::Timestamp::from_second(time.0) else { return 0 };
        let local = i64::from(self.zone.to_offset(instant).seconds()) + time.0;
        // 1970-01-01 was a Thursday.
        let minute = (local.div_euclid(60) + 3 * 1440).rem_euclid(7 * 1440);
        u16::try_from(minute).unwrap_or(0)
    }

    /// The instants behind `from` and before `to` at which the zone's clocks are changed.
    pub fn changes(&self, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
        let Ok(start) = jiff::Timestamp::from_second(from.0) else { return Vec::new() };
        let instants = self.zone.following(start).map(|change| Timestamp(change.timestamp().as_second()));
        instants.take_while(|&change| change < to).collect()
    }

    /// The instant at which a local date begins; `None` past what the calendar holds.
    pub fn start_of(&self, year: i16, month: i8, day: i8) -> Option<Timestamp> {
        let date = jiff::civil::Date::new(year, month, day).ok()?;
        let start = date.to_zoned_datetime(self.zone.clone()).ok()?;
        Some(Timestamp(start.timestamp().as_second()))
    }

    /// The instant of a minute of a local date, given as year, month and day.
    pub fn at(&self, (year, month, day): (i16, i8, i8), minute: u16) -> Option<Timestamp> {
        let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
        let local = jiff::civil::DateTime::new(year, month, day, hour, minute, 0, 0).ok()?;
        let instant = self.zone.to_timestamp(local).ok()?;
        Some(Timestamp(instant.as_second()))
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

/// A part of each week: on these days from `start` up to, not including, `end`. Where `end` is
/// not after `start` it is on the next day.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Window {
    /// Bit 0 is Monday.
    pub days: u8,
    /// Minute of the day, below 1440.
    pub start: u16,
    /// Minute of the day, up to 1440.
    pub end: u16,
    /// The zone that it is told in.
    pub zone: Zone,
}

impl Window {
    /// Whether a time is in it.
    pub fn contains(&self, time: Timestamp) -> bool {
        self.contains_minute(self.zone.minute_of_week(time))
    }

    /// Whether a minute of the local week is in it.
    pub fn contains_minute(&self, minute: u16) -> bool {
        let (day, at) = (minute / 1440, minute % 1440);
        let on = |day: u16| self.days & (1 << (day % 7)) != 0;
        if self.start < self.end {
            on(day) && (self.start..self.end).contains(&at)
        } else {
            (on(day) && at >= self.start) || (on(day + 6) && at < self.end)
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let days: Vec<&str> =
            (0..7).zip(DAYS).filter(|(bit, _)| self.days & (1 << bit) != 0).map(|(_, day)| day).collect();
        let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        write!(f, "{} {}-{}", days.join(","), clock(self.start), clock(self.end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_half_open_and_may_cross_midnight() {
        let window = |days, start, end| Window { days, start, end, zone: Zone::utc() };
        let day = window(0b000_0001, 480, 1080);
        assert!(day.contains_minute(480) && day.contains_minute(1079) && !day.contains_minute(1080));
        let night = window(0b100_0000, 1320, 360);
        assert!(night.contains_minute(6 * 1440 + 1320), "sunday evening");
        assert!(night.contains_minute(359), "monday morning");
        assert!(!night.contains_minute(6 * 1440 + 359), "sunday morning");
    }

    #[test]
    fn a_zone_knows_its_summer() {
        let zone = Zone::named("europe/warsaw").expect("a zone");
        assert_eq!(zone.name(), "Europe/Warsaw");
        // 2026-01-05 (a Monday) and 2026-07-06 (a Monday), 08:00 UTC.
        assert_eq!(zone.minute_of_week(Timestamp(1_767_600_000)), 9 * 60);
        assert_eq!(zone.minute_of_week(Timestamp(1_783_324_800)), 10 * 60);
    }
}
