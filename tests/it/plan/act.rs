//! What the engine writes before and after an order, and what looks settle: as `engine/act` and `engine/settle` do it.

use super::world::Fault;
use deployd::graph::{Create, Data, KindSet, Lifecycle, Node};
use deployd::model::{Address, Digest, Milliseconds, Name, Piece, Value, Wall};
use deployd::plan::{Act, Step};
use deployd::state::{
    Condition, DeploymentId, Handle, Intent, IntentAct, IntentId, Move, Observation, Owned, Owner, Phase, Present,
    Principal, Record, Recorded, RecordedOutput, Token, Trouble, Why,
};
use std::collections::{BTreeMap, BTreeSet};

/// The row before and after an order.
#[derive(Clone, Debug)]
pub struct Asked {
    pub intended: Owned,
    pub done: Owned,
    pub act: IntentAct,
}

/// What is written before an order goes out.
pub fn ask(
    step: &Step,
    node: Option<&Node>,
    before: Option<&Owned>,
    protect: bool,
    (shape, asked): (Digest, Digest),
    deployment: &DeploymentId,
    now: Wall,
) -> Asked {
    let act = match step.act {
        Act::Create => IntentAct::Create,
        Act::Update => IntentAct::Update,
        Act::Delete | Act::Retire => IntentAct::Delete,
        Act::Adopt => IntentAct::Adopt,
        Act::Replace | Act::Forget => unreachable!("{} has no order", step.act),
    };
    let intent = Intent {
        id: IntentId(format!("{} {}", step.identity, step.digest)),
        act,
        step: step.digest,
        token: Token(format!("{} {}", step.identity, step.digest)),
        epoch: 1,
        deployment: deployment.clone(),
        principal: Principal("test".to_owned()),
        written: now,
    };
    let standing = before.cloned().unwrap_or_else(|| fresh(step));
    let mut done = standing.clone();
    if act != IntentAct::Delete {
        done.kind = step.kind.clone();
        done.fields = step.target.clone();
        done.once_for = step.once_for;
        done.pins = step.pins.clone();
        (done.shape, done.asked) = (shape, asked);
        if let Some(node) = node {
            done.needs = node.needs.clone();
            let holds = protect || node.data == Data::HoldsData || standing.protection == Data::HoldsData;
            done.protection = if holds { Data::HoldsData } else { Data::Stateless };
        }
    }
    let is_new = matches!(act, IntentAct::Create | IntentAct::Adopt);
    let mut intended = if is_new { done.clone() } else { standing };
    intended.phase = match act {
        IntentAct::Delete => Phase::Leaving(intent),
        _ => Phase::Intended(intent),
    };
    done.phase = intended.phase.clone();
    Asked { intended, done, act }
}

fn fresh(step: &Step) -> Owned {
    Owned {
        identity: step.identity.clone(),
        kind: step.kind.clone(),
        handle: None,
        needs: BTreeSet::new(),
        fields: Value::Null,
        once_for: None,
        pins: BTreeMap::new(),
        shape: Digest::of(""),
        asked: Digest::of(""),
        outputs: BTreeMap::new(),
        protection: Data::Stateless,
        phase: Phase::Standing,
        trouble: None,
        tries: 0,
        ready_since: None,
    }
}

/// The row after an order was done.
pub fn done(asked: &Asked, condition: &Condition, outputs: BTreeMap<Name, RecordedOutput>, now: Wall) -> Owned {
    let mut owned = asked.done.clone();
    owned.trouble = None;
    owned.tries = 0;
    if asked.act == IntentAct::Delete {
        return owned;
    }
    owned.handle = Some(Handle(format!("thing-{}", owned.identity)));
    owned.outputs.extend(outputs);
    owned.phase = match condition {
        Condition::Finished(exit) if owned.once_for.is_some() => Phase::Done(exit.clone()),
        _ => Phase::Standing,
    };
    if *condition == Condition::Ready {
        owned.ready_since.get_or_insert(now);
    }
    owned
}

