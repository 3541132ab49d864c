//! What else is asked of a stack that is there: pause, resume, rollback, retry, cancel.

use super::super::activate::MIGRATION;
use super::super::gather::graph_of;
use super::super::queue::{New, move_to};
use super::super::record::{Change, Op, StackRows};
use super::super::rows::{Aim, Head, ReleaseRow};
use super::compile::release_of;
use super::once::Once;
use super::owner::no_stack;
use super::planning::not_kept;
use super::plans::no_source;
use super::run::{from_source, refuse_gone, wished};
use super::status::label;
use super::write::{Needs, Reading, SourceOf, audit, put_stack};
use super::{Accepted, By, DoorError, Engine, RollbackAsk};
use crate::graph::Node;
use crate::model::StackId;
use crate::state::{
    DeploymentId, DeploymentState, Mode, Phase, Principal, ReleaseId, SourceId, StackCondition, StackState, Why,
    WhyCode, Wish,
};

impl Engine {
    /// Change nothing of a stack until [`Engine::resume`].
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn pause(&self, stack: &StackId, by: impl Into<By> + Send) -> Result<(), DoorError> {
        let by = by.into();
        let why = Why::new(WhyCode::Other, format!("{} paused it: nothing is changed", by.principal));
        let why = why.way_out(format!("deployd resume {}", stack.stack));
        self.condition(stack, by, "pause", Some(why)).await
    }

