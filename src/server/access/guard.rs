//! The guard before every route: where the request speaks to, who asks, whether that one may, whether a browser means
//! it, and what its body is. No body is read before it has let a request through.

use super::cookie;
use super::host::{Hosts, Told};
use super::issued::Issued;
use super::scope::{Caller, Scope};
use super::sign_in::SignIns;
use super::token::Tokens;
use crate::contract::Clock;
use crate::diagnostic::did_you_mean;
use crate::model::Name;
use crate::server::api::asks::CSRF_HEADER;
use crate::server::refusal::Refusal;
use axum::extract::{MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The part of a path's template that names a world.
pub(in crate::server) const WORLD: &str = "{world}";

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
    /// Which operation needs what.
    pub needs: Needs,
    /// For what expires.
    pub clock: Arc<dyn Clock>,
}

/// Which operation needs what: read from the OpenAPI document, so that what is documented is what holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Needs(BTreeMap<(String, Method), Known>);

/// What an operation needs, and what its query may say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Known {
    /// What the caller needs; nothing where it is open to everybody.
    pub need: Option<Need>,
    /// The parameters of its query.
    pub query: BTreeSet<String>,
}

/// What an operation needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Need {
    /// What the caller may do.
    pub scope: Scope,
    /// Of what it is.
    pub of: Of,
}

/// Of what an operation is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Of {
    /// The world that its path names.
    World,
    /// Of the caller's worlds, whichever these are: it shows and takes no others.
    Own,
    /// Everything that there is.
    Everything,
}

impl Needs {
    /// From every operation's path and method.
    #[must_use]
    pub fn new(operations: impl IntoIterator<Item = ((String, Method), Known)>) -> Needs {
        Needs(operations.into_iter().collect())
    }

    /// The operation that a request asks for, if it is documented.
    fn operation(&self, path: Option<&str>, method: &Method) -> Option<&Known> {
        // HEAD is answered by what answers GET.
        let method = if method == Method::HEAD { Method::GET } else { method.clone() };
        path.and_then(|path| self.0.get(&(path.to_owned(), method)))
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
        let operation = self.needs.operation(path, &head.method);
        // What is not documented needs all there is.
        let need = operation.map_or(Some(Need { scope: Scope::Admin, of: Of::Everything }), |known| known.need);
        let Some(need) = need else { return Ok(None) };
        let caller = self.caller(head)?;
        if let Some(path) = path {
            if !caller.scopes.contains(&need.scope) {
                return Err(Refusal::scope_missing(need.scope));
            }
            demand_world(&caller, need.of, path, head.uri.path())?;
        }
        if let Some(operation) = operation {
            demand_known(operation, head.uri.query().unwrap_or_default())?;
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

/// What is asked is of a world that the caller may ask of. The same is answered whether there is such a world or not.
fn demand_world(caller: &Caller, of: Of, template: &str, path: &str) -> Result<(), Refusal> {
    let Some(only) = caller.worlds.only() else { return Ok(()) };
    match of {
        Of::Own => Ok(()),
        Of::Everything => Err(Refusal::world_missing(only, None)),
        Of::World => {
            let mut parts = template.split('/').zip(path.split('/'));
            let named = parts.find(|(part, _)| *part == WORLD).map(|(_, named)| named).unwrap_or_default();
            let named = percent_encoding::percent_decode_str(named).decode_utf8_lossy();
            match Name::new(&*named) {
                Ok(world) if only.contains(&world) => Ok(()),
                _ => Err(Refusal::world_missing(only, Some(&named))),
            }
        }
    }
}

/// A query says what there is to say: a word that nobody hears would be taken for heard.
fn demand_known(operation: &Known, query: &str) -> Result<(), Refusal> {
    let keys = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default()).filter(|key| !key.is_empty());
    match keys.into_iter().find(|key| !operation.query.contains(*key)) {
        None => Ok(()),
        Some(unknown) => {
            let near = did_you_mean(unknown, operation.query.iter().map(String::as_str));
            let refusal = Refusal::bad_parameter(format!("there is no parameter {unknown:?} here"));
            Err(refusal.did_you_mean(near))
        }
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
