//! A policy as it is written: every word with its place, nothing looked up yet.
//!
//! **Comments and blank lines.** [`File::comments`] holds every comment in the order of the text;
//! they are in no other node. Whoever prints a tree walks it in the order of the text and puts out
//! the comments that lie between one node's end and the next node's start. Blank lines are kept
//! nowhere: two nodes (or comments) stand apart if the text between their spans holds two line
//! ends. [`Comment::own_line`] tells a comment that stands alone from one behind code.
//!
//! **Spellings.** [`Word::text`] is the one form that the language has (`pass` for `allow`,
//! `socksmethod` for `method`, `connect` for `CONNECT`), while the text under [`Word::span`] is
//! what was typed. Dante's `to: 0/0 port = 80` is read as `to: any  port: 80`: the tree has two
//! entries, with [`Entry::dante`] set on the second. Printing `text` is formatting; comparing the
//! trees of two texts with [`File::same_as`] looks at `text` and never at spans or comments.

use crate::source::{FileId, Span};

/// One text.
#[derive(Clone, Debug)]
pub struct File {
    /// Which.
    pub id: FileId,
    /// Its statements, in order.
    pub statements: Vec<Statement>,
    /// Its comments, in order.
    pub comments: Vec<Comment>,
    /// The whole text.
    pub span: Span,
}

/// `# …` up to the end of its line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Comment {
    /// From the `#` up to, not including, the line end.
    pub span: Span,
    /// Whether nothing but space stands before it on its line.
    pub own_line: bool,
}

/// One statement.
#[derive(Clone, Debug)]
pub struct Statement {
    /// From its first word to its last word or brace.
    pub span: Span,
    /// What it says.
    pub kind: StatementKind,
}

/// What a statement says.
#[derive(Clone, Debug)]
pub enum StatementKind {
    /// A text that is no statement; it is reported already.
    Broken(Broken),
    /// `default block` or `default { … }`.
    Default(Default),
    /// `include "…"`.
    Include(Include),
    /// `never pass { … }`.
    Invariant(Invariant),
    /// `lint allow RS0302 "reason"`.
    Lint(Lint),
    /// `policy 1`.
    Policy(Word),
    /// `client pass name { … }`.
    Rule(Rule),
    /// `set`, `ports`, `group`, `time`.
    Definition(Definition),
    /// `socksmethod: …`.
    Setting(Entry),
    /// `test "…" { … }`.
    Test(Test),
}

/// What is left of a text that is no statement.
#[derive(Clone, Debug, std::default::Default)]
pub struct Broken {
    /// Names that it may have meant to define: they count as defined, so that one mistake does
    /// not become many.
    pub names: Vec<Word>,
}

/// `default block` or the long form.
#[derive(Clone, Debug)]
pub enum Default {
    /// `default { client: pass  socks: block  log: error }`.
    Block(Block),
    /// `default block`.
    Verdict(Word),
}

/// `include "…"`.
#[derive(Clone, Debug)]
pub struct Include {
    /// The pattern, relative to the including file.
    pub path: Word,
    /// What it names, once loaded.
    pub files: Vec<FileId>,
}

/// `lint allow RS0302, RS0303 "reason"`.
#[derive(Clone, Debug)]
pub struct Lint {
    /// `allow`, `warn` or `deny`.
    pub level: Word,
    /// The codes.
    pub codes: Vec<Word>,
    /// Why.
    pub reason: Option<Word>,
}

/// Which kind of thing a definition defines.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum DefinitionKind {
    /// `group`: users.
    Group,
    /// `ports`.
    Ports,
    /// `set`: addresses and names.
    Set,
    /// `time`: hours.
    Time,
}

impl DefinitionKind {
    /// All, by keyword.
    pub const ALL: [Self; 4] = [Self::Group, Self::Ports, Self::Set, Self::Time];

    /// The keyword.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Ports => "ports",
            Self::Set => "set",
            Self::Time => "time",
        }
    }
}

/// `set name { … }` and its like.
#[derive(Clone, Debug)]
pub struct Definition {
    /// What is defined.
    pub kind: DefinitionKind,
    /// How it is called.
    pub name: Word,
    /// What it is.
    pub body: Body,
}

/// The right side of a definition.
#[derive(Clone, Debug)]
pub enum Body {
    /// `from "file"`.
    From(Word),
    /// `{ … }`.
    Values(BodyValues),
}

