//! One function for each operation, in a file for each thing it is about.

pub mod explain;
pub mod policy;
pub mod server;
pub mod sessions;
pub mod stream;

use super::Problem;
use serde::Serialize;
use warp::Reply;
use warp::reply::Response;

/// What a handler gives.
pub type Answer = Result<Response, Problem>;

/// An answer in JSON.
pub fn json(value: &impl Serialize) -> Answer {
    Ok(warp::reply::json(value).into_response())
}
