//! The types of single settings: each knows its text and refuses what it can not mean.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Makes a type that stands as a string in the file, by its `FromStr` and `Display`.
macro_rules! as_text {
    ($($type:ty),+) => { $(
        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )+ };
}

as_text!(ApiAddress, Bytes, Listen, Mode, Net, PortRange, Span);

/// Why a text is no value of its type: a sentence that says what would be.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{text}` is not {wanted}")]
pub struct NotAValue {
    text: String,
    wanted: &'static str,
}

fn not(text: &str, wanted: &'static str) -> NotAValue {
    NotAValue { text: text.into(), wanted }
}

/// A length of time: `250ms`, `10s`, `5m`, `2h`, `90d`; `off` is none at all.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Span(Duration);

impl Span {
    /// No limit in time.
    pub const OFF: Self = Self(Duration::MAX);

    /// So many milliseconds.
    pub const fn millis(count: u64) -> Self {
        Self(Duration::from_millis(count))
    }

    /// So many seconds.
    pub const fn secs(count: u64) -> Self {
        Self(Duration::from_secs(count))
    }

    /// So many minutes.
    pub const fn minutes(count: u64) -> Self {
        Self::secs(count * 60)
    }

    /// So many days.
    pub const fn days(count: u64) -> Self {
        Self::secs(count * 86_400)
    }

    /// The duration; `None` if it is off.
    pub fn limit(self) -> Option<Duration> {
        (self != Self::OFF).then_some(self.0)
    }

    /// The duration, where off is a hundred years: for timers that want a number.
    pub fn get(self) -> Duration {
        self.0.min(Duration::from_secs(100 * 365 * 86_400))
    }
}

const WANTED_SPAN: &str = "a length of time such as `250ms`, `10s`, `5m`, `2h`, `90d` or `off`";

impl FromStr for Span {
    type Err = NotAValue;

    fn from_str(text: &str) -> Result<Self, NotAValue> {
        if matches!(text, "off" | "none") {
            return Ok(Self::OFF);
        }
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let count: u64 = digits.trim().parse().map_err(|_| not(text, WANTED_SPAN))?;
        let unit = match text.get(digits.len()..).unwrap_or_default() {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(not(text, WANTED_SPAN)),
        };
        let millis = count.checked_mul(unit).ok_or_else(|| not(text, WANTED_SPAN))?;
        Ok(Self::millis(millis))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(limit) = self.limit() else { return f.write_str("off") };
        let millis = limit.as_millis();
        for (unit, name) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")] {
            if millis >= unit && millis.is_multiple_of(unit) {
                return write!(f, "{}{name}", millis / unit);
            }
        }
        write!(f, "{millis}ms")
    }
}

/// A size in memory or on disk: `512`, `64KiB`, `256MiB`, `10GiB`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Bytes(pub u64);

impl Bytes {
    /// So many MiB.
    pub const fn mib(count: u64) -> Self {
        Self(count << 20)
    }

    /// The size as a length in memory.
    pub fn get(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

const UNITS: [(&str, u32); 3] = [("GiB", 30), ("MiB", 20), ("KiB", 10)];

impl FromStr for Bytes {
    type Err = NotAValue;

    fn from_str(text: &str) -> Result<Self, NotAValue> {
        let wanted = "a size such as `512`, `64KiB`, `256MiB` or `10GiB`";
        let unit = UNITS.iter().find_map(|&(name, shift)| Some((text.strip_suffix(name)?, shift)));
        let (digits, shift) = unit.unwrap_or((text, 0));
        let count: u64 = digits.trim().parse().map_err(|_| not(text, wanted))?;
        count.checked_mul(1 << shift).map(Self).ok_or_else(|| not(text, wanted))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, shift) in UNITS {
            if self.0 > 0 && self.0.is_multiple_of(1 << shift) {
                return write!(f, "{}{name}", self.0 >> shift);
            }
        }
        self.0.fmt(f)
    }
}

/// Where a listener listens: `127.0.0.1:1080`, `[::1]:1080`, `*:1080` (both families),
/// `unix:/run/rustsocks/socks.sock`, `inherit:NAME` (a socket that systemd hands over).
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Listen {
    /// A socket that the service manager opened and named so (`FileDescriptorName=`).
    Inherit(String),
    /// An address and port; port 0 picks a free one.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl FromStr for Listen {
    type Err = NotAValue;

    fn from_str(text: &str) -> Result<Self, NotAValue> {
        let wanted = "an address to listen on, such as `127.0.0.1:1080`, `[::1]:1080`, `*:1080`, \
                      `unix:/run/rustsocks/socks.sock` or `inherit:NAME`";
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Self::Unix(path.into()));
        }
        if let Some(name) = text.strip_prefix("inherit:").filter(|name| !name.is_empty()) {
            return Ok(Self::Inherit(name.into()));
        }
        if let Some(port) = text.strip_prefix("*:") {
            let port = port.parse().map_err(|_| not(text, wanted))?;
            return Ok(Self::Tcp((Ipv6Addr::UNSPECIFIED, port).into()));
        }
        text.parse().map(Self::Tcp).map_err(|_| not(text, wanted))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inherit(name) => write!(f, "inherit:{name}"),
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The rights to a file, as `chmod` takes them: `0660`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Mode(pub u32);

impl FromStr for Mode {
    type Err = NotAValue;

