//! The line scanner. Plain lines, which nearly all lines of long lists are, are taken in one pass;
//! what is unusual is looked at again with the parsers that the rest of the language has.

use super::names::{BELOW, ITSELF, NamesBuilder};
use super::ranges::Line;
use super::{BadLine, MAX_LINE};
use crate::model::{AddressRange, Name, canonical};
use std::net::{IpAddr, Ipv6Addr};

/// What is found while lines are read.
#[derive(Debug)]
pub(super) struct Scanner {
    pub(super) v4: Vec<Line<u32>>,
    pub(super) v6: Vec<Line<u128>>,
    pub(super) names: NamesBuilder,
    pub(super) bad: Vec<BadLine>,
    pub(super) bad_count: usize,
    line: u32,
    /// How many there are.
    lines: usize,
}

/// Room that is taken at once for so many entries.
const ROOM: usize = 1 << 20;

impl Scanner {
    /// Reads all lines; names are hashed from a seed.
    pub(super) fn read(bytes: &[u8], seed: u64) -> Self {
        let lines = memchr::memchr_iter(b'\n', bytes).count() + 1;
        let mut scanner = Self {
            v4: Vec::new(),
            v6: Vec::new(),
            names: NamesBuilder::new(lines, seed),
            bad: Vec::new(),
            bad_count: 0,
            line: 0,
            lines,
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            scanner.line += 1;
            rest = scanner.next_line(rest);
        }
        scanner
    }

    /// Takes a line; gives what is behind it.
    fn next_line<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (skip, kind, closing) = match bytes {
            [b'*', b'.', ..] => (2, BELOW, false),
            [b'.', ..] => (1, ITSELF | BELOW, false),
            [b'|', b'|', ..] => (2, ITSELF | BELOW, true),
            [b'0', b'.', b'0', b'.', b'0', b'.', b'0', b' ', ..] => (8, ITSELF, false),
            [b'1', b'2', b'7', b'.', b'0', b'.', b'0', b'.', b'1', b' ', ..] => (10, ITSELF, false),
            _ => (0, ITSELF, false),
        };
        let body = bytes.get(skip..).unwrap_or_default();
        let length = body.iter().position(|&byte| !is_plain(byte)).unwrap_or(body.len());
        let (entry, mut behind) = body.split_at_checked(length).unwrap_or_default();
        let closed = match behind.strip_prefix(b"^") {
            Some(rest) if closing => {
                behind = rest;
                true
            }
            _ => !closing,
        };
        let next = match behind {
            [] => Some(behind),
            [b'\n', next @ ..] | [b'\r', b'\n', next @ ..] => Some(next),
            _ => None,
        };
        if let Some(next) = next.filter(|_| closed && length <= MAX_LINE)
            && self.plain(entry, kind, skip == 0)
        {
            return next;
        }
        let end = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
        let (line, next) = bytes.split_at_checked(end).unwrap_or_default();
        self.slowly(line);
        next.get(1..).unwrap_or_default()
    }

    /// Takes an entry of lower-case letters, digits, `-`, `_` and dots; false if it is unusual.
    fn plain(&mut self, entry: &[u8], kind: u8, bare: bool) -> bool {
        let (Some(first), Some(last)) = (entry.first(), entry.last()) else { return bare };
        if last.is_ascii_digit() {
            // A name never ends in a number; an address does.
            let range = (bare && first.is_ascii_digit()).then(|| v4(entry)).flatten();
            if self.v4.is_empty() && range.is_some() {
                self.v4.reserve(self.room());
            }
            self.v4.extend(range.map(|(first, last)| (first, last, self.line)));
            return range.is_some();
        }
        if !is_name(entry) {
            return false;
        }
        self.names.add(entry, kind, self.line);
        true
    }

    fn slowly(&mut self, line: &[u8]) {
        if let Some((first, last)) = v6(line) {
            if self.v6.is_empty() {
                self.v6.reserve(self.room());
            }
            return self.v6.push((first, last, self.line));
        }
        if line.len() > MAX_LINE {
            return self.reject(&String::from_utf8_lossy(line.get(..MAX_LINE).unwrap_or_default()));
        }
        let text = String::from_utf8_lossy(line);
        let entry = text.split(['#', '!']).next().unwrap_or_default().trim();
        if !entry.is_empty() && self.add(entry).is_none() {
            self.reject(entry);
        }
    }

    /// Entries that may still come: most lists are of one kind, and room that is not used takes no
    /// memory.
    fn room(&self) -> usize {
        (self.lines - self.line as usize).min(ROOM) + 1
    }

    fn reject(&mut self, entry: &str) {
        self.bad_count += 1;
        if self.bad.len() < 5 {
            self.bad.push(BadLine { line: self.line, text: entry.chars().take(80).collect() });
        }
    }

    fn add(&mut self, entry: &str) -> Option<()> {
        if let Some((address, names)) = entry.split_once(char::is_whitespace) {
            address.parse::<IpAddr>().ok()?;
            let names: Vec<Name> =
                names.split_whitespace().map(Name::parse).collect::<Result<_, _>>().ok()?;
            names.iter().for_each(|name| self.names.add(name.as_str().as_bytes(), ITSELF, self.line));
            return Some(());
        }
        if let Some(range) = range(entry) {
            match (range.first(), range.last()) {
                (IpAddr::V4(first), IpAddr::V4(last)) => {
                    self.v4.push((first.to_bits(), last.to_bits(), self.line));
                }
                (IpAddr::V6(first), IpAddr::V6(last)) => {
                    self.v6.push((first.to_bits(), last.to_bits(), self.line));
                }
                (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {}
            }
            return Some(());
        }
        let closed = entry.strip_prefix("||").and_then(|rest| rest.strip_suffix('^'));
        let (base, kind) = if let Some(base) = closed.or_else(|| entry.strip_prefix('.')) {
            (base, ITSELF | BELOW)
        } else if let Some(base) = entry.strip_prefix("*.") {
            (base, BELOW)
        } else {
            (entry, ITSELF)
        };
        self.names.add(Name::parse(base).ok()?.as_str().as_bytes(), kind, self.line);
        Some(())
    }
}

