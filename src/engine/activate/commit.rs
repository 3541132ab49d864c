//! What an activation writes: always under its fence, always with an expectation of every row that it writes over.

use super::super::queue::move_to;
use super::super::record::{Change, Op, commit};
use super::super::rows::DeploymentRow;
use super::{Activation, Halt};
use crate::act::set;
use crate::state::{DeploymentState, EventBody, Record, Stack, StackCondition, Why};

impl Activation {
    /// Commits a change.
    pub(super) async fn commit(&mut self, change: Change) -> Result<(), Halt> {
        if change.is_empty() {
            return Ok(());
        }
        let fence = self.fence().await?;
        let now = self.now().wall;
        let store = std::sync::Arc::clone(&self.shared.parts.store);
        let rows = self.memory.rows.as_mut().expect("rows are loaded before anything is written");
        self.memory.idle = false;
        self.has_committed = true;
        commit(&*store, rows, Some(fence), change, now).await?;
        Ok(())
    }

    /// The stack's row, to be changed and put.
    pub(super) fn stack(&self) -> &Stack {
        &self.record().stack
    }

    pub(super) fn record(&self) -> &Record {
        self.rows().record.as_ref().expect("a stack that is activated has its row")
    }

    pub(super) fn deployment(&self, number: u64) -> &DeploymentRow {
        self.rows().live.get(&number).expect("whose turn it is lives")
    }

    /// Puts the stack's row if it differs, and tells of it if people see the difference.
    pub(super) fn put_stack(&self, change: &mut Change, mut stack: Stack) {
        let before = self.stack();
        if stack == *before {
            return;
        }
        if stack.state != before.state {
            stack.since = self.now().wall;
        }
        let seen = |stack: &Stack| (stack.state, stack.conditions.keys().copied().collect::<Vec<_>>());
        if seen(&stack) != seen(before) {
            let (state, conditions) = seen(&stack);
            change.tell(EventBody::Stack { stack: self.id.clone(), state, conditions });
        }
        if stack.target != before.target {
            change.tell(EventBody::Target { stack: self.id.clone(), release: stack.target });
        }
        change.push(Op::Stack(Box::new(stack)));
    }

    /// Sets or takes away a condition, in a commit of its own, unless it is so already.
    pub(super) async fn condition(&mut self, which: StackCondition, why: Option<Why>) -> Result<(), Halt> {
        if self.stack().conditions.get(&which) == why.as_ref() {
            return Ok(());
        }
        let mut stack = self.stack().clone();
        set(&mut stack, which, why);
        let mut change = Change::new();
        self.put_stack(&mut change, stack);
        self.commit(change).await
    }

    /// Brings a deployment to another state, in a commit of its own.
    pub(super) async fn bring(
        &mut self,
        number: u64,
        state: DeploymentState,
        why: Option<Why>,
        with: impl FnOnce(&mut DeploymentRow),
    ) -> Result<(), Halt> {
        let mut row = self.deployment(number).clone();
        with(&mut row);
        let mut change = Change::new();
        move_to(row, state, why, self.now().wall, &mut change);
        change.depend_on_stack(&self.id);
        self.commit(change).await
    }
}
