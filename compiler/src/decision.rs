//! What comes out: a verdict, the rule behind it, and the right to dial.

use crate::model::RuleId;
use crate::request::Command;
use std::net::{IpAddr, SocketAddr};

/// The verdict on a request, as far as it is settled.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Answer {
    /// Refuse, whatever the name resolves to.
    Block,
    /// It depends on the address: resolve the name and ask again with each candidate.
    NeedsAddress,
    /// Let through. Of a name without an address: whatever it resolves to.
    Pass,
}

/// A decision.
#[derive(Debug)]
#[must_use]
pub struct Decision {
    answer: Answer,
    rule: Option<RuleId>,
    permit: Option<Permit>,
}

impl Decision {
    pub(crate) fn new(answer: Answer, rule: Option<RuleId>) -> Self {
        Self { answer, rule, permit: None }
    }

    /// Adds the right to reach one address, if the answer is Pass.
    pub(crate) fn with_permit(mut self, address: Option<IpAddr>, port: u16, command: Command) -> Self {
        if let (Answer::Pass, Some(address)) = (self.answer, address) {
            let target = SocketAddr::new(address, port);
            self.permit = Some(Permit { target, command, rule: self.rule });
        }
        self
    }

    /// The verdict.
    pub fn answer(&self) -> Answer {
        self.answer
    }

    /// The rule that decided; `None` for the default.
    pub fn rule(&self) -> Option<RuleId> {
        self.rule
    }

    /// The right to reach the address that was decided upon: there is one exactly if the answer
    /// is Pass and the request had an address.
    pub fn into_permit(self) -> Option<Permit> {
        self.permit
    }
}

/// The right to reach one address and port. Only a decision makes one, and dialling takes one:
/// no byte can reach a target undecided.
#[derive(Debug, Eq, PartialEq)]
pub struct Permit {
    target: SocketAddr,
    command: Command,
    rule: Option<RuleId>,
}

impl Permit {
    /// The address and port.
    pub fn target(&self) -> SocketAddr {
        self.target
    }

    /// What may be done with it.
    pub fn command(&self) -> Command {
        self.command
    }

    /// The rule that let it through; `None` for the default.
    pub fn rule(&self) -> Option<RuleId> {
        self.rule
    }
}
