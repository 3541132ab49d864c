//! A deployment begins to run, or ends between two steps.

use super::super::queue::move_to;
use super::super::record::{Change, Op};
use super::super::rows::{Aim, encode, export_key};
use super::super::shared::Nudge;
use super::{Activation, Halt, Round, later};
use crate::act::{set, tried_anew};
use crate::contract::Expected;
use crate::model::Address;
use crate::state::{DeploymentState, Export, StackCondition, Why, WhyCode};
use std::collections::{BTreeMap, BTreeSet};

/// Exports whose users are written in one batch.
const USES_AT_ONCE: usize = 20;

/// Rows that are tried anew in one batch.
const ROWS_AT_ONCE: usize = 30;

impl Activation {
    /// The stack is free, and the seal is there: from now on this release is the stack's target.
    pub(super) async fn start(&mut self, number: u64) -> Result<Round, Halt> {
        let row = self.deployment(number).clone();
        if !matches!(row.aim, Aim::Target) {
            self.try_anew().await?;
        }
        let mut stack = self.as_started(&row);
        if !matches!(row.aim, Aim::Target) {
            set(&mut stack, StackCondition::Quarantined, None);
        }
        let mut next = row;
        // Why it waited is over.
        next.deployment.why = None;
        let mut change = Change::new();
        self.put_stack(&mut change, stack);
        move_to(next, DeploymentState::Running, None, self.now().wall, &mut change);
        change.depend_on_stack(&self.id);
        self.commit(change).await?;
        Ok(Round::Moved)
    }

    /// Another deployment is another try.
    async fn try_anew(&mut self) -> Result<(), Halt> {
        for some in tried_anew(self.record()).chunks(ROWS_AT_ONCE) {
            let mut change = Change::new();
            some.iter().for_each(|owned| change.push(Op::Owned(Box::new(owned.clone()))));
            self.commit(change).await?;
        }
        Ok(())
    }

    /// It ends where it is; what was on its way is recorded. The next one, or the last good release, goes on from here.
    pub(super) async fn end(&mut self, number: u64, state: DeploymentState) -> Result<Round, Halt> {
        let cancelled_by = self.deployment(number).cancel.clone();
        let why = match (state, cancelled_by) {
            (DeploymentState::Cancelled, Some(by)) => Why::new(WhyCode::Other, format!("{by} cancelled it")),
            _ => Why::new(WhyCode::Other, "a newer deployment took its place"),
        };
        self.bring(number, state, Some(why), |_| ()).await?;
        Ok(Round::Moved)
    }

    /// Puts our name into the exports that a graph uses, as far as these are there, so that their owners keep them.
    pub(super) async fn use_exports(&mut self, wanted: &BTreeSet<Address>) -> Result<(), Halt> {
        let missing: BTreeSet<&Address> = wanted.difference(&self.rows().uses).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let taken: Vec<Address> = missing.into_iter().take(USES_AT_ONCE).cloned().collect();
        self.write_uses(taken, true).await
    }

    /// Takes our name out of the exports that are not used any more.
    pub(super) async fn release_exports(&mut self, still_used: &BTreeSet<Address>) -> Result<(), Halt> {
        let over: Vec<Address> = self.rows().uses.difference(still_used).take(USES_AT_ONCE).cloned().collect();
        if over.is_empty() {
            return Ok(());
        }
        self.write_uses(over, false).await
    }

    async fn write_uses(&mut self, which: Vec<Address>, using: bool) -> Result<(), Halt> {
        let mut uses = self.rows().uses.clone();
        let mut change = Change::new();
        let mut loaded = BTreeMap::new();
        for stack in which.iter().map(Address::stack_id).collect::<BTreeSet<_>>() {
            loaded.extend(super::super::exports::load(&self.shared, &stack).await.map_err(|error| later(&error))?);
        }
        let mut owners = BTreeSet::new();
        for of in which {
            let there = loaded.get(&of);
            if let Some(there) = there {
                let mut export: Export = there.export.clone();
                let changed = if using { export.users.insert(self.id.clone()) } else { export.users.remove(&self.id) };
                if changed {
                    owners.insert(of.stack_id());
                    let expected = Some(Expected::Version(there.version));
                    change.push(Op::World(export_key(&of), expected, encode(&(&of, &export))));
                }
            }
            match using {
                true if there.is_some() => drop(uses.insert(of)),
                // It is not there yet: its name is written when it is.
                true => {}
                false => drop(uses.remove(&of)),
            }
        }
        if uses != self.rows().uses {
            change.push(Op::Uses(uses));
        }
        self.commit(change).await?;
        // Who waits for its last user to go is told by nobody else.
        owners.iter().for_each(|owner| self.shared.nudge(owner, Nudge { reload: true, look: false }));
        Ok(())
    }
}
