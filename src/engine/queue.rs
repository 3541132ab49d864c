//! The durable queue of one stack's deployments: what is accepted, what takes whose place, and whose turn it is. Pure.

use super::parts::Limits;
use super::record::{Change, Op, StackRows};
use super::rows::{Aim, DeploymentRow, history_key};
use crate::model::Wall;
use crate::state::{
    Deployment, DeploymentId, DeploymentState, EventBody, Mode, Principal, ReleaseId, RevisionId, SourceId, Stack, Why,
    WhyCode,
};

/// A deployment that is to be accepted.
#[derive(Clone, Debug)]
pub struct New {
    /// What it aims at.
    pub aim: Aim,
    /// Where its files come from.
    pub source: Option<SourceId>,
    /// Its revision, where that is known.
    pub revision: Option<RevisionId>,
    /// Its release, where that is known.
    pub release: Option<ReleaseId>,
    /// How it is run.
    pub mode: Mode,
    /// By whom.
    pub principal: Principal,
    /// Why.
    pub because: String,
}

/// Whose turn it is, and for what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// Nobody's: the stack is held at its target.
    Idle,
    /// This one is read and compiled.
    Trigger(u64),
    /// This one is planned, and sealed or shown for approval.
    Weigh(u64),
    /// This one begins to run.
    Start(u64),
    /// This one's steps are run.
    Drive(u64),
    /// This one, which runs, ends between two steps.
    End(u64, DeploymentState),
}

/// Accepts a deployment for a stack, whose row the caller writes: it gets the next number, and those that it takes the
/// place of and that do not run yet are superseded.
///
/// # Errors
/// When too many wait already.
pub fn accept(
    rows: &StackRows,
    stack: &mut Stack,
    new: New,
    now: Wall,
    limits: &Limits,
    change: &mut Change,
) -> Result<DeploymentRow, Why> {
    stack.deployments += 1;
    let deployment = Deployment {
        id: DeploymentId { stack: stack.id.clone(), number: stack.deployments },
        source: new.source,
        revision: new.revision,
        release: new.release,
        mode: new.mode,
        state: DeploymentState::Queued,
        plan: None,
        seal: None,
        approved: None,
        principal: new.principal,
        because: new.because,
        accepted: now,
        ended: None,
        why: None,
    };
    let row = DeploymentRow {
        deployment,
        aim: new.aim,
        generation: stack.wish_generation,
        plan: None,
        shown: None,
        cancel: None,
    };
    let (replaced, waiting): (Vec<_>, Vec<_>) = rows
        .live
        .values()
        .filter(|before| before.deployment.state != DeploymentState::Running)
        .partition(|before| takes_place(&row, before));
    if waiting.len() >= limits.queue_max {
        let text = format!("{} deployments of {} wait already", waiting.len(), stack.id);
        return Err(Why::new(WhyCode::Refused, text).way_out("cancel one of them, or wait"));
    }
    for before in replaced {
        let why = Why::new(WhyCode::Other, format!("deployment {} took its place", row.deployment.id.number));
        move_to(before.clone(), DeploymentState::Superseded, Some(why), now, change);
    }
    tell(&row, change);
    change.push(Op::Deployment(Box::new(row.clone())));
    // One comes, one goes: the history has an end.
    if let Some(over) = stack.deployments.checked_sub(limits.history_kept as u64).filter(|number| *number > 0) {
        change.push(Op::NoWorld(history_key(&stack.id, over), None));
    }
    Ok(row)
}

/// Whether a newer deployment takes an older one's place: a later wish does, and a newer state of the same source; of what
/// a source holds, also that of a rollback, which may wait for what never comes. What only puts right what drifted gives
/// way to everything.
#[must_use]
pub fn takes_place(newer: &DeploymentRow, older: &DeploymentRow) -> bool {
    let of_source = |row: &DeploymentRow| matches!(row.aim, Aim::Source | Aim::Revision(_));
    let same_source =
        of_source(older) && newer.deployment.source.is_some() && newer.deployment.source == older.deployment.source;
    let goes_on = of_source(newer) && (same_source || matches!(older.aim, Aim::Release(_)));
    newer.generation > older.generation || goes_on || older.aim == Aim::Target
}

