//! Values of `time` and `expires`, and `time` sets.

use super::{Memo, Resolver, silent};
use crate::diagnostic::{Edit, Safety};
use crate::model::{Timestamp, Window, Zone};
use crate::source::Span;
use crate::suggest::{did_you_mean, nearest};
use crate::syntax::ast::{Body, DefinitionKind, Entry, Word};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const LONG_DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

impl<'a> Resolver<'a> {
    /// The windows of a `time: …` or of a `time` set.
    pub(super) fn windows(&mut self, words: &'a [Word], zone: &Zone) -> Vec<Window> {
        let mut windows = Vec::new();
        let mut days = 0_u8;
        // Words with days that have no hours yet; those of one value stand without commas.
        let mut pending: Vec<&Word> = Vec::new();
        let mut said = false;
        for word in words.iter().filter(|word| !silent(word)) {
            if let Some(name) = word.reference() {
                windows.extend(self.time_reference(word, name));
                continue;
            }
            // `time: "mon-fri 08:00-18:00"` says the same in one text.
            for part in word.text.split_whitespace() {
                match reading(part) {
                    Part::Days(more) => {
                        days |= more;
                        pending.push(word);
                        said = true;
                    }
                    Part::Hours(start, end) => {
                        if days == 0 && said {
                            self.error("RS0106", word.span, format!("the days of `{part}` are not said"))
                                .help("write the days before each time, as in `mon-fri 08:00-12:00, mon-fri 13:00-17:00`");
                        }
                        self.one_value(&pending, word);
                        let on = if days == 0 { 0b111_1111 } else { days };
                        windows.push(Window { days: on, start, end, zone: zone.clone() });
                        days = 0;
                        pending.clear();
                    }
                    Part::Wrong(message, _) if self.defined.contains_key(&(DefinitionKind::Time, part)) => {
                        self.error("RS0106", word.span, message)
                            .help(format!("a time is named with its mark: `@{part}`"))
                            .replace(word.span, format!("@{part}"), Safety::Unsafe);
                    }
                    Part::Wrong(message, help) => _ = self.error("RS0106", word.span, message).help(help),
                    Part::WrongDay(wrong, meant) => {
                        let fixed = word.text.replacen(&*wrong, meant, 1);
                        self.error("RS0106", word.span, format!("`{wrong}` is no day"))
                            .help(did_you_mean(meant))
                            .replace(word.span, fixed, Safety::Unsafe);
                    }
                }
            }
        }
        if !pending.is_empty() {
            windows.push(Window { days, start: 0, end: 1440, zone: zone.clone() });
        }
        windows
    }

    /// `sat-sun, mon 08:00-12:00` can be read in two ways: the hours are those of `mon` alone, since
    /// a comma parts two values, or those of all days. Neither is taken.
    fn one_value(&mut self, days: &[&Word], hours: &Word) {
        let all: Vec<Span> = days.iter().map(|word| word.span).chain([hours.span]).collect();
        let gaps: Vec<Span> = all
            .windows(2)
            .filter_map(|pair| match pair {
                [one, next] if one.end < next.start => Some(Span { start: one.end, end: next.start, ..*one }),
                _ => None,
            })
            .filter(|gap| self.sources.text(*gap).contains(','))
            .collect();
        let (Some(first), Some(last), Some(gap)) = (days.first(), gaps.last(), gaps.first()) else { return };
        let before = Span { end: last.start, ..first.span };
        let text = self.sources.text(before).to_owned();
        let commented = gaps.iter().any(|gap| self.sources.text(*gap).contains('#'));
        let edits = gaps.iter().map(|&span| Edit { span, text: " ".into() }).collect();
        let together = self.sources.text(Span { end: hours.span.end, ..first.span });
        let together = together.replace(',', " ").split_whitespace().collect::<Vec<_>>().join(" ");
        let report = self
            .error(
                "RS0106",
                before,
                format!("it is not clear whether `{text}` has the hours behind the comma"),
            )
            .help(format!(
                "days that share hours stand without commas: `{together}`; a whole day is `{} 00:00-24:00`",
                first.text
            ));
        if !commented && gap.start < last.end {
            report.fix("drop the commas", Safety::Unsafe, edits);
        }
    }

    fn time_reference(&mut self, word: &Word, name: &str) -> Vec<Window> {
        let Some(&definition) = self.defined.get(&(DefinitionKind::Time, name)) else {
            self.undefined(DefinitionKind::Time, word, name);
            return Vec::new();
        };
        match self.times.get(name) {
            Some(Memo::Done(windows)) => return windows.clone(),
            Some(Memo::Busy) => {
                self.holds_itself(word, definition);
                return Vec::new();
            }
            None => {}
        }
        let key = &*definition.name.text;
        self.times.insert(key, Memo::Busy);
        let windows = match &definition.body {
            Body::Values(body) => {
                self.no_keys(&body.entries, "time", &["zone"]);
                let zone = self.zone(&body.entries);
                if let Some(but) = body.values.but {
                    self.error("RS0106", but, "a time has no `except`")
                        .help("write the hours that are meant, or `except { time: … }` in the rule");
                }
                self.windows(&body.values.include, &zone)
            }
            Body::From(_) => Vec::new(),
        };
        self.times.insert(key, Memo::Done(windows.clone()));
        windows
    }

