//! `rustsocks check --format sarif` against the schema of SARIF 2.1.0.

use crate::installed::{client, fetched, script, works};
use crate::support::{run, rustsocks};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

const CLEAN: &str = "socks block inside { to: @loopback, @link-local, @metadata }\n\
                     socks pass web { from: 10.0.0.0/8  to: .example.com  port: 443 }\n";
const FIXES: &str = "# § ключ\nset   idle { 10.0.0.0/8, 10.1.0.0/16 }\nsocks allow dns { to: 9.9.9.9, 9.9.9.0/24 port: 53 }\n\
                     socks pass more { to: 9.9.9.9  port: 53 }\nsocks block all { to: any }\n";
const BROKEN: &str =
    "sokcs pass a { to: any }\nsocks pass b { to: any; port = 80 }\nset office { 10.0.0.0/33, \"x }\n";

fn log(folder: &Path, name: &str, arguments: &[&str]) -> String {
    let said = run(rustsocks().current_dir(folder).args(["check", "--format", "sarif"]).args(arguments));
    let path = folder.join(name);
    fs::write(&path, &said.out).expect("writes");
    path.to_string_lossy().into_owned()
}

fn log_of_stdin(folder: &Path, text: &[u8]) -> String {
    let mut command = rustsocks();
    command.args(["check", "--format", "sarif", "-"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts");
    child.stdin.take().expect("is piped").write_all(text).expect("writes");
    let said = child.wait_with_output().expect("ends");
    let path = folder.join("stdin.sarif");
    fs::write(&path, said.stdout).expect("writes");
    path.to_string_lossy().into_owned()
}

#[test]
fn logs_are_valid_against_the_schema() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path();
    let teams = folder.join("teams of ours");
    fs::create_dir(&teams).expect("a folder");
    let including = format!("include \"teams of ours/*.policy\"\ninclude \"nowhere/*.policy\"\n{CLEAN}");
    for (name, text) in [
        ("clean.policy", CLEAN),
        ("fixes.policy", FIXES),
        ("broken.policy", BROKEN),
        ("empty.policy", ""),
        ("including.policy", &including),
        ("teams of ours/a%b é.policy", "socks pass wide { from: 10.0.0.0/8  to: 10.1.0.1/8 }\n"),
    ] {
        fs::write(folder.join(name), text).expect("writes");
    }
    let absolute = folder.join("fixes.policy");
    let mut logs = vec![
        log(folder, "clean.sarif", &["clean.policy"]),
        log(folder, "fixes.sarif", &["fixes.policy"]),
        log(folder, "broken.sarif", &["broken.policy"]),
        log(folder, "empty.sarif", &["empty.policy"]),
        log(folder, "including.sarif", &["including.policy"]),
        log(folder, "several.sarif", &["clean.policy", &absolute.to_string_lossy(), "broken.policy"]),
        log_of_stdin(folder, FIXES.as_bytes()),
    ];
    // Each code of the catalogue, as its golden policy earns it.
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/lint");
    for entry in fs::read_dir(golden).expect("a folder") {
        let path = entry.expect("an entry").path();
        let code = path.file_name().expect("a name").to_string_lossy().into_owned();
        let earns = path.join("earns.policy");
        logs.push(log(folder, &format!("{code}.sarif"), &["--warn", "RS0603", &earns.to_string_lossy()]));
    }
    let packages = fetched("npm/node_modules");
    let said = works(client("node").arg(script("sarif.cjs")).arg(packages).args(&logs));
    let results = said.split(' ').nth(2).and_then(|count| count.parse::<usize>().ok());
    assert!(results.is_some_and(|count| count > 60), "{said}");
}
