//! What a policy asks of authentication, held against what the settings give.

use super::helper::HelperError;
use super::pam::{NotAService, ServiceName};
use super::{NameError, UsersError};
use crate::settings::sections::Auth;
use rustsocks_compiler::Policy;
use rustsocks_compiler::model::{Model, Test};
use rustsocks_compiler::request::{Method, MethodSpec};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

/// Why authentication cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The helper does not come up.
    #[error(transparent)]
    Helper(#[from] HelperError),
    /// The name that `pam.address` asks about is no user name.
    #[error("`auth.pam_address_user` is no user name: {0}")]
    AddressUser(NameError),
    /// The policy asks PAM, and the server was built without it.
    #[error("the policy asks PAM, and this server was built without the feature `pam`")]
    NoPam,
    /// A service without a file: PAM would ask the service `other` instead, or nobody.
    #[error("there is no PAM service `{service}` in {}; `examples/pam/` has files to copy", folders(.directory))]
    NoService {
        /// The service.
        service: ServiceName,
        /// The folder of the settings.
        directory: Option<PathBuf>,
    },
    /// The policy asks for `password` without a users file.
    #[error("the policy uses the method `password`: set `auth.users` to a file made by `rustsocks user add`")]
    NoUsers,
    /// A name that can be no service.
    #[error(transparent)]
    Service(#[from] NotAService),
    /// The users file is not accepted.
    #[error("the users file `{}` {error}{}", path.display(), remedy(.error))]
    Users {
        /// The file.
        path: PathBuf,
        /// Why.
        error: UsersError,
    },
}

fn folders(directory: &Option<PathBuf>) -> String {
    directory.as_ref().map_or_else(|| "`/etc/pam.d`".into(), |directory| format!("`{}`", directory.display()))
}

/// What to do where the file is not for who reads it.
fn remedy(error: &UsersError) -> String {
    let is_denied = matches!(error, UsersError::Io(error) if error.kind() == ErrorKind::PermissionDenied);
    let user = nix::unistd::Uid::effective();
    let name =
        nix::unistd::User::from_uid(user).ok().flatten().map_or_else(|| user.to_string(), |user| user.name);
    match is_denied {
        true => format!("; it is read as `{name}`: give it to that user, or to its group with 0640"),
        false => String::new(),
    }
}

/// Whether a policy asks PAM, so that a helper must be started.
pub fn asks_pam(policy: &Policy) -> bool {
    specs(policy.model()).any(|spec| is_pam(&spec.method))
}

/// Checks that whatever a policy asks for is there.
///
/// # Errors
/// Says what is missing and what to do.
pub fn check(settings: &Auth, policy: &Policy) -> Result<(), SetupError> {
    let model = policy.model();
    if settings.users.is_none() && specs(model).any(|spec| spec.method == Method::Password) {
        return Err(SetupError::NoUsers);
    }
    if !asks_pam(policy) {
        return Ok(());
    }
    if !cfg!(feature = "pam") {
        return Err(SetupError::NoPam);
    }
    // In a rule the bare method is any service of it: a statement that names one is asked, and not
    // the service of the settings.
    let stated = |method: Method| offered(model).any(|spec| spec.method == method);
    let in_rules = in_rules(model).filter(|spec| spec.service.is_some() || !stated(spec.method));
    let asked = offered(model).chain(in_rules).filter(|spec| is_pam(&spec.method));
    let services: BTreeSet<&str> =
        asked.map(|spec| spec.service.as_deref().unwrap_or(&settings.pam_service)).collect();
    for service in services {
        let service: ServiceName = service.parse()?;
        if service.file(settings.pam_directory.as_deref()).is_none() {
            return Err(SetupError::NoService { service, directory: settings.pam_directory.clone() });
        }
    }
    Ok(())
}

/// The system groups that a policy speaks of: what `group:` names and the policy does not define.
pub(super) fn groups(model: &Model) -> BTreeSet<Arc<str>> {
    let named = tests(model).filter_map(|test| match test {
        Test::Group(names) => Some(names),
        _ => None,
    });
    named.flatten().filter(|name| model.group(name).is_none()).cloned().collect()
}

/// Every method that a policy names.
fn specs(model: &Model) -> impl Iterator<Item = &MethodSpec> {
    offered(model).chain(in_rules(model))
}

/// Those of the statements `socksmethod` and `clientmethod`.
fn offered(model: &Model) -> impl Iterator<Item = &MethodSpec> {
    model.methods.iter().chain(&model.client_methods)
}

fn in_rules(model: &Model) -> impl Iterator<Item = &MethodSpec> {
    let named = tests(model).filter_map(|test| match test {
        Test::Method(specs) => Some(specs),
        _ => None,
    });
    named.flatten()
}

fn tests(model: &Model) -> impl Iterator<Item = &Test> {
    let conditions = model.rules.iter().flat_map(|rule| std::iter::once(&rule.when).chain(&rule.except));
    conditions.flat_map(|conditions| &conditions.terms).map(|term| &term.test)
}

fn is_pam(method: &Method) -> bool {
    match method {
        Method::PamAddress | Method::PamUsername => true,
        Method::Certificate | Method::Gssapi | Method::None | Method::Password => false,
    }
}