/// Brings a deployment to another state, told in the same batch.
///
/// # Panics
/// If that state may not follow: our bug. The stack is set aside then.
pub fn move_to(
    mut row: DeploymentRow,
    state: DeploymentState,
    why: Option<Why>,
    now: Wall,
    change: &mut Change,
) -> DeploymentRow {
    let before = row.deployment.state;
    assert!(state.may_follow(before), "{}: {state} may not follow {before}", row.deployment.id);
    row.deployment.state = state;
    if why.is_some() {
        row.deployment.why = why;
    }
    if state.is_terminal() {
        row.deployment.ended = Some(now);
    }
    tell(&row, change);
    change.push(Op::Deployment(Box::new(row.clone())));
    row
}

fn tell(row: &DeploymentRow, change: &mut Change) {
    let deployment = &row.deployment;
    change.tell(EventBody::Deployment {
        id: deployment.id.clone(),
        state: deployment.state,
        why: deployment.why.clone(),
    });
}

/// Whose turn it is. A running one keeps its turn until one that takes its place is ready to run, and all through a
/// migration.
#[must_use]
pub fn turn(rows: &StackRows, in_migration: bool) -> Turn {
    match rows.running() {
        Some(running) => turn_beside(rows, running, in_migration),
        None => rows.live.values().find_map(next).unwrap_or(Turn::Idle),
    }
}

fn turn_beside(rows: &StackRows, running: &DeploymentRow, in_migration: bool) -> Turn {
    let number = running.deployment.id.number;
    if running.cancel.is_some() && !in_migration {
        return Turn::End(number, DeploymentState::Cancelled);
    }
    let newer = rows.live.range(number + 1..).rev().map(|(_, row)| row).find(|row| takes_place(row, running));
    // What a stack is to be moved with a later wish, whether or not that has been approved: going on would carry that one
    // out under this one's name, by leave that was given for another.
    let is_over = |newer: &DeploymentRow| {
        newer.generation > running.generation && newer.deployment.state == DeploymentState::AwaitingApproval
    };
    if newer.is_some_and(is_over) && !in_migration {
        return Turn::End(number, DeploymentState::Superseded);
    }
    match newer.and_then(next) {
        Some(Turn::Start(_)) if in_migration => Turn::Drive(number),
        // It is ready to run: the one that runs makes room. What it weighs now is weighed again once that has ended.
        Some(Turn::Start(_)) => Turn::End(number, DeploymentState::Superseded),
        Some(Turn::Weigh(next)) if rows.live[&next].deployment.state == DeploymentState::Waiting => {
            if in_migration {
                Turn::Drive(number)
            } else {
                Turn::End(number, DeploymentState::Superseded)
            }
        }
        Some(turn) => turn,
        None => Turn::Drive(number),
    }
}

