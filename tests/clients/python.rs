//! PySocks, requests and aiohttp-socks.

use crate::installed::{came_through, fetched, script, server, works};
use crate::support::{Daemon, Target, command};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

fn python(name: &str) -> Command {
    let mut command = command(fetched("python/bin/python"));
    command.arg("-B").arg(script(name));
    command
}

#[test]
fn pysocks_makes_tunnels_and_sends_datagrams() {
    let (echo, udp) = (Target::echo("127.0.0.1:0"), Target::udp_echo("127.0.0.1:0"));
    let daemon = server();
    let arguments = [daemon.socks().port(), echo.address.port(), udp.address.port()];
    let said = works(python("pysocks.py").args(arguments.map(|port| port.to_string())));
    assert_eq!(said, "socks5 ok\nsocks4 ok\nhttp ok\nudp ok\n");
    came_through(&daemon, "connect", Some(echo.address));
    came_through(&daemon, "udpassociate", None);
}

#[test]
fn requests_reads_pages_by_name_and_by_address() {
    let web = Target::web("127.0.0.1:0", "a page");
    let daemon = server();
    let arguments = [daemon.socks().port(), web.address.port()];
    let said = works(python("with_requests.py").args(arguments.map(|port| port.to_string())));
    assert_eq!(said, "a page\n".repeat(4));
    came_through(&daemon, "connect", Some(web.address));
}

#[test]
fn aiohttp_socks_reads_many_pages_at_once() {
    let web = Target::web("127.0.0.1:0", "a page");
    let daemon = server();
    let arguments = [daemon.socks().port(), web.address.port()];
    let said = works(python("with_aiohttp.py").args(arguments.map(|port| port.to_string())));
    assert_eq!(said, "60 pages\n");
    came_through(&daemon, "connect", Some(web.address));
}

#[test]
fn requests_and_curl_log_in_with_a_password() {
    let web = Target::web("127.0.0.1:0", "a page");
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    let program = env!("CARGO_BIN_EXE_rustsocks");
    let add = format!("printf 'open sesame\\n' | '{program}' user add --file '{}' alice", users.display());
    works(command("bash").args(["-c", &add]));
    std::fs::set_permissions(&users, std::fs::Permissions::from_mode(0o600)).unwrap();
    let policy = "policy 1\nsocksmethod: password\nsocks pass alice { user: alice  to: @loopback }\n";
    let daemon = Daemon::start_with(policy, |command| {
        command.arg("--set").arg(format!("auth.users={}", users.display()));
    });
    let arguments = [daemon.socks().port(), web.address.port()];
    let mut client = python("with_requests.py");
    let said = works(client.args(arguments.map(|port| port.to_string())).args(["alice", "open%20sesame"]));
    assert_eq!(said, "a page\n".repeat(2));
    let url = format!("http://localhost:{}/", web.address.port());
    let proxy = format!("socks5h://{}", daemon.socks());
    let mut curl = crate::installed::client("curl");
    assert_eq!(works(curl.args(["-sS", "-U", "alice:open sesame", "-x", &proxy, &url])), "a page");
    let mut wrong = crate::installed::client("curl");
    let said = crate::support::run(wrong.args(["-sS", "-U", "alice:guess", "-x", &proxy, &url]));
    assert_eq!(said.code(), 97, "{said:?}");
}
