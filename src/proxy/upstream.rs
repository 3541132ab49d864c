//! One backend as the proxy uses it: what is in flight there, exactly, and the connections to it that are kept open.

use super::body::RequestBody;
use super::route::Backend;
use futures::FutureExt as _;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A listener on this machine answers at once or not at all; a full backlog gets this long.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// Connections kept open to one backend while nothing is asked: more than a browser opens, few enough to be no burden.
const IDLE_MAX: usize = 64;
/// How long one is kept. Shorter than what most servers keep (Node closes after 5 s and is noticed by the close itself).
const IDLE_FOR: Duration = Duration::from_secs(30);
/// A request that must not be repeated goes over a kept connection only if that was in use this lately: a service may be
/// about to close one that idles, and then nobody knows whether it read the request. Opening one costs some 50 µs.
const UNREPEATABLE_WITHIN: Duration = Duration::from_secs(1);

/// A kept connection that is not ready by then is stuck.
const READY_WITHIN: Duration = Duration::from_millis(100);

/// A connection that one request after another is sent over.
pub(super) struct Sender {
    requests: SendRequest<RequestBody>,
    /// Cancelled when the connection has ended, and nobody takes what is sent over it any more.
    ended: CancellationToken,
}

/// What came of a request: the answer, or why not, with the request where it surely was not read.
pub(super) type Sent = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>;

impl Sender {
    /// Sends a request and waits for its answer; the connection comes back with it, unless it has ended.
    pub(super) async fn send(mut self, request: Request<RequestBody>) -> (Sent, Option<Sender>) {
        let answer = self.requests.try_send_request(request);
        let ended = self.ended.clone();
        until_ended(answer, async move { ended.cancelled().await }, self).await
    }

    fn is_closed(&self) -> bool {
        self.requests.is_closed()
    }
}

/// Waits for an answer while its connection lives, and lets go of the connection once that has ended. A request that is
/// handed over in the very moment in which the connection ends can stay between the two: nobody takes it, and it comes
/// back only when whoever sent it lets go of its end (tokio's channels drop what was sent too late with their last sender).
async fn until_ended<A, C>(
    answer: impl Future<Output = A>,
    ended: impl Future<Output = ()>,
    connection: C,
) -> (A, Option<C>) {
    tokio::pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => return (answer, Some(connection)),
        () = ended => {}
    }
    // What was answered before the end is there.
    if let Some(answer) = (&mut answer).now_or_never() {
        return (answer, Some(connection));
    }
    drop(connection);
    (answer.await, None)
}

/// One backend.
pub(super) struct Upstream {
    /// The replica's identity as text, and where it listens.
    pub(super) backend: Backend,
    requests: AtomicU64,
    answers: AtomicU64,
    connections: AtomicU64,
    total: AtomicU64,
    /// When the last route let it go, in milliseconds since 1970; 0 while one names it.
    retired: AtomicU64,
    /// The same by a clock that nobody sets: what is in flight gets a span of time from then on.
    let_go: Mutex<Option<Instant>>,
    /// When this began to be known.
    born: Instant,
    /// Until when others are asked first, in milliseconds after that; 0 while it is like others.
    avoided: AtomicU64,
    idle: Mutex<Vec<(Sender, Instant)>>,
    /// Told when a retired backend has nothing in flight any more.
    emptied: Arc<Notify>,
    tasks: TaskTracker,
}

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Work {
    /// One request, until its answer begins.
    Request,
    /// One answer, from its head to its end: of a stream of events that can be never.
    Answer,
    /// One websocket or TCP connection, until it is closed.
    Connection,
}

/// One request or connection at one backend. It is counted for as long as this value lives, whatever ends it.
pub(super) struct InFlight {
    upstream: Arc<Upstream>,
    work: Work,
}

/// Whether a request may be sent twice if nobody knows whether it arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Repeat {
    Harmless,
    Never,
}

impl Upstream {
    pub(super) fn new(backend: Backend, emptied: Arc<Notify>, tasks: TaskTracker) -> Arc<Upstream> {
        Arc::new(Upstream {
            backend,
            requests: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            total: AtomicU64::new(0),
            retired: AtomicU64::new(0),
            let_go: Mutex::new(None),
            born: Instant::now(),
            avoided: AtomicU64::new(0),
            idle: Mutex::new(Vec::new()),
            emptied,
            tasks,
        })
    }

