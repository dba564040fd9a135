//! Whether the time of a refused login tells who exists: 1,000 tries with an unknown user and 1,000
//! with a wrong password, in turn, without the delay that hides it from clients anyway.
//!
//! `cargo run --release --example login-timing`
//!
//! Says the medians, how far a try strays from its median (the median absolute deviation), and
//! between what bounds the difference of the medians lies: 95 of 100 resamples of the same tries
//! (bootstrap). Ends with 1 if those bounds do not hold zero and the difference is more than a
//! tenth of what a try strays by: then somebody with patience could see it.

use rustsocks::auth::{Authenticator, PasswordHash};
use rustsocks::settings::sections::Auth;
use rustsocks::settings::value::Span;
use rustsocks_compiler::request::{Method, MethodSpec};
use std::error::Error;
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Instant;

const TRIES: usize = 1_000;
/// Before anything counts: pages and threads are there then.
const WARM_UP: usize = 20;
const RESAMPLES: usize = 2_000;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let (unknown, wrong) = tokio::runtime::Runtime::new()?.block_on(measure())?;
    let shown = |name, times: &[f64]| {
        let (median, stray) = (median(times), deviation(times));
        anstream::println!("{name:<15} median {median:>10.1} µs, a try strays by {stray:>8.1} µs");
    };
    shown("unknown user", &unknown);
    shown("wrong password", &wrong);
    let difference = median(&unknown) - median(&wrong);
    let (low, high) = bounds(&unknown, &wrong);
    let noise = deviation(&unknown).max(deviation(&wrong));
    anstream::println!(
        "difference      median {difference:>+10.1} µs, 95 % between {low:+.1} and {high:+.1} µs"
    );
    let within = (low <= 0.0 && high >= 0.0) || difference.abs() < noise / 10.0;
    anstream::println!("{}", if within { "within noise" } else { "beyond noise" });
    Ok(ExitCode::from(u8::from(!within)))
}

/// The times of both kinds of try in microseconds, in pairs.
async fn measure() -> Result<(Vec<f64>, Vec<f64>), Box<dyn Error>> {
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
    for n in 0..WARM_UP + TRIES {
        let stranger = format!("nobody{n}");
        // Neither kind is always the first of a pair.
        let (first, second) = match n % 2 {
            0 => (stranger.as_str(), "alice"),
            _ => ("alice", stranger.as_str()),
        };
        let (one, other) = (time(&auth, first).await?, time(&auth, second).await?);
        let (of_unknown, of_wrong) = if n % 2 == 0 { (one, other) } else { (other, one) };
        if n >= WARM_UP {
            unknown.push(of_unknown);
            wrong.push(of_wrong);
        }
    }
    Ok((unknown, wrong))
}

async fn time(auth: &Authenticator, user: &str) -> Result<f64, Box<dyn Error>> {
    let spec = MethodSpec { method: Method::Password, service: None };
    let start = Instant::now();
    let said = auth.password(&spec, IpAddr::from([192, 0, 2, 1]), user.as_bytes(), b"wrong").await;
    let taken = start.elapsed();
    match said {
        Err(rustsocks::auth::AuthError::Refused) => Ok(taken.as_secs_f64() * 1e6),
        other => Err(format!("not a refusal: {other:?}").into()),
    }
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The median absolute deviation.
fn deviation(values: &[f64]) -> f64 {
    let middle = median(values);
    median(&values.iter().map(|value| (value - middle).abs()).collect::<Vec<_>>())
}

/// Between which bounds the difference of the medians lies in 95 of 100 resamples of the pairs.
fn bounds(one: &[f64], other: &[f64]) -> (f64, f64) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = |below: usize| {
        // xorshift; the modulus favours nothing that shows at this size.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap_or_default()
    };
    let mut differences: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let pairs: Vec<usize> = one.iter().map(|_| draw(one.len())).collect();
            let take =
                |of: &[f64]| median(&pairs.iter().filter_map(|at| of.get(*at).copied()).collect::<Vec<_>>());
            take(one) - take(other)
        })
        .collect();
    differences.sort_unstable_by(f64::total_cmp);
    let at = |part: f64| differences.get((RESAMPLES as f64 * part) as usize).copied().unwrap_or_default();
    (at(0.025), at(0.975))
}
