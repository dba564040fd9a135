//! What both stages together say of a request, whose name may have several addresses, as a
//! connection finds it out.

use crate::decision::Answer;
use crate::model::{Model, RuleId, Stage};
use crate::oracle;
use crate::sample::Sample;
use std::net::IpAddr;

/// Which stage says what, of which address and by which rule.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settled {
    pub(crate) stage: Stage,
    pub(crate) answer: Answer,
    /// The address that settles it; `None` where no address is looked at.
    pub(crate) address: Option<IpAddr>,
    pub(crate) rule: Option<RuleId>,
    /// The rule that decided at the client stage, where the socks stage was asked too.
    pub(crate) admitted: Option<RuleId>,
}

impl Settled {
    /// Asks the naive interpreter.
    pub(crate) fn of(model: &Model, sample: &Sample) -> Self {
        let client = oracle::admit(model, &sample.client());
        if client.answer() == Answer::Block || sample.to.is_none() {
            let (answer, rule) = (client.answer(), client.rule());
            return Self { stage: Stage::Client, answer, address: None, rule, admitted: None };
        }
        let ask = |address| {
            let decision = oracle::decide(model, &sample.request(address));
            let (answer, rule) = (decision.answer(), decision.rule());
            Self { stage: Stage::Socks, answer, address, rule, admitted: client.rule() }
        };
        if sample.name().is_some() {
            let name = ask(None);
            if name.answer != Answer::NeedsAddress || sample.addresses.is_empty() {
                return name;
            }
        }
        let mut each: Vec<Self> = sample.addresses.iter().map(|&address| ask(Some(address))).collect();
        let wanted = if model.strict { Answer::Block } else { Answer::Pass };
        match each.iter().position(|one| one.answer == wanted) {
            Some(at) => each.swap_remove(at),
            None => each.into_iter().next().unwrap_or_else(|| ask(None)),
        }
    }
}
