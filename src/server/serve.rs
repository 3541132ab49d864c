//! `Server`: bound, told in the state folder, and served until it is told to end.

use super::access::{Access, Grant, Hosts, Issued, Scope, SignIns, Tokens, cookie_name};
use super::doors::Doors;
use super::serving::Serving;
use super::settings::{Ends, Reach, Settings};
use super::{document, listen, place, router};
use crate::engine::StackShown;
use crate::state::{DeploymentState, Principal};
use axum::Router;
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// A server that listens. Nobody is answered before it runs.
pub struct Server {
    listener: TcpListener,
    router: Router,
    serving: Arc<Serving>,
    settings: Settings,
    placed: place::Placed,
}

/// Why a server does not listen.
#[derive(Debug)]
pub enum ServeError {
    /// The address.
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The token, or the files that tell of it, in the state folder.
    State {
        /// What.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// Serves the doors until `until` comes: what [`Server::bind`] and [`Server::run`] do together.
///
/// # Errors
/// [`ServeError`].
pub async fn serve(doors: Doors, settings: Settings, until: impl Future<Output = ()>) -> Result<(), ServeError> {
    Server::bind(doors, settings).await?.run(until).await;
    Ok(())
}

impl Server {
    /// Takes the address, makes the token at a first start, and tells in the state folder where it is.
    ///
    /// # Errors
    /// [`ServeError`]; nothing is told then.
    pub async fn bind(doors: Doors, settings: Settings) -> Result<Server, ServeError> {
        let of_state = |what| move |source| ServeError::State { what, source };
        let token = place::token_or_new(&settings.state).map_err(of_state("the token"))?;
        let issued = Issued::open(&settings.state).map_err(of_state("the file of issued tokens"))?;
        let of_listen = |source| ServeError::Listen { address: settings.listen, source };
        let listener = listen::bind(&settings).await.map_err(of_listen)?;
        let bound = listener.local_addr().map_err(of_listen)?;
        let user = Principal(format!("cli:{}", settings.user));
        let tokens = Tokens::new(vec![Grant::new(&token, user, Scope::all(), None)]);
        let access = access(&doors, &settings, bound, tokens, issued);
        let address = format!("http://{bound}");
        let serving = Arc::new(Serving {
            access: Arc::new(access),
            limits: settings.limits.clone(),
            address: address.clone(),
            document: document_text().into(),
            ending: CancellationToken::new(),
            sessions: watch::Sender::new(0),
            streams: Arc::new(Semaphore::new(settings.limits.streams_max)),
            doors,
        });
        let placed = place::place(&settings.state, &address).map_err(of_state("where the server is"))?;
        Ok(Server { listener, router: router::router(&serving), serving, settings, placed })
    }

    /// Where it is spoken to: `http://127.0.0.1:7070`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.serving.address
    }

    /// Serves until `until` comes, or until nobody needs it any more where it is set up so. Then streams end with a word,
    /// requests come to their ends within the grace, and the state folder does not tell of it any more.
    pub async fn run(self, until: impl Future<Output = ()>) {
        let Server { listener, router, serving, settings, placed } = self;
        let ending = &serving.ending;
        let told = async {
            tokio::select! {
                biased;
                () = until => {}
                () = unneeded(settings.ends, &serving, serving.sessions.subscribe()) => {}
            }
            ending.cancel();
        };
        // Both here, so that a dropped future leaves nothing behind that still answers.
        tokio::join!(told, listen::serve(listener, router, &settings.limits, ending));
        drop(placed);
    }
}

fn access(doors: &Doors, settings: &Settings, bound: SocketAddr, tokens: Tokens, issued: Issued) -> Access {
    let named = match &settings.reach {
        Reach::Loopback => BTreeSet::new(),
        Reach::Beyond { hosts } => hosts.clone(),
    };
    Access {
        hosts: Hosts::new(bound, &named),
        tokens,
        issued,
        sign_ins: SignIns::default(),
        cookie: cookie_name(bound.port()),
        needs: document::needs(&router::openapi()),
        clock: Arc::clone(&doors.engine.parts().clock),
    }
}

/// The OpenAPI document as text, as it is checked in.
///
/// # Panics
/// Never: the document is JSON.
#[must_use]
pub fn document_text() -> String {
    router::openapi().to_pretty_json().expect("the document is JSON") + "\n"
}

/// For so long after the last session a deployment that is under way is brought to its end: what waits for a person is
/// found again by the next server.
const WORK_MAX: Duration = Duration::from_secs(15 * 60);

/// Comes when nobody has needed the server for so long, and nothing is under way.
async fn unneeded(ends: Ends, serving: &Serving, mut sessions: watch::Receiver<usize>) {
    let Ends::AfterLastSession(grace) = ends else { return std::future::pending().await };
    let mut alone_since = Instant::now();
    loop {
        // One that opens at the very end is looked for once more: it would be turned away.
        if *sessions.borrow_and_update() == 0 && !comes_back(grace, &mut sessions).await && *sessions.borrow() == 0 {
            if alone_since.elapsed() > WORK_MAX || !is_at_work(serving).await {
                return;
            }
            continue;
        }
        if sessions.changed().await.is_err() {
            return;
        }
        alone_since = Instant::now();
    }
}

/// Whether a deployment is under way that nobody has to do anything for.
async fn is_at_work(serving: &Serving) -> bool {
    let Ok(stacks) = serving.engine().status(None).await else { return false };
    let runs = |stack: &StackShown| stack.live.iter().any(|one| one.deployment.state == DeploymentState::Running);
    stacks.iter().any(|stack| runs(stack) && stack.report.held.is_empty())
}

/// Whether a session opens within the grace.
async fn comes_back(grace: Duration, sessions: &mut watch::Receiver<usize>) -> bool {
    let opened = sessions.wait_for(|open| *open > 0);
    tokio::time::timeout(grace, opened).await.is_ok_and(|opened| opened.is_ok())
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServeError::Listen { address, .. } => write!(f, "the API cannot listen on {address}"),
            ServeError::State { what, .. } => write!(f, "{what} in the state folder cannot be read or written"),
        }
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ServeError::Listen { source, .. } | ServeError::State { source, .. } => Some(source),
        }
    }
}
