//! Worlds: what they are, can do, can be asked for, and offer.

use super::Shared;
use super::paths::{OfSlug, OfWorld};
use crate::diagnostic::did_you_mean;
use crate::model::Name;
use crate::resolve::slugs as lines;
use crate::server::access::Caller;
use crate::server::api::answers::{Capabilities, Exports, Slugs, Worlds};
use crate::server::api::paths;
use crate::server::api::world::{Slug, World};
use crate::server::extract::{Asked, Named};
use crate::server::page::{Page, Part};
use crate::server::refusal::{Answer, Refusal};
use crate::server::serving::Serving;
use crate::server::show;
use axum::Json;
use axum::extract::State;

/// The worlds
#[utoipa::path(get, path = paths::WORLDS, operation_id = "worlds", tag = "worlds", params(Part), security(("token" = ["read"])), responses(
    (status = 200, description = "The worlds, sorted by name.", body = Worlds),
))]
pub async fn list(State(serving): Shared, caller: Caller, Asked(part): Asked<Part>) -> Answer<Json<Worlds>> {
    let names = serving.engine().catalogue().worlds().into_keys().filter(|world| caller.worlds.has(world));
    let Page { items, next } = part.of("worlds", names, Name::clone)?;
    let worlds = items.iter().map(|name| shown(&serving, name)).collect::<Answer<_>>()?;
    Ok(Json(Worlds { worlds, next }))
}

/// One world
#[utoipa::path(get, path = paths::WORLD, operation_id = "world", tag = "worlds", params(OfWorld), security(("token" = ["read"])), responses(
    (status = 200, description = "The world.", body = World),
))]
pub async fn get(State(serving): Shared, Named(of): Named<OfWorld>) -> Answer<Json<World>> {
    serving.world_of_now(&of.world).await?;
    shown(&serving, &of.world).map(Json)
}

fn shown(serving: &Serving, name: &Name) -> Answer<World> {
    let catalogue = serving.engine().catalogue();
    let facts = serving.world(name)?;
    let offers = catalogue.offers(name);
    let in_file = catalogue.mistakes_in_file(&facts.name);
    let mistakes = in_file.map_or_else(|| catalogue.mistakes(), |found| (*found).clone());
    Ok(show::world(&facts, offers.as_deref(), &mistakes, &|file| catalogue.text(file)))
}

/// What a world can do, with the kinds that it can make
#[utoipa::path(get, path = paths::CAPABILITIES, operation_id = "capabilities", tag = "worlds", params(OfWorld, Part), security(("token" = ["read"])), responses(
    (status = 200, description = "What it can do, sorted by name.", body = Capabilities),
))]
pub async fn capabilities(
    State(serving): Shared,
    Named(of): Named<OfWorld>,
    Asked(part): Asked<Part>,
) -> Answer<Json<Capabilities>> {
    let facts = serving.world(&of.world)?;
    let all = show::capabilities(&facts, &serving.engine().parts().kinds);
    let Page { items, next } = part.of("capabilities", all, |one| one.name.clone())?;
    Ok(Json(Capabilities { capabilities: items, next }))
}

/// What can be required in a world
#[utoipa::path(get, path = paths::SLUGS, operation_id = "slugs", tag = "worlds", params(OfWorld, Part), security(("token" = ["read"])), responses(
    (status = 200, description = "The slugs, sorted by name, each with its parameters.", body = Slugs),
))]
pub async fn slugs(State(serving): Shared, Named(of): Named<OfWorld>, Asked(part): Asked<Part>) -> Answer<Json<Slugs>> {
    let offers = serving.offers(&of.world)?;
    let Page { items, next } = part.of("slugs", lines(&offers), |line| line.slug.clone())?;
    Ok(Json(Slugs { slugs: items.into_iter().map(|line| show::slug(line, &offers)).collect(), next }))
}

/// One slug of a world
#[utoipa::path(get, path = paths::SLUG, operation_id = "slug", tag = "worlds", params(OfSlug), security(("token" = ["read"])), responses(
    (status = 200, description = "The slug, with its parameters.", body = Slug),
))]
pub async fn slug(State(serving): Shared, Named(of): Named<OfSlug>) -> Answer<Json<Slug>> {
    let offers = serving.offers(&of.world)?;
    let mut all = lines(&offers);
    let Some(at) = all.iter().position(|line| line.slug == of.slug) else {
        let near = did_you_mean(&of.slug, all.iter().map(|line| line.slug.as_str()));
        let detail = format!("no repository of world {} offers `{}`", of.world, of.slug);
        return Err(Refusal::not_found(detail).did_you_mean(near));
    };
    Ok(Json(show::slug(all.swap_remove(at), &offers)))
}

/// What the stacks of a world offer to others
#[utoipa::path(get, path = paths::EXPORTS, operation_id = "exports", tag = "worlds", params(OfWorld, Part), security(("token" = ["read"])), responses(
    (status = 200, description = "What is offered, sorted by address.", body = Exports),
))]
pub async fn exports(
    State(serving): Shared,
    Named(of): Named<OfWorld>,
    Asked(part): Asked<Part>,
) -> Answer<Json<Exports>> {
    serving.world(&of.world)?;
    let all = serving.engine().exports(&of.world).await?;
    let Page { items, next } = part.of("exports", all, |(address, _)| address.clone())?;
    let exports = items.into_iter().map(|(address, export)| show::export(address, &export)).collect();
    Ok(Json(Exports { exports, next }))
}
