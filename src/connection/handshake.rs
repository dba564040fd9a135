//! From the first byte to a request by somebody who has shown who it is.

use super::attempt::Attempt;
use super::talk::{Refusal, Talk, Words};
use super::who::{Caller, Who};
use crate::auth::{AuthError, Identity};
use crate::server::{Door, Road};
use crate::session::CloseReason;
use crate::settings::value::Protocol;
use crate::socks::v5::{Greeting, WireMethod};
use crate::socks::{self, Ask, Credentials, Reply, http, v4, v5};
use rustsocks_compiler::request::{Method, MethodSpec, ProxyProtocol};
use rustsocks_compiler::{Policy, model};
use std::time::Instant;

/// A handshake under way.
pub struct Handshake<'a> {
    /// Whom to ask.
    pub road: &'a Road,
    /// The policy of this connection.
    pub policy: &'a Policy,
    /// Where it came in.
    pub door: &'a Door,
    /// What is known of the client.
    pub caller: Caller,
    /// Its record.
    pub attempt: &'a mut Attempt,
}

/// Why no method has let a client in so far.
struct NoMethod {
    why: CloseReason,
    /// Whether PAM has refused its address.
    refused: bool,
}

/// Who a client has shown to be, and how.
type Shown = (MethodSpec, Identity);

impl Handshake<'_> {
    /// Reads and answers until there is a request.
    ///
    /// # Errors
    /// Says why there is none.
    pub async fn request(mut self, talk: &mut Talk) -> Result<(Who, Ask), Refusal> {
        let protocol = self.protocol(talk).await?;
        self.attempt.note(|record| record.protocol = Some(protocol));
        let ((spec, identity), ask) = match protocol {
            ProxyProtocol::Http => self.http(talk).await?,
            ProxyProtocol::Socks4 => self.socks4(talk).await?,
            ProxyProtocol::Socks5 => self.socks5(talk).await?,
        };
        self.attempt.requested(&ask.host, ask.port);
        self.attempt.note(|record| record.command = Some(ask.command));
        let Identity { user, groups, service } = identity;
        let principal = self.policy.principal(user, groups);
        let who = Who { caller: self.caller, principal, method: spec.method, service, protocol };
        Ok((who, ask))
    }

    /// What the client speaks, if the listener speaks it too.
    async fn protocol(&self, talk: &mut Talk) -> Result<ProxyProtocol, Refusal> {
        let spoken = socks::spoken(talk.first_byte().await?);
        // Whoever speaks nothing of ours is answered as by a server that knows SOCKS5 alone.
        talk.words = Words::Socks5Greeting;
        spoken.filter(|&spoken| self.door.speaks(protocol(spoken))).ok_or(CloseReason::ProtocolError.into())
    }

    async fn socks5(&mut self, talk: &mut Talk) -> Result<(Shown, Ask), Refusal> {
        let greeting = talk.read(v5::greeting).await?;
        let shown = self.negotiate(talk, greeting).await?;
        talk.words = Words::Socks5Request;
        Ok((shown, talk.read(v5::request).await?))
    }

    /// The first method in the policy's order that the client offers too and that it passes.
    async fn negotiate(&mut self, talk: &mut Talk, greeting: Greeting) -> Result<Shown, Refusal> {
        let offer = self.policy.offer(&self.caller.client());
        let mut none = NoMethod::yet();
        for spec in &offer {
            match wire(spec.method) {
                Some(WireMethod::None) if greeting.offers(WireMethod::None) => {
                    match self.without_password(talk, spec).await {
                        Ok(identity) => {
                            talk.say(&WireMethod::None.choice()).await?;
                            return Ok(self.shown(spec, identity));
                        }
                        Err(reason) => none.also(spec, reason),
                    }
                }
                Some(WireMethod::Password) if greeting.offers(WireMethod::Password) => {
                    talk.say(&WireMethod::Password.choice()).await?;
                    talk.words = Words::Socks5Password;
                    let credentials = talk.read(v5::password).await?;
                    let shown = self.password(talk, &offer, &credentials).await?;
                    talk.reply(Reply::Succeeded, super::talk::NOWHERE).await?;
                    return Ok(shown);
                }
                Some(WireMethod::Gssapi | WireMethod::None | WireMethod::Password) | None => {}
            }
        }
        Err(self.turn_away(&none))
    }

    /// SOCKS4 knows no methods: what needs no password must do.
    async fn socks4(&mut self, talk: &mut Talk) -> Result<(Shown, Ask), Refusal> {
        talk.words = Words::Socks4;
        let ask = talk.read(v4::request).await?;
        self.attempt.requested(&ask.host, ask.port);
        Ok((self.any_without_password(talk).await?, ask))
    }

    async fn http(&mut self, talk: &mut Talk) -> Result<(Shown, Ask), Refusal> {
        talk.words = Words::Http;
        let connect = talk.read(http::request).await?;
        self.attempt.requested(&connect.ask.host, connect.ask.port);
        let shown = match &connect.credentials {
            Some(credentials) => {
                let offer = self.policy.offer(&self.caller.client());
                let needs_none = |spec: &MethodSpec| wire(spec.method) == Some(WireMethod::None);
                match offer.first().is_none_or(needs_none) {
                    true => self.any_without_password(talk).await?,
                    false => self.password(talk, &offer, credentials).await?,
                }
            }
            None => self.any_without_password(talk).await?,
        };
        Ok((shown, connect.ask))
    }

    async fn any_without_password(&mut self, talk: &mut Talk) -> Result<Shown, Refusal> {
        let mut none = NoMethod::yet();
        for spec in self.policy.offer(&self.caller.client()) {
            if wire(spec.method) == Some(WireMethod::None) {
                match self.without_password(talk, &spec).await {
                    Ok(identity) => return Ok(self.shown(&spec, identity)),
                    Err(reason) => none.also(&spec, reason),
                }
            }
        }
        Err(self.turn_away(&none))
    }

    /// Where no method is left since the policy passes nothing of this client, it is the policy that
    /// turns it away. An address that PAM refuses, and that nothing else lets in, has failed.
    fn turn_away(&mut self, none: &NoMethod) -> Refusal {
        if let Some(decision) = self.policy.shuts_out(&self.caller.client()) {
            self.attempt.blocked(self.policy, &decision);
            let rule = decision.rule().and_then(|rule| self.policy.model().rule(rule));
            let manner = rule.map_or(model::Reply::Blocked, |rule| rule.reply);
            return Refusal { reason: CloseReason::BlockedRequest, manner };
        }
        if none.refused {
            self.road.auth.turned_away(self.caller.address);
        }
        none.why.into()
    }

    /// Who a client is by what is known without its help.
    async fn without_password(&self, talk: &mut Talk, spec: &MethodSpec) -> Result<Identity, CloseReason> {
        match spec.method {
            Method::None => Ok(Identity::default()),
            Method::PamAddress => {
                let asked = Instant::now();
                let answer = self.road.auth.address(spec, self.caller.address).await;
                talk.extend(asked.elapsed());
                answer.map_err(reason_of)
            }
            Method::Certificate if self.caller.certificate.is_empty() => Err(CloseReason::NoAcceptableMethod),
            Method::Certificate => {
                let asked = Instant::now();
                let answer = self.road.auth.certificate(&self.caller.certificate).await;
                talk.extend(asked.elapsed());
                answer.map_err(reason_of)
            }
            Method::Gssapi | Method::PamUsername | Method::Password => Err(CloseReason::NoAcceptableMethod),
        }
    }

    /// Asks those authorities of the offer that know passwords, in its order, until one says yes.
    async fn password(
        &mut self,
        talk: &mut Talk,
        offer: &[MethodSpec],
        credentials: &Credentials,
    ) -> Result<Shown, Refusal> {
        let asked = Instant::now();
        let by_password = |spec: &&MethodSpec| wire(spec.method) == Some(WireMethod::Password);
        let specs: Vec<&MethodSpec> = offer.iter().filter(by_password).collect();
        if specs.is_empty() {
            return Err(CloseReason::NoAcceptableMethod.into());
        }
        let (user, password) = (&credentials.user, &credentials.password);
        let shown = self.road.auth.passwords(&specs, self.caller.address, user, password).await;
        talk.extend(asked.elapsed());
        let (spec, identity) = shown.map_err(reason_of)?;
        Ok(self.shown(spec, identity))
    }

    fn shown(&mut self, spec: &MethodSpec, identity: Identity) -> Shown {
        self.attempt.note(|record| {
            record.method = Some(spec.method);
            record.user.clone_from(&identity.user);
            record.groups.clone_from(&identity.groups);
        });
        (spec.clone(), identity)
    }
}