    /// Go on with a stack.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn resume(&self, stack: &StackId, by: impl Into<By> + Send) -> Result<(), DoorError> {
        self.condition(stack, by.into(), "resume", None).await
    }

    async fn condition(&self, id: &StackId, by: By, act: &str, paused: Option<Why>) -> Result<(), DoorError> {
        let once = Once::of(&id.world, &by.principal, by.once.as_deref(), &(act, id));
        let needs = Needs { once: once.as_ref(), source: SourceOf::None };
        self.write_with(id, needs, |Reading { rows, .. }| {
            let before = rows.stack().ok_or_else(|| no_stack(id))?;
            let mut change = Change::new();
            if before.conditions.contains_key(&StackCondition::Paused) == paused.is_some() {
                return Ok((change, ()));
            }
            let mut stack = before.clone();
            match &paused {
                Some(why) => drop(stack.conditions.insert(StackCondition::Paused, why.clone())),
                None => drop(stack.conditions.remove(&StackCondition::Paused)),
            }
            put_stack(&mut change, Some(before), stack);
            audit(&mut change, act, &by.principal);
            Ok((change, ()))
        })
        .await
    }

    /// Return to a release that is kept, as a new deployment. The source's state of now is not tried again before it
    /// changes.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn rollback(&self, ask: RollbackAsk) -> Result<Accepted, DoorError> {
        let asked = ("rollback", &ask.stack, ask.to);
        let once = Once::of(&ask.stack.world, &ask.principal, ask.once.as_deref(), &asked);
        if let Some(answer) = self.answered(&ask.stack.world, once.as_ref()).await? {
            return Ok(answer);
        }
        let rows = self.known(&ask.stack).await?;
        let source = self.source_of(&rows).await?.ok_or_else(|| no_source(&ask.stack))?;
        let (to, row) = release_to(&rows, ask.to)?;
        self.refuse_migrated(&rows, &row).await?;
        let gathered = self.gathered_again(&rows, &row).await;
        refuse_secrets_alone(&rows, to, &row, gathered)?;
        let needs = Needs { once: once.as_ref(), source: SourceOf::None };
        self.write_with(&ask.stack, needs, |reading| {
            let rows = &reading.rows;
            refuse_gone(rows, "deployd up runs it again")?;
            let (_, row) = release_to(rows, Some(to))?;
            let mut change = Change::new();
            let wish = Wish::Run { source: source.clone() };
            let mut stack = wished(rows, wish, None, &ask.principal, reading.now);
            // A later wish than all that were accepted before it.
            stack.wish_generation = rows.stack().map_or(1, |before| before.wish_generation + 1);
            let name = label(rows, to).unwrap_or_else(|| to.short());
            let new = New {
                aim: Aim::Release(to),
                source: None,
                revision: Some(row.release.revision),
                release: Some(to),
                ..from_source(&source, &ask.principal, &format!("rollback to {name}"))
            };
            let accepted = self.accept(rows, stack, new, reading.now, &mut change)?;
            // What the source says is not news until it moves; what the release was made of is what is compiled again
            // when the catalogue or a secret changes.
            let revision = rows.head.as_ref().map_or(row.release.revision, |head| head.revision);
            let held = Some(row.release.revision);
            change.push(Op::Head(Head { revision, release: Some(gathered.unwrap_or(to)), held }));
            audit(&mut change, "rollback", &ask.principal);
            Ok((change, accepted))
        })
        .await
    }

    /// Data that was migrated since is not what an older release understands. Going back across it would even run the older
    /// migration once more.
    async fn refuse_migrated(&self, rows: &StackRows, to: &ReleaseRow) -> Result<(), DoorError> {
        let Some(record) = &rows.record else { return Ok(()) };
        let serves = self.graph(rows, record.stack.good.filter(|good| rows.releases.contains_key(good))).await?;
        let back = graph_of(&*self.parts().store, to.release.graph).await?;
        let has_run = |node: &Node| {
            let mut lives = record.lives_of(&node.address);
            lives.any(|owned| {
                owned.once_for == node.once_for && matches!(&owned.phase, Phase::Done(exit) if exit.code == 0)
            })
        };
        let moved = serves.nodes.values().find(|node| {
            let before = back.nodes.get(&node.address).and_then(|node| node.once_for);
            is_migration(node) && before != node.once_for && has_run(node)
        });
        let Some(migration) = moved else { return Ok(()) };
        let text = format!(
            "{} has run since that release: its data is not what that release knows",
            migration.address.short()
        );
        let why = Why::new(WhyCode::Refused, text);
        Err(DoorError::Refused(match migration.fields.get("undo") {
            Some(_) => {
                why.way_out("its `undo` is not run by this deployd yet: undo it by hand, then deploy the older files")
            }
            None => why.way_out("deploy a release that goes on from here, with the older code"),
        }))
    }

    /// The release that the revision of a kept one gives with the catalogue and the secrets of now: gathering it again is
    /// no news, although it may differ from the one that a person wants back.
    async fn gathered_again(&self, rows: &StackRows, row: &ReleaseRow) -> Option<ReleaseId> {
        let revision = rows.revisions.get(&row.release.revision)?;
        let would = self.compile_kept(&rows.id, revision).await.ok()?;
        let graph = would.compiled.graph?;
        let (secrets, _) = self.secrets_of(&rows.id, &graph, &row.release.secrets).await.ok()?;
        Some(release_of(row.release.revision, &graph, secrets).id())
    }

    /// Try the newest release again: clears its quarantine. What ran once and failed runs again.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn retry(&self, stack: &StackId, by: impl Into<By> + Send) -> Result<Accepted, DoorError> {
        let By { principal, once } = by.into();
        let once = Once::of(&stack.world, &principal, once.as_deref(), &("retry", stack));
        if let Some(answer) = self.answered(&stack.world, once.as_ref()).await? {
            return Ok(answer);
        }
        let rows = self.known(stack).await?;
        let source = self.source_of(&rows).await?.ok_or_else(|| no_source(stack))?;
        let needs = Needs { once: once.as_ref(), source: SourceOf::None };
        self.write_with(stack, needs, |Reading { rows, now, .. }| {
            refuse_gone(rows, "deployd up runs it again")?;
            let before = rows.stack().ok_or_else(|| no_stack(stack))?;
            if before.quarantine.is_empty() && before.state == StackState::Available && rows.live.is_empty() {
                let why =
                    Why::new(WhyCode::Refused, format!("nothing of {stack} failed: there is nothing to try again"));
                let way_out = format!("deployd apply {} deploys what its files hold now", stack.stack);
                return Err(DoorError::Refused(why.way_out(way_out)));
            }
            let mut change = Change::new();
            let mut row = wished(rows, Wish::Run { source: source.clone() }, None, &principal, *now);
            let newest = rows.head.as_ref().and_then(|head| head.release);
            match newest.filter(|newest| before.quarantine.contains_key(newest)) {
                Some(newest) => drop(row.quarantine.remove(&newest)),
                None => row.quarantine.clear(),
            }
            let new = again(rows, &source, &principal);
            let accepted = self.accept(rows, row, new, *now, &mut change)?;
            audit(&mut change, "retry", &principal);
            Ok((change, accepted))
        })
        .await
    }

    /// End a deployment: one that runs ends between its steps, with orders on their way recorded first, and never inside
    /// a migration.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn cancel(&self, deployment: &DeploymentId, by: impl Into<By> + Send) -> Result<(), DoorError> {
        let By { principal, once } = by.into();
        let world = &deployment.stack.world;
        let once = Once::of(world, &principal, once.as_deref(), &("cancel", deployment));
        let needs = Needs { once: once.as_ref(), source: SourceOf::None };
        self.write_with(&deployment.stack, needs, |Reading { rows, now, .. }| {
            let stack = rows.stack().ok_or_else(|| no_stack(&deployment.stack))?;
            let Some(row) = rows.live.get(&deployment.number) else {
                let has_been = deployment.number > 0 && deployment.number <= stack.deployments;
                let text = match has_been {
                    true => format!("{deployment} has ended"),
                    false => format!("there is no deployment {deployment}"),
                };
                let way_out = format!("deployd history {} shows what came of it", deployment.stack.stack);
                let why = Why::new(WhyCode::Missing, text).way_out(way_out);
                return Err(if has_been { DoorError::Refused(why) } else { DoorError::NotFound(why) });
            };
            refuse_cancel(stack, row)?;
            let mut change = Change::new();
            match row.deployment.state {
                DeploymentState::Running if row.cancel.is_some() => return Ok((change, ())),
                DeploymentState::Running => {
                    let row = super::super::rows::DeploymentRow { cancel: Some(principal.clone()), ..row.clone() };
                    change.push(Op::Deployment(Box::new(row)));
                }
                _ => {
                    let why = Why::new(WhyCode::Other, format!("{principal} cancelled it"));
                    move_to(row.clone(), DeploymentState::Cancelled, Some(why), *now, &mut change);
                }
            }
            audit(&mut change, "cancel", &principal);
            Ok((change, ()))
        })
        .await
    }
}

