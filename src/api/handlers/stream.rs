//! The stream of events, for `rustsocks tap` and for pages.

use super::super::events::Event;
use super::super::params::Params;
use super::super::{Api, Problem};
use super::Answer;
use futures_util::stream;
use std::collections::VecDeque;
use std::convert::Infallible;
use tokio::sync::broadcast::error::RecvError;
use warp::Reply;
use warp::sse;

/// What happens from now on, as server-sent events `start`, `end`, `block` and `reload`; `lost`
/// with a number tells a listener that it was too slow.
#[utoipa::path(
    get, path = "/api/events", tag = "sessions",
    params(("kind" = Option<String>, Query, description = "only these, separated by commas: `start`, `end`, `block`, `reload`")),
    responses(
        (status = 200, body = String, content_type = "text/event-stream"),
        (status = 400, body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn events(api: Api, params: Params) -> Answer {
    params.only(&["kind"])?;
    let kinds: Vec<String> = params
        .text("kind")
        .map(|kinds| kinds.split(',').map(|kind| kind.trim().to_owned()).collect())
        .unwrap_or_default();
    if let Some(unknown) = kinds.iter().find(|kind| !KINDS.contains(&kind.as_str())) {
        return Err(Problem::bad_request(format!(
            "`{}` is not `start`, `end`, `block` or `reload`",
            unknown.escape_debug()
        )));
    }
    let start =
        (api.handles.events.listen(), kinds, VecDeque::from([sse::Event::default().comment("listening")]));
    let stream = stream::unfold(start, |(mut listener, kinds, mut first)| async move {
        if let Some(event) = first.pop_front() {
            return Some((Ok::<_, Infallible>(event), (listener, kinds, first)));
        }
        loop {
            let event = match listener.recv().await {
                Ok(event) if kinds.is_empty() || kinds.iter().any(|kind| kind == event.name()) => {
                    shown(&event)
                }
                Ok(_) => continue,
                Err(RecvError::Lagged(lost)) => sse::Event::default().event("lost").data(lost.to_string()),
                Err(RecvError::Closed) => return None,
            };
            return Some((Ok(event), (listener, kinds, first)));
        }
    });
    Ok(sse::reply(sse::keep_alive().stream(stream)).into_response())
}

fn shown(event: &Event) -> sse::Event {
    sse::Event::default().event(event.name()).data(event.data())
}

const KINDS: [&str; 4] = ["start", "end", "block", "reload"];
