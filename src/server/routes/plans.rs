//! Plans: made without running, and looked at again.

use super::Shared;
use super::answer::made;
use super::paths::{OfPlan, OfWorld};
use crate::engine::{self, PlanAsk, Planned};
use crate::model::{Name, Value};
use crate::resolve::Resolved;
use crate::server::api::answers::Plans;
use crate::server::api::asks::{Files, MakePlan, PlanOf};
use crate::server::api::paths;
use crate::server::api::plan::Plan;
use crate::server::extract::{Named, Sent};
use crate::server::files::{AskedOf, all_mistakes, folder_source, gather};
use crate::server::refusal::{Answer, Refusal};
use crate::server::serving::Serving;
use crate::server::show;
use crate::server::ways_in::http_port;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use std::collections::BTreeSet;

/// Makes plans without running them
///
/// One for each stack concerned; each is kept by its digest for a while, to be applied and approved by that.
#[utoipa::path(post, path = paths::PLANS, operation_id = "plan", tag = "plans", params(OfWorld), request_body = MakePlan, security(("token" = ["read"])), responses(
    (status = 201, description = "The plans.", body = Plans),
))]
pub async fn make(State(serving): Shared, Named(of): Named<OfWorld>, Sent(sent): Sent<MakePlan>) -> Answer<Response> {
    serving.read_anew().await;
    serving.world(&of.world)?;
    let folder = match &sent.of {
        PlanOf::Folder { folder, services } => Some((folder.clone(), services.clone())),
        _ => None,
    };
    let ask = PlanAsk { world: of.world.clone(), of: asked(sent.of)?, mode: sent.mode };
    let engine = serving.engine();
    let planned = match (engine.plan_now(ask).await, &folder) {
        (Ok(planned), _) => planned,
        (Err(error), Some((folder, services))) => {
            let asked = AskedOf { world: &of.world, folder, services };
            return Err(all_mistakes(engine, &asked, error).await);
        }
        (Err(error), None) => return Err(error.into()),
    };
    // Places and slugs stand beside a plan; of a folder that nobody runs yet, they are read here.
    let mut files = match folder {
        Some((folder, _)) => gather(engine, &Files::Folder(folder)).await.ok(),
        None => None,
    };
    let mut plans = Vec::with_capacity(planned.len());
    for one in &planned {
        let resolved = match &mut files {
            Some(files) => files.compile(engine, &of.world, &one.stack.stack).await.ok().and_then(|of| of.resolved),
            None => serving.resolved(&one.stack).await,
        };
        plans.push(shown(&serving, one, resolved.as_deref()).await);
    }
    Ok(made(&Plans { plans }))
}

/// A plan with what is known beside it.
async fn shown(serving: &Serving, planned: &Planned, resolved: Option<&Resolved>) -> Plan {
    let there: BTreeSet<Name> = match serving.engine().stack(&planned.stack).await {
        Ok(stack) => stack.resources.iter().map(|one| one.identity.address.name.clone()).collect(),
        // It was never there.
        Err(_) => BTreeSet::new(),
    };
    let beside = show::Beside { resolved, port: http_port(serving, planned).await, there: &there };
    show::plan(planned, beside, &serving.engine().parts().kinds)
}

fn asked(of: PlanOf) -> Answer<engine::PlanOf> {
    Ok(match of {
        PlanOf::Folder { folder, services } => engine::PlanOf::Source(folder_source(&folder)?, services),
        PlanOf::Stack { stack } => engine::PlanOf::Stack(stack),
        PlanOf::Release { stack, release } => engine::PlanOf::Release(stack, release),
        PlanOf::Gone { stack } => engine::PlanOf::Gone(stack),
        PlanOf::Stopped { stack } => engine::PlanOf::Stopped(stack),
        PlanOf::Resource { name, slug, with } => engine::PlanOf::Resource(name, slug, with_value(with)?),
    })
}

/// What a body sets of a slug: a map, of what this system's values can be.
pub(super) fn with_value(with: serde_json::Value) -> Answer<Value> {
    if with.is_null() {
        return Ok(Value::map());
    }
    let is_map = with.is_object();
    let value: Value = serde_json::from_value(with).map_err(|error| Refusal::bad_body(format!("with: {error}")))?;
    // References have no meaning here: there is no manifest whose names they could be.
    if !is_map || !value.pieces().is_empty() {
        return Err(Refusal::bad_body("with: a map of values, without references"));
    }
    Ok(value)
}

/// A plan that is kept
#[utoipa::path(get, path = paths::PLAN, operation_id = "get_plan", tag = "plans", params(OfPlan), security(("token" = ["read"])), responses(
    (status = 200, description = "The plan.", body = Plan),
))]
pub async fn get(State(serving): Shared, Named(of): Named<OfPlan>) -> Answer<Json<Plan>> {
    let stack = of.stack();
    let planned = serving.engine().plan_kept(&stack, of.plan).await?;
    let resolved = serving.resolved(&stack).await;
    Ok(Json(shown(&serving, &planned, resolved.as_deref()).await))
}
