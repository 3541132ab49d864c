//! A plan without running it: the same look, the same `plan` and the same `verify` as an activation has, over a copy of
//! what is recorded. Nothing of it is written but the plan itself.

use super::super::exports::{foreign, imported};
use super::super::gather::graph_of;
use super::super::look::{look, queries};
use super::super::record::{Change, Op, StackRows};
use super::super::rows::{Aim, PlanRow};
use super::compile::{Would, release_of};
use super::status::label;
use super::{Changed, DoorError, Engine, Planned};
use crate::act::{settled, started};
use crate::contract::Freshness;
use crate::diagnostic::{Diagnostic, Severity};
use crate::graph::DesiredGraph;
use crate::model::{Address, Digest, SecretName, SecretVersion};
use crate::plan::{Inputs, Line, LineCode, Plan, Report, not_offered, plan, verify};
use crate::state::{Mode, Observation, Record, ReleaseId, RevisionId, Why, WhyCode};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a plan is to be made of.
pub(super) struct Draft {
    /// What is recorded, with the stack's row as it would be.
    pub record: Record,
    /// The revision, if it is one's.
    pub revision: Option<RevisionId>,
    /// The release that it leads to.
    pub release: Option<ReleaseId>,
    /// Its graph.
    pub desired: Arc<DesiredGraph>,
    /// The graph of the last good release.
    pub good: Option<Arc<DesiredGraph>>,
    /// The secrets of the release.
    pub secrets: BTreeMap<SecretName, SecretVersion>,
    /// Why others cannot be had.
    pub secrets_missing: BTreeMap<SecretName, Why>,
    /// How it would be run.
    pub mode: Mode,
    /// Whether it leads back to what was good before.
    pub goes_back: bool,
    /// What others do not offer yet: until they do, the stack stays as it is.
    pub not_offered: BTreeSet<Address>,
    /// What was noted of the files: no mistakes, and still worth a look before they are deployed.
    pub noted: Vec<Why>,
    /// Why the release is quarantined, if it is: it is planned as if it were tried again, and that is told.
    pub quarantined: Option<Why>,
}

/// A plan, and what was seen for it.
pub(super) struct Made {
    pub planned: Planned,
    pub seen: Observation,
}

impl Draft {
    /// As if its deployment had started.
    pub(super) fn tried(mut self) -> Draft {
        let stack = &mut self.record.stack;
        self.quarantined = self.release.and_then(|release| stack.quarantine.remove(&release));
        *stack = started(stack, self.release);
        self
    }
}

impl Engine {
    /// The graph of a release that is kept; an empty one of none.
    pub(super) async fn graph(
        &self,
        rows: &StackRows,
        release: Option<ReleaseId>,
    ) -> Result<Arc<DesiredGraph>, DoorError> {
        let Some(id) = release else { return Ok(Arc::new(DesiredGraph::empty(rows.id.clone()))) };
        let row = rows.releases.get(&id).ok_or_else(|| not_kept(rows, id))?;
        Ok(Arc::new(graph_of(&*self.parts().store, row.release.graph).await?))
    }

    /// A draft of what is recorded: to its target, by its wish.
    pub(super) async fn draft(&self, rows: &StackRows, record: Record, mode: Mode) -> Result<Draft, DoorError> {
        let target = record.stack.target;
        let row = target.and_then(|target| rows.releases.get(&target));
        let good = match record.stack.good {
            Some(good) => Some(self.graph(rows, Some(good)).await?),
            None => None,
        };
        Ok(Draft {
            revision: row.map(|row| row.release.revision),
            release: target,
            desired: self.graph(rows, target).await?,
            good,
            secrets: row.map(|row| row.release.secrets.clone()).unwrap_or_default(),
            secrets_missing: BTreeMap::new(),
            mode,
            goes_back: rows.running().is_some_and(|row| matches!(row.aim, Aim::Release(_))),
            not_offered: BTreeSet::new(),
            noted: Vec::new(),
            quarantined: None,
            record,
        })
    }

