//! Deployments: asked for, listed, looked at, ended.

use super::Shared;
use super::answer::{accepted, done};
use super::paths::{OfDeployment, OfStack};
use super::wishes::because;
use crate::engine::{ApplyAsk, By};
use crate::server::api::asks::Apply;
use crate::server::api::deployment::{Accepted, Deployment, Deployments};
use crate::server::api::paths;
use crate::server::extract::{Asked, MaySend, Named};
use crate::server::page::{Part, cursor};
use crate::server::refusal::Answer;
use crate::server::show;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

/// The deployments of a stack, newest first
#[utoipa::path(get, path = paths::DEPLOYMENTS, operation_id = "deployments", tag = "deployments", params(OfStack, Part), security(("token" = ["read"])), responses(
    (status = 200, description = "The deployments, newest first, live ones too.", body = Deployments),
))]
pub async fn list(
    State(serving): Shared,
    Named(of): Named<OfStack>,
    Asked(part): Asked<Part>,
) -> Answer<Json<Deployments>> {
    let page = serving.engine().history(&of.id(), part.after("deployments")?, part.limit()?).await?;
    let next = page.before.map(|number| cursor("deployments", &number));
    Ok(Json(Deployments { deployments: page.deployments.into_iter().map(show::deployment).collect(), next }))
}

/// Deploys once what a known stack's source holds now
///
/// With `plan`, only if the plan of now is that one: else 412, with what is planned otherwise.
#[utoipa::path(post, path = paths::DEPLOYMENTS, operation_id = "apply", tag = "deployments", params(OfStack), request_body = Option<Apply>, security(("token" = ["deploy"])), responses(
    (status = 202, description = "Accepted, durably.", body = Accepted),
))]
pub async fn apply(
    State(serving): Shared,
    Named(of): Named<OfStack>,
    by: By,
    MaySend(sent): MaySend<Apply>,
) -> Answer<Response> {
    let ask = ApplyAsk {
        stack: of.id(),
        plan: sent.plan,
        mode: sent.mode,
        principal: by.principal,
        because: because(sent.because)?,
        once: by.once,
    };
    Ok(accepted(serving.engine().apply(ask).await?))
}

/// One deployment, ended ones too
#[utoipa::path(get, path = paths::DEPLOYMENT, operation_id = "deployment", tag = "deployments", params(OfDeployment), security(("token" = ["read"])), responses(
    (status = 200, description = "The deployment, with its steps.", body = Deployment),
))]
pub async fn get(State(serving): Shared, Named(of): Named<OfDeployment>) -> Answer<Json<Deployment>> {
    Ok(Json(show::deployment(serving.engine().deployment(&of.id()).await?)))
}

/// Ends a deployment
///
/// One that runs ends between its steps, with orders on their way recorded first, and never inside a migration.
#[utoipa::path(post, path = paths::CANCEL, operation_id = "cancel", tag = "deployments", params(OfDeployment), security(("token" = ["deploy"])), responses(
    (status = 204, description = "It ends, or has ended."),
))]
pub async fn cancel(State(serving): Shared, Named(of): Named<OfDeployment>, by: By) -> Answer<StatusCode> {
    done(serving.engine().cancel(&of.id(), by).await)
}
