//! The stack's row, and the rows of what is its, as a deployment starts, falls and comes to its end. Pure.

use crate::graph::{DesiredGraph, KindSet};
use crate::plan;
use crate::state::{
    DeploymentState, Move, Owned, Phase, Record, ReleaseId, Stack, StackCondition, StackState, Why, Wish,
};

/// The stack's row as it is once a deployment to a release has started.
#[must_use]
pub fn started(stack: &Stack, release: Option<ReleaseId>) -> Stack {
    let mut stack = stack.clone();
    stack.target = release;
    stack.state = match (&stack.wish, stack.state) {
        (Wish::Gone, _) => StackState::Deleting,
        (Wish::Run { .. }, StackState::Deleting | StackState::Deleted) => StackState::Creating,
        (Wish::Run { .. }, StackState::Broken | StackState::Stopped) => match stack.good {
            Some(_) => StackState::Available,
            None => StackState::Creating,
        },
        (_, state) => state,
    };
    stack
}

/// Another deployment is another try: what was refused may be asked for again, and what ran once and failed runs again,
/// as another life. The rows that this changes.
#[must_use]
pub fn tried_anew(record: &Record) -> Vec<Owned> {
    let anew = |owned: &Owned| {
        let refused = owned.trouble.as_ref().is_some_and(|trouble| trouble.what_next == Move::Refused);
        let failed = matches!(&owned.phase, Phase::Done(exit) if exit.code != 0) && owned.once_for.is_some();
        let trouble = owned.trouble.clone().filter(|_| !refused);
        let once_for = owned.once_for.filter(|_| !failed);
        (refused || failed).then(|| Owned { trouble, once_for, ..owned.clone() })
    };
    record.owned.values().filter_map(anew).collect()
}

/// What a failed release brought and the good one does not know is kept, and told.
#[must_use]
pub fn parked(record: &Record, good: &DesiredGraph, kinds: &KindSet) -> Vec<Owned> {
    let brought = plan::parked(record, good, kinds).into_iter().filter_map(|identity| record.owned.get(identity));
    brought.map(|owned| Owned { phase: Phase::Parked, ..owned.clone() }).collect()
}

/// What was parked and is used by the release that is good now stands.
#[must_use]
pub fn unparked(record: &Record, desired: &DesiredGraph) -> Vec<Owned> {
    let is_used = |owned: &&Owned| owned.phase == Phase::Parked && desired.nodes.contains_key(&owned.identity.address);
    let parked = record.owned.values().filter(is_used);
    parked.map(|owned| Owned { phase: Phase::Standing, ..owned.clone() }).collect()
}

/// The stack's row and the deployment's state once it has come to its end. `has_fallen` is whether a release failed on
/// the way.
#[must_use]
pub fn ended(record: &Record, has_fallen: bool) -> (Stack, DeploymentState) {
    let mut stack = record.stack.clone();
    let state = match (has_fallen, stack.state) {
        (true, StackState::Broken) => DeploymentState::Failed,
        (true, _) => DeploymentState::RolledBack,
        (false, _) => DeploymentState::Done,
    };
    match &stack.wish {
        Wish::Run { .. } if state == DeploymentState::Failed => {}
        Wish::Run { .. } => {
            stack.state = StackState::Available;
            stack.good = stack.target;
        }
        Wish::Stopped => stack.state = StackState::Stopped,
        // What holds data and was not given leave is all that is left: nothing runs.
        Wish::Gone if !record.owned.is_empty() => stack.state = StackState::Stopped,
        Wish::Gone => {
            stack.state = StackState::Deleted;
            (stack.target, stack.good) = (None, None);
            stack.conditions.clear();
            stack.quarantine.clear();
        }
    }
    set(&mut stack, StackCondition::Drifted, None);
    set(&mut stack, StackCondition::Waiting, None);
    (stack, state)
}

/// A release failed its check: the last good one is the target again, and the bad one is not tried by itself.
#[must_use]
pub fn gone_back(stack: &Stack, bad: ReleaseId, to: ReleaseId, why: &Why) -> Stack {
    let mut stack = stack.clone();
    stack.target = Some(to);
    stack.quarantine.insert(bad, why.clone());
    set(&mut stack, StackCondition::Quarantined, Some(why.clone()));
    stack
}

/// A release failed, and nothing good is there to return to. Nothing if that is told already, and what is left of it
/// fails too: it cannot be put right by ourselves, and the deployment ends.
#[must_use]
pub fn broken(stack: &Stack, has_fallen: bool, why: &Why) -> Option<Stack> {
    if stack.state == StackState::Broken && has_fallen {
        return None;
    }
    let mut stack = stack.clone();
    stack.state = StackState::Broken;
    if let Some(target) = stack.target {
        stack.quarantine.insert(target, why.clone());
    }
    set(&mut stack, StackCondition::Quarantined, Some(why.clone()));
    Some(stack)
}

/// Sets or takes away a condition.
pub fn set(stack: &mut Stack, which: StackCondition, why: Option<Why>) {
    match why {
        Some(why) => drop(stack.conditions.insert(which, why)),
        None => drop(stack.conditions.remove(&which)),
    }
}
