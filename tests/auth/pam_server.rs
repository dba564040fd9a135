//! The real server and the real libpam: what PAM says, and what becomes of it.

use crate::server::with_users;
use crate::support::{Daemon, Target, connect, wait_for};
use crate::wards::{Services, Stall, runs};
use crate::wire::{answer, credentials, greet, login, users_file};
use std::io::{Read, Write};
use std::process::Command;

/// Whether a client reaches its target where PAM is asked about its address.
fn reaches(service: &str, rules: &str) -> bool {
    let services = Services::new()
        .service("permit", &["auth required pam_permit.so", "account required pam_permit.so"])
        .service("deny", &["auth required pam_deny.so", "account required pam_deny.so"]);
    let echo = Target::echo("127.0.0.1:0");
    let policy = format!("policy 1\nclientmethod: {service}\n{rules}socks pass {{ to: @loopback }}\n");
    let server = Daemon::start_with(&policy, |command| {
        command.args(["--set", &format!("auth.pam_directory={:?}", services.path())]);
    });
    let mut stream = connect(server.socks());
    let port = echo.address.port().to_be_bytes();
    // Whom the server does not want, it may have cut off already.
    let sent = stream.write_all(&[5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, port[0], port[1]]);
    let mut reply = [0; 12];
    let passed = sent.and_then(|()| stream.read_exact(&mut reply)).is_ok() && reply[..4] == [5, 0, 5, 0];
    assert!(passed || reply == [0; 12], "a client that is not admitted is told nothing: {reply:?}");
    passed
}

#[test]
fn an_address_that_pam_refuses_gets_no_further_with_or_without_client_rules() {
    let rule = "client pass known { clientmethod: pam.address }\n";
    for rules in ["", rule] {
        assert!(reaches("pam.address(permit)", rules), "{rules}");
        assert!(!reaches("pam.address(deny)", rules), "{rules}");
    }
    assert!(reaches("pam.address(deny), none", ""), "the next method counts");
    assert!(!reaches("certificate", ""), "a client without a certificate has shown none");
}

/// A stack that notes each question in the file `asked` and says no.
fn noted_refusals() -> Services {
    Services::new().file("note.sh", "echo >> DIR/asked\nexit 1\n").service(
        "rustsocks",
        &["auth required pam_exec.so /bin/sh DIR/note.sh", "account required pam_permit.so"],
    )
}

fn with_services(services: &Services) -> impl FnOnce(&mut Command) + use<> {
    let set = format!("auth.pam_directory={:?}", services.path());
    move |command| {
        command.args(["--set", &set, "--set", "auth.failures=4", "--set", "auth.penalty=1h"]);
        command.args(["--set", "auth.failure_delay=off"]);
    }
}

#[test]
fn an_address_that_pam_has_refused_often_is_no_longer_asked_about() {
    for policy in [
        "policy 1\nclientmethod: pam.address\nsocks pass { to: @loopback }\n",
        "policy 1\nsocksmethod: pam.address\nsocks pass { to: @loopback }\n",
    ] {
        let services = noted_refusals();
        let server = Daemon::start_with(policy, with_services(&services));
        wait_for("the penalty", || {
            let mut stream = connect(server.socks());
            let _cut_off = stream.write_all(&[5, 1, 0]).and_then(|()| stream.read(&mut [0; 2]));
            server.log().contains("too many failed logins from 127.0.0.1").then_some(())
        });
        for _ in 0..5 {
            let mut stream = connect(server.socks());
            let _cut_off = stream.write_all(&[5, 1, 0]).and_then(|()| stream.read(&mut [0; 2]));
        }
        let asked = std::fs::read(services.path().join("asked")).unwrap().len();
        assert!((4..=6).contains(&asked), "PAM was asked {asked} times:\n{}", server.log());
        let failures = server.log().matches("authentication failure from 127.0.0.1 by pam.address\n").count();
        assert_eq!(failures, asked, "{}", server.log());
    }
}

#[test]
fn an_address_that_another_method_lets_in_is_not_punished_for_what_pam_says() {
    let (services, echo) = (noted_refusals(), Target::echo("127.0.0.1:0"));
    let policy = "policy 1\nclientmethod: pam.address, none\nsocks pass { to: @loopback }\n";
    let server = Daemon::start_with(policy, with_services(&services));
    for _ in 0..12 {
        assert!(crate::support::tunnel(server.socks(), echo.address).is_ok(), "{}", server.log());
    }
    assert_eq!(std::fs::read(services.path().join("asked")).unwrap().len(), 12);
    assert!(!server.log().contains("authentication failure"), "{}", server.log());
}

#[test]
fn a_program_that_says_no_is_a_refusal_in_log_and_metrics() {
    let services = noted_refusals();
    let policy = "policy 1\nsocksmethod: pam.username\nsocks pass { user: any }\n";
    let server = Daemon::start_with(policy, with_services(&services));
    let said = login(server.socks(), b"alice", b"x");
    assert!(said.len() == 2 && said[1] != 0, "{said:?}");
    let line = wait_for("the reason", || {
        server.log().lines().find(|line| line.contains("PAM (rustsocks) refuses")).map(str::to_owned)
    });
    assert!(
        line.contains(" INFO ") && line.contains("PAM_SYSTEM_ERR, \"") && line.contains("exit code 1"),
        "{line}"
    );
    assert!(server.log().contains("authentication failure from 127.0.0.1 by pam.username for \"alice\""));
    let (_, metrics) = server.get("/metrics");
    assert!(
        metrics.contains("rustsocks_pam_auth_total{method=\"pam.username\",result=\"refused\"} 1"),
        "{metrics}"
    );
}

