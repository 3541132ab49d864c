//! The server itself: what it is, its document, links that sign browsers in, sessions, backups.

use super::Shared;
use super::answer::made;
use crate::contract::Plain;
use crate::server::access::{Caller, Scope};
use crate::server::api::answers::{ServerInfo, SignInLink};
use crate::server::api::asks::MakeBackup;
use crate::server::api::paths;
use crate::server::extract::MaySend;
use crate::server::refusal::{Answer, Refusal};
use crate::server::stream;
use crate::state::{Principal, WhyCode};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

/// The OpenAPI document
#[utoipa::path(get, path = paths::OPENAPI, operation_id = "openapi", tag = "server", security(()), responses(
    (status = 200, description = "This document.", content_type = "application/json", body = Object),
))]
pub async fn document(State(serving): Shared) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], serving.document.to_string()).into_response()
}

/// What this server is, and who asks
#[utoipa::path(get, path = paths::SERVER, operation_id = "server", tag = "server", security(("token" = ["read"])), responses(
    (status = 200, description = "What this server is.", body = ServerInfo),
))]
pub async fn info(State(serving): Shared, caller: Caller) -> Json<ServerInfo> {
    Json(ServerInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        instance: serving.doors.instance.clone(),
        address: serving.address.clone(),
        principal: caller.principal.0,
        scopes: caller.scopes.into_iter().map(|scope| scope.as_str().to_owned()).collect(),
        worlds: caller.worlds.into(),
    })
}

/// Makes a link that signs a browser in once
///
/// The browser may do what the user who runs the server may do, as `browser:<user>`.
#[utoipa::path(post, path = paths::SIGN_IN_LINKS, operation_id = "sign_in_link", tag = "server", security(("token" = ["admin"])), responses(
    (status = 201, description = "The link. It is shown once.", body = SignInLink),
))]
pub async fn sign_in_link(State(serving): Shared, caller: Caller) -> Answer<Response> {
    // A browser may do everything: a link is only for who may do that already.
    if caller.scopes != Scope::all() {
        return Err(Refusal::scope_missing(Scope::Admin));
    }
    let who = caller.principal.0.split_once(':').map_or(caller.principal.0.as_str(), |(_, who)| who);
    let principal = Principal(format!("browser:{who}"));
    let (secret, expires) = serving.access.sign_ins.link(&principal, serving.now()).map_err(|_| Refusal::bug())?;
    let link = SignInLink { url: format!("{}/?once={}", serving.address, &*secret), expires: expires.into() };
    Ok(made(&link))
}

/// Stays open for as long as somebody needs the server
///
/// Server-sent events without content. A server that was started for its callers alone ends when the last session has.
#[utoipa::path(get, path = paths::SESSION, operation_id = "session", tag = "server", security(("token" = ["deploy"])), responses(
    (status = 200, description = "Stays open. It ends when the server does.", content_type = "text/event-stream", body = String),
))]
pub async fn session(State(serving): Shared, caller: Caller) -> Answer<Response> {
    stream::session(&serving, caller)
}

/// Everything that the store holds, as one file
///
/// Verified before its first byte is sent. What is secret in it stays sealed; with a passphrase the keys are in it too,
/// protected by that. `deployd restore` reads it.
#[utoipa::path(post, path = paths::BACKUP, operation_id = "backup", tag = "server", request_body = Option<MakeBackup>, security(("token" = ["admin"])), responses(
    (status = 200, description = "The backup.", content_type = "application/octet-stream", body = String),
))]
pub async fn backup(State(serving): Shared, MaySend(asked): MaySend<MakeBackup>) -> Answer<Response> {
    let permit = serving.stream()?;
    let passphrase = asked.passphrase.map(|passphrase| Plain::new(passphrase.expose().to_owned()));
    let backup = serving.doors.backups.backup(passphrase.as_ref()).await;
    let backup = backup.map_err(|why| match why.code {
        WhyCode::Refused => Refusal::bad_body(format!("passphrase: {}", why.text)).way_out("take a longer one"),
        _ => Refusal::unavailable("backup", "no backup was taken", why),
    })?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, backup.bytes.to_string()),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"deployd.backup\"".to_owned()),
    ];
    Ok((headers, Body::from_stream(stream::holding(backup.content, permit))).into_response())
}