/// A release that differs from the one that serves in its secrets alone: these are of now in every release, and what they
/// were is not kept.
fn refuse_secrets_alone(
    rows: &StackRows,
    to: ReleaseId,
    row: &ReleaseRow,
    gathered: Option<ReleaseId>,
) -> Result<(), DoorError> {
    let Some(good) = rows.stack().and_then(|stack| stack.good) else { return Ok(()) };
    if to == good || gathered != Some(good) {
        return Ok(());
    }
    let serves = rows.releases.get(&good).map(|row| &row.release.secrets);
    let moved = row
        .release
        .secrets
        .iter()
        .filter(|(name, version)| serves.is_some_and(|serves| serves.get(*name) != Some(*version)));
    let names: Vec<&str> = moved.map(|(name, _)| name.0.as_str()).collect();
    let Some(first) = names.first() else { return Ok(()) };
    let label = label(rows, to).unwrap_or_else(|| to.short());
    let text = format!("{label} differs from what serves only in what {} said, and that is not kept", names.join(", "));
    let way_out = format!("set it again: deployd secret set {} {first}", rows.id.world);
    Err(DoorError::Refused(Why::new(WhyCode::Refused, text).way_out(way_out)))
}

/// What carries out that a stack is to be gone, or stopped, is not ended alone: the wish would stand, and the next deployment
/// would go on with it.
fn refuse_cancel(stack: &crate::state::Stack, row: &super::super::rows::DeploymentRow) -> Result<(), DoorError> {
    let (what, way_out) = match stack.wish {
        Wish::Run { .. } => return Ok(()),
        _ if row.generation < stack.wish_generation => return Ok(()),
        Wish::Gone => ("gone", "deployd up FOLDER"),
        Wish::Stopped => ("stopped", "deployd apply FOLDER"),
    };
    let id = &row.deployment.id;
    let text = format!("{} is to be {what}, and {id} carries that out", id.stack);
    let way_out = format!(
        "wish otherwise: {way_out} takes its place; POST /v1/worlds/{}/stacks/{}/pause holds it as it is",
        id.stack.world, id.stack.stack
    );
    Err(DoorError::Refused(Why::new(WhyCode::Refused, text).way_out(way_out)))
}

/// How every room's rules name the part of a service that is a migration.
fn is_migration(node: &Node) -> bool {
    node.address.part.as_deref().is_some_and(|part| part.starts_with(MIGRATION)) && node.once_for.is_some()
}

/// The release that is meant: the named one, or the last good one that was made before the one that serves.
fn release_to(rows: &StackRows, to: Option<ReleaseId>) -> Result<(ReleaseId, ReleaseRow), DoorError> {
    let stack = rows.stack().ok_or_else(|| no_stack(&rows.id))?;
    let id = match to {
        Some(id) => id,
        None => {
            let serves = stack.good.and_then(|good| Some((good, rows.releases.get(&good)?.made)));
            let earlier = rows.releases.iter().filter(|(id, row)| {
                let is_before = serves.is_none_or(|(good, made)| **id != good && row.made <= made);
                row.good.is_some() && is_before && !stack.quarantine.contains_key(*id)
            });
            let last = earlier.max_by_key(|(_, row)| (row.made, row.nth)).map(|(id, _)| *id);
            last.ok_or_else(|| {
                let text = format!("{} keeps no good release from before the one that serves", rows.id);
                let way_out = format!("deployd history {} tells what was", rows.id.stack);
                DoorError::NotFound(Why::new(WhyCode::Missing, text).way_out(way_out))
            })?
        }
    };
    let row = rows.releases.get(&id).cloned().ok_or_else(|| not_kept(rows, id))?;
    if let Some(bad) = stack.quarantine.get(&id) {
        let why = Why::new(WhyCode::Refused, format!("that release is quarantined: {}", bad.text));
        return Err(DoorError::Refused(why.way_out(format!("deployd retry {} tries the newest again", rows.id.stack))));
    }
    Ok((id, row))
}

/// The newest revision again, as it is kept: its source may be gone. Where none was read yet, what the source holds.
fn again(rows: &StackRows, source: &SourceId, principal: &Principal) -> New {
    let newest = rows.head.as_ref().map(|head| head.revision).filter(|id| rows.revisions.contains_key(id));
    let new = from_source(source, principal, "retry");
    match newest {
        Some(id) => New { aim: Aim::Revision(id), revision: Some(id), mode: Mode::Evaluated, ..new },
        None => new,
    }
}
