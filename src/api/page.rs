//! A small page for people, with everything in it: no script or font comes from elsewhere.

use warp::Reply;
use warp::reply::Response;

/// The page.
pub fn page() -> Response {
    let mut response = warp::reply::html(include_str!("page.html")).into_response();
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, warp::http::HeaderValue::from_static(value));
    }
    response
}

const HEADERS: [(&str, &str); 4] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
];
