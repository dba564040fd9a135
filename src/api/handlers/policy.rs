//! The policy: what it is, what it was, and its reload.

use super::super::events::Reload;
use super::super::types::{PolicyInfo, PolicyRevision, PolicyText, RuleInfo};
use super::super::{Api, Problem};
use super::{Answer, json};
use crate::session::UnixMicros;
use rustsocks_compiler::Digest;
use rustsocks_compiler::model::RuleId;
use warp::http::StatusCode;

/// The policy in force: digest, source, rules with how often each has decided.
#[utoipa::path(get, path = "/api/policy", tag = "policy", responses((status = 200, body = PolicyInfo)))]
pub async fn current(api: Api) -> Answer {
    let policy = api.handles.policy.load();
    let health = api.handles.policy.health();
    let model = policy.model();
    let rules = (0..).map(RuleId).zip(&model.rules).map(|(id, rule)| {
        let label = model.label(id);
        let (passed, blocked) = api.handles.metrics.rule_hits(&label);
        RuleInfo {
            rule: label,
            stage: rule.stage.to_string(),
            verdict: rule.verdict.to_string(),
            place: model.line(rule.head),
            note: rule.note.as_ref().map(ToString::to_string),
            passed,
            blocked,
        }
    });
    let text = |source: &rustsocks_compiler::source::Source| PolicyText {
        name: source.name().to_string(),
        text: source.text().to_string(),
    };
    json(&PolicyInfo {
        digest: policy.digest().to_string(),
        loaded: health.loaded.to_string(),
        reload_failure: health.failure,
        source: model.sources.iter().map(|(_, source)| text(source)).collect(),
        rules: rules.collect(),
    })
}

/// A policy that records name, by its digest.
#[utoipa::path(
    get, path = "/api/policy/{digest}", tag = "policy",
    params(("digest" = String, Path, description = "64 hexadecimal digits")),
    responses(
        (status = 200, body = PolicyRevision),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn revision(digest: String, api: Api) -> Answer {
    let unknown = || Problem::not_found("no policy of this digest is on record");
    let digest: Digest = digest.parse().map_err(|_| unknown())?;
    let found = api.ask_store(move |store| store.revision(&digest)).await?.ok_or_else(unknown)?;
    let texts = found.texts.into_iter().map(|(name, text)| PolicyText { name, text });
    json(&PolicyRevision {
        digest: digest.to_string(),
        since: UnixMicros(found.since).to_string(),
        source: texts.collect(),
    })
}

/// Reloads the policy; the one in force stays if the new one has an error.
#[utoipa::path(
    post, path = "/api/policy/reload", tag = "policy",
    responses(
        (status = 200, body = Reload),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "the new policy has an error; the old one stays"),
    )
)]
pub async fn reload(api: Api) -> Answer {
    let failure = (api.handles.reload)().await.err();
    let policy = api.handles.policy.load().digest().to_string();
    let Some(failure) = failure else { return json(&Reload { policy, failure: None }) };
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, failure))
}
