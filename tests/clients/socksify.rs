//! Dante's own client: TCP, UDP and BIND through its preloaded library.

use crate::installed::{came_through, client, script, server, works};
use crate::support::{Daemon, Target, connect};
use std::io::{Read, Write};
use std::process::Command;

fn socksify(daemon: &Daemon) -> Command {
    let conf = daemon.dir().join("socks.conf");
    let text = format!(
        "logoutput: stderr\nresolveprotocol: fake\nroute {{\n  from: 0.0.0.0/0  to: 0.0.0.0/0  via: 127.0.0.1 port = {}\n  \
         proxyprotocol: socks_v5\n  protocol: tcp udp\n  method: none\n}}\n",
        daemon.socks().port()
    );
    std::fs::write(&conf, text).unwrap();
    let mut command = client("socksify");
    command.env("SOCKS_CONF", &conf).env("SOCKS_AUTOADD_LANROUTES", "no");
    command
}

#[test]
fn dantes_client_connects() {
    let web = Target::web("127.0.0.1:0", "a page");
    let daemon = server();
    let url = format!("http://127.0.0.1:{}/", web.address.port());
    assert_eq!(works(socksify(&daemon).args(["curl", "-sS", "--max-time", "60", &url])), "a page");
    came_through(&daemon, "connect", Some(web.address));
}

#[test]
fn dantes_client_sends_datagrams() {
    let udp = Target::udp_echo("127.0.0.1:0");
    let daemon = server();
    let mut python = socksify(&daemon);
    python.args(["python3", "-B"]).arg(script("dante.py")).args(["udp", &udp.address.port().to_string()]);
    assert_eq!(works(&mut python), "udp ok\n");
    came_through(&daemon, "udpassociate", None);
}

#[test]
fn dantes_client_binds() {
    let caller = Target::serve("127.0.0.1:0", |mut stream| {
        let mut port = [0; 2];
        stream.read_exact(&mut port)?;
        let mut back = connect(std::net::SocketAddr::from(([127, 0, 0, 1], u16::from_be_bytes(port))));
        back.write_all(b"called back")
    });
    let daemon = server();
    let mut python = socksify(&daemon);
    python.args(["python3", "-B"]).arg(script("dante.py")).args(["bind", &caller.address.port().to_string()]);
    assert_eq!(works(&mut python), "bind ok\n");
    came_through(&daemon, "connect", Some(caller.address));
    came_through(&daemon, "bind", None);
}
