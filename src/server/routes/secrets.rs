//! The secrets of a world: set, listed and removed. Nothing answers a value.

use super::Shared;
use super::paths::{OfSecret, OfWorld};
use crate::contract::Plain;
use crate::engine::By;
use crate::model::{Name, SecretName};
use crate::server::api::paths;
use crate::server::api::secret::{Secret, SecretSet, Secrets, SetSecret};
use crate::server::doors::SecretShown;
use crate::server::extract::{Asked, Named, Sent};
use crate::server::page::{Page, Part};
use crate::server::refusal::Answer;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use std::collections::BTreeSet;

/// The secrets of a world, without their values
#[utoipa::path(get, path = paths::SECRETS, operation_id = "secrets", tag = "secrets", params(OfWorld, Part), security(("token" = ["read"])), responses(
    (status = 200, description = "The secrets, sorted by name: where they are, their versions, when they were set and by whom.", body = Secrets),
))]
pub async fn list(
    State(serving): Shared,
    Named(of): Named<OfWorld>,
    Asked(part): Asked<Part>,
) -> Answer<Json<Secrets>> {
    serving.world(&of.world)?;
    let all = serving.doors.secrets.list(&of.world).await?;
    let Page { items, next } = part.of("secrets", all, |secret| secret.name.clone())?;
    let mut users = serving.engine().secret_users(&of.world);
    let secrets = items.into_iter().map(|secret| {
        let used_by = users.remove(&secret.name).unwrap_or_default();
        shown(secret, used_by)
    });
    Ok(Json(Secrets { secrets: secrets.collect(), next }))
}

/// Sets a secret
///
/// Stacks that use it get it: that is another release of each.
#[utoipa::path(put, path = paths::SECRET, operation_id = "set_secret", tag = "secrets", params(OfSecret), request_body = SetSecret, security(("token" = ["admin"])), responses(
    (status = 200, description = "It is set.", body = SecretSet),
))]
pub async fn set(
    State(serving): Shared,
    Named(of): Named<OfSecret>,
    by: By,
    Sent(sent): Sent<SetSecret>,
) -> Answer<Json<SecretSet>> {
    serving.world(&of.world)?;
    let name = SecretName(of.secret);
    let value = Plain::new(sent.value.expose().to_owned());
    // What is compared under a key says nothing of the value to who reads the store.
    let key = &serving.engine().parts().digest_key;
    let asked = ("set secret", &name, key.digest([b"asked secret\0", value.expose().as_bytes()].concat()));
    let engine = serving.engine();
    if let Some(version) = engine.set_before(&of.world, &by, &asked).await? {
        return Ok(Json(SecretSet { name: name.0, version }));
    }
    let version = serving.doors.secrets.set(&of.world, &name, &value, &by.principal).await?.0;
    engine.nudge_secret(&of.world, &name);
    engine.keep_set(&of.world, &by, &asked, &version).await?;
    Ok(Json(SecretSet { name: name.0, version }))
}

/// Removes a secret with all its versions
#[utoipa::path(delete, path = paths::SECRET, operation_id = "remove_secret", tag = "secrets", params(OfSecret), security(("token" = ["admin"])), responses(
    (status = 204, description = "It is gone."),
))]
pub async fn remove(State(serving): Shared, Named(of): Named<OfSecret>, by: By) -> Answer<StatusCode> {
    serving.world(&of.world)?;
    let name = SecretName(of.secret);
    let (engine, asked) = (serving.engine(), ("remove secret", &name));
    if engine.set_before(&of.world, &by, &asked).await?.is_none() {
        serving.doors.secrets.remove(&of.world, &name, &by.principal).await?;
        engine.nudge_secret(&of.world, &name);
        engine.keep_set(&of.world, &by, &asked, "").await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

fn shown(secret: SecretShown, used_by: BTreeSet<Name>) -> Secret {
    let (version, trouble) = match secret.version {
        Ok(version) => (Some(version.0), None),
        Err(failure) => (None, Some(failure.to_string())),
    };
    let (set, by) = secret.set.map(|(at, by)| (at.into(), by.0)).unzip();
    Secret { name: secret.name.0, place: secret.place, version, set, by, trouble, used_by }
}
