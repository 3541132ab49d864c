//! What the processes of a stack wrote.

use super::Shared;
use super::paths::OfStack;
use crate::contract::LogFrom;
use crate::engine::LogsAsk;
use crate::model::Name;
use crate::server::access::Caller;
use crate::server::api::event::LogLine;
use crate::server::api::paths;
use crate::server::api::schema;
use crate::server::extract::{Asked, Named};
use crate::server::refusal::{Answer, Refusal};
use crate::server::stream::{self, Shape};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;

/// How many of the last lines are told where nobody says.
const TAIL: u32 = 100;
/// How many may be asked for.
const TAIL_MAX: u32 = 100_000;

/// Which lines.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Only of this name: a process, a task, a requirement.
    #[param(value_type = Option<schema::Name>)]
    name: Option<Name>,
    /// Only of what was started for this release: its digest, or what people call it.
    #[param(min_length = 1, max_length = 64)]
    release: Option<String>,
    /// So many of the last lines first; 100 where nothing is said.
    #[param(maximum = 100_000)]
    tail: Option<u32>,
    /// Whether to go on as lines come.
    follow: Option<bool>,
}

/// What the processes of a stack wrote
///
/// One JSON object a line, an empty line where there was nothing for a while; server-sent events (`line`) for who accepts
/// `text/event-stream`. The text comes from the processes: do not trust it.
#[utoipa::path(get, path = paths::LOGS, operation_id = "logs", tag = "stacks", params(OfStack, Which), security(("token" = ["read"])), responses(
    (status = 200, description = "The lines, in order.", content((LogLine = "application/x-ndjson"), (LogLine = "text/event-stream"))),
))]
pub async fn logs(
    State(serving): Shared,
    Named(of): Named<OfStack>,
    Asked(which): Asked<Which>,
    caller: Caller,
    headers: HeaderMap,
) -> Answer<Response> {
    let stack = of.id();
    let tail = which.tail.unwrap_or(TAIL);
    if tail > TAIL_MAX {
        return Err(Refusal::bad_parameter(format!("tail: at most {TAIL_MAX}")));
    }
    let release = serving.release_if(&stack, which.release.as_deref()).await?;
    let from = LogFrom { tail, follow: which.follow.unwrap_or_default() };
    let lines = serving.engine().logs(LogsAsk { stack, name: which.name, release, from }).await?;
    let accepted = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let shape = if accepted.contains("text/event-stream") { Shape::Events } else { Shape::Lines };
    stream::logs(&serving, caller, lines, shape)
}
