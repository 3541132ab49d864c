//! Stacks: how they are.

use super::Shared;
use super::paths::{OfStack, OfWorld};
use super::removal::{Data, Removal};
use crate::engine::StackShown;
use crate::model::{Name, StackId};
use crate::server::api::answers::Stacks;
use crate::server::api::deployment::Down;
use crate::server::api::paths;
use crate::server::api::stack::Stack;
use crate::server::conditional;
use crate::server::extract::{Asked, Named};
use crate::server::refusal::{Answer, Refusal};
use crate::server::serving::Serving;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;

/// How many stacks one answer has at most.
const PAGE_MAX: u16 = 500;

/// Which part of a list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Part {
    /// Only those after this one: `next` of the page before.
    #[param(max_length = 128)]
    after: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u16>,
}

/// The stacks of all worlds
#[utoipa::path(get, path = paths::ALL_STACKS, operation_id = "all_stacks", tag = "stacks", params(Part), security(("token" = ["read"])), responses(
    (status = 200, description = "The stacks, sorted by world and name.", body = Stacks),
))]
pub async fn list_all(State(serving): Shared, Asked(part): Asked<Part>) -> Answer<Json<Stacks>> {
    page(&serving, None, part).await
}

/// The stacks of a world
#[utoipa::path(get, path = paths::STACKS, operation_id = "stacks", tag = "stacks", params(OfWorld, Part), security(("token" = ["read"])), responses(
    (status = 200, description = "The stacks, sorted by name.", body = Stacks),
))]
pub async fn list(State(serving): Shared, Named(of): Named<OfWorld>, Asked(part): Asked<Part>) -> Answer<Json<Stacks>> {
    serving.world(&of.world)?;
    page(&serving, Some(&of.world), part).await
}

async fn page(serving: &Serving, world: Option<&Name>, part: Part) -> Answer<Json<Stacks>> {
    let limit = limit(part.limit, PAGE_MAX)?;
    let after = part.after.map(|after| after.parse::<StackId>()).transpose();
    let after = after.map_err(|error| Refusal::bad_parameter(error.to_string()))?;
    let mut all: Vec<StackShown> = serving.engine().status(world).await?;
    all.sort_by(|a, b| a.id.cmp(&b.id));
    all.retain(|shown| after.as_ref().is_none_or(|after| shown.id > *after));
    let next = all.get(limit - 1).filter(|_| all.len() > limit).map(|last| last.id.to_string());
    all.truncate(limit);
    let mut stacks = Vec::with_capacity(all.len());
    for shown in all {
        stacks.push(serving.told(shown).await);
    }
    Ok(Json(Stacks { stacks, next }))
}

/// How many are asked for.
pub(super) fn limit(asked: Option<u16>, most: u16) -> Answer<usize> {
    match asked.unwrap_or(most) {
        limit if (1..=most).contains(&limit) => Ok(usize::from(limit)),
        limit => Err(Refusal::bad_parameter(format!("limit: {limit} is not from 1 to {most}"))),
    }
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
