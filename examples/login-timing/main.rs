//! Whether the time of a refused login tells who exists: 1,000 tries with an unknown user against
//! 1,000 with a wrong password, in turn, without the delay that hides it from clients anyway.
//!
//! `cargo run --release --example login-timing`

use rustsocks::auth::{Authenticator, PasswordHash};
use rustsocks::settings::sections::Auth;
use rustsocks::settings::value::Span;
use rustsocks_compiler::request::{Method, MethodSpec};
use std::error::Error;
use std::io::Write;
use std::net::IpAddr;
use std::time::{Duration, Instant};

const TRIES: usize = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    tokio::runtime::Runtime::new()?.block_on(measure())
}

async fn measure() -> Result<(), Box<dyn Error>> {
    let users = tempfile::NamedTempFile::new()?;
    let hash = PasswordHash::create(b"correct horse")?;
    std::fs::write(users.path(), format!("alice:{}\nbob:{}\n", hash.as_str(), hash.as_str()))?;
    let settings = Auth {
        users: Some(users.path().into()),
        failure_delay: Span::OFF,
        failures: 0,
        user_failures: 0,
        ..Auth::default()
    };
    let auth = Authenticator::new(&settings, None, None)?;
    let (mut unknown, mut wrong) = (Vec::new(), Vec::new());
    for n in 0..TRIES {
        unknown.push(time(&auth, &format!("nobody{n}")).await);
        wrong.push(time(&auth, "alice").await);
    }
    let mut out = std::io::stdout().lock();
    for (name, times) in [("unknown user", &mut unknown), ("wrong password", &mut wrong)] {
        times.sort_unstable();
        let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
        writeln!(out, "{name:<15} p25 {:>9.3?}  median {:>9.3?}  p75 {:>9.3?}", at(25), at(50), at(75))?;
    }
    Ok(())
}

async fn time(auth: &Authenticator, user: &str) -> Duration {
    let spec = MethodSpec { method: Method::Password, service: None };
    let start = Instant::now();
    let refused = auth.password(&spec, IpAddr::from([192, 0, 2, 1]), user.as_bytes(), b"wrong").await;
    debug_assert!(refused.is_err());
    start.elapsed()
}
