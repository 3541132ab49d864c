//! What a person wants of a stack: that it runs, stops, goes, waits, is tried again, or returns.

use super::Shared;
use super::paths::{OfStack, OfWorld};
use crate::engine::{DownAnswer, DownAsk, RollbackAsk, RunAsk};
use crate::server::access::Caller;
use crate::server::api::answers::AcceptedList;
use crate::server::api::asks::{Rollback, Run, TakeDown};
use crate::server::api::deployment::{Accepted, Down};
use crate::server::api::paths;
use crate::server::extract::{MaySend, Named, Once, Sent};
use crate::server::files::{AskedOf, all_mistakes, folder_source};
use crate::server::refusal::{Answer, Refusal};
use crate::server::serving::Serving;
use crate::server::show;
use crate::state::From;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// How a deployment is asked for where nobody says why.
pub(super) const BECAUSE: &str = "asked for";

/// 202 with where to look.
pub(super) fn accepted(accepted: crate::engine::Accepted) -> Response {
    let shown = show::accepted(accepted);
    (StatusCode::ACCEPTED, [(header::LOCATION, location(&shown))], Json(shown)).into_response()
}

/// Where a deployment is looked at.
fn location(shown: &Accepted) -> String {
    paths::fill(paths::DEPLOYMENT, &[shown.world.as_str(), shown.stack.as_str(), &shown.number.to_string()])
}

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
pub async fn run(
    State(serving): Shared,
    Named(of): Named<OfWorld>,
    caller: Caller,
    once: Once,
    Sent(sent): Sent<Run>,
) -> Answer<Response> {
    serving.world(&of.world)?;
    let (world, services) = (of.world.clone(), sent.services.clone());
    let ask = RunAsk {
        world: of.world,
        source: folder_source(&sent.folder)?,
        services: sent.services,
        from: From::File,
        mode: sent.mode,
        principal: caller.principal,
        because: because(sent.because)?,
        once: once.0,
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
pub async fn stop(State(serving): Shared, Named(of): Named<OfStack>, caller: Caller) -> Answer<Response> {
    Ok(accepted(serving.engine().stop(&of.id(), &caller.principal).await?))
}

/// Takes a stack away
///
/// `deleted` is said only after an independent look finds nothing of it. What holds data is kept or deleted only when that
/// is said.
#[utoipa::path(post, path = paths::DOWN, operation_id = "down", tag = "stacks", params(OfStack), request_body = Option<TakeDown>, security(("token" = ["deploy"])), responses(
    (status = 202, description = "It is going: follow the deployment's events.", body = Down),
    (status = 200, description = "There was nothing of it.", body = Down),
))]
pub async fn down(
    State(serving): Shared,
    Named(of): Named<OfStack>,
    caller: Caller,
    once: Once,
    MaySend(sent): MaySend<TakeDown>,
) -> Answer<Response> {
    let TakeDown { keep_data, delete } = sent;
    let (principal, once) = (caller.principal, once.0);
    take_down(&serving, DownAsk { stack: of.id(), keep_data, delete, principal, once, only_if: None }).await
}

pub(super) async fn take_down(serving: &Serving, ask: DownAsk) -> Answer<Response> {
    match serving.engine().down(ask).await? {
        DownAnswer::HoldsData(held) => Err(Refusal::holds_data(held)),
        DownAnswer::Nothing => Ok(Json(Down { accepted: None }).into_response()),
        DownAnswer::Accepted(accepted) => {
            let shown = show::accepted(accepted);
            let location = [(header::LOCATION, location(&shown))];
            Ok((StatusCode::ACCEPTED, location, Json(Down { accepted: Some(shown) })).into_response())
        }
    }
}

/// Changes nothing of a stack until it is resumed
#[utoipa::path(post, path = paths::PAUSE, operation_id = "pause", tag = "stacks", params(OfStack), security(("token" = ["deploy"])), responses(
    (status = 204, description = "It is paused."),
))]
pub async fn pause(State(serving): Shared, Named(of): Named<OfStack>, caller: Caller) -> Answer<StatusCode> {
    serving.engine().pause(&of.id(), &caller.principal).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Goes on with a stack that is paused
#[utoipa::path(post, path = paths::RESUME, operation_id = "resume", tag = "stacks", params(OfStack), security(("token" = ["deploy"])), responses(
    (status = 204, description = "It goes on."),
))]
pub async fn resume(State(serving): Shared, Named(of): Named<OfStack>, caller: Caller) -> Answer<StatusCode> {
    serving.engine().resume(&of.id(), &caller.principal).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Tries the newest release again, although it failed
#[utoipa::path(post, path = paths::RETRY, operation_id = "retry", tag = "stacks", params(OfStack), security(("token" = ["deploy"])), responses(
    (status = 202, description = "Accepted, durably.", body = Accepted),
))]
pub async fn retry(State(serving): Shared, Named(of): Named<OfStack>, caller: Caller) -> Answer<Response> {
    Ok(accepted(serving.engine().retry(&of.id(), &caller.principal).await?))
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
    caller: Caller,
    once: Once,
    MaySend(sent): MaySend<Rollback>,
) -> Answer<Response> {
    let stack = of.id();
    let to = match &sent.to {
        Some(named) => Some(serving.release(&stack, named).await?),
        None => None,
    };
    let ask = RollbackAsk { stack, to, principal: caller.principal, once: once.0 };
    Ok(accepted(serving.engine().rollback(ask).await?))
}
