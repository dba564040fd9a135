//! Addresses to classes: the intervals that all ranges of a policy cut the two families into,
//! numbered in order, IPv4 first. A range is one run of classes.

use super::sets::Run;
use crate::model::AddressRange;
use std::net::IpAddr;

/// Finds the class of an address.
#[derive(Debug)]
pub(crate) struct Addresses {
    v4: Starts4,
    /// Where the intervals of IPv6 start; the first at 0.
    v6: Vec<u128>,
}

impl Addresses {
    /// The classes that ranges make.
    pub(crate) fn new<'a>(ranges: impl Iterator<Item = &'a AddressRange>) -> Self {
        let (mut v4, mut v6) = (vec![0], vec![0]);
        for range in ranges {
            match (range.first(), range.last()) {
                (IpAddr::V4(first), IpAddr::V4(last)) => {
                    v4.push(first.to_bits());
                    v4.extend(last.to_bits().checked_add(1));
                }
                (IpAddr::V6(first), IpAddr::V6(last)) => {
                    v6.push(first.to_bits());
                    v6.extend(last.to_bits().checked_add(1));
                }
                (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {}
            }
        }
        v4.sort_unstable();
        v4.dedup();
        v6.sort_unstable();
        v6.dedup();
        v6.shrink_to_fit();
        Self { v4: Starts4::new(&v4), v6 }
    }

    /// How many classes there are.
    pub(crate) fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// The class of an address.
    pub(crate) fn class(&self, address: IpAddr) -> u32 {
        match address {
            IpAddr::V4(v4) => self.v4.class(v4.to_bits()),
            IpAddr::V6(v6) => {
                let at = self.v6.partition_point(|&start| start <= v6.to_bits());
                truncate(self.v4.len() + at - 1)
            }
        }
    }

    /// The classes of a range that is one of those that the classes were made of.
    pub(crate) fn run(&self, range: &AddressRange) -> Run {
        (self.class(range.first()), self.class(range.last()))
    }

    /// The first address of a class.
    pub(crate) fn start(&self, class: u32) -> Option<IpAddr> {
        let at = class as usize;
        match self.v4.start(at) {
            Some(bits) => Some(std::net::Ipv4Addr::from_bits(bits).into()),
            None => {
                let bits = self.v6.get(at.checked_sub(self.v4.len())?)?;
                Some(std::net::Ipv6Addr::from_bits(*bits).into())
            }
        }
    }

    /// What it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.v4.bytes() + self.v6.capacity() * 16
    }
}

/// Starts of IPv4 intervals.
#[derive(Debug)]
enum Starts4 {
    /// The starts in order.
    Few(Box<[u32]>),
    /// The low halves in order, and for each high half how many lie before it.
    Many { low: Box<[u16]>, top: Top },
}

/// Counts, one for each high half and one at the end.
#[derive(Debug)]
enum Top {
    Short(Box<[u16]>),
    Long(Box<[u32]>),
}

impl Top {
    fn new(counts: Vec<u32>) -> Self {
        let short: Result<_, _> = counts.iter().map(|&count| u16::try_from(count)).collect();
        short.map_or_else(|_| Self::Long(counts.into()), Self::Short)
    }

    fn get(&self, high: usize) -> Option<u32> {
        match self {
            Self::Short(counts) => counts.get(high).map(|&count| count.into()),
            Self::Long(counts) => counts.get(high).copied(),
        }
    }

    /// The high half that a place belongs to.
    fn holder(&self, at: usize) -> usize {
        let behind = match self {
            Self::Short(counts) => counts.partition_point(|&before| usize::from(before) <= at),
            Self::Long(counts) => counts.partition_point(|&before| before as usize <= at),
        };
        behind - 1
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Short(counts) => counts.len() * 2,
            Self::Long(counts) => counts.len() * 4,
        }
    }
}

impl Starts4 {
    /// Takes sorted starts, of which the first is 0.
    fn new(starts: &[u32]) -> Self {
        if starts.len() <= FEW {
            return Self::Few(starts.into());
        }
        let mut top = vec![0u32; (1 << 16) + 1];
        for start in starts {
            if let Some(count) = top.get_mut((start >> 16) as usize + 1) {
                *count += 1;
            }
        }
        let mut before = 0;
        for count in &mut top {
            before += *count;
            *count = before;
        }
        Self::Many { low: starts.iter().map(|start| (start & 0xffff) as u16).collect(), top: Top::new(top) }
    }

    fn len(&self) -> usize {
        match self {
            Self::Few(starts) => starts.len(),
            Self::Many { low, .. } => low.len(),
        }
    }

    fn class(&self, bits: u32) -> u32 {
        match self {
            Self::Few(starts) => truncate(starts.partition_point(|&start| start <= bits)) - 1,
            Self::Many { low, top } => {
                let high = (bits >> 16) as usize;
                let (Some(from), Some(to)) = (top.get(high), top.get(high + 1)) else { return 0 };
                let bucket = low.get(from as usize..to as usize).unwrap_or_default();
                from + truncate(bucket.partition_point(|&start| start <= (bits & 0xffff) as u16)) - 1
            }
        }
    }

    fn start(&self, at: usize) -> Option<u32> {
        match self {
            Self::Few(starts) => starts.get(at).copied(),
            Self::Many { low, top } => Some(truncate(top.holder(at)) << 16 | u32::from(*low.get(at)?)),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Few(starts) => starts.len() * 4,
            Self::Many { low, top } => low.len() * 2 + top.bytes(),
        }
    }
}

const FEW: usize = 64;

fn truncate(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
