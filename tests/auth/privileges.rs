//! Row 50: what the processes may still do, as the kernel says it. Needs root; who develops as
//! somebody else has these skipped.

use crate::support::{Daemon, Target, command, run, rustsocks, wait_for};
use crate::wards::{Services, descendants, status};
use crate::wire::{answer, credentials, greet, open_folder};
use nix::unistd::{Uid, User};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

const POLICY: &str = "policy 1\nsocksmethod: pam.username\nsocks pass { user: any }\n";
const NOBODY: &str = "nobody";

fn is_root() -> bool {
    Uid::effective().is_root()
}

fn start(services: &Services, more: impl FnOnce(&mut Command)) -> Daemon {
    let dir = open_folder();
    let policy = dir.path().join("test.policy");
    std::fs::write(&policy, POLICY).unwrap();
    Daemon::launch(dir, |command| {
        command.arg("--policy").arg(&policy).args(["--listen", "127.0.0.1:0"]);
        command.args(["--set", &format!("privileges.user_unprivileged={NOBODY:?}")]);
        command.args(["--set", &format!("auth.pam_directory={:?}", services.path())]);
        more(command);
    })
}

fn services() -> Services {
    Services::new().service("rustsocks", &["auth required pam_permit.so", "account required pam_permit.so"])
}

/// The helper of a server: the one process below it.
fn helper(server: &Daemon) -> u32 {
    let pid = u32::try_from(server.pid()).unwrap();
    let below = descendants(pid);
    assert_eq!(below.len(), 1, "one helper and nothing else: {below:?}");
    below[0]
}

/// Asks again until a line of the status is as it should be: the state that counts is the last. A
/// thread that has gone meanwhile can do nothing any more.
#[track_caller]
fn expect_status(pid: u32, field: &str, wanted: &str) {
    wait_for(&format!("{field} of {pid} to be {wanted:?}"), || {
        let Some(value) = status(pid, field) else { return Some(()) };
        (value.split_whitespace().collect::<Vec<_>>().join(" ") == wanted).then_some(())
    });
}

/// Whether this process may narrow the bounding set, and so what it starts.
fn may_narrow() -> bool {
    let held = status(std::process::id(), "CapEff:").expect("is there");
    u64::from_str_radix(&held, 16).expect("is hexadecimal") & CAP_SETPCAP != 0
}

fn log_in(server: &Daemon) -> Vec<u8> {
    let (mut stream, method) = greet(server.socks(), &[2]);
    assert_eq!(method, 2);
    stream.write_all(&credentials(b"alice", b"secret")).unwrap();
    answer(&mut stream)
}

#[test]
fn row_50_the_server_keeps_nothing_and_the_helper_little() {
    if !is_root() {
        return;
    }
    let (services, nobody) = (services(), User::from_name(NOBODY).unwrap().unwrap());
    let server = start(&services, |_| {});
    let pid = u32::try_from(server.pid()).unwrap();
    let (uid, gid) = (nobody.uid.to_string(), nobody.gid.to_string());
    for thread in threads(pid) {
        expect_status(thread, "Uid:", &[&*uid; 4].join(" "));
        expect_status(thread, "Gid:", &[&*gid; 4].join(" "));
        expect_status(thread, "Groups:", &gid);
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
            expect_status(thread, set, NONE);
        }
        if may_narrow() {
            expect_status(thread, "CapBnd:", NONE);
        }
        expect_status(thread, "NoNewPrivs:", "1");
        if server.banner.contains("seccomp on") {
            expect_status(thread, "Seccomp:", "2");
        }
    }
    assert_no_core_dump(pid);
    let memory = std::fs::metadata(format!("/proc/{pid}/mem")).unwrap();
    assert_eq!(memory.uid(), 0, "nobody's other processes do not look into this one");
    let level = "runs as nobody without privileges, sandbox ";
    assert!(server.banner.contains(level), "{}", server.banner);
    assert!(server.json("/health")["confined"].as_str().unwrap().starts_with(level));

    let helper = helper(&server);
    expect_status(helper, "Uid:", "0 0 0 0");
    expect_status(helper, "NoNewPrivs:", "1");
    expect_status(helper, "Threads:", "1");
    expect_status(helper, "CapInh:", NONE);
    expect_status(helper, "CapAmb:", NONE);
    for set in ["CapPrm:", "CapEff:", "CapBnd:"].iter().take(if may_narrow() { 3 } else { 2 }) {
        let held = u64::from_str_radix(&status(helper, set).unwrap(), 16).unwrap();
        assert_eq!(held & !HELPER_KEEPS, 0, "{set} {held:x}");
    }
    assert_no_core_dump(helper);
    assert_eq!(log_in(&server), [1, 0], "and all that still works");
}

