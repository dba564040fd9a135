//! The sections, field by field. A new setting is one entry here.

use super::section::section;
use super::value::{
    ApiAddress, Bytes, Listen, LogFormat, Mode, Net, PortRange, Protocol, ResolverKind, Sandbox, Segment,
    Span, Splice,
};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

section! {
    /// One listener. In the file: `listeners: [(name: "main", address: "127.0.0.1:1080")]`.
    Listener {
        /// What the policy (`listen:`), the records and the metrics call it.
        name: String = "main".into(), "name";
        /// Where it listens.
        address: Listen = Listen::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1080)), "address";
        /// The protocols that clients may speak to it.
        protocols: Vec<Protocol> = vec![Protocol::Socks5, Protocol::Socks4, Protocol::Http],
            "list of `socks5`, `socks4`, `http`";
        /// Load balancers that put a PROXY protocol header before each connection; nobody else may.
        proxy_protocol: Vec<Net> = Vec::new(), "list of networks";
        /// Who may connect to a socket in the file system; it belongs to the user that the server becomes.
        mode: Mode = Mode(0o660), "rights";
        /// The group of that socket; without it the server's own.
        group: Option<String> = None, "name";
        /// Speaks TLS with clients.
        tls: Option<Tls> = None, "section";
    }
}

section! {
    /// TLS of a listener or of the API.
    Tls {
        /// The certificate chain.
        certificate: PathBuf = PathBuf::new(), "PEM file";
        /// Its private key.
        key: PathBuf = PathBuf::new(), "PEM file";
        /// Authorities of client certificates; without it clients are asked for none.
        client_authorities: Option<PathBuf> = None, "PEM file";
        /// Refuses clients that show no certificate.
        client_required: bool = false, "true or false";
    }
}

section! {
    /// The HTTP API.
    Api {
        /// Where it listens.
        listen: ApiAddress = ApiAddress(Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080))),
            "address or `none`";
        /// A socket in the file system that it listens on as well, for the command line.
        socket: Option<PathBuf> = None, "path";
        /// Tokens that it asks for, one a line as `role:token` with role `read` or `admin`.
        tokens: Option<PathBuf> = None, "file";
        /// Names that the Host header may say, besides addresses and `localhost`.
        hosts: Vec<String> = Vec::new(), "list of names";
        /// Speaks TLS.
        tls: Option<Tls> = None, "section";
        /// Origins of pages in a browser that may read answers and act, such as `https://ops.example.com`.
        origins: Vec<String> = Vec::new(), "list of origins";
        /// Connections at a time.
        connections: usize = 256, "connections";
        /// Requests a second from one address; twice as many at once.
        rate: u32 = 100, "requests a second, 0 for any number";
        /// How long a client may take to send the head of a request.
        header_timeout: Span = Span::secs(5), "time";
        /// How long a request may take.
        request_timeout: Span = Span::secs(30), "time";
    }
}

section! {
    /// Where the policy comes from and what a reload does.
    Policy {
        /// The policy; without it, the embedded one.
        path: Option<PathBuf> = None, "file";
        /// Serves on addresses that others reach although the policy passes clients that show no identity.
        allow_open: bool = false, "true or false";
        /// Loads a changed file without being asked.
        watch: bool = true, "true or false";
        /// Puts no policy in force that breaks its own tests or promises.
        tests_on_reload: bool = true, "true or false";
        /// Asks live sessions again after a reload and ends those that are blocked now.
        ask_live_sessions_again: bool = true, "true or false";
        /// The largest text of a policy that is read.
        max_text: Bytes = Bytes::mib(16), "size";
        /// The largest list that is read.
        max_list: Bytes = Bytes::mib(512), "size";
    }
}

section! {
    /// The record of sessions.
    Store {
        /// Its folder; without it `$XDG_STATE_HOME/rustsocks`, or `/var/lib/rustsocks` for root.
        dir: Option<PathBuf> = None, "folder";
        /// How much time one of its files holds; old files go as a whole.
        segment: Segment = Segment::Month, "`day` or `month`";
        /// How long records are kept.
        retention: Span = Span::days(90), "time or `off`";
        /// Records that wait to be written; when it is full the oldest way out is to drop and count.
        queue: usize = 16_384, "records";
        /// Records that are written at once.
        batch: usize = 500, "records";
        /// How long a record waits for others to be written with it.
        flush: Span = Span::millis(250), "time";
        /// Memory for pages of its files.
        cache: Bytes = Bytes::mib(64), "size";
    }
}

section! {
    /// How long we wait for others.
    Timeouts {
        /// From accept to a whole request, whatever the client sends meanwhile.
        handshake: Span = Span::secs(10), "time";
        /// From the first attempt to an established connection, over all addresses of a name.
        connect: Span = Span::secs(20), "time";
        /// How long nothing may move in either direction of a tunnel.
        idle: Span = Span::minutes(120), "time or `off`";
        /// How long the other direction may go on without moving anything once one has ended.
        half_open: Span = Span::minutes(10), "time or `off`";
        /// The longest life of a tunnel.
        lifetime: Span = Span::OFF, "time or `off`";
        /// How long tunnels may go on after SIGTERM.
        drain: Span = Span::secs(30), "time";
    }
}

