//! Penalties for failed logins, by address and by user, after OpenSSH's `PerSourcePenalties`.
//!
//! Each failure adds to a debt that time pays back. A debt that reaches the penalty shuts the
//! door until it is paid in full; attempts at a shut door are not looked at and add nothing. The
//! tables are bounded, and hold hashes of names, so that a stranger's inventions cost no memory.

use crate::settings::value::Net;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How failures are punished.
#[derive(Clone, Debug)]
pub struct PenaltyRules {
    /// Failures in a row that shut the door to an address; 0: never.
    pub address_failures: u32,
    /// For how long.
    pub address_penalty: Duration,
    /// Failures in a row, from anywhere, that shut the door to a user name; 0: never.
    pub user_failures: u32,
    /// For how long.
    pub user_penalty: Duration,
    /// Networks that are never punished: load balancers, an office behind one address.
    pub exempt: Vec<Net>,
}

/// Who owes how much.
#[derive(Debug)]
pub struct Penalties {
    rules: PenaltyRules,
    addresses: Mutex<Ledger<IpAddr>>,
    users: Mutex<Ledger<u64>>,
    /// Where a user has logged in from lately: from there the user's own penalty does not hold, so
    /// that a stranger who guesses cannot lock the user out.
    homes: moka::sync::Cache<(u64, IpAddr), ()>,
    names: RandomState,
}

/// What a failure has led to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Shut {
    /// The address is refused from now on, for that long.
    pub address: Option<Duration>,
    /// The user is refused from now on, for that long.
    pub user: Option<Duration>,
}

impl Penalties {
    /// Nobody owes anything yet.
    pub fn new(rules: PenaltyRules) -> Self {
        let homes = moka::sync::Cache::builder().max_capacity(HOMES_MAX).time_to_live(HOME_LIFE).build();
        let (addresses, users) = (Mutex::default(), Mutex::default());
        Self { rules, addresses, users, homes, names: RandomState::new() }
    }

    /// Whether an address is refused.
    pub fn shuts_address(&self, client: IpAddr) -> bool {
        lock(&self.addresses).is_shut(&network(client), Instant::now())
    }

    /// Whether a user is refused at an address.
    pub fn shuts_user(&self, user: &str, client: IpAddr) -> bool {
        let user = self.names.hash_one(user);
        lock(&self.users).is_shut(&user, Instant::now()) && !self.homes.contains_key(&(user, network(client)))
    }

    /// Notes a failed login. A name that is none is counted for the address alone.
    pub fn failed(&self, client: IpAddr, user: Option<&str>) -> Shut {
        if self.rules.exempt.iter().any(|net| net.contains(client)) {
            return Shut::default();
        }
        let now = Instant::now();
        let rules = &self.rules;
        let address = debt(rules.address_failures, rules.address_penalty)
            .and_then(|debt| lock(&self.addresses).charge(network(client), debt, now));
        let user = user.and_then(|user| {
            let debt = debt(rules.user_failures, rules.user_penalty)?;
            lock(&self.users).charge(self.names.hash_one(user), debt, now)
        });
        Shut { address, user }
    }

    /// Notes a login: the user is at home there for a day.
    pub fn succeeded(&self, client: IpAddr, user: &str) {
        self.homes.insert((self.names.hash_one(user), network(client)), ());
    }

    /// How many addresses and users are refused now.
    pub fn shut(&self) -> (usize, usize) {
        let now = Instant::now();
        (lock(&self.addresses).shut(now), lock(&self.users).shut(now))
    }
}

/// What one failure costs, and what shuts the door.
#[derive(Clone, Copy)]
struct Debt {
    failure: Duration,
    limit: Duration,
}

fn debt(failures: u32, limit: Duration) -> Option<Debt> {
    Some(Debt { failure: limit.checked_div(failures)?, limit })
}

/// Debts by debtor, at most [`DEBTORS_MAX`].
#[derive(Debug)]
struct Ledger<K> {
    debtors: HashMap<K, Debtor>,
}

#[derive(Clone, Copy, Debug)]
struct Debtor {
    paid_at: Instant,
    shut: bool,
}

impl<K> Default for Ledger<K> {
    fn default() -> Self {
        Self { debtors: HashMap::new() }
    }
}

impl<K: Copy + Eq + Hash> Ledger<K> {
    fn is_shut(&self, key: &K, now: Instant) -> bool {
        self.debtors.get(key).is_some_and(|debtor| debtor.shut && now < debtor.paid_at)
    }

