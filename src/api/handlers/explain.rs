//! Why the policy says what it says.

use super::super::{Api, ExplainAsk, Problem};
use super::{Answer, json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A request in words, as `rustsocks explain` takes it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExplainRequest {
    /// Address of the client; 127.0.0.1 if not said.
    pub from: Option<String>,
    /// Host and port that are asked for, such as `example.com:443`.
    pub to: String,
    /// The user.
    pub user: Option<String>,
    /// System groups of the user.
    pub groups: Vec<String>,
    /// How the user was shown, such as `password`.
    pub method: Option<String>,
    /// `connect`, `bind` or `udpassociate`; `connect` if not said.
    pub command: Option<String>,
    /// `socks5`, `socks4` or `http`; `socks5` if not said.
    pub protocol: Option<String>,
    /// The name of the listener.
    pub listener: Option<String>,
    /// When, such as `2026-11-28T09:30:00Z`; now if not said.
    pub time: Option<String>,
    /// The address that a name resolves to.
    pub address: Option<String>,
}

/// Explains what the policy in force says to a request.
#[utoipa::path(
    post, path = "/api/explain", tag = "policy",
    request_body = ExplainRequest,
    responses(
        (status = 200, body = serde_json::Value, description = "the verdict, the deciding rule and why"),
        (status = 400, body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn explain(api: Api, request: ExplainRequest) -> Answer {
    let ask = ExplainAsk { policy: api.handles.policy.load(), request, now: api.now() };
    let explain = api.handles.explain.clone();
    // Proving what is the smallest change may take a while: not on a thread that serves.
    match tokio::task::spawn_blocking(move || explain(ask)).await {
        Ok(Ok(value)) => json(&value),
        Ok(Err(mistake)) => Err(Problem::bad_request(mistake)),
        Err(_) => Err(Problem::new(
            warp::http::StatusCode::INTERNAL_SERVER_ERROR,
            "the explanation failed; see the log",
        )),
    }
}
