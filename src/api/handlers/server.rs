//! The server itself: health, metrics, what it logs, and this API's description.

use super::super::gate::Scope;
use super::super::types::{Health, LogLevel};
use super::super::{Api, Problem, openapi};
use super::{Answer, json};
use crate::metrics::Sources;
use warp::Reply;
use warp::http::StatusCode;

/// Whether the server lives and is ready.
#[utoipa::path(
    get, path = "/health", tag = "server",
    responses((status = 200, body = Health), (status = 503, body = Health, description = "it does not take connections"))
)]
pub async fn health(api: Api, scope: Scope) -> Answer {
    let mut reasons = Vec::new();
    let ready = api.is_ready();
    if !ready {
        reasons.push("connections are not taken now".to_owned());
    }
    if let Some(failure) = api.handles.policy.health().failure {
        reasons.push(format!("the last reload of the policy failed: {failure}"));
    }
    reasons.extend(api.handles.auth.health().faults());
    let certificates = api.handles.certificates.iter().filter_map(|tls| tls.failure());
    reasons
        .extend(certificates.map(|failure| format!("a certificate is not in force as it is now: {failure}")));
    if let Some((store, writer)) = &api.handles.store {
        let figures = writer.figures();
        if let Some(failure) = figures.failure {
            reasons.push(format!("the store cannot be written: {failure}"));
        }
        if figures.dropped > 0 {
            reasons.push(format!("{} records were lost since the start", figures.dropped));
        }
        let set_aside = store.status().set_aside;
        if !set_aside.is_empty() {
            reasons.push(format!("{} damaged segments of the store were set aside", set_aside.len()));
        }
    } else {
        reasons.push("records are not kept".to_owned());
    }
    let status = if reasons.is_empty() { "ok" } else { "degraded" }.to_owned();
    let may_look = scope > Scope::Nobody;
    let health = Health {
        status,
        live: true,
        ready,
        reasons: if may_look { reasons } else { Vec::new() },
        version: may_look.then(|| env!("CARGO_PKG_VERSION").to_owned()),
        policy: may_look.then(|| api.handles.policy.load().digest().to_string()),
        confined: api.handles.level.as_ref().filter(|_| may_look).map(ToString::to_string),
    };
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok(warp::reply::with_status(warp::reply::json(&health), code).into_response())
}

/// Metrics for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "server",
    responses((status = 200, body = String, content_type = "text/plain; version=0.0.4"))
)]
pub async fn metrics(api: Api) -> Answer {
    // Sizes of files and thousands of live sessions are looked at: not on a thread that serves.
    let scraped = tokio::task::spawn_blocking(move || {
        let handles = &api.handles;
        let store = handles.store.as_ref().map(|(store, writer)| (&**store, writer));
        let sources = Sources { sessions: &handles.sessions, store, policy: &handles.policy };
        handles.metrics.scrape(sources)
    });
    match scraped.await {
        Ok(Ok(text)) => {
            Ok(warp::reply::with_header(text, "content-type", "text/plain; version=0.0.4").into_response())
        }
        _ => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written down")),
    }
}

/// What is logged.
#[utoipa::path(get, path = "/api/log", tag = "server", responses((status = 200, body = LogLevel)))]
pub async fn log_level(api: Api) -> Answer {
    match (api.handles.log)(None) {
        Ok(level) => json(&LogLevel { level }),
        Err(reason) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, reason)),
    }
}

/// Changes what is logged, until the server ends.
#[utoipa::path(
    put, path = "/api/log", tag = "server",
    request_body = LogLevel,
    responses(
        (status = 200, body = LogLevel),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn set_log_level(api: Api, wanted: LogLevel) -> Answer {
    match (api.handles.log)(Some(&wanted.level)) {
        Ok(level) => json(&LogLevel { level }),
        Err(reason) => Err(Problem::bad_request(reason)),
    }
}

/// This description.
#[utoipa::path(
    get, path = "/openapi.json", tag = "server",
    responses((status = 200, body = serde_json::Value))
)]
pub async fn description() -> Answer {
    json(&openapi::document())
}