#[test]
fn a_server_that_has_dropped_everything_still_serves() {
    if !is_root() {
        return;
    }
    let (services, echo) = (services(), Target::echo("127.0.0.1:0"));
    let server = start(&services, |_| {});
    let (mut stream, _) = greet(server.socks(), &[2]);
    stream.write_all(&credentials(b"alice", b"secret")).unwrap();
    assert_eq!(answer(&mut stream), [1, 0]);
    let port = echo.address.port().to_be_bytes();
    stream.write_all(&[5, 1, 0, 1, 127, 0, 0, 1, port[0], port[1]]).unwrap();
    let mut reply = [0; 10];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(reply[..2], [5, 0]);
    let sent: Vec<u8> = (0..1_u32 << 20).map(|n| (n % 251) as u8).collect();
    let mut writer = stream.try_clone().unwrap();
    let all = sent.clone();
    let thread = std::thread::spawn(move || writer.write_all(&all).unwrap());
    let mut back = vec![0; sent.len()];
    stream.read_exact(&mut back).unwrap();
    thread.join().unwrap();
    assert!(back == sent, "bytes arrive as they were sent");
    drop(stream);
    // A reload works as well: the policy is read again as nobody.
    std::fs::write(server.policy(), POLICY.replace("any", "bob")).unwrap();
    wait_for("the new policy", || (greet_and_log_in(&server) != Some([1, 0].to_vec())).then_some(()));
}

/// A login of alice with a request; whether the request is passed stands in the reply.
fn greet_and_log_in(server: &Daemon) -> Option<Vec<u8>> {
    let (mut stream, method) = greet(server.socks(), &[2]);
    if method != 2 {
        return None;
    }
    stream.write_all(&credentials(b"alice", b"secret")).ok()?;
    if answer(&mut stream) != [1, 0] {
        return None;
    }
    stream.write_all(&[5, 1, 0, 1, 127, 0, 0, 1, 0, 9]).ok()?;
    let mut reply = [0; 2];
    stream.read_exact(&mut reply).ok()?;
    (reply[1] != 2).then(|| vec![1, 0])
}

#[test]
fn the_helper_becomes_the_privileged_user_that_the_settings_name() {
    if !is_root() {
        return;
    }
    let (services, daemon) = (services(), User::from_name("daemon").unwrap().unwrap());
    std::fs::set_permissions(services.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let server = start(&services, |command| {
        command.args(["--set", "privileges.user_privileged=\"daemon\""]);
    });
    let helper = helper(&server);
    expect_status(helper, "Uid:", &[&*daemon.uid.to_string(); 4].join(" "));
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        expect_status(helper, set, NONE);
    }
    assert_eq!(log_in(&server), [1, 0]);
}

