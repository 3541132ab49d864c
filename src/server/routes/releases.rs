//! Releases that are kept, what differs between two, and who set the values of the one of now.

use super::Shared;
use super::paths::{OfRelease, OfStack};
use crate::contract::changed_paths;
use crate::engine::{KeptRelease, ReleaseKnown};
use crate::model::StackId;
use crate::server::answer_explain::explain_resolved;
use crate::server::api::answers::{Explanations, Releases};
use crate::server::api::deployment::{Diff, Release};
use crate::server::api::paths;
use crate::server::extract::{Asked, Named};
use crate::server::page::{Page, Part};
use crate::server::refusal::{Answer, Refusal};
use crate::server::serving::Serving;
use crate::server::show;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use std::cmp::Reverse;
use utoipa::IntoParams;

/// The releases of a stack that are kept
#[utoipa::path(get, path = paths::RELEASES, operation_id = "releases", tag = "deployments", params(OfStack, Part), security(("token" = ["read"])), responses(
    (status = 200, description = "The releases, newest first: one can be returned to, looked at and compared.", body = Releases),
))]
pub async fn list(
    State(serving): Shared,
    Named(of): Named<OfStack>,
    Asked(part): Asked<Part>,
) -> Answer<Json<Releases>> {
    let all = serving.engine().releases(&of.id()).await?;
    let newest_first = |one: &ReleaseKnown| Reverse((one.made, one.nth, one.id));
    let Page { items, next } = part.of("releases", all, newest_first)?;
    Ok(Json(Releases { releases: items.into_iter().map(show::known_release).collect(), next }))
}

/// A release that is kept
#[utoipa::path(get, path = paths::RELEASE, operation_id = "release", tag = "deployments", params(OfRelease), security(("token" = ["read"])), responses(
    (status = 200, description = "The release, with what it consists of.", body = Release),
))]
pub async fn get(State(serving): Shared, Named(of): Named<OfRelease>) -> Answer<Json<Release>> {
    let stack = of.stack();
    let release = serving.release(&stack, &of.release).await?;
    Ok(Json(show::release(&serving.engine().release(&stack, release).await?)))
}

/// Which two releases.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Between {
    /// The older one: its digest, or what people call it; without it, the last good one before the other.
    #[param(min_length = 1, max_length = 64)]
    from: Option<String>,
    /// The newer one; without it, the one that the stack is being brought to.
    #[param(min_length = 1, max_length = 64)]
    to: Option<String>,
}

/// What differs between two releases
#[utoipa::path(get, path = paths::DIFF, operation_id = "diff", tag = "deployments", params(OfStack, Between), security(("token" = ["read"])), responses(
    (status = 200, description = "What differs, by address and field, and the files that do.", body = Diff),
))]
pub async fn diff(
    State(serving): Shared,
    Named(of): Named<OfStack>,
    Asked(between): Asked<Between>,
) -> Answer<Json<Diff>> {
    let stack = of.id();
    let to = match serving.release_if(&stack, between.to.as_deref()).await? {
        Some(named) => named,
        None => {
            let shown = serving.engine().stack(&stack).await?;
            let target = shown.stack.as_ref().and_then(|row| row.target.or(row.good));
            target.ok_or_else(|| Refusal::not_found(format!("{stack} has no release yet")))?
        }
    };
    let from = match serving.release_if(&stack, between.from.as_deref()).await? {
        Some(named) => named,
        None => before(&serving, &stack, to).await?,
    };
    let (from, to) = (serving.engine().release(&stack, from).await?, serving.engine().release(&stack, to).await?);
    let files = files(&serving, &from, &to).await;
    Ok(Json(show::diff(&from, &to, files)))
}

/// The release that was deployed before another one, and is not the same.
async fn before(serving: &Serving, stack: &StackId, to: crate::state::ReleaseId) -> Answer<crate::state::ReleaseId> {
    let (mut page_before, mut found) = (None, false);
    loop {
        let page = serving.engine().history(stack, page_before, 100).await?;
        for shown in &page.deployments {
            match shown.deployment.release {
                Some(release) if release == to => found = true,
                Some(release) if found && shown.is_done() => return Ok(release),
                _ => {}
            }
        }
        page_before = page.before;
        if page_before.is_none() {
            return Err(Refusal::not_found(format!("{stack} has no release before that one")));
        }
    }
}

async fn files(serving: &Serving, from: &KeptRelease, to: &KeptRelease) -> Vec<String> {
    let contents = &serving.engine().parts().contents;
    let (Some(before), Some(after)) = (from.revision.content, to.revision.content) else { return Vec::new() };
    if before == after {
        return Vec::new();
    }
    // A content that was swept says nothing of its files any more: what is known is shown without them.
    match (contents.listing(before).await, contents.listing(after).await) {
        (Ok(before), Ok(after)) => changed_paths(&before, &after).iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    }
}

/// Which value.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// `users.instance_class`, `env.LOG_LEVEL`; all values of one thing: `users`; all where nothing is named.
    #[param(max_length = 512)]
    value: Option<String>,
}

/// Who set the values of a stack, and where
#[utoipa::path(get, path = paths::EXPLAIN, operation_id = "explain", tag = "questions", params(OfStack, Which), security(("token" = ["read"])), responses(
    (status = 200, description = "Each value with its chain, from who said it last.", body = Explanations),
))]
pub async fn explain(
    State(serving): Shared,
    Named(of): Named<OfStack>,
    Asked(which): Asked<Which>,
) -> Answer<Json<Explanations>> {
    let stack = of.id();
    let compiled = serving.engine().compiled(&stack).await?;
    let offers = serving.offers(&stack.world)?;
    match &compiled.resolved {
        Some(resolved) => explain_resolved(resolved, &offers, which.value.as_deref()).map(Json),
        None => Err(Refusal::mistakes(show::diagnostics(&compiled.said))),
    }
}