    fn from_str(text: &str) -> Result<Self, NotAValue> {
        let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777 && !text.starts_with('+'));
        mode.map(Self).ok_or_else(|| not(text, "rights as `chmod` takes them, such as `0660` or `0666`"))
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

/// Where the API listens: `127.0.0.1:8080`, or `none`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ApiAddress(pub Option<SocketAddr>);

impl FromStr for ApiAddress {
    type Err = NotAValue;

    fn from_str(text: &str) -> Result<Self, NotAValue> {
        if text == "none" {
            return Ok(Self(None));
        }
        let wanted = "an address and port such as `127.0.0.1:8080`, or `none`";
        text.parse().map(|address| Self(Some(address))).map_err(|_| not(text, wanted))
    }
}

impl fmt::Display for ApiAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("none"),
        }
    }
}

/// A network: `10.0.0.0/8`, or one address.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Net(pub ipnet::IpNet);

impl Net {
    /// Whether an address is in it; IPv4-mapped addresses are taken as the IPv4 address inside.
    pub fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Net {
    type Err = NotAValue;

    fn from_str(text: &str) -> Result<Self, NotAValue> {
        let one = |address: IpAddr| ipnet::IpNet::from(address);
        let net = text.parse().or_else(|_| text.parse().map(one));
        net.map(|net: ipnet::IpNet| Self(net.trunc()))
            .map_err(|_| not(text, "a network such as `10.0.0.0/8` or `192.0.2.1`"))
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() { self.0.addr().fmt(f) } else { self.0.fmt(f) }
    }
}

/// A range of ports, both ends in it: `40000-40999`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct PortRange {
    /// The lowest.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

impl FromStr for PortRange {
    type Err = NotAValue;

    fn from_str(text: &str) -> Result<Self, NotAValue> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (first.trim().parse(), last.trim().parse()) {
            (Ok(first), Ok(last)) if 0 < first && first <= last => Ok(Self { first, last }),
            _ => Err(not(text, "a range of ports such as `40000-40999`")),
        }
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// A protocol that clients speak to a listener.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP CONNECT.
    Http,
    /// SOCKS 4 and 4a.
    Socks4,
    /// SOCKS 5.
    Socks5,
}

/// When bytes are moved inside the kernel.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Splice {
    /// Always.
    Always,
    /// As soon as a direction moves much.
    Auto,
    /// Never.
    Never,
}

/// Who resolves names.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResolverKind {
    /// Our own resolver, configured by `/etc/resolv.conf` and `/etc/hosts`, with a cache.
    Dns,
    /// The C library (nsswitch), without a cache of ours.
    System,
}

/// How much time one file of the store holds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Segment {
    /// A day.
    Day,
    /// A month.
    Month,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// What happens where the kernel can not confine the server.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sandbox {
    /// As much as the kernel has; the banner says how much.
    Auto,
    /// None.
    Off,
    /// All of it, or the server does not start.
    Require,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_print_as_they_are_read() {
        for text in ["250ms", "10s", "5m", "2h", "90d", "off", "1500ms"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        for text in ["0", "512", "64KiB", "256MiB", "10GiB"] {
            assert_eq!(text.parse::<Bytes>().unwrap().to_string(), text);
        }
        for text in ["127.0.0.1:1080", "[::1]:0", "unix:/run/x.sock", "inherit:socks"] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
        assert_eq!("*:1080".parse::<Listen>().unwrap().to_string(), "[::]:1080");
        for text in ["0660", "0666", "0000"] {
            assert_eq!(text.parse::<Mode>().unwrap().to_string(), text);
        }
        for text in ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"] {
            assert_eq!(text.parse::<Net>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for text in ["", "10", "s", "10 parsecs", "-1s", "99999999999999999999d"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        for text in ["", "KiB", "1TB", "99999999999GiB"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
        for text in ["", "1080", "localhost:1080", "unix:", "inherit:", "*:x"] {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
        for text in ["", "+660", "0o660", "1777", "rw"] {
            assert!(text.parse::<Mode>().is_err(), "{text}");
        }
        for text in ["", "0-10", "10-9", "70000"] {
            assert!(text.parse::<PortRange>().is_err(), "{text}");
        }
    }
}
