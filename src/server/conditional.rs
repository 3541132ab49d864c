//! `If-Match`, `If-None-Match` and `ETag`: nobody changes what somebody else changed meanwhile.

use super::extract::{Conditions, ETags, etag};
use super::refusal::{Answer, Refusal};
use super::serving::Serving;
use crate::contract::RowVersion;
use crate::engine::By;
use crate::model::{Name, StackId};
use axum::Json;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// An answer with its ETag.
#[must_use]
pub fn with_etag<T: Serialize>(body: &T, version: Option<RowVersion>) -> Response {
    match version {
        Some(version) => ([(header::ETAG, etag(version))], Json(body)).into_response(),
        None => Json(body).into_response(),
    }
}

/// What a question asks of what is there; nothing of one that was answered already under its Idempotency-Key. Its answer
/// was lost on the way, and what it did is no change by somebody else.
///
/// # Errors
/// The store's.
pub async fn unless_answered(serving: &Serving, world: &Name, by: &By, conditions: Conditions) -> Answer<Conditions> {
    let is_answered = serving.engine().has_answered(world, by).await?;
    Ok(if is_answered { Conditions::default() } else { conditions })
}

/// The version that the engine is to hold a change to. What is not met already is refused here; the engine compares once
/// more in the commit, so nothing slips in between.
///
/// # Errors
/// 412.
pub async fn only_if(serving: &Serving, stack: &StackId, conditions: &Conditions) -> Answer<Option<RowVersion>> {
    let Some(wanted) = &conditions.only_if else { return Ok(None) };
    let version = serving.version(stack).await?;
    if !wanted.has(version) {
        return Err(Refusal::moved(match version {
            Some(_) => format!("{stack} is not what was read: somebody changed it meanwhile"),
            None => format!("{stack} is not there"),
        }));
    }
    Ok(version.filter(|_| *wanted != ETags::Any))
}

/// Whether what is made must not be there yet (`If-None-Match: *`), or must be (`If-Match: *`). The engine sees to it in
/// the commit; what is there already is refused here, as a condition that is not met.
///
/// # Errors
/// 412; 400 for `If-None-Match` with ETags: nobody can mean that for a change.
pub async fn must_be_new(serving: &Serving, stack: &StackId, conditions: &Conditions) -> Answer<Option<bool>> {
    match (&conditions.only_if, &conditions.unless) {
        (None, None) => Ok(None),
        (Some(_), None) => Ok(Some(false)),
        (None, Some(ETags::Any)) => match serving.is_wanted(stack).await? {
            true => Err(Refusal::moved(format!("there is a {} in {} already", stack.stack, stack.world))),
            false => Ok(Some(true)),
        },
        _ => Err(Refusal::bad_parameter("a change takes `If-Match`, or `If-None-Match: *`")),
    }
}
