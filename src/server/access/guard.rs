//! The guard before every route: where the request speaks to, who asks, whether that one may, whether a browser means
//! it, and what its body is. No body is read before it has let a request through.

use super::cookie;
use super::host::{Hosts, Told};
use super::issued::Issued;
use super::scope::{Caller, Scope};
use super::sign_in::SignIns;
use super::token::Tokens;
use crate::contract::Clock;
use crate::server::api::asks::CSRF_HEADER;
use crate::server::refusal::Refusal;
use axum::extract::{MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::collections::BTreeMap;
use std::sync::Arc;

/// All that the guard needs to know.
pub struct Access {
    /// The names under which we are spoken to.
    pub hosts: Hosts,
    /// The tokens of the user who runs the server.
    pub tokens: Tokens,
    /// Those that were issued to others.
    pub issued: Issued,
    /// Which browsers are signed in.
    pub sign_ins: SignIns,
    /// The name of their cookie.
    pub cookie: String,
    /// Which operation needs which scope.
    pub scopes: Scopes,
    /// For what expires.
    pub clock: Arc<dyn Clock>,
}

/// Which operation needs which scope: read from the OpenAPI document, so that what is documented is what holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scopes(BTreeMap<(String, Method), Option<Scope>>);

impl Scopes {
    /// From every operation's path, method and scope; `None` is open to everybody.
    #[must_use]
    pub fn new(operations: impl IntoIterator<Item = ((String, Method), Option<Scope>)>) -> Scopes {
        Scopes(operations.into_iter().collect())
    }

    /// What a request to a route needs. What is not documented needs all there is.
    fn of(&self, path: Option<&str>, method: &Method) -> Option<Scope> {
        // HEAD is answered by what answers GET.
        let method = if method == Method::HEAD { Method::GET } else { method.clone() };
        let named = path.and_then(|path| self.0.get(&(path.to_owned(), method)));
        named.copied().unwrap_or(Some(Scope::Admin))
    }
}

/// Lets a request through with its [`Caller`], or refuses it.
pub async fn guard(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    let (mut head, body) = request.into_parts();
    match access.judge(&head) {
        Err(refusal) => refusal.into_response(),
        Ok(caller) => {
            if let Some(caller) = caller {
                head.extensions.insert(caller);
            }
            next.run(Request::from_parts(head, body)).await
        }
    }
}

impl Access {
    fn judge(&self, head: &Parts) -> Result<Option<Caller>, Refusal> {
        match self.hosts.judge(head) {
            Told::Ours => {}
            Told::NoHost => return Err(Refusal::no_host()),
            Told::ForeignHost => return Err(Refusal::foreign_host()),
            Told::ForeignOrigin => return Err(Refusal::foreign_origin()),
        }
        let path = head.extensions.get::<MatchedPath>().map(MatchedPath::as_str);
        let Some(scope) = self.scopes.of(path, &head.method) else { return Ok(None) };
        let caller = self.caller(head)?;
        if path.is_some() && !caller.scopes.contains(&scope) {
            return Err(Refusal::scope_missing(scope));
        }
        demand_json(head)?;
        Ok(Some(caller))
    }

    fn caller(&self, head: &Parts) -> Result<Caller, Refusal> {
        let now = self.clock.now().wall;
        if let Some(given) = head.headers.get(header::AUTHORIZATION) {
            let token = given.to_str().ok().and_then(bearer).ok_or_else(Refusal::bad_token)?;
            let caller = self.tokens.caller(token, now).or_else(|| self.issued.caller(token, now));
            return caller.ok_or_else(Refusal::bad_token);
        }
        let session = cookie::read(&head.headers, &self.cookie).ok_or_else(Refusal::no_token)?;
        let csrf = head.headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok());
        let (caller, proved) = self.sign_ins.caller(session, csrf, now).ok_or_else(Refusal::signed_out)?;
        if !proved && !is_safe(&head.method) {
            return Err(Refusal::no_csrf());
        }
        Ok(caller)
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// A body is JSON and says so: a page's form cannot say that without asking first (THREATS.md T36).
fn demand_json(head: &Parts) -> Result<(), Refusal> {
    let length = head.headers.get(header::CONTENT_LENGTH).map(HeaderValue::as_bytes);
    let has_body = head.headers.contains_key(header::TRANSFER_ENCODING) || length.is_some_and(|length| length != b"0");
    let kind = head.headers.get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or_default());
    if head.headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Refusal::content_encoding());
    }
    let is_json = |kind: &str| {
        let essence = kind.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("application/json")
    };
    match kind {
        Some(kind) if !is_json(kind) => Err(Refusal::not_json()),
        None if has_body => Err(Refusal::not_json()),
        _ => Ok(()),
    }
}