/// `{ value, value except value  key: value }`.
#[derive(Clone, Debug)]
pub struct BodyValues {
    /// The braces and all between.
    pub span: Span,
    /// The values.
    pub values: Values,
    /// The keys (`zone` of a `time`).
    pub entries: Vec<Entry>,
}

/// `client pass name { … }`.
#[derive(Clone, Debug)]
pub struct Rule {
    /// `client` or `socks`. Dante's bare `pass { … }` has `socks` here with an empty span.
    pub stage: Word,
    /// `pass` or `block`.
    pub verdict: Word,
    /// The name, if it has one.
    pub name: Option<Word>,
    /// What it says.
    pub block: Block,
    /// From the stage to the name.
    pub head: Span,
}

/// `{ key: values  except { … } }`.
#[derive(Clone, Debug)]
pub struct Block {
    /// The braces and all between.
    pub span: Span,
    /// What is in it, in order.
    pub members: Vec<Member>,
}

impl Block {
    /// Its keys, in order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.members.iter().filter_map(|member| match member {
            Member::Entry(entry) => Some(entry),
            Member::Except(_) => None,
        })
    }

    /// Its `except { … }`, in order.
    pub fn excepts(&self) -> impl Iterator<Item = &Except> {
        self.members.iter().filter_map(|member| match member {
            Member::Entry(_) => None,
            Member::Except(except) => Some(except),
        })
    }
}

/// One thing in a block.
#[derive(Clone, Debug)]
pub enum Member {
    /// `key: values`.
    Entry(Entry),
    /// `except { … }`.
    Except(Except),
}

/// `except { … }`.
#[derive(Clone, Debug)]
pub struct Except {
    /// From the word to the closing brace.
    pub span: Span,
    /// Its braces and all between.
    pub block: Span,
    /// Its keys.
    pub entries: Vec<Entry>,
}

/// `not key: values`.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The `not`, if there is one.
    pub not: Option<Span>,
    /// The key.
    pub key: Word,
    /// The values.
    pub values: Values,
    /// From the `not` or the key to the last value.
    pub span: Span,
    /// Whether it was Dante's `port = 80` behind an address.
    pub dante: bool,
}

impl Entry {
    /// Whether it has no value at all, which is reported already.
    pub fn is_hollow(&self) -> bool {
        matches!(&*self.values.include, [word] if word.form == Form::Broken && word.text.is_empty())
    }
}

/// `value, value except value`.
#[derive(Clone, Debug, std::default::Default)]
pub struct Values {
    /// What is in.
    pub include: Vec<Word>,
    /// The `except`, if there is one.
    pub but: Option<Span>,
    /// What is behind it.
    pub exclude: Vec<Word>,
}

impl Values {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Word> {
        self.include.iter().chain(&self.exclude)
    }
}

/// How a word was written.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Form {
    /// As it is.
    Bare,
    /// It is reported already: to be passed over in silence.
    Broken,
    /// In quotes.
    Quoted,
    /// Between slashes.
    Regex,
}

/// One word.
#[derive(Clone, Debug)]
pub struct Word {
    /// What it says, in the language's own spelling; without quotes or slashes.
    pub text: Box<str>,
    /// Where it stands, quotes and slashes included.
    pub span: Span,
    /// How it was written.
    pub form: Form,
}

impl Word {
    /// Whether it is this word, not in quotes.
    pub fn is(&self, text: &str) -> bool {
        self.form == Form::Bare && &*self.text == text
    }

    /// The set that it names, if it is an `@name`.
    pub fn reference(&self) -> Option<&str> {
        if self.form == Form::Bare { self.text.strip_prefix('@') } else { None }
    }
}

/// `test "name" { … }`.
#[derive(Clone, Debug)]
pub struct Test {
    /// What it is called.
    pub name: Option<Word>,
    /// From the word to the name.
    pub head: Span,
    /// The braces and all between.
    pub block: Span,
    /// Its cases.
    pub cases: Vec<Case>,
}

/// `pass company { … }`.
#[derive(Clone, Debug)]
pub struct Case {
    /// The verdict that is expected.
    pub verdict: Word,
    /// The rule that is expected to decide.
    pub rule: Option<Word>,
    /// The request.
    pub block: Block,
    /// The whole.
    pub span: Span,
}

/// `never pass { … }`.
#[derive(Clone, Debug)]
pub struct Invariant {
    /// `never` or `always`.
    pub kind: Word,
    /// The verdict.
    pub verdict: Word,
    /// Which requests.
    pub block: Block,
}
