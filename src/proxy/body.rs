//! Bodies on their way through: passed on piece by piece, never gathered, with what has to be known about them.

use super::access::Record;
use super::upstream::{InFlight, Sender};
use http_body_util::Full;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// What the sender of a request's body has come to, seen from both ends.
pub(super) struct Upload {
    begun: Instant,
    /// When a piece last went on, in milliseconds after `begun`.
    moved: AtomicU64,
    bytes: AtomicU64,
    state: AtomicU8,
}

/// How far a request's body is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum UploadState {
    /// More is to come.
    Moving,
    /// All of it went on.
    Whole,
    /// It is larger than the route lets through.
    TooLarge,
    /// The client sent nothing for too long.
    Stalled,
    /// The client went away, or its chunks are no chunks.
    Broken,
}

/// A request's body.
///
/// Whether all of it went on is known before the service can answer, so an answer's end knows whether the connection is free.
pub(super) struct RequestBody(Option<Moving>);

struct Moving {
    body: Incoming,
    upload: Arc<Upload>,
    left: u64,
    stall: Duration,
    alarm: Option<Pin<Box<Sleep>>>,
}

/// An answer's body.
pub(super) enum AnswerBody {
    /// A few words of our own.
    Own { text: Full<Bytes>, _record: Record },
    /// A service's.
    Service(Box<ServiceBody>),
    /// None: the connection becomes a websocket.
    Nothing,
}

/// The body that a service answers with. While it lives the request is in flight.
pub(super) struct ServiceBody {
    body: Incoming,
    record: Record,
    flight: Option<(InFlight, Option<Sender>)>,
    upload: Arc<Upload>,
    ended: bool,
}

impl Upload {
    fn new() -> Arc<Upload> {
        let state = AtomicU8::new(UploadState::Moving as u8);
        Arc::new(Upload { begun: Instant::now(), moved: AtomicU64::new(0), bytes: AtomicU64::new(0), state })
    }

    pub(super) fn state(&self) -> UploadState {
        match self.state.load(Ordering::Acquire) {
            s if s == UploadState::Whole as u8 => UploadState::Whole,
            s if s == UploadState::TooLarge as u8 => UploadState::TooLarge,
            s if s == UploadState::Stalled as u8 => UploadState::Stalled,
            s if s == UploadState::Broken as u8 => UploadState::Broken,
            _ => UploadState::Moving,
        }
    }

    /// When a piece of it last went on to the service.
    pub(super) fn moved(&self) -> Instant {
        self.begun + Duration::from_millis(self.moved.load(Ordering::Acquire))
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    fn is(&self, state: UploadState) {
        self.state.store(state as u8, Ordering::Release);
    }

    fn move_on(&self, bytes: usize) {
        let after = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(after, Ordering::Release);
        self.bytes.fetch_add(bytes as u64, Ordering::AcqRel);
    }
}

impl RequestBody {
    /// Lets at most `limit` bytes through, and waits at most `stall` for each piece.
    pub(super) fn new(body: Incoming, limit: u64, stall: Duration) -> (RequestBody, Arc<Upload>) {
        let upload = Upload::new();
        if body.is_end_stream() {
            upload.is(UploadState::Whole);
            return (RequestBody::empty(), upload);
        }
        let moving = Moving { body, upload: Arc::clone(&upload), left: limit, stall, alarm: None };
        (RequestBody(Some(moving)), upload)
    }

    /// No body.
    pub(super) fn empty() -> RequestBody {
        RequestBody(None)
    }
}

type Piece = Poll<Option<Result<Frame<Bytes>, std::io::Error>>>;

impl Moving {
    fn poll(&mut self, cx: &mut Context<'_>) -> Piece {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending => {
                let stall = self.stall;
                let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
                ready!(alarm.as_mut().poll(cx));
                self.fail(UploadState::Stalled, "the client sends nothing more")
            }
            Poll::Ready(None) => {
                self.upload.is(UploadState::Whole);
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(_))) => {
                self.fail(UploadState::Broken, "the client went away, or sent no proper chunks")
            }
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                let Some(left) = self.left.checked_sub(bytes as u64) else {
                    return self.fail(UploadState::TooLarge, "the body is larger than the route lets through");
                };
                self.left = left;
                self.alarm = None;
                self.upload.move_on(bytes);
                if self.body.is_end_stream() || frame.is_trailers() {
                    self.upload.is(UploadState::Whole);
                }
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn fail(&self, state: UploadState, why: &'static str) -> Piece {
        self.upload.is(state);
        Poll::Ready(Some(Err(std::io::Error::other(why))))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Piece {
        self.0.as_mut().map_or(Poll::Ready(None), |moving| moving.poll(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|moving| moving.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |moving| moving.body.size_hint())
    }
}

impl AnswerBody {
    pub(super) fn nothing() -> AnswerBody {
        AnswerBody::Nothing
    }

    pub(super) fn own(text: String, mut record: Record) -> AnswerBody {
        record.line().bytes_out = text.len() as u64;
        AnswerBody::Own { text: Full::new(Bytes::from(text)), _record: record }
    }

    pub(super) fn service(
        body: Incoming,
        record: Record,
        flight: (InFlight, Option<Sender>),
        upload: Arc<Upload>,
    ) -> AnswerBody {
        let ended = body.is_end_stream();
        let mut body = ServiceBody { body, record, flight: Some(flight), upload, ended };
        if ended {
            body.end();
        }
        AnswerBody::Service(Box::new(body))
    }
}

impl ServiceBody {
    /// The request is over: its connection may serve the next one, if nothing of this one is under way on it.
    fn end(&mut self) {
        self.ended = true;
        match self.flight.take() {
            Some((flight, Some(sender))) if self.upload.state() == UploadState::Whole => flight.upstream().keep(sender),
            _ => {}
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let body = match self.get_mut() {
            AnswerBody::Own { text, .. } => {
                return Pin::new(text).poll_frame(cx).map(|frame| {
                    frame.map(|read| match read {
                        Ok(frame) => Ok(frame),
                        Err(never) => match never {},
                    })
                });
            }
            AnswerBody::Nothing => return Poll::Ready(None),
            AnswerBody::Service(body) => body,
        };
        let frame = ready!(Pin::new(&mut body.body).poll_frame(cx));
        match &frame {
            None => body.end(),
            Some(Ok(frame)) => {
                body.record.line().bytes_out += frame.data_ref().map_or(0, Bytes::len) as u64;
                if frame.is_trailers() || body.body.is_end_stream() {
                    body.end();
                }
            }
            Some(Err(_)) => body.record.line().note = Some("the service broke off its answer"),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match self {
            AnswerBody::Own { text, .. } => text.is_end_stream(),
            AnswerBody::Service(body) => body.body.is_end_stream(),
            AnswerBody::Nothing => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            AnswerBody::Own { text, .. } => text.size_hint(),
            AnswerBody::Service(body) => body.body.size_hint(),
            AnswerBody::Nothing => SizeHint::with_exact(0),
        }
    }
}

impl Drop for ServiceBody {
    fn drop(&mut self) {
        self.record.line().bytes_in = self.upload.bytes();
        if !self.ended && self.record.line().note.is_none() {
            self.record.line().note = Some("the client left before the end");
        }
    }
}