/// The row after an order failed.
pub fn failed(
    asked: &Asked,
    before: Option<&Owned>,
    fault: Fault,
    why: Why,
    create: Option<Create>,
    now: Wall,
) -> Owned {
    let is_unclear = matches!(fault, Fault::Happened | Fault::Lost | Fault::Late);
    let mut owned = match before {
        Some(before) if !is_unclear => before.clone(),
        _ => asked.intended.clone(),
    };
    owned.tries = asked.intended.tries.saturating_add(1);
    let step = asked.intended.intent().expect("an order's row holds its intent").step;
    let second = Milliseconds::seconds(1);
    let (what_next, wait) = match (fault, create) {
        (Fault::Refused, _) => (Move::Refused, None),
        (Fault::Retry, _) => (Move::Retry, Some(second)),
        (Fault::Unreachable, _) => (Move::Unreachable, Some(second)),
        (_, Some(Create::AtMostOnce { grace })) if asked.act == IntentAct::Create => (Move::Unclear, Some(grace)),
        _ => (Move::Unclear, Some(second)),
    };
    let not_before = wait.map_or(Wall(u64::MAX), |wait| now.plus(wait));
    owned.trouble = Some(Trouble { what_next, why, not_before, step });
    owned
}

/// The rows that a look changes.
pub fn settled(record: &Record, seen: &Observation, kinds: &KindSet, now: Wall) -> Vec<Owned> {
    let changed = |owned: &Owned| {
        let seen = seen.get(&owned.identity).filter(|seen| owned.intent().is_none() || seen.fresh)?;
        let runs_once = kinds.get(&owned.kind).is_some_and(|rules| rules.lifecycle == Lifecycle::Once);
        let after = after_look(owned, seen.present()?, runs_once, now);
        (after != *owned).then_some(after)
    };
    record.owned.values().filter_map(changed).collect()
}

fn after_look(owned: &Owned, present: &Present, runs_once: bool, now: Wall) -> Owned {
    let is_ours = matches!(&present.owner, Owner::Ours(receipt) if receipt.identity == owned.identity);
    let mut after = owned.clone();
    if !is_ours || matches!(owned.phase, Phase::Leaving(_)) {
        return after;
    }
    if let Phase::Intended(intent) = &owned.phase {
        let made_by_it = matches!(intent.act, IntentAct::Create | IntentAct::Adopt);
        if !(made_by_it && present.asked.is_none_or(|asked| asked == owned.asked)) {
            return after;
        }
        after.phase = Phase::Standing;
        after.trouble = None;
        after.tries = 0;
    }
    after.handle = Some(present.handle.clone());
    after.outputs.extend(present.outputs.clone());
    match &present.condition {
        Condition::Finished(exit) if runs_once && matches!(after.phase, Phase::Standing | Phase::Parked) => {
            after.phase = Phase::Done(exit.clone());
            if exit.code == 0 {
                well(&mut after, now);
            }
        }
        Condition::Ready => well(&mut after, now),
        _ => {}
    }
    after
}

fn well(owned: &mut Owned, now: Wall) {
    owned.ready_since.get_or_insert(now);
    if owned.trouble.as_ref().is_some_and(|trouble| trouble.not_before <= now) {
        owned.trouble = None;
        owned.tries = 0;
    }
}

/// A value with every output put in; secrets become their names.
pub fn fill(value: &Value, record: &Record, pins: &BTreeMap<Address, u32>) -> Value {
    let answer = |of: &Address, name: &Name| -> Option<Value> {
        if of.stack_id() != record.stack.id {
            return Some(Value::from(format!("{of}:{name}")));
        }
        let row = match pins.get(of) {
            Some(life) => record.owned.get(&of.incarnation(*life))?,
            None => record.lives_of(of).rev().find(|owned| !matches!(owned.phase, Phase::Leaving(_)))?,
        };
        match &row.outputs.get(name)?.value {
            Recorded::Plain(value) => Some(value.clone()),
            Recorded::Sealed(_) => None,
        }
    };
    let piece = |piece: &Piece| match piece {
        Piece::Output { of, name, .. } => match answer(of, name) {
            Some(value) => Piece::Text(value.to_text()),
            None => panic!("{of} has not answered {name}: the step should not have started"),
        },
        Piece::Secret { .. } | Piece::Own(_) => Piece::Own("filled".to_owned()),
        Piece::Text(_) => piece.clone(),
    };
    let filled =
        value.fill(&mut |pieces| Ok::<_, std::convert::Infallible>(Value::expr(pieces.iter().map(piece).collect())));
    filled.unwrap_or_else(|never| match never {})
}
