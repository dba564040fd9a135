//! Who is asking: the users file, PAM with the real libpam, penalties, privileges, TLS.

#[cfg(feature = "pam")]
#[cfg(test)]
mod accounts;
#[cfg(test)]
mod authority;
#[cfg(test)]
mod confined;
#[cfg(test)]
mod fail2ban;
#[cfg(test)]
mod load;
#[cfg(feature = "pam")]
#[cfg(test)]
mod pam;
#[cfg(feature = "pam")]
#[cfg(test)]
mod pam_server;
#[cfg(feature = "pam")]
#[cfg(test)]
mod privileges;
#[cfg(feature = "pam")]
#[cfg(test)]
mod second_factor;
#[cfg(test)]
mod server;
#[cfg(test)]
#[path = "../support/mod.rs"]
mod support;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod user_command;
#[cfg(test)]
mod users_file;
#[cfg(feature = "pam")]
#[cfg(test)]
mod wards;
#[cfg(test)]
mod wire;