    /// Adds a failure; says how long the door is shut if this one shut it.
    fn charge(&mut self, key: K, debt: Debt, now: Instant) -> Option<Duration> {
        if self.debtors.len() >= DEBTORS_MAX && !self.debtors.contains_key(&key) {
            self.make_room(now);
        }
        let debtor = self.debtors.entry(key).or_insert(Debtor { paid_at: now, shut: false });
        if debtor.paid_at <= now {
            *debtor = Debtor { paid_at: now, shut: false };
        }
        if debtor.shut {
            return None;
        }
        debtor.paid_at += debt.failure;
        // A second of grace for what time has paid back between quick failures.
        let owed = debtor.paid_at.saturating_duration_since(now);
        debtor.shut = owed + GRACE.min(debt.failure / 2) >= debt.limit;
        debtor.shut.then_some(owed)
    }

    /// Forgets who has paid; if nobody has, whoever owes least of a few.
    fn make_room(&mut self, now: Instant) {
        self.debtors.retain(|_, debtor| now < debtor.paid_at);
        if self.debtors.len() >= DEBTORS_MAX {
            let few = self.debtors.iter().take(SAMPLE);
            let least = few.min_by_key(|(_, debtor)| debtor.paid_at).map(|(key, _)| *key);
            least.map(|key| self.debtors.remove(&key));
        }
    }

    fn shut(&self, now: Instant) -> usize {
        self.debtors.values().filter(|debtor| debtor.shut && now < debtor.paid_at).count()
    }
}

/// What is punished together: an IPv4 address, a /64 of IPv6, which one machine may own.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

fn lock<K>(ledger: &Mutex<Ledger<K>>) -> std::sync::MutexGuard<'_, Ledger<K>> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

const DEBTORS_MAX: usize = 65_536;
const SAMPLE: usize = 32;
const GRACE: Duration = Duration::from_secs(1);
const HOMES_MAX: u64 = 16_384;
const HOME_LIFE: Duration = Duration::from_secs(24 * 3_600);

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> PenaltyRules {
        PenaltyRules {
            address_failures: 10,
            address_penalty: Duration::from_secs(300),
            user_failures: 30,
            user_penalty: Duration::from_secs(60),
            exempt: vec!["10.9.0.0/16".parse().unwrap()],
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_tenth_quick_failure_shuts_the_door_until_the_debt_is_paid() {
        let penalties = Penalties::new(rules());
        let (eve, other) = (ip("192.0.2.1"), ip("192.0.2.2"));
        for _ in 0..9 {
            assert_eq!(penalties.failed(eve, Some("root")), Shut::default());
            tokio::time::advance(Duration::from_millis(20)).await;
        }
        assert!(!penalties.shuts_address(eve));
        assert!(penalties.failed(eve, None).address.is_some());
        assert!(penalties.shuts_address(eve));
        assert!(!penalties.shuts_address(other), "nobody else is affected");
        assert_eq!(penalties.shut(), (1, 0));
        tokio::time::advance(Duration::from_secs(290)).await;
        assert!(penalties.shuts_address(eve), "a half-paid debt opens nothing");
        tokio::time::advance(Duration::from_secs(11)).await;
        assert!(!penalties.shuts_address(eve));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_now_and_then_is_forgiven() {
        let penalties = Penalties::new(rules());
        for _ in 0..100 {
            assert_eq!(penalties.failed(ip("192.0.2.1"), None), Shut::default());
            tokio::time::advance(Duration::from_secs(31)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_is_guarded_against_many_addresses_and_not_locked_out_at_home() {
        let penalties = Penalties::new(rules());
        let home = ip("198.51.100.7");
        penalties.succeeded(home, "alice");
        for n in 0..30_u8 {
            penalties.failed(ip(&format!("192.0.2.{n}")), Some("alice"));
        }
        assert!(penalties.shuts_user("alice", ip("203.0.113.9")));
        assert!(!penalties.shuts_user("alice", home));
        assert!(!penalties.shuts_user("bob", ip("203.0.113.9")));
    }

    #[tokio::test(start_paused = true)]
    async fn an_ipv6_network_counts_as_one_and_a_mapped_address_as_its_own() {
        let penalties = Penalties::new(rules());
        for n in 0..10 {
            penalties.failed(ip(&format!("2001:db8::{n:x}")), None);
            penalties.failed(ip("::ffff:192.0.2.1"), None);
            penalties.failed(ip("10.9.1.1"), None);
        }
        assert!(penalties.shuts_address(ip("2001:db8::ffff")));
        assert!(!penalties.shuts_address(ip("2001:db8:0:1::1")));
        assert!(penalties.shuts_address(ip("192.0.2.1")));
        assert!(!penalties.shuts_address(ip("10.9.1.1")), "exempt");
    }

    #[tokio::test(start_paused = true)]
    async fn the_tables_are_bounded() {
        let penalties = Penalties::new(rules());
        for n in 0..(DEBTORS_MAX as u32 + 500) {
            penalties.failed(IpAddr::V4((0x0b00_0000 + n).into()), Some(&n.to_string()));
        }
        assert!(lock(&penalties.addresses).debtors.len() <= DEBTORS_MAX);
        assert!(lock(&penalties.users).debtors.len() <= DEBTORS_MAX);
    }
}
