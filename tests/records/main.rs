//! Sessions on record, end to end: API, commands, metrics, log, store, and what strangers try.

#[cfg(test)]
#[path = "../support/mod.rs"]
mod support;

#[cfg(test)]
mod abuse;
#[cfg(test)]
mod api;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod monitoring;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod trouble;
#[cfg(test)]
mod wire;

use support::{Daemon, Target, tunnel, wait_for};

/// Passes loopback, blocks a network inside.
const POLICY: &str = "policy 1\nsocks block inside { to: 10.0.0.0/8 }\nsocks pass local { to: @loopback }\n";

/// A server with one session that has ended, one that was blocked, and one under way.
#[cfg(test)]
fn busy() -> (Daemon, std::net::TcpStream) {
    let daemon = Daemon::start(POLICY);
    let echo = Target::echo("127.0.0.1:0");
    closed(&daemon, echo);
    assert_eq!(tunnel(daemon.socks(), "10.1.2.3:80".parse().expect("an address")).err(), Some(2));
    let live = tunnel(daemon.socks(), echo.address).expect("it passes");
    recorded(&daemon, 2);
    (daemon, live)
}

/// A session that sends four bytes each way and ends.
#[cfg(test)]
fn closed(daemon: &Daemon, echo: Target) {
    use std::io::{Read, Write};
    let mut stream = tunnel(daemon.socks(), echo.address).expect("it passes");
    stream.write_all(b"ping").expect("is sent");
    stream.shutdown(std::net::Shutdown::Write).expect("is open");
    let mut back = String::new();
    stream.read_to_string(&mut back).expect("comes back");
    assert_eq!(back, "ping");
}

/// Waits until so many attempts are on record.
#[cfg(test)]
fn recorded(daemon: &Daemon, count: usize) -> Vec<serde_json::Value> {
    wait_for("records", || {
        let page = daemon.json("/api/sessions/history?limit=1000");
        let sessions = page["sessions"].as_array().expect("a list").clone();
        (sessions.len() >= count).then_some(sessions)
    })
}
