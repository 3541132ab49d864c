//! Asks a process how it is. It asks, and never decides what follows.

use super::asked::Command;
use crate::graph::{HealthCheck, Probe};
use crate::keeper::State;
use crate::model::Wall;
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// How long an answer may take. A check that hangs is one that fails.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a check found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Health {
    /// It answered well.
    Well,
    /// It did not, and this is what it did.
    NotWell(String),
}

/// Where and how a replica can be asked.
pub(super) struct Asking<'a> {
    pub(super) check: &'a HealthCheck,
    pub(super) ports: &'a BTreeMap<String, u16>,
    pub(super) first: Option<&'a str>,
    pub(super) state: &'a State,
    pub(super) folder: &'a Path,
    pub(super) now: Wall,
}

pub(super) async fn ask(asking: &Asking<'_>) -> Health {
    let port = asking.check.port.as_ref().map(|port| port.as_str()).or(asking.first);
    let address = port.and_then(|port| asking.ports.get(port)).map(|port| SocketAddr::from(([127, 0, 0, 1], *port)));
    match (&asking.check.probe, address) {
        (Probe::Stays(long), _) => stays(asking, long.0),
        (Probe::Command(words), _) => {
            match Command::of(words, asking.check, asking.state.service.as_ref(), asking.folder) {
                Ok(command) => command.run().await,
                Err(health) => health,
            }
        }
        (Probe::Http(path), Some(address)) => within(&format!("GET {path}"), http(address, path)).await,
        (Probe::Tcp, Some(address)) => within("connecting", tcp(address)).await,
        (Probe::Grpc(_), Some(_)) => Health::NotWell("a gRPC health check is not built yet on deploy:local".to_owned()),
        (_, None) => Health::NotWell("it has no port to ask".to_owned()),
    }
}

fn stays(asking: &Asking<'_>, long: u64) -> Health {
    let up = asking.state.started.map_or(0, |started| asking.now.since(started).0);
    if up >= long {
        return Health::Well;
    }
    Health::NotWell(format!("up for {} of {} s", up / 1000, long / 1000))
}

async fn within(what: &str, asking: impl Future<Output = Result<(), String>>) -> Health {
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Ok(())) => Health::Well,
        Ok(Err(why)) => Health::NotWell(format!("{what}: {why}")),
        Err(_) => Health::NotWell(format!("{what}: no answer within {} s", PATIENCE.as_secs())),
    }
}

async fn connect(address: SocketAddr) -> Result<tokio::net::TcpStream, String> {
    tokio::net::TcpStream::connect(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        _ => error.to_string(),
    })
}

async fn tcp(address: SocketAddr) -> Result<(), String> {
    connect(address).await.map(drop)
}

async fn http(address: SocketAddr, path: &str) -> Result<(), String> {
    let stream = TokioIo::new(connect(address).await?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.map_err(|e| e.to_string())?;
    let request = hyper::Request::get(path)
        .header("host", address.to_string())
        .header("user-agent", "deployd-health")
        .header("connection", "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let mut answer =
        std::pin::pin!(async move { sender.send_request(request).await.map(|response| response.status()) });
    // The connection is driven beside the request. One that has ended has delivered the answer, or never will.
    let status = tokio::select! {
        biased;
        status = &mut answer => status,
        ended = connection => match ended {
            Ok(()) => answer.await,
            Err(error) => Err(error),
        },
    };
    let status = status.map_err(|error| innermost(&error))?;
    match status.as_u16() {
        200..400 => Ok(()),
        code => Err(format!("answered {code}")),
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}
