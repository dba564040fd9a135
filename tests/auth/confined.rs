//! Row 50 from the inside: what a process that is confined can still do, tried in one.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;

/// Says that this process is the one to be confined, and which folder it may write.
const INSIDE: &str = "CONFINED_TEST_FOLDER";

/// Runs the test `inside` in a process of its own, as root, which then becomes nobody.
#[test]
fn row_50_what_was_given_up_cannot_be_taken_back_and_the_rest_still_works() {
    if !nix::unistd::Uid::effective().is_root() {
        return;
    }
    let dir = tempfile::Builder::new().prefix("rustsocks-confined-").tempdir_in("/tmp").unwrap();
    std::os::unix::fs::chown(dir.path(), Some(65_534), Some(65_534)).unwrap();
    let this = std::env::current_exe().unwrap();
    let mut command = Command::new(this);
    command.args(["--exact", "confined::inside", "--nocapture", "--test-threads", "1"]);
    command.env(INSIDE, dir.path()).current_dir("/");
    let said = crate::support::run(&mut command);
    assert_eq!(said.code(), 0, "{}\n{}", said.out, said.err);
    assert!(said.out.contains("1 passed"), "{}\n{}", said.out, said.err);
    assert!(dir.path().join("written").exists(), "it was really run:\n{}\n{}", said.out, said.err);
}

/// Does nothing where it is run with the other tests: it would confine them too.
#[test]
fn inside() {
    use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};
    let Some(dir) = std::env::var_os(INSIDE).map(PathBuf::from) else { return };
    let settings = rustsocks::settings::sections::Privileges {
        user_unprivileged: Some("nobody".into()),
        ..Default::default()
    };
    let level = rustsocks::privilege::confine_server(&settings, std::slice::from_ref(&dir)).unwrap();
    assert!(level.bare && !level.root, "{level}");

    assert!(setuid(Uid::from_raw(0)).is_err());
    assert!(setgid(Gid::from_raw(0)).is_err());
    assert!(setgroups(&[Gid::from_raw(0)]).is_err());
    assert!(std::fs::read("/etc/shadow").is_err());
    assert!(std::fs::OpenOptions::new().write(true).open("/proc/1/mem").is_err());
    if level.seccomp {
        let refused = Command::new("/bin/true").status().unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
        // Even what an ordinary user may do: another namespace, its own identity again.
        assert_eq!(setuid(Uid::current()), Err(nix::errno::Errno::EPERM));
    }
    if level.landlock == rustsocks::privilege::Landlock::Full {
        assert!(std::fs::write("/tmp/rustsocks-must-not-be-written", "x").is_err());
        assert!(std::fs::write("/dev/shm/rustsocks-must-not-be-written", "x").is_err());
    }

    std::fs::write(dir.join("new"), "x").unwrap();
    std::fs::rename(dir.join("new"), dir.join("written")).unwrap();
    assert!(std::fs::read_to_string("/etc/passwd").unwrap().contains("nobody"));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || TcpStream::connect(address).unwrap());
    listener.accept().unwrap();
    thread.join().unwrap();
}
