//! The C library as a resolver: whatever nsswitch says, which may be LDAP or mDNS.

use super::{ResolveError, absolute};
use dns_lookup::{AddrInfoHints, LookupErrorKind, SockType, getaddrinfo};
use hickory_resolver::Hosts;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name as DnsName, RecordType};
use rustsocks_compiler::model::Name;
use std::net::IpAddr;

/// The addresses of a name; blocks. The hosts file comes first, since the library looks there for
/// the name as it is spelt, and with the dot that keeps search domains away it would find none.
///
/// # Errors
/// Says whether the name or the resolver is at fault.
pub(super) fn addresses(name: &Name) -> Result<Vec<IpAddr>, ResolveError> {
    let known = in_hosts_file(name);
    if !known.is_empty() {
        return Ok(known);
    }
    let hints = AddrInfoHints { socktype: SockType::Stream.into(), ..AddrInfoHints::default() };
    let found = getaddrinfo(Some(&absolute(name)), None, Some(hints)).map_err(|error| {
        let why = why(error.kind());
        tracing::debug!(code = error.error_num(), %why, "the system does not resolve a name");
        why
    })?;
    Ok(found.flatten().map(|one| one.sockaddr.ip()).collect())
}

fn in_hosts_file(name: &Name) -> Vec<IpAddr> {
    let (Ok(hosts), Ok(name)) = (Hosts::from_system(), DnsName::from_utf8(name.as_str())) else {
        return Vec::new();
    };
    let of = |kind| hosts.lookup_static_host(&Query::query(name.clone(), kind));
    let found = [RecordType::AAAA, RecordType::A].into_iter().filter_map(of);
    found
        .flat_map(|found| found.answers().iter().filter_map(|one| one.data.ip_addr()).collect::<Vec<_>>())
        .collect()
}

/// Whose fault an error of `getaddrinfo` is.
fn why(kind: LookupErrorKind) -> ResolveError {
    match kind {
        LookupErrorKind::NoName | LookupErrorKind::NoData => ResolveError::NotFound,
        _ => ResolveError::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_there_is_no_fault_of_the_resolver() {
        use nix::libc::{EAI_AGAIN, EAI_FAIL, EAI_MEMORY, EAI_NODATA, EAI_NONAME, EAI_SYSTEM};
        for (code, expected) in [
            (EAI_NONAME, ResolveError::NotFound),
            (EAI_NODATA, ResolveError::NotFound),
            (EAI_AGAIN, ResolveError::Failed),
            (EAI_FAIL, ResolveError::Failed),
            (EAI_MEMORY, ResolveError::Failed),
            (EAI_SYSTEM, ResolveError::Failed),
        ] {
            assert_eq!(why(LookupErrorKind::new(code)), expected, "{code}");
        }
    }
}
