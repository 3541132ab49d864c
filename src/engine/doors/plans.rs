//! Plans without running: `deployd plan`, and what `apply PLAN` and consents are checked against.

use super::super::record::StackRows;
use super::compile::Would;
use super::owner::{REST, no_stack};
use super::planning::{Draft, Made, not_kept};
use super::{DoorError, Engine, PlanAsk, PlanOf, Planned};
use crate::act::started;
use crate::model::{Digest, Name, StackId, Value};
use crate::state::{From, Mode, Principal, Record, ReleaseId, SourceId, Stack, Why, WhyCode, Wish};
use std::collections::BTreeSet;

impl Engine {
    /// Plans without running, one for each stack concerned; each is kept by its digest. No secret is made, and nothing
    /// else is written.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn plan_now(&self, ask: PlanAsk) -> Result<Vec<Planned>, DoorError> {
        self.facts(&ask.world)?;
        let id = |name: Name| StackId::new(ask.world.clone(), name);
        let made = match ask.of {
            PlanOf::Source(source, services) => self.plans_of_source(&ask.world, &source, &services, ask.mode).await?,
            PlanOf::Stack(name) => vec![self.plan_of_stack(&id(name), ask.mode).await?],
            PlanOf::Release(name, release) => vec![self.plan_of_release(&id(name), release, ask.mode).await?],
            PlanOf::Gone(name) => vec![self.plan_of_wish(&self.known(&id(name)).await?, Wish::Gone).await?],
            PlanOf::Stopped(name) => vec![self.plan_of_wish(&self.known(&id(name)).await?, Wish::Stopped).await?],
            PlanOf::Resource(name, slug, with) => {
                vec![self.plan_of_resource(&id(name), &slug, &with, ask.mode).await?]
            }
        };
        let mut planned = Vec::with_capacity(made.len());
        for made in made {
            self.keep_planned(&made.planned).await?;
            planned.push(made.planned);
        }
        Ok(planned)
    }

    /// A plan that is kept.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn plan_kept(&self, stack: &StackId, plan: Digest) -> Result<Planned, DoorError> {
        let rows = self.load(stack).await?;
        let kept = self.kept_plan(&rows, plan).await?;
        kept.ok_or_else(|| {
            let text = format!("{stack} keeps no plan {}", plan.short());
            DoorError::NotFound(Why::new(WhyCode::Missing, text).way_out("deployd plan makes one of now"))
        })
    }

    /// A plan by the blob that holds it.
    pub(super) async fn planned(&self, blob: Digest) -> Result<Planned, DoorError> {
        let bytes = self.parts().store.blob(blob).await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            DoorError::Store(crate::contract::StoreError::Corrupt(format!("the plan {}: {error}", blob.short())))
        })
    }

    /// A stack's rows; it is there.
    pub(super) async fn known(&self, stack: &StackId) -> Result<StackRows, DoorError> {
        let rows = self.load(stack).await?;
        if rows.record.is_some() { Ok(rows) } else { Err(no_stack(stack)) }
    }

    async fn plans_of_source(
        &self,
        world: &Name,
        source: &SourceId,
        services: &BTreeSet<Name>,
        mode: Mode,
    ) -> Result<Vec<Made>, DoorError> {
        self.check_trust(world, source)?;
        let held = self.hold(source).await?;
        let services = self.chosen(world, source, &held, services)?;
        let mut made = Vec::new();
        for would in self.compile_all(world, &held, &services).await? {
            let rows = self.load(&would.stack).await?;
            made.push(self.plan_of_would(&rows, &would, From::File, source, mode).await?);
        }
        Ok(made)
    }

    /// What a known stack's source holds now.
    pub(super) async fn plan_of_stack(&self, id: &StackId, mode: Mode) -> Result<Made, DoorError> {
        let rows = self.known(id).await?;
        let source = self.source_of(&rows).await?.ok_or_else(|| no_source(id))?;
        let would = self.compile_stack(&rows, &source).await?;
        let from = rows.stack().map_or(From::File, |stack| stack.from);
        self.plan_of_would(&rows, &would, from, &source, mode).await
    }

    async fn plan_of_would(
        &self,
        rows: &StackRows,
        would: &Would,
        from: From,
        source: &SourceId,
        mode: Mode,
    ) -> Result<Made, DoorError> {
        let owned_by = self.source_of(rows).await?;
        // Whether a project or a file asks is not known of a plan: only another place is another owner.
        let owned = rows.stack().map(|stack| (stack, owned_by.as_ref()));
        self.check_owner(&rows.id, owned, owned.map_or(from, |(stack, _)| stack.from), source)?;
        let mut record = self.record_of(rows, source, from);
        record.stack.wish = Wish::Run { source: source.clone() };
        let draft = self.draft_of(rows, record, would, mode).await?;
        self.make(draft).await
    }

    /// What is recorded; of a stack that is not there yet, what would be at first.
    fn record_of(&self, rows: &StackRows, source: &SourceId, from: From) -> Record {
        rows.record.clone().unwrap_or_else(|| {
            let wish = Wish::Run { source: source.clone() };
            let principal = Principal("plan".to_owned());
            Record::new(Stack::new(rows.id.clone(), wish, from, principal, self.shared.now().wall))
        })
    }

    async fn plan_of_release(&self, id: &StackId, release: ReleaseId, mode: Mode) -> Result<Made, DoorError> {
        let rows = self.known(id).await?;
        let row = rows.releases.get(&release).cloned().ok_or_else(|| not_kept(&rows, release))?;
        let source = self.source_of(&rows).await?.ok_or_else(|| no_source(id))?;
        let mut record = self.record_of(&rows, &source, From::File);
        record.stack.wish = Wish::Run { source };
        let draft = self.draft(&rows, record, mode).await?;
        let desired = self.graph(&rows, Some(release)).await?;
        // The secrets of now: old versions of secrets are not brought back.
        let (secrets, secrets_missing) = self.secrets_of(id, &desired, &draft.secrets).await?;
        let made = super::compile::release_of(row.release.revision, &desired, secrets.clone()).id();
        let revision = Some(row.release.revision);
        let release = Some(made);
        let back = Draft { desired, secrets, secrets_missing, revision, release, goes_back: true, ..draft };
        self.make(back.tried()).await
    }

    /// A known stack by another wish.
    pub(super) async fn plan_of_wish(&self, rows: &StackRows, wish: Wish) -> Result<Made, DoorError> {
        let mut record = rows.record.clone().ok_or_else(|| no_stack(&rows.id))?;
        record.stack.wish = wish;
        record.stack = started(&record.stack, record.stack.target);
        let draft = self.draft(rows, record, Mode::Evaluated).await?;
        self.make(draft).await
    }

    /// A known stack as it is: to its target, by its wish.
    pub(super) async fn plan_recorded(&self, rows: &StackRows) -> Result<Made, DoorError> {
        let record = rows.record.clone().ok_or_else(|| no_stack(&rows.id))?;
        let draft = self.draft(rows, record, Mode::Evaluated).await?;
        self.make(draft).await
    }

    async fn plan_of_resource(&self, id: &StackId, slug: &Name, with: &Value, mode: Mode) -> Result<Made, DoorError> {
        let rows = self.load(id).await?;
        let would = self.compile_slug(id, slug, with).await?;
        self.plan_of_would(&rows, &would, From::Rest, &SourceId(REST.to_owned()), mode).await
    }
}

/// It is not known where a stack comes from.
pub(super) fn no_source(id: &StackId) -> DoorError {
    let text = format!("it is not known any more where {id} came from");
    DoorError::Refused(Why::new(WhyCode::Missing, text).way_out("deployd up FOLDER runs what a folder holds"))
}
