//! Sends a request to a backend and brings its answer. A request that surely was not read is sent to the next one; one
//! that may have been read is sent again only if HTTP says that this is harmless, and only once.

use super::body::{RequestBody, Upload, UploadState};
use super::traffic::Traffic;
use super::upstream::{InFlight, Repeat, Sender, UpstreamKey, Work};
use hyper::body::{Body, Incoming};
use hyper::{Method, Request, Response};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// Dead connections that are found one after the other for one request.
const TRIES_MAX: usize = 32;

/// What became of a request.
pub(super) enum Forwarded {
    /// The service's answer begins. Both are held until it ends.
    Answered { answer: Box<Response<Incoming>>, sender: Option<Sender>, flight: InFlight },
    /// No backend takes connections.
    Nobody,
    /// Its answer did not begin in time.
    Late(InFlight),
    /// The service closed the connection before it answered.
    Broken(InFlight),
    /// The client's body ended it.
    Upload(UploadState),
}

/// What one try came to.
enum Tried {
    Answered(Box<Response<Incoming>>, Option<Sender>),
    /// It was not read: the request is as it was.
    Unsent(Box<Request<RequestBody>>),
    /// It may have been read.
    Broken,
    Late,
}

/// Sends a request to a backend of that route.
pub(super) async fn forward(
    traffic: &Traffic,
    route: &str,
    mut request: Request<RequestBody>,
    upload: &Upload,
) -> Forwarded {
    let repeat = repeat(&request);
    let mut refused: BTreeSet<UpstreamKey> = BTreeSet::new();
    let (mut fresh, mut repeated) = (false, false);
    let mut broken: Option<InFlight> = None;
    for _ in 0..TRIES_MAX {
        let Some((active, flight)) = traffic.choose(route, &refused, Work::Request) else { break };
        let upstream = flight.upstream();
        let key = (upstream.backend.id.clone(), upstream.backend.address);
        let kept = if fresh { None } else { upstream.kept(repeat).await };
        let is_kept = kept.is_some();
        let sender = match kept {
            Some(sender) => sender,
            None => match upstream.connect().await {
                Ok(sender) => sender,
                Err(_) => {
                    refused.insert(key);
                    continue;
                }
            },
        };
        let spare = (repeat == Repeat::Harmless && !repeated).then(|| copy(&request));
        match attempt(sender, request, active.route.timeout.duration(), upload).await {
            Tried::Answered(answer, sender) => return Forwarded::Answered { answer, sender, flight },
            Tried::Late => return Forwarded::Late(flight),
            Tried::Unsent(unsent) => request = *unsent,
            Tried::Broken => match (upload.state(), spare) {
                (UploadState::Moving | UploadState::Whole, Some(spare)) => {
                    request = spare.map(|()| RequestBody::empty());
                    repeated = true;
                    // It takes connections, and what it answers is no answer: so it is told, unless another one does.
                    broken = (!is_kept).then_some(flight);
                }
                (UploadState::Moving | UploadState::Whole, None) => return Forwarded::Broken(flight),
                (ended, _) => return Forwarded::Upload(ended),
            },
        }
        // A kept connection that was closed says nothing about its backend; a new one does.
        fresh = true;
        if !is_kept {
            refused.insert(key);
        }
    }
    broken.map_or(Forwarded::Nobody, Forwarded::Broken)
}

async fn attempt(sender: Sender, request: Request<RequestBody>, timeout: Duration, upload: &Upload) -> Tried {
    match within(timeout, upload, sender.send(request)).await {
        None => Tried::Late,
        Some((Ok(answer), sender)) => Tried::Answered(Box::new(answer), sender),
        Some((Err(mut failed), _)) => {
            failed.take_message().map_or(Tried::Broken, |unsent| Tried::Unsent(Box::new(unsent)))
        }
    }
}

/// Harmless are the methods that RFC 9110 calls idempotent, and here only without a body: it is gone once it was sent.
fn repeat(request: &Request<RequestBody>) -> Repeat {
    let idempotent = [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE, Method::PUT, Method::DELETE]
        .contains(request.method());
    if idempotent && request.body().is_end_stream() { Repeat::Harmless } else { Repeat::Never }
}

fn copy(request: &Request<RequestBody>) -> Request<()> {
    let mut copy = Request::new(());
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    copy
}

/// Waits for an answer until the time is up, which begins anew with each piece of the request's body that goes on: a
/// large upload is not a slow service.
async fn within<T>(timeout: Duration, upload: &Upload, answer: impl Future<Output = T>) -> Option<T> {
    let begun = Instant::now();
    let alarm = tokio::time::sleep_until(begun + timeout);
    tokio::pin!(answer, alarm);
    loop {
        tokio::select! {
            biased;
            answer = &mut answer => return Some(answer),
            () = &mut alarm => {
                let until = upload.moved().max(begun) + timeout;
                if until <= Instant::now() {
                    return None;
                }
                alarm.as_mut().reset(until);
            }
        }
    }
}
