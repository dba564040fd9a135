//! The loop guard: addresses that are our own, to which nobody is led. A proxy that connects to
//! itself would do so for ever.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What we listen on.
#[derive(Debug, Default)]
pub struct Ourselves {
    exact: Vec<SocketAddr>,
    /// Ports that are open on every address of this host.
    everywhere: Vec<u16>,
    /// Addresses of this host when the server started; later ones the kernel is asked for.
    host: Vec<IpAddr>,
    datagrams: Mutex<HashSet<SocketAddr>>,
}

impl Ourselves {
    /// Listeners of TCP.
    pub fn new(own: &[SocketAddr]) -> Self {
        let own = own.iter().map(|&one| SocketAddr::new(one.ip().to_canonical(), one.port()));
        let (everywhere, exact): (Vec<_>, Vec<_>) = own.partition(|one| one.ip().is_unspecified());
        let everywhere = everywhere.into_iter().map(|one| one.port()).collect();
        Self { exact, everywhere, host: crate::policy::host::addresses(), datagrams: Mutex::default() }
    }

    /// Whether a target is one of them.
    pub fn is(&self, target: SocketAddr) -> bool {
        self.exact.contains(&target)
            || (self.everywhere.contains(&target.port()) && self.is_host(target.ip()))
    }

    fn is_host(&self, address: IpAddr) -> bool {
        address.is_loopback() || address.is_unspecified() || self.host.contains(&address) || is_local(address)
    }

    /// Whether a target is the socket of an association of ours.
    pub fn is_association(&self, target: SocketAddr) -> bool {
        let datagrams = self.datagrams();
        datagrams.contains(&target)
            || (EVERYWHERE.iter().any(|&any| datagrams.contains(&SocketAddr::new(any, target.port())))
                && self.is_host(target.ip()))
    }

    /// An association opens or closes its socket.
    pub(crate) fn associate(&self, socket: SocketAddr, open: bool) {
        let mut datagrams = self.datagrams();
        if open {
            datagrams.insert(socket);
        } else {
            datagrams.remove(&socket);
        }
    }

    fn datagrams(&self) -> MutexGuard<'_, HashSet<SocketAddr>> {
        self.datagrams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an address is one of this host now: towards itself, the kernel would use that very address.
/// Nothing is sent.
fn is_local(address: IpAddr) -> bool {
    crate::dial::address_towards(address, None).is_ok_and(|ours| ours == address)
}

const EVERYWHERE: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_known_by_every_address_they_answer_to() {
        let own = ["127.0.0.1:1080", "[::]:1081"].map(|text| text.parse().expect("an address"));
        let ourselves = Ourselves::new(&own);
        for (target, is) in [
            ("127.0.0.1:1080", true),
            ("127.0.0.2:1080", false),
            ("127.9.9.9:1081", true),
            ("[::1]:1081", true),
            ("0.0.0.0:1081", true),
            ("127.0.0.1:1082", false),
            ("192.0.2.1:1081", false),
        ] {
            assert_eq!(ourselves.is(target.parse().expect("an address")), is, "{target}");
        }
    }
}
