//! A second factor through PAM: password and code in one field, as `docs/authentication.md` says.

use crate::accounts::{Account, may_create};
use crate::support::{command, run};
use crate::wards::Services;
use rustsocks::auth::AuthError;

const SECRET: &str = "3132333435363738393031323334353637383930";
/// The same in base 32.
const SECRET_32: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

fn code() -> String {
    let said = run(command("oathtool").args(["--totp", SECRET]));
    assert_eq!(said.code(), 0, "oathtool is missing or fails: {}", said.err);
    said.out.trim().into()
}

#[tokio::test]
async fn a_password_of_the_secrets_file_and_a_code_in_one_field_let_in_once() {
    let services = Services::new().file("totp", &format!("HOTP/T30/6 alice secret {SECRET}\n")).service(
        "otp",
        &[
            "auth required pam_oath.so usersfile=DIR/totp window=30 digits=6",
            "account required pam_permit.so",
        ],
    );
    let ward = services.ward();
    let code = code();
    for (user, password) in [
        ("alice", "secret".into()),
        ("alice", code.clone()),
        ("alice", format!("secret{code}0")),
        ("alice", format!("wrong{code}")),
        ("bob", format!("secret{code}")),
    ] {
        let refused = ward.login("otp", user, &password).await;
        assert_eq!(refused, Err(AuthError::Refused), "{user} {password}");
    }
    assert!(ward.login("otp", "alice", &format!("secret{code}")).await.is_ok());
    let again = ward.login("otp", "alice", &format!("secret{code}")).await;
    assert_eq!(again, Err(AuthError::Refused), "a code is good once");
}

#[tokio::test]
async fn the_password_of_the_machine_and_a_code_in_one_field_let_in() {
    if !may_create() {
        return;
    }
    let account = Account::create(crate::accounts::HASH, &[]);
    let name = &account.name;
    let services = Services::new().file("totp", &format!("HOTP/T30/6 {name} + {SECRET}\n")).service(
        "otp",
        &[
            "auth requisite pam_oath.so usersfile=DIR/totp window=30 digits=6",
            "auth required pam_unix.so use_first_pass",
            "account required pam_unix.so",
        ],
    );
    let ward = services.ward();
    assert_eq!(ward.login("otp", name, "correct horse").await, Err(AuthError::Refused), "no code");
    assert!(ward.login("otp", name, &format!("correct horse{}", code())).await.is_ok());
}

#[tokio::test]
async fn google_authenticator_takes_the_code_and_hands_the_password_on() {
    if !may_create() {
        return;
    }
    let account = Account::create(crate::accounts::HASH, &[]);
    let name = &account.name;
    // As `google-authenticator` writes it; the window is wide for a loaded machine.
    let secret = format!("{SECRET_32}\n\" WINDOW_SIZE 17\n\" DISALLOW_REUSE\n\" TOTP_AUTH\n");
    let services = Services::new().file(name, &secret).service(
        "otp",
        &[
            "auth requisite pam_google_authenticator.so forward_pass user=root secret=DIR/${USER}",
            "auth required pam_unix.so use_first_pass",
            "account required pam_unix.so",
        ],
    );
    let ward = services.ward();
    let code = code();
    for password in ["correct horse".into(), format!("correct horse{}", other(&code))] {
        assert_eq!(ward.login("otp", name, &password).await, Err(AuthError::Refused), "{password}");
    }
    let identity = ward.login("otp", name, &format!("correct horse{code}")).await.unwrap();
    assert_eq!(identity.user.as_deref(), Some(name.as_str()));
    let again = ward.login("otp", name, &format!("correct horse{code}")).await;
    assert_eq!(again, Err(AuthError::Refused), "a code is good once");
}

/// A code that is wrong in any window: six digits of which the first is another.
fn other(code: &str) -> String {
    let first = if code.starts_with('9') { '0' } else { '9' };
    format!("{first}{}", code.get(1..).unwrap())
}
