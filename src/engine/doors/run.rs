//! Wishes to run: what a source holds, a known stack's newest state, a resource of a slug.

use super::super::queue::{New, accept};
use super::super::record::{Change, Op, StackRows};
use super::super::rows::{Aim, ResourceSpec, SourceRow};
use super::super::shared::Shared;
use super::once::Once;
use super::owner::{REST, no_stack};
use super::plans::no_source;
use super::write::{Needs, Reading, SourceOf, audit, put_stack};
use super::{Accepted, ApplyAsk, DoorError, Engine, ResourceAsk, RunAsk};
use crate::contract::RowVersion;
use crate::graph::{Data, DesiredGraph};
use crate::model::{Name, StackId, Wall};
use crate::state::{
    ConsentAct, DeploymentState, From, Mode, Owned, Phase, Principal, SourceId, Stack, Why, WhyCode, Wish,
};

impl Engine {
    /// Run what a source holds, in a world: from now on, or once. One deployment for each of its services. Mistakes are answered
    /// here, all at once, and then nothing is written. What is read here only tells which services there are: each
    /// deployment reads again when its turn comes.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn run_source(&self, ask: RunAsk) -> Result<Vec<Accepted>, DoorError> {
        self.check_trust(&ask.world, &ask.source)?;
        let asked = ("run", &ask.source, &ask.services, ask.follow, ask.from, ask.mode);
        let once = Once::of(&ask.world, &ask.principal, ask.once.as_deref(), &asked);
        if let Some(answer) = self.answered(&ask.world, once.as_ref()).await? {
            return Ok(answer);
        }
        let held = self.hold(&ask.source).await?;
        let services = self.chosen(&ask.world, &ask.source, &held, &ask.services)?;
        let would = self.compile_all(&ask.world, &held, &services).await?;
        let mut stacks = Vec::with_capacity(would.len());
        for one in would {
            // All owners are asked before the first row is written.
            let rows = self.load(&one.stack).await?;
            let last = self.source_of(&rows).await?;
            let owned = rows.stack().map(|stack| (stack, last.as_ref()));
            self.check_owner(&one.stack, owned, ask.from, &ask.source)?;
            if let Some(graph) = &one.compiled.graph {
                self.refuse_lacking(&ask.world, rows.record.as_ref(), graph).await?;
            }
            stacks.push((one.stack, last));
        }
        let mut follow = Follow { shared: &self.shared, world: &ask.world, row: None };
        let mut answer = Vec::with_capacity(stacks.len());
        for (stack, last) in stacks {
            answer.push(self.run_one(&ask, &stack, last, once.as_ref()).await?);
            follow.row = self.source_row(&ask.world, &ask.source).await?;
        }
        drop(follow);
        if let Some(once) = &once {
            self.keep_answer(&answer[0].stack, Some(once), &answer).await?;
        }
        Ok(answer)
    }

    async fn run_one(
        &self,
        ask: &RunAsk,
        stack: &StackId,
        last: Option<SourceId>,
        once: Option<&Once>,
    ) -> Result<Accepted, DoorError> {
        let about = once.map(|once| once.about(stack));
        let needs = Needs { once: about.as_ref(), source: SourceOf::Named(&ask.source) };
        self.write_with(stack, needs, |reading| {
            let rows = &reading.rows;
            let owned = rows.stack().map(|stack| (stack, source_now(stack, last.as_ref())));
            self.check_owner(stack, owned, ask.from, &ask.source)?;
            let mut change = Change::new();
            if let Some(at) = reading.source.as_ref().filter(|_| ask.follow) {
                at.run(&mut change, &source_row(ask, at.row.as_ref()));
            }
            let wish = Wish::Run { source: ask.source.clone() };
            let row = wished(rows, wish, Some(ask.from), &ask.principal, reading.now);
            let new = New { mode: ask.mode, ..from_source(&ask.source, &ask.principal, &ask.because) };
            let accepted = self.accept(rows, row, new, reading.now, &mut change)?;
            audit(&mut change, "run", &ask.principal);
            Ok((change, accepted))
        })
        .await
    }

    /// Deploy once what a known stack's source holds now.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn apply(&self, ask: ApplyAsk) -> Result<Accepted, DoorError> {
        let asked = ("apply", &ask.stack, ask.plan, ask.mode);
        let once = Once::of(&ask.stack.world, &ask.principal, ask.once.as_deref(), &asked);
        if let Some(answer) = self.answered(&ask.stack.world, once.as_ref()).await? {
            return Ok(answer);
        }
        let rows = self.known(&ask.stack).await?;
        refuse_gone(&rows, "deployd up runs it again")?;
        let source = self.source_of(&rows).await?.ok_or_else(|| no_source(&ask.stack))?;
        self.check_trust(&ask.stack.world, &source)?;
        if let Some(named) = ask.plan {
            let made = self.plan_of_stack(&ask.stack, ask.mode).await?;
            if made.planned.plan.digest != named {
                self.keep_planned(&made.planned).await?;
                return Err(self.changed(&rows, named, &made.planned.plan).await?);
            }
        }
        let version = self.stack_version(&rows);
        let needs = Needs { once: once.as_ref(), source: SourceOf::None };
        self.write_with(&ask.stack, needs, |reading| {
            let rows = &reading.rows;
            refuse_gone(rows, "deployd up runs it again")?;
            if ask.plan.is_some() {
                refuse_moved(self, reading, version)?;
            }
            let mut change = Change::new();
            let row = wished(rows, Wish::Run { source: source.clone() }, None, &ask.principal, reading.now);
            let new = New { mode: ask.mode, ..from_source(&source, &ask.principal, &ask.because) };
            let accepted = self.accept(rows, row, new, reading.now, &mut change)?;
            audit(&mut change, "apply", &ask.principal);
            Ok((change, accepted))
        })
        .await
    }

    /// Make a resource of a slug without a service, or change it.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn put_resource(&self, ask: ResourceAsk) -> Result<Accepted, DoorError> {
        self.facts(&ask.world)?;
        // What was there is no part of the question: under its key it is asked once.
        let asked = ("put", &ask.name, &ask.slug, &ask.with, ask.from);
        let once = Once::of(&ask.world, &ask.principal, ask.once.as_deref(), &asked);
        if let Some(answer) = self.answered(&ask.world, once.as_ref()).await? {
            return Ok(answer);
        }
        match self.put_resource_once(&ask, once.as_ref()).await {
            Ok(accepted) => Ok(accepted),
            // The same question may have been answered meanwhile: what stands in the way is what it has made.
            Err(error) => self.answered(&ask.world, once.as_ref()).await?.ok_or(error),
        }
    }

    async fn put_resource_once(&self, ask: &ResourceAsk, once: Option<&Once>) -> Result<Accepted, DoorError> {
        let stack = StackId::new(ask.world.clone(), ask.name.clone());
        let source = match ask.from {
            From::File => SourceId(format!("world:{}", ask.world)),
            From::Rest | From::Project => SourceId(REST.to_owned()),
        };
        let rows = self.load(&stack).await?;
        let last = self.source_of(&rows).await?;
        self.check_put(ask, &source, &rows, last.as_ref())?;
        let would = self.compile_slug(&stack, &ask.slug, &ask.with).await?;
        if let Some(graph) = &would.compiled.graph {
            refuse_other_kind(&rows, graph)?;
            self.refuse_lacking(&ask.world, rows.record.as_ref(), graph).await?;
        }
        let needs = Needs { once, source: SourceOf::None };
        self.write_with(&stack, needs, |reading| {
            let rows = &reading.rows;
            self.check_put(ask, &source, rows, last.as_ref())?;
            let mut change = Change::new();
            let wish = Wish::Run { source: source.clone() };
            let row = wished(rows, wish, Some(ask.from), &ask.principal, reading.now);
            let spec = ResourceSpec { slug: ask.slug.clone(), with: ask.with.clone() };
            if ask.from != From::File {
                change.push(Op::Resource(Box::new(spec)));
            }
            let new = from_source(&source, &ask.principal, &format!("{} asked for", ask.slug));
            let accepted = self.accept(rows, row, new, reading.now, &mut change)?;
            audit(&mut change, "put resource", &ask.principal);
            Ok((change, accepted))
        })
        .await
    }

    fn check_put(
        &self,
        ask: &ResourceAsk,
        source: &SourceId,
        rows: &StackRows,
        last: Option<&SourceId>,
    ) -> Result<(), DoorError> {
        self.check_version(rows, ask.only_if)?;
        let id = &rows.id;
        let is_there = rows.stack().is_some_and(|stack| !matches!(stack.wish, Wish::Gone));
        match ask.must_be_new {
            Some(true) if is_there => {
                let why = Why::new(WhyCode::Refused, format!("there is a {} in {} already", id.stack, id.world));
                return Err(DoorError::Refused(why.way_out("change that one with PUT, or take another name")));
            }
            Some(false) if !is_there => return Err(no_stack(id)),
            _ => {}
        }
        let owned = rows.stack().map(|stack| (stack, source_now(stack, last)));
        self.check_owner(id, owned, ask.from, source)
    }

    /// Accepts a deployment, and puts the stack's row with it. Another wish than to be gone takes back the leave that was
    /// given for a `down`.
    pub(super) fn accept(
        &self,
        rows: &StackRows,
        mut stack: Stack,
        new: New,
        now: Wall,
        change: &mut Change,
    ) -> Result<Accepted, DoorError> {
        let limits = &self.parts().limits;
        let mut accepted = Change::new();
        let was_gone = rows.stack().is_some_and(|before| matches!(before.wish, Wish::Gone));
        if was_gone && !matches!(stack.wish, Wish::Gone) {
            withdraw_leave(rows, change);
        }
        let row = accept(rows, &mut stack, new, now, limits, &mut accepted).map_err(DoorError::Refused)?;
        let id = row.deployment.id;
        put_stack(change, rows.stack(), stack);
        change.join(accepted);
        Ok(Accepted { stack: rows.id.clone(), deployment: id })
    }

    /// The version of a stack's row.
    pub(super) fn stack_version(&self, rows: &StackRows) -> Option<RowVersion> {
        rows.version(&super::super::rows::of_stack(&rows.id, super::super::rows::Table::Stack, "row"))
    }

    /// Refuses when the stack's row is not the one that was read.
    pub(super) fn check_version(&self, rows: &StackRows, only_if: Option<RowVersion>) -> Result<(), DoorError> {
        match only_if {
            Some(read) if self.stack_version(rows) != Some(read) => {
                let why = Why::new(WhyCode::Refused, format!("{} changed since it was read", rows.id));
                Err(DoorError::Moved(why.way_out("read it again, then ask again")))
            }
            _ => Ok(()),
        }
    }
}

