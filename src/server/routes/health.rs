//! What everybody may ask: whether the server lives, and what a browser finds at `/`.

use super::Shared;
use crate::contract::{Cursor, EventsError};
use crate::server::access::{SESSION_SECONDS, set_cookie};
use crate::server::api::answers::Health;
use crate::server::api::paths;
use crate::server::extract::Asked;
use crate::server::refusal::{Answer, Refusal};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

/// What stands at `/` until there is a page.
const ROOT: &str = "This is deployd. It has no page yet: ask it on the command line.

  deployd status     how everything is
  deployd up FOLDER  run a folder's services
  deployd --help     everything else

Its API is described at /openapi.json.
";

/// What a link that signs in carries.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SignIn {
    /// Signs this browser in, once.
    #[param(max_length = 128)]
    once: Option<String>,
}

/// What a browser finds
///
/// With `once`, as `deployd up` prints it, the browser is signed in by a cookie and sent to `/` without it; what it must
/// send with everything that changes something stands once in the fragment of that address.
#[utoipa::path(get, path = "/", operation_id = "root", tag = "server", params(SignIn), security(()), responses(
    (status = 200, description = "A few words for a person.", content_type = "text/plain", body = String),
    (status = 303, description = "The browser is signed in.", headers(("location" = String, description = "`/#csrf=…`"))),
    (status = 403, description = "The link was used, or is too old.", content_type = "application/problem+json", body = crate::server::api::problem::Problem),
))]
pub async fn root(State(serving): Shared, Asked(asked): Asked<SignIn>) -> Answer<Response> {
    let Some(once) = asked.once else {
        return Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], ROOT).into_response());
    };
    let signed_in = serving.access.sign_ins.sign_in(&once, serving.now());
    let signed_in = signed_in.map_err(|_| Refusal::bug())?.ok_or_else(Refusal::bad_link)?;
    let cookie = set_cookie(&serving.access.cookie, &signed_in.session, SESSION_SECONDS);
    let location = format!("/#csrf={}", &*signed_in.csrf);
    Ok((StatusCode::SEE_OTHER, [(header::SET_COOKIE, cookie), (header::LOCATION, location)]).into_response())
}

/// Whether the process lives
#[utoipa::path(get, path = paths::HEALTH, operation_id = "health", tag = "server", security(()), responses(
    (status = 200, description = "It does.", body = Health),
))]
pub async fn health() -> Json<Health> {
    Json(Health { status: "ok".to_owned() })
}

/// Whether the server can be asked
#[utoipa::path(get, path = paths::READY, operation_id = "ready", tag = "server", security(()), responses(
    (status = 200, description = "Its store answers.", body = Health),
))]
pub async fn ready(State(serving): Shared) -> Answer<Json<Health>> {
    match serving.engine().events(Cursor::default(), 1).await {
        Ok(_) | Err(EventsError::Reset(_)) => Ok(Json(Health { status: "ok".to_owned() })),
        // Why is for those who may know it, in the log.
        Err(EventsError::Store(error)) => {
            tracing::warn!(%error, "not ready");
            Err(Refusal::busy())
        }
    }
}
