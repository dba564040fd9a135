//! Ports.

use std::fmt;

/// Ports from the first to the last, both included.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PortRange {
    /// The first.
    pub first: u16,
    /// The last, not below the first.
    pub last: u16,
}

impl PortRange {
    /// Every port.
    pub const ANY: Self = Self { first: 0, last: u16::MAX };

    /// One port.
    pub fn one(port: u16) -> Self {
        Self { first: port, last: port }
    }

    /// Whether a port is in it.
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

/// Ports, as sorted ranges that neither touch nor overlap.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct PortSet(Vec<PortRange>);

impl PortSet {
    /// The ranges.
    pub fn ranges(&self) -> &[PortRange] {
        &self.0
    }

    /// Whether a port is among them.
    pub fn contains(&self, port: u16) -> bool {
        let at = self.0.partition_point(|range| range.last < port);
        self.0.get(at).is_some_and(|range| range.contains(port))
    }

    /// These without those.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut kept = Vec::new();
        for range in &self.0 {
            let mut next = u32::from(range.first);
            for cut in other.0.iter().filter(|cut| cut.last >= range.first && cut.first <= range.last) {
                if u32::from(cut.first) > next {
                    kept.extend(span(next, u32::from(cut.first) - 1));
                }
                next = next.max(u32::from(cut.last) + 1);
            }
            kept.extend(span(next, u32::from(range.last)));
        }
        kept.into_iter().collect()
    }
}

fn span(first: u32, last: u32) -> Option<PortRange> {
    let (first, last) = (u16::try_from(first).ok()?, u16::try_from(last).ok()?);
    (first <= last).then_some(PortRange { first, last })
}

impl FromIterator<PortRange> for PortSet {
    fn from_iter<I: IntoIterator<Item = PortRange>>(ranges: I) -> Self {
        let mut sorted: Vec<PortRange> = ranges.into_iter().collect();
        sorted.sort_unstable();
        let mut merged: Vec<PortRange> = Vec::with_capacity(sorted.len());
        for range in sorted {
            match merged.last_mut() {
                Some(last) if u32::from(range.first) <= u32::from(last.last) + 1 => {
                    last.last = last.last.max(range.last);
                }
                _ => merged.push(range),
            }
        }
        Self(merged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_merge_and_subtract() {
        let set = |ranges: &[(u16, u16)]| -> PortSet {
            ranges.iter().map(|&(first, last)| PortRange { first, last }).collect()
        };
        assert_eq!(set(&[(80, 80), (81, 90), (443, 443)]), set(&[(443, 443), (80, 90)]));
        assert_eq!(set(&[(0, 65535)]).without(&set(&[(25, 25)])), set(&[(0, 24), (26, 65535)]));
        assert_eq!(set(&[(5, 9)]).without(&set(&[(0, 65535)])), set(&[]));
    }
}
