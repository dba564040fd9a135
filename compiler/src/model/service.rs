//! Names of well-known ports (IANA), built in, so that a policy means the same on every host.

/// The port of a service name.
pub fn service(name: &str) -> Option<u16> {
    let at = SERVICES.binary_search_by_key(&name, |&(name, _)| name).ok()?;
    SERVICES.get(at).map(|&(_, port)| port)
}

/// All names with their ports, by name.
pub const SERVICES: [(&str, u16); 60] = [
    ("amqp", 5672),
    ("amqps", 5671),
    ("bgp", 179),
    ("dns", 53),
    ("domain", 53),
    ("finger", 79),
    ("ftp", 21),
    ("ftp-data", 20),
    ("ftps", 990),
    ("git", 9418),
    ("gopher", 70),
    ("http", 80),
    ("http-alt", 8080),
    ("https", 443),
    ("ident", 113),
    ("imap", 143),
    ("imaps", 993),
    ("ipp", 631),
    ("irc", 6667),
    ("ircs", 6697),
    ("kerberos", 88),
    ("ldap", 389),
    ("ldaps", 636),
    ("memcached", 11211),
    ("mongodb", 27017),
    ("mqtt", 1883),
    ("ms-sql", 1433),
    ("mysql", 3306),
    ("nfs", 2049),
    ("nntp", 119),
    ("nntps", 563),
    ("ntp", 123),
    ("openvpn", 1194),
    ("pop3", 110),
    ("pop3s", 995),
    ("postgresql", 5432),
    ("rdp", 3389),
    ("redis", 6379),
    ("rsync", 873),
    ("rtsp", 554),
    ("sip", 5060),
    ("sips", 5061),
    ("smb", 445),
    ("smtp", 25),
    ("smtps", 465),
    ("snmp", 161),
    ("socks", 1080),
    ("ssh", 22),
    ("stun", 3478),
    ("submission", 587),
    ("submissions", 465),
    ("svn", 3690),
    ("syslog", 514),
    ("telnet", 23),
    ("tftp", 69),
    ("vnc", 5900),
    ("whois", 43),
    ("www", 80),
    ("xmpp-client", 5222),
    ("xmpp-server", 5269),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_found_in() {
        assert!(SERVICES.is_sorted_by_key(|&(name, _)| name));
        assert_eq!(service("https"), Some(443));
        assert_eq!(service("frobnicate"), None);
    }
}
