//! The description of the API, made from the handlers themselves.

use super::handlers::{explain, policy, server, sessions, stream};
use super::{Problem, Reload};
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "rustsocks",
        description = "Sessions, statistics and the policy of a rustsocks server. Requests over loopback need no token \
unless tokens are configured; every other request needs a bearer token. Errors are problem documents (RFC 9457).",
        license(name = "MIT", identifier = "MIT")
    ),
    paths(
        sessions::active,
        sessions::history,
        sessions::stats,
        sessions::one,
        sessions::end,
        sessions::of_user,
        stream::events,
        policy::current,
        policy::revision,
        policy::reload,
        explain::explain,
        server::health,
        server::metrics,
        server::log_level,
        server::set_log_level,
        server::description,
    ),
    components(schemas(Problem, Reload)),
    security(("token" = []), ())
)]
struct Description;

/// The OpenAPI document.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Description::openapi();
    let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    document.components.get_or_insert_default().add_security_scheme("token", scheme);
    for operations in document.paths.paths.values_mut() {
        let all = [&mut operations.get, &mut operations.post, &mut operations.put, &mut operations.delete];
        for operation in all.into_iter().flatten() {
            add_common(&mut operation.responses);
        }
    }
    document
}

/// What any request may get instead of its answer.
fn add_common(responses: &mut utoipa::openapi::Responses) {
    for (status, text) in COMMON {
        let content = utoipa::openapi::ContentBuilder::new()
            .schema(Some(utoipa::openapi::Ref::from_schema_name("Problem")))
            .build();
        let response = utoipa::openapi::ResponseBuilder::new()
            .description(text)
            .content("application/problem+json", content)
            .build();
        responses.responses.entry(status.into()).or_insert(response.into());
    }
}

const COMMON: [(&str, &str); 7] = [
    ("400", "the request is malformed"),
    ("401", "a token is needed, or is not known"),
    ("403", "this caller may not do this"),
    ("404", "there is nothing here"),
    ("421", "the Host header names another server"),
    ("429", "too many requests from this address"),
    ("503", "the server cannot answer now"),
];
