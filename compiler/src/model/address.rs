//! Addresses, their ranges, and the sets that are built in.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The IPv4 address that an IPv6 address really speaks of; any other address as it is. Those are
/// mapped (RFC 4291 §2.5.5.2), compatible (§2.5.5.1), translated (RFC 2765 §2.1), NAT64 (RFC 6052,
/// RFC 8215), 6to4 (RFC 3056), Teredo (RFC 4380 §4) and ISATAP addresses (RFC 5214 §6.1).
pub fn canonical(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    match v6.octets() {
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]
        | [0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, a, b, c, d]
        | [0, 0x64, 0xff, 0x9b, 0, 0 | 1, 0, 0, 0, 0, 0, 0, a, b, c, d]
        | [0x20, 0x02, a, b, c, d, ..]
        | [_, _, _, _, _, _, _, _, 0 | 2, 0, 0x5e, 0xfe, a, b, c, d] => Ipv4Addr::new(a, b, c, d).into(),
        // `::` and `::1` are themselves, and so is what is near them.
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d] if a > 0 => Ipv4Addr::new(a, b, c, d).into(),
        // Teredo writes the client's address inverted.
        [0x20, 0x01, 0, 0, _, _, _, _, _, _, _, _, a, b, c, d] => Ipv4Addr::new(!a, !b, !c, !d).into(),
        _ => address,
    }
}

/// Addresses of one family from the first to the last, both included.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AddressRange {
    first: IpAddr,
    last: IpAddr,
}

impl AddressRange {
    /// Every IPv4 address.
    pub const ANY4: Self =
        Self { first: IpAddr::V4(Ipv4Addr::UNSPECIFIED), last: IpAddr::V4(Ipv4Addr::BROADCAST) };
    /// Every IPv6 address.
    pub const ANY6: Self =
        Self { first: IpAddr::V6(Ipv6Addr::UNSPECIFIED), last: IpAddr::V6(Ipv6Addr::from_bits(u128::MAX)) };

    /// A range; `None` if the ends are of two families or the wrong way round.
    pub fn new(first: IpAddr, last: IpAddr) -> Option<Self> {
        (first.is_ipv4() == last.is_ipv4() && first <= last).then_some(Self { first, last })
    }

    /// One address.
    pub fn one(address: IpAddr) -> Self {
        Self { first: address, last: address }
    }

    /// A prefix; host bits are ignored. Where IPv6 addresses speak of IPv4 ones it is the IPv4 prefix,
    /// as of [`canonical`] addresses; all of one kind (`2002::/16`, which lists of
    /// addresses that do not belong in the internet have) are not all of IPv4, but the prefix itself,
    /// which no canonical address is in.
    pub fn prefix(net: ipnet::IpNet) -> Self {
        let plain = Self { first: net.network(), last: net.broadcast() };
        let (IpAddr::V6(v6), IpAddr::V4(v4)) = (net.addr(), canonical(net.addr())) else { return plain };
        let before = if v6.segments()[0] == 0x2002 { 16 } else { 96 };
        match net.prefix_len().checked_sub(before) {
            None | Some(0) => plain,
            Some(bits) => match ipnet::Ipv4Net::new(v4, bits.min(32)) {
                Ok(net) => Self { first: net.network().into(), last: net.broadcast().into() },
                Err(_) => plain,
            },
        }
    }

    /// The first address.
    pub fn first(&self) -> IpAddr {
        self.first
    }

    /// The last address.
    pub fn last(&self) -> IpAddr {
        self.last
    }

