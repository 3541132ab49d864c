//! A running deployment is driven: look, plan, verify, answer the verdict, run what may run.

use super::super::record::{Change, Op};
use super::inputs::Planning;
use super::{Activation, Halt, Round};
use crate::graph::Need;
use crate::model::{Address, Digest};
use crate::plan::{LineCode, Plan, Report, Verdict, unsealed};
use crate::state::{StackState, Wish};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Activation {
    /// One round of a running deployment.
    pub(super) async fn drive(&mut self, number: u64) -> Result<Round, Halt> {
        let mut planning = self.planning(self.stack().target, Some(number)).await?;
        self.use_imports(&planning).await?;
        self.look_all(&planning.desired).await?;
        let (mut plan, mut report) = self.plan_recorded(&planning)?;
        let is_returning = self.deployment(number).deployment.why.is_some();
        if is_returning && matches!(plan.verdict, Verdict::AwaitApproval { .. }) {
            // The way back was approved with the way there.
            planning.approved.extend(plan.steps.values().map(|step| step.digest));
            (plan, report) = self.plan_recorded(&planning)?;
        }
        self.reported(report);
        self.add_unfilled();
        // Who hears of an end asks at once how it is now: doors know as much as what ends it.
        self.glance(None);
        self.offer(&planning).await?;
        match plan.verdict.clone() {
            Verdict::Done => self.done(number, &planning).await,
            Verdict::RollBack { bad, to, why } => self.go_back(number, bad, to, why).await,
            Verdict::Fail(why) => self.fail(number, why).await,
            // What a later wish asks leave for is asked for by its own deployment.
            Verdict::AwaitApproval { .. } if self.deployment(number).generation < self.stack().wish_generation => {
                Ok(Round::Waits)
            }
            Verdict::AwaitApproval { why, .. } => {
                let row = self.deployment(number).clone();
                let report = self.memory.report.clone();
                let kept = self.keep_plan(&plan, &report).await?;
                self.show(&row, &plan, kept, why).await
            }
            Verdict::Proceed => self.proceed(number, &plan, &planning).await,
        }
    }

    async fn proceed(&mut self, number: u64, plan: &Plan, planning: &Planning) -> Result<Round, Halt> {
        self.reseal(number, plan).await?;
        self.tell_migrating().await?;
        self.memory.unfilled.clear();
        let round = self.run_steps(plan, planning, number).await?;
        if round == Round::Waits {
            if let Some(at) = self.memory.report.wake_at {
                self.wake_at(at);
            }
            self.add_unfilled();
            self.tell_waiting().await?;
        }
        Ok(round)
    }

    /// Steps that are not in the seal need another one. Policy does not ask here: the plan's verdict would have said so.
    async fn reseal(&mut self, number: u64, plan: &Plan) -> Result<(), Halt> {
        let sealed = self.sealed(number).await?;
        if unsealed(plan, &sealed).is_empty() {
            return Ok(());
        }
        let report = self.memory.report.clone();
        let kept = self.keep_plan(plan, &report).await?;
        let seal = self.seal_blob(plan, Some(&sealed)).await?;
        let mut row = self.deployment(number).clone();
        (row.deployment.plan, row.deployment.seal, row.plan) = (Some(kept), Some(seal), Some(plan.digest));
        let mut change = Change::new();
        self.tell_plan(&mut change, &row, plan, kept);
        change.push(Op::Deployment(Box::new(row)));
        change.depend_on_stack(&self.id);
        self.commit(change).await
    }

    async fn sealed(&mut self, number: u64) -> Result<Arc<BTreeSet<Digest>>, Halt> {
        let Some(blob) = self.deployment(number).deployment.seal else { return Ok(Arc::default()) };
        if let Some((held, sealed)) = &self.memory.seal
            && *held == blob
        {
            return Ok(Arc::clone(sealed));
        }
        let sealed = Arc::new(self.digests(blob).await?);
        self.memory.seal = Some((blob, Arc::clone(&sealed)));
        Ok(sealed)
    }

    /// Our name stands with whoever offers what we use, before anything is made that uses it.
    /// Who is to be gone lets go of each thing once nothing that still stands needs it to be ready, and at once of what it
    /// needs only the name of: stacks that need each other may go together, and neither is kept for the other.
    async fn use_imports(&mut self, planning: &Planning) -> Result<(), Halt> {
        if matches!(self.stack().wish, Wish::Gone) {
            let needs = self.record().owned.values().flat_map(|row| &row.needs);
            let ready = needs.filter_map(|need| if let Need::Ready(of) = need { Some(of) } else { None });
            let needed = ready.filter(|of| of.stack_id() != self.id).cloned().collect();
            return self.release_exports(&needed).await;
        }
        let imports: BTreeSet<Address> = planning.desired.imports.iter().map(|import| import.of.clone()).collect();
        let there = imports.into_iter().filter(|of| planning.imported.contains_key(of)).collect();
        self.use_exports(&there).await
    }

    /// `Migrating` while a migration is on its way.
    async fn tell_migrating(&mut self) -> Result<(), Halt> {
        let state = match (self.stack().state, self.in_migration()) {
            (StackState::Available, true) => StackState::Migrating,
            (StackState::Migrating, false) => StackState::Available,
            _ => return Ok(()),
        };
        let mut stack = self.stack().clone();
        stack.state = state;
        let mut change = Change::new();
        self.put_stack(&mut change, stack);
        self.commit(change).await
    }

    /// Steps that lack a secret are told with all else that is waited for, and tried again soon.
    fn add_unfilled(&mut self) {
        let lines: Vec<_> = self
            .memory
            .unfilled
            .iter()
            .map(|(identity, why)| {
                crate::plan::Line::new(identity.address.clone(), LineCode::SecretMissing, why.clone())
            })
            .collect();
        if !lines.is_empty() {
            self.wake_after(self.shared.parts.limits.backoff_max);
        }
        let report: &mut Report = &mut self.memory.report;
        for line in lines {
            if !report.waiting.contains(&line) {
                report.waiting.push(line);
            }
        }
    }
}
