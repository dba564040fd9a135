//! Sets of addresses and names, and groups of users.

use super::{AddressRange, Builtin, NamePattern, PortSet};
use crate::list::List;
use crate::source::Span;
use std::sync::Arc;

/// A set of a policy, as an index into [`super::Model::sets`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SetId(pub u32);

/// `set name { … }` or `set name from "file"`.
#[derive(Clone, Debug)]
pub struct NamedSet {
    /// The name without its `@`.
    pub name: Arc<str>,
    /// Where the name stands.
    pub span: Span,
    /// What it holds.
    pub body: SetBody,
}

/// What a set holds.
#[derive(Clone, Debug)]
pub enum SetBody {
    /// Values in the policy.
    Expr(SetExpr),
    /// A list file; shared between generations of a policy where the content is the same.
    List(Arc<List>),
}

/// Values joined by OR, less those behind `except`.
#[derive(Clone, Debug, Default)]
pub struct SetExpr {
    /// What is in.
    pub include: Vec<SetItem>,
    /// What is taken out of the whole.
    pub exclude: Vec<SetItem>,
}

/// One value with its place.
#[derive(Clone, Debug)]
pub struct SetItem {
    /// Where it stands.
    pub span: Span,
    /// What it says.
    pub kind: SetItemKind,
}

/// One value.
#[derive(Clone, Debug)]
pub enum SetItemKind {
    /// `any`: every name and every address.
    Any,
    /// `@private` and its like.
    Builtin(Builtin),
    /// `literal`: any request by address.
    Literal,
    /// Names.
    Name(NamePattern),
    /// `name`: any request by name.
    Named,
    /// `host:port`: the inner value and the ports at once.
    Ported(Box<SetItemKind>, PortSet),
    /// Addresses; also `any4` and `any6`.
    Range(AddressRange),
    /// `@name`.
    Set(SetId),
}

/// `group name { … }`, with the groups that it names written out.
#[derive(Clone, Debug)]
pub struct Group {
    /// The name.
    pub name: Arc<str>,
    /// Where the name stands.
    pub span: Span,
    /// Users, sorted, once each.
    pub members: Vec<Arc<str>>,
}
