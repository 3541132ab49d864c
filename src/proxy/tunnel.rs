//! Connections that carry any bytes: TCP, and websockets once both sides have agreed.

use super::access::Record;
use super::traffic::{Seat, Traffic};
use super::upstream::{InFlight, UpstreamKey, Work};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Each direction's buffer.
const BUFFER_BYTES: usize = 16 * 1024;

/// The two ends of a websocket, before they are there.
pub(super) struct Websocket {
    pub(super) client_side: OnUpgrade,
    pub(super) service_side: OnUpgrade,
    pub(super) idle: Duration,
}

impl Websocket {
    /// Carries it until both sides are closed.
    pub(super) async fn carry(self, flight: InFlight, seat: Arc<Seat>, mut record: Record) {
        if let (Ok(client), Ok(service)) = tokio::join!(self.client_side, self.service_side) {
            carry(TokioIo::new(client), TokioIo::new(service), self.idle, &mut record).await;
        }
        drop((flight, seat));
    }
}

/// Carries a TCP connection to a backend of a route. Nothing can be said to a client that is not let in, or for whom there
/// is no backend: it is closed.
pub(super) async fn tcp(traffic: &Traffic, route: &str, client: TcpStream, peer: IpAddr, seat: Seat) {
    let mut record = traffic.log.begin(peer, None);
    let open = async {
        let active = traffic.table.load().route(route).cloned();
        match active {
            None => return Err("no route"),
            Some(active) if !active.route.lets_in(peer.to_canonical()) => return Err("no gate lets this address in"),
            Some(_) => {}
        }
        let mut refused: BTreeSet<UpstreamKey> = BTreeSet::new();
        loop {
            let Some((active, flight)) = traffic.choose(route, &refused, Work::Connection) else {
                return Err("no healthy replica");
            };
            match flight.upstream().open().await {
                Ok(service) => return Ok((active, flight, service)),
                Err(_) => {
                    let backend = &flight.upstream().backend;
                    refused.insert((backend.id.clone(), backend.address));
                }
            }
        }
    };
    match open.await {
        Ok((active, flight, service)) => {
            record.line().backend = Some(Arc::clone(flight.upstream()));
            record.line().route = Some(Arc::clone(&active));
            carry(client, service, active.route.idle.duration(), &mut record).await;
        }
        Err(why) => record.line().note = Some(why),
    }
    drop(seat);
}

/// Carries bytes both ways until both sides are closed, one breaks, or nothing moves for `idle`.
async fn carry<A, B>(client: A, service: B, idle: Duration, record: &mut Record)
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let moved = Moved { begun: Instant::now(), last: AtomicU64::new(0) };
    let bytes = (AtomicU64::new(0), AtomicU64::new(0));
    let mut client = Seen { stream: client, moved: &moved, read: &bytes.0 };
    let mut service = Seen { stream: service, moved: &moved, read: &bytes.1 };
    let copied = copy_bidirectional_with_sizes(&mut client, &mut service, BUFFER_BYTES, BUFFER_BYTES);
    tokio::select! {
        biased;
        ended = copied => if ended.is_err() { record.line().note = Some("one side broke it off") },
        () = moved.not_for(idle) => record.line().note = Some("nothing moved for too long"),
    }
    record.line().bytes_in = bytes.0.load(Ordering::Relaxed);
    record.line().bytes_out = bytes.1.load(Ordering::Relaxed);
}

/// When bytes last moved, in milliseconds after `begun`.
struct Moved {
    begun: Instant,
    last: AtomicU64,
}

impl Moved {
    fn now(&self) {
        self.last.store(u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Comes back once nothing has moved for so long.
    async fn not_for(&self, idle: Duration) {
        loop {
            let until = self.begun + Duration::from_millis(self.last.load(Ordering::Relaxed)) + idle;
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }
}

/// A stream whose bytes are noticed.
struct Seen<'a, S> {
    stream: S,
    moved: &'a Moved,
    read: &'a AtomicU64,
}

impl<S: AsyncRead + Unpin> AsyncRead for Seen<'_, S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.moved.now();
        self.read.fetch_add((buffer.filled().len() - before) as u64, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Seen<'_, S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.moved.now();
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
