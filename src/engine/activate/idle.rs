//! No deployment runs: the stack is held where its last good release, or its wish, has it. What has drifted becomes a
//! deployment like any other: shown, sealed, and approved where policy asks.

use super::super::queue::{New, accept};
use super::super::record::{Change, Op};
use super::super::rows::Aim;
use super::{Activation, Halt, Round};
use crate::act::set;
use crate::graph::Data;
use crate::model::Digest;
use crate::plan::{Plan, Reason, Report};
use crate::state::{
    EventBody, From, Mode, Owned, Phase, Principal, SourceId, Stack, StackCondition, StackState, Why, WhyCode, Wish,
};
use std::collections::{BTreeMap, BTreeSet};

impl Activation {
    /// Whether there is such a stack. One that a followed source or the world's own file speaks of is made a stack here.
    pub(super) async fn exists(&mut self) -> Result<bool, Halt> {
        if self.rows().record.is_some() {
            self.shared.unrecorded(&self.id, BTreeSet::new());
            self.made_again().await?;
            return Ok(true);
        }
        let Some((source, from, principal)) = self.spoken_of() else {
            let found = self.shared.take_found(&self.id);
            if !found.is_empty() {
                let identities = found.into_iter().map(|one| one.receipt.identity).collect();
                self.shared.unrecorded(&self.id, identities);
            }
            return Ok(false);
        };
        let now = self.now().wall;
        let stack = Stack::new(self.id.clone(), Wish::Run { source }, from, principal, now);
        let mut change = Change::new();
        change.tell(EventBody::Stack { stack: self.id.clone(), state: stack.state, conditions: Vec::new() });
        change.push(Op::Stack(Box::new(stack)));
        self.commit(change).await?;
        Ok(true)
    }

    /// What was taken away under a name that the world's own file asks for, is made as that says.
    async fn made_again(&mut self) -> Result<(), Halt> {
        let stack = self.stack();
        let is_gone = matches!(stack.wish, Wish::Gone) && self.rows().live.is_empty();
        let has_ended = matches!(stack.state, StackState::Deleted | StackState::Stopped);
        let Some(source) = self.world_asks().filter(|_| is_gone && has_ended) else { return Ok(()) };
        let principal = Principal(Principal::DEPLOYD.to_owned());
        let mut stack = stack.clone();
        stack.wish_generation += 1;
        (stack.wish, stack.from) = (Wish::Run { source: source.clone() }, From::File);
        let new = New {
            aim: Aim::Source,
            source: Some(source),
            revision: None,
            release: None,
            mode: Mode::Evaluated,
            principal,
            because: "the world's file asks for it".to_owned(),
        };
        let mut change = Change::new();
        if accept(self.rows(), &mut stack, new, self.now().wall, &self.shared.parts.limits, &mut change).is_ok() {
            self.put_stack(&mut change, stack);
            self.commit(change).await?;
        }
        Ok(())
    }

    /// The world's own file as a source, where it asks for a resource of this name.
    fn world_asks(&self) -> Option<SourceId> {
        let facts = self.shared.catalogue().1.worlds().get(&self.id.world).cloned()?;
        facts.resources.contains_key(&self.id.stack).then(|| SourceId(format!("world:{}", self.id.world)))
    }

    fn spoken_of(&self) -> Option<(SourceId, From, Principal)> {
        if let Some(source) = self.world_asks() {
            return Some((source, From::File, Principal(Principal::DEPLOYD.to_owned())));
        }
        let holds = |source: &SourceId| {
            let read = self.shared.source(source)?;
            let held = read.held.as_ref().ok()?;
            let found = held.manifests.found.get(&self.id.stack)?;
            found.worlds.as_ref().is_none_or(|worlds| worlds.contains(&self.id.world)).then_some(())
        };
        let mut rows = self.shared.sources_of(&self.id).into_iter();
        rows.find(|row| holds(&row.source).is_some()).map(|row| (row.source, row.from, row.principal))
    }