    /// A draft of what a stack would be with what was compiled.
    pub(super) async fn draft_of(
        &self,
        rows: &StackRows,
        record: Record,
        would: &Would,
        mode: Mode,
    ) -> Result<Draft, DoorError> {
        let mut draft = self.draft(rows, record, mode).await?;
        draft.noted = would.compiled.said.iter().filter(|one| one.severity != Severity::Error).map(note).collect();
        match &would.compiled.graph {
            None => draft.not_offered = would.compiled.not_offered.clone(),
            Some(graph) => {
                (draft.secrets, draft.secrets_missing) = self.secrets_of(&would.stack, graph, &draft.secrets).await?;
                let release = release_of(would.revision.id(), graph, draft.secrets.clone()).id();
                draft.desired = Arc::clone(graph);
                draft.goes_back = false;
                (draft.revision, draft.release) = (Some(would.revision.id()), Some(release));
            }
        }
        Ok(draft.tried())
    }

    /// Looks and plans.
    pub(super) async fn make(&self, mut draft: Draft) -> Result<Made, DoorError> {
        let stack = draft.record.stack.id.clone();
        let policy = self.facts(&stack.world)?.policy.clone();
        let seen = self.seen(&mut draft).await;
        let imported = imported(&self.shared, &draft.desired).await?;
        let (foreign, settling, approved) = (foreign(&imported), BTreeMap::new(), BTreeSet::new());
        let now = self.shared.now();
        let inputs = Inputs {
            desired: &draft.desired,
            release: draft.release,
            good: draft.good.as_deref(),
            record: &draft.record,
            seen: &seen,
            kinds: &self.parts().kinds,
            policy: &policy,
            secret_versions: &draft.secrets,
            secrets_missing: &draft.secrets_missing,
            foreign: &foreign,
            settling: &settling,
            deployment: None,
            mode: draft.mode,
            goes_back: draft.goes_back,
            approved: &approved,
            now: &now,
        };
        let (plan, mut report) = plan(&inputs);
        check(&inputs, &plan)?;
        add_lines(&draft, &mut report);
        report.held.extend(self.lacking(&stack.world, &plan, &draft.desired).await);
        let before = plan.steps.values().filter_map(|step| draft.record.owned.get(&step.identity));
        let before = before.map(|owned| (owned.identity.clone(), owned.fields.clone())).collect();
        let replicas = Planned::replicas_of(&draft.record);
        let planned = Planned { stack, revision: draft.revision, plan, report, before, replicas, made: now.wall };
        Ok(Made { planned, seen })
    }

    /// A fresh look at everything of the stack; what it settles is settled in the draft.
    async fn seen(&self, draft: &mut Draft) -> Observation {
        let asked = queries(&draft.record, &draft.desired);
        let world = draft.record.stack.id.world.clone();
        let seen = look(&self.shared, &world, asked, Freshness::Fresh).await;
        for owned in settled(&draft.record, &seen, &self.parts().kinds, self.shared.now().wall) {
            draft.record.owned.insert(owned.identity.clone(), owned);
        }
        seen
    }

    /// Keeps a plan, to be shown and applied by its digest; the oldest of the stack are let go.
    pub(super) async fn keep_planned(&self, planned: &Planned) -> Result<(), DoorError> {
        let blob = self.keep(planned).await?;
        let kept_max = self.parts().limits.plans_kept;
        self.write_quietly(&planned.stack, |rows, _| {
            let mut change = Change::new();
            change.push(Op::Plan(planned.plan.digest, PlanRow { blob, made: planned.made }));
            let in_use = |digest: &Digest| rows.live.values().any(|row| row.plan.as_ref() == Some(digest));
            let mut old: Vec<_> = rows.plans.iter().filter(|(digest, _)| !in_use(digest)).collect();
            old.sort_by_key(|(_, row)| std::cmp::Reverse(row.made));
            let beyond = old.into_iter().skip(kept_max).filter(|(digest, _)| **digest != planned.plan.digest);
            beyond.take(4).for_each(|(digest, _)| change.push(Op::NoPlan(*digest)));
            Ok((change, ()))
        })
        .await
    }

