//! Chromium, told that loopback is no exception.

use crate::installed::{came_through, client, server, works};
use crate::support::Target;

#[test]
fn chromium_shows_a_page() {
    let web = Target::web("127.0.0.1:0", "<!doctype html><title>t</title><p id=x>a page by rustsocks");
    let daemon = server();
    let home = tempfile::tempdir().unwrap();
    let mut chromium = client("chromium");
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
    let page = works(&mut chromium);
    assert!(page.contains("a page by rustsocks"), "{page}");
    came_through(&daemon, "connect", Some(web.address));
}