section! {
    /// How much we take on.
    Limits {
        /// Connections at a time.
        connections: usize = 65_536, "connections";
        /// Connections at a time from one client address.
        connections_per_client: usize = 16_384, "connections";
        /// Connections at a time that have not sent a whole request.
        handshakes: usize = 16_384, "connections";
        /// Of those, from one client address.
        handshakes_per_client: usize = 8_192, "connections";
        /// Connections that the kernel keeps for us until we accept them.
        backlog: u32 = 4_096, "connections";
    }
}

section! {
    /// UDP ASSOCIATE.
    Udp {
        /// Whether the command is served at all; the policy decides who may use it.
        enabled: bool = true, "true or false";
        /// Ports towards clients; without it the kernel picks.
        ports: Option<PortRange> = None, "range of ports";
        /// The address that clients are told to send to, where it is not the one they connected to.
        advertise: Option<IpAddr> = None, "address";
        /// How long an association may be silent.
        idle: Span = Span::minutes(5), "time or `off`";
        /// Peers of one association; the one silent for longest makes room.
        peers: usize = 1_024, "peers";
        /// Datagrams of one association that wait for a name to be resolved.
        waiting: usize = 64, "datagrams";
    }
}

section! {
    /// BIND.
    Bind {
        /// Whether the command is served at all; the policy decides who may use it.
        enabled: bool = true, "true or false";
        /// Ports that are opened; without it the kernel picks.
        ports: Option<PortRange> = None, "range of ports";
        /// Ports that wait for a peer at a time, of one client address.
        waiting: usize = 64, "ports";
        /// The address that clients are told, where it is not the one that is bound.
        advertise: Option<IpAddr> = None, "address";
        /// How long the peer may take to come.
        timeout: Span = Span::secs(120), "time";
    }
}

section! {
    /// How bytes are moved.
    Relay {
        /// When bytes are moved inside the kernel.
        splice: Splice = Splice::Auto, "`auto`, `always` or `never`";
        /// Probes a silent peer after that long.
        keepalive: Span = Span::secs(60), "time or `off`";
        /// Our address or interface towards targets.
        egress: Option<String> = None, "address or interface";
    }
}

section! {
    /// Names to addresses.
    Resolver {
        /// Who resolves names.
        kind: ResolverKind = ResolverKind::Dns, "`dns` or `system`";
        /// Servers to ask instead of those of the system.
        servers: Vec<SocketAddr> = Vec::new(), "list of addresses";
        /// Names that are kept.
        cache: u64 = 16_384, "names";
        /// How long one look-up may take.
        timeout: Span = Span::secs(5), "time";
        /// How long the lack of a name is kept at most.
        negative_ttl: Span = Span::secs(30), "time";
        /// Look-ups at a time.
        concurrent: usize = 1_024, "look-ups";
        /// How long one address of a name may take before the next is tried beside it (RFC 8305).
        stagger: Span = Span::millis(250), "time";
    }
}

section! {
    /// Who clients are.
    Auth {
        /// Users and hashed passwords for the method `password`.
        users: Option<PathBuf> = None, "file";
        /// The PAM service that is asked where the policy names none.
        pam_service: String = "rustsocks".into(), "name";
        /// The folder of PAM service files instead of the system's.
        pam_directory: Option<PathBuf> = None, "folder";
        /// How long PAM may take.
        pam_timeout: Span = Span::secs(20), "time";
        /// Questions to PAM at a time; one service has at most three quarters of them.
        pam_workers: usize = 8, "processes";
        /// The user that `pam.address` asks PAM about.
        pam_address_user: String = "rhostusr".into(), "name";
        /// How long accepted credentials are accepted again without asking.
        remember: Span = Span::OFF, "time or `off`";
        /// How soon a failed login is answered at the earliest.
        failure_delay: Span = Span::millis(500), "time or `off`";
        /// Failed logins from one address before it is refused for a while; 0 refuses nobody.
        failures: u32 = 10, "logins";
        /// How long it is refused.
        penalty: Span = Span::minutes(5), "time";
        /// Failed logins of one user before that name is refused for a while, except where the
        /// user has logged in from within a day; 0 refuses nobody.
        user_failures: u32 = 30, "logins";
        /// How long it is refused.
        user_penalty: Span = Span::minutes(1), "time";
        /// Networks that are never refused for failed logins.
        exempt: Vec<Net> = Vec::new(), "list of networks";
    }
}

section! {
    /// What the process may do once it serves.
    Privileges {
        /// The user that root becomes; without it root stays root unless there is a user `rustsocks`.
        user_unprivileged: Option<String> = None, "name";
        /// The group; without it the user's own.
        group: Option<String> = None, "name";
        /// The user that the helper which asks PAM becomes; without it, it stays who it is.
        user_privileged: Option<String> = None, "name";
        /// Confines the server to the files and calls that it needs.
        sandbox: Sandbox = Sandbox::Auto, "`auto`, `require` or `off`";
    }
}

section! {
    /// The log, on the standard error output.
    Log {
        /// How it is written.
        format: LogFormat = LogFormat::Text, "`text` or `json`";
        /// What is written: `error`, `warn`, `info`, `debug`, `trace`, or `module=level` with commas.
        level: String = "info".into(), "level";
    }
}

section! {
    /// What Prometheus reads.
    Metrics {
        /// Users that get a series of their own, in the order they come; the rest share one.
        users: usize = 0, "users";
    }
}

section! {
    /// The machinery below.
    Runtime {
        /// Threads that move bytes; without it, one for each processor.
        threads: Option<usize> = None, "threads";
    }
}
