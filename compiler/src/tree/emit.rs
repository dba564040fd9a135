//! The trees as text, for those who want to see them: indented, as RON, and as a graph for
//! Graphviz.

use super::Policy;
use super::addresses::Addresses;
use super::space::Dim;
use super::walk::{LEAF, NOTHING, Node};
use crate::compile::Ranks;
use crate::model::AddressRange;
use std::fmt::Write;
use std::net::IpAddr;

/// A tree as people see it.
enum Shape {
    /// Classes with what follows, and what follows in any case.
    Fork(Dim, Vec<(String, Shape)>, Option<Box<Shape>>),
    /// Rules, the first that matches decides.
    Leaf(Vec<String>),
}

impl Policy {
    /// The trees, indented.
    pub fn emit_tree(&self) -> String {
        let mut text = String::new();
        for (name, shape) in self.shapes() {
            _ = writeln!(text, "{name}");
            indented(&shape, 1, &mut text);
        }
        text
    }

    /// The trees as RON.
    pub fn emit_ron(&self) -> String {
        let mut text = String::from("{\n");
        for (name, shape) in self.shapes() {
            _ = write!(text, "    {name:?}: ");
            ron(&shape, 1, &mut text);
            text.push_str(",\n");
        }
        text.push_str("}\n");
        text
    }

    /// The trees as a graph in the language of Graphviz.
    pub fn emit_dot(&self) -> String {
        let mut text = String::from("digraph policy {\n  rankdir=LR\n  node [shape=box]\n");
        let mut next = 0;
        for (name, shape) in self.shapes() {
            let root = dot(&shape, &mut next, &mut text);
            _ = writeln!(text, "  t{root} [label={name:?} shape=plaintext]\n  t{root} -> n{root}");
        }
        text.push_str("}\n");
        text
    }

    fn shapes(&self) -> Vec<(&'static str, Shape)> {
        let trees = self.trees();
        trees.into_iter().map(|(name, grown, ranks)| (name, self.shape(grown.tree.root, ranks))).collect()
    }

    fn shape(&self, branch: u32, ranks: &Ranks) -> Shape {
        let forest = &self.compiled.forest;
        let fork = (branch & LEAF == 0).then(|| forest.nodes.get(branch as usize)).flatten();
        let Some(node) = fork else {
            return Shape::Leaf(forest.leaf(branch).map(|entry| self.called(entry.rank, ranks)).collect());
        };
        let arms = self.arms(node).into_iter().filter(|&(.., branch)| branch != NOTHING);
        let arms = arms
            .map(|(first, last, branch)| (self.describe(node.dim, first, last), self.shape(branch, ranks)))
            .collect();
        let rest = (node.rest != NOTHING).then(|| Box::new(self.shape(node.rest, ranks)));
        Shape::Fork(node.dim, arms, rest)
    }

    fn called(&self, rank: u32, ranks: &Ranks) -> String {
        if rank == ranks.blocks {
            return "may block".into();
        }
        if rank == ranks.last() {
            return "may pass".into();
        }
        let verdict = if rank < ranks.blocks { "block" } else { "pass" };
        format!("{verdict} {}", self.name(ranks.rule(rank)).label)
    }

    /// The branches of a node with their first and last classes; neighbours that lead to one
    /// place are one.
    fn arms(&self, node: &Node) -> Vec<(u32, u32, u32)> {
        let arms = &self.compiled.forest.arms;
        let (from, count) = (node.arms as usize, node.count as usize);
        let of = |from: usize| arms.get(from..from + count).unwrap_or_default();
        let singles: Vec<(u32, u32, u32)> = if node.dense {
            (node.base..).zip(of(from)).map(|(class, &branch)| (class, class, branch)).collect()
        } else {
            let (starts, branches) = (of(from), of(from + count));
            let ends = starts.iter().skip(1).map(|&next| next - 1).chain([u32::MAX]);
            starts
                .iter()
                .zip(ends)
                .zip(branches)
                .map(|((&first, last), &branch)| (first, last, branch))
                .collect()
        };
        let mut joined: Vec<(u32, u32, u32)> = Vec::new();
        for (first, last, branch) in singles {
            match joined.last_mut() {
                Some(before) if before.2 == branch => before.1 = last,
                _ => joined.push((first, last, branch)),
            }
        }
        joined
    }