const fn is_plain(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/')
}

/// Whether [`Name::parse`] would take these bytes as they are; false where it is not plain to see.
fn is_name(entry: &[u8]) -> bool {
    if entry.len() > 253 {
        return false;
    }
    let (mut start, mut label) = (0, 0u8);
    for (at, &byte) in entry.iter().enumerate() {
        match byte {
            b'.' => {
                if at == start || at - start > 63 || label == b'-' {
                    return false;
                }
                start = at + 1;
            }
            b'/' => return false,
            b'-' if at == start => return false,
            _ => {}
        }
        label = byte;
    }
    // A last label such as `0xf` is a number.
    let last = entry.get(start..).unwrap_or_default();
    !last.is_empty() && last.len() <= 63 && label != b'-' && !last.starts_with(b"0x")
}

/// An IPv4 address or prefix in the usual form; `None` if it is anything else.
fn v4(entry: &[u8]) -> Option<(u32, u32)> {
    let (mut bits, mut part, mut digits, mut dots) = (0u32, 0u32, 0, 0);
    let mut rest = entry.iter();
    let mut length = 32;
    for &byte in rest.by_ref() {
        match byte {
            b'0'..=b'9' => {
                if digits > 0 && part == 0 {
                    return None;
                }
                part = part * 10 + u32::from(byte - b'0');
                digits += 1;
                if part > 255 {
                    return None;
                }
            }
            b'.' | b'/' if digits > 0 => {
                bits = bits << 8 | part;
                (part, digits) = (0, 0);
                if byte == b'/' {
                    length = prefix(rest.as_slice())?;
                    dots += 1;
                    break;
                }
                dots += 1;
            }
            _ => return None,
        }
    }
    let complete = match digits {
        0 => dots == 4 && length <= 32 && entry.contains(&b'/'),
        _ => dots == 3,
    };
    if digits > 0 {
        bits = bits << 8 | part;
    }
    let host = u32::MAX.checked_shr(length).unwrap_or(0);
    complete.then_some((bits & !host, bits | host))
}

