//! What rules are called in records: worked out when a rule first decides, shared from then on, so
//! that a connection neither formats nor counts lines.

use crate::model::{Model, RuleId};
use std::sync::{Arc, OnceLock};

/// What a rule is called in records.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RuleName {
    /// Its name, or its place as `file:line`; `default` for no rule. See [`Model::label`].
    pub label: Arc<str>,
    /// Its place as `file:line`; empty for the default.
    pub place: Arc<str>,
}

/// The names of all rules of a policy, and of the default.
#[derive(Debug)]
pub(super) struct Names {
    rules: Box<[OnceLock<RuleName>]>,
    default: RuleName,
}

impl Names {
    /// Room for the names of as many rules.
    pub(super) fn new(rules: usize) -> Self {
        let default = RuleName { label: "default".into(), place: "".into() };
        Self { rules: (0..rules).map(|_| OnceLock::new()).collect(), default }
    }

    /// The name of a rule of this model.
    pub(super) fn of(&self, model: &Model, id: Option<RuleId>) -> &RuleName {
        let found = id.and_then(|id| Some((id, model.rule(id)?, self.rules.get(id.0 as usize)?)));
        let Some((id, rule, name)) = found else { return &self.default };
        name.get_or_init(|| RuleName { label: model.label(id).into(), place: model.line(rule.head).into() })
    }
}
