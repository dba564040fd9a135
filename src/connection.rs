//! THE ROAD: what happens to a connection, from accept to its record. The first file to read.
//!
//! ```text
//! accept → client stage → handshake → authenticate → socks stage ⇄ resolve → dial → reply → relay → record
//! ```
//!
//! Up to the reply everything lives in one boxed future, which is gone once bytes flow: an idle
//! tunnel is two sockets and a few hundred bytes.

mod associate;
mod attempt;
mod bind;
mod handshake;
mod judge;
mod ports;
mod recheck;
mod talk;
mod who;

pub use attempt::Attempt;
pub use judge::{Blocked, Judge};
pub use talk::{NOWHERE, Refusal, Talk};
pub use who::{Caller, Who};

use crate::auth::AuthError;
use crate::relay::{Stream, Tunnel};
use crate::server::{Arrival, Road};
use crate::session::CloseReason;
use crate::socks::{Ask, Reply};
use handshake::Handshake;
use rustsocks_compiler::model::canonical;
use rustsocks_compiler::request::{Command, Method};
use rustsocks_compiler::{Answer, Policy};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::time::Instant;

/// Serves one connection. Its record goes out when this returns, or is dropped.
pub async fn serve(road: Arc<Road>, mut arrival: Arrival) {
    let policy = road.policy.load();
    let listener = Arc::clone(arrival.door.name());
    let mut attempt = Attempt::new(road.sessions.clone(), arrival.client, listener, &policy);
    let mut place = arrival.place.take();
    let reason = match Box::pin(establish(&road, &policy, arrival, &mut attempt, &mut place)).await {
        Ok(Passage::Tunnel(tunnel, asked)) => carry(&road, policy, tunnel, asked, &mut attempt).await,
        Ok(Passage::Datagrams(opened, control)) => {
            Box::pin(associate::relay(&road, policy, *opened, control, &mut attempt)).await
        }
        Err(reason) => reason,
    };
    attempt.end(reason);
}

/// What the road leads to.
enum Passage {
    Datagrams(Box<associate::Opened>, Stream),
    Tunnel(Box<Tunnel>, Box<(Who, Ask)>),
}

/// What a request has opened.
enum Way {
    Bytes(Stream, Box<(Who, Ask)>),
    Datagrams(Box<associate::Opened>),
}

/// Everything before bytes flow. Whoever gets no further is told so, as far as it is to know.
async fn establish(
    road: &Arc<Road>,
    policy: &Arc<Policy>,
    arrival: Arrival,
    attempt: &mut Attempt,
    place: &mut Option<crate::limits::Place>,
) -> Result<Passage, CloseReason> {
    let deadline = Instant::now() + road.settings.timeouts.handshake.get();
    let door = Arc::clone(&arrival.door);
    let (caller, stream) = arrival.meet(road, deadline, place, attempt).await?;
    let mut talk = Talk::new(stream, deadline);
    let way = async {
        let caller = admit(road, policy, caller, attempt).await?;
        let handshake = Handshake { road, policy, door: &door, caller, attempt };
        let (who, ask) = handshake.request(&mut talk).await?;
        if let Some(place) = place {
            place.settle();
        }
        let judge = Judge { road, policy, who: &who };
        let target = match ask.command {
            Command::Bind => bind::bind(judge, &ask, attempt, &mut talk).await?,
            Command::Connect => connect(judge, &ask, attempt, &mut talk).await?,
            Command::UdpAssociate => {
                let opened = associate::open(road, policy, (who, ask), attempt, &mut talk).await?;
                return Ok(Way::Datagrams(Box::new(opened)));
            }
            Command::BindReply | Command::UdpReply => return Err(CloseReason::CommandNotSupported.into()),
        };
        Ok(Way::Bytes(target, Box::new((who, ask))))
    };
    let way: Result<_, Refusal> = way.await;
    match way {
        Ok(Way::Datagrams(opened)) => Ok(Passage::Datagrams(opened, talk.into_parts().0)),
        Ok(Way::Bytes(target, asked)) => {
            let (client, early) = talk.into_parts();
            Ok(Passage::Tunnel(Box::new(Tunnel::new(client, target, early)), asked))
        }
        Err(refusal) => {
            talk.refuse(refusal).await;
            Err(refusal.reason)
        }
    }
}

