//! What happened, as it happens.

use super::Shared;
use crate::model::Name;
use crate::server::access::Caller;
use crate::server::api::paths;
use crate::server::api::schema;
use crate::server::extract::Asked;
use crate::server::refusal::{Answer, Refusal};
use crate::server::stream::{self, From, Wanted};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;

/// Which events, and from where.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Only those of this world's stacks.
    #[param(value_type = Option<schema::Name>)]
    world: Option<Name>,
    /// Only those of stacks of this name.
    #[param(value_type = Option<schema::Name>)]
    stack: Option<Name>,
    /// After the event with this id; `0-0` is the beginning of what is kept. Without it, and without `Last-Event-ID`, what
    /// happens from now on.
    #[param(max_length = 32)]
    after: Option<String>,
}

/// What happened, as it happens
///
/// Server-sent events: first `open`, whose id is where the stream begins; then `happened` with what happened; `reset` where
/// some events are not kept any more: load the state anew, the stream goes on; `trouble` while events cannot be read;
/// `ending` when the server ends. The id of the last one in `Last-Event-ID` goes on after it, without loss.
#[utoipa::path(get, path = paths::EVENTS, operation_id = "events", tag = "events",
    params(Which, ("last-event-id" = Option<String>, Header, description = "The id of the last event that was heard.")),
    security(("token" = ["read"])), responses(
    (status = 200, description = "The events. The data of `happened` is an `Event`.", content_type = "text/event-stream", body = crate::server::api::event::Event),
))]
pub async fn events(
    State(serving): Shared,
    caller: Caller,
    headers: HeaderMap,
    Asked(which): Asked<Which>,
) -> Answer<Response> {
    // A browser that comes again says where it was; the address that it comes to is still the first one.
    let last = headers.get("last-event-id").map(|last| last.to_str().unwrap_or("?").to_owned());
    let from = match last.filter(|last| !last.is_empty()).or(which.after) {
        None => From::Now,
        Some(after) => {
            let cursor = after.parse();
            From::After(cursor.map_err(|_| Refusal::bad_parameter(format!("{after:?} is no id of an event")))?)
        }
    };
    stream::events(&serving, caller, from, Wanted { world: which.world, stack: which.stack }).await
}