    /// Counts one more in, or none if no route names this backend any more. Counting comes first and looking second,
    /// and [`retire`](Self::retire) does it the other way round: so whoever retires it and then sees zero can stop it.
    pub(super) fn enter(self: &Arc<Upstream>, work: Work) -> Option<InFlight> {
        self.counter(work).fetch_add(1, Ordering::SeqCst);
        let entered = InFlight { upstream: Arc::clone(self), work };
        if self.retired.load(Ordering::SeqCst) != 0 {
            return None;
        }
        self.total.fetch_add(1, Ordering::Relaxed);
        Some(entered)
    }

    /// No route names it any more: nothing new enters, and connections that nobody uses are closed now.
    pub(super) fn retire(&self, now: u64) {
        if self.retired.compare_exchange(0, now.max(1), Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            *self.let_go.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        self.idle().clear();
        self.emptied.notify_waiters();
    }

    /// A route names it again.
    pub(super) fn return_to_work(&self) {
        self.retired.store(0, Ordering::SeqCst);
    }

    /// When it was retired, in milliseconds since 1970.
    pub(super) fn retired(&self) -> Option<u64> {
        Some(self.retired.load(Ordering::SeqCst)).filter(|at| *at != 0)
    }

    /// Others are asked first for so long.
    pub(super) fn avoid(&self, span: Duration) {
        let until = if span.is_zero() { Duration::ZERO } else { self.born.elapsed() + span };
        self.avoided.store(u64::try_from(until.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Whether others are asked first.
    pub(super) fn is_avoided(&self) -> bool {
        match self.avoided.load(Ordering::Relaxed) {
            0 => false,
            until => self.born.elapsed().as_millis() < u128::from(until),
        }
    }

    /// For how long no route has named it.
    pub(super) fn let_go_for(&self) -> Option<Duration> {
        self.retired()?;
        self.let_go.lock().unwrap_or_else(PoisonError::into_inner).map(|at| at.elapsed())
    }

    pub(super) fn in_flight(&self, work: Work) -> u64 {
        self.counter(work).load(Ordering::SeqCst)
    }

    /// Everything that is in flight: what balancing goes by.
    pub(super) fn load(&self) -> u64 {
        self.in_flight(Work::Request) + self.in_flight(Work::Answer) + self.in_flight(Work::Connection)
    }

    /// Requests and connections since the proxy started.
    pub(super) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    fn counter(&self, work: Work) -> &AtomicU64 {
        match work {
            Work::Request => &self.requests,
            Work::Answer => &self.answers,
            Work::Connection => &self.connections,
        }
    }

    /// A kept connection that is alive as far as can be seen, the one used last.
    pub(super) async fn kept(&self, repeat: Repeat) -> Option<Sender> {
        while let Some(mut sender) = self.pop(repeat) {
            // The answer before it has ended; that hyper notices is a matter of one turn of its task.
            let requests = &mut sender.requests;
            if requests.is_ready() || matches!(tokio::time::timeout(READY_WITHIN, requests.ready()).await, Ok(Ok(()))) {
                return Some(sender);
            }
        }
        None
    }

    fn pop(&self, repeat: Repeat) -> Option<Sender> {
        let mut idle = self.idle();
        let (_, since) = idle.last()?;
        if repeat == Repeat::Never && since.elapsed() > UNREPEATABLE_WITHIN {
            return None;
        }
        idle.pop().map(|(sender, _)| sender)
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> io::Result<Sender> {
        let stream = self.open().await?;
        let (requests, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        let ended = CancellationToken::new();
        let ends = ended.clone().drop_guard();
        // It ends when the sender is dropped or the service closes it. Its errors reach whoever waits for an answer.
        self.tasks.spawn(async move {
            let _ = connection.with_upgrades().await;
            drop(ends);
        });
        Ok(Sender { requests, ended })
    }

    /// A new connection for bytes.
    pub(super) async fn open(&self) -> io::Result<TcpStream> {
        let address = self.backend.address;
        let stream = match tokio::time::timeout(CONNECT_WITHIN, TcpStream::connect(address)).await {
            Ok(stream) => stream?,
            Err(_) => return Err(io::Error::new(io::ErrorKind::TimedOut, "it does not accept connections")),
        };
        // On loopback, a port that nobody listens on can be given to the very socket that connects to it.
        if stream.local_addr()? == address {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Keeps a connection whose last request has ended, for the next one.
    pub(super) fn keep(&self, sender: Sender) {
        let mut idle = self.idle();
        let is_over = self.retired().is_some() || self.tasks.is_closed();
        if !is_over && !sender.is_closed() && idle.len() < IDLE_MAX {
            idle.push((sender, Instant::now()));
        }
    }

    /// Closes all kept connections.
    pub(super) fn let_go(&self) {
        self.idle().clear();
    }

    /// Closes kept connections that are too old or dead.
    pub(super) fn sweep(&self) {
        self.idle().retain(|(sender, since)| !sender.is_closed() && since.elapsed() < IDLE_FOR);
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(Sender, Instant)>> {
        // Nothing that holds this lock can leave the list half changed.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InFlight {
    pub(super) fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }

    /// A request is being answered, or has become a websocket: it is never counted as neither.
    pub(super) fn into_work(mut self, work: Work) -> InFlight {
        self.upstream.counter(work).fetch_add(1, Ordering::SeqCst);
        self.upstream.counter(self.work).fetch_sub(1, Ordering::SeqCst);
        self.work = work;
        self
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let upstream = &self.upstream;
        upstream.counter(self.work).fetch_sub(1, Ordering::SeqCst);
        if upstream.retired().is_some() && upstream.load() == 0 {
            upstream.emptied.notify_waiters();
        }
    }
}

/// Which backend a value is about: a replica that comes back at another address is another one.
pub(super) type UpstreamKey = (String, SocketAddr);

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream() -> Arc<Upstream> {
        let backend = Backend { id: "b".to_owned(), address: "127.0.0.1:9".parse().unwrap() };
        Upstream::new(backend, Arc::new(Notify::new()), TaskTracker::new())
    }

    #[test]
    fn what_is_in_flight_is_counted_whatever_ends_it() {
        let upstream = upstream();
        let request = upstream.enter(Work::Request).unwrap();
        let socket = upstream.enter(Work::Request).unwrap().into_work(Work::Connection);
        assert_eq!((upstream.in_flight(Work::Request), upstream.in_flight(Work::Connection)), (1, 1));
        assert!(upstream.let_go_for().is_none());
        upstream.retire(7);
        assert!(upstream.let_go_for().is_some() && upstream.enter(Work::Request).is_none());
        assert_eq!((upstream.load(), upstream.retired()), (2, Some(7)));
        let panicked = std::thread::spawn(move || {
            let _held = request;
            panic!("a handler panics");
        });
        assert!(panicked.join().is_err());
        drop(socket);
        assert_eq!((upstream.load(), upstream.total()), (0, 2));
        upstream.return_to_work();
        assert!(upstream.let_go_for().is_none());
        assert!(upstream.enter(Work::Connection).is_some());
    }

    #[test]
    fn nobody_enters_after_zero_was_seen() {
        for _ in 0..200 {
            let upstream = upstream();
            let entering = Arc::clone(&upstream);
            let thread = std::thread::spawn(move || entering.enter(Work::Request));
            upstream.retire(1);
            let seen_empty = upstream.load() == 0;
            let entered = thread.join().unwrap();
            assert!(!(seen_empty && entered.is_some()), "it was seen empty, and somebody was in");
        }
    }

    #[tokio::test]
    async fn a_request_that_nobody_took_comes_back_when_the_connection_has_ended() {
        // It lies in the channel of a connection that has ended: it comes back when the channel goes.
        let (lying, answer) = tokio::sync::oneshot::channel::<()>();
        let (came, connection) = until_ended(answer, std::future::ready(()), lying).await;
        assert!(came.is_err() && connection.is_none());
        // What was answered before the end is an answer.
        let (service, answer) = tokio::sync::oneshot::channel();
        service.send("ok").unwrap();
        let (came, connection) = until_ended(answer, std::future::ready(()), "connection").await;
        assert_eq!((came, connection), (Ok("ok"), Some("connection")));
    }
}
