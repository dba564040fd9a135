//! Dante's words that the language has not, and what to write instead.

use crate::model::Stage;
use crate::syntax::ast::Entry;

/// A key in a rule.
pub(super) fn key(text: &str) -> Option<&'static str> {
    let instead = match text {
        "bandwidth" => "limits on bandwidth are not supported yet; leave it out",
        "libwrap" => "leave it out; write what hosts.allow says as `client` rules",
        "pam.servicename" => "write it with the method, as in `socksmethod: pam.username(sshd)`",
        "bsdauth.stylename" | "ldap.url" | "gssapi.servicename" | "gssapi.keytab" | "gssapi.enctype" => {
            "methods are set up in the settings; leave it out"
        }
        "hostid" | "hostindex" => "leave it out; a client is known by its address",
        "srchost" | "dsthost" => "leave it out; reverse DNS takes no part in a decision",
        "rdomain" | "udp.portrange" | "udp.connectdst" | "extension" | "compatibility" => {
            "leave it out; it has no part in a policy"
        }
        _ if text.starts_with("session.") => {
            "limits on sessions are not supported yet in rules; the settings have one for all"
        }
        _ if text.starts_with("timeout") || text.starts_with("socket.") || text.starts_with("tcp.") => {
            "it belongs in the settings of the server"
        }
        _ if text.starts_with("ldap.") || text.starts_with("gssapi.") => {
            "methods are set up in the settings; leave it out"
        }
        _ => return None,
    };
    Some(instead)
}

/// A setting at the top of the file.
pub(super) fn setting(text: &str) -> Option<&'static str> {
    let instead = match text {
        "internal" => {
            "listeners are in the settings: `--listen ADDRESS:PORT` or `listeners` in the settings file"
        }
        "external" => "the source address is in the settings of the server; leave it out",
        "external.rotation" | "internal.protocol" | "external.protocol" | "external.log.error"
        | "internal.log.error" => "it belongs in the settings of the server; leave it out",
        "logoutput" | "errorlog" | "debug" => {
            "where the log goes is in the settings of the server; leave it out"
        }
        "user.privileged" | "user.unprivileged" | "user.notprivileged" | "user.libwrap" => {
            "the user that the server runs as is in its settings; leave it out"
        }
        "srchost" | "dsthost" => "leave it out; reverse DNS takes no part in a decision",
        "hostid" | "hostindex" => "leave it out; a client is known by its address",
        "resolveprotocol" => "the server asks DNS itself; leave it out",
        "compatibility" | "extension" | "udp.connectdst" => "leave it out; it has no part in a policy",
        "udp.portrange" => "the ports of UDP are in the settings of the server; leave it out",
        "child.maxidle" | "child.maxrequests" | "childstate" | "cpu" | "realm" => {
            "leave it out; there are no child processes"
        }
        _ if ["timeout", "connecttimeout", "iotimeout", "negotiate"]
            .iter()
            .any(|start| text.starts_with(start)) =>
        {
            "timeouts are in the settings of the server; leave it out"
        }
        _ if text.starts_with("cpu.")
            || text.starts_with("child.")
            || text.starts_with("socket.")
            || text.starts_with("tcp.") =>
        {
            "it belongs in the settings of the server; leave it out"
        }
        _ => return None,
    };
    Some(instead)
}

/// A value.
pub(super) fn value(what: &str, text: &str) -> Option<&'static str> {
    let instead = match (what, text) {
        ("method", "username") => {
            "write `pam.username` for the accounts of the system, or `password` for the users file"
        }
        ("method", "pam" | "pam.any") => "write `pam.username` or `pam.address`",
        ("method", "rfc931") => "ident is not supported, since the client's side answers it; leave it out",
        ("method", "bsdauth" | "ldap" | "ldapauth") => "write `pam.username` with a service that asks it",
        ("log event", "tcpinfo") => "leave it out; the session record has the counts",
        ("proxy protocol", "msproxy" | "upnp") => "it is spoken by nobody any more; leave it out",
        ("proxy protocol", "http_v1.0") => "write `http`",
        ("proxy protocol", "socks" | "socks_v4a") => "write `socks4` or `socks5`",
        _ => return None,
    };
    Some(instead)
}

/// What Dante demands at the client stage and the language has not, where it says nothing:
/// `to: 0.0.0.0/0`, any address that the server listens on.
pub(super) fn means_nothing(stage: Stage, entry: &Entry) -> bool {
    let anything = |text: &str| matches!(text, "any" | "any4" | "any6" | "0.0.0.0/0" | "::/0" | "[::]/0");
    stage == Stage::Client
        && entry.key.is("to")
        && entry.not.is_none()
        && entry.values.but.is_none()
        && entry.values.include.iter().all(|word| anything(&word.text))
}