/// What is next for a deployment that does not run; nothing while a person has to approve it.
fn next(row: &DeploymentRow) -> Option<Turn> {
    let number = row.deployment.id.number;
    match row.deployment.state {
        DeploymentState::Queued => Some(Turn::Trigger(number)),
        DeploymentState::Triggered | DeploymentState::Waiting => Some(Turn::Weigh(number)),
        DeploymentState::AwaitingApproval => row.deployment.approved.as_ref().map(|_| Turn::Weigh(number)),
        DeploymentState::Available => Some(Turn::Start(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Digest, Name, StackId};
    use crate::state::{From, Record, Wish};

    fn source(text: &str) -> SourceId {
        SourceId(text.to_owned())
    }

    fn few() -> Limits {
        Limits { queue_max: 3, history_kept: 2, ..Limits::default() }
    }

    fn rows() -> StackRows {
        let id = StackId::new(Name::fixed("laptop"), Name::fixed("guestbook"));
        let wish = Wish::Run { source: source("folder:/a") };
        let stack = Stack::new(id.clone(), wish, From::File, Principal("t".to_owned()), Wall(1));
        StackRows { record: Some(Record::new(stack)), ..StackRows::none(id) }
    }

    fn new(aim: Aim, of: Option<&str>) -> New {
        New {
            aim,
            source: of.map(source),
            revision: None,
            release: None,
            mode: Mode::Evaluated,
            principal: Principal("t".to_owned()),
            because: "test".to_owned(),
        }
    }

    /// Accepts one and does it to the rows, as a commit would. A later wish raises the generation.
    fn add(rows: &mut StackRows, new: New, later_wish: bool) -> u64 {
        let mut stack = rows.record.as_ref().unwrap().stack.clone();
        stack.wish_generation += u64::from(later_wish);
        let mut change = Change::new();
        let row = accept(rows, &mut stack, new, Wall(2), &few(), &mut change).unwrap();
        change.push(Op::Stack(Box::new(stack)));
        done(rows, change);
        row.deployment.id.number
    }

    fn done(rows: &mut StackRows, change: Change) {
        let (batch, _) = change.batch(rows, None, Wall(2));
        batch.check_limits().unwrap();
        change.apply(rows, &batch, crate::contract::RowVersion(1));
    }

    fn bring(rows: &mut StackRows, number: u64, states: &[DeploymentState]) {
        for state in states {
            let mut change = Change::new();
            move_to(rows.live[&number].clone(), *state, None, Wall(3), &mut change);
            done(rows, change);
        }
    }

    const TO_RUNNING: [DeploymentState; 3] =
        [DeploymentState::Triggered, DeploymentState::Available, DeploymentState::Running];

    #[test]
    fn a_newer_state_of_the_same_source_supersedes_what_waits() {
        let mut rows = rows();
        let first = add(&mut rows, new(Aim::Source, Some("folder:/a")), false);
        let second = add(&mut rows, new(Aim::Revision(Digest::of("r")), Some("folder:/a")), false);
        assert!(!rows.live.contains_key(&first) && rows.live.contains_key(&second));
        assert_eq!(turn(&rows, false), Turn::Trigger(second));
    }

    #[test]
    fn another_source_waits_in_the_order_of_acceptance() {
        let mut rows = rows();
        let first = add(&mut rows, new(Aim::Source, Some("folder:/b")), true);
        let second = add(&mut rows, new(Aim::Source, Some("folder:/a")), false);
        assert_eq!(rows.live.len(), 2);
        assert_eq!(turn(&rows, false), Turn::Trigger(first));
        bring(&mut rows, first, &TO_RUNNING);
        assert_eq!(turn(&rows, false), Turn::Drive(first));
        bring(&mut rows, first, &[DeploymentState::Done]);
        assert_eq!(turn(&rows, false), Turn::Trigger(second));
    }

    #[test]
    fn what_is_saved_takes_the_place_of_a_rollback_and_not_the_other_way_round() {
        let mut rows = rows();
        let back = add(&mut rows, new(Aim::Release(Digest::of("r")), None), true);
        bring(&mut rows, back, &TO_RUNNING);
        let saved = add(&mut rows, new(Aim::Source, Some("folder:/a")), false);
        assert_eq!(turn(&rows, false), Turn::Trigger(saved), "it may have mistakes");
        bring(&mut rows, saved, &TO_RUNNING[..2]);
        assert_eq!(turn(&rows, false), Turn::End(back, DeploymentState::Superseded));
        bring(&mut rows, back, &[DeploymentState::Superseded]);
        let again = add(&mut rows, new(Aim::Release(Digest::of("r")), None), false);
        assert_ne!(turn(&rows, false), Turn::Trigger(again));
    }

    #[test]
    fn a_running_one_makes_room_only_for_one_that_is_ready_and_never_inside_a_migration() {
        let mut rows = rows();
        let first = add(&mut rows, new(Aim::Source, Some("folder:/a")), false);
        bring(&mut rows, first, &TO_RUNNING);
        let second = add(&mut rows, new(Aim::Source, Some("folder:/a")), false);
        assert_eq!(turn(&rows, false), Turn::Trigger(second), "it may have mistakes");
        bring(&mut rows, second, &[DeploymentState::Triggered]);
        assert_eq!(turn(&rows, false), Turn::Weigh(second), "it may need approval");
        let mut asked = rows.clone();
        bring(&mut asked, second, &[DeploymentState::AwaitingApproval]);
        assert_eq!(turn(&asked, false), Turn::Drive(first));
        bring(&mut rows, second, &[DeploymentState::Waiting]);
        assert_eq!(turn(&rows, true), Turn::Drive(first));
        assert_eq!(turn(&rows, false), Turn::End(first, DeploymentState::Superseded));
        bring(&mut rows, first, &[DeploymentState::Superseded]);
        assert_eq!(turn(&rows, false), Turn::Weigh(second));
    }

    #[test]
    fn t25_a_running_one_does_not_go_on_for_a_later_wish_that_waits_for_approval() {
        let mut rows = rows();
        let first = add(&mut rows, new(Aim::Source, Some("folder:/a")), false);
        bring(&mut rows, first, &TO_RUNNING);
        let down = add(&mut rows, new(Aim::Source, None), true);
        bring(&mut rows, down, &[DeploymentState::Triggered, DeploymentState::AwaitingApproval]);
        assert_eq!(turn(&rows, true), Turn::Drive(first), "a migration comes to its end");
        assert_eq!(turn(&rows, false), Turn::End(first, DeploymentState::Superseded));
        bring(&mut rows, first, &[DeploymentState::Superseded]);
        assert_eq!(turn(&rows, false), Turn::Idle);
    }

    #[test]
    fn a_cancelled_one_ends_between_steps() {
        let mut rows = rows();
        let first = add(&mut rows, new(Aim::Source, Some("folder:/a")), false);
        bring(&mut rows, first, &TO_RUNNING);
        rows.live.get_mut(&first).unwrap().cancel = Some(Principal("t".to_owned()));
        assert_eq!(turn(&rows, true), Turn::Drive(first));
        assert_eq!(turn(&rows, false), Turn::End(first, DeploymentState::Cancelled));
    }

    #[test]
    fn waiting_for_approval_does_not_hold_the_stack() {
        let mut rows = rows();
        let first = add(&mut rows, new(Aim::Source, Some("folder:/a")), false);
        bring(&mut rows, first, &[DeploymentState::Triggered, DeploymentState::AwaitingApproval]);
        assert_eq!(turn(&rows, false), Turn::Idle);
        let other = add(&mut rows, new(Aim::Source, Some("folder:/b")), false);
        assert_eq!(turn(&rows, false), Turn::Trigger(other));
        rows.live.get_mut(&first).unwrap().deployment.approved = Some((Digest::of("p"), Principal("other".to_owned())));
        assert_eq!(turn(&rows, false), Turn::Weigh(first));
    }

    #[test]
    fn a_history_has_an_end() {
        let mut rows = rows();
        for number in 1..=4_u64 {
            let mut stack = rows.record.as_ref().unwrap().stack.clone();
            let mut change = Change::new();
            accept(&rows, &mut stack, new(Aim::Target, None), Wall(2), &few(), &mut change).unwrap();
            let gone = change.ops().iter().find_map(|op| match op {
                Op::NoWorld(key, None) => Some(key.clone()),
                _ => None,
            });
            assert_eq!(gone, number.checked_sub(2).filter(|n| *n > 0).map(|n| history_key(&stack.id, n)));
            change.push(Op::Stack(Box::new(stack)));
            done(&mut rows, change);
        }
    }

    #[test]
    fn a_queue_has_an_end() {
        let mut rows = rows();
        for n in 0..3 {
            add(&mut rows, new(Aim::Source, Some(&format!("folder:/{n}"))), false);
        }
        let mut stack = rows.record.as_ref().unwrap().stack.clone();
        let refused = accept(&rows, &mut stack, new(Aim::Source, Some("x")), Wall(2), &few(), &mut Change::new());
        assert!(refused.is_err());
    }

    #[test]
    #[should_panic(expected = "may not follow")]
    fn a_state_that_may_not_follow_is_a_bug() {
        let mut rows = rows();
        let first = add(&mut rows, new(Aim::Source, Some("folder:/a")), false);
        bring(&mut rows, first, &[DeploymentState::Done]);
    }
}
