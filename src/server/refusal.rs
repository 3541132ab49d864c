//! `Refusal`: every answer that is no success, as a problem. One place for all statuses, so that they stay what the
//! document says.

use super::access::{Scope, Worlds};
use super::api::deployment::Held;
use super::api::problem::{Changed, Diagnostic, Moved, PROBLEM_JSON, Problem};
use super::api::words::Why;
use crate::contract::{EventsError, SecretFailure, StoreError};
use crate::diagnostic::{Diagnostics, Severity, did_you_mean};
use crate::engine::{self, DoorError, HeldData};
use crate::model::Name;
use crate::state;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::collections::BTreeSet;

/// Why a request was not done: nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    problem: Box<Problem>,
    header: Option<(HeaderName, HeaderValue)>,
}

/// What a handler answers.
pub type Answer<T> = Result<T, Refusal>;

impl Refusal {
    fn new(status: StatusCode, code: &str, title: &str, detail: impl Into<String>) -> Refusal {
        Refusal { problem: Box::new(Problem::new(status.as_u16(), code, title).detail(detail)), header: None }
    }

    /// The same with what to do.
    #[must_use]
    pub fn way_out(mut self, way_out: impl Into<String>) -> Refusal {
        self.problem.way_out = Some(way_out.into());
        self
    }

    fn with_header(mut self, name: HeaderName, value: &'static str) -> Refusal {
        self.header = Some((name, HeaderValue::from_static(value)));
        self
    }

    // -- who asks -----------------------------------------------------------------------------------------------------

