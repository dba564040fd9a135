//! Chromium, told that loopback is no exception.

use crate::installed::{came_through, client, server};
use crate::support::{Daemon, Target, run};

#[test]
fn chromium_shows_a_page() {
    let web = Target::web("127.0.0.1:0", "<!doctype html><title>t</title><p id=x>a page by rustsocks");
    let daemon = server();
    client("chromium");
    // On a loaded machine a browser may fail to start, which is none of the proxy's doing.
    let page = (0..3).map(|_| show(&daemon, &web)).find(|page| page.contains("a page by rustsocks"));
    assert!(page.is_some(), "no page in three attempts; the log: {}", daemon.log());
    came_through(&daemon, "connect", Some(web.address));
}

fn show(daemon: &Daemon, web: &Target) -> String {
    let home = tempfile::tempdir().unwrap();
    let mut chromium = client("timeout");
    chromium.args(["-k", "5", "75", "chromium"]);
    chromium.env("HOME", home.path()).env("XDG_CONFIG_HOME", home.path()).env("XDG_CACHE_HOME", home.path());
    chromium.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-quic",
    ]);
    chromium.args(["--no-first-run", "--disable-background-networking", "--disable-component-update"]);
    chromium.args(["--disable-sync", "--disable-extensions", "--proxy-bypass-list=<-loopback>"]);
    chromium.arg(format!("--user-data-dir={}", home.path().join("profile").display()));
    chromium.arg(format!("--proxy-server=socks5://{}", daemon.socks()));
    chromium.arg("--dump-dom").arg(format!("http://localhost:{}/", web.address.port()));
    run(&mut chromium).out
}