    /// Holds the stack where it should be.
    pub(super) async fn hold(&mut self) -> Result<Round, Halt> {
        if self.return_to_good().await? {
            return Ok(Round::Moved);
        }
        let stack = self.stack();
        let is_deleted = stack.state == StackState::Deleted && self.record().owned.is_empty();
        if is_deleted || !self.is_to_be_held() {
            return Ok(Round::Waits);
        }
        if self.memory.idle && !self.nudge.look {
            return Ok(Round::Waits);
        }
        let target = stack.target;
        self.world()?;
        let desired = self.graph(target).await?;
        let was_idle = self.memory.idle;
        let has_changed = self.look_all(&desired).await?;
        if was_idle && self.memory.idle && !has_changed {
            // As it was when there was nothing to be done: nothing else is asked of anybody.
            return Ok(Round::Waits);
        }
        let planning = self.planning(target, None).await?;
        let (plan, report) = self.plan_recorded(&planning)?;
        self.offer(&planning).await?;
        if plan.steps.is_empty() {
            return self.settled(plan, report).await;
        }
        self.reported(report);
        self.heal(&plan).await
    }

    /// Without a deployment, a stack is at its last good release: one that was cancelled or superseded half way is left.
    async fn return_to_good(&mut self) -> Result<bool, Halt> {
        let stack = self.stack();
        let is_half_way = stack.good.is_some() && stack.target != stack.good && matches!(stack.wish, Wish::Run { .. });
        if !is_half_way || !self.rows().live.is_empty() {
            return Ok(false);
        }
        let mut stack = stack.clone();
        stack.target = stack.good;
        let mut change = Change::new();
        self.put_stack(&mut change, stack);
        self.commit(change).await?;
        Ok(true)
    }

    /// Whether anything is to be put right without being asked: never on the way to a release that was never good.
    fn is_to_be_held(&self) -> bool {
        let stack = self.stack();
        match stack.wish {
            Wish::Run { .. } => stack.target.is_some() && stack.target == stack.good,
            Wish::Stopped | Wish::Gone => !self.record().owned.is_empty(),
        }
    }

    /// Nothing is to be done.
    async fn settled(&mut self, plan: Plan, report: Report) -> Result<Round, Halt> {
        drop(plan);
        if let Some(at) = report.wake_at {
            self.wake_at(at);
        }
        self.memory.idle = report.waiting.is_empty() && report.wake_at.is_none();
        let is_idle = self.memory.idle;
        self.reported(report);
        self.tell_waiting().await?;
        self.memory.idle = is_idle;
        Ok(Round::Waits)
    }

    /// What is not as it should be becomes a deployment, unless one is waiting for it already.
    async fn heal(&mut self, plan: &Plan) -> Result<Round, Halt> {
        if self.rows().live.values().any(|row| row.aim == Aim::Target) {
            return Ok(Round::Waits);
        }
        let because = because(plan);
        let new = New {
            aim: Aim::Target,
            source: None,
            revision: None,
            release: self.stack().target,
            mode: Mode::Evaluated,
            principal: Principal(Principal::DEPLOYD.to_owned()),
            because: because.clone(),
        };
        let mut stack = self.stack().clone();
        let mut change = Change::new();
        let limits = &self.shared.parts.limits;
        if let Err(why) = accept(self.rows(), &mut stack, new, self.now().wall, limits, &mut change) {
            self.memory.report.waiting.push(self.line(why));
            return Ok(Round::Waits);
        }
        let drifted = drifted(plan);
        if !drifted.is_empty() {
            set(&mut stack, StackCondition::Drifted, Some(Why::new(WhyCode::Other, because)));
        }
        drifted.into_iter().for_each(|event| change.tell(event));
        self.put_stack(&mut change, stack);
        self.commit(change).await?;
        Ok(Round::Moved)
    }

