//! proxychains, ncat, OpenBSD's nc, ssh and git.

use crate::installed::{came_through, client, fetched, server, works};
use crate::support::{Kept, Target, command, connect, wait_for};
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};

/// Gives a client its input, and the output back.
#[track_caller]
fn fed(command: &mut Command, input: &str) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().write_all(input.as_bytes()).unwrap();
    works(command.stdin(Stdio::from(std::fs::File::open(file.path()).unwrap())))
}

#[test]
fn proxychains_leads_curl_through_each_protocol() {
    let web = Target::web("127.0.0.1:0", "a page");
    let daemon = server();
    let url = format!("http://127.0.0.1:{}/", web.address.port());
    for kind in ["socks5", "socks4", "http"] {
        let conf = daemon.dir().join(format!("{kind}.conf"));
        let text =
            format!("strict_chain\nquiet_mode\n[ProxyList]\n{kind} 127.0.0.1 {}\n", daemon.socks().port());
        std::fs::write(&conf, text).unwrap();
        let mut proxychains = client("proxychains4");
        proxychains.arg("-q").arg("-f").arg(&conf).args(["curl", "-sS", "--max-time", "60", &url]);
        assert_eq!(works(&mut proxychains), "a page", "{kind}");
    }
    came_through(&daemon, "connect", Some(web.address));
}

#[test]
fn ncat_and_openbsd_nc_carry_text_through_each_protocol() {
    let echo = Target::echo("127.0.0.1:0");
    let daemon = server();
    let (proxy, port) = (daemon.socks().to_string(), echo.address.port().to_string());
    for kind in ["socks5", "socks4", "http"] {
        let mut ncat = client("ncat");
        ncat.args(["--proxy", &proxy, "--proxy-type", kind, "127.0.0.1", &port]);
        assert_eq!(fed(&mut ncat, "by ncat\n"), "by ncat\n", "{kind}");
    }
    for kind in ["5", "4", "connect"] {
        let mut nc = client("nc.openbsd");
        nc.args(["-N", "-X", kind, "-x", &proxy, "127.0.0.1", &port]);
        assert_eq!(fed(&mut nc, "by nc\n"), "by nc\n", "{kind}");
    }
    came_through(&daemon, "connect", Some(echo.address));
}

#[test]
fn ssh_runs_a_command_through_a_proxy_command() {
    let daemon = server();
    let folder = tempfile::tempdir().unwrap();
    let (address, _sshd) = sshd(folder.path());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let mut ssh = client("ssh");
    client("nc.openbsd");
    ssh.args([
        "-F",
        "none",
        "-o",
        "BatchMode=yes",
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "IdentitiesOnly=yes",
    ]);
    ssh.arg("-o").arg(format!("UserKnownHostsFile={}", path("known")));
    ssh.arg("-o").arg(format!("ProxyCommand=nc.openbsd -X 5 -x {} %h %p", daemon.socks()));
    ssh.arg("-i").arg(path("client")).arg("-p").arg(address.port().to_string()).args([
        "127.0.0.1",
        "echo",
        "by ssh",
    ]);
    assert_eq!(works(&mut ssh), "by ssh\n");
    came_through(&daemon, "connect", Some(address));
}