    /// Resolves a `time` set that no rule may ask for.
    pub(super) fn time_set(&mut self, word: &Word) {
        self.time_reference(word, &word.text);
    }

    fn zone(&mut self, entries: &'a [Entry]) -> Zone {
        let Some(entry) = entries.iter().find(|entry| entry.key.is("zone")) else {
            return self.host.zone.clone();
        };
        let Some(word) = entry.values.include.first().filter(|word| !silent(word)) else {
            return self.host.zone.clone();
        };
        if let Some(zone) = Zone::named(&word.text) {
            return zone;
        }
        let names: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
        let text = &word.text;
        let meant = nearest(text, names.iter().map(String::as_str)).map(str::to_owned);
        let report = self.error("RS0106", word.span, format!("there is no time zone `{text}`"));
        match meant {
            Some(meant) => report.help(did_you_mean(&meant)),
            None => report.help("zones have IANA names, such as `Europe/Warsaw` or `UTC`"),
        };
        Zone::utc()
    }

    /// `expires: 2027-01-31`: the start of that day in the host's zone.
    pub(super) fn expires(&mut self, word: &Word) -> Option<Timestamp> {
        if silent(word) {
            return None;
        }
        let read = date(&word.text).and_then(|(year, month, day)| self.host.zone.start_of(year, month, day));
        if read.is_none() {
            self.error("RS0106", word.span, format!("`{}` is no date", word.text))
                .help("a date is written `2027-01-31`; the rule ends when that day begins");
        }
        read
    }

    /// `time: "mon 09:30"` of a test case, or `"2026-01-07 09:30"`, with a zone if need be.
    pub(super) fn instant(&mut self, word: &Word) -> Option<Timestamp> {
        let parts: Vec<&str> = word.text.split_whitespace().collect();
        let zone = match parts.get(2) {
            Some(name) => Zone::named(name),
            None => Some(self.host.zone.clone()),
        };
        let day = parts.first().and_then(|text| match reading(text) {
            // The week of the day that tests without a time are in.
            Part::Days(days) if days.count_ones() == 1 => {
                Some((2026, 1, 5 + i8::try_from(days.trailing_zeros()).unwrap_or(0)))
            }
            _ => date(text),
        });
        let minute = parts.get(1).map_or(Some(0), |text| clock(text).filter(|&minute| minute < 1440));
        let read = match (day, minute, zone) {
            (Some(day), Some(minute), Some(zone)) if parts.len() <= 3 => zone.at(day, minute),
            _ => None,
        };
        if read.is_none() {
            self.error("RS0106", word.span, format!("`{}` is no time", word.text))
                .help("a time of a case is written `\"mon 09:30\"` or `\"2026-01-07 09:30\"`");
        }
        read
    }
}

enum Part {
    Days(u8),
    Hours(u16, u16),
    Wrong(String, &'static str),
    WrongDay(Box<str>, &'static str),
}

fn reading(part: &str) -> Part {
    if part.starts_with(|character: char| character.is_ascii_digit()) {
        return hours(part);
    }
    let lower = part.to_ascii_lowercase();
    let (first, last) = lower.split_once('-').unwrap_or((&lower, &lower));
    match (day(first), day(last)) {
        (Some(first), Some(last)) => {
            let count = (last + 7 - first) % 7;
            Part::Days((0..=count).fold(0, |days, more| days | 1 << ((first + more) % 7)))
        }
        (first_day, _) => {
            let wrong = if first_day.is_none() { first } else { last };
            match nearest(wrong, DAYS.into_iter().chain(LONG_DAYS)) {
                Some(meant) => Part::WrongDay(wrong.into(), meant),
                None => {
                    Part::Wrong(format!("`{wrong}` is no day"), "a time is written `mon-fri 08:00-18:00`")
                }
            }
        }
    }
}

fn day(text: &str) -> Option<u8> {
    let at = |names: [&str; 7]| names.iter().position(|&name| name == text);
    at(DAYS).or_else(|| at(LONG_DAYS)).and_then(|at| u8::try_from(at).ok())
}

fn hours(part: &str) -> Part {
    let help = "hours are written `08:00-18:00`, from 00:00 to 24:00";
    let Some((start, end)) = part.split_once('-') else {
        return Part::Wrong(format!("`{part}` is one time, where hours from and to are needed"), help);
    };
    match (clock(start), clock(end)) {
        (Some(start), Some(end)) if start == end => {
            Part::Wrong(format!("`{part}` is no time at all"), "write `00:00-24:00` for the whole day")
        }
        (Some(start), Some(end)) if start < 1440 => Part::Hours(start, end),
        (start, _) => {
            let wrong = if start.is_some_and(|start| start < 1440) { end } else { part };
            Part::Wrong(format!("`{wrong}` is no time of day"), help)
        }
    }
}

/// Minutes of `08:00`; up to 24:00.
fn clock(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str, least: usize| {
        let fits = (least..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if fits { text.parse::<u16>().ok() } else { None }
    };
    let (hour, minute) = (number(hour, 1)?, number(minute, 2)?);
    let all = hour * 60 + minute;
    (minute < 60 && all <= 1440).then_some(all)
}

fn date(text: &str) -> Option<(i16, i8, i8)> {
    let mut parts = text.splitn(3, '-');
    let mut number = |length: usize| {
        parts.next().filter(|part| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    Some((year.parse().ok()?, month.parse().ok()?, day.parse().ok()?))
}
