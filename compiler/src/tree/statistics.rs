//! What a compiled policy amounts to, in figures.

use super::space::Dim;
use super::{Policy, walk::LAST};
use crate::compile::Grown;
use std::fmt;

/// The size of a compiled policy and of its trees.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Statistics {
    /// Rules of both stages.
    pub rules: usize,
    /// Forks of all trees.
    pub nodes: usize,
    /// Leaves of all trees.
    pub leaves: usize,
    /// Rules in all leaves: more than there are rules, as far as they had to be copied.
    pub entries: usize,
    /// Forks on the longest path.
    pub depth: u32,
    /// Rules that one decision examines at worst.
    pub worst_checks: usize,
    /// Bytes of trees and classifiers; lists are not counted.
    pub bytes: usize,
    /// Bytes of lists, which generations of a policy share.
    pub list_bytes: usize,
    /// Classes of each dimension that the policy speaks of.
    pub classes: Vec<(&'static str, usize)>,
}

impl Policy {
    /// Measures the policy.
    pub fn statistics(&self) -> Statistics {
        let compiled = &self.compiled;
        let trees = self.trees();
        let speaks_of = |dim: Dim, count: usize| match dim {
            Dim::Command | Dim::Proxy => false,
            Dim::From | Dim::To | Dim::Name | Dim::Who => count > 2,
            Dim::Listener | Dim::Port => count > 1,
            Dim::Method => count > 6,
            Dim::Pattern => count > 0,
        };
        let classes = Dim::ALL.into_iter().map(|dim| (dim, compiled.space.classes(dim)));
        Statistics {
            rules: self.model.rules.len(),
            nodes: compiled.forest.nodes.len(),
            leaves: compiled.forest.entries.iter().filter(|entry| entry.checks & LAST != 0).count(),
            entries: compiled.forest.entries.len(),
            depth: trees.iter().map(|(_, grown, _)| grown.depth).max().unwrap_or(0),
            worst_checks: trees.iter().map(|(_, grown, _)| grown.worst).max().unwrap_or(0),
            bytes: compiled.space.bytes() + compiled.forest.bytes(),
            list_bytes: compiled.space.lists.iter().map(|list| list.bytes()).sum(),
            classes: classes
                .filter(|&(dim, count)| speaks_of(dim, count))
                .map(|(dim, count)| (dim.name(), count))
                .collect(),
        }
    }

    /// The trees by name, with the rules that their ranks speak of.
    pub(super) fn trees(&self) -> [(&'static str, &Grown, &crate::compile::Ranks); 6] {
        let compiled = &self.compiled;
        [
            ("client stage", &compiled.admit, &compiled.client),
            ("request with an address", &compiled.whole, &compiled.socks),
            ("request by a name that is not resolved", &compiled.by_name, &compiled.socks),
            ("request whose target comes later", &compiled.before_target, &compiled.socks),
            ("offer of methods with a user", &compiled.offer, &compiled.socks),
            ("offer of methods without a user", &compiled.nameless, &compiled.socks),
        ]
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "rules         {}", self.rules)?;
        writeln!(f, "nodes         {}", self.nodes)?;
        writeln!(f, "leaves        {}", self.leaves)?;
        writeln!(f, "entries       {}", self.entries)?;
        writeln!(f, "depth         {}", self.depth)?;
        writeln!(f, "worst checks  {}", self.worst_checks)?;
        writeln!(f, "bytes         {}", self.bytes)?;
        writeln!(f, "list bytes    {}", self.list_bytes)?;
        for (dimension, count) in &self.classes {
            writeln!(f, "classes       {count} of {dimension}")?;
        }
        Ok(())
    }
}
