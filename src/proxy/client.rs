//! The proxy as others speak to it: one short connection for each question, so that a proxy which was killed and is
//! there again is found by the next one.

use super::home::Home;
use super::route::{Put, Route, Settings, Standing, Stats};
use super::wire::{ANSWER_BYTES_MAX, Answer, Question, Refusal, Version};
use crate::model::Milliseconds;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

/// The proxy answers from memory, or after one flush of a small file. A disk that takes longer is in trouble.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Speaks to the proxy of one state folder. Cheap to clone; holds no connection.
#[derive(Clone, Debug)]
pub struct Client {
    home: Home,
}

/// Why a question has no answer.
#[derive(Debug)]
pub enum Failure {
    /// No proxy answers for this folder: nothing was done. [`ensure_running`](super::ensure_running) starts one.
    Unreachable {
        /// The proxy's folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It was asked, and went away before it answered: it may be done or not. Ask again; every question may be repeated.
    Unclear {
        /// What the system said.
        source: io::Error,
    },
    /// It did nothing, and says why.
    Refused(Refusal),
    /// It could not be started or stopped.
    Lifetime {
        /// What was tried, and what the proxy's own log says.
        why: String,
    },
}

/// Speaks to the proxy that runs for a state folder.
///
/// # Errors
/// [`Failure::Unreachable`] when none does.
pub async fn connect(state: &Path) -> Result<Client, Failure> {
    let client = Client::of(state);
    client.version().await?;
    Ok(client)
}

impl Client {
    pub(super) fn of(state: &Path) -> Client {
        Client { home: Home::of(state) }
    }

    /// Who answers: version, process, and the port of entrypoints.
    ///
    /// # Errors
    /// See [`Failure`]; so for all questions.
    pub async fn version(&self) -> Result<Version, Failure> {
        match self.ask(&Question::Version, ANSWER_WITHIN).await? {
            Answer::Version(version) => Ok(version),
            other => Err(out_of_place(&other)),
        }
    }

    /// Makes a route be. When this answers, the route is durable and every request that arrives goes by it; what was in
    /// flight ends where it began. Putting the same again touches nothing. A route without backends has an address
    /// already, and answers 503.
    ///
    /// # Errors
    /// [`Refusal::Taken`], [`Refusal::PortTaken`], [`Refusal::Bad`]: everything is as before.
    pub async fn put(&self, route: &Route) -> Result<Put, Failure> {
        match self.ask(&Question::Put(route.clone()), ANSWER_WITHIN).await? {
            Answer::Put(put) => Ok(put),
            other => Err(out_of_place(&other)),
        }
    }

    /// Makes a route be gone, and says whether it was there. Its port stays its own if it ever comes back.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn remove(&self, id: &str) -> Result<bool, Failure> {
        match self.ask(&Question::Remove(id.to_owned()), ANSWER_WITHIN).await? {
            Answer::Changed(changed) => Ok(changed),
            other => Err(out_of_place(&other)),
        }
    }

    /// The port of entrypoints, given now if there was none: who tells others where it will answer has to know it before.
    /// Durable when it returns, and listened on from then on.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn claim_http_port(&self) -> Result<u16, Failure> {
        match self.ask(&Question::ClaimHttp, ANSWER_WITHIN).await? {
            Answer::HttpPort(port) => Ok(port),
            other => Err(out_of_place(&other)),
        }
    }

    /// All routes, by id.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn list(&self) -> Result<Vec<Standing>, Failure> {
        match self.ask(&Question::List, ANSWER_WITHIN).await? {
            Answer::Routes(routes) => Ok(routes),
            other => Err(out_of_place(&other)),
        }
    }

    /// What is in flight, exactly.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn stats(&self) -> Result<Stats, Failure> {
        match self.ask(&Question::Stats, ANSWER_WITHIN).await? {
            Answer::Stats(stats) => Ok(stats),
            other => Err(out_of_place(&other)),
        }
    }

    /// Has requests avoid some backends, each for so long, as long as others take them: those that are not well. No time
    /// ends that. What is in flight there goes on. Says whether it knows any of them; it is not kept over a restart.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn avoid(&self, backends: &BTreeMap<String, Milliseconds>) -> Result<bool, Failure> {
        match self.ask(&Question::Avoid(backends.clone()), ANSWER_WITHIN).await? {
            Answer::Changed(known) => Ok(known),
            other => Err(out_of_place(&other)),
        }
    }

    /// Waits until a backend is drained (no route names it, nothing is in flight there), at most `within`; says whether
    /// it is. One that is drained stays so: no request can reach it unless a route names it again.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn wait_drained(&self, backend: &str, within: Milliseconds) -> Result<bool, Failure> {
        let question = Question::WaitDrained { backend: backend.to_owned(), within };
        match self.ask(&question, ANSWER_WITHIN.saturating_add(within.duration())).await? {
            Answer::Drained(drained) => Ok(drained),
            other => Err(out_of_place(&other)),
        }
    }

    /// Lets these settings hold, and says whether they are new.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn configure(&self, settings: &Settings) -> Result<bool, Failure> {
        match self.ask(&Question::Configure(settings.clone()), ANSWER_WITHIN).await? {
            Answer::Changed(changed) => Ok(changed),
            other => Err(out_of_place(&other)),
        }
    }

    async fn ask(&self, question: &Question, within: Duration) -> Result<Answer, Failure> {
        let unreachable = |source| Failure::Unreachable { folder: self.home.folder().to_owned(), source };
        let connect = async { UnixStream::connect(self.home.socket()?.as_ref()).await };
        let stream =
            tokio::time::timeout(ANSWER_WITHIN, connect).await.unwrap_or_else(|_| Err(late())).map_err(unreachable)?;
        let answer = tokio::time::timeout(within, exchange(stream, question)).await.unwrap_or_else(|_| Err(late()));
        match answer.map_err(|source| Failure::Unclear { source })? {
            Answer::Refused(refusal) => Err(Failure::Refused(refusal)),
            answer => Ok(answer),
        }
    }
}

async fn exchange(mut stream: UnixStream, question: &Question) -> io::Result<Answer> {
    let mut line = serde_json::to_vec(question)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut answer = Vec::new();
    let read = BufReader::new(stream).take(ANSWER_BYTES_MAX).read_until(b'\n', &mut answer).await?;
    if read == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the proxy closed the connection without an answer"));
    }
    Ok(serde_json::from_slice(&answer)?)
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the proxy does not answer")
}

/// An answer to another question: a proxy of another version.
fn out_of_place(answer: &Answer) -> Failure {
    let why = format!("the proxy gave an answer to another question: {answer:?}");
    Failure::Unclear { source: io::Error::new(io::ErrorKind::InvalidData, why) }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Unreachable { folder, .. } => write!(f, "no proxy answers in {}", folder.display()),
            Failure::Unclear { .. } => f.write_str("the proxy was asked and did not answer"),
            Failure::Refused(refusal) => write!(f, "{refusal}"),
            Failure::Lifetime { why } => f.write_str(why),
        }
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Failure::Unreachable { source, .. } | Failure::Unclear { source } => Some(source),
            Failure::Refused(_) | Failure::Lifetime { .. } => None,
        }
    }
}