    /// Whether an address is in it. The address is taken to be [`canonical`].
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && self.first <= address && address <= self.last
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ANY4 {
            return f.write_str("any4");
        }
        if *self == Self::ANY6 {
            return f.write_str("any6");
        }
        if self.first == self.last {
            return write!(f, "{}", self.first);
        }
        match prefix_of(self.first, self.last) {
            Some(length) => write!(f, "{}/{length}", self.first),
            None => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

fn prefix_of(first: IpAddr, last: IpAddr) -> Option<u32> {
    let (width, first, last) = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => (32, first.to_bits().into(), last.to_bits().into()),
        (IpAddr::V6(first), IpAddr::V6(last)) => (128, first.to_bits(), last.to_bits()),
        _ => return None,
    };
    let host: u128 = first ^ last;
    let bits = 128 - host.leading_zeros();
    let whole = host.count_ones() == bits && first & host == 0;
    whole.then_some(width - bits)
}

/// Sets of addresses that every policy has.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Builtin {
    /// `@cgnat`: shared address space (RFC 6598).
    Cgnat,
    /// `@internet`: in none of the others.
    Internet,
    /// `@link-local`: RFC 3927, RFC 4291.
    LinkLocal,
    /// `@loopback`: RFC 1122, RFC 4291.
    Loopback,
    /// `@metadata`: where cloud providers hand out credentials.
    Metadata,
    /// `@multicast`: RFC 5771, RFC 4291.
    Multicast,
    /// `@private`: RFC 1918, RFC 4193.
    Private,
    /// `@reserved`: the rest of what IANA's special-purpose registries keep from global use.
    Reserved,
    /// `@self`: the proxy's listeners and the host's addresses.
    SelfHost,
    /// `@unspecified`: `0.0.0.0/8` and `::`, which many systems take for this host.
    Unspecified,
}

impl Builtin {
    /// All of them, by name.
    pub const ALL: [Self; 10] = [
        Self::Cgnat,
        Self::Internet,
        Self::LinkLocal,
        Self::Loopback,
        Self::Metadata,
        Self::Multicast,
        Self::Private,
        Self::Reserved,
        Self::SelfHost,
        Self::Unspecified,
    ];

    /// The name behind the `@`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cgnat => "cgnat",
            Self::Internet => "internet",
            Self::LinkLocal => "link-local",
            Self::Loopback => "loopback",
            Self::Metadata => "metadata",
            Self::Multicast => "multicast",
            Self::Private => "private",
            Self::Reserved => "reserved",
            Self::SelfHost => "self",
            Self::Unspecified => "unspecified",
        }
    }

    /// The built-in set of a name without its `@`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|set| set.name() == name)
    }

    /// Its prefixes as text; empty for `@internet` and `@self`, which are made from others.
    pub fn prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Cgnat => &["100.64.0.0/10"],
            Self::Internet | Self::SelfHost => &[],
            Self::LinkLocal => &["169.254.0.0/16", "fe80::/10"],
            Self::Loopback => &["127.0.0.0/8", "::1/128"],
            Self::Metadata => &[
                "169.254.169.254/32",
                "169.254.170.2/32",
                "169.254.170.23/32",
                "100.100.100.200/32",
                "192.0.0.192/32",
                "168.63.129.16/32",
                "fd00:ec2::254/128",
                "fd00:ec2::23/128",
                "fd20:ce::254/128",
            ],
            Self::Multicast => &["224.0.0.0/4", "ff00::/8"],
            Self::Private => &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"],
            Self::Reserved => &[
                "192.0.0.0/24",
                "192.0.2.0/24",
                "192.88.99.0/24",
                "198.18.0.0/15",
                "198.51.100.0/24",
                "203.0.113.0/24",
                "240.0.0.0/4",
                // What is above, to `::ffff:ffff`, are IPv4 addresses.
                "::2/127",
                "::4/126",
                "::8/125",
                "::10/124",
                "::20/123",
                "::40/122",
                "::80/121",
                "::100/120",
                "::200/119",
                "::400/118",
                "::800/117",
                "::1000/116",
                "::2000/115",
                "::4000/114",
                "::8000/113",
                "::1:0/112",
                "::2:0/111",
                "::4:0/110",
                "::8:0/109",
                "::10:0/108",
                "::20:0/107",
                "::40:0/106",
                "::80:0/105",
                "64:ff9b:1::/48",
                "100::/64",
                "2001::/23",
                "2001:db8::/32",
                "3fff::/20",
                "5f00::/16",
                "fec0::/10",
            ],
            Self::Unspecified => &["0.0.0.0/8", "::/128"],
        }
    }

    /// Its ranges; `host` are the addresses of `@self`. Of `@internet`: the gaps that the others
    /// leave.
    pub fn ranges(self, host: &[IpAddr]) -> Vec<AddressRange> {
        match self {
            Self::Internet => gaps(host),
            Self::SelfHost => host.iter().map(|&one| AddressRange::one(canonical(one))).collect(),
            _ => self
                .prefixes()
                .iter()
                .filter_map(|text| ipnet::IpNet::from_str(text).ok())
                .map(AddressRange::prefix)
                .collect(),
        }
    }
}

