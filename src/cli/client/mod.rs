//! `Client`: one server's REST API, as commands ask it. It knows HTTP and nothing of worlds.
//!
//! It never goes through a proxy and follows no redirect: the token is for that server alone.

pub(super) mod sse;

use super::exit::{Exit, Failure};
use crate::model::Name;
use crate::server::api::event::Event;
use crate::server::api::problem::Problem;
use crate::server::api::{event, paths};
use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::VecDeque;
use std::time::Duration;
use zeroize::Zeroizing;

/// How long a server may take to take a connection: it is on this machine.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// How much of a list is asked for at once: as much as a page may hold.
pub(super) const PAGE: usize = 500;

/// One server's API.
#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    address: String,
    token: Zeroizing<String>,
}

/// What happened, as the server tells it.
pub(super) struct Events {
    response: Response,
    reader: sse::Reader,
    ready: VecDeque<sse::Message>,
}

/// The next word of a stream of events.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Told {
    /// Something happened.
    Happened(Box<Event>),
    /// Some events are gone: what was known must be asked for again.
    Reset,
    /// The server ends, or has gone without a word.
    Ended,
}

impl Client {
    /// A client of the server at an address.
    ///
    /// # Errors
    /// No client can be made on this machine.
    pub fn new(address: &str, token: Zeroizing<String>) -> Result<Client, Failure> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_WITHIN)
            .user_agent(concat!("deployd/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Failure::new(Exit::Unreachable, chain("no HTTP client can be made", &error)))?;
        Ok(Client { http, address: address.trim_end_matches('/').to_owned(), token })
    }

    /// Asks for something.
    ///
    /// # Errors
    /// What the server refuses, or that it cannot be reached.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.read(self.ask(Method::GET, path)).await
    }

    /// Asks for something with a query.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn get_with<T: DeserializeOwned>(&self, path: &str, query: &[(&str, String)]) -> Result<T, Failure> {
        self.get(&with_query(path, query)).await
    }

    /// Asks for all of a list, page after page, as one answer.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn all<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let mut whole = serde_json::Map::new();
        let mut next: Option<String> = None;
        loop {
            let mut query = vec![("limit", PAGE.to_string())];
            query.extend(next.map(|next| ("cursor", next)));
            let page: serde_json::Map<String, serde_json::Value> = self.get_with(path, &query).await?;
            for (name, more) in page {
                match (whole.get_mut(&name), more) {
                    (Some(serde_json::Value::Array(all)), serde_json::Value::Array(more)) => all.extend(more),
                    (_, more) => drop(whole.insert(name, more)),
                }
            }
            next = whole.remove("next").and_then(|next| next.as_str().map(str::to_owned));
            if next.is_none() {
                return serde_json::from_value(whole.into()).map_err(|error| self.not_understood(&error));
            }
        }
    }

    /// Sends something.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        self.read(self.ask(Method::POST, path).json(body)).await
    }

    /// Puts something in its place.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        self.read(self.ask(Method::PUT, path).json(body)).await
    }

    /// Sends something to which there is no answer but that it was done.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn tell(&self, method: Method, path: &str, body: Option<&impl Serialize>) -> Result<(), Failure> {
        let ask = self.ask(method, path);
        self.send(body.iter().fold(ask, |ask, body| ask.json(body))).await.map(drop)
    }

    /// Sends something and reads what comes, as it comes.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn stream(&self, method: Method, path: &str, body: Option<&impl Serialize>) -> Result<Response, Failure> {
        let ask = self.ask(method, path);
        self.send(body.iter().fold(ask, |ask, body| ask.json(body))).await
    }

    /// What happens in a world, or in all, from now on.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn events(&self, world: Option<&Name>) -> Result<Events, Failure> {
        let query: Vec<(&str, String)> = world.iter().map(|world| ("world", world.to_string())).collect();
        let ask = self.ask(Method::GET, &with_query(paths::EVENTS, &query));
        let response = self.send(ask.header(header::ACCEPT, "text/event-stream")).await?;
        Ok(Events { response, reader: sse::Reader::default(), ready: VecDeque::new() })
    }

    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.address)).bearer_auth(self.token.as_str())
    }

    async fn read<T: DeserializeOwned>(&self, ask: RequestBuilder) -> Result<T, Failure> {
        let response = self.send(ask).await?;
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        serde_json::from_slice(&bytes).map_err(|error| self.not_understood(&error))
    }

    fn not_understood(&self, error: &serde_json::Error) -> Failure {
        let what = format!("the server at {} answers what this deployd does not understand: {error}", self.address);
        Failure::new(Exit::WentWrong, what).way_out("use the same deployd as the server's")
    }

    async fn send(&self, ask: RequestBuilder) -> Result<Response, Failure> {
        let response = ask.send().await.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => Err(refused(problem)),
            Err(_) => {
                Err(Failure::new(Exit::Unreachable, format!("{} is no deployd: it answers {status}", self.address)))
            }
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        // The address is ours and says all: the library's words repeat it.
        let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
        let why = causes.last().map_or_else(|| error.to_string(), ToString::to_string);
        Failure::new(Exit::Unreachable, format!("the server at {} cannot be reached: {why}", self.address))
    }
}

