//! What travels beside an order: the secrets and secret outputs that its fields still refer to, opened just before it
//! goes out.

use crate::act::Answers;
use crate::contract::{Filled, Seal, Secrets};
use crate::model::{SecretName, SecretVersion, StackId, Value};
use crate::state::{Why, WhyCode};
use std::collections::{BTreeMap, BTreeSet};

/// What a filled value still refers to, opened.
///
/// # Errors
/// Why one of them cannot be had now. Nothing is asked for without it.
pub async fn filled(
    stack: &StackId,
    value: &Value,
    answers: &Answers<'_>,
    versions: &BTreeMap<SecretName, SecretVersion>,
    secrets: &dyn Secrets,
    seal: &dyn Seal,
) -> Result<Filled, Why> {
    let outputs = answers.open_outputs(value, seal)?;
    let names: BTreeSet<SecretName> = value.secrets().into_iter().cloned().collect();
    let mut wanted = BTreeMap::new();
    for name in names {
        let Some(version) = versions.get(&name) else {
            return Err(Why::new(WhyCode::Missing, format!("the secret {} is not set", name.0)));
        };
        wanted.insert(name, version.clone());
    }
    let opened = if wanted.is_empty() { Ok(BTreeMap::new()) } else { secrets.open(stack, &wanted).await };
    let secrets = opened
        .map_err(|(name, failure)| Why::new(WhyCode::NotReadable, format!("the secret {}: {failure}", name.0)))?;
    Ok(Filled { secrets, outputs })
}