    /// 400: it does not say to whom it speaks.
    pub fn no_host() -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, "no-host", "no host", "a request names one host")
    }

    /// 403: it speaks to somebody else.
    pub fn foreign_host() -> Refusal {
        let detail = "this server is not spoken to by that name";
        let refusal = Refusal::new(StatusCode::FORBIDDEN, "foreign-host", "foreign host", detail);
        refusal.way_out(
            "use the address that the server said when it began: it lies in server.address of its state folder",
        )
    }

    /// 403: a page of somebody else asks.
    pub fn foreign_origin() -> Refusal {
        let detail = "pages of other sites and ports may not ask this server anything";
        Refusal::new(StatusCode::FORBIDDEN, "foreign-origin", "foreign origin", detail)
            .way_out("ask it from a page of its own, or with a token from no page at all")
    }

    /// 401: nobody says who asks.
    pub fn no_token() -> Refusal {
        Refusal::unauthorized("token-missing", "token missing", "a token is needed, on this machine too")
            .way_out("send `Authorization: Bearer` with what the file `token` in the state folder holds")
    }

    /// 401: nobody has that token.
    pub fn bad_token() -> Refusal {
        Refusal::unauthorized("bad-token", "bad token", "nobody has that token, or it has expired")
            .way_out("deployd token issue NAME makes one; this user's own lies in the file `token` of the state folder")
    }

    /// 401: the browser is not signed in any more.
    pub fn signed_out() -> Refusal {
        Refusal::unauthorized("signed-out", "signed out", "this browser is not signed in any more")
            .way_out("open the link that `deployd up` prints")
    }

    /// 403: the link was used, or is too old.
    pub fn bad_link() -> Refusal {
        let detail = "that link was used already, or is too old";
        Refusal::new(StatusCode::FORBIDDEN, "bad-link", "bad link", detail).way_out("`deployd up` prints a new one")
    }

    /// 403: a browser that is signed in does not show that its page means it.
    pub fn no_csrf() -> Refusal {
        let detail = format!("what changes something needs the header {}", super::api::asks::CSRF_HEADER);
        Refusal::new(StatusCode::FORBIDDEN, "csrf", "not from our page", detail)
            .way_out("its value came in the fragment of the address to which the sign-in link led")
    }

    /// 403: whoever asks may not do that.
    pub fn scope_missing(scope: Scope) -> Refusal {
        let detail = format!("this needs the scope `{scope}`");
        Refusal::new(StatusCode::FORBIDDEN, "scope-missing", "scope missing", detail)
            .way_out(format!("deployd token issue NAME --scope {scope} makes a token that has it"))
    }

    /// 403: whoever asks may do that, and not there. With the worlds where they may.
    pub fn world_missing(only: &BTreeSet<Name>, asked: Option<&str>) -> Refusal {
        let names: Vec<&str> = only.iter().map(Name::as_str).collect();
        let (of, names) = (if names.len() == 1 { "world" } else { "worlds" }, names.join(", "));
        let (detail, way_out) = match asked {
            Some(asked) => (
                format!("this token is for {of} {names}, and not for `{asked}`"),
                format!("deployd token issue NAME --worlds {asked} makes one for it"),
            ),
            None => (
                format!("this is of all worlds, and this token is for {of} {names}"),
                "deployd token issue NAME without --worlds makes one for all".to_owned(),
            ),
        };
        let mut refusal = Refusal::new(StatusCode::FORBIDDEN, "world-missing", "world missing", detail);
        refusal.problem.worlds = only.iter().cloned().collect();
        refusal.way_out(way_out)
    }

    /// Nothing where a world is among those; else 403.
    ///
    /// # Errors
    /// As [`Refusal::world_missing`].
    pub fn unless_has(worlds: &Worlds, world: &Name) -> Answer<()> {
        match worlds.only() {
            Some(only) if !only.contains(world) => Err(Refusal::world_missing(only, Some(world))),
            _ => Ok(()),
        }
    }

    fn unauthorized(code: &str, title: &str, detail: &str) -> Refusal {
        let refusal = Refusal::new(StatusCode::UNAUTHORIZED, code, title, detail);
        refusal.with_header(header::WWW_AUTHENTICATE, "Bearer")
    }

    // -- how it is asked ----------------------------------------------------------------------------------------------

    /// 415: a body that does not say that it is JSON.
    pub fn not_json() -> Refusal {
        let detail = "a body is JSON, and says so: `Content-Type: application/json`";
        Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", "not JSON", detail)
    }

    /// 415: a body that is compressed.
    pub fn content_encoding() -> Refusal {
        let detail = "a body is sent as it is, without `Content-Encoding`";
        Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-encoding", "content encoding", detail)
    }

    /// 404: there is no such path.
    pub fn no_such_path() -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, "no-such-path", "no such path", "the API has no such path")
            .way_out(format!("{} lists them", super::api::paths::OPENAPI))
    }

    /// 405: the path does not know that method.
    pub fn no_such_method() -> Refusal {
        let detail = "the path is not asked by that method";
        Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "no-such-method", "no such method", detail)
            .way_out(format!("{} lists those that it is asked by", super::api::paths::OPENAPI))
    }

    /// 400: a parameter of the path, the query or a header is not what it should be.
    pub fn bad_parameter(detail: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, "bad-parameter", "bad parameter", detail).of_request()
    }

    /// 400: the body is no JSON.
    pub fn bad_json(detail: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, "bad-json", "bad JSON", detail).of_request()
    }

    /// 422: the body is JSON, and not what is asked for.
    pub fn bad_body(detail: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-body", "bad body", detail).of_request()
    }

    /// With the part of the request that it is about, and where it is said what that may be.
    fn of_request(mut self) -> Refusal {
        self.problem.at = self.problem.detail.as_deref().and_then(part_of_request);
        self.way_out(format!("{} says what is taken", super::api::paths::OPENAPI))
    }

    /// 413: the body is too large.
    pub fn too_large(limit: usize) -> Refusal {
        let detail = format!("a body has at most {limit} bytes");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "too large", detail)
    }

    /// 408: the body did not come in time.
    pub fn too_slow() -> Refusal {
        let detail = "the body did not come in time";
        Refusal::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "too slow", detail)
    }

    // -- what was asked for -------------------------------------------------------------------------------------------

    /// 404: there is nothing of that name.
    pub fn not_found(detail: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, "not-found", "not found", detail)
    }

    /// 404: there is none of that name, with the one that was probably meant.
    pub fn unknown<'n>(what: &str, name: &str, known: impl IntoIterator<Item = &'n str>) -> Refusal {
        Refusal::not_found(format!("there is no {what} `{name}`")).did_you_mean(did_you_mean(name, known))
    }

    /// The same with what was probably meant.
    #[must_use]
    pub fn did_you_mean(mut self, near: Option<String>) -> Refusal {
        self.problem.way_out = near.or(self.problem.way_out);
        self
    }

    /// 410: it was there, and is not kept any more.
    pub fn gone(detail: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::GONE, "gone", "not kept any more", detail)
    }

    /// 409: it contradicts what is.
    pub fn conflict(detail: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::CONFLICT, "refused", "refused", detail)
    }

    /// 412: what was read has changed since.
    pub fn moved(detail: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::PRECONDITION_FAILED, "moved", "changed meanwhile", detail)
            .way_out("read it again, and ask with its ETag of now")
    }

    /// 403: it holds data, and it was not said what is to become of that.
    pub fn holds_data(held: Vec<HeldData>) -> Refusal {
        let names: Vec<String> = held.iter().map(|held| held.identity.address.short()).collect();
        let detail = format!("{} would be lost: nothing was done", names.join(", "));
        let mut refusal = Refusal::new(StatusCode::FORBIDDEN, "holds-data", "holds data", detail);
        refusal.problem.held = held.into_iter().map(Held::from).collect();
        refusal.way_out("say `keep_data`, or name in `delete` what is to be deleted after a backup")
    }

    /// A folder that was named cannot be read: 404 where it is not there, 409 where it may not be read, 503 while it cannot
    /// be: only that is worth asking again.
    pub fn of_folder(why: state::Why) -> Refusal {
        match why.code {
            state::WhyCode::Missing => Refusal::because(StatusCode::NOT_FOUND, "not-found", "not found", why),
            state::WhyCode::Refused => {
                Refusal::because(StatusCode::CONFLICT, "bad-source", "the files are refused", why)
            }
            _ => Refusal::unavailable("source", "the files cannot be read", why),
        }
    }

    /// 422: the files have mistakes.
    pub fn mistakes(diagnostics: Vec<Diagnostic>) -> Refusal {
        let is_error = |diagnostic: &&Diagnostic| diagnostic.severity == Severity::Error;
        let errors = diagnostics.iter().filter(is_error).count();
        let first = diagnostics.iter().find(is_error).or(diagnostics.first());
        let (code, title, detail) = match first {
            Some(first) => (first.code.clone(), first.summary.clone(), first.detail.clone()),
            None => ("mistakes".to_owned(), "mistakes".to_owned(), "the files have mistakes".to_owned()),
        };
        let detail = match errors {
            0 | 1 => detail,
            2 => format!("{detail}; and another mistake"),
            _ => format!("{detail}; and {} other mistakes", errors - 1),
        };
        let mut refusal = Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, &code, &title, detail);
        refusal.problem.diagnostics = diagnostics;
        refusal
    }

    // -- how the server is --------------------------------------------------------------------------------------------

    /// 503: more is asked at once than the server answers.
    pub fn busy() -> Refusal {
        let detail = "more is asked at once than is answered: ask again";
        let refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "busy", detail);
        refusal.with_header(header::RETRY_AFTER, "1")
    }

    /// 503: the answer took too long.
    pub fn too_long() -> Refusal {
        let detail =
            "the answer took longer than its limit; what was asked for may have been done: look before you ask again";
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "too-long", "took too long", detail)
    }

    /// 503: it cannot be done now.
    pub fn unavailable(code: &str, title: &str, why: state::Why) -> Refusal {
        Refusal::because(StatusCode::SERVICE_UNAVAILABLE, code, title, why)
    }

    /// 500: our own mistake.
    pub fn bug() -> Refusal {
        let detail = "this is a mistake of deployd's own; its log says more";
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "bug", "a mistake of our own", detail)
    }

    fn because(status: StatusCode, code: &str, title: &str, why: state::Why) -> Refusal {
        let problem = Problem::new(status.as_u16(), code, title).because(Why::from(why));
        Refusal { problem: Box::new(problem), header: None }
    }
}

