//! Repositories: the folders of definitions that worlds use.

use super::Shared;
use super::paths::OfRepository;
use crate::model::Name;
use crate::server::api::answers::Repositories;
use crate::server::api::paths;
use crate::server::api::world::Repository;
use crate::server::extract::{Asked, Named};
use crate::server::page::{Page, Part};
use crate::server::refusal::{Answer, Refusal};
use crate::server::show;
use axum::Json;
use axum::extract::State;

/// The repositories
#[utoipa::path(get, path = paths::REPOSITORIES, operation_id = "repositories", tag = "repositories", params(Part), security(("token" = ["read"])), responses(
    (status = 200, description = "The repositories, sorted by name.", body = Repositories),
))]
pub async fn list(State(serving): Shared, Asked(part): Asked<Part>) -> Answer<Json<Repositories>> {
    let catalogue = serving.engine().catalogue();
    let Page { items, next } = part.of("repositories", catalogue.repositories(), |(name, _)| name.clone())?;
    let shown = items.iter().map(|(_, repository)| show::repository(repository, &|file| catalogue.text(file)));
    Ok(Json(Repositories { repositories: shown.collect(), next }))
}

/// One repository
#[utoipa::path(get, path = paths::REPOSITORY, operation_id = "repository", tag = "repositories", params(OfRepository), security(("token" = ["read"])), responses(
    (status = 200, description = "The repository.", body = Repository),
))]
pub async fn get(State(serving): Shared, Named(of): Named<OfRepository>) -> Answer<Json<Repository>> {
    let catalogue = serving.engine().catalogue();
    let all = catalogue.repositories();
    match all.get(&of.repository) {
        Some(repository) => Ok(Json(show::repository(repository, &|file| catalogue.text(file)))),
        None => Err(Refusal::unknown("repository", &of.repository, all.keys().map(Name::as_str))),
    }
}