#[test]
fn a_question_to_pam_counts_even_where_another_method_decides() {
    let (services, users) = (noted_refusals(), users_file("alice", "correct horse"));
    let policy = "policy 1\nsocksmethod: pam.username, password\nsocks pass { user: any }\n";
    let server = Daemon::start_with(policy, |command| {
        with_services(&services)(command);
        with_users(&users)(command);
    });
    assert_eq!(login(server.socks(), b"alice", b"correct horse"), [1, 0]);
    let (_, metrics) = server.get("/metrics");
    for line in [
        "rustsocks_pam_auth_total{method=\"pam.username\",result=\"refused\"} 1",
        "rustsocks_pam_auth_duration_seconds_count 1",
        "rustsocks_auth_total{method=\"password\",result=\"accepted\"} 1",
        "rustsocks_auth_total{method=\"pam.username\",result=\"refused\"} 0",
    ] {
        assert!(metrics.lines().any(|metric| metric == line), "{line} is missing of:\n{metrics}");
    }
    assert!(!server.log().contains("authentication failure"), "no failure: {}", server.log());
}

#[test]
fn what_modules_have_started_ends_with_a_server_that_is_killed() {
    let stall = Stall::new();
    let program = &stall.command;
    let services = Services::new().service(
        "rustsocks",
        &[&format!("auth required pam_exec.so {program}"), "account required pam_permit.so"],
    );
    let policy = "policy 1\nsocksmethod: pam.username\nsocks pass { user: any }\n";
    let mut server = Daemon::start_with(policy, with_services(&services));
    let (mut stream, method) = greet(server.socks(), &[2]);
    assert_eq!(method, 2);
    stream.write_all(&credentials(b"alice", b"x")).unwrap();
    wait_for("a question under way", || runs(program).then_some(()));
    server.signal(nix::sys::signal::Signal::SIGKILL);
    server.wait();
    wait_for("the end of the program", || (!runs(program)).then_some(()));
}

#[test]
fn a_pam_service_without_a_file_is_refused_at_the_start_and_on_reload() {
    let services =
        Services::new().service("there", &["auth required pam_permit.so", "account required pam_permit.so"]);
    let policy = |service: &str| {
        format!("policy 1\nsocksmethod: pam.username({service})\nsocks pass {{ user: any }}\n")
    };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("p.policy");
    std::fs::write(&file, policy("missing")).unwrap();
    let mut command = crate::support::rustsocks();
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--api", "none", "--store"])
        .arg(dir.path().join("store"));
    command.args(["--set", &format!("auth.pam_directory={:?}", services.path())]);
    let said = crate::support::run(command.arg("--policy").arg(&file));
    assert_eq!(said.code(), 78, "{}", said.err);
    assert!(said.err.contains("there is no PAM service `missing`"), "{}", said.err);

    let server = Daemon::start_with(&policy("there"), with_services(&services));
    assert_eq!(login(server.socks(), b"alice", b"x"), [1, 0]);
    let new = server.dir().join("new");
    std::fs::write(&new, policy("missing")).unwrap();
    std::fs::rename(&new, server.policy()).unwrap();
    wait_for("the complaint", || server.log().contains("there is no PAM service `missing`").then_some(()));
    assert_eq!(login(server.socks(), b"alice", b"x"), [1, 0], "the policy of before stays");
    assert_eq!(server.json("/health")["status"], "degraded");
}

#[test]
fn each_rule_has_the_pam_service_that_it_names() {
    let exec = |file: &str| format!("auth required pam_exec.so quiet expose_authtok /bin/sh DIR/{file}");
    let services = Services::new()
        .file("vpn.sh", "test \"$(tr -d '\\0')\" = vpn-password\n")
        .file("web.sh", "test \"$(tr -d '\\0')\" = web-password\n")
        .service("vpn", &[&exec("vpn.sh"), "account required pam_permit.so"])
        .service("web", &[&exec("web.sh"), "account required pam_permit.so"]);
    let (vpn, web) = (Target::echo("127.0.0.1:0"), Target::echo("127.0.0.1:0"));
    let rule = |service: &str, target: Target| {
        let port = target.address.port();
        format!("socks pass {{ socksmethod: pam.username({service})  to: 127.0.0.1  port: {port} }}\n")
    };
    let methods = "policy 1\nsocksmethod: pam.username(vpn), pam.username(web)\n";
    let policy = format!("{methods}{}{}", rule("vpn", vpn), rule("web", web));
    let server = Daemon::start_with(&policy, |command| {
        with_services(&services)(command);
        command.args(["--set", "auth.failures=0"]);
    });
    for (password, target, reply) in [
        ("vpn-password", vpn, 0),
        ("vpn-password", web, 2),
        ("web-password", vpn, 2),
        ("web-password", web, 0),
    ] {
        let (mut stream, _) = greet(server.socks(), &[2]);
        stream.write_all(&credentials(b"alice", password.as_bytes())).unwrap();
        assert_eq!(answer(&mut stream), [1, 0], "{password}");
        let port = target.address.port().to_be_bytes();
        stream.write_all(&[5, 1, 0, 1, 127, 0, 0, 1, port[0], port[1]]).unwrap();
        let mut said = [0; 2];
        stream.read_exact(&mut said).unwrap();
        assert_eq!(said, [5, reply], "{password} to {}", target.address);
    }
    assert_eq!(login(server.socks(), b"alice", b"neither"), [1, 1]);
}
