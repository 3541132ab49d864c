//! What happened.

use crate::contract;
use crate::server::api::event::Event;
use crate::state::EventBody;

/// What happened, with what was read of it.
#[must_use]
pub fn event(event: &contract::Event, body: EventBody) -> Event {
    let (world, stack) = event.draft.stack.clone().map(|id| (id.world, id.stack)).unzip();
    Event { id: event.cursor.to_string(), at: event.draft.at.into(), world, stack, body }
}