    fn describe(&self, dim: Dim, first: u32, last: u32) -> String {
        let space = &self.compiled.space;
        let each = |name: &dyn Fn(u32) -> String| match first == last {
            true => name(first),
            false => format!("{} … {}", name(first), name(last)),
        };
        match dim {
            Dim::From => addresses(&space.from, first, last),
            Dim::To => addresses(&space.to, first, last),
            Dim::Name => each(&|class| space.names.describe(class)),
            Dim::Port => {
                let start = space.ports.start(first).unwrap_or(0);
                let end = space.ports.start(last.saturating_add(1)).map_or(u16::MAX, |next| next - 1);
                crate::model::PortRange { first: start, last: end }.to_string()
            }
            Dim::Command => each(&|class| {
                let command = crate::request::Command::ALL.get(class as usize);
                command.map_or_else(|| "?".into(), ToString::to_string)
            }),
            Dim::Proxy => each(&|class| {
                ["http", "socks4", "socks5"].get(class as usize).map_or("?", |name| name).to_string()
            }),
            Dim::Method => each(&|class| space.methods.describe(class)),
            Dim::Listener => each(&|class| match class.checked_sub(1) {
                Some(at) => space.listeners.get(at as usize).map_or_else(|| "?".into(), ToString::to_string),
                None => "other listeners".into(),
            }),
            Dim::Who => each(&|token| space.principals.name(token).to_string()),
            Dim::Pattern => each(&|token| space.patterns.name(token)),
        }
    }
}

fn addresses(classes: &Addresses, first: u32, last: u32) -> String {
    let Some(start) = classes.start(first) else { return "?".into() };
    let next = classes.start(last.saturating_add(1)).filter(|next| next.is_ipv4() == start.is_ipv4());
    let end: IpAddr = match (start, next) {
        (_, Some(IpAddr::V4(next))) => std::net::Ipv4Addr::from_bits(next.to_bits().wrapping_sub(1)).into(),
        (_, Some(IpAddr::V6(next))) => std::net::Ipv6Addr::from_bits(next.to_bits().wrapping_sub(1)).into(),
        (IpAddr::V4(_), None) => AddressRange::ANY4.last(),
        (IpAddr::V6(_), None) => AddressRange::ANY6.last(),
    };
    AddressRange::new(start, end).map_or_else(|| format!("{start}-{end}"), |range| range.to_string())
}

fn indented(shape: &Shape, depth: usize, text: &mut String) {
    let margin = "  ".repeat(depth);
    match shape {
        Shape::Leaf(rules) if rules.is_empty() => _ = writeln!(text, "{margin}default"),
        Shape::Leaf(rules) => _ = writeln!(text, "{margin}{}", rules.join(", else ")),
        Shape::Fork(dim, arms, rest) => {
            _ = writeln!(text, "{margin}{}", dim.name());
            for (class, shape) in arms {
                _ = writeln!(text, "{margin}  {class}:");
                indented(shape, depth + 2, text);
            }
            if let Some(rest) = rest {
                _ = writeln!(text, "{margin}in any case");
                indented(rest, depth + 1, text);
            }
        }
    }
}

fn ron(shape: &Shape, depth: usize, text: &mut String) {
    let margin = "    ".repeat(depth);
    match shape {
        Shape::Leaf(rules) => _ = write!(text, "Leaf({rules:?})"),
        Shape::Fork(dim, arms, rest) => {
            _ = write!(text, "Fork(\n{margin}    on: {:?},\n{margin}    arms: {{\n", dim.name());
            for (class, shape) in arms {
                _ = write!(text, "{margin}        {class:?}: ");
                ron(shape, depth + 2, text);
                text.push_str(",\n");
            }
            _ = write!(text, "{margin}    }},\n{margin}    rest: ");
            match rest {
                Some(rest) => {
                    text.push_str("Some(");
                    ron(rest, depth + 1, text);
                    text.push(')');
                }
                None => text.push_str("None"),
            }
            _ = write!(text, ",\n{margin})");
        }
    }
}

/// Writes a node and all below it; gives its number.
fn dot(shape: &Shape, next: &mut usize, text: &mut String) -> usize {
    let own = *next;
    *next += 1;
    match shape {
        Shape::Leaf(rules) if rules.is_empty() => _ = writeln!(text, "  n{own} [label=\"default\"]"),
        Shape::Leaf(rules) => _ = writeln!(text, "  n{own} [label={:?}]", rules.join("\n")),
        Shape::Fork(dim, arms, rest) => {
            _ = writeln!(text, "  n{own} [label={:?} shape=ellipse]", dim.name());
            for (class, shape) in arms {
                let below = dot(shape, next, text);
                _ = writeln!(text, "  n{own} -> n{below} [label={class:?}]");
            }
            if let Some(rest) = rest {
                let below = dot(rest, next, text);
                _ = writeln!(text, "  n{own} -> n{below} [style=dashed]");
            }
        }
    }
    own
}
