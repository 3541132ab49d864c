//! Graphs to releases: secrets that deployd makes are made, all others are looked up, and the graph is kept.

use super::super::shared::Shared;
use super::super::sources::Trouble;
use super::{NoRelease, keep_blob_unless};
use crate::contract::{SecretFailure, Store, StoreError};
use crate::graph::DesiredGraph;
use crate::model::{Digest, Name, SecretName, SecretVersion, StackId};
use crate::state::{Release, RevisionId, Why, WhyCode};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A release, its graph, and the secrets that it lacks.
#[derive(Clone, Debug)]
pub struct Composed {
    /// The release.
    pub release: Release,
    /// Its graph.
    pub graph: Arc<DesiredGraph>,
    /// Secrets that it uses and that cannot be had: each with the reason. What uses them is held.
    pub missing: BTreeMap<SecretName, SecretFailure>,
}

/// Makes a release of a graph with the secrets of now. `before` are versions that were in use: one that cannot be looked
/// up now stays what it was; `named` are blobs that rows name.
///
/// # Errors
/// [`NoRelease`].
pub async fn release(
    shared: &Shared,
    stack: &StackId,
    revision: RevisionId,
    graph: Arc<DesiredGraph>,
    before: &BTreeMap<SecretName, SecretVersion>,
    named: &BTreeSet<Digest>,
) -> Result<Composed, NoRelease> {
    for (name, length) in &graph.generate {
        let made = shared.parts.secrets.make(stack, name, *length).await;
        made.map_err(|failure| cannot_have(name, &failure))?;
    }
    let Versions { known: versions, missing } = versions(shared, stack, &graph, before).await?;
    let kept = keep_blob_unless(&*shared.parts.store, &*graph, named).await?;
    Ok(Composed { release: Release { revision, graph: kept, secrets: versions }, graph, missing })
}

/// The versions of the secrets that a graph uses, and those that cannot be had.
#[derive(Clone, Debug, Default)]
pub struct Versions {
    /// By name.
    pub known: BTreeMap<SecretName, SecretVersion>,
    /// Each with the reason.
    pub missing: BTreeMap<SecretName, SecretFailure>,
}

/// Looks up the versions of the secrets that a graph uses. `before` are versions that were in use: one that cannot be
/// looked up now stays what it was.
///
/// # Errors
/// [`Trouble`] when one cannot be looked up now and was not in use.
pub async fn versions(
    shared: &Shared,
    stack: &StackId,
    graph: &DesiredGraph,
    before: &BTreeMap<SecretName, SecretVersion>,
) -> Result<Versions, Trouble> {
    let names: Vec<SecretName> = used(graph).into_iter().collect();
    let secrets = &shared.parts.secrets;
    let answers = if names.is_empty() { BTreeMap::new() } else { secrets.versions(stack, &names).await };
    let mut found = Versions::default();
    for name in names {
        match answers.get(&name).cloned().unwrap_or_else(|| Err(SecretFailure::Missing("nobody answered".to_owned()))) {
            Ok(version) => drop(found.known.insert(name, version)),
            Err(
                failure @ (SecretFailure::Missing(_)
                | SecretFailure::NotThere(_)
                | SecretFailure::Refused(_)
                | SecretFailure::BadName(_)),
            ) => {
                found.missing.insert(name, failure);
            }
            Err(failure) => match before.get(&name) {
                Some(version) => drop(found.known.insert(name, version.clone())),
                None => return Err(cannot_have(&name, &failure)),
            },
        }
    }
    Ok(found)
}

/// Why secrets cannot be had, for people: of what is just not set, a plan knows the way out itself.
#[must_use]
pub fn reasons(world: &Name, missing: &BTreeMap<SecretName, SecretFailure>) -> BTreeMap<SecretName, Why> {
    let special = missing.iter().filter(|(_, failure)| !matches!(failure, SecretFailure::Missing(_)));
    let why = |name: &SecretName, failure: &SecretFailure| {
        let text = format!("the secret {} cannot be had: {failure}", name.0);
        Why::new(WhyCode::Missing, text).way_out(format!("`secrets:` of worlds/{world}.yaml says where it comes from"))
    };
    special.map(|(name, failure)| (name.clone(), why(name, failure))).collect()
}

fn cannot_have(name: &SecretName, failure: &SecretFailure) -> Trouble {
    let why = Why::new(WhyCode::NotReadable, format!("the secret {}: {failure}", name.0));
    Trouble { why, passes: true }
}

/// Every secret that a graph uses.
fn used(graph: &DesiredGraph) -> BTreeSet<SecretName> {
    let fields = graph.nodes.values().map(|node| &node.fields);
    let exported = graph.exports.values().flat_map(BTreeMap::values);
    fields.chain(exported).flat_map(|value| value.secrets()).cloned().collect()
}

/// The graph of a release that is kept.
///
/// # Errors
/// [`StoreError`].
pub async fn graph_of(store: &dyn Store, graph: Digest) -> Result<DesiredGraph, StoreError> {
    let bytes = store.blob(graph).await?;
    serde_json::from_slice(&bytes).map_err(|error| StoreError::Corrupt(format!("the graph of a release: {error}")))
}
