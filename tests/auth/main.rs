//! Who is asking: the users file, PAM with the real libpam, penalties, privileges, TLS.

#[cfg(all(test, feature = "pam"))]
mod accounts;
#[cfg(all(test, feature = "pam"))]
mod pam;
#[cfg(all(test, feature = "pam"))]
mod second_factor;
#[cfg(test)]
#[path = "../support/mod.rs"]
mod support;
#[cfg(test)]
mod user_command;
#[cfg(test)]
mod users_file;
#[cfg(all(test, feature = "pam"))]
mod wards;
