//! A deployment is planned before it runs: its steps are sealed, or shown for approval.

use super::super::doors::Planned;
use super::super::gather::keep_blob;
use super::super::queue::move_to;
use super::super::record::{Change, Op};
use super::super::rows::{DeploymentRow, PlanRow};
use super::inputs::Planning;
use super::{Activation, Halt, Round, later};
use crate::act::started;
use crate::model::{Digest, Identity, Value};
use crate::plan::{Plan, Report, Verdict, plan, seal, verify};
use crate::state::{DeploymentState, EventBody, Stack, Why, WhyCode};
use std::collections::{BTreeMap, BTreeSet};

impl Activation {
    /// Plans a deployment that has its release, and makes it available; or shows its plan for approval.
    pub(super) async fn weigh(&mut self, number: u64) -> Result<Round, Halt> {
        let row = self.deployment(number).clone();
        let planning = self.planning(row.deployment.release, Some(number)).await?;
        self.look_all(&planning.desired).await?;
        let (mut plan, mut report) = self.plan_as(&self.as_started(&row), &planning)?;
        if plan.steps.is_empty() && row.deployment.principal.is_somebody() {
            // Who asks hears that nothing is to do only after a look of now: what was seen a while ago may be gone.
            let all = self.record().owned.keys().cloned().collect();
            if self.look_fresh(&planning.desired, &all).await? {
                (plan, report) = self.plan_as(&self.as_started(&row), &planning)?;
            }
        }
        let kept = self.keep_plan(&plan, &report).await?;
        match &plan.verdict {
            Verdict::AwaitApproval { why, .. } => self.show(&row, &plan, kept, why.clone()).await,
            Verdict::RollBack { why, .. } | Verdict::Fail(why) if plan.steps.is_empty() => {
                self.give_up(number, why.clone()).await
            }
            _ => {
                let seal = self.seal_blob(&plan, None).await?;
                let is_held = self.rows().running().is_some();
                let state = if is_held { DeploymentState::Waiting } else { DeploymentState::Available };
                let mut next = row.clone();
                let deployment = &mut next.deployment;
                (deployment.plan, deployment.seal, next.plan) = (Some(kept), Some(seal), Some(plan.digest));
                let mut change = Change::new();
                self.tell_plan(&mut change, &next, &plan, kept);
                match next.deployment.state == state {
                    // It waits already, for one that still runs: whoever runs it then weighs it again.
                    true => change.push(Op::Deployment(Box::new(next))),
                    false => drop(move_to(next, state, None, self.now().wall, &mut change)),
                }
                change.depend_on_stack(&self.id);
                self.commit(change).await?;
                // Where one runs, it is that one's turn to make room, or to go on.
                Ok(Round::Moved)
            }
        }
    }

    /// It cannot even begin: it ends, and the stack is as it was.
    async fn give_up(&mut self, number: u64, why: Why) -> Result<Round, Halt> {
        if self.deployment(number).deployment.state != DeploymentState::Triggered {
            self.bring(number, DeploymentState::Triggered, None, |_| ()).await?;
        }
        self.bring(number, DeploymentState::Failed, Some(why), |_| ()).await?;
        Ok(Round::Moved)
    }

    /// The stack's row as it will be when a deployment has started.
    pub(super) fn as_started(&self, row: &DeploymentRow) -> Stack {
        started(self.stack(), row.deployment.release)
    }

    /// Plans with another row of the stack than the recorded one, and checks the plan. A plan that breaks a rule is our
    /// bug: it is told, and nothing of it is ever done.
    pub(super) fn plan_as(&mut self, stack: &Stack, planning: &Planning) -> Result<(Plan, Report), Halt> {
        let now = self.now();
        let kinds = std::sync::Arc::clone(&self.shared.parts.kinds);
        let rows = self.memory.rows.as_mut().expect("rows are loaded before anything is planned");
        let record = rows.record.as_mut().expect("a stack that is activated has its row");
        let recorded = std::mem::replace(&mut record.stack, stack.clone());
        let inputs = planning.inputs(record, &self.memory.seen, &kinds, &now);
        let (plan, report) = plan(&inputs);
        let broken = verify(&inputs, &plan);
        record.stack = recorded;
        if broken.is_empty() {
            return Ok((plan, report));
        }
        let rules = broken.iter().map(|one| match &one.step {
            Some(step) => format!("{} ({step}): {}", one.rule, one.how),
            None => format!("{}: {}", one.rule, one.how),
        });
        let why = Why::new(WhyCode::Other, "a bug of deployd: its plan breaks a rule, so nothing of it is done");
        Err(Halt::SetAside(why.details(rules.collect()).way_out("report it with these lines")))
    }