    /// A plan that is kept, if it is.
    pub(super) async fn kept_plan(&self, rows: &StackRows, plan: Digest) -> Result<Option<Planned>, DoorError> {
        match rows.plans.get(&plan) {
            Some(row) => Ok(Some(self.planned(row.blob).await?)),
            None => Ok(None),
        }
    }

    /// What changed since a plan was shown.
    pub(super) async fn changed(&self, rows: &StackRows, named: Digest, now: &Plan) -> Result<DoorError, DoorError> {
        let before = self.kept_plan(rows, named).await?;
        let moved = before.map(|before| differences(&before.plan, now)).unwrap_or_default();
        Ok(DoorError::Stale(Changed { named, now: now.digest, moved }))
    }
}

/// A plan that breaks a rule is our bug: it is told, and nothing of it is shown as if it could be done.
fn check(inputs: &Inputs<'_>, plan: &Plan) -> Result<(), DoorError> {
    let broken = verify(inputs, plan);
    if broken.is_empty() {
        return Ok(());
    }
    let rules = broken.iter().map(|one| format!("{}: {}", one.rule, one.how)).collect();
    let why = Why::new(WhyCode::Other, "a bug of deployd: its plan breaks a rule").details(rules);
    Err(DoorError::Stopped(why.way_out("report it with these lines")))
}

fn add_lines(draft: &Draft, report: &mut Report) {
    let stack = &draft.record.stack.id;
    let whole = stack.address(stack.stack.clone());
    if let Some(bad) = &draft.quarantined {
        let text = format!("this release is quarantined: {}", bad.text);
        let why = Why::new(WhyCode::Refused, text).way_out(format!("deployd retry {}", stack.stack));
        report.held.push(Line::new(whole.clone(), LineCode::Refused, why));
    }
    report.waiting.extend(not_offered(&draft.not_offered));
    report.noted.extend(draft.noted.iter().map(|why| Line::new(whole.clone(), LineCode::Other, why.clone())));
}

/// What a note of the files says, in one line.
fn note(one: &Diagnostic) -> Why {
    let why = Why::new(WhyCode::Other, one.detail.clone());
    match one.help.first() {
        Some(help) => why.way_out(help.clone()),
        None => why,
    }
}

/// What two plans do not have alike, in sentences.
fn differences(before: &Plan, now: &Plan) -> Vec<(Address, String)> {
    let ids: BTreeSet<_> = before.steps.keys().chain(now.steps.keys()).collect();
    let sentence = |id: &&crate::plan::StepId| {
        let (old, new) = (before.steps.get(*id), now.steps.get(*id));
        let text = match (old, new) {
            (Some(old), None) => format!("{} is not to be done any more", old.act),
            (None, Some(new)) => format!("{} is to be done now", new.act),
            (Some(old), Some(new)) if old.digest != new.digest => {
                format!("{} starts from, or leads to, something else now", new.act)
            }
            _ => return None,
        };
        Some((new.or(old)?.identity.address.clone(), text))
    };
    let mut moved: Vec<(Address, String)> = ids.iter().filter_map(sentence).collect();
    if before.release != now.release {
        moved.insert(0, (now.stack.address(now.stack.stack.clone()), "it leads to another release now".to_owned()));
    }
    moved
}

/// A release is not kept.
pub(super) fn not_kept(rows: &StackRows, release: ReleaseId) -> DoorError {
    not_kept_as(rows, &label(rows, release).unwrap_or_else(|| release.short()))
}

/// A release is not kept that somebody calls so: with those that are, the newest first.
pub(super) fn not_kept_as(rows: &StackRows, named: &str) -> DoorError {
    let mut kept: Vec<_> = rows.releases.iter().filter(|(_, row)| row.good.is_some()).collect();
    kept.sort_by_key(|(_, row)| std::cmp::Reverse((row.made, row.nth)));
    let labels: Vec<String> = kept.iter().filter_map(|(id, _)| label(rows, **id)).collect();
    let why = Why::new(WhyCode::Missing, format!("{} keeps no release {named} any more", rows.id));
    DoorError::NotFound(match labels.is_empty() {
        true => why,
        false => why.way_out(format!("of those that were good it keeps {}", labels.join(", "))),
    })
}