/// An IPv6 address or prefix in the usual form; `None` if it is anything else.
fn v6(line: &[u8]) -> Option<(u128, u128)> {
    let slash = memchr::memchr(b'/', line);
    let (address, length) = match slash.and_then(|at| line.split_at_checked(at)) {
        Some((address, [_, digits @ ..])) if digits.len() <= 3 && !digits.starts_with(b"0") => {
            let length = std::str::from_utf8(digits).ok()?.parse::<u8>().ok()?;
            (address, digits.first()?.is_ascii_digit().then_some(length)?)
        }
        Some(_) => return None,
        None => (line, 128),
    };
    let address = match groups(address) {
        Some(address) => address,
        None => std::str::from_utf8(address).ok()?.parse().ok()?,
    };
    if length > 128 || canonical(address.into()).is_ipv4() {
        return None;
    }
    let host = u128::MAX.checked_shr(length.into()).unwrap_or(0);
    Some((address.to_bits() & !host, address.to_bits() | host))
}

/// A hexadecimal digit; `None` for any other byte.
const fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// An IPv6 address of nothing but groups of hexadecimal digits; `None` if it is anything else.
fn groups(address: &[u8]) -> Option<Ipv6Addr> {
    let (mut bits, mut count) = (0u128, 0);
    // How many groups stand before `::`.
    let mut gap = None;
    let mut rest = address;
    if let [b':', b':', behind @ ..] = rest {
        (gap, rest) = (Some(0), behind);
    }
    while !rest.is_empty() {
        let (mut group, mut digits) = (0u32, 0u32);
        while let [digit, behind @ ..] = rest
            && let Some(value) = hex(*digit)
        {
            group = group << 4 | u32::from(value);
            digits += 1;
            rest = behind;
        }
        if !(1..=4).contains(&digits) || count == 8 {
            return None;
        }
        bits = bits << 16 | u128::from(group);
        count += 1;
        rest = match rest {
            [] => rest,
            [b':', b':', behind @ ..] if gap.is_none() => {
                gap = Some(count);
                behind
            }
            [b':', behind @ ..] if !behind.is_empty() && !behind.starts_with(b":") => behind,
            _ => return None,
        };
    }
    match gap {
        None => (count == 8).then(|| Ipv6Addr::from_bits(bits)),
        Some(before) if count < 8 => {
            // The groups behind the gap stay where they are; those before it move up.
            let behind = 16 * (count - before);
            let low = bits & ((1 << behind) - 1);
            let high = bits.checked_shr(behind).unwrap_or(0);
            let high = high.checked_shl(128 - 16 * before).unwrap_or(0);
            Some(Ipv6Addr::from_bits(high | low))
        }
        Some(_) => None,
    }
}

fn prefix(digits: &[u8]) -> Option<u32> {
    match digits {
        [one @ b'0'..=b'9'] => Some(u32::from(one - b'0')),
        [ten @ b'1'..=b'3', one @ b'0'..=b'9'] => {
            Some(u32::from(ten - b'0') * 10 + u32::from(one - b'0')).filter(|&length| length <= 32)
        }
        _ => None,
    }
}

fn range(entry: &str) -> Option<AddressRange> {
    let address = |text: &str| text.trim().parse::<IpAddr>().ok().map(canonical);
    if let Some((first, last)) = entry.split_once('-')
        && let (Some(first), Some(last)) = (address(first), address(last))
    {
        return AddressRange::new(first, last);
    }
    match entry.parse::<ipnet::IpNet>() {
        Ok(net) => Some(AddressRange::prefix(net)),
        Err(_) => address(entry).map(AddressRange::one),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn groups_are_read_as_the_standard_library_reads_them(
            parts in prop::collection::vec(prop_oneof!["[0-9a-fA-F]{1,4}", "[0-9a-f]{0,5}"], 0..10),
            gap in 0..12usize,
        ) {
            let text = parts.join(":");
            let colon = text.match_indices(':').nth(gap).map(|(at, _)| at);
            let text = colon.map_or(text.clone(), |at| format!("{}:{}", &text[..at], &text[at..]));
            for text in [text.clone(), format!("::{text}"), format!("{text}::"), format!("{text}:")] {
                prop_assert_eq!(groups(text.as_bytes()), text.parse().ok(), "{}", text);
            }
        }
    }
}
