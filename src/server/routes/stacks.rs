//! Stacks: how they are.

use super::Shared;
use super::paths::{OfStack, OfWorld};
use super::removal::{Data, Removal};
use crate::engine::StackShown;
use crate::server::access::Caller;
use crate::server::api::answers::Stacks;
use crate::server::api::deployment::Down;
use crate::server::api::paths;
use crate::server::api::stack::Stack;
use crate::server::conditional;
use crate::server::extract::{Asked, Named};
use crate::server::page::{Page, Part};
use crate::server::refusal::Answer;
use crate::server::serving::Serving;
use axum::Json;
use axum::extract::State;
use axum::response::Response;

/// The stacks of all worlds
#[utoipa::path(get, path = paths::ALL_STACKS, operation_id = "all_stacks", tag = "stacks", params(Part), security(("token" = ["read"])), responses(
    (status = 200, description = "The stacks, sorted by world and name.", body = Stacks),
))]
pub async fn list_all(State(serving): Shared, caller: Caller, Asked(part): Asked<Part>) -> Answer<Json<Stacks>> {
    let mut all = serving.engine().status(None).await?;
    all.retain(|shown| caller.worlds.has(&shown.id.world));
    page(&serving, all, &part).await
}

/// The stacks of a world
#[utoipa::path(get, path = paths::STACKS, operation_id = "stacks", tag = "stacks", params(OfWorld, Part), security(("token" = ["read"])), responses(
    (status = 200, description = "The stacks, sorted by name.", body = Stacks),
))]
pub async fn list(State(serving): Shared, Named(of): Named<OfWorld>, Asked(part): Asked<Part>) -> Answer<Json<Stacks>> {
    serving.world_of_now(&of.world).await?;
    page(&serving, serving.engine().status(Some(&of.world)).await?, &part).await
}

async fn page(serving: &Serving, all: Vec<StackShown>, part: &Part) -> Answer<Json<Stacks>> {
    let Page { items, next } = part.of("stacks", all, |shown| shown.id.clone())?;
    let mut stacks = Vec::with_capacity(items.len());
    for shown in items {
        stacks.push(serving.told(shown).await);
    }
    Ok(Json(Stacks { stacks, next }))
}

/// How one stack is
#[utoipa::path(get, path = paths::STACK, operation_id = "stack", tag = "stacks", params(OfStack), security(("token" = ["read"])), responses(
    (status = 200, description = "The stack.", body = Stack, headers(("etag" = String, description = "For `If-Match`."))),
))]
pub async fn get(State(serving): Shared, Named(of): Named<OfStack>) -> Answer<Response> {
    let shown = serving.engine().stack(&of.id()).await?;
    let version = shown.version;
    Ok(conditional::with_etag(&serving.told(shown).await, version))
}

/// Takes a stack away
///
/// The same as `down`. `deleted` is said only after an independent look finds nothing of it.
#[utoipa::path(delete, path = paths::STACK, operation_id = "delete_stack", tag = "stacks", params(OfStack, Data), security(("token" = ["deploy"])), responses(
    (status = 202, description = "It is going: follow the deployment's events.", body = Down),
    (status = 200, description = "There was nothing of it.", body = Down),
))]
pub async fn delete(State(serving): Shared, Named(of): Named<OfStack>, removal: Removal) -> Answer<Response> {
    removal.of(&serving, of.id()).await
}
