//! How stacks and deployments are: rows, and what the engine saw of them last. Asking changes nothing, and asks no
//! provider.

use super::super::record::{LoadError, StackRows, load_rows};
use super::super::rows::DeploymentRow;
use super::super::shared::Glance;
use super::conditions::{resource, step};
use super::owner::{REST, no_stack};
use super::write::set_aside;
use super::{
    DeploymentShown, DoorError, Engine, HistoryPage, Planned, ResourceCondition, ResourceShown, StackShown, StepShown,
};
use crate::contract::{Row, Scope, StoreError};
use crate::graph::Role;
use crate::model::{Digest, Identity, Name, StackId, Value, Wall};
use crate::plan::Report;
use crate::state::{DeploymentId, ReleaseId, SourceId, StackCondition, StackState, Why, WhyCode, Wish};
use std::collections::{BTreeMap, BTreeSet};

impl Engine {
    /// How the stacks of a world are, or of all worlds. Those that are proved gone are left out.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn status(&self, world: Option<&Name>) -> Result<Vec<StackShown>, DoorError> {
        let scope = match world {
            Some(world) => {
                self.facts(world)?;
                Scope::World(world.clone())
            }
            None => Scope::Everything,
        };
        let (rows, _) = self.parts().store.load(&scope).await?;
        let mut by_stack: BTreeMap<StackId, Vec<Row>> = BTreeMap::new();
        for row in rows {
            if let Some(stack) = row.key.stack_id() {
                by_stack.entry(stack).or_default().push(row);
            }
        }
        let mut shown = Vec::with_capacity(by_stack.len());
        for (id, rows) in by_stack {
            if let Some(stack) = self.shown(&id, rows).await? {
                let is_gone = stack.stack.as_ref().is_some_and(|stack| stack.state == StackState::Deleted);
                if !is_gone || !stack.live.is_empty() || !stack.resources.is_empty() {
                    shown.push(stack);
                }
            }
        }
        for (id, found) in self.shared.all_unrecorded(world) {
            if shown.iter().all(|stack| stack.id != id) {
                shown.push(bare(&id, unrecorded(&id, &found), None));
            }
        }
        Ok(shown)
    }

    /// How one stack is; one that is gone, as long as its row is there.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn stack(&self, stack: &StackId) -> Result<StackShown, DoorError> {
        let (rows, _) = self.parts().store.load(&Scope::Stack(stack.clone())).await?;
        if let Some(shown) = self.shown(stack, rows).await? {
            return Ok(shown);
        }
        let found = self.shared.all_unrecorded(Some(&stack.world)).remove(stack);
        found.map(|found| bare(stack, unrecorded(stack, &found), None)).ok_or_else(|| no_stack(stack))
    }

    /// A stack of its rows; nothing if these are only plans of what never ran. A row that cannot be read sets this stack
    /// aside, and shows so.
    async fn shown(&self, id: &StackId, rows: Vec<Row>) -> Result<Option<StackShown>, DoorError> {
        let glance = self.shared.glance(id);
        match load_rows(&*self.parts().store, id, rows).await {
            Ok(rows) if rows.record.is_none() => Ok(None),
            Ok(rows) => Ok(Some(self.shown_rows(&rows, &glance).await?)),
            Err(LoadError::Store(error)) => Err(DoorError::Store(error)),
            Err(LoadError::Row(key, how)) => Ok(Some(bare(id, set_aside(id, &key, &how), glance.looked))),
        }
    }

    async fn shown_rows(&self, rows: &StackRows, glance: &Glance) -> Result<StackShown, DoorError> {
        let record = rows.record.as_ref().expect("rows without a record are not shown");
        let mut live = Vec::with_capacity(rows.live.len());
        for row in rows.live.values() {
            live.push(self.deployment_shown(rows, glance, row).await?);
        }
        let serves = record.stack.good.or(record.stack.target);
        let made_of = self.made_of(rows);
        let resources: Vec<_> = record.owned.values().map(|owned| resource(rows, owned, &glance.seen)).collect();
        // Nobody looks at what is paused.
        let is_paused = record.stack.conditions.contains_key(&StackCondition::Paused);
        let is_service = |source: &SourceId| source.0 != REST && !source.0.starts_with("world:");
        let runs = matches!(&record.stack.wish, Wish::Run { source } if is_service(source)) && !is_paused;
        let mut report = as_of(glance, self.shared.now().wall);
        report.held.extend(self.named_twice(&record.stack));
        Ok(StackShown {
            serves: glance.looked.filter(|_| runs).and_then(|_| self.serves(&resources)),
            id: rows.id.clone(),
            stack: Some(record.stack.clone()),
            version: self.stack_version(rows),
            made_of,
            set_aside: glance.set_aside.clone(),
            label: serves.and_then(|release| label(rows, release)),
            live,
            resources,
            report,
            looked: glance.looked,
        })
    }

    /// Whether any process is ready; nothing where that cannot be told.
    fn serves(&self, resources: &[ResourceShown]) -> Option<bool> {
        let is_workload = |shown: &&ResourceShown| {
            self.parts().kinds.get(&shown.kind).is_some_and(|rules| rules.role == Role::Workload)
        };
        let workloads: Vec<&ResourceCondition> =
            resources.iter().filter(is_workload).map(|one| &one.condition).collect();
        let is_untold =
            |one: &&ResourceCondition| matches!(one, ResourceCondition::NotSeen | ResourceCondition::Unknown { .. });
        let is_ready = workloads.contains(&&ResourceCondition::Ready);
        (is_ready || !workloads.iter().any(is_untold)).then_some(is_ready)
    }

    /// The slug and the values that a resource without a service is made of: as it was sent, or as its world's file says.
    fn made_of(&self, rows: &StackRows) -> Option<(Name, Value)> {
        if let Some(spec) = &rows.resource {
            return Some((spec.slug.clone(), spec.with.clone()));
        }
        let of_file = format!("world:{}", rows.id.world);
        match &rows.stack()?.wish {
            Wish::Run { source } if source.0 == of_file => {
                self.shared.catalogue().1.worlds().get(&rows.id.world)?.resources.get(&rows.id.stack).cloned()
            }
            _ => None,
        }
    }

    /// How one deployment is, ended ones too.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn deployment(&self, deployment: &DeploymentId) -> Result<DeploymentShown, DoorError> {
        // An end moves its row to the history: looked for there, once more here, and it is not missed between the two.
        for _ in 0..2 {
            let rows = self.load(&deployment.stack).await?;
            let ended = match rows.live.get(&deployment.number) {
                Some(_) => None,
                None => self.ended(&deployment.stack, Some(deployment.number)).await?.pop(),
            };
            if let Some(row) = rows.live.get(&deployment.number).or(ended.as_ref()) {
                let glance = self.shared.glance(&deployment.stack);
                return self.deployment_shown(&rows, &glance, row).await;
            }
        }
        let text = format!("there is no deployment {deployment}");
        let way_out = format!("deployd history {} shows those that were", deployment.stack.stack);
        Err(DoorError::NotFound(Why::new(WhyCode::Missing, text).way_out(way_out)))
    }

    async fn deployment_shown(
        &self,
        rows: &StackRows,
        glance: &Glance,
        row: &DeploymentRow,
    ) -> Result<DeploymentShown, DoorError> {
        let deployment = row.deployment.clone();
        let label = match (deployment.release, deployment.revision) {
            (Some(release), revision) => label(rows, release).or(revision.map(|revision| revision.short())),
            (None, revision) => revision.map(|revision| revision.short()),
        };
        let kept = deployment.release.is_some_and(|release| rows.releases.contains_key(&release));
        let planned = match deployment.plan {
            Some(blob) => self.plan_if_kept(blob).await?,
            None => None,
        };
        let steps: Vec<StepShown> = match &planned {
            Some(planned) => {
                let now = self.shared.now().wall;
                let is_newest = rows.stack().is_some_and(|stack| stack.deployments == deployment.id.number);
                planned.plan.steps.values().map(|one| step(rows, glance, row, is_newest, planned, one, now)).collect()
            }
            None => Vec::new(),
        };
        Ok(DeploymentShown { deployment, label, kept, plan: row.plan, steps })
    }

    /// A plan by its blob; nothing when it was swept: what ended long ago is shown without its steps.
    pub(super) async fn plan_if_kept(&self, blob: Digest) -> Result<Option<Planned>, DoorError> {
        match self.planned(blob).await {
            Ok(planned) => Ok(Some(planned)),
            Err(DoorError::Store(StoreError::Missing(_))) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deployments of a stack, newest first: at most `limit`, those before a number.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn history(&self, stack: &StackId, before: Option<u64>, limit: usize) -> Result<HistoryPage, DoorError> {
        let rows = self.known(stack).await?;
        let glance = self.shared.glance(stack);
        let mut all = BTreeMap::new();
        for row in self.ended(stack, None).await? {
            all.insert(row.deployment.id.number, row);
        }
        all.extend(rows.live.iter().map(|(number, row)| (*number, row.clone())));
        let mut asked = all.range(..before.unwrap_or(u64::MAX)).rev();
        let mut page = HistoryPage::default();
        for (_, row) in asked.by_ref().take(limit) {
            page.deployments.push(self.deployment_shown(&rows, &glance, row).await?);
        }
        if asked.next().is_some() {
            page.before = page.deployments.last().map(|last| last.deployment.id.number);
        }
        Ok(page)
    }
}

/// What people call a release that is kept: its revision, and which of that revision's releases it is beyond the first.
pub(super) fn label(rows: &StackRows, release: ReleaseId) -> Option<String> {
    let row = rows.releases.get(&release)?;
    let revision = row.release.revision.short();
    Some(if row.nth > 1 { format!("{revision}.{}", row.nth) } else { revision })
}

/// What is waited for and held: since when, told as of now and not as of the last look.
/// A stack of which nothing can be said but why.
fn bare(id: &StackId, why: Why, looked: Option<Wall>) -> StackShown {
    StackShown {
        id: id.clone(),
        stack: None,
        version: None,
        made_of: None,
        set_aside: Some(why),
        label: None,
        live: Vec::new(),
        resources: Vec::new(),
        serves: None,
        report: Report::default(),
        looked,
    }
}

/// Things of a stack are there, and nothing is recorded of it.
pub(super) fn unrecorded(id: &StackId, found: &BTreeSet<Identity>) -> Why {
    let names: Vec<String> = found.iter().take(UNRECORDED_SHOWN).map(|one| one.address.short()).collect();
    let more = found.len().saturating_sub(names.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let text = format!("{}{more} carry our receipt, and nothing is recorded of {}", names.join(", "), id.stack);
    let way_out = "deployd up FOLDER takes them back, with their data; or restore a newer backup";
    Why::new(WhyCode::Missing, text).way_out(way_out)
}

/// How many things are named of what is not recorded.
const UNRECORDED_SHOWN: usize = 8;

fn as_of(glance: &Glance, now: Wall) -> Report {
    let mut report = glance.report.clone();
    let passed = now.since(glance.reported);
    for since in report.waiting.iter_mut().filter_map(|line| line.since.as_mut()) {
        since.0 = since.0.saturating_add(passed.0);
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Address, Milliseconds};
    use crate::plan::{Line, LineCode};

    #[test]
    fn a_wait_grows_between_two_looks() {
        let at = Address::parse("laptop/guestbook/users").unwrap();
        let line = Line::new(at, LineCode::Settling, Why::new(WhyCode::Other, "being made"));
        let waiting = vec![Line { since: Some(Milliseconds::seconds(5)), ..line.clone() }, line];
        let report = Report { waiting, ..Report::default() };
        let glance = Glance { report, reported: Wall(1_000), ..Glance::default() };
        let told = as_of(&glance, Wall(11_000));
        let since: Vec<Option<Milliseconds>> = told.waiting.iter().map(|line| line.since).collect();
        assert_eq!(since, [Some(Milliseconds::seconds(15)), None]);
    }
}
