//! Values of `user`, `group` and of `group` definitions.

use super::{Memo, Resolver, silent};
use crate::diagnostic::Safety;
use crate::model::UserItem;
use crate::suggest::{did_you_mean, distance};
use crate::syntax::ast::{Body, DefinitionKind, Form, Values, Word};
use std::sync::Arc;

impl<'a> Resolver<'a> {
    pub(super) fn users(&mut self, words: &'a [Word]) -> Vec<UserItem> {
        words.iter().filter_map(|word| self.user(word)).collect()
    }

    fn user(&mut self, word: &'a Word) -> Option<UserItem> {
        if silent(word) {
            return None;
        }
        match word.reference() {
            Some(name) => self.group_reference(word, name).map(UserItem::Group),
            None if word.is("any") => Some(UserItem::Any),
            None if word.is("none") => Some(UserItem::None),
            None if self.meant_all(word, "user") || self.meant_group(word) => None,
            None => self.plain(word, "user").map(UserItem::User),
        }
    }

    /// A bare word that other languages have for everybody. If it is one it is reported.
    fn meant_all(&mut self, word: &Word, what: &str) -> bool {
        let text = &*word.text;
        let all = ["all", "any", "anyone", "everybody", "everyone", "*"];
        let none = text.eq_ignore_ascii_case("none");
        if word.form != Form::Bare || !none && !all.iter().any(|one| text.eq_ignore_ascii_case(one)) {
            return false;
        }
        let report = self.error("RS0106", word.span, format!("`{text}` would be the name of one {what}"));
        match what {
            "user" if none => {
                report.help(did_you_mean("none")).replace(word.span, "none", Safety::Unsafe);
            }
            "user" => report
                .help(
                    "did you mean `any`, whoever has a name? Leave the key out for everybody; in quotes it is \
                     the name of a user",
                )
                .replace(word.span, "any", Safety::Unsafe),
            _ => {
                _ = report
                    .help(format!("leave the key out for everybody; in quotes it is the name of a {what}"));
            }
        }
        true
    }

    /// A bare user that is called as a group of the policy is. If it is one it is reported.
    fn meant_group(&mut self, word: &Word) -> bool {
        let text = &*word.text;
        if word.form != Form::Bare || !self.defined.contains_key(&(DefinitionKind::Group, text)) {
            return false;
        }
        let meant = format!("@{text}");
        self.error("RS0106", word.span, format!("`{text}` would be the name of one user"))
            .help(format!(
                "did you mean the members of the group, `{meant}`? In quotes it is the name of a user"
            ))
            .replace(word.span, meant, Safety::Unsafe);
        true
    }

    /// A name that stands for itself.
    pub(super) fn plain(&mut self, word: &Word, what: &str) -> Option<Arc<str>> {
        if word.form == Form::Regex {
            self.error("RS0106", word.span, format!("a regex is no {what}"))
                .help("write the names, or a group");
            return None;
        }
        if word.text.is_empty() {
            self.error("RS0106", word.span, format!("an empty text is no {what}"));
            return None;
        }
        if word.form == Form::Bare
            && word.text.len() > 1
            && word.text.starts_with('\'')
            && word.text.ends_with('\'')
        {
            let quoted = format!("\"{}\"", word.text.trim_matches('\''));
            self.error("RS0106", word.span, format!("{} is no {what}", word.text))
                .help(format!("a text stands in double quotes: `{quoted}`"))
                .replace(word.span, quoted, Safety::Unsafe);
            return None;
        }
        if word.form == Form::Bare && word.text.contains("${") {
            self.error("RS0106", word.span, format!("`{}` is no {what}", word.text))
                .help("there are no variables in a policy; write the value");
            return None;
        }
        if word.text.len() > MAX_NAME {
            self.error("RS0117", word.span, format!("a {what} of more than {MAX_NAME} bytes"));
            return None;
        }
        Some((*word.text).into())
    }