    /// Plans what is recorded.
    pub(super) fn plan_recorded(&mut self, planning: &Planning) -> Result<(Plan, Report), Halt> {
        let stack = self.stack().clone();
        self.plan_as(&stack, planning)
    }

    /// Keeps a plan with its report, to be shown and applied by its digest.
    pub(super) async fn keep_plan(&self, plan: &Plan, report: &Report) -> Result<Digest, Halt> {
        let revision = plan.release.and_then(|release| self.rows().releases.get(&release));
        let planned = Planned {
            stack: self.id.clone(),
            revision: revision.map(|row| row.release.revision),
            plan: plan.clone(),
            report: report.clone(),
            before: self.before(plan),
            replicas: Planned::replicas_of(self.record()),
            made: self.now().wall,
        };
        keep_blob(&*self.shared.parts.store, &planned).await.map_err(|error| later(&error))
    }

    fn before(&self, plan: &Plan) -> BTreeMap<Identity, Value> {
        let owned = &self.record().owned;
        let recorded = plan.steps.values().filter_map(|step| owned.get(&step.identity));
        recorded.map(|owned| (owned.identity.clone(), owned.fields.clone())).collect()
    }

    /// A seal: what was sealed before, and the steps of this plan.
    pub(super) async fn seal_blob(&self, plan: &Plan, before: Option<&BTreeSet<Digest>>) -> Result<Digest, Halt> {
        let mut steps = seal(plan);
        steps.extend(before.into_iter().flatten());
        keep_blob(&*self.shared.parts.store, &steps).await.map_err(|error| later(&error))
    }

    /// The plan's row, the event that tells of it, and the oldest plans' ends.
    pub(super) fn tell_plan(&self, change: &mut Change, row: &DeploymentRow, plan: &Plan, kept: Digest) {
        let steps = u32::try_from(plan.steps.len()).unwrap_or(u32::MAX);
        change.tell(EventBody::Planned { id: row.deployment.id.clone(), plan: kept, steps });
        change.push(Op::Plan(plan.digest, PlanRow { blob: kept, made: self.now().wall }));
        let in_use = |digest: &Digest| self.rows().live.values().any(|row| row.plan.as_ref() == Some(digest));
        let mut old: Vec<_> = self.rows().plans.iter().filter(|(digest, _)| !in_use(digest)).collect();
        old.sort_by_key(|(_, row)| std::cmp::Reverse(row.made));
        let beyond = old.into_iter().skip(self.shared.parts.limits.plans_kept);
        for (digest, _) in beyond.filter(|(digest, _)| **digest != plan.digest).take(4) {
            change.push(Op::NoPlan(*digest));
        }
    }

    /// Shows a plan for approval. It does not hold the stack; one that was approved already and has moved is asked for
    /// anew.
    pub(super) async fn show(
        &mut self,
        row: &DeploymentRow,
        plan: &Plan,
        kept: Digest,
        why: Why,
    ) -> Result<Round, Halt> {
        let was_shown = row.shown.is_some_and(|(shown, _)| shown == plan.digest);
        if row.deployment.state == DeploymentState::AwaitingApproval && was_shown && row.deployment.approved.is_none() {
            return Ok(Round::Waits);
        }
        let steps = self.seal_blob(plan, None).await?;
        let mut next = row.clone();
        (next.deployment.plan, next.deployment.approved) = (Some(kept), None);
        (next.plan, next.shown) = (Some(plan.digest), Some((plan.digest, steps)));
        next.deployment.why = Some(why.clone());
        let mut change = Change::new();
        self.tell_plan(&mut change, &next, plan, kept);
        match next.deployment.state {
            DeploymentState::AwaitingApproval => change.push(Op::Deployment(Box::new(next))),
            _ => drop(move_to(next, DeploymentState::AwaitingApproval, Some(why), self.now().wall, &mut change)),
        }
        change.depend_on_stack(&self.id);
        self.commit(change).await?;
        Ok(Round::Moved)
    }
}