impl From<DoorError> for Refusal {
    fn from(error: DoorError) -> Refusal {
        match error {
            DoorError::NotFound(why) => Refusal::because(StatusCode::NOT_FOUND, "not-found", "not found", why),
            DoorError::Refused(why) => Refusal::because(StatusCode::CONFLICT, "refused", "refused", why),
            DoorError::KeyUsed(why) => {
                Refusal::because(StatusCode::UNPROCESSABLE_ENTITY, "key-used", "key used for another request", why)
            }
            DoorError::Forbidden(why) => Refusal::because(StatusCode::FORBIDDEN, "leave-missing", "leave missing", why),
            DoorError::Mistakes(found) => Refusal::mistakes(shown(&found)),
            DoorError::Stale(changed) => stale(changed),
            DoorError::Moved(why) => {
                Refusal::because(StatusCode::PRECONDITION_FAILED, "moved", "changed meanwhile", why)
            }
            DoorError::Source(why) => Refusal::unavailable("source", "the files cannot be read", why),
            DoorError::Lacking(why) => Refusal::unavailable("lacking", "the world lacks something", why),
            DoorError::Store(error) => error.into(),
            DoorError::Stopped(why) => Refusal::unavailable("stopped", "the engine does not run", why),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        let status = match error {
            StoreError::Full(_) => StatusCode::INSUFFICIENT_STORAGE,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        let code = if status == StatusCode::INSUFFICIENT_STORAGE { "store-full" } else { "store" };
        Refusal::new(status, code, "it could not be recorded", error.to_string())
    }
}

impl From<EventsError> for Refusal {
    fn from(error: EventsError) -> Refusal {
        match error {
            EventsError::Store(error) => error.into(),
            EventsError::Reset(_) => Refusal::conflict(error.to_string()),
        }
    }
}

impl From<SecretFailure> for Refusal {
    fn from(failure: SecretFailure) -> Refusal {
        let detail = failure.to_string();
        match failure {
            SecretFailure::Missing(how) => Refusal::not_found("it is not set").way_out(how),
            SecretFailure::Changed => Refusal::moved(detail),
            SecretFailure::NotThere(why) | SecretFailure::Refused(why) => Refusal::conflict(why),
            SecretFailure::BadName(why) => Refusal::bad_parameter(why),
            SecretFailure::BadValue(why) => Refusal::bad_body(why),
            SecretFailure::Unreachable(_) | SecretFailure::Sealed(_) => {
                Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "secret", "the secret cannot be had", detail)
            }
        }
    }
}

impl From<HeldData> for Held {
    fn from(held: HeldData) -> Held {
        Held { identity: held.identity, kind: held.kind, size: held.size, act: held.act }
    }
}

/// What is said of one part of a request begins with its name.
fn part_of_request(detail: &str) -> Option<String> {
    let is_name = |part: &str| {
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-[]".contains(&byte);
        !part.is_empty() && part.bytes().all(letter)
    };
    let (within, rest) = match detail.split_once(": ").filter(|(part, _)| is_name(part)) {
        Some((part, rest)) => (Some(part), rest),
        None => (None, detail),
    };
    // What is missing has no name of its own in front: it stands in what is there.
    let quoted = ["missing field `", "Cannot parse `"].iter().find_map(|begins| rest.strip_prefix(begins));
    match (within, quoted.and_then(|rest| rest.split('`').next())) {
        (Some(within), Some(missing)) => Some(format!("{within}.{missing}")),
        (within, missing) => within.or(missing).map(str::to_owned),
    }
}

fn shown(found: &Diagnostics) -> Vec<Diagnostic> {
    found.iter().map(Diagnostic::from).collect()
}

fn stale(changed: engine::Changed) -> Refusal {
    let detail = format!("plan {} is not the plan of now, {}", changed.named.short(), changed.now.short());
    let mut refusal = Refusal::new(StatusCode::PRECONDITION_FAILED, "stale-plan", "stale plan", detail);
    let moved = changed.moved.into_iter().map(|(address, how)| Moved { address, how });
    refusal.problem.changed = Some(Changed { named: changed.named, now: changed.now, moved: moved.collect() });
    refusal.way_out("look at the plan of now, then ask again")
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.problem).expect("a problem is JSON");
        let mut response = (status, [(header::CONTENT_TYPE, PROBLEM_JSON)], body).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_told_which_part_of_it_is_meant() {
        let at = |detail: &str| Refusal::bad_parameter(detail).problem.at.clone();
        assert_eq!(at("limit: 0 is not from 1 to 500").as_deref(), Some("limit"));
        assert_eq!(at("of.is: unknown variant `odd`").as_deref(), Some("of.is"));
        assert_eq!(at("missing field `slug` at line 1 column 2").as_deref(), Some("slug"));
        assert_eq!(at("of: missing field `stack` at line 1").as_deref(), Some("of.stack"));
        assert_eq!(at("Cannot parse `number` with value `x` to a `u64`").as_deref(), Some("number"));
        assert_eq!(at("a body is an object"), None);
        assert_eq!(at("\"x\" is no whole path: it begins with `/`"), None);
    }
}
