//! Asks the policy about targets, resolving names in between, and turns what passes into permits.

use super::attempt::Attempt;
use super::talk::Refusal;
use super::who::Who;
use crate::resolve::ResolveError;
use crate::server::Road;
use crate::session::CloseReason;
use rustsocks_compiler::model::{self, Host, Name, RuleId};
use rustsocks_compiler::request::{Command, Target};
use rustsocks_compiler::{Answer, Decision, Permit, Policy};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Instant;

/// A client's requests before the policy.
#[derive(Clone, Copy)]
pub struct Judge<'a> {
    /// Who resolves names, and which addresses are our own.
    pub road: &'a Road,
    /// The policy of the connection.
    pub policy: &'a Policy,
    /// Who asks.
    pub who: &'a Who,
}

/// Why an address is out of reach.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Blocked {
    /// It is our own.
    Loop,
    /// By a rule, or by the default.
    Rule(Option<RuleId>),
    /// The name could not be resolved.
    Unresolved(ResolveError),
}

/// The most addresses of one name that are tried.
const MOST_TRIED: usize = 16;

impl Judge<'_> {
    /// The right to reach each address of a host that passes, those to be preferred first. Where
    /// the policy is strict, one address that is blocked blocks all.
    ///
    /// # Errors
    /// Says why there is none.
    pub async fn permits(&self, command: Command, host: &Host, port: u16) -> Result<Vec<Permit>, Blocked> {
        let name = match host {
            Host::Address(address) => return Ok(vec![self.permit(command, None, *address, port)?]),
            Host::Name(name) => name,
        };
        self.name_may_pass(command, name, port)?;
        let addresses = self.road.resolver.addresses(name).await.map_err(Blocked::Unresolved)?;
        self.settle(command, name, port, &addresses)
    }

    /// The right to reach each address of a name that passes, up to as many as are ever tried. All
    /// of them are judged. Where the policy is strict, one that is blocked blocks all.
    ///
    /// # Errors
    /// Says why there is none.
    pub fn settle(
        &self,
        command: Command,
        name: &Name,
        port: u16,
        addresses: &[IpAddr],
    ) -> Result<Vec<Permit>, Blocked> {
        let (mut permits, mut blocked) = (Vec::with_capacity(addresses.len().min(MOST_TRIED)), None);
        for &address in addresses {
            match self.permit(command, Some(name), address, port) {
                Ok(permit) if permits.len() < MOST_TRIED => permits.push(permit),
                Ok(_) => {}
                Err(why) => _ = blocked.get_or_insert(why),
            }
        }
        match blocked {
            Some(why) if permits.is_empty() || self.policy.model().strict => Err(why),
            _ => Ok(permits),
        }
    }

    /// Whether a name has a chance at all: one that has none is never looked up.
    ///
    /// # Errors
    /// Names the rule that blocks it.
    pub fn name_may_pass(&self, command: Command, name: &Name, port: u16) -> Result<(), Blocked> {
        let target = Target { name: Some(name), address: None, port };
        let decision = self.decide(command, target);
        match decision.answer() {
            Answer::Block => Err(Blocked::Rule(decision.rule())),
            Answer::NeedsAddress | Answer::Pass => Ok(()),
        }
    }

    /// The right to reach one address. The unspecified address is this host to most systems, so
    /// it must pass as that too, and that is what is dialled.
    ///
    /// # Errors
    /// Names the rule that blocks it.
    pub fn permit(
        &self,
        command: Command,
        name: Option<&Name>,
        address: IpAddr,
        port: u16,
    ) -> Result<Permit, Blocked> {
        let decide = |address| {
            let target = Target { name, address: Some(address), port };
            let decision = self.decide(command, target);
            let rule = decision.rule();
            decision.into_permit().ok_or(Blocked::Rule(rule))
        };
        let permit = decide(address)?;
        if matches!(command, Command::Bind | Command::BindReply | Command::UdpReply) {
            return Ok(permit);
        }
        let permit = match address {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => decide(Ipv4Addr::LOCALHOST.into())?,
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => decide(Ipv6Addr::LOCALHOST.into())?,
            _ => permit,
        };
        match self.road.ourselves.is(permit.target()) {
            true => Err(Blocked::Loop),
            false => Ok(permit),
        }
    }

    fn decide(&self, command: Command, target: Target<'_>) -> Decision {
        let start = Instant::now();
        let decision = self.policy.decide(&self.who.request(command, target));
        self.road.sessions.decided(start.elapsed());
        decision
    }

    /// The rule that speaks of a peer of ours that sent something on its own, if it passes.
    ///
    /// # Errors
    /// Names the rule that blocks it.
    pub fn reply(&self, command: Command, peer: SocketAddr) -> Result<Permit, Blocked> {
        self.permit(command, None, model::canonical(peer.ip()), peer.port())
    }

    /// Notes in the record that it is blocked; gives what the client is told.
    pub(super) fn refuse(&self, blocked: Blocked, attempt: &mut Attempt) -> Refusal {
        if let Blocked::Rule(rule) = blocked {
            attempt.decided(self.policy, false, rule);
        }
        self.refusal(blocked)
    }

    /// What a client is told of a block.
    pub fn refusal(&self, blocked: Blocked) -> Refusal {
        match blocked {
            Blocked::Loop => CloseReason::Loop.into(),
            Blocked::Rule(rule) => {
                let rule = rule.and_then(|rule| self.policy.model().rule(rule));
                let manner = rule.map_or(model::Reply::Blocked, |rule| rule.reply);
                Refusal { reason: CloseReason::BlockedRequest, manner }
            }
            Blocked::Unresolved(ResolveError::Failed) => CloseReason::ResolverFailed.into(),
            Blocked::Unresolved(ResolveError::NotFound) => CloseReason::NameNotFound.into(),
        }
    }
}
