//! Streams: bodies that go on. Each has a place among those that may be open, says from time to time that it is alive,
//! and ends with a word when the server does.

mod events;
mod logs;
mod text;

pub use events::{From, Wanted, events};
pub use logs::{Shape, logs};

use super::access::Caller;
use super::refusal::Answer;
use super::serving::Serving;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// What comes next on a stream.
enum Next<T> {
    /// The next thing.
    Item(T),
    /// Nothing for a while.
    Tick,
    /// The server ends.
    Ending,
    /// There is no more.
    End,
}

/// A stream of something beside the clock and the server's end.
struct Paced<T> {
    items: BoxStream<'static, T>,
    ticks: Interval,
    ending: CancellationToken,
    listener: Listener,
    _permit: OwnedSemaphorePermit,
}

/// Who listens, for as long as they may.
struct Listener {
    caller: Caller,
    serving: Arc<Serving>,
    revocations: watch::Receiver<u64>,
}

impl Listener {
    fn new(caller: Caller, serving: &Arc<Serving>) -> Listener {
        Listener { caller, serving: Arc::clone(serving), revocations: serving.access.issued.revocations() }
    }

    fn may(&self) -> bool {
        self.serving.access.issued.still(&self.caller, self.serving.now())
    }
}

impl<T> Paced<T> {
    fn new(items: BoxStream<'static, T>, serving: &Arc<Serving>, caller: Caller) -> Answer<Paced<T>> {
        let permit = serving.stream()?;
        let (ticks, listener) = (ticks(serving.limits.keep_alive), Listener::new(caller, serving));
        Ok(Paced { items, ticks, ending: serving.ending.clone(), listener, _permit: permit })
    }

    async fn next(&mut self) -> Next<T> {
        tokio::select! {
            biased;
            () = self.ending.cancelled() => Next::Ending,
            // A token that was revoked ends what was opened with it; one that expired, at the next sign of life.
            _ = self.listener.revocations.changed() => if self.listener.may() { Next::Tick } else { Next::Ending },
            item = self.items.next() => item.map_or(Next::End, Next::Item),
            _ = self.ticks.tick() => if self.listener.may() { Next::Tick } else { Next::Ending },
        }
    }
}

fn ticks(every: Duration) -> Interval {
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn body(media_type: &'static str, chunks: impl Stream<Item = String> + Send + 'static) -> Response {
    let chunks = chunks.map(|chunk| Ok::<_, Infallible>(Bytes::from(chunk)));
    let headers = [(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::from_stream(chunks)).into_response()
}

/// Stays open until the server ends, or whoever asked for it has gone.
///
/// # Errors
/// 503 when too many streams are open, or the server is ending: who needs one asks the next.
pub fn session(serving: &Arc<Serving>, caller: Caller) -> Answer<Response> {
    if serving.ending.is_cancelled() {
        let why = crate::state::Why::new(crate::state::WhyCode::Other, "the server is ending");
        return Err(super::refusal::Refusal::unavailable(
            "stopped",
            "the server is ending",
            why.way_out("ask the next one"),
        ));
    }
    let paced: Paced<()> = Paced::new(futures::stream::pending().boxed(), serving, caller)?;
    let counted = Counted::new(&serving.sessions);
    let chunks = futures::stream::unfold((paced, counted, true), |(mut paced, counted, begins)| async move {
        if begins {
            return Some((text::open(None), (paced, counted, false)));
        }
        match paced.next().await {
            Next::Item(()) | Next::Tick => Some((text::alive(None), (paced, counted, false))),
            Next::Ending | Next::End => None,
        }
    });
    Ok(body(text::EVENT_STREAM, chunks))
}

/// One session, counted for as long as it lives.
struct Counted(watch::Sender<usize>);

impl Counted {
    fn new(sessions: &watch::Sender<usize>) -> Counted {
        sessions.send_modify(|open| *open += 1);
        Counted(sessions.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

/// A stream that holds its place until it ends.
pub fn holding<T: Send + 'static>(
    items: BoxStream<'static, T>,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = T> + Send + 'static {
    items.map(move |item| {
        let _held = &permit;
        item
    })
}
