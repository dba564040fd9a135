//! A live session before a policy that came after it.

use super::attempt::Attempt;
use super::judge::Judge;
use super::who::Who;
use crate::connection::Blocked;
use crate::server::Road;
use crate::socks::Ask;
use rustsocks_compiler::Policy;
use rustsocks_compiler::model::Host;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch::Receiver;

/// Changes of the policy since a connection took its own: one that came while the session was
/// being established is among them.
pub(super) fn changes_since(road: &Road, policy: &Arc<Policy>) -> Receiver<u64> {
    let mut changes = road.policy.subscribe();
    if !Arc::ptr_eq(policy, &road.policy.load()) {
        changes.mark_changed();
    }
    changes
}

/// Asks again whenever the policy changes; done once one blocks what is under way. Without
/// somebody to ask about it never is.
pub(super) async fn blocked(
    road: &Road,
    policy: Arc<Policy>,
    asked: Option<Box<(Who, Ask)>>,
    target: Option<SocketAddr>,
    attempt: &mut Attempt,
) {
    let (Some(mut asked), Some(target)) = (asked, target) else { return std::future::pending().await };
    let mut changes = changes_since(road, &policy);
    while changes.changed().await.is_ok() {
        let policy = road.policy.load();
        // They stay in their box: every tunnel holds this future.
        let (who, ask) = &mut *asked;
        who.principal = policy.principal(who.principal.user().cloned(), who.principal.groups().to_vec());
        let decision = policy.admit(&who.caller.client());
        if decision.answer() == rustsocks_compiler::Answer::Block {
            attempt.blocked(&policy, &decision);
            return;
        }
        let name = match &ask.host {
            Host::Name(name) => Some(name),
            Host::Address(_) => None,
        };
        let judge = Judge { road, policy: &policy, who };
        if let Err(Blocked::Rule(rule)) = judge.permit(ask.command, name, target.ip(), target.port()) {
            attempt.decided(&policy, false, rule);
            return;
        }
    }
    std::future::pending().await
}
