//! What happened, as it happens: resumable by the id of the last event that was heard.

use super::text::{self, EVENT_STREAM};
use super::{Next, Paced, body};
use crate::contract::{Cursor, Event, EventsError};
use crate::engine::{Engine, Followed};
use crate::model::{Name, StackId};
use crate::server::access::{Caller, Worlds};
use crate::server::api::event::{self as api, StreamReset};
use crate::server::refusal::Answer;
use crate::server::serving::Serving;
use crate::server::show;
use crate::state::EventBody;
use axum::response::Response;
use std::sync::Arc;

/// From where a stream tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum From {
    /// After that event; `Cursor::default()` is the beginning of what is kept.
    After(Cursor),
    /// What happens from now on.
    Now,
}

/// Which events.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Wanted {
    /// Only those of this world's stacks.
    pub world: Option<Name>,
    /// Only those of stacks of this name.
    pub stack: Option<Name>,
    /// Only those of worlds that are the listener's.
    pub of: Worlds,
}

struct Telling {
    paced: Paced<Followed>,
    wanted: Wanted,
    /// The place of the last event that came by, wanted or not.
    at: Cursor,
    /// Whether it was told already.
    told: bool,
}

/// Streams events.
///
/// # Errors
/// 503 when too many streams are open, or the store does not answer.
pub async fn events(serving: &Arc<Serving>, caller: Caller, from: From, wanted: Wanted) -> Answer<Response> {
    let engine = serving.engine();
    let at = match from {
        From::After(cursor) => cursor,
        From::Now => end(engine).await?,
    };
    let paced = Paced::new(engine.follow(at), serving, caller)?;
    let telling = Telling { paced, wanted, at, told: false };
    let open = text::open(Some(&at));
    let chunks = futures::stream::unfold((Some(open), Some(telling)), |(first, telling)| async move {
        let telling = telling?;
        match first {
            Some(first) => Some((first, (None, Some(Telling { told: true, ..telling })))),
            None => telling.next().await.map(|(chunk, telling)| (chunk, (None, telling))),
        }
    });
    Ok(body(EVENT_STREAM, chunks))
}

/// The place behind everything that has happened.
async fn end(engine: &Engine) -> Answer<Cursor> {
    // Nothing is after the last of all places: the store answers with where its events end.
    match engine.events(Cursor { serial: u64::MAX, number: u16::MAX }, 1).await {
        Ok(page) => Ok(page.next),
        Err(EventsError::Reset(reset)) => Ok(reset.next),
        Err(error) => Err(error.into()),
    }
}

impl Telling {
    async fn next(mut self) -> Option<(String, Option<Telling>)> {
        loop {
            match self.paced.next().await {
                Next::Item(Followed::Event(event)) => {
                    self.at = event.cursor;
                    self.told = self.wanted.has(event.draft.stack.as_ref());
                    if self.told {
                        let chunk = told(&event);
                        return Some((chunk, Some(self)));
                    }
                }
                Next::Item(Followed::Reset(reset)) => {
                    self.at = reset.next;
                    self.told = true;
                    let why = "some events are not kept any more: load the state anew".to_owned();
                    let chunk = text::event(Some(&self.at), api::RESET, &StreamReset { why });
                    return Some((chunk, Some(self)));
                }
                Next::Item(Followed::Trouble(cursor, why)) => {
                    self.at = cursor;
                    let chunk = text::event(None, api::TROUBLE, &StreamReset { why });
                    return Some((chunk, Some(self)));
                }
                Next::Tick => {
                    // Events that were not wanted moved the place: who comes again need not pass them again.
                    let id = (!self.told).then_some(self.at);
                    self.told = true;
                    let chunk = text::alive(id.as_ref().map(|id| id as &dyn std::fmt::Display));
                    return Some((chunk, Some(self)));
                }
                Next::Ending => return Some((text::ending(), None)),
                Next::End => return None,
            }
        }
    }
}

impl Wanted {
    /// Whether what happened to a stack is wanted; nothing of a stack is of no world.
    #[must_use]
    pub fn has(&self, stack: Option<&StackId>) -> bool {
        let fits = |wanted: &Option<Name>, is: fn(&StackId) -> &Name| {
            wanted.as_ref().is_none_or(|wanted| stack.is_some_and(|stack| is(stack) == wanted))
        };
        let is_theirs = self.of == Worlds::All || stack.is_some_and(|stack| self.of.has(&stack.world));
        is_theirs && fits(&self.world, |stack| &stack.world) && fits(&self.stack, |stack| &stack.stack)
    }
}

fn told(event: &Event) -> String {
    match serde_json::from_slice::<EventBody>(&event.draft.body) {
        Ok(body) => text::event(Some(&event.cursor), api::HAPPENED, &show::event(event, body)),
        Err(error) => {
            // It must not be passed over in silence.
            tracing::warn!(cursor = %event.cursor, %error, "an event cannot be read");
            let why = "an event cannot be read: load the state anew".to_owned();
            text::event(Some(&event.cursor), api::RESET, &StreamReset { why })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wanted_is_told() {
        let name = |text: &'static str| Some(Name::fixed(text));
        let stack = StackId::new(Name::fixed("laptop"), Name::fixed("guestbook"));
        let has = |world, name, of: Option<&StackId>| Wanted { world, stack: name, of: Worlds::All }.has(of);
        assert!(has(None, None, None) && has(None, None, Some(&stack)));
        assert!(has(name("laptop"), None, Some(&stack)) && has(None, name("guestbook"), Some(&stack)));
        assert!(!has(name("edge"), None, Some(&stack)) && !has(name("laptop"), name("hello"), Some(&stack)));
        assert!(!has(name("laptop"), None, None), "what is of no stack is of no world");
        let limited = |world| Wanted { of: Worlds::Only([Name::fixed(world)].into()), ..Wanted::default() };
        assert!(limited("laptop").has(Some(&stack)) && !limited("edge").has(Some(&stack)));
        assert!(!limited("laptop").has(None), "what is of no world is of none of theirs");
    }
}
