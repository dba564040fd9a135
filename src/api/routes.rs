//! Paths to handlers, as warp filters.

use super::gate::Scope;
use super::handlers::{Answer, explain, policy, server, sessions, stream};
use super::params::Params;
use super::{Api, Problem, page};
use std::convert::Infallible;
use warp::filters::BoxedFilter;
use warp::http::StatusCode;
use warp::reply::Response;
use warp::{Filter, Rejection};

/// Everything that is served, with a problem document for everything that is not.
pub fn routes(api: &Api) -> BoxedFilter<(Response,)> {
    let sessions = of_sessions(api).or(of_policy(api)).unify().boxed();
    sessions.or(of_server(api)).unify().recover(refused).unify().boxed()
}

fn of_sessions(api: &Api) -> BoxedFilter<(Response,)> {
    let active = get(api, warp::path!("api" / "sessions" / "active"))
        .and(params())
        .then(|api, params| async { answer(sessions::active(api, params).await) });
    let history = get(api, warp::path!("api" / "sessions" / "history"))
        .and(params())
        .then(|api, params| async { answer(sessions::history(api, params).await) });
    let stats = get(api, warp::path!("api" / "sessions" / "stats"))
        .and(params())
        .then(|api, params| async { answer(sessions::stats(api, params).await) });
    let of_user = warp::path!("api" / "users" / String / "sessions")
        .and(warp::get())
        .and(with(api))
        .and(params())
        .then(|user, api, params| async { answer(sessions::of_user(user, api, params).await) });
    let one = warp::path!("api" / "sessions" / String)
        .and(warp::get())
        .and(with(api))
        .then(|id, api| async { answer(sessions::one(id, api).await) });
    let end = warp::path!("api" / "sessions" / String)
        .and(warp::delete())
        .and(with(api))
        .then(|id, api| async { answer(sessions::end(id, api).await) });
    let events = get(api, warp::path!("api" / "events"))
        .and(params())
        .then(|api, params| async { answer(stream::events(api, params).await) });
    let first = active.or(history).unify().or(stats).unify().boxed();
    first.or(of_user).unify().or(one).unify().or(end).unify().or(events).unify().boxed()
}

fn of_policy(api: &Api) -> BoxedFilter<(Response,)> {
    let current =
        get(api, warp::path!("api" / "policy")).then(|api| async { answer(policy::current(api).await) });
    let revision = warp::path!("api" / "policy" / String)
        .and(warp::get())
        .and(with(api))
        .then(|digest, api| async { answer(policy::revision(digest, api).await) });
    let reload = warp::path!("api" / "policy" / "reload")
        .and(warp::post())
        .and(with(api))
        .then(|api| async { answer(policy::reload(api).await) });
    let explain = warp::path!("api" / "explain")
        .and(warp::post())
        .and(with(api))
        .and(body())
        .then(|api, request| async { answer(explain::explain(api, request).await) });
    current.or(reload).unify().or(revision).unify().or(explain).unify().boxed()
}

fn of_server(api: &Api) -> BoxedFilter<(Response,)> {
    let health = get(api, warp::path!("health"))
        .and(warp::ext::get::<Scope>())
        .then(|api, scope| async move { answer(server::health(api, scope).await) });
    let metrics = get(api, warp::path!("metrics")).then(|api| async { answer(server::metrics(api).await) });
    let level =
        get(api, warp::path!("api" / "log")).then(|api| async { answer(server::log_level(api).await) });
    let set_level = warp::path!("api" / "log")
        .and(warp::put())
        .and(with(api))
        .and(body())
        .then(|api, wanted| async { answer(server::set_log_level(api, wanted).await) });
    let description =
        warp::path!("openapi.json").and(warp::get()).then(|| async { answer(server::description().await) });
    let page = warp::path::end().and(warp::get()).map(page::page);
    let first = health.or(metrics).unify().or(level).unify().or(set_level).unify().boxed();
    first.or(description).unify().or(page).unify().boxed()
}

fn with(api: &Api) -> impl Filter<Extract = (Api,), Error = Infallible> + Clone + use<> {
    let api = api.clone();
    warp::any().map(move || api.clone())
}

fn get(
    api: &Api,
    path: impl Filter<Extract = (), Error = Rejection> + Clone + Send + Sync + 'static,
) -> BoxedFilter<(Api,)> {
    path.and(warp::get()).and(with(api)).boxed()
}

fn params() -> impl Filter<Extract = (Params,), Error = Rejection> + Clone {
    warp::query::<Vec<(String, String)>>().map(Params::new)
}

fn body<T: serde::de::DeserializeOwned + Send>() -> impl Filter<Extract = (T,), Error = Rejection> + Clone {
    warp::body::content_length_limit(BODY).and(warp::body::json())
}

fn answer(answer: Answer) -> Response {
    answer.unwrap_or_else(Problem::into_response)
}

async fn refused(rejection: Rejection) -> Result<Response, Rejection> {
    let (status, detail) = if rejection.is_not_found() {
        (StatusCode::NOT_FOUND, "there is nothing at this path".to_owned())
    } else if let Some(error) = rejection.find::<warp::filters::body::BodyDeserializeError>() {
        (StatusCode::BAD_REQUEST, error.to_string())
    } else if rejection.find::<warp::reject::InvalidQuery>().is_some() {
        (StatusCode::BAD_REQUEST, "the query string is malformed".to_owned())
    } else if rejection.find::<warp::reject::PayloadTooLarge>().is_some() {
        (StatusCode::PAYLOAD_TOO_LARGE, format!("a body is at most {BODY} bytes"))
    } else if rejection.find::<warp::reject::LengthRequired>().is_some() {
        (StatusCode::LENGTH_REQUIRED, "a Content-Length is needed".to_owned())
    } else if rejection.find::<warp::reject::UnsupportedMediaType>().is_some() {
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be application/json".to_owned())
    } else if rejection.find::<warp::reject::MethodNotAllowed>().is_some() {
        (StatusCode::METHOD_NOT_ALLOWED, "this path does not know the method".to_owned())
    } else {
        (StatusCode::BAD_REQUEST, "the request is malformed".to_owned())
    };
    Ok(Problem::new(status, detail).into_response())
}

/// Most bytes of a body.
const BODY: u64 = 64 * 1_024;