impl NoMethod {
    fn yet() -> Self {
        Self { why: CloseReason::NoAcceptableMethod, refused: false }
    }

    fn also(&mut self, spec: &MethodSpec, why: CloseReason) {
        self.why = why;
        self.refused |= spec.method == Method::PamAddress && why == CloseReason::AuthenticationFailed;
    }
}

/// The method on the wire by which a method of the policy is shown; `None`: not by any of ours.
fn wire(method: Method) -> Option<WireMethod> {
    match method {
        Method::Certificate | Method::None | Method::PamAddress => Some(WireMethod::None),
        Method::PamUsername | Method::Password => Some(WireMethod::Password),
        Method::Gssapi => None,
    }
}

fn protocol(spoken: ProxyProtocol) -> Protocol {
    match spoken {
        ProxyProtocol::Http => Protocol::Http,
        ProxyProtocol::Socks4 => Protocol::Socks4,
        ProxyProtocol::Socks5 => Protocol::Socks5,
    }
}

/// Whose fault a failed authentication is.
pub fn reason_of(error: AuthError) -> CloseReason {
    match error {
        AuthError::Penalised => CloseReason::Penalised,
        AuthError::Refused => CloseReason::AuthenticationFailed,
        AuthError::Unavailable => CloseReason::AuthenticationUnavailable,
    }
}
