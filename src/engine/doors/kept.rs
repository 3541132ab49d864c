//! What is kept and offered: releases, what a stack compiles to, exports.

use super::super::catalogue::Compiled;
use super::super::record::{LoadError, StackRows, read_row};
use super::super::rows::ReleaseRow;
use super::planning::{not_kept, not_kept_as};
use super::plans::no_source;
use super::status::label;
use super::{DoorError, Engine, ExportShown, KeptRelease, OutputShown, ReleaseKnown};
use crate::contract::{Scope, StoreError};
use crate::model::{Address, Name, StackId};
use crate::resolve::Others;
use crate::state::{Export, Recorded, ReleaseId, SourceId, StackCondition};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Engine {
    /// A release that is kept: for `diff`, `rollback` and `history`.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn release(&self, stack: &StackId, release: ReleaseId) -> Result<KeptRelease, DoorError> {
        let rows = self.known(stack).await?;
        let row = rows.releases.get(&release).ok_or_else(|| not_kept(&rows, release))?;
        let revision = rows.revisions.get(&row.release.revision).cloned().ok_or_else(|| {
            let text = format!("{stack}: the revision of release {} is not there", release.short());
            DoorError::Store(StoreError::Corrupt(text))
        })?;
        Ok(KeptRelease {
            id: release,
            label: label(&rows, release).unwrap_or_else(|| release.short()),
            release: row.release.clone(),
            revision,
            graph: self.graph(&rows, Some(release)).await?,
        })
    }

    /// Whether a release is kept that somebody calls by a name.
    ///
    /// # Errors
    /// It is not, with those that are; or as [`DoorError`].
    pub async fn keeps(&self, stack: &StackId, release: ReleaseId, named: &str) -> Result<(), DoorError> {
        let rows = self.known(stack).await?;
        rows.releases.contains_key(&release).then_some(()).ok_or_else(|| not_kept_as(&rows, named))
    }

    /// The releases of a stack that are kept, in no order.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn releases(&self, stack: &StackId) -> Result<Vec<ReleaseKnown>, DoorError> {
        let rows = self.known(stack).await?;
        let of = rows.stack();
        let known = |(id, row): (&ReleaseId, &ReleaseRow)| ReleaseKnown {
            id: *id,
            label: label(&rows, *id).unwrap_or_else(|| id.short()),
            revision: row.release.revision,
            made: row.made,
            nth: row.nth,
            good: row.good,
            serves: of.is_some_and(|stack| stack.good == Some(*id)),
            is_target: of.is_some_and(|stack| stack.target == Some(*id)),
            quarantined: of.and_then(|stack| stack.quarantine.get(id).cloned()),
        };
        Ok(rows.releases.iter().map(known).collect())
    }

    /// What a stack's source compiles to now, with the origin of each value: for `explain`. Of a source that is followed
    /// and was found well, what it held when it was read last; where it cannot be read any more, what it held before.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn compiled(&self, stack: &StackId) -> Result<Arc<Compiled>, DoorError> {
        let rows = self.known(stack).await?;
        let source = self.source_of(&rows).await?.ok_or_else(|| no_source(stack))?;
        let newest = rows.head.as_ref().and_then(|head| rows.revisions.get(&head.revision));
        let would = match newest.filter(|_| self.is_as_read(&rows, &source)) {
            Some(revision) => self.compile_kept(stack, revision).await?,
            None => match (self.compile_stack(&rows, &source).await, newest) {
                (Err(DoorError::Source(_)), Some(revision)) => self.compile_kept(stack, revision).await?,
                (would, _) => would?,
            },
        };
        Ok(Arc::new(would.compiled))
    }

    /// Whether what a stack's source holds is what was gathered of it: it is followed, and nothing is wrong with it. This
    /// question is asked with every screen, so that files are not read again for it.
    fn is_as_read(&self, rows: &StackRows, source: &SourceId) -> bool {
        let is_followed = self.shared.runs_of(source).contains_key(&rows.id.world);
        let troubles = [StackCondition::Mistaken, StackCondition::SourceMissing];
        let is_well = rows.stack().is_some_and(|stack| !troubles.iter().any(|one| stack.conditions.contains_key(one)));
        is_followed && is_well && self.shared.source(source).is_some_and(|read| read.held.is_ok())
    }

    /// What the stacks of a world offer to others.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn exports(&self, world: &Name) -> Result<BTreeMap<Address, ExportShown>, DoorError> {
        self.facts(world)?;
        let scope = Scope::Table { world: world.clone(), table: "export".to_owned(), beginning: String::new() };
        let (rows, _) = self.parts().store.load(&scope).await?;
        let mut exports = BTreeMap::new();
        for row in &rows {
            match read_row::<(Address, Export)>(&*self.parts().store, row).await {
                Ok((of, export)) => drop(exports.insert(of, shown(export))),
                Err(LoadError::Store(error)) => return Err(DoorError::Store(error)),
                // Its own stack is set aside for it, and says so.
                Err(LoadError::Row(..)) => {}
            }
        }
        Ok(exports)
    }

    /// What the stacks of a world offer each other, as far as it is known: to compile files that nobody runs yet.
    #[must_use]
    pub fn others(&self, world: &Name) -> Arc<Others> {
        self.shared.others(world)
    }
}

fn shown(export: Export) -> ExportShown {
    let outputs = export.outputs.into_iter().map(|(name, output)| {
        let shown = match output.value {
            Recorded::Plain(value) => OutputShown::Plain(value),
            Recorded::Sealed(_) => OutputShown::Secret,
        };
        (name, shown)
    });
    ExportShown { outputs: outputs.collect(), ready: export.ready, users: export.users }
}
