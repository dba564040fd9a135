//! The words that there are: keys with the blocks they may stand in, and the codes of diagnostics.

use crate::model::Stage;

/// A block with keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// A case of a `test`.
    Case,
    /// `except { … }` of a stage.
    Except(Stage),
    /// `never` and `always`.
    Invariant,
    /// A rule of a stage.
    Rule(Stage),
}

impl Place {
    /// The stage whose keys it has.
    pub fn stage(self) -> Stage {
        match self {
            Self::Except(stage) | Self::Rule(stage) => stage,
            Self::Case | Self::Invariant => Stage::Socks,
        }
    }
}

/// What a key is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// A part of the request that a test case makes.
    Case,
    /// Something that must hold.
    Condition,
    /// What happens beside the verdict.
    Effect,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// How it is written.
    pub name: &'static str,
    /// Whether client rules have it.
    pub client: bool,
    /// Whether socks rules have it.
    pub socks: bool,
    /// What it is for.
    pub role: Role,
}

impl Key {
    /// Whether it may stand there.
    pub fn fits(&self, place: Place) -> bool {
        match place {
            Place::Case => {
                self.role == Role::Case
                    || self.socks && self.role == Role::Condition && self.name != "expires"
                    || self.name == "clientmethod"
            }
            Place::Except(stage) => self.role == Role::Condition && self.at(stage),
            Place::Invariant => self.role == Role::Condition && self.socks,
            Place::Rule(stage) => self.role != Role::Case && self.at(stage),
        }
    }

    fn at(&self, stage: Stage) -> bool {
        match stage {
            Stage::Client => self.client,
            Stage::Socks => self.socks,
        }
    }
}

const fn key(name: &'static str, client: bool, socks: bool, role: Role) -> Key {
    Key { name, client, socks, role }
}

/// All keys, by name.
pub const KEYS: [Key; 19] = [
    key("cert", true, true, Role::Condition),
    key("clientmethod", true, false, Role::Condition),
    key("command", false, true, Role::Condition),
    key("expires", true, true, Role::Condition),
    key("from", true, true, Role::Condition),
    key("group", false, true, Role::Condition),
    key("listen", true, true, Role::Condition),
    key("log", true, true, Role::Effect),
    key("note", true, true, Role::Effect),
    key("port", false, true, Role::Condition),
    key("priority", true, true, Role::Effect),
    key("protocol", false, true, Role::Condition),
    key("proxyprotocol", false, true, Role::Condition),
    key("reply", true, true, Role::Effect),
    key("resolves", false, true, Role::Case),
    key("socksmethod", false, true, Role::Condition),
    key("time", true, true, Role::Condition),
    key("to", false, true, Role::Condition),
    key("user", false, true, Role::Condition),
];

/// Keys that the language will have once they are enforced.
pub const LATER: [&str; 5] = ["country", "egress", "limit", "redirect", "via"];
