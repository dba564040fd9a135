//! Conditions in a form that can be compared: which rule holds within which, and which can never
//! hold together. Every answer is safe: "yes" is said only where it is certain.

use super::flat::{Flat, Flats};
use crate::model::{Conditions, Group, Model, PortSet, Rule, Stage, Term, Test, UserItem, Window, Zone};
use crate::request::{Command, Method, MethodSpec, ProxyProtocol};
use std::sync::Arc;

/// One block of conditions.
#[derive(Clone, Debug)]
pub(crate) struct Shape<'a> {
    /// Commands that it can hold for, as bits.
    pub commands: u8,
    /// The other terms.
    pub terms: Vec<Part<'a>>,
}

/// One term.
#[derive(Clone, Debug)]
pub(crate) struct Part<'a> {
    pub term: &'a Term,
    /// Of `from` and `to`.
    pub flat: Option<Arc<Flat>>,
    /// Of `time`.
    pub week: Option<Week>,
}

/// A rule: its conditions and those of its `except` blocks.
#[derive(Clone, Debug)]
pub(crate) struct RuleShape<'a> {
    pub when: Shape<'a>,
    pub except: Vec<Shape<'a>>,
}

/// The minutes of a week of one zone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Week {
    zone: Zone,
    minutes: Vec<u64>,
}

/// What a comparison needs to know.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub model: &'a Model,
    pub flats: &'a Flats,
}

fn bit(command: Command) -> u8 {
    match command {
        Command::Bind => 1,
        Command::BindReply => 2,
        Command::Connect => 4,
        Command::UdpAssociate => 8,
        Command::UdpReply => 16,
    }
}

const ALL: u8 = 31;
const REPLIES: u8 = 2 | 16;

fn mask(when: &Conditions, stage: Stage, is_rule: bool) -> u8 {
    let mut mask =
        if is_rule && stage == Stage::Socks && !names_commands(when) { ALL & !REPLIES } else { ALL };
    for term in &when.terms {
        let fits: u8 = match &term.test {
            Test::Command(commands) => commands.iter().map(|&one| bit(one)).fold(0, |all, one| all | one),
            Test::Protocol(protocols) => Command::ALL
                .into_iter()
                .filter(|command| protocols.contains(&command.protocol()))
                .fold(0, |all, one| all | bit(one)),
            _ => continue,
        };
        mask &= if term.negated { ALL & !fits } else { fits };
    }
    if is_rule && stage == Stage::Socks {
        let named = Command::ALL
            .into_iter()
            .filter(|&command| crate::oracle::names_command(when, command))
            .fold(0, |all, one| all | bit(one));
        mask &= (ALL & !REPLIES) | named;
    }
    mask
}

fn names_commands(when: &Conditions) -> bool {
    when.terms.iter().any(|term| matches!(&term.test, Test::Command(_)) && !term.negated)
}