fn gaps(host: &[IpAddr]) -> Vec<AddressRange> {
    let mut special: Vec<AddressRange> = Builtin::ALL
        .into_iter()
        .filter(|&set| set != Builtin::Internet)
        .flat_map(|set| set.ranges(host))
        .collect();
    special.sort();
    let mut gaps = Vec::new();
    for all in [AddressRange::ANY4, AddressRange::ANY6] {
        let mut next = Some(all.first);
        for range in special.iter().filter(|range| range.first.is_ipv4() == all.first.is_ipv4()) {
            let Some(start) = next else { break };
            if let Some(end) = before(range.first).filter(|&end| start <= end && range.first > start) {
                gaps.extend(AddressRange::new(start, end));
            }
            if range.last >= start {
                next = after(range.last);
            }
        }
        gaps.extend(next.and_then(|start| AddressRange::new(start, all.last)));
    }
    gaps
}

fn before(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => v4.to_bits().checked_sub(1).map(|bits| Ipv4Addr::from_bits(bits).into()),
        IpAddr::V6(v6) => v6.to_bits().checked_sub(1).map(|bits| Ipv6Addr::from_bits(bits).into()),
    }
}

fn after(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => v4.to_bits().checked_add(1).map(|bits| Ipv4Addr::from_bits(bits).into()),
        IpAddr::V6(v6) => v6.to_bits().checked_add(1).map(|bits| Ipv6Addr::from_bits(bits).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_inside_an_address_is_seen() {
        for text in [
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::7f00:1",
            "2002:7f00:1::1",
            "2001:0:808:808::80ff:fffe",
            "fe80::5efe:7f00:1",
            "2001:db8::200:5efe:7f00:1",
            "127.0.0.1",
        ] {
            assert_eq!(canonical(ip(text)), ip("127.0.0.1"), "{text}");
        }
        for text in ["::", "::1", "::2", "::ff:ffff", "2001:db8::1", "64:ff9b:1:1::1", "fe80::1"] {
            assert_eq!(canonical(ip(text)), ip(text), "{text}");
        }
    }

    #[test]
    fn the_internet_is_what_no_other_set_holds() {
        let host = [ip("1.2.3.4")];
        let internet = Builtin::Internet.ranges(&host);
        let inside = |text: &str| internet.iter().any(|range| range.contains(ip(text)));
        for text in ["1.1.1.1", "1.2.3.3", "1.2.3.5", "2606:4700::1111", "223.255.255.255"] {
            assert!(inside(text), "{text}");
        }
        for text in ["1.2.3.4", "10.0.0.1", "0.0.0.0", "::", "::1", "::ff:1", "255.255.255.255", "fe80::1"] {
            assert!(!inside(text), "{text}");
        }
    }

    #[test]
    fn ranges_are_written_as_people_write_them() {
        let range = |first, last| AddressRange::new(ip(first), ip(last)).expect("a range").to_string();
        assert_eq!(range("10.0.0.0", "10.255.255.255"), "10.0.0.0/8");
        assert_eq!(range("10.0.0.5", "10.0.0.9"), "10.0.0.5-10.0.0.9");
        assert_eq!(range("10.0.0.5", "10.0.0.5"), "10.0.0.5");
        assert_eq!(range("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), "any6");
    }
}
