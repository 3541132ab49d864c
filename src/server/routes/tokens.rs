//! Tokens for others than the user who runs the server: issued, listed and revoked.

use super::Shared;
use super::paths::OfToken;
use crate::server::access::{Caller, DAYS, DAYS_MAX, KEPT_MAX, NotIssued, Scope, Token};
use crate::server::api::paths;
use crate::server::api::token::{self as api, IssuedToken, NewToken, TokenScope, Tokens};
use crate::server::extract::{Asked, Named, Sent};
use crate::server::page::{Page, Part};
use crate::server::refusal::{Answer, Refusal};
use crate::state::{Why, WhyCode};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::collections::BTreeSet;

/// The tokens that are good, without what they are
#[utoipa::path(get, path = paths::TOKENS, operation_id = "tokens", tag = "server", params(Part), security(("token" = ["admin"])), responses(
    (status = 200, description = "The tokens that were issued and have not expired, sorted by name.", body = Tokens),
))]
pub async fn list(State(serving): Shared, Asked(part): Asked<Part>) -> Answer<Json<Tokens>> {
    let all = serving.access.issued.list(serving.now());
    let Page { items, next } = part.of("tokens", all, |token| token.name.clone())?;
    Ok(Json(Tokens { tokens: items.into_iter().map(shown).collect(), next }))
}

/// Issues a token
///
/// It is shown this once, and kept by its digest. It gives no more than who issues it has.
#[utoipa::path(post, path = paths::TOKENS, operation_id = "issue_token", tag = "server", request_body = NewToken, security(("token" = ["admin"])), responses(
    (status = 201, description = "The token.", body = IssuedToken),
))]
pub async fn issue(State(serving): Shared, caller: Caller, Sent(sent): Sent<NewToken>) -> Answer<Response> {
    let days = sent.days.unwrap_or(DAYS);
    if !(1..=DAYS_MAX).contains(&days) {
        return Err(Refusal::bad_body(format!("days: {days} is not from 1 to {DAYS_MAX}")));
    }
    let scopes: BTreeSet<Scope> = sent.scopes.into_iter().map(scope).collect();
    if scopes.is_empty() {
        return Err(Refusal::bad_body("scopes: a token that gives nothing is of no use"));
    }
    if let Some(more) = scopes.difference(&caller.scopes).next() {
        return Err(Refusal::scope_missing(*more));
    }
    let name = sent.name;
    let issued = serving.access.issued.issue(name.clone(), scopes, days, caller.principal, serving.now());
    let (secret, token) = issued.map_err(|why| match why {
        NotIssued::Taken => Refusal::conflict(format!("there is a token `{name}` already: revoke it first")),
        NotIssued::TooMany => Refusal::conflict(format!("there are {KEPT_MAX} tokens already: revoke one first")),
        NotIssued::Io(error) => not_written(&error),
    })?;
    let location = paths::fill(paths::TOKEN, &[token.name.as_str()]);
    let issued = IssuedToken { token: secret.to_string(), about: shown(token) };
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(issued)).into_response())
}

/// Revokes a token, at once
#[utoipa::path(delete, path = paths::TOKEN, operation_id = "revoke_token", tag = "server", params(OfToken), security(("token" = ["admin"])), responses(
    (status = 204, description = "Nobody is let in by it any more."),
))]
pub async fn revoke(State(serving): Shared, Named(of): Named<OfToken>) -> Answer<StatusCode> {
    match serving.access.issued.revoke(&of.token) {
        Ok(true) => Ok(StatusCode::NO_CONTENT),
        Ok(false) => Err(Refusal::not_found(format!("there is no token `{}`", of.token))),
        Err(error) => Err(not_written(&error)),
    }
}

fn not_written(error: &std::io::Error) -> Refusal {
    let why = Why::new(WhyCode::Other, format!("the tokens could not be written: {error}"));
    Refusal::unavailable("tokens", "it could not be recorded", why)
}

fn scope(scope: TokenScope) -> Scope {
    match scope {
        TokenScope::Read => Scope::Read,
        TokenScope::Deploy => Scope::Deploy,
        TokenScope::Approve => Scope::Approve,
        TokenScope::Admin => Scope::Admin,
    }
}

fn shown(token: Token) -> api::Token {
    let scopes = token.scopes.into_iter().map(|scope| match scope {
        Scope::Read => TokenScope::Read,
        Scope::Deploy => TokenScope::Deploy,
        Scope::Approve => TokenScope::Approve,
        Scope::Admin => TokenScope::Admin,
    });
    api::Token {
        name: token.name,
        scopes: scopes.collect(),
        made: token.made.into(),
        by: token.by.0,
        expires: token.expires.into(),
    }
}