/// Has a source followed that a world runs from now on: files that change, services that come. It does when it is
/// dropped: not before all services are accepted, since those that are not would be accepted once more, as news; but also
/// when one of them is refused, or whoever asked goes away in between. After a crash the row tells.
struct Follow<'a> {
    shared: &'a Shared,
    world: &'a Name,
    row: Option<SourceRow>,
}

impl Drop for Follow<'_> {
    fn drop(&mut self) {
        let Some(row) = self.row.take() else { return };
        let source = row.source.clone();
        self.shared.runs(self.world, row);
        self.shared.ask_source(&source);
    }
}

/// Takes back the leave to delete that nothing has used: what was named for a `down` is not what a later change of the
/// files lets go of.
pub(super) fn withdraw_leave(rows: &StackRows, change: &mut Change) {
    let consents = rows.record.iter().flat_map(|record| &record.consents);
    let unused = consents.filter(|(_, consent)| consent.act == ConsentAct::Delete && consent.used.is_none());
    unused.for_each(|(id, _)| change.push(Op::NoConsent(id.clone())));
}

/// The row of a stack that is wished otherwise, or anew.
pub(super) fn wished(rows: &StackRows, wish: Wish, from: Option<From>, principal: &Principal, now: Wall) -> Stack {
    let Some(before) = rows.stack() else {
        return Stack::new(rows.id.clone(), wish, from.unwrap_or(From::Rest), principal.clone(), now);
    };
    let mut stack = before.clone();
    // The same wish again is no later one: what it supersedes, it supersedes as a newer state of the same source.
    stack.wish_generation += u64::from(stack.wish != wish);
    stack.from = from.unwrap_or(stack.from);
    (stack.wish, stack.principal) = (wish, principal.clone());
    stack
}