/// An sshd of our own on a free port, which takes the key `client` of the folder.
fn sshd(folder: &Path) -> (SocketAddr, Kept) {
    let path = |name: &str| folder.join(name).display().to_string();
    for name in ["host", "client"] {
        works(client("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &path(name)]));
    }
    std::fs::copy(path("client.pub"), path("authorized")).unwrap();
    if nix::unistd::Uid::effective().is_root() {
        // The folder that sshd retires to; a system whose sshd has run has it.
        std::fs::create_dir_all("/run/sshd").unwrap();
    }
    // sshd wants a user of its own, which a system has once the package is installed for good.
    let passwd =
        std::fs::read_to_string("/etc/passwd").unwrap() + "sshd:x:65534:65534::/run/sshd:/usr/sbin/nologin\n";
    std::fs::write(path("passwd"), passwd).unwrap();
    let wrapper = installed("libnss_wrapper.so");
    let program = fetched("sshd/usr/sbin/sshd").canonicalize().unwrap();
    // Another process may take the port in between: then with another one.
    for _ in 0..5 {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let conf = format!(
            "ListenAddress {free}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nUseDNS no\n",
            path("host"),
            path("authorized")
        );
        std::fs::write(path("sshd.conf"), conf).unwrap();
        let log = std::fs::File::create(path("sshd.log")).unwrap();
        let mut sshd = command(&program);
        sshd.env("LD_PRELOAD", &wrapper)
            .env("NSS_WRAPPER_PASSWD", path("passwd"))
            .env("NSS_WRAPPER_GROUP", "/etc/group");
        sshd.args(["-D", "-e", "-f", &path("sshd.conf")]).stdout(Stdio::null()).stderr(log);
        let mut child = Kept(sshd.spawn().unwrap());
        let up = wait_for("sshd", || match child.0.try_wait().unwrap() {
            Some(_) => Some(false),
            None => std::fs::read_to_string(path("sshd.log"))
                .unwrap()
                .contains("Server listening")
                .then_some(true),
        });
        if up {
            drop(connect(free));
            return (free, child);
        }
    }
    panic!("sshd does not start: {}", std::fs::read_to_string(path("sshd.log")).unwrap());
}

/// A library of the system, whatever the processor is called.
#[track_caller]
fn installed(library: &str) -> std::path::PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().flatten().map(|folder| folder.path());
    let found = folders.map(|folder| folder.join(library)).find(|path| path.exists());
    found
        .unwrap_or_else(|| panic!("`{library}` is missing: run `make test`, which installs the test clients"))
}

#[test]
fn git_clones_over_http_through_socks() {
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path().join("work");
    let git = |arguments: &[&str]| {
        let mut git = client("git");
        git.env("HOME", folder.path()).env("GIT_CONFIG_NOSYSTEM", "1").args([
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@t",
        ]);
        git.args(arguments);
        works(&mut git)
    };
    let text = |path: &Path| path.display().to_string();
    git(&["init", "-q", &text(&work)]);
    std::fs::write(work.join("file"), "by git\n").unwrap();
    git(&["-C", &text(&work), "add", "file"]);
    git(&["-C", &text(&work), "commit", "-q", "-m", "one"]);
    let bare = folder.path().join("served.git");
    git(&["clone", "-q", "--bare", &text(&work), &text(&bare)]);
    git(&["-C", &text(&bare), "update-server-info"]);
    let served = files(folder.path());
    let daemon = server();
    let proxy = format!("http.proxy=socks5h://{}", daemon.socks());
    let url = format!("http://localhost:{}/served.git", served.address.port());
    let clone = folder.path().join("clone");
    git(&["-c", &proxy, "clone", "-q", &url, &text(&clone)]);
    assert_eq!(std::fs::read_to_string(clone.join("file")).unwrap(), "by git\n");
    came_through(&daemon, "connect", Some(served.address));
}

/// A web server over a folder, enough for git's plain protocol.
fn files(folder: &Path) -> Target {
    use std::io::{BufRead, BufReader};
    let folder = folder.to_path_buf();
    Target::serve("127.0.0.1:0", move |mut stream| {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let first = lines.next().transpose()?.unwrap_or_default();
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        let path = first.split([' ', '?']).nth(1).unwrap_or("/").trim_start_matches('/').to_string();
        let (status, body) = match std::fs::read(folder.join(path)) {
            Ok(body) => ("200 OK", body),
            Err(_) => ("404 Not Found", Vec::new()),
        };
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
        stream.write_all(&body)?;
        stream.shutdown(std::net::Shutdown::Write)
    })
}