    /// The condition that says what is waited for: written when that is another thing, not with every second of it.
    pub(super) async fn tell_waiting(&mut self) -> Result<(), Halt> {
        let report = &self.memory.report;
        // What waits for something else of the stack says less than what keeps that one.
        let says_why = report.waiting.iter().find(|line| line.code != crate::plan::LineCode::NeedsAnother);
        let line = says_why.or(report.held.first()).or(report.waiting.first());
        let before = self.stack().conditions.get(&StackCondition::Waiting);
        let says = |line: &crate::plan::Line| {
            let text = format!("{}: {}", line.at.short(), line.why.text);
            Why { code: line.why.code, text, details: Vec::new(), way_out: line.why.way_out.clone() }
        };
        let same = match (line, before) {
            (None, None) => true,
            (Some(line), Some(before)) => {
                before.code == line.why.code && before.text.starts_with(&format!("{}: ", line.at.short()))
            }
            _ => false,
        };
        if same {
            return Ok(());
        }
        let why = line.map(says);
        self.condition(StackCondition::Waiting, why).await
    }

    /// Things with our receipt that no row knows. A life that is over, or of a stack that is gone, is cleaned up by the
    /// plan once it has a row; anything else is only told: its row may have been lost.
    pub(super) async fn take_in_found(&mut self) -> Result<(), Halt> {
        let mut found = std::mem::take(&mut self.memory.found);
        found.extend(self.shared.take_found(&self.id));
        let record = self.record();
        let is_gone = matches!(record.stack.wish, Wish::Gone);
        let mut change = Change::new();
        let mut strangers = BTreeSet::new();
        for found in found {
            let identity = found.receipt.identity;
            if record.owned.contains_key(&identity) || strangers.len() >= 20 {
                continue;
            }
            let last = record.lives.get(&identity.address).copied().unwrap_or(0);
            if !is_gone && identity.incarnation > last {
                strangers.insert(identity);
                continue;
            }
            let data = self.shared.parts.kinds.get(&found.kind).map_or(Data::HoldsData, |rules| rules.data);
            change.push(Op::Owned(Box::new(Owned {
                identity,
                kind: found.kind,
                handle: Some(found.handle),
                needs: BTreeSet::new(),
                fields: crate::model::Value::Null,
                once_for: None,
                pins: BTreeMap::new(),
                shape: Digest::of("found"),
                asked: Digest::of("found"),
                outputs: BTreeMap::new(),
                protection: data,
                phase: Phase::Standing,
                trouble: None,
                tries: 0,
                ready_since: None,
            })));
        }
        for identity in strangers {
            let text = format!("{identity} carries our receipt, and no row knows it");
            let why = Why::new(WhyCode::Other, text).way_out("restore the newest backup, or take it away by hand");
            let line = crate::plan::Line::new(identity.address, crate::plan::LineCode::Other, why);
            self.memory.report.noted.push(line);
        }
        self.commit(change).await
    }
}

fn because(plan: &Plan) -> String {
    let Some(step) = plan.steps.values().next() else { return "nothing".to_owned() };
    let more = plan.steps.len() - 1;
    let what = match &step.because {
        Reason::Drifted(paths) => match paths.first() {
            Some(path) => format!("{} drifted: {path}", step.identity.address.short()),
            None => format!("{} drifted", step.identity.address.short()),
        },
        Reason::Vanished => format!("{} vanished", step.identity.address.short()),
        Reason::Failed(why) => format!("{} failed: {why}", step.identity.address.short()),
        Reason::Unfinished => format!("{} was not finished", step.identity.address.short()),
        _ => format!("{} {}", step.act, step.identity.address.short()),
    };
    if more == 0 { what } else { format!("{what}, and {more} more") }
}

fn drifted(plan: &Plan) -> Vec<EventBody> {
    let event = |step: &crate::plan::Step| {
        let how = match &step.because {
            Reason::Drifted(paths) => {
                let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
                format!("{} differs from what was asked", paths.join(", "))
            }
            Reason::Vanished => "it is not there any more".to_owned(),
            _ => return None,
        };
        Some(EventBody::Drifted { identity: step.identity.clone(), how })
    };
    plan.steps.values().filter_map(event).take(20).collect()
}