    pub(super) fn group_names(&mut self, words: &'a [Word]) -> Vec<Arc<str>> {
        let mut names = Vec::with_capacity(words.len());
        for word in words.iter().filter(|word| !silent(word)) {
            match word.reference() {
                Some(name) => names.extend(self.group_reference(word, name)),
                None if self.meant_all(word, "group") => {}
                None => {
                    self.near_group(word);
                    names.extend(self.plain(word, "group"));
                }
            }
        }
        names
    }

    /// A bare name that no group of the policy has may be a group of the system; but one that is
    /// a slip away from a group of the policy most likely means that one.
    fn near_group(&mut self, word: &Word) {
        let text = &*word.text;
        if word.form != Form::Bare
            || self.defined.contains_key(&(DefinitionKind::Group, text))
            || self.meant.contains(text)
        {
            return;
        }
        let groups =
            || self.defined.keys().filter(|(kind, _)| *kind == DefinitionKind::Group).map(|&(_, name)| name);
        let meant = *self.near_groups.entry(text.to_owned()).or_insert_with(|| slip(text, groups()));
        let Some(meant) = meant else { return };
        self.error("RS0104", word.span, format!("there is no group `{text}` in the policy"))
            .help(format!("{} Write `\"{text}\"` if a group of the system is called so", did_you_mean(meant)))
            .replace(word.span, meant, Safety::Unsafe);
    }

    fn group_reference(&mut self, word: &Word, name: &str) -> Option<Arc<str>> {
        let known =
            self.defined.contains_key(&(DefinitionKind::Group, name)) || self.system_groups.contains(name);
        if !known {
            self.undefined(DefinitionKind::Group, word, name);
            return None;
        }
        Some(name.into())
    }

    /// Users of a group of the policy, those of groups that it names included.
    pub(super) fn members(&mut self, word: &Word, name: &str) -> Vec<Arc<str>> {
        let Some(&definition) = self.defined.get(&(DefinitionKind::Group, name)) else {
            self.undefined(DefinitionKind::Group, word, name);
            return Vec::new();
        };
        match self.groups.get(name) {
            Some(Memo::Done(members)) => return members.clone(),
            Some(Memo::Busy) => {
                self.holds_itself(word, definition);
                return Vec::new();
            }
            None => {}
        }
        let key = &*definition.name.text;
        self.groups.insert(key, Memo::Busy);
        let mut members = match &definition.body {
            Body::Values(body) => {
                self.no_keys(&body.entries, "group", &[]);
                self.member_list(&body.values)
            }
            Body::From(_) => Vec::new(),
        };
        members.sort_unstable();
        members.dedup();
        self.groups.insert(key, Memo::Done(members.clone()));
        members
    }

    fn member_list(&mut self, values: &'a Values) -> Vec<Arc<str>> {
        let mut lists = [&values.include, &values.exclude].map(|words| {
            let mut members = Vec::with_capacity(words.len());
            for word in words.iter().filter(|word| !silent(word)) {
                match word.reference() {
                    Some(name) => members.extend(self.members(word, name)),
                    None if word.is("any") || word.is("none") => {
                        let text = &word.text;
                        self.error("RS0106", word.span, format!("`{text}` is no user"))
                            .help("a group is a list of users; write `user: any` in the rule");
                    }
                    None => members.extend(self.plain(word, "user")),
                }
            }
            members
        });
        let [include, exclude] = &mut lists;
        include.retain(|member| !exclude.contains(member));
        std::mem::take(include)
    }
}

/// The one candidate that a word of four letters or more is a single slip away from.
fn slip<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let typed: Vec<char> = word.chars().take(64).collect();
    let near = |candidate: &&str| {
        let other: Vec<char> = candidate.chars().take(64).collect();
        typed.len() >= 4 && distance(&typed, &other, 1) == Some(1)
    };
    candidates.filter(near).min()
}

/// How long a name may be, in bytes. SOCKS has no room for a longer user.
pub(super) const MAX_NAME: usize = 255;
