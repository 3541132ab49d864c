//! Tokens for others than the user who runs the server: issued, listed and revoked.

use super::Shared;
use super::paths::OfToken;
use crate::diagnostic::did_you_mean;
use crate::model::Name;
use crate::server::access::{Caller, DAYS, DAYS_MAX, KEPT_MAX, NotIssued, Scope, Token, Worlds};
use crate::server::api::paths;
use crate::server::api::token::{self as api, IssuedToken, NewToken, TokenScope, Tokens};
use crate::server::extract::{Asked, Named, Sent};
use crate::server::page::{Page, Part};
use crate::server::refusal::{Answer, Refusal};
use crate::server::serving::Serving;
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
pub async fn list(State(serving): Shared, caller: Caller, Asked(part): Asked<Part>) -> Answer<Json<Tokens>> {
    let all = theirs(&serving, &caller);
    let Page { items, next } = part.of("tokens", all, |token| token.name.clone())?;
    Ok(Json(Tokens { tokens: items.into_iter().map(shown).collect(), next }))
}

/// Issues a token
///
/// It is shown this once, and kept by its digest. It gives no more than who issues it has, in no more worlds.
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
    // A world that was saved a moment ago is one.
    serving.read_anew().await;
    let worlds = worlds(&serving, &caller, sent.worlds)?;
    let name = sent.name;
    let issued = serving.access.issued.issue(name.clone(), scopes, worlds, days, caller.principal, serving.now());
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
pub async fn revoke(State(serving): Shared, caller: Caller, Named(of): Named<OfToken>) -> Answer<StatusCode> {
    let known = theirs(&serving, &caller);
    if known.iter().any(|token| token.name == of.token)
        && serving.access.issued.revoke(&of.token).map_err(|error| not_written(&error))?
    {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Refusal::unknown("token", &of.token, known.iter().map(|token| token.name.as_str())))
}

/// The tokens that are good and give nothing in worlds that are not the caller's.
fn theirs(serving: &Serving, caller: &Caller) -> Vec<Token> {
    let mut all = serving.access.issued.list(serving.now());
    all.retain(|token| token.worlds.within(&caller.worlds));
    all
}

/// For which worlds a token is to be: those that are named, of those that who issues it has.
fn worlds(serving: &Serving, caller: &Caller, named: Option<BTreeSet<Name>>) -> Answer<Worlds> {
    let Some(named) = named else { return Ok(caller.worlds.clone()) };
    if named.is_empty() {
        return Err(Refusal::bad_body("worlds: a token for no world is of no use"));
    }
    let known = serving.engine().catalogue().worlds();
    for world in &named {
        Refusal::unless_has(&caller.worlds, world)?;
        if !known.contains_key(world) {
            let near = did_you_mean(world, known.keys().filter(|world| caller.worlds.has(world)).map(Name::as_str));
            return Err(Refusal::bad_body(format!("worlds: there is no world `{world}`")).did_you_mean(near));
        }
    }
    Ok(Worlds::Only(named))
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
        worlds: token.worlds.into(),
        made: token.made.into(),
        by: token.by.0,
        expires: token.expires.into(),
    }
}
