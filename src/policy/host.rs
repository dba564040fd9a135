//! What only the host knows and some words of a policy speak of.

use rustsocks_compiler::model::{Zone, canonical};
use std::net::IpAddr;

/// The addresses of the interfaces of this host: `@self`.
pub fn addresses() -> Vec<IpAddr> {
    those_of(|_| true)
}

/// The addresses of one interface.
pub fn addresses_of(interface: &str) -> Vec<IpAddr> {
    those_of(|name| name == interface)
}

fn those_of(wanted: impl Fn(&str) -> bool) -> Vec<IpAddr> {
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
    let mut found: Vec<IpAddr> = interfaces
        .filter(|interface| wanted(&interface.interface_name))
        .filter_map(|interface| interface.address)
        .filter_map(|address| match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
            (Some(v4), _) => Some(IpAddr::V4(v4.ip())),
            (None, Some(v6)) => Some(canonical(IpAddr::V6(v6.ip()))),
            (None, None) => None,
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// The zone of times that name none: the system's, or UTC where it is not known by name.
pub fn zone() -> Zone {
    let system = jiff::tz::TimeZone::system();
    system.iana_name().and_then(Zone::named).unwrap_or_else(Zone::utc)
}
