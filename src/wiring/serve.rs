//! `serve`: engine, intake and server together in one process, until it is told to end.

use super::house::House;
use super::settings::Settings;
use super::state::StateFailure;
use crate::clock::NoBootId;
use crate::contract::StoreError;
use crate::server::{self, Server};
use crate::source::ContentsProblem;
use std::fmt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A server that answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Serving {
    /// Where it is spoken to: `http://127.0.0.1:7070`.
    pub address: String,
    /// Whose state it keeps.
    pub instance: String,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Why a server did not start, or could not go on.
#[derive(Debug)]
pub enum ServeFailure {
    /// The state folder.
    State(StateFailure),
    /// The contents of revisions.
    Contents(ContentsProblem),
    /// The machine's clock.
    Clock(NoBootId),
    /// The API.
    Server(server::ServeError),
    /// The engine cannot go on: what it believes may not be what is on the disk.
    Engine(StoreError),
    /// A part of it panicked: our bug. Everything that was acknowledged is found again at the next start.
    Panicked(String),
}

/// What ends with the server.
enum Ended {
    Server,
    Engine(Result<(), StoreError>),
    Intake,
    Upkeep,
}

/// Serves until `until` comes, or until nobody needs it where it is set up so. `announce` is called when it answers.
///
/// At the end no more is accepted first; then orders that are on their way come to their ends and are recorded. Services
/// go on: stopping or killing a server never stops them.
///
/// # Errors
/// [`ServeFailure`].
pub async fn serve(
    settings: &Settings,
    until: impl Future<Output = ()> + Send + 'static,
    announce: impl FnOnce(&Serving),
) -> Result<(), ServeFailure> {
    let House { engine, intake, doors, upkeep, warnings } = House::open(settings).await?;
    let instance = doors.instance.clone();
    let api = server::Settings { state: settings.state.clone(), ..settings.api.clone() };
    let server = Server::bind(doors, api).await.map_err(ServeFailure::Server)?;
    announce(&Serving { address: server.address().to_owned(), instance, warnings });

    let (told, closed) = (CancellationToken::new(), CancellationToken::new());
    // Each on its own, so that a long plan holds up no answer; all end when this future is dropped.
    let mut parts = JoinSet::new();
    let ending = told.clone();
    parts.spawn(async move {
        let until = async {
            tokio::select! {
                biased;
                () = ending.cancelled() => {}
                () = until => {}
            }
        };
        server.run(until).await;
        Ended::Server
    });
    let ending = closed.clone();
    parts.spawn(async move { Ended::Engine(engine.run(ending.cancelled_owned()).await) });
    let ending = closed.clone();
    parts.spawn(async move {
        intake.run(ending.cancelled_owned()).await;
        Ended::Intake
    });
    let ending = closed.clone();
    parts.spawn(async move {
        upkeep.run(ending).await;
        Ended::Upkeep
    });
    let mut result = Ok(());
    while let Some(ended) = parts.join_next().await {
        match ended {
            Ok(Ended::Server | Ended::Intake | Ended::Upkeep | Ended::Engine(Ok(()))) => {}
            Ok(Ended::Engine(Err(error))) => result = Err(ServeFailure::Engine(error)),
            Err(panic) => result = Err(ServeFailure::Panicked(panic.to_string())),
        }
        // Whichever ends first, the others have nothing to go on for.
        told.cancel();
        closed.cancel();
    }
    result
}

/// Comes when the process is asked to end: SIGTERM, or Ctrl-C.
///
/// # Errors
/// When signals cannot be heard.
pub fn signals() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            biased;
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

impl ServeFailure {
    /// Whether another process has the state: a client may talk to it.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        matches!(self, ServeFailure::State(failure) if failure.is_locked())
    }
}

impl fmt::Display for ServeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServeFailure::State(failure) => write!(f, "{failure}"),
            ServeFailure::Contents(problem) => write!(f, "{problem}"),
            ServeFailure::Clock(_) => f.write_str("the machine does not tell which start of it this is"),
            ServeFailure::Server(error) => write!(f, "{error}"),
            ServeFailure::Engine(_) => f.write_str("the engine cannot go on"),
            ServeFailure::Panicked(why) => write!(f, "a part of the server panicked, which is a bug of deployd: {why}"),
        }
    }
}

impl std::error::Error for ServeFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // Their own words are ours already.
            ServeFailure::State(failure) => failure.source(),
            ServeFailure::Contents(problem) => problem.source(),
            ServeFailure::Server(error) => error.source(),
            ServeFailure::Clock(error) => Some(error),
            ServeFailure::Engine(error) => Some(error),
            ServeFailure::Panicked(_) => None,
        }
    }
}
