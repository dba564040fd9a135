//! The npm package `socks`: CONNECT, BIND and UDP ASSOCIATE.

use crate::installed::{came_through, client, fetched, script, server, works};
use crate::support::{Target, connect};
use std::io::{Read, Write};

#[test]
fn the_npm_package_socks_connects_binds_and_associates() {
    let (echo, udp) = (Target::echo("127.0.0.1:0"), Target::udp_echo("127.0.0.1:0"));
    // Reads a port from whoever comes, and connects to it: the peer of the BIND.
    let caller = Target::serve("127.0.0.1:0", |mut stream| {
        let mut port = [0; 2];
        stream.read_exact(&mut port)?;
        let mut back = connect(std::net::SocketAddr::from(([127, 0, 0, 1], u16::from_be_bytes(port))));
        back.write_all(b"called back")
    });
    let daemon = server();
    let ports = [daemon.socks(), echo.address, udp.address, caller.address].map(|one| one.port().to_string());
    let said =
        works(client("node").arg(script("client.cjs")).arg(fetched("npm/node_modules/socks")).args(ports));
    assert_eq!(said, "socks5 ok\nsocks4 ok\nbind ok\nudp ok\n");
    came_through(&daemon, "connect", Some(echo.address));
    came_through(&daemon, "bind", None);
    came_through(&daemon, "udpassociate", None);
}