#[test]
fn when_the_helper_dies_the_server_lives_and_lets_nobody_in() {
    if !is_root() {
        return;
    }
    let services = services();
    let server = start(&services, |_| {});
    let helper = nix::unistd::Pid::from_raw(i32::try_from(helper(&server)).unwrap());
    nix::sys::signal::kill(helper, nix::sys::signal::Signal::SIGKILL).unwrap();
    wait_for("the news", || server.log().contains("logins through PAM fail until a restart").then_some(()));
    let said = log_in(&server);
    assert!(said.len() == 2 && said[1] != 0, "{said:?}");
    let health = server.json("/health");
    assert_eq!(health["status"], "degraded", "{health}");
    assert!(health["reasons"].to_string().contains("the process that asks PAM is lost"), "{health}");
    let pid = u32::try_from(server.pid()).unwrap();
    wait_for("no second helper", || descendants(pid).iter().all(|pid| is_zombie(*pid)).then_some(()));
}

#[test]
fn what_cannot_be_dropped_does_not_start() {
    if !is_root() {
        return;
    }
    let dir = open_folder();
    for (set, why) in [
        ("privileges.user_unprivileged=\"no-such-user-here\"", "there is no user `no-such-user-here`"),
        ("privileges.group=\"no-such-group-here\"", "there is no group `no-such-group-here`"),
    ] {
        let mut command = rustsocks();
        command.args(["serve", "--listen", "127.0.0.1:0", "--api", "none", "--set", set]);
        command.args(
            ["--set", "privileges.user_unprivileged=\"nobody\""].iter().take(if set.contains("group") {
                2
            } else {
                0
            }),
        );
        let said = run(command.arg("--store").arg(dir.path().join("store")));
        assert_eq!(said.code(), 78, "{}", said.err);
        assert!(said.err.contains(why), "{}", said.err);
    }
}

/// A process that is root in name and may not become another: it must not serve as root instead.
#[test]
fn root_that_may_not_become_another_does_not_start() {
    if !is_root() || !may_narrow() {
        return;
    }
    let dir = open_folder();
    for (capability, step) in [("setuid", "setresuid"), ("setgid", "setgroups")] {
        let mut narrowed = command("setpriv");
        narrowed.arg(format!("--inh-caps=-{capability}")).arg(format!("--bounding-set=-{capability}"));
        narrowed.arg("--").arg(env!("CARGO_BIN_EXE_rustsocks"));
        narrowed.args(["serve", "--listen", "127.0.0.1:0", "--api", "none"]);
        narrowed.args(["--set", &format!("privileges.user_unprivileged={NOBODY:?}")]);
        let said = run(narrowed.arg("--store").arg(dir.path().join("store")));
        assert_eq!(said.code(), 78, "{}", said.err);
        assert!(said.err.contains(&format!("{step} is refused")), "{}", said.err);
    }
}

fn is_zombie(pid: u32) -> bool {
    status(pid, "State:").is_none_or(|state| state.starts_with('Z'))
}

fn threads(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    tasks.filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok()).collect()
}

fn assert_no_core_dump(pid: u32) {
    let limits = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
}

const NONE: &str = "0000000000000000";
const CAP_SETPCAP: u64 = 1 << 8;
/// CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, KILL, SETGID, SETUID, AUDIT_WRITE.
const HELPER_KEEPS: u64 = 0xef | 1 << 29;

/// A socket in the file system stayed root's, so that nobody but root could connect, and the server
/// could not remove it.
#[test]
fn a_socket_in_the_file_system_belongs_to_the_user_that_serves() {
    if !is_root() {
        return;
    }
    let (services, nobody) = (services(), User::from_name(NOBODY).unwrap().unwrap());
    let folder = open_folder();
    std::os::unix::fs::chown(folder.path(), Some(nobody.uid.as_raw()), None).unwrap();
    let path = folder.path().join("socks.sock");
    let mut server = start(&services, |command| {
        command.arg("--listen").arg(format!("unix:{}", path.display()));
    });
    let meta = std::fs::metadata(&path).unwrap();
    assert_eq!((meta.uid(), meta.gid()), (nobody.uid.as_raw(), nobody.gid.as_raw()));
    assert_eq!(meta.mode() & 0o777, 0o660);
    server.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(server.wait().code(), Some(0));
    assert!(!path.exists());
}
