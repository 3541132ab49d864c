//! Resources of a world that are made of a slug, without any service: made, read, changed, deleted, through the same
//! engine as services.

use super::Shared;
use super::answer::accepted;
use super::paths::{OfResource, OfWorld};
use super::plans::with_value;
use super::removal::{Data, Removal};
use crate::engine::{By, ResourceAsk, StackShown};
use crate::model::{Name, RESERVED_NAMES, StackId};
use crate::server::api::answers::Resources;
use crate::server::api::asks::{NewResource, PutResource};
use crate::server::api::deployment::{Accepted, Down};
use crate::server::api::paths;
use crate::server::api::stack::WorldResource;
use crate::server::extract::{Asked, Conditions, Named, Sent};
use crate::server::page::{Page, Part};
use crate::server::refusal::{Answer, Refusal};
use crate::server::{conditional, show};
use crate::state::{From, StackState, Wish};
use axum::Json;
use axum::extract::State;
use axum::response::Response;

/// The resources of a world
#[utoipa::path(get, path = paths::RESOURCES, operation_id = "resources", tag = "resources", params(OfWorld, Part), security(("token" = ["read"])), responses(
    (status = 200, description = "The resources that are made of a slug, without a service, sorted by name.", body = Resources),
))]
pub async fn list(
    State(serving): Shared,
    Named(of): Named<OfWorld>,
    Asked(part): Asked<Part>,
) -> Answer<Json<Resources>> {
    serving.world(&of.world)?;
    let all = serving.engine().status(Some(&of.world)).await?;
    let Page { items, next } = part.of("resources", all.into_iter().filter(is_resource), |shown| shown.id.clone())?;
    let mut resources = Vec::with_capacity(items.len());
    for shown in items {
        let resolved = serving.resolved(&shown.id).await;
        resources.push(show::world_resource(shown, resolved.as_deref()));
    }
    Ok(Json(Resources { resources, next }))
}

fn is_resource(shown: &StackShown) -> bool {
    shown.made_of.is_some()
}

/// Makes a resource
#[utoipa::path(post, path = paths::RESOURCES, operation_id = "create_resource", tag = "resources", params(OfWorld), request_body = NewResource, security(("token" = ["deploy"])), responses(
    (status = 202, description = "Accepted, durably: follow the deployment's events.", body = Accepted),
))]
pub async fn create(
    State(serving): Shared,
    Named(of): Named<OfWorld>,
    by: By,
    Sent(sent): Sent<NewResource>,
) -> Answer<Response> {
    serving.world(&of.world)?;
    let NewResource { name, slug, with } = sent;
    let made = PutResource { slug, with };
    let mut ask = asked(of.world, name, made, by)?;
    ask.must_be_new = Some(true);
    Ok(accepted(serving.engine().put_resource(ask).await?))
}

/// One resource
#[utoipa::path(get, path = paths::RESOURCE, operation_id = "resource", tag = "resources", params(OfResource), security(("token" = ["read"])), responses(
    (status = 200, description = "The resource.", body = WorldResource, headers(("etag" = String, description = "For `If-Match`."))),
))]
pub async fn get(State(serving): Shared, Named(of): Named<OfResource>) -> Answer<Response> {
    let stack = of.stack();
    let shown = serving.engine().stack(&stack).await?;
    if shown.stack.as_ref().is_some_and(|row| row.state == StackState::Deleted && row.wish == Wish::Gone) {
        let way_out = paths::fill(paths::DEPLOYMENTS, &[stack.world.as_str(), stack.stack.as_str()]);
        return Err(Refusal::not_found(format!("{stack} was deleted"))
            .did_you_mean(Some(format!("its history is at {way_out}"))));
    }
    if !is_resource(&shown) {
        return Err(no_resource(&stack));
    }
    let resolved = serving.resolved(&stack).await;
    let version = shown.version;
    Ok(conditional::with_etag(&show::world_resource(shown, resolved.as_deref()), version))
}

/// Makes a resource, or changes it
///
/// `If-None-Match: *` makes it only; `If-Match` changes it only if it is what was read.
#[utoipa::path(put, path = paths::RESOURCE, operation_id = "put_resource", tag = "resources", params(OfResource), request_body = PutResource, security(("token" = ["deploy"])), responses(
    (status = 202, description = "Accepted, durably: follow the deployment's events.", body = Accepted),
))]
pub async fn put(
    State(serving): Shared,
    Named(of): Named<OfResource>,
    by: By,
    conditions: Conditions,
    Sent(sent): Sent<PutResource>,
) -> Answer<Response> {
    serving.world(&of.world)?;
    let conditions = conditional::unless_answered(&serving, &of.world, &by, conditions).await?;
    let must_be_new = conditional::must_be_new(&serving, &of.stack(), &conditions).await?;
    let only_if = conditional::only_if(&serving, &of.stack(), &conditions).await?;
    let ask = asked(of.world, of.resource, sent, by)?;
    let ask = ResourceAsk { must_be_new, only_if, ..ask };
    Ok(accepted(serving.engine().put_resource(ask).await?))
}

/// Deletes a resource
///
/// What holds data is kept or deleted only when that is said; to delete it takes the scope `approve` too. `deleted` is said
/// only after an independent look finds nothing of it.
#[utoipa::path(delete, path = paths::RESOURCE, operation_id = "delete_resource", tag = "resources", params(OfResource, Data), security(("token" = ["deploy"])), responses(
    (status = 202, description = "It is going: follow the deployment's events.", body = Down),
    (status = 200, description = "There was nothing of it.", body = Down),
))]
pub async fn delete(State(serving): Shared, Named(of): Named<OfResource>, removal: Removal) -> Answer<Response> {
    let stack = of.stack();
    let shown = serving.engine().stack(&stack).await?;
    if !is_resource(&shown) && shown.stack.as_ref().is_some_and(|row| row.state != StackState::Deleted) {
        return Err(no_resource(&stack));
    }
    removal.of(&serving, stack).await
}

/// What is there under that name is made of files.
fn no_resource(stack: &StackId) -> Refusal {
    let way_out = format!("it is at {}", paths::fill(paths::STACK, &[stack.world.as_str(), stack.stack.as_str()]));
    let detail = format!("{stack} is a service, and no resource without one");
    Refusal::not_found(detail).did_you_mean(Some(way_out))
}

fn asked(world: Name, name: Name, sent: PutResource, by: By) -> Answer<ResourceAsk> {
    if RESERVED_NAMES.contains(&name.as_str()) {
        let detail = format!("name: `{name}` means something else in references: a resource needs another one");
        return Err(Refusal::bad_body(detail));
    }
    Ok(ResourceAsk {
        world,
        name,
        slug: sent.slug,
        with: with_value(sent.with)?,
        from: From::Rest,
        principal: by.principal,
        once: by.once,
        must_be_new: None,
        only_if: None,
    })
}