impl<'a> Ground<'a> {
    pub(crate) fn rule(self, rule: &'a Rule) -> RuleShape<'a> {
        RuleShape {
            when: self.shape(&rule.when, rule.stage, true),
            except: rule.except.iter().map(|when| self.shape(when, rule.stage, false)).collect(),
        }
    }

    pub(crate) fn shape(self, when: &'a Conditions, stage: Stage, is_rule: bool) -> Shape<'a> {
        let terms =
            when.terms.iter().filter(|term| !matches!(term.test, Test::Command(_) | Test::Protocol(_)));
        Shape { commands: mask(when, stage, is_rule), terms: terms.map(|term| self.part(term)).collect() }
    }

    fn part(self, term: &'a Term) -> Part<'a> {
        let flat = match &term.test {
            Test::From(set) | Test::To(set) => Some(Arc::new(self.flats.expr(self.model, set))),
            _ => None,
        };
        let week = match &term.test {
            Test::Time(windows) => week(windows),
            _ => None,
        };
        Part { term, flat, week }
    }

    /// Whether every request of `inner` is one of `outer`.
    pub(crate) fn covers(self, outer: &RuleShape<'_>, inner: &RuleShape<'_>) -> bool {
        self.holds_within(&outer.when, &inner.when, None)
            && outer.except.iter().all(|hole| {
                self.contradicts(hole, &inner.when)
                    || inner.except.iter().any(|own| self.holds_within(own, hole, Some(&inner.when)))
            })
    }

    /// Whether no request can be one of both.
    pub(crate) fn disjoint(self, one: &RuleShape<'_>, other: &RuleShape<'_>) -> bool {
        self.contradicts(&one.when, &other.when)
            || one.except.iter().any(|hole| self.holds_within(hole, &other.when, Some(&one.when)))
            || other.except.iter().any(|hole| self.holds_within(hole, &one.when, Some(&other.when)))
    }

    /// Whether a rule can match nothing: the two places that show it.
    pub(crate) fn is_void(self, rule: &RuleShape<'_>) -> Option<Void> {
        if rule.when.commands == 0 {
            return Some(Void::Commands);
        }
        let terms = &rule.when.terms;
        for (at, one) in terms.iter().enumerate() {
            if self.is_empty(one) {
                return Some(Void::Term(at));
            }
            for (far, other) in terms.iter().enumerate().skip(at + 1) {
                if self.apart(one, other) {
                    return Some(Void::Pair(at, far));
                }
            }
        }
        let hole = rule.except.iter().position(|hole| self.holds_within(hole, &rule.when, None));
        hole.map(Void::Except)
    }

    fn is_empty(self, part: &Part<'_>) -> bool {
        if part.term.negated {
            return part.flat.as_ref().is_some_and(|flat| flat.include.any && flat.exclude.is_empty());
        }
        match &part.term.test {
            Test::Port(ports) => ports.ranges().is_empty(),
            _ => part.flat.as_ref().is_some_and(|flat| {
                !flat.include.is_empty() && self.flats.is_void(self.model, flat)
                    || flat.include.is_empty() && !flat.exclude.is_empty()
            }),
        }
    }

    /// Whether `inner` (and `also`) imply `outer`.
    fn holds_within(self, outer: &Shape<'_>, inner: &Shape<'_>, also: Option<&Shape<'_>>) -> bool {
        let commands = inner.commands & also.map_or(ALL, |also| also.commands);
        if commands & !outer.commands != 0 {
            return false;
        }
        outer.terms.iter().all(|want| {
            let given = inner.terms.iter().chain(also.into_iter().flat_map(|also| &also.terms));
            given.into_iter().any(|have| self.implies(have, want))
        })
    }

    pub(crate) fn contradicts(self, one: &Shape<'_>, other: &Shape<'_>) -> bool {
        one.commands & other.commands == 0
            || one.terms.iter().any(|left| other.terms.iter().any(|right| self.apart(left, right)))
    }

    /// Whether a term implies another.
    fn implies(self, have: &Part<'_>, want: &Part<'_>) -> bool {
        match (have.term.negated, want.term.negated) {
            (false, false) => self.within(have, want),
            (true, true) => self.within(want, have),
            (false, true) => self.apart_plain(have, want),
            (true, false) => false,
        }
    }

    /// Whether two terms can not hold together.
    fn apart(self, one: &Part<'_>, other: &Part<'_>) -> bool {
        match (one.term.negated, other.term.negated) {
            (false, false) => self.apart_plain(one, other),
            (false, true) => self.within(one, other),
            (true, false) => self.within(other, one),
            (true, true) => false,
        }
    }

    /// Whether the test of `inner` is within that of `outer`, signs aside.
    fn within(self, inner: &Part<'_>, outer: &Part<'_>) -> bool {
        match (&outer.term.test, &inner.term.test) {
            (Test::Cert(outer), Test::Cert(inner)) => inner.iter().all(|one| outer.contains(one)),
            (Test::Expires(outer), Test::Expires(inner)) => inner <= outer,
            (Test::From(_), Test::From(_)) | (Test::To(_), Test::To(_)) => match (&outer.flat, &inner.flat) {
                (Some(outer), Some(inner)) => self.flats.covers(self.model, outer, inner),
                _ => false,
            },
            (Test::Group(outer), Test::Group(inner)) => inner.iter().all(|one| outer.contains(one)),
            (Test::Listen(outer), Test::Listen(inner)) => inner.iter().all(|one| outer.contains(one)),
            (Test::Method(outer), Test::Method(inner)) => {
                inner.iter().all(|one| outer.iter().any(|many| serves(many, one)))
            }
            (Test::Port(outer), Test::Port(inner)) => inner.without(outer).ranges().is_empty(),
            (Test::ProxyProtocol(outer), Test::ProxyProtocol(inner)) => {
                inner.iter().all(|one| outer.contains(one))
            }
            (Test::Time(_), Test::Time(_)) => match (&outer.week, &inner.week) {
                (Some(outer), Some(inner)) => outer.covers(inner),
                _ => false,
            },
            (Test::User(outer), Test::User(inner)) => inner.iter().all(|one| self.users_hold(outer, one)),
            (Test::User(outer), Test::Group(inner)) => {
                inner.iter().all(|one| self.users_hold(outer, &UserItem::Group(one.clone())))
            }
            (Test::Group(outer), Test::User(inner)) => inner.iter().all(|one| match one {
                UserItem::Group(group) => outer.contains(group),
                UserItem::User(user) => {
                    outer.iter().filter_map(|group| self.model.group(group)).any(|group| has(group, user))
                }
                UserItem::Any | UserItem::None => false,
            }),
            _ => false,
        }
    }

    fn users_hold(self, outer: &[UserItem], inner: &UserItem) -> bool {
        outer.iter().any(|many| match (many, inner) {
            (UserItem::Any, UserItem::Any | UserItem::User(_) | UserItem::Group(_)) => {
                !matches!(inner, UserItem::Group(group) if self.model.group(group).is_none())
            }
            (UserItem::Group(group), UserItem::User(user)) => {
                self.model.group(group).is_some_and(|group| has(group, user))
            }
            (many, inner) => many == inner,
        }) || match inner {
            UserItem::Group(group) => self.model.group(group).is_some_and(|group| {
                group.members.iter().all(|user| self.users_hold(outer, &UserItem::User(user.clone())))
            }),
            UserItem::Any | UserItem::None | UserItem::User(_) => false,
        }
    }

    /// Whether two tests can not both hold, signs aside.
    fn apart_plain(self, one: &Part<'_>, other: &Part<'_>) -> bool {
        match (&one.term.test, &other.term.test) {
            (Test::From(_), Test::From(_)) | (Test::To(_), Test::To(_)) => match (&one.flat, &other.flat) {
                (Some(one), Some(other)) => self.flats.disjoint(self.model, one, other),
                _ => false,
            },
            (Test::Listen(one), Test::Listen(other)) => one.iter().all(|name| !other.contains(name)),
            (Test::Method(one), Test::Method(other)) => {
                one.iter().all(|left| other.iter().all(|right| !meet(left, right)))
            }
            (Test::Port(one), Test::Port(other)) => ports_apart(one, other),
            (Test::ProxyProtocol(one), Test::ProxyProtocol(other)) => {
                one.iter().all(|name| !other.contains(name))
            }
            (Test::Time(_), Test::Time(_)) => match (&one.week, &other.week) {
                (Some(one), Some(other)) => one.is_disjoint(other),
                _ => false,
            },
            (Test::User(one), Test::User(other)) => {
                one.iter().all(|left| other.iter().all(|right| self.users_apart(left, right)))
            }
            (Test::User(users), Test::Method(methods)) | (Test::Method(methods), Test::User(users)) => {
                user_and_method_apart(users, methods)
            }
            (Test::Method(methods), Test::ProxyProtocol(spoken))
            | (Test::ProxyProtocol(spoken), Test::Method(methods)) => {
                method_and_protocol_apart(methods, spoken)
            }
            _ => false,
        }
    }

    fn users_apart(self, one: &UserItem, other: &UserItem) -> bool {
        match (one, other) {
            (UserItem::None, UserItem::None)
            | (UserItem::Any, UserItem::Any | UserItem::User(_) | UserItem::Group(_))
            | (UserItem::User(_) | UserItem::Group(_), UserItem::Any) => false,
            (UserItem::None, UserItem::Group(group)) | (UserItem::Group(group), UserItem::None) => {
                self.model.group(group).is_some()
            }
            (UserItem::None, UserItem::Any | UserItem::User(_))
            | (UserItem::Any | UserItem::User(_), UserItem::None) => true,
            (UserItem::User(one), UserItem::User(other)) => one != other,
            (UserItem::User(user), UserItem::Group(group))
            | (UserItem::Group(group), UserItem::User(user)) => {
                self.model.group(group).is_some_and(|group| !has(group, user))
            }
            (UserItem::Group(one), UserItem::Group(other)) => {
                match (self.model.group(one), self.model.group(other)) {
                    (Some(one), Some(other)) => one.members.iter().all(|user| !has(other, user)),
                    _ => false,
                }
            }
        }
    }
}

/// Why a rule matches nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Void {
    /// `command` and `protocol` leave no command.
    Commands,
    /// An `except` block that holds whenever the rule does.
    Except(usize),
    /// Two terms that exclude each other.
    Pair(usize, usize),
    /// One term that holds for nothing.
    Term(usize),
    /// All of them together leave nothing.
    Together,
}

fn has(group: &Group, user: &str) -> bool {
    group.members.binary_search_by(|member| (**member).cmp(user)).is_ok()
}

fn serves(many: &MethodSpec, one: &MethodSpec) -> bool {
    many.method == one.method && (many.service.is_none() || many.service == one.service)
}

fn meet(one: &MethodSpec, other: &MethodSpec) -> bool {
    one.method == other.method
        && (one.service.is_none() || other.service.is_none() || one.service == other.service)
}

fn ports_apart(one: &PortSet, other: &PortSet) -> bool {
    one.without(other) == *one
}

/// A method that gives no user never goes with a user, one that gives a user never without.
fn user_and_method_apart(users: &[UserItem], methods: &[MethodSpec]) -> bool {
    let nobody = users.iter().all(|user| *user == UserItem::None);
    let somebody = users.iter().all(|user| matches!(user, UserItem::Any | UserItem::User(_)));
    nobody && methods.iter().all(|spec| spec.method.names_a_user())
        || somebody && methods.iter().all(|spec| !spec.method.names_a_user())
}

/// SOCKS 4 has no passwords.
fn method_and_protocol_apart(methods: &[MethodSpec], spoken: &[ProxyProtocol]) -> bool {
    spoken.iter().all(|one| *one == ProxyProtocol::Socks4)
        && methods
            .iter()
            .all(|spec| matches!(spec.method, Method::Password | Method::PamUsername | Method::Gssapi))
}

fn week(windows: &[Window]) -> Option<Week> {
    let zone = windows.first()?.zone.clone();
    if windows.iter().any(|window| window.zone != zone) {
        return None;
    }
    let mut minutes = vec![0_u64; 158];
    for window in windows {
        for day in (0..7).filter(|day| window.days & (1 << day) != 0) {
            let (from, to) = (day * 1440 + u32::from(window.start), day * 1440 + u32::from(window.end));
            fill(&mut minutes, from, if window.start < window.end { to } else { to + 1440 });
        }
    }
    Some(Week { zone, minutes })
}

/// Sets the minutes from `from` up to, not including, `to`, round the end of the week.
fn fill(minutes: &mut [u64], from: u32, to: u32) {
    const WEEK: u32 = 7 * 1440;
    if to > WEEK {
        fill(minutes, 0, to - WEEK);
    }
    for (at, word) in (0..).zip(minutes.iter_mut()) {
        let (start, end) = (at * 64_u32, (at * 64 + 64).min(WEEK));
        let (low, high) = (from.clamp(start, end) - start, to.clamp(start, end) - start);
        if low < high {
            *word |= (u64::MAX >> (64 - (high - low))) << low;
        }
    }
}

impl Week {
    fn covers(&self, inner: &Self) -> bool {
        self.zone == inner.zone
            && self.minutes.iter().zip(&inner.minutes).all(|(outer, inner)| inner & !outer == 0)
    }

    fn is_disjoint(&self, other: &Self) -> bool {
        self.zone == other.zone
            && self.minutes.iter().zip(&other.minutes).all(|(one, other)| one & other == 0)
    }
}