/// Sentence and causes in one line.
fn chain(what: &str, error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.fold(what.to_owned(), |text, error| format!("{text}: {error}"))
}

/// A path with its query, percent-encoded.
pub(super) fn with_query(path: &str, query: &[(&str, String)]) -> String {
    let encode =
        |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    let pairs: Vec<String> = query.iter().map(|(key, value)| format!("{key}={}", encode(value))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

/// A refusal as a failure of the command.
fn refused(problem: Problem) -> Failure {
    let exit = exit_of(&problem);
    let what = problem.detail.clone().unwrap_or_else(|| problem.title.clone());
    let mut failure = Failure::new(exit, what);
    failure.ways_out.extend(problem.way_out.clone());
    failure.problem = Some(Box::new(problem));
    failure
}

/// How a command ends that was refused so.
fn exit_of(problem: &Problem) -> Exit {
    match StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR) {
        StatusCode::UNPROCESSABLE_ENTITY if !problem.diagnostics.is_empty() => Exit::Mistakes,
        StatusCode::CONFLICT if problem.code() == "bad-source" => Exit::Mistakes,
        // The command was well said; it is the world that does not allow it.
        StatusCode::CONFLICT if problem.code() == "refused" => Exit::Refused,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PRECONDITION_FAILED => Exit::Refused,
        StatusCode::SERVICE_UNAVAILABLE if matches!(problem.code(), "stopped" | "busy") => Exit::Unreachable,
        status if status.is_client_error() => Exit::Usage,
        _ => Exit::WentWrong,
    }
}

impl Events {
    /// The next word.
    pub async fn next(&mut self) -> Told {
        loop {
            while let Some(message) = self.ready.pop_front() {
                match message.event.as_str() {
                    event::HAPPENED => match serde_json::from_str(&message.data) {
                        Ok(event) => return Told::Happened(Box::new(event)),
                        // A newer server tells of what we do not know: what it comes to is asked for.
                        Err(_) => return Told::Reset,
                    },
                    event::RESET => return Told::Reset,
                    event::ENDING => return Told::Ended,
                    _ => {}
                }
            }
            match self.response.chunk().await {
                Ok(Some(bytes)) => self.ready.extend(self.reader.take(&bytes)),
                Ok(None) | Err(_) => return Told::Ended,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_exit() {
        let exit = |status, code: &str| exit_of(&Problem::new(status, code, "x"));
        assert_eq!([exit(404, "not-found"), exit(409, "busy"), exit(422, "bad-body")], [Exit::Usage; 3]);
        assert_eq!([exit(403, "holds-data"), exit(412, "stale-plan"), exit(409, "refused")], [Exit::Refused; 3]);
        assert_eq!([exit(503, "source"), exit(507, "store-full"), exit(500, "bug")], [Exit::WentWrong; 3]);
        assert_eq!(exit(503, "stopped"), Exit::Unreachable);
        assert_eq!(exit(409, "bad-source"), Exit::Mistakes);
    }

    #[test]
    fn queries_are_encoded() {
        assert_eq!(with_query("/v1/x", &[("a", "b&c=d".to_owned())]), "/v1/x?a=b%26c%3Dd");
        assert_eq!(with_query("/v1/x", &[]), "/v1/x");
    }
}
