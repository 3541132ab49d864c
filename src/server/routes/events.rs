//! What happened, as it happens.

use super::Shared;
use crate::contract::{Cursor, EventsError};
use crate::model::Name;
use crate::server::access::Caller;
use crate::server::api::answers::Events;
use crate::server::api::paths;
use crate::server::api::schema;
use crate::server::extract::Asked;
use crate::server::page::{Part, cursor};
use crate::server::refusal::{Answer, Refusal};
use crate::server::show;
use crate::server::stream::{self, From, Wanted};
use axum::Json;
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
    let wanted = wanted(&caller, which.world.clone(), which.stack)?;
    which.world.iter().try_for_each(|world| serving.world(world).map(drop))?;
    stream::events(&serving, caller, from, wanted).await
}

/// What is wanted of what the caller may know.
fn wanted(caller: &Caller, world: Option<Name>, stack: Option<Name>) -> Answer<Wanted> {
    if let Some(world) = &world {
        Refusal::unless_has(&caller.worlds, world)?;
    }
    Ok(Wanted { world, stack, of: caller.worlds.clone() })
}

/// Of which stacks.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Of {
    /// Only those of this world's stacks.
    #[param(value_type = Option<schema::Name>)]
    world: Option<Name>,
    /// Only those of stacks of this name.
    #[param(value_type = Option<schema::Name>)]
    stack: Option<Name>,
}

/// How many events are looked through at once.
const READ: u16 = 500;
/// How often, for one page: what is asked for may lie far apart.
const READS_MAX: usize = 20;

/// What happened, as far as it is kept
///
/// From the oldest that is kept on. Where the last page ends, the stream goes on: `after` with the last event's id.
#[utoipa::path(get, path = paths::EVENTS_KEPT, operation_id = "kept_events", tag = "events", params(Of, Part),
    security(("token" = ["read"])), responses(
    (status = 200, description = "The events, oldest first.", body = Events),
))]
pub async fn kept(
    State(serving): Shared,
    caller: Caller,
    Asked(of): Asked<Of>,
    Asked(part): Asked<Part>,
) -> Answer<Json<Events>> {
    let (limit, asked) = (part.limit()?, part.after::<Cursor>("events")?);
    let wanted = wanted(&caller, of.world.clone(), of.stack)?;
    of.world.iter().try_for_each(|world| serving.world(world).map(drop))?;
    let mut at = asked.unwrap_or_default();
    let mut events = Vec::new();
    for _ in 0..READS_MAX {
        let page = match serving.engine().events(at, READ).await {
            Ok(page) => page,
            // Without a cursor the beginning is meant, wherever that is by now.
            Err(EventsError::Reset(reset)) if asked.is_none() && events.is_empty() => {
                at = reset.next;
                continue;
            }
            Err(EventsError::Reset(_)) => {
                return Err(Refusal::gone("what came after that cursor is not kept any more")
                    .way_out("leave `cursor` out to begin with the oldest event that is kept"));
            }
            Err(error) => return Err(error.into()),
        };
        if page.events.is_empty() {
            return Ok(Json(Events { events, next: None }));
        }
        for event in page.events {
            if events.len() == limit {
                return Ok(Json(Events { events, next: Some(cursor("events", &at)) }));
            }
            at = event.cursor;
            if wanted.has(event.draft.stack.as_ref())
                && let Ok(body) = serde_json::from_slice(&event.draft.body)
            {
                events.push(show::event(&event, body));
            }
        }
    }
    Ok(Json(Events { events, next: Some(cursor("events", &at)) }))
}
