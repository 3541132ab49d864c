//! How routes of one shape answer: what was accepted, what was made, what was done.

use crate::engine;
use crate::server::api::deployment::Accepted;
use crate::server::api::paths;
use crate::server::refusal::Answer;
use crate::server::show;
use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// 202, with where to look.
pub(super) fn accepted(accepted: engine::Accepted) -> Response {
    let shown = show::accepted(accepted);
    (StatusCode::ACCEPTED, [(header::LOCATION, location(&shown))], Json(shown)).into_response()
}

/// Where a deployment is looked at.
pub(super) fn location(shown: &Accepted) -> String {
    paths::fill(paths::DEPLOYMENT, &[shown.world.as_str(), shown.stack.as_str(), &shown.number.to_string()])
}

/// 201, with what was made.
pub(super) fn made(body: &impl Serialize) -> Response {
    (StatusCode::CREATED, Json(body)).into_response()
}

/// 204, or why it was not done.
pub(super) fn done(went: Result<(), engine::DoorError>) -> Answer<StatusCode> {
    went?;
    Ok(StatusCode::NO_CONTENT)
}
