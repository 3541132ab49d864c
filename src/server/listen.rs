//! Listening: which address, how many connections, how long a head may take and how large it may be. HTTP/1.1 alone: the
//! clients are a command line and a page on the same machine, and what HTTP/2 can be abused for is not there.

use super::settings::{Limits, Reach, Settings};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// How long is waited when the machine has no room for another connection.
const NO_ROOM_PAUSE: Duration = Duration::from_millis(100);

/// Takes the address, or where that is allowed another port of it.
///
/// # Errors
/// The address is taken or not ours; or it is not of this machine alone, and nobody said that others may reach it.
pub async fn bind(settings: &Settings) -> io::Result<TcpListener> {
    if settings.reach == Reach::Loopback && !settings.listen.ip().is_loopback() {
        let why = format!(
            "{} can be reached from other machines: name the hosts by which it is spoken to, or listen on 127.0.0.1",
            settings.listen
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let first = TcpListener::bind(settings.listen).await;
    match first {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && settings.or_next => {
            // The ports after it, so that people find it near; then any.
            for port in settings.listen.port().saturating_add(1)..settings.listen.port().saturating_add(10) {
                if let Ok(listener) = TcpListener::bind(SocketAddr::new(settings.listen.ip(), port)).await {
                    return Ok(listener);
                }
            }
            TcpListener::bind(SocketAddr::new(settings.listen.ip(), 0)).await
        }
        other => other,
    }
}

/// Serves connections until the token is cancelled; then requests come to their ends, within the grace.
pub async fn serve(listener: TcpListener, router: Router, limits: &Limits, ending: &CancellationToken) {
    let room = Arc::new(Semaphore::new(limits.connections_max));
    let mut connections = JoinSet::new();
    loop {
        let permit = tokio::select! {
            biased;
            () = ending.cancelled() => break,
            permit = Arc::clone(&room).acquire_owned() => permit.expect("the semaphore is never closed"),
        };
        let accepted = tokio::select! {
            biased;
            () = ending.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        // Those that have ended are let go of.
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => {
                let connection = connection(stream, router.clone(), limits.clone(), ending.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(permit);
                });
            }
            // The other side went away, or the machine has no room: neither is a reason to end.
            Err(error) => {
                tracing::debug!(%error, "a connection was not accepted");
                tokio::select! {
                    biased;
                    () = ending.cancelled() => break,
                    () = tokio::time::sleep(NO_ROOM_PAUSE) => {}
                }
            }
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.grace, all).await.is_err() {
        tracing::warn!("requests that took longer than the grace were cut");
        connections.shutdown().await;
    }
}

async fn connection(stream: TcpStream, router: Router, limits: Limits, ending: CancellationToken) {
    // Small answers go out at once; that it failed is of no consequence.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let request: Request = request.map(Body::new);
        router.clone().oneshot(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head_within).max_buf_size(limits.head_bytes_max);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        biased;
        ended = connection.as_mut() => if let Err(error) = ended { tracing::debug!(%error, "a connection broke") },
        () = ending.cancelled() => {
            connection.as_mut().graceful_shutdown();
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke");
            }
        }
    }
}
