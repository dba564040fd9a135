//! Sets of addresses as sorted runs that neither touch nor overlap.

use crate::model::AddressRange;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

type Run = (u128, u128);

/// A set of addresses of both families.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Ranges {
    v4: Vec<Run>,
    v6: Vec<Run>,
}

/// The number behind an address; the family is known from elsewhere.
pub(crate) fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn v4(bits: u128) -> IpAddr {
    Ipv4Addr::from_bits(u32::try_from(bits).unwrap_or(u32::MAX)).into()
}

fn v6(bits: u128) -> IpAddr {
    Ipv6Addr::from_bits(bits).into()
}

impl FromIterator<AddressRange> for Ranges {
    fn from_iter<I: IntoIterator<Item = AddressRange>>(ranges: I) -> Self {
        let mut set = Self::default();
        for range in ranges {
            let family = if range.first().is_ipv4() { &mut set.v4 } else { &mut set.v6 };
            family.push((bits(range.first()), bits(range.last())));
        }
        merge(&mut set.v4);
        merge(&mut set.v6);
        set
    }
}

impl Ranges {
    pub(crate) fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.v4.extend_from_slice(&other.v4);
        self.v6.extend_from_slice(&other.v6);
        merge(&mut self.v4);
        merge(&mut self.v6);
    }

    pub(crate) fn without(&self, other: &Self) -> Self {
        Self { v4: cut(&self.v4, &other.v4), v6: cut(&self.v6, &other.v6) }
    }

    pub(crate) fn covers(&self, other: &Self) -> bool {
        holds(&self.v4, &other.v4) && holds(&self.v6, &other.v6)
    }

    pub(crate) fn is_disjoint(&self, other: &Self) -> bool {
        apart(&self.v4, &other.v4) && apart(&self.v6, &other.v6)
    }

    pub(crate) fn has_v6(&self) -> bool {
        !self.v6.is_empty()
    }

    /// The runs of both families.
    pub(crate) fn iter(&self) -> impl Iterator<Item = AddressRange> {
        let old = self.v4.iter().filter_map(|&(first, last)| AddressRange::new(v4(first), v4(last)));
        let new = self.v6.iter().filter_map(|&(first, last)| AddressRange::new(v6(first), v6(last)));
        old.chain(new)
    }

    /// How much of the IPv4 space it holds, from 0 to 1.
    pub(crate) fn share_of_v4(&self) -> f64 {
        let count: u128 = self.v4.iter().map(|(first, last)| last - first + 1).sum();
        u32::try_from(count).map_or(1.0, |count| f64::from(count) / f64::from(u32::MAX))
    }
}

fn merge(runs: &mut Vec<Run>) {
    if runs.len() < 2 {
        return;
    }
    runs.sort_unstable();
    let mut merged: Vec<Run> = Vec::with_capacity(runs.len());
    for &(first, last) in runs.iter() {
        match merged.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    *runs = merged;
}

fn cut(from: &[Run], away: &[Run]) -> Vec<Run> {
    let mut kept = Vec::new();
    for &(first, last) in from {
        let mut next = Some(first);
        let start = away.partition_point(|run| run.1 < first);
        for &(low, high) in away.iter().skip(start).take_while(|run| run.0 <= last) {
            if let Some(begin) = next.filter(|&begin| low > begin) {
                kept.push((begin, low - 1));
            }
            next = high.checked_add(1);
        }
        if let Some(begin) = next.filter(|&begin| begin <= last) {
            kept.push((begin, last));
        }
    }
    kept
}

fn holds(outer: &[Run], inner: &[Run]) -> bool {
    inner.iter().all(|&(first, last)| {
        let at = outer.partition_point(|run| run.1 < first);
        outer.get(at).is_some_and(|run| run.0 <= first && last <= run.1)
    })
}

fn apart(left: &[Run], right: &[Run]) -> bool {
    let (few, many) = if left.len() < right.len() { (left, right) } else { (right, left) };
    few.iter().all(|&(first, last)| {
        let at = many.partition_point(|run| run.1 < first);
        many.get(at).is_none_or(|run| run.0 > last)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(texts: &[&str]) -> Ranges {
        texts.iter().map(|text| AddressRange::prefix(text.parse().unwrap())).collect()
    }

    #[test]
    fn sets_of_addresses_obey_their_algebra() {
        let private = set(&["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]);
        assert!(private.covers(&set(&["10.1.0.0/16", "192.168.1.0/24"])));
        assert!(!private.covers(&set(&["10.1.0.0/16", "11.0.0.0/8"])));
        assert!(private.is_disjoint(&set(&["11.0.0.0/8", "2001:db8::/32"])));
        assert!(!private.is_disjoint(&set(&["0.0.0.0/0"])));
        assert_eq!(set(&["10.0.0.0/9", "10.128.0.0/9"]), set(&["10.0.0.0/8"]));
        let all = set(&["0.0.0.0/0", "::/0"]);
        assert!(all.without(&all).is_empty());
        assert_eq!(set(&["10.0.0.0/8"]).without(&set(&["10.0.0.0/9"])), set(&["10.128.0.0/9"]));
    }
}