/// A deployment of what a source holds when its turn comes.
pub(super) fn from_source(source: &SourceId, principal: &Principal, because: &str) -> New {
    New {
        aim: Aim::Source,
        source: Some(source.clone()),
        revision: None,
        release: None,
        mode: Mode::Evaluated,
        principal: principal.clone(),
        because: because.to_owned(),
    }
}

/// Refuses a resource of another kind in the place of one that holds data: that is never replaced, and it would be held
/// for ever.
fn refuse_other_kind(rows: &StackRows, graph: &DesiredGraph) -> Result<(), DoorError> {
    let owned = rows.record.iter().flat_map(|record| record.owned.values());
    let mut data = owned.filter(|owned| {
        owned.protection == Data::HoldsData && !matches!(owned.phase, Phase::Leaving(_) | Phase::Done(_))
    });
    let stands = |owned: &&Owned| graph.nodes.get(&owned.identity.address).is_some_and(|node| node.kind != owned.kind);
    let Some(owned) = data.find(stands) else { return Ok(()) };
    let node = &graph.nodes[&owned.identity.address];
    let id = &rows.id;
    let text = format!("{id} is a {} that holds data: a {} never takes its place", owned.kind, node.kind);
    let way_out = format!("take another name; or delete that one first: deployd down {0} --delete {0}", id.stack);
    Err(DoorError::Refused(Why::new(WhyCode::Refused, text).way_out(way_out)))
}

