//! What takes a stack away, or a resource without a service: `down`, and DELETE of both.

use super::answer::location;
use crate::engine::{By, DownAnswer, DownAsk};
use crate::model::{Name, StackId};
use crate::server::access::{Caller, Scope};
use crate::server::api::deployment::Down;
use crate::server::extract::{Asked, Conditions};
use crate::server::refusal::{Answer, Refusal};
use crate::server::serving::Serving;
use crate::server::{conditional, show};
use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::collections::BTreeSet;
use utoipa::IntoParams;

/// What becomes of what holds data.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Data {
    /// What holds data stays. Without this and without `delete`, what holds data is refused.
    keep_data: Option<bool>,
    /// What holds data and is to be deleted too, by the names that the manifest gives, after a backup: `users,uploads`.
    #[param(max_length = 4096)]
    delete: Option<String>,
}

/// A DELETE: who asks, what becomes of data, and of what it was read.
pub struct Removal {
    caller: Caller,
    by: By,
    data: Data,
    conditions: Conditions,
}

impl<S: Send + Sync> FromRequestParts<S> for Removal {
    type Rejection = Refusal;
    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Removal, Refusal> {
        let Asked(data) = Asked::from_request_parts(head, state).await?;
        let caller = Caller::from_request_parts(head, state).await?;
        let by = By::from_request_parts(head, state).await?;
        let conditions = Conditions::from_request_parts(head, state).await?;
        Ok(Removal { caller, by, data, conditions })
    }
}

impl Removal {
    /// Takes it away.
    pub(super) async fn of(self, serving: &Serving, stack: StackId) -> Answer<Response> {
        let names = self.data.delete.as_deref().unwrap_or_default().split(',').filter(|name| !name.is_empty());
        let delete = names.map(Name::new).collect::<Result<BTreeSet<_>, _>>();
        let delete = delete.map_err(|error| Refusal::bad_parameter(format!("delete: {error}")))?;
        let keep_data = self.data.keep_data.unwrap_or_default();
        let conditions = conditional::unless_answered(serving, &stack.world, &self.by, self.conditions).await?;
        let only_if = conditional::only_if(serving, &stack, &conditions).await?;
        let By { principal, once } = self.by;
        take_down(serving, &self.caller, DownAsk { stack, keep_data, delete, principal, once, only_if }).await
    }
}

/// Takes a stack away, unless it was not said what is to become of its data. To name data for deletion is the leave for it,
/// so it takes the scope that leave takes.
pub(super) async fn take_down(serving: &Serving, caller: &Caller, ask: DownAsk) -> Answer<Response> {
    if !ask.delete.is_empty() && !caller.scopes.contains(&Scope::Approve) {
        return Err(Refusal::scope_missing(Scope::Approve));
    }
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
