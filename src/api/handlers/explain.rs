//! Why the policy says what it says.

use super::super::{Api, ExplainAsk, Problem};
use super::{Answer, json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A request in words, as `rustsocks explain` takes it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExplainRequest {
    /// Address of the client; 127.0.0.1 if not said.
    pub from: Option<String>,
    /// What is asked for, such as `example.com:443`; without it only the client stage is asked.
    pub to: Option<String>,
    /// The port, if `to` has none; 443 if not said.
    pub port: Option<u16>,
    /// The user.
    pub user: Option<String>,
    /// System groups of the user.
    pub groups: Vec<String>,
    /// How the user was shown, such as `password`.
    pub method: Option<String>,
    /// How the client was known at accept: `none`, `pam.address` or `certificate`.
    pub clientmethod: Option<String>,
    /// Subject names of the client's certificate.
    pub cert: Vec<String>,
    /// `connect`, `bind`, `udpassociate`, `bindreply` or `udpreply`; `connect` if not said.
    pub command: Option<String>,
    /// `socks5`, `socks4` or `http`; `socks5` if not said.
    pub protocol: Option<String>,
    /// The name of the listener.
    pub listener: Option<String>,
    /// When, such as `2026-11-28T09:30:00Z`; now if not said.
    pub time: Option<String>,
    /// The address that a name resolves to.
    pub address: Option<String>,
    /// The addresses that a name resolves to, where there are several.
    pub addresses: Vec<String>,
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
pub async fn explain(api: Api, fields: Map<String, Value>) -> Answer {
    // All fields may be absent; an array is no request for that.
    let request: ExplainRequest = serde_json::from_value(Value::Object(fields))
        .map_err(|mistake| Problem::bad_request(mistake.to_string()))?;
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
