//! Events as they come: read by cursor, so that none is missed; woken by the store's hints, so that none is late.

use super::{Engine, EventStream, Followed};
use crate::contract::{Clock, Cursor, Event, EventsError, Key, Page, Serial, Store};
use crate::model::Milliseconds;
use futures::stream::{self, BoxStream, StreamExt};
use std::collections::VecDeque;
use std::sync::Arc;

/// Events of one read.
const PAGE: u16 = 256;

/// Without a hint the events are read again after that long: a batch that only tells writes no row, and gives no hint.
const AGAIN: Milliseconds = Milliseconds(500);

struct Following {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    hints: BoxStream<'static, Key>,
    cursor: Cursor,
    read: VecDeque<Event>,
    /// The last read brought nothing: wait before the next.
    is_at_end: bool,
}

impl Engine {
    /// Up to `limit` events after a cursor.
    ///
    /// # Errors
    /// [`EventsError`].
    pub async fn events(&self, after: Cursor, limit: u16) -> Result<Page, EventsError> {
        self.parts().store.events(after, limit).await
    }

    /// Events after a cursor, and then as they come. It never ends while the engine lives.
    #[must_use]
    pub fn follow(&self, after: Cursor) -> EventStream {
        let store = Arc::clone(&self.parts().store);
        // The hints begin before the first read: what comes between the two is not waited for.
        let hints = store.watch(Serial(after.serial));
        let clock = Arc::clone(&self.parts().clock);
        let following = Following { store, clock, hints, cursor: after, read: VecDeque::new(), is_at_end: false };
        stream::unfold(following, |mut following| async move {
            let next = following.next().await;
            Some((next, following))
        })
        .boxed()
    }
}

impl Following {
    async fn next(&mut self) -> Followed {
        loop {
            if let Some(event) = self.read.pop_front() {
                return Followed::Event(event);
            }
            if self.is_at_end {
                self.wait().await;
            }
            self.is_at_end = true;
            match self.store.events(self.cursor, PAGE).await {
                Ok(page) => {
                    self.is_at_end = page.events.is_empty();
                    self.cursor = page.next;
                    self.read = page.events.into();
                }
                Err(EventsError::Reset(reset)) => {
                    self.cursor = reset.next;
                    self.is_at_end = false;
                    return Followed::Reset(reset);
                }
                Err(EventsError::Store(error)) => return Followed::Trouble(self.cursor, error.to_string()),
            }
        }
    }

    /// Until something was written, or for a while.
    async fn wait(&mut self) {
        let again = self.clock.until(self.clock.now().steady.plus(AGAIN));
        tokio::select! {
            biased;
            Some(_) = self.hints.next() => {}
            () = again => {}
        }
    }
}
