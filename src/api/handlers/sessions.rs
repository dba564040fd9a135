//! Sessions: under way, on record, summed up, ended.

use super::super::params::Params;
use super::super::types::{ActiveSessions, History, Stats};
use super::super::{Api, Problem};
use super::{Answer, json};
use crate::session::{LiveSession, SessionId, SessionView};
use crate::store::{Hour, Query};
use warp::Reply;
use warp::http::StatusCode;

/// Sessions under way, oldest first.
#[utoipa::path(
    get, path = "/api/sessions/active", tag = "sessions",
    params(
        ("user" = Option<String>, Query, description = "of this user"),
        ("client" = Option<String>, Query, description = "from this address or network"),
        ("dest_ip" = Option<String>, Query, description = "to this address or network"),
        ("dest_host" = Option<String>, Query, description = "to this host; `*.example.com` for all below it"),
        ("rule" = Option<String>, Query, description = "passed by this rule"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 1000, description = "at most so many; 50 if not said"),
    ),
    responses((status = 200, body = ActiveSessions), (status = 400, body = Problem, content_type = "application/problem+json"))
)]
pub async fn active(api: Api, params: Params) -> Answer {
    params.only(&["user", "client", "dest_ip", "dest_host", "rule", "limit"])?;
    let now = api.now();
    let query = params.query(now)?;
    let live = api.handles.sessions.active();
    let total = live.len();
    let shown = live.iter().map(|live| live.snapshot(now)).filter(|record| query.fits_record(record));
    let sessions = shown.take(query.limit).map(|record| SessionView::from(&record)).collect();
    json(&ActiveSessions { total, sessions })
}

/// Attempts that have ended, newest first.
#[utoipa::path(
    get, path = "/api/sessions/history", tag = "sessions",
    params(
        ("user" = Option<String>, Query, description = "of this user"),
        ("client" = Option<String>, Query, description = "from this address or network"),
        ("dest_ip" = Option<String>, Query, description = "to this address or network"),
        ("dest_host" = Option<String>, Query, description = "to this host; `*.example.com` for all below it"),
        ("status" = Option<String>, Query, description = "`blocked`, `closed`, `failed` or `interrupted`"),
        ("rule" = Option<String>, Query, description = "decided by this rule"),
        ("hours" = Option<u64>, Query, minimum = 1, maximum = 87600, description = "that ended in the last hours"),
        ("from" = Option<String>, Query, format = "date-time", description = "that ended then or later"),
        ("to" = Option<String>, Query, format = "date-time", description = "that ended before"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 1000, description = "at most so many; 50 if not said"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, body = History),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn history(api: Api, params: Params) -> Answer {
    params.only(&HISTORY)?;
    let query = params.query(api.now())?;
    page(&api, query).await
}

/// Attempts of one user that have ended, newest first.
#[utoipa::path(
    get, path = "/api/users/{user}/sessions", tag = "sessions",
    params(
        ("user" = String, Path, description = "the user"),
        ("status" = Option<String>, Query, description = "`blocked`, `closed`, `failed` or `interrupted`"),
        ("hours" = Option<u64>, Query, minimum = 1, maximum = 87600, description = "that ended in the last hours"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 1000, description = "at most so many; 50 if not said"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, body = History),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn of_user(user: String, api: Api, params: Params) -> Answer {
    params.only(&["status", "hours", "limit", "cursor"])?;
    let user = percent_decoded(&user)?;
    let mut query = params.query(api.now())?;
    query.user = Some(user);
    page(&api, query).await
}

/// One session, under way or on record.
#[utoipa::path(
    get, path = "/api/sessions/{id}", tag = "sessions",
    params(("id" = String, Path, format = "uuid", description = "the session")),
    responses(
        (status = 200, body = SessionView),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn one(id: String, api: Api) -> Answer {
    let id = session_id(&id)?;
    if let Some(live) = api.handles.sessions.get(id) {
        return json(&SessionView::from(&live.snapshot(api.now())));
    }
    let waiting = api.handles.store.as_ref().and_then(|(_, writer)| writer.waiting(id));
    if let Some(record) = waiting {
        return json(&SessionView::from(&*record));
    }
    match api.ask_store(move |store| store.find(id)).await? {
        Some(record) => json(&SessionView::from(&record)),
        None => Err(Problem::not_found("no session has this id")),
    }
}

/// Ends a session that is under way.
#[utoipa::path(
    delete, path = "/api/sessions/{id}", tag = "sessions",
    params(("id" = String, Path, format = "uuid", description = "the session")),
    responses(
        (status = 204, description = "it is told to end"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn end(id: String, api: Api) -> Answer {
    let id = session_id(&id)?;
    let Some(LiveSession { kill, record, .. }) = api.handles.sessions.get(id) else {
        return Err(Problem::not_found("no session under way has this id"));
    };
    tracing::info!(id = %record.id, client = %record.client, "an administrator ends a session");
    kill.cancel();
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Sums: today's, or those of another time.
#[utoipa::path(
    get, path = "/api/sessions/stats", tag = "sessions",
    params(
        ("hours" = Option<u64>, Query, minimum = 1, maximum = 87600, description = "of the last hours instead of today (UTC)"),
        ("from" = Option<String>, Query, format = "date-time", description = "from the hour of this moment"),
        ("to" = Option<String>, Query, format = "date-time", description = "up to the hour of this moment"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 1000, description = "names in each list; 10 if not said"),
    ),
    responses(
        (status = 200, body = Stats),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn stats(api: Api, params: Params) -> Answer {
    params.only(&["hours", "from", "to", "limit"])?;
    let now = api.now();
    let (from, to) = params.window(now)?;
    let limit =
        params.number("limit", 1..=1_000)?.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(10);
    let today = Hour::of(now).midnight();
    let to = to.unwrap_or(now);
    let first = from.map_or(today, Hour::of);
    let hours = api.ask_store(move |store| store.hours(first, Hour::of(to))).await?;
    let of_today = api.ask_store(move |store| store.hours(today, Hour::of(now))).await?;
    let active = api.handles.sessions.count();
    json(&Stats::of(hours, &of_today, active, (from.unwrap_or(first.start()), to), limit))
}

/// A page of the history.
async fn page(api: &Api, query: Query) -> Answer {
    let page = api.ask_store(move |store| store.history(&query)).await?;
    json(&History {
        sessions: page.records.iter().map(SessionView::from).collect(),
        next_cursor: page.next.map(|next| next.to_string()),
    })
}

fn session_id(text: &str) -> Result<SessionId, Problem> {
    text.parse().map_err(|_| Problem::not_found("this is not the id of a session"))
}

fn percent_decoded(text: &str) -> Result<String, Problem> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => break,
            [b'%', high, low, rest @ ..] => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                let (Some(high), Some(low)) = (digit(high), digit(low)) else {
                    return Err(Problem::bad_request("the path is not encoded well"));
                };
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(0));
                rest
            }
            [byte, rest @ ..] => {
                bytes.push(*byte);
                rest
            }
        };
    }
    String::from_utf8(bytes).map_err(|_| Problem::bad_request("the path is not UTF-8"))
}

const HISTORY: [&str; 11] =
    ["user", "client", "dest_ip", "dest_host", "status", "rule", "hours", "from", "to", "limit", "cursor"];
