//! System groups of users through NSS, which is how LDAP and Active Directory come in by SSSD.
//!
//! Only groups that the policy names are looked at, never on a thread of the runtime, and for one
//! user never twice in a minute.

use nix::unistd::{Gid, Group, User, getgrouplist};
use std::collections::{BTreeSet, HashSet};
use std::ffi::CString;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// A user's groups, of those that were asked for.
pub type GroupNames = Arc<[Arc<str>]>;

/// The groups of the system could not be asked in time.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the groups of the system cannot be asked")]
pub struct GroupsUnavailable;

/// Looks up groups and remembers them for a minute.
pub struct Groups {
    wanted: arc_swap::ArcSwap<Wanted>,
    /// By user, for each set of wanted groups anew: who asks while another asks for the same user
    /// waits for that answer.
    known: moka::future::Cache<(Generation, Arc<str>), GroupNames>,
    /// Bounds the threads that a stalled directory can hold.
    lookups: Arc<Semaphore>,
    ask: Ask,
}

/// What the policy speaks of.
#[derive(Debug, Default)]
struct Wanted {
    names: Arc<BTreeSet<Arc<str>>>,
    generation: Generation,
}

/// Counts the sets of wanted groups.
type Generation = u64;

/// How the system is asked, on a thread that may block.
type Ask = fn(&str, &BTreeSet<Arc<str>>) -> nix::Result<GroupNames>;

impl Default for Groups {
    fn default() -> Self {
        Self::asking(ask_system)
    }
}

impl Groups {
    fn asking(ask: Ask) -> Self {
        Self {
            wanted: arc_swap::ArcSwap::default(),
            known: moka::future::Cache::builder().max_capacity(USERS_MAX).time_to_live(MEMORY).build(),
            lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)),
            ask,
        }
    }

    /// Takes over what a policy speaks of; another set makes all be looked up anew.
    pub fn want(&self, names: BTreeSet<Arc<str>>) {
        let before = self.wanted.load();
        if *before.names != names {
            let generation = before.generation + 1;
            self.wanted.store(Arc::new(Wanted { names: Arc::new(names), generation }));
            self.known.invalidate_all();
        }
    }

    /// The groups of a user. Fails rather than guess: a rule that blocks a group must not be
    /// walked around by a directory that is down.
    ///
    /// # Errors
    /// Where the system does not answer in time.
    pub async fn of(&self, user: &Arc<str>) -> Result<GroupNames, GroupsUnavailable> {
        let wanted = self.wanted.load_full();
        if wanted.names.is_empty() {
            return Ok(GroupNames::default());
        }
        let key = (wanted.generation, Arc::clone(user));
        let answer = self.known.try_get_with(key, self.look_up(Arc::clone(user), Arc::clone(&wanted.names)));
        timeout(PATIENCE, answer).await.map_err(|_| GroupsUnavailable)?.map_err(|_| GroupsUnavailable)
    }

    async fn look_up(
        &self,
        user: Arc<str>,
        wanted: Arc<BTreeSet<Arc<str>>>,
    ) -> Result<GroupNames, GroupsUnavailable> {
        let permit = Arc::clone(&self.lookups).acquire_owned().await.map_err(|_| GroupsUnavailable)?;
        let ask = self.ask;
        let work = tokio::task::spawn_blocking(move || {
            let groups = ask(&user, &wanted);
            drop(permit);
            groups
        });
        work.await.map_err(|_| GroupsUnavailable)?.map_err(|_| GroupsUnavailable)
    }
}

impl fmt::Debug for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Groups").field("wanted", &self.wanted.load()).finish_non_exhaustive()
    }
}

fn ask_system(user: &str, wanted: &BTreeSet<Arc<str>>) -> nix::Result<GroupNames> {
    let Ok(c_user) = CString::new(user) else { return Ok(GroupNames::default()) };
    let Some(account) = User::from_name(user)? else { return Ok(GroupNames::default()) };
    let member_of: HashSet<Gid> = getgrouplist(&c_user, account.gid)?.into_iter().collect();
    let mut groups = Vec::new();
    for name in wanted {
        if let Some(group) = Group::from_name(name)?
            && member_of.contains(&group.gid)
        {
            groups.push(Arc::clone(name));
        }
    }
    Ok(groups.into())
}

const USERS_MAX: u64 = 16_384;
const MEMORY: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(5);
const LOOKUPS_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<Arc<str>> {
        names.iter().map(|name| Arc::from(*name)).collect()
    }

    #[tokio::test]
    async fn a_user_is_in_its_groups_of_those_that_are_named() {
        let groups = Groups::default();
        let root = Arc::from("root");
        assert!(groups.of(&root).await.unwrap().is_empty(), "no policy, no question");
        groups.want(set(&["root", "no-such-group-here"]));
        assert_eq!(*groups.of(&root).await.unwrap(), [Arc::from("root")]);
        assert!(groups.of(&Arc::from("no-such-user-here")).await.unwrap().is_empty());
        groups.want(set(&["no-such-group-here"]));
        assert!(groups.of(&root).await.unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn many_logins_of_one_user_at_a_time_ask_the_system_once() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let groups = Arc::new(Groups::asking(|_, wanted| {
            ASKED.fetch_add(1, Ordering::Relaxed);
            // Long enough for the others to come, as a directory on the network takes.
            std::thread::sleep(Duration::from_millis(50));
            Ok(wanted.iter().cloned().collect())
        }));
        groups.want(set(&["staff"]));
        let alice: Arc<str> = Arc::from("alice");
        let ask = || {
            let (groups, alice) = (Arc::clone(&groups), Arc::clone(&alice));
            tokio::spawn(async move { groups.of(&alice).await })
        };
        for login in (0..50).map(|_| ask()).collect::<Vec<_>>() {
            assert_eq!(*login.await.unwrap().unwrap(), [Arc::from("staff")]);
        }
        assert_eq!(ASKED.load(Ordering::Relaxed), 1);
        groups.want(set(&["staff", "guests"]));
        assert_eq!(groups.of(&alice).await.unwrap().len(), 2, "another policy, another question");
    }

    #[tokio::test]
    async fn a_directory_that_is_down_is_no_answer_and_not_remembered() {
        use std::sync::atomic::{AtomicBool, Ordering};
        static IS_UP: AtomicBool = AtomicBool::new(false);
        let groups = Groups::asking(|_, wanted| match IS_UP.load(Ordering::Relaxed) {
            true => Ok(wanted.iter().cloned().collect()),
            false => Err(nix::errno::Errno::EIO),
        });
        groups.want(set(&["staff"]));
        assert_eq!(groups.of(&Arc::from("alice")).await, Err(GroupsUnavailable));
        IS_UP.store(true, Ordering::Relaxed);
        assert_eq!(groups.of(&Arc::from("alice")).await.unwrap().len(), 1);
    }
}
