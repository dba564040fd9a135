//! schemathesis throws what the description allows, and what it does not, at a live server.

use super::POLICY;
use super::support::{Daemon, Kept, command};
use std::path::Path;
use std::time::{Duration, Instant};

#[test]
fn schemathesis_finds_no_answer_that_is_not_described() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    let program = target.join("clients/python/bin/schemathesis");
    assert!(program.exists(), "{} is missing: `make clients` installs it", program.display());
    let daemon = Daemon::start_with(POLICY, |command| {
        command.args(["--set", "api.rate=0"]);
    });
    let api = daemon.api.expect("an API");
    let report = daemon.dir().join("report");
    let out = std::fs::File::create(&report).expect("writable");
    let mut child = command(program);
    child
        .args(["run", &format!("http://{api}/openapi.json"), "--no-color"])
        .args(["--checks", "not_a_server_error,status_code_conformance"])
        .args(["--checks", "content_type_conformance,response_schema_conformance"])
        // A stream has no end; it has a test of its own.
        .args(["--exclude-path", "/api/events", "--phases", "examples,coverage,fuzzing"])
        .args(["--max-examples", "5", "--generation-deterministic", "--no-shrink", "--workers", "1"])
        .args(["--suppress-health-check", "all", "--request-timeout", "60"])
        .current_dir(daemon.dir())
        .stderr(out.try_clone().expect("a file"))
        .stdout(out);
    let mut child = Kept(child.spawn().expect("it starts"));
    // Some seconds on a free machine; a loaded one gets ten minutes.
    let deadline = Instant::now() + Duration::from_secs(600);
    let status = loop {
        match child.0.try_wait().expect("is a child") {
            Some(status) => break status,
            None => assert!(Instant::now() < deadline, "schemathesis does not end"),
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let report = std::fs::read_to_string(&report).expect("readable");
    assert!(status.success(), "{report}\n{}", daemon.log());
}
