//! System groups of users through NSS, which is how LDAP and Active Directory come in by SSSD.
//!
//! Only groups that the policy names are looked at, never on a thread of the runtime, and for one
//! user never twice in a minute.

use nix::unistd::{Gid, Group, User, getgrouplist};
use std::collections::{BTreeSet, HashSet};
use std::ffi::CString;
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
#[derive(Debug)]
pub struct Groups {
    /// What the policy speaks of.
    wanted: arc_swap::ArcSwap<BTreeSet<Arc<str>>>,
    known: moka::sync::Cache<Arc<str>, GroupNames>,
    /// Bounds the threads that a stalled directory can hold.
    lookups: Arc<Semaphore>,
}

impl Default for Groups {
    fn default() -> Self {
        Self {
            wanted: arc_swap::ArcSwap::default(),
            known: moka::sync::Cache::builder().max_capacity(USERS_MAX).time_to_live(MEMORY).build(),
            lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)),
        }
    }
}

impl Groups {
    /// Takes over what a policy speaks of; another set makes all be looked up anew.
    pub fn want(&self, names: BTreeSet<Arc<str>>) {
        if **self.wanted.load() != names {
            self.wanted.store(Arc::new(names));
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
        if wanted.is_empty() {
            return Ok(GroupNames::default());
        }
        if let Some(groups) = self.known.get(user) {
            return Ok(groups);
        }
        let groups =
            timeout(PATIENCE, self.look_up(user, &wanted)).await.map_err(|_| GroupsUnavailable)??;
        // Unless the policy has changed meanwhile.
        if Arc::ptr_eq(&wanted, &self.wanted.load()) {
            self.known.insert(Arc::clone(user), Arc::clone(&groups));
        }
        Ok(groups)
    }

    async fn look_up(
        &self,
        user: &Arc<str>,
        wanted: &Arc<BTreeSet<Arc<str>>>,
    ) -> Result<GroupNames, GroupsUnavailable> {
        let permit = Arc::clone(&self.lookups).acquire_owned().await.map_err(|_| GroupsUnavailable)?;
        let (user, wanted) = (Arc::clone(user), Arc::clone(wanted));
        let work = tokio::task::spawn_blocking(move || {
            let groups = ask_system(&user, &wanted);
            drop(permit);
            groups
        });
        work.await.map_err(|_| GroupsUnavailable)?.map_err(|_| GroupsUnavailable)
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
        assert!(groups.known.contains_key(&root), "a minute's memory");
        groups.want(set(&["no-such-group-here"]));
        assert!(groups.of(&root).await.unwrap().is_empty());
    }
}
