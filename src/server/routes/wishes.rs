//! What a person wants of a stack: that it runs, stops, goes, waits, is tried again, or returns.

use super::Shared;
use super::answer::{accepted, done};
use super::paths::{OfStack, OfWorld};
use super::removal::take_down;
use crate::engine::{By, DownAsk, RollbackAsk, RunAsk};
use crate::server::access::Caller;
use crate::server::api::answers::AcceptedList;
use crate::server::api::asks::{Rollback, Run, TakeDown};
use crate::server::api::deployment::{Accepted, Down};
use crate::server::api::paths;
use crate::server::extract::{MaySend, Named, Sent};
use crate::server::files::{AskedOf, all_mistakes, folder_source};
use crate::server::refusal::{Answer, Refusal};
use crate::server::show;
use crate::state::From;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// How a deployment is asked for where nobody says why.
pub(super) const BECAUSE: &str = "asked for";

/// Why, as history shows it.
pub(super) fn because(given: Option<String>) -> Answer<String> {
    let because = given.unwrap_or_else(|| BECAUSE.to_owned());
    match because.chars().count() <= 200 && !because.chars().any(char::is_control) {
        true => Ok(because),
        false => Err(Refusal::bad_body("because: at most 200 characters, and none that controls a terminal")),
    }
}

/// Runs what a folder holds, from now on
///
/// One deployment for each of its services. Asking again for what runs gives another deployment, which ends at once when
/// there is nothing to do.
#[utoipa::path(post, path = paths::RUNS, operation_id = "run", tag = "stacks", params(OfWorld), request_body = Run, security(("token" = ["deploy"])), responses(
    (status = 202, description = "Accepted, durably: follow the events.", body = AcceptedList),
))]
pub async fn run(State(serving): Shared, Named(of): Named<OfWorld>, by: By, Sent(sent): Sent<Run>) -> Answer<Response> {
    serving.read_anew().await;
    serving.world(&of.world)?;
    let (world, services) = (of.world.clone(), sent.services.clone());
    let ask = RunAsk {
        world: of.world,
        source: folder_source(&sent.folder)?,
        services: sent.services,
        follow: sent.watch,
        from: From::File,
        mode: sent.mode,
        principal: by.principal,
        because: because(sent.because)?,
        once: by.once,
    };
    let answer = serving.engine().run_source(ask).await;
    let accepted = match answer {
        Ok(accepted) => accepted,
        Err(error) => {
            let asked = AskedOf { world: &world, folder: &sent.folder, services: &services };
            return Err(all_mistakes(serving.engine(), &asked, error).await);
        }
    };
    let list = AcceptedList { accepted: accepted.into_iter().map(show::accepted).collect() };
    Ok((StatusCode::ACCEPTED, Json(list)).into_response())
}

/// Stops a stack
///
/// Its processes end gracefully; data, addresses and record stay.
#[utoipa::path(post, path = paths::STOP, operation_id = "stop", tag = "stacks", params(OfStack), security(("token" = ["deploy"])), responses(
    (status = 202, description = "Accepted, durably.", body = Accepted),
))]
pub async fn stop(State(serving): Shared, Named(of): Named<OfStack>, by: By) -> Answer<Response> {
    Ok(accepted(serving.engine().stop(&of.id(), by).await?))
}

/// Takes a stack away
///
/// `deleted` is said only after an independent look finds nothing of it. What holds data is kept or deleted only when that
/// is said; to delete it takes the scope `approve` too.
#[utoipa::path(post, path = paths::DOWN, operation_id = "down", tag = "stacks", params(OfStack), request_body = Option<TakeDown>, security(("token" = ["deploy"])), responses(
    (status = 202, description = "It is going: follow the deployment's events.", body = Down),
    (status = 200, description = "There was nothing of it.", body = Down),
))]
pub async fn down(
    State(serving): Shared,
    Named(of): Named<OfStack>,
    caller: Caller,
    by: By,
    MaySend(sent): MaySend<TakeDown>,
) -> Answer<Response> {
    let TakeDown { keep_data, delete } = sent;
    let By { principal, once } = by;
    take_down(&serving, &caller, DownAsk { stack: of.id(), keep_data, delete, principal, once, only_if: None }).await
}

/// Changes nothing of a stack until it is resumed
#[utoipa::path(post, path = paths::PAUSE, operation_id = "pause", tag = "stacks", params(OfStack), security(("token" = ["deploy"])), responses(
    (status = 204, description = "It is paused."),
))]
pub async fn pause(State(serving): Shared, Named(of): Named<OfStack>, by: By) -> Answer<StatusCode> {
    done(serving.engine().pause(&of.id(), by).await)
}

/// Goes on with a stack that is paused
#[utoipa::path(post, path = paths::RESUME, operation_id = "resume", tag = "stacks", params(OfStack), security(("token" = ["deploy"])), responses(
    (status = 204, description = "It goes on."),
))]
pub async fn resume(State(serving): Shared, Named(of): Named<OfStack>, by: By) -> Answer<StatusCode> {
    done(serving.engine().resume(&of.id(), by).await)
}

/// Tries the newest release again, although it failed
#[utoipa::path(post, path = paths::RETRY, operation_id = "retry", tag = "stacks", params(OfStack), security(("token" = ["deploy"])), responses(
    (status = 202, description = "Accepted, durably.", body = Accepted),
))]
pub async fn retry(State(serving): Shared, Named(of): Named<OfStack>, by: By) -> Answer<Response> {
    Ok(accepted(serving.engine().retry(&of.id(), by).await?))
}

/// Returns to a release that is kept
///
/// Workloads and routes go back; data stays as it is. The source's state of now is not tried again before it changes.
#[utoipa::path(post, path = paths::ROLLBACK, operation_id = "rollback", tag = "stacks", params(OfStack), request_body = Option<Rollback>, security(("token" = ["deploy"])), responses(
    (status = 202, description = "Accepted, durably.", body = Accepted),
))]
pub async fn rollback(
    State(serving): Shared,
    Named(of): Named<OfStack>,
    by: By,
    MaySend(sent): MaySend<Rollback>,
) -> Answer<Response> {
    let stack = of.id();
    let to = serving.release_if(&stack, sent.to.as_deref()).await?;
    let ask = RollbackAsk { stack, to, principal: by.principal, once: by.once };
    Ok(accepted(serving.engine().rollback(ask).await?))
}