/// What was taken down is not deployed again by the way.
pub(super) fn refuse_gone(rows: &StackRows, way_out: &str) -> Result<(), DoorError> {
    match rows.stack() {
        None => Err(no_stack(&rows.id)),
        Some(stack) if matches!(stack.wish, Wish::Gone) => {
            let why = Why::new(WhyCode::Refused, format!("{} was taken down", rows.id));
            Err(DoorError::Refused(why.way_out(way_out)))
        }
        Some(_) => Ok(()),
    }
}

/// A plan that was named is only run on what it was checked against.
fn refuse_moved(engine: &Engine, reading: &Reading, version: Option<RowVersion>) -> Result<(), DoorError> {
    let acts = |state: DeploymentState| state != DeploymentState::AwaitingApproval;
    if let Some(live) = reading.rows.live.values().find(|row| acts(row.deployment.state)) {
        let text = format!("deployment {} is {}", live.deployment.id.number, live.deployment.state);
        return Err(DoorError::Moved(Why::new(WhyCode::Refused, text).way_out("plan again when it has ended")));
    }
    engine.check_version(&reading.rows, version)
}

/// Where a stack comes from: as its row says now, or as was found before.
fn source_now<'s>(stack: &'s Stack, last: Option<&'s SourceId>) -> Option<&'s SourceId> {
    match &stack.wish {
        Wish::Run { source } => Some(source),
        _ => last,
    }
}

/// The row of a source: who asks for all of its services, or for others beside those that run, gets both.
fn source_row(ask: &RunAsk, before: Option<&SourceRow>) -> SourceRow {
    let services = match before {
        Some(before) if before.services.is_empty() || ask.services.is_empty() => Default::default(),
        Some(before) => before.services.union(&ask.services).cloned().collect(),
        None => ask.services.clone(),
    };
    SourceRow { source: ask.source.clone(), from: ask.from, principal: ask.principal.clone(), services }
}
