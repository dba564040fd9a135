//! Users to tokens: what a policy can tell of a principal. A token is a user by name, a group, or
//! whether there is a user at all; a principal has a few, and a condition asks for any of some.

use crate::hash::HashMap;
use crate::model::{Model, Test, UserItem};
use crate::request::Principal;
use std::sync::Arc;

/// The token of whoever has no name.
pub(crate) const NOBODY: u32 = 0;
/// The token of whoever has one.
pub(crate) const SOMEBODY: u32 = 1;

/// What a policy has found out about a principal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct PrincipalClass {
    /// Names the tokens that it speaks of; see [`Principals::stamp`].
    pub(crate) stamp: u64,
    /// Its tokens.
    pub(crate) tokens: Arc<[u32]>,
}

/// Finds the tokens of a principal.
#[derive(Debug)]
pub(crate) struct Principals {
    /// Tokens of each user that the policy tells apart from others.
    users: HashMap<Arc<str>, Vec<u32>>,
    /// Groups that are none of the policy: the system's.
    groups: HashMap<Arc<str>, u32>,
    /// What each token is called.
    names: Vec<Arc<str>>,
    /// The same for two policies only if their tokens are the same.
    stamp: u64,
}

/// The tokens of what a policy writes.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    /// By user name.
    pub(crate) users: HashMap<Arc<str>, u32>,
    /// By group name.
    pub(crate) groups: HashMap<Arc<str>, u32>,
}

/// A principal as a decision sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Who<'a> {
    /// Classified by another policy, or by none: found out with each question.
    Foreign(&'a Principals, &'a Principal),
    /// Not known: no condition on it is asked.
    Unknown,
    /// Classified by this policy.
    Tokens(&'a [u32]),
}

impl Principals {
    /// The tokens that tests of a model ask for.
    pub(crate) fn new<'a>(model: &Model, tests: impl Iterator<Item = &'a Test>) -> (Self, Tokens) {
        let mut all = Self {
            users: HashMap::default(),
            groups: HashMap::default(),
            names: vec!["none".into(), "any".into()],
            stamp: 0,
        };
        let mut tokens = Tokens::default();
        let mut members: HashMap<&str, &[Arc<str>]> = HashMap::default();
        for group in &model.groups {
            members.entry(&group.name).or_insert(&group.members);
        }
        for test in tests {
            match test {
                Test::Group(groups) => {
                    groups.iter().for_each(|group| all.add_group(&mut tokens, &members, group));
                }
                Test::User(items) => items.iter().for_each(|item| match item {
                    UserItem::Group(group) => all.add_group(&mut tokens, &members, group),
                    UserItem::User(user) => all.add_user(&mut tokens, user),
                    UserItem::Any | UserItem::None => {}
                }),
                _ => {}
            }
        }
        all.stamp = all.fingerprint();
        (all, tokens)
    }

    fn add_user(&mut self, tokens: &mut Tokens, user: &Arc<str>) {
        if !tokens.users.contains_key(user) {
            let token = self.token(user.clone());
            tokens.users.insert(user.clone(), token);
            self.users.entry(user.clone()).or_insert_with(|| vec![SOMEBODY]).push(token);
        }
    }

    fn add_group(&mut self, tokens: &mut Tokens, members: &HashMap<&str, &[Arc<str>]>, group: &Arc<str>) {
        if tokens.groups.contains_key(group) {
            return;
        }
        let token = self.token(format!("@{group}").into());
        tokens.groups.insert(group.clone(), token);
        match members.get(&**group) {
            Some(members) => {
                for user in *members {
                    self.users.entry(user.clone()).or_insert_with(|| vec![SOMEBODY]).push(token);
                }
            }
            None => _ = self.groups.insert(group.clone(), token),
        }
    }

    fn token(&mut self, name: Arc<str>) -> u32 {
        self.names.push(name);
        u32::try_from(self.names.len() - 1).unwrap_or(u32::MAX)
    }

    fn fingerprint(&self) -> u64 {
        let mut hasher = blake3::Hasher::new();
        let mut part = |text: &str, tokens: &[u32]| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
            hasher.update(&(tokens.len() as u64).to_le_bytes());
            tokens.iter().for_each(|token| _ = hasher.update(&token.to_le_bytes()));
        };
        self.names.iter().for_each(|name| part(name, &[]));
        let mut users: Vec<_> = self.users.iter().collect();
        users.sort_unstable();
        users.into_iter().for_each(|(user, tokens)| part(user, tokens));
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_unstable();
        groups.into_iter().for_each(|(group, &token)| part(group, &[token]));
        let stamp = hasher.finalize().as_bytes().first_chunk::<8>().copied();
        u64::from_le_bytes(stamp.unwrap_or_default())
    }

    /// The tokens that a principal has.
    pub(crate) fn tokens_of<'a>(&'a self, who: &'a Principal) -> impl Iterator<Item = u32> + 'a {
        let known = who.user().map(|user| self.users.get(user).map_or(&[SOMEBODY][..], Vec::as_slice));
        let groups = who.groups().iter().filter_map(|group| self.groups.get(group).copied());
        known.unwrap_or(&[NOBODY]).iter().copied().chain(groups)
    }

    /// Classifies a principal once and for all.
    pub(crate) fn classify(&self, who: &Principal) -> PrincipalClass {
        let mut tokens: Vec<u32> = self.tokens_of(who).collect();
        tokens.sort_unstable();
        tokens.dedup();
        PrincipalClass { stamp: self.stamp, tokens: tokens.into() }
    }

    /// What a decision needs of a principal.
    pub(crate) fn see<'a>(&'a self, who: &'a Principal) -> Who<'a> {
        match &who.class {
            Some(class) if class.stamp == self.stamp => Who::Tokens(&class.tokens),
            _ => Who::Foreign(self, who),
        }
    }

    /// What a token is called.
    pub(crate) fn name(&self, token: u32) -> &str {
        self.names.get(token as usize).map_or("?", |name| name)
    }

    /// How many tokens there are.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// About what it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        let users: usize = self.users.values().map(|tokens| tokens.capacity() * 4 + 48).sum();
        users + self.groups.len() * 32 + self.names.iter().map(|name| name.len() + 32).sum::<usize>()
    }
}

impl Who<'_> {
    /// Whether any of its tokens fits.
    pub(crate) fn any(&self, fits: impl Fn(u32) -> bool) -> bool {
        match self {
            Self::Foreign(all, who) => all.tokens_of(who).any(fits),
            Self::Tokens(tokens) => tokens.iter().any(|&token| fits(token)),
            Self::Unknown => false,
        }
    }

    /// Hands out each of its tokens.
    pub(crate) fn each(&self, mut take: impl FnMut(u32)) {
        match self {
            Self::Foreign(all, who) => all.tokens_of(who).for_each(take),
            Self::Tokens(tokens) => tokens.iter().for_each(|&token| take(token)),
            Self::Unknown => {}
        }
    }
}
