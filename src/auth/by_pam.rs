//! Logins through PAM: what the helper is asked, and what its answers mean.

use super::helper::Helper;
use super::pam::{Answer, NotAService, Outcome, Question, ServiceName, name_of};
use super::{AuthError, AuthObserver, AuthResult, HelperHealth, Identity, SetupError, UserName};
use crate::settings::sections::Auth;
use rustsocks_compiler::request::MethodSpec;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// PAM, and what it is asked where neither policy nor client says otherwise.
#[derive(Debug)]
pub(super) struct Pam {
    helper: Helper,
    service: ServiceName,
    address_user: UserName,
    observer: Option<Arc<dyn AuthObserver>>,
}

impl Pam {
    pub(super) fn new(
        settings: &Auth,
        helper: Helper,
        observer: Option<Arc<dyn AuthObserver>>,
    ) -> Result<Self, SetupError> {
        let service = settings.pam_service.parse()?;
        let address_user = settings.pam_address_user.parse().map_err(SetupError::AddressUser)?;
        Ok(Self { helper, service, address_user, observer })
    }

    /// `pam.username`.
    pub(super) async fn password(
        &self,
        spec: &MethodSpec,
        client: IpAddr,
        name: &UserName,
        password: &[u8],
    ) -> Result<Identity, AuthError> {
        // C would see less of it than the client sent.
        if password.len() > PASSWORD_MAX || password.contains(&0) {
            return Err(AuthError::Refused);
        }
        let password = Some(Zeroizing::new(password.to_vec()));
        let question = Question { service: self.service(spec)?, user: name.clone(), password, client };
        let answer = self.ask(spec, &question).await?;
        let user = UserName::from_bytes(&answer.user).map_err(|_| AuthError::Unavailable)?;
        let service = Some(question.service.shared());
        Ok(Identity { user: Some(user.shared()), groups: Vec::new(), service })
    }

    /// `pam.address`.
    pub(super) async fn address(&self, spec: &MethodSpec, client: IpAddr) -> Result<Identity, AuthError> {
        let user = self.address_user.clone();
        let question = Question { service: self.service(spec)?, user, password: None, client };
        self.ask(spec, &question).await?;
        Ok(Identity { user: None, groups: Vec::new(), service: Some(question.service.shared()) })
    }

    async fn ask(&self, spec: &MethodSpec, question: &Question) -> Result<Answer, AuthError> {
        let start = Instant::now();
        let answer = self.helper.ask(question).await;
        let result = judge(question, &answer);
        if let Some(observer) = &self.observer {
            observer.asked_pam(spec.method, AuthResult::of(&result), start.elapsed());
        }
        result.map(|()| answer)
    }

    pub(super) fn health(&self) -> HelperHealth {
        self.helper.health()
    }

    pub(super) async fn listen(&self, stop: &CancellationToken) {
        self.helper.listen(stop).await;
    }

    /// The service that the policy names, else that of the settings.
    fn service(&self, spec: &MethodSpec) -> Result<ServiceName, AuthError> {
        let named = spec.service.as_ref().map(|service| service.parse());
        named.unwrap_or_else(|| Ok(self.service.clone())).map_err(|error: NotAService| {
            tracing::error!("{error}");
            AuthError::Unavailable
        })
    }
}

fn judge(question: &Question, answer: &Answer) -> Result<(), AuthError> {
    let Question { service, user, client, .. } = question;
    let user = user.as_str();
    let why = match answer.outcome {
        Outcome::Accepted => return Ok(()),
        Outcome::Refused => {
            tracing::info!("PAM ({service}) refuses {user:?} from {client}: {}", code_of(answer));
            return Err(AuthError::Refused);
        }
        Outcome::Busy => "too many questions at a time".into(),
        Outcome::Crashed => "the process that asked has died".into(),
        Outcome::Failed => code_of(answer),
        Outcome::TimedOut => "a module took too long and was ended".into(),
    };
    tracing::error!("PAM ({service}) cannot say of {user:?} from {client}: {why}");
    Err(AuthError::Unavailable)
}

/// libpam's code by name, and what the modules said.
fn code_of(answer: &Answer) -> String {
    let Answer { code, message, .. } = answer;
    match (name_of(*code), message.as_slice()) {
        (None, _) => "the process that asks it does not answer".into(),
        (Some(name), []) => name.into(),
        (Some(name), message) => format!("{name}, {:?}", String::from_utf8_lossy(message)),
    }
}

/// The longest password that RFC 1929 §2 can carry, in bytes.
const PASSWORD_MAX: usize = 255;
