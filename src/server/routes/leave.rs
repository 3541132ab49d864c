//! A person's leave: approvals, consents, adoptions.

use super::Shared;
use super::answer::{done, made};
use super::paths::{OfDeployment, OfStack};
use crate::engine::{AdoptAsk, ApproveAsk, By, ConsentAsk};
use crate::model::Address;
use crate::server::api::answers::Consents;
use crate::server::api::asks::{Adopt, Approve, GiveConsent};
use crate::server::api::paths;
use crate::server::extract::{Named, Sent};
use crate::server::refusal::{Answer, Refusal};
use crate::state::{ConsentId, Handle};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

/// Approves the plan of a deployment that waits for it
///
/// Nobody approves a deployment of their own.
#[utoipa::path(post, path = paths::APPROVE, operation_id = "approve", tag = "leave", params(OfDeployment), request_body = Approve, security(("token" = ["approve"])), responses(
    (status = 204, description = "It is approved."),
))]
pub async fn approve(
    State(serving): Shared,
    Named(of): Named<OfDeployment>,
    by: By,
    Sent(sent): Sent<Approve>,
) -> Answer<StatusCode> {
    let By { principal, once } = by;
    done(serving.engine().approve(ApproveAsk { deployment: of.id(), plan: sent.plan, principal, once }).await)
}

/// Gives leave for acts of the plan of now
///
/// Each is for one act on one life of one address, is used once, and expires.
#[utoipa::path(post, path = paths::CONSENTS, operation_id = "consent", tag = "leave", params(OfStack), request_body = GiveConsent, security(("token" = ["approve"])), responses(
    (status = 201, description = "Leave is given.", body = Consents),
))]
pub async fn consent(
    State(serving): Shared,
    Named(of): Named<OfStack>,
    by: By,
    Sent(sent): Sent<GiveConsent>,
) -> Answer<Response> {
    let acts: Vec<_> = sent.acts.into_iter().map(|consent| (consent.identity, consent.act)).collect();
    let stack = of.id();
    if acts.is_empty() || acts.len() > 1000 {
        return Err(Refusal::bad_body("acts: from 1 to 1000"));
    }
    if let Some((foreign, _)) = acts.iter().find(|(identity, _)| identity.address.stack_id() != stack) {
        return Err(Refusal::bad_body(format!("acts: {foreign} is not of {stack}")));
    }
    let By { principal, once } = by;
    let given = serving.engine().consent(ConsentAsk { stack, plan: sent.plan, acts, principal, once }).await?;
    Ok(consents(given))
}

/// Takes over what is there and is not ours
///
/// By the name that its provider gave it, as the plan shows it: nothing else is adopted.
#[utoipa::path(post, path = paths::ADOPTIONS, operation_id = "adopt", tag = "leave", params(OfStack), request_body = Adopt, security(("token" = ["admin"])), responses(
    (status = 201, description = "It will be taken over.", body = Consents),
))]
pub async fn adopt(
    State(serving): Shared,
    Named(of): Named<OfStack>,
    by: By,
    Sent(sent): Sent<Adopt>,
) -> Answer<Response> {
    let address = Address::parse(&format!("{}/{}", of.id(), sent.name));
    let address = address.map_err(|error| Refusal::bad_body(format!("name: {error}")))?;
    let By { principal, once } = by;
    let given = serving.engine().adopt(AdoptAsk { address, handle: Handle(sent.handle), principal, once }).await?;
    Ok(consents(vec![given]))
}

/// 201, with the names of the consents.
fn consents(given: Vec<ConsentId>) -> Response {
    made(&Consents { consents: given.into_iter().map(|consent| consent.0).collect() })
}
