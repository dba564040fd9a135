//! What may be asked of the records on disk.

use super::row::Row;
use super::run::Key;
use crate::session::{SessionRecord, Status, UnixMicros};
use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;

/// Which records are wanted. An absent field fits every record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// The user, exactly.
    pub user: Option<String>,
    /// The requested host; with a leading dot, every name below it as well.
    pub dest_host: Option<String>,
    /// The address that was dialled or asked for.
    pub dest_ip: Option<IpNet>,
    /// The client.
    pub client: Option<IpNet>,
    /// How it ended.
    pub status: Option<Status>,
    /// The rule that decided.
    pub rule: Option<String>,
    /// Ended at this instant or later.
    pub from: Option<UnixMicros>,
    /// Ended before this instant.
    pub to: Option<UnixMicros>,
    /// At most so many.
    pub limit: usize,
    /// Go on where an earlier page ended.
    pub cursor: Option<Cursor>,
}

impl Query {
    /// The hashes that a record must be found under; none if every record has to be looked at.
    pub(super) fn keys(&self) -> Vec<Key> {
        let exact = |net: &IpNet| (net.prefix_len() == net.max_prefix_len()).then(|| net.addr());
        let host = self.dest_host.as_deref().filter(|host| !host.starts_with('.'));
        let keys = [
            self.user.as_deref().map(Key::user),
            host.map(Key::host),
            self.dest_ip.as_ref().and_then(exact).map(Key::target),
            self.client.as_ref().and_then(exact).map(Key::client),
            self.rule.as_deref().map(Key::rule),
            self.status.map(Key::status),
        ];
        keys.into_iter().flatten().collect()
    }

    /// Whether a row fits.
    pub(super) fn fits(&self, row: &Row<'_>) -> bool {
        let at = row.end().unwrap_or_default();
        self.fits_time(at.0, at.0)
            && self.user.as_deref().is_none_or(|user| row.user == Some(user))
            && self.rule.as_deref().is_none_or(|rule| row.rule() == Some(rule))
            && self.status.is_none_or(|status| super::row::status_code(status) == row.context.status)
            && self.client.is_none_or(|net| holds(net, row.client.ip()))
            && self.dest_ip.is_none_or(|net| row.address().is_some_and(|address| holds(net, address)))
            && self.dest_host.as_deref().is_none_or(|host| row.host().is_some_and(|is| host_fits(host, is)))
    }

    /// Whether a record fits, as [`Query::limit`] and [`Query::cursor`] aside.
    pub fn fits_record(&self, record: &SessionRecord) -> bool {
        self.fits(&Row::of(record))
    }

    /// Whether records that end between these instants may fit.
    pub(super) fn fits_time(&self, earliest: i64, latest: i64) -> bool {
        self.from.is_none_or(|from| latest >= from.0) && self.to.is_none_or(|to| earliest < to.0)
    }
}

fn holds(net: IpNet, address: IpAddr) -> bool {
    net.contains(&address.to_canonical())
}

fn host_fits(wanted: &str, host: &str) -> bool {
    let Some(below) = wanted.strip_prefix('.') else { return wanted.eq_ignore_ascii_case(host) };
    let Some(start) = host.len().checked_sub(below.len()) else { return false };
    let same = host.get(start..).is_some_and(|tail| tail.eq_ignore_ascii_case(below));
    same && (start == 0 || host.get(..start).is_some_and(|head| head.ends_with('.')))
}

/// A place among the records: everything older follows.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Cursor {
    pub(super) period: u32,
    pub(super) seq: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:x}", self.period, self.seq)
    }
}

/// A text is no cursor.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a cursor that an earlier page gave")]
pub struct NoCursor;

impl std::str::FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (period, seq) = text.split_once('-').ok_or(NoCursor)?;
        if !period.bytes().all(|byte| byte.is_ascii_digit()) || seq.starts_with('+') {
            return Err(NoCursor);
        }
        let period = period.parse().map_err(|_| NoCursor)?;
        Ok(Self { period, seq: u64::from_str_radix(seq, 16).map_err(|_| NoCursor)? })
    }
}

/// Some records, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The records.
    pub records: Vec<SessionRecord>,
    /// Where to go on; `None` if there is nothing more. A page may be short, even empty, and have
    /// one: the search stopped because it had looked at enough.
    pub next: Option<Cursor>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_below_a_name_fit_whole_labels_only() {
        assert!(host_fits(".example.com", "example.com"));
        assert!(host_fits(".example.com", "a.EXAMPLE.com"));
        assert!(!host_fits(".example.com", "evilexample.com"));
        assert!(host_fits("Example.com", "example.com"));
        assert!(!host_fits("example.com", "a.example.com"));
        assert!(!host_fits(".example.com", "ü.xample.com"));
    }

    #[test]
    fn a_cursor_is_read_back_and_nothing_else_is() {
        let cursor = Cursor { period: 20_261_100, seq: u64::MAX };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "-", "1", "1-", "-1", "+1-1", "1-+1", "1-x", "99999999999-1", "1-10000000000000000"]
        {
            assert_eq!(text.parse::<Cursor>(), Err(NoCursor), "{text}");
        }
    }
}
