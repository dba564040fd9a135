//! Return codes of Linux-PAM: their names, and which of them are the client's fault.

use super::Outcome;

/// What a code means for the client. What says that the credentials or the account are not good is a
/// refusal, and so is `PAM_SYSTEM_ERR`: it is what pam_exec makes of a program that says no, and
/// whoever guesses at such a stack must pay for it. What says that nobody could look is a failure of
/// ours.
#[cfg(feature = "pam")]
pub(super) fn outcome_of(code: i32) -> Outcome {
    known(code).map_or(Outcome::Failed, |(_, outcome)| *outcome)
}

/// A code's name in `<security/_pam_types.h>`.
pub(in super::super) fn name_of(code: i32) -> Option<&'static str> {
    known(code).map(|(name, _)| *name)
}

fn known(code: i32) -> Option<&'static (&'static str, Outcome)> {
    CODES.get(usize::try_from(code).ok()?)
}

/// By code, from 0 on.
const CODES: [(&str, Outcome); 32] = [
    ("PAM_SUCCESS", Outcome::Accepted),
    ("PAM_OPEN_ERR", Outcome::Failed),
    ("PAM_SYMBOL_ERR", Outcome::Failed),
    ("PAM_SERVICE_ERR", Outcome::Failed),
    ("PAM_SYSTEM_ERR", Outcome::Refused),
    ("PAM_BUF_ERR", Outcome::Failed),
    ("PAM_PERM_DENIED", Outcome::Refused),
    ("PAM_AUTH_ERR", Outcome::Refused),
    ("PAM_CRED_INSUFFICIENT", Outcome::Failed),
    ("PAM_AUTHINFO_UNAVAIL", Outcome::Failed),
    ("PAM_USER_UNKNOWN", Outcome::Refused),
    ("PAM_MAXTRIES", Outcome::Refused),
    ("PAM_NEW_AUTHTOK_REQD", Outcome::Refused),
    ("PAM_ACCT_EXPIRED", Outcome::Refused),
    ("PAM_SESSION_ERR", Outcome::Failed),
    ("PAM_CRED_UNAVAIL", Outcome::Failed),
    ("PAM_CRED_EXPIRED", Outcome::Refused),
    ("PAM_CRED_ERR", Outcome::Failed),
    ("PAM_NO_MODULE_DATA", Outcome::Failed),
    ("PAM_CONV_ERR", Outcome::Refused),
    ("PAM_AUTHTOK_ERR", Outcome::Refused),
    ("PAM_AUTHTOK_RECOVERY_ERR", Outcome::Refused),
    ("PAM_AUTHTOK_LOCK_BUSY", Outcome::Failed),
    ("PAM_AUTHTOK_DISABLE_AGING", Outcome::Failed),
    ("PAM_TRY_AGAIN", Outcome::Failed),
    ("PAM_IGNORE", Outcome::Failed),
    ("PAM_ABORT", Outcome::Failed),
    ("PAM_AUTHTOK_EXPIRED", Outcome::Refused),
    ("PAM_MODULE_UNKNOWN", Outcome::Failed),
    ("PAM_BAD_ITEM", Outcome::Failed),
    ("PAM_CONV_AGAIN", Outcome::Failed),
    ("PAM_INCOMPLETE", Outcome::Failed),
];

#[cfg(all(test, feature = "pam"))]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_header() {
        use pam::ffi;
        for (code, name) in [
            (ffi::PAM_SUCCESS, "PAM_SUCCESS"),
            (ffi::PAM_SYSTEM_ERR, "PAM_SYSTEM_ERR"),
            (ffi::PAM_AUTH_ERR, "PAM_AUTH_ERR"),
            (ffi::PAM_AUTHINFO_UNAVAIL, "PAM_AUTHINFO_UNAVAIL"),
            (ffi::PAM_USER_UNKNOWN, "PAM_USER_UNKNOWN"),
            (ffi::PAM_ACCT_EXPIRED, "PAM_ACCT_EXPIRED"),
            (ffi::PAM_CRED_ERR, "PAM_CRED_ERR"),
            (ffi::PAM_CONV_ERR, "PAM_CONV_ERR"),
            (ffi::PAM_AUTHTOK_ERR, "PAM_AUTHTOK_ERR"),
            (ffi::PAM_ABORT, "PAM_ABORT"),
            (ffi::PAM_AUTHTOK_EXPIRED, "PAM_AUTHTOK_EXPIRED"),
            (ffi::PAM_MODULE_UNKNOWN, "PAM_MODULE_UNKNOWN"),
            (ffi::PAM_INCOMPLETE, "PAM_INCOMPLETE"),
        ] {
            assert_eq!(name_of(code), Some(name));
        }
        assert_eq!((name_of(-1), name_of(32)), (None, None));
    }

    #[test]
    fn only_success_lets_in_and_what_nobody_knows_is_no_refusal() {
        let accepted: Vec<i32> = (-40..400).filter(|code| outcome_of(*code) == Outcome::Accepted).collect();
        assert_eq!(accepted, [0]);
        for (code, outcome) in [(-1, Outcome::Failed), (7, Outcome::Refused), (32, Outcome::Failed)] {
            assert_eq!(outcome_of(code), outcome, "{code}");
        }
    }
}