/// The client stage: whether this client may speak to us at all.
async fn admit(
    road: &Road,
    policy: &Policy,
    mut caller: Caller,
    attempt: &mut Attempt,
) -> Result<Caller, Refusal> {
    if road.auth.is_penalised(caller.address) {
        return Err(CloseReason::Penalised.into());
    }
    let methods = &policy.model().client_methods;
    let (mut failed, mut refused) = (None, false);
    for spec in methods {
        match spec.method {
            Method::PamAddress => match road.auth.address(spec, caller.address).await {
                Ok(_) => caller.method = Method::PamAddress,
                Err(error) => {
                    refused |= error == AuthError::Refused;
                    failed = Some(handshake::reason_of(error));
                    continue;
                }
            },
            Method::Certificate if !caller.certificate.is_empty() => caller.method = Method::Certificate,
            Method::None => {}
            Method::Certificate | Method::Gssapi | Method::PamUsername | Method::Password => {
                failed.get_or_insert(CloseReason::AuthenticationFailed);
                continue;
            }
        }
        failed = None;
        break;
    }
    let decision = policy.admit(&caller.client());
    if decision.answer() == Answer::Block {
        attempt.blocked(policy, &decision);
        return Err(CloseReason::BlockedClient.into());
    }
    match failed {
        // Fails closed: whoever passed no method that the policy asks for gets no further.
        Some(reason) => {
            if refused {
                road.auth.turned_away(caller.address);
            }
            Err(reason.into())
        }
        None => Ok(caller),
    }
}

/// CONNECT: decide, resolve, decide again, dial, reply.
async fn connect(
    judge: Judge<'_>,
    ask: &Ask,
    attempt: &mut Attempt,
    talk: &mut Talk,
) -> Result<Stream, Refusal> {
    let permits = judge.permits(Command::Connect, &ask.host, ask.port).await;
    let permits = permits.map_err(|blocked| judge.refuse(blocked, attempt))?;
    let first = permits.first().map(|permit| (permit.target(), permit.rule()));
    if let Some((target, rule)) = first {
        attempt.decided(judge.policy, true, rule);
        attempt.note(|record| record.target = Some(target));
    }
    // Both may be dropped: nobody is left to be told, or nothing is left to wait for.
    let dialled = tokio::select! {
        dialled = judge.road.dialer.dial(permits) => dialled?,
        gone = talk.broken() => return Err(gone),
    };
    let local = dialled.stream.local_addr().map_err(|_| CloseReason::InternalError)?;
    if first.is_none_or(|(target, _)| target != dialled.permit.target()) {
        attempt.decided(judge.policy, true, dialled.permit.rule());
        attempt.note(|record| record.target = Some(dialled.permit.target()));
    }
    attempt.note(|record| record.egress = Some(canonical(local.ip())));
    attempt.establish();
    talk.reply(Reply::Succeeded, local).await?;
    Ok(Stream::Tcp(dialled.stream))
}

/// Relays until one of the two ends it, a clock runs out, or somebody cuts it.
async fn carry(
    road: &Road,
    policy: Arc<Policy>,
    tunnel: Box<Tunnel>,
    asked: Box<(Who, Ask)>,
    attempt: &mut Attempt,
) -> CloseReason {
    let Some(live) = attempt.establish() else { return CloseReason::InternalError };
    let recheck = road.settings.policy.ask_live_sessions_again.then_some(asked);
    let counters = Arc::clone(&live.counters);
    // Pinned here, since a future that is handed on takes its room twice.
    let cut = std::pin::pin!(async {
        tokio::select! {
            () = live.kill.cancelled() => CloseReason::Killed,
            () = recheck::blocked(road, policy, recheck, live.record.target, attempt) => CloseReason::BlockedByReload,
        }
    });
    tunnel.run(&road.clocks, &road.pipes, &counters, cut).await
}

/// The address of a client as the policy and the records have it.
pub fn client_address(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(canonical(peer.ip()), peer.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of the future that a function gives.
    fn size<A, B, F: Future>(_: impl Fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_connection_is_small_while_it_is_idle() {
        let bytes = size(serve);
        assert!(bytes <= 2_048, "{bytes} bytes");
    }
}
