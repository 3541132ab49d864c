//! All that a plan depends on, gathered once for a round.

use super::super::catalogue::WorldFacts;
use super::super::exports::{Loaded, foreign, imported};
use super::super::gather::graph_of;
use super::super::rows::Aim;
use super::{Activation, Halt, later};
use crate::graph::{DesiredGraph, KindSet};
use crate::model::{Address, Digest, Identity, Milliseconds, Now, SecretName, SecretVersion, StackId};
use crate::plan::{Foreign, Inputs, Policy};
use crate::state::{DeploymentId, Mode, Observation, Record, ReleaseId, Why, WhyCode};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// All that a plan depends on beyond what is recorded and seen.
pub struct Planning {
    /// What should be.
    pub desired: Arc<DesiredGraph>,
    /// The graph of the last good release.
    pub good: Option<Arc<DesiredGraph>>,
    /// The release that `desired` belongs to.
    pub release: Option<ReleaseId>,
    /// The versions of the secrets that it uses.
    pub secret_versions: BTreeMap<SecretName, SecretVersion>,
    /// Why others cannot be had.
    pub secrets_missing: BTreeMap<SecretName, Why>,
    /// What it uses of other stacks.
    pub imported: BTreeMap<Address, Loaded>,
    /// The same, as plans take it.
    pub foreign: BTreeMap<Address, Foreign>,
    /// For how long we have watched what is on its way.
    pub settling: BTreeMap<Identity, Milliseconds>,
    /// What the world's people decided.
    pub policy: Policy,
    /// The steps that a person approved.
    pub approved: BTreeSet<Digest>,
    /// The deployment that it is for.
    pub deployment: Option<DeploymentId>,
    /// How it is run.
    pub mode: Mode,
    /// Whether a person goes back with it.
    pub goes_back: bool,
}

impl Planning {
    /// As `plan` takes it.
    #[must_use]
    pub fn inputs<'i>(
        &'i self,
        record: &'i Record,
        seen: &'i Observation,
        kinds: &'i KindSet,
        now: &'i Now,
    ) -> Inputs<'i> {
        Inputs {
            desired: &self.desired,
            release: self.release,
            good: self.good.as_deref(),
            record,
            seen,
            kinds,
            policy: &self.policy,
            secret_versions: &self.secret_versions,
            secrets_missing: &self.secrets_missing,
            foreign: &self.foreign,
            settling: &self.settling,
            deployment: self.deployment.as_ref(),
            mode: self.mode,
            goes_back: self.goes_back,
            approved: &self.approved,
            now,
        }
    }
}

impl Activation {
    /// Gathers what a plan to a release depends on, for a deployment if it is for one.
    pub(super) async fn planning(
        &mut self,
        release: Option<ReleaseId>,
        deployment: Option<u64>,
    ) -> Result<Planning, Halt> {
        let policy = self.world()?.policy.clone();
        let desired = self.graph(release).await?;
        let good = match self.stack().good {
            Some(good) if Some(good) == release => Some(Arc::clone(&desired)),
            Some(good) => Some(self.graph(Some(good)).await?),
            None => None,
        };
        let imported = imported(&self.shared, &desired).await.map_err(|error| later(&error))?;
        let others: BTreeSet<StackId> = desired.imports.iter().map(|import| import.of.stack_id()).collect();
        self.shared.imports(&self.id, &others);
        let row = deployment.map(|number| self.deployment(number).clone());
        let approved = match row.as_ref().and_then(|row| row.shown.zip(row.deployment.approved.as_ref())) {
            Some(((plan, steps), (approved, _))) if plan == *approved => self.digests(steps).await?,
            _ => BTreeSet::new(),
        };
        let versions = release.and_then(|release| self.rows().releases.get(&release));
        Ok(Planning {
            secret_versions: versions.map(|row| row.release.secrets.clone()).unwrap_or_default(),
            secrets_missing: self.memory.gathered.as_ref().map(|known| known.missing.clone()).unwrap_or_default(),
            desired,
            good,
            release,
            foreign: foreign(&imported),
            imported,
            settling: self.memory.watched.spans(),
            policy,
            approved,
            mode: row.as_ref().map(|row| row.deployment.mode).unwrap_or_default(),
            goes_back: row.as_ref().is_some_and(|row| matches!(row.aim, Aim::Release(_))),
            deployment: row.map(|row| row.deployment.id),
        })
    }

    /// The world. One that is not there any more is no reason to do anything.
    pub(super) fn world(&self) -> Result<Arc<WorldFacts>, Halt> {
        let (_, catalogue) = self.shared.catalogue();
        let facts = catalogue.worlds().remove(&self.id.world);
        facts.ok_or_else(|| {
            let text = format!("there is no world {} any more", self.id.world);
            Halt::SetAside(Why::new(WhyCode::Missing, text).way_out("put its file back; nothing was changed"))
        })
    }

    /// The graph of a release that is kept; an empty one of none.
    pub(super) async fn graph(&mut self, release: Option<ReleaseId>) -> Result<Arc<DesiredGraph>, Halt> {
        let row = release.and_then(|release| self.rows().releases.get(&release));
        let Some(blob) = row.map(|row| row.release.graph) else {
            return match release {
                None => Ok(Arc::new(DesiredGraph::empty(self.id.clone()))),
                Some(release) => {
                    let text = format!("release {} is not kept", release.short());
                    Err(Halt::SetAside(Why::new(WhyCode::Missing, text)))
                }
            };
        };
        if let Some(graph) = self.memory.graphs.get(&blob) {
            return Ok(Arc::clone(graph));
        }
        let graph = graph_of(&*self.shared.parts.store, blob).await.map_err(|error| later(&error))?;
        let graph = Arc::new(graph);
        self.memory.remember_graph(blob, Arc::clone(&graph));
        Ok(graph)
    }

    /// The digests in a blob of them.
    pub(super) async fn digests(&self, blob: Digest) -> Result<BTreeSet<Digest>, Halt> {
        let bytes = self.shared.parts.store.blob(blob).await.map_err(|error| later(&error))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Halt::SetAside(Why::new(WhyCode::NotReadable, format!("a seal cannot be read: {error}"))))
    }
}
