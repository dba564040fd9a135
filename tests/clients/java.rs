//! Java's own SOCKS client.

use crate::installed::{came_through, client, script, server, works};
use crate::support::Target;

#[test]
fn java_opens_sockets_and_reads_pages() {
    let (echo, web) = (Target::echo("127.0.0.1:0"), Target::web("127.0.0.1:0", "a page"));
    let daemon = server();
    let ports = [daemon.socks(), echo.address, web.address].map(|one| one.port().to_string());
    client("javac");
    let mut java = client("java");
    java.args(["-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]).arg(script("Client.java"));
    assert_eq!(works(java.args(ports)), "socket ok\npage ok\n");
    came_through(&daemon, "connect", Some(echo.address));
    came_through(&daemon, "connect", Some(web.address));
}
