//! Steps to effects: intents of all that start now in one batch, orders beside each other, outcomes at hand in one batch.
//!
//! Every order is preceded by its intent, durably, and runs only on a fresh look. What cannot be recorded is not asked.

use super::super::discreet::of_answer;
use super::super::filled::filled;
use super::super::record::{Change, Op};
use super::super::rows::export_key;
use super::inputs::Planning;
use super::{Activation, Halt, Round};
use crate::act::{Answers, Asked, Backoff, Under, asked, done, failed, is_tried_again, order};
use crate::contract::{Failure, Filled, Order, Outcome, Provider};
use crate::model::{Identity, Milliseconds, Steady, Value};
use crate::plan::{Act, Known, Plan, Step, StepId, Walked, asked_of, awaited, frontier_beyond, leans_on, shape_of};
use crate::state::{
    Condition, Consent, ConsentId, DeploymentId, EventBody, Owned, Owner, Phase, Presence, Present, Principal, Receipt,
    Seen, Why, WhyCode,
};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Intents in one batch: with their expectations, lives, consents and events they stay below what a batch may hold.
const INTENTS_AT_ONCE: usize = 12;

/// Outcomes in one batch.
const OUTCOMES_AT_ONCE: usize = 25;

/// So much longer than its own limit is an order waited for: a room that does not keep its limit is cut off.
const GRACE: Milliseconds = Milliseconds(5_000);

/// What could not be read fresh is looked at again after that long.
const LOOK_AGAIN: Milliseconds = Milliseconds(1_000);

/// So often is a batch of outcomes written again when it was not clear whether it was: after that, looking tells.
const RECORD_TRIES: u32 = 5;

/// A plan is gone on with for so long; then it is made anew, which looks at what is on its way too.
const PLAN_GOOD_FOR: Milliseconds = Milliseconds(1_000);

/// An order that is on its way.
struct Flying {
    step: StepId,
    asked: Asked,
    before: Option<Owned>,
    order: Order,
}

/// What answers have come to.
#[derive(Default)]
struct Came {
    /// Some of it went wrong, or is not known to have gone well: what is right to do then, another plan tells.
    wrong: bool,
    /// Steps that are over.
    ended: Vec<StepId>,
}

type Answer = (Flying, Result<Outcome, Failure>);

/// What one run of steps is part of.
struct Running<'r> {
    plan: &'r Plan,
    planning: &'r Planning,
    deployment: DeploymentId,
    principal: Principal,
    /// When the run began.
    since: Steady,
    /// Steps that were taken up in this run, each at most once, and those of them that are over.
    walked: Walked,
    /// Whether any of them was more than taken up: what was not sure, or lacks a secret, was left as it was.
    has_acted: bool,
}

impl Activation {
    /// Runs the steps that may start, and those that may start then, until nothing more can be done on this plan.
    pub(super) async fn run_steps(&mut self, plan: &Plan, planning: &Planning, number: u64) -> Result<Round, Halt> {
        let row = self.deployment(number);
        let mut running = Running {
            plan,
            planning,
            deployment: row.deployment.id.clone(),
            principal: row.deployment.principal.clone(),
            since: self.now().steady,
            walked: Walked::default(),
            has_acted: false,
        };
        let mut flying: FuturesUnordered<BoxFuture<'static, Answer>> = FuturesUnordered::new();
        let mut halt = None;
        let mut surprised = false;
        loop {
            if halt.is_none() && !surprised && !self.makes_room(&running) {
                match self.begin(&mut running, &mut flying).await {
                    Ok(seen_otherwise) => surprised = seen_otherwise,
                    Err(why) => halt = Some(why),
                }
            }
            let Some(first) = flying.next().await else { break };
            let mut answers = vec![first];
            while answers.len() < OUTCOMES_AT_ONCE
                && let Some(Some(more)) = flying.next().now_or_never()
            {
                answers.push(more);
            }
            // What came back is recorded, whatever else went wrong.
            match self.record_answers(answers, planning).await {
                Ok(came) => {
                    surprised |= came.wrong;
                    running.walked.ended.extend(came.ended);
                }
                Err(why) => halt = Some(halt.unwrap_or(why)),
            }
        }
        match halt {
            Some(why) => Err(why),
            None if surprised || running.has_acted => Ok(Round::Moved),
            None => {
                let now = self.now();
                let inputs = planning.inputs(self.record(), &self.memory.seen, &self.shared.parts.kinds, &now);
                self.memory.awaited = awaited(plan, &inputs);
                Ok(Round::Waits)
            }
        }
    }

    /// Whether nothing new is begun: somebody has something to say, the plan has become old, or the process ends.
    fn makes_room(&self, running: &Running<'_>) -> bool {
        let is_old = || self.now().steady.since(running.since) >= PLAN_GOOD_FOR;
        self.is_stopping() || (!running.walked.begun.is_empty() && (self.shared.is_nudged(&self.id) || is_old()))
    }

    /// Begins what may start now. Whether a look showed something else than the plan was made of: then it is made anew.
    async fn begin(
        &mut self,
        running: &mut Running<'_>,
        flying: &mut FuturesUnordered<BoxFuture<'static, Answer>>,
    ) -> Result<bool, Halt> {
        loop {
            let now = self.now();
            let inputs = running.planning.inputs(self.record(), &self.memory.seen, &self.shared.parts.kinds, &now);
            let room = usize::try_from(running.planning.policy.in_flight_max).unwrap_or(usize::MAX);
            let room = room.saturating_sub(flying.len()).min(INTENTS_AT_ONCE);
            let next = frontier_beyond(running.plan, &inputs, &running.walked, room);
            if next.is_empty() {
                return Ok(false);
            }
            let steps = next.iter().map(|id| &running.plan.steps[id]);
            let at =
                steps.flat_map(|step| leans_on(step, &inputs).into_iter().chain([step.identity.clone()])).collect();
            if self.look_fresh(&running.planning.desired, &at).await? {
                return Ok(true);
            }
            running.walked.begun.extend(next.iter().cloned());
            let sure = next.into_iter().filter(|id| self.is_sure(&running.plan.steps[id])).collect();
            for order in self.intend(running, sure).await? {
                flying.push(order);
            }
        }
    }

    /// Whether what a step changes was seen fresh. What could only be read from a cache is not acted on; it is looked at
    /// again soon.
    fn is_sure(&mut self, step: &Step) -> bool {
        // A row is forgotten by its own condition: what ran once is not looked at any more.
        let is_sure = step.act == Act::Forget
            || self.memory.is_fresh(&step.identity, self.now().steady, self.shared.parts.limits.fresh_for);
        if !is_sure {
            self.wake_after(LOOK_AGAIN);
        }
        is_sure
    }

    /// Writes the intents of some steps in one batch, and answers their orders, which nothing has sent yet.
    async fn intend(
        &mut self,
        running: &mut Running<'_>,
        steps: Vec<StepId>,
    ) -> Result<Vec<BoxFuture<'static, Answer>>, Halt> {
        let under = self.under(running).await?;
        let mut change = Change::new();
        let mut ready = Vec::new();
        for id in steps {
            let step = &running.plan.steps[&id];
            if step.act == Act::Forget {
                change.push(Op::Forget(step.identity.clone()));
                self.memory.begun.remove(&step.identity);
                let (identity, note) = (step.identity.clone(), self.memory.notes.remove(&step.identity));
                change.tell(EventBody::StepDone { identity, act: step.act.to_string(), note });
                continue;
            }
            match self.prepare(running, id.clone(), step, &under).await {
                Ok(one) => {
                    self.write_intent(&mut change, running, step, &one.0.asked);
                    ready.push(one);
                }
                Err(why) => drop(self.memory.unfilled.insert(step.identity.clone(), why)),
            }
        }
        if change.is_empty() {
            return Ok(Vec::new());
        }
        change.depend_on_stack(&self.id);
        change.depend_on_deployment(&self.id, running.deployment.number);
        self.commit(change).await?;
        running.has_acted = true;
        let now = self.now().steady;
        let mut orders = Vec::new();
        for (flying, filled) in ready {
            let identity = &flying.order.identity;
            self.memory.changed.insert(identity.clone(), now);
            self.memory.watched.begin(identity, now);
            self.memory.begun.insert(identity.clone(), running.plan.steps[&flying.step].act.name());
            orders.push(self.send(flying, filled));
        }
        Ok(orders)
    }

    async fn under(&mut self, running: &Running<'_>) -> Result<Under, Halt> {
        Ok(Under {
            instance: self.shared.parts.store.genesis().instance.clone(),
            epoch: self.fence().await?.epoch,
            deployment: running.deployment.clone(),
            principal: running.principal.clone(),
            now: self.now().wall,
            limit: self.shared.parts.limits.order_max,
        })
    }

    /// An order with what fills it. Secrets are opened before the intent is written: what lacks one is not begun.
    async fn prepare(
        &self,
        running: &Running<'_>,
        id: StepId,
        step: &Step,
        under: &Under,
    ) -> Result<(Flying, Filled), Why> {
        let planning = running.planning;
        let record = self.record();
        let known = Known { record, secret_versions: &planning.secret_versions, foreign: &planning.foreign };
        let has_fields = matches!(step.act, Act::Create | Act::Update);
        let digest = match asked_of(&step.target, &step.pins, step.once_for, &known) {
            Some(digest) => digest,
            None if has_fields => return Err(Why::new(WhyCode::Missing, "what fills its fields is not known yet")),
            None => shape_of(&step.target, &step.pins, step.once_for),
        };
        let node = planning.desired.nodes.get(&step.identity.address);
        let before = record.owned.get(&step.identity);
        let protect = planning.policy.protect.contains(&step.kind);
        let shape = shape_of(&step.target, &step.pins, step.once_for);
        let key = &self.shared.parts.digest_key;
        let asked = asked(step, node, before, protect, shape, digest, key, under);
        let exports = planning.imported.iter().map(|(of, loaded)| (of.clone(), loaded.export.clone())).collect();
        let answers = Answers { record, exports: &exports, pins: &step.pins };
        let (value, filled) = match has_fields {
            false => (Value::Null, Filled::default()),
            true => {
                let value = answers.fill(&step.target);
                let (secrets, seal) = (&*self.shared.parts.secrets, &*self.shared.parts.seal);
                let filled = filled(&self.id, &value, &answers, &planning.secret_versions, secrets, seal).await?;
                (value, filled)
            }
        };
        let order = order(step, node, &asked, value, under);
        Ok((Flying { step: id, asked, before: before.cloned(), order }, filled))
    }

    fn write_intent(&self, change: &mut Change, running: &Running<'_>, step: &Step, asked: &Asked) {
        let identity = &step.identity;
        change.push(Op::Owned(Box::new(asked.owned.clone())));
        let highest = self.record().lives.get(&identity.address).copied().unwrap_or(0);
        if identity.incarnation > highest {
            change.push(Op::Life(identity.address.clone(), identity.incarnation));
        }
        if let Some((id, consent)) = self.consent_of(step) {
            let used = Consent { used: Some(running.deployment.clone()), ..consent };
            change.push(Op::Consent(id, Box::new(used)));
        }
        if step.act == Act::Delete {
            // Nobody may have begun to use it meanwhile.
            let whole = identity.address.whole();
            if self.record().exports.contains_key(&whole) {
                change.depend(export_key(&whole));
            }
        }
        change.tell(EventBody::StepStarted {
            deployment: running.deployment.clone(),
            identity: identity.clone(),
            act: step.act.to_string(),
        });
    }

    fn consent_of(&self, step: &Step) -> Option<(ConsentId, Consent)> {
        let id = step.consent.as_ref()?;
        Some((id.clone(), self.record().consents.get(id)?.clone()))
    }

    /// Sends an order. It is waited for as long as its limit says; longer is unclear.
    fn send(&self, flying: Flying, filled: Filled) -> BoxFuture<'static, Answer> {
        let provider = self.maker_of(&flying.order);
        let clock = Arc::clone(&self.shared.parts.clock);
        async move {
            let provider = match provider {
                Ok(provider) => provider,
                Err(why) => return (flying, Err(Failure::Unreachable { why })),
            };
            let until = clock.now().steady.plus(Milliseconds(flying.order.limit.0 + GRACE.0));
            let answer = {
                let apply = provider.apply(&flying.order, &filled);
                tokio::select! {
                    biased;
                    answer = apply => answer,
                    () = clock.until(until) => Err(Failure::Unclear {
                        why: Why::new(WhyCode::TooLong, format!("no answer within {}", flying.order.limit)),
                    }),
                }
            };
            (flying, of_answer(answer, &filled))
        }
        .boxed()
    }

    fn maker_of(&self, order: &Order) -> Result<Arc<dyn Provider>, Why> {
        let rooms = &self.shared.parts.rooms;
        let none = || Why::new(WhyCode::Missing, format!("this world cannot make {} now", order.kind));
        let maker = rooms.maker(&self.id.world, &order.kind).ok_or_else(none)?;
        rooms.providers(&self.id.world).remove(&maker).unwrap_or_else(|| Err(none()))
    }

    /// Records what came back, in one batch, and takes what it says as seen.
    async fn record_answers(&mut self, answers: Vec<Answer>, planning: &Planning) -> Result<Came, Halt> {
        let mut came = Came::default();
        let mut deleted = BTreeSet::new();
        let now = self.now();
        let mut rows = Vec::new();
        let mut events = Vec::new();
        for (flying, answer) in answers {
            let identity = flying.order.identity.clone();
            self.memory.changed.insert(identity.clone(), now.steady);
            self.memory.seen_at.remove(&identity);
            match answer {
                Ok(outcome) => {
                    came.wrong |= is_bad(&outcome.condition);
                    let outputs = self.shared.parts.seal.seal(&identity, &outcome.outputs);
                    let owned = done(&flying.asked, &outcome, outputs, now.wall);
                    if matches!(flying.order.act, crate::contract::OrderAct::Delete { .. }) {
                        deleted.insert(identity.clone());
                    } else {
                        self.saw_outcome(&owned, &outcome);
                    }
                    if is_over(&owned, &outcome) {
                        came.ended.push(flying.step);
                    }
                    events.extend(self.told_at_once(&owned, &outcome, &identity));
                    rows.push(owned);
                }
                Err(failure) => {
                    came.wrong = true;
                    let (owned, event) = self.failure(&flying, &failure);
                    if matches!(failure, Failure::Unclear { .. }) {
                        deleted.insert(identity);
                    }
                    rows.push(owned);
                    events.push(event);
                }
            }
        }
        self.record_rows(rows, events).await?;
        // What was deleted, and what is not clear, is told by looking.
        self.look_fresh(&planning.desired, &deleted).await?;
        Ok(came)
    }

    fn failure(&mut self, flying: &Flying, failure: &Failure) -> (Owned, EventBody) {
        let limits = &self.shared.parts.limits;
        let backoff = Backoff { min: limits.backoff_min, max: limits.backoff_max };
        let create = self.shared.parts.kinds.get(&flying.order.kind).map(|rules| rules.create);
        let owned = failed(&flying.asked, flying.before.as_ref(), failure, create, backoff, self.now().wall);
        let identity = flying.order.identity.clone();
        let act = self.memory.begun.remove(&identity).unwrap_or("change").to_owned();
        let again = is_tried_again(failure);
        (owned, EventBody::StepFailed { identity, act, why: failure.why().clone(), again })
    }

    /// What an order answered is as good as a fresh look.
    fn saw_outcome(&mut self, owned: &Owned, outcome: &Outcome) {
        let now = self.now();
        let receipt =
            Receipt { instance: self.shared.parts.store.genesis().instance.clone(), identity: owned.identity.clone() };
        let before = self.memory.seen.get(&owned.identity).and_then(Seen::present);
        let present = Present {
            handle: outcome.handle.clone(),
            owner: Owner::Ours(receipt),
            // What was asked for was just done: it is read back at the next look.
            fields: Value::map(),
            asked: Some(owned.asked),
            condition: outcome.condition.clone(),
            outputs: owned.outputs.clone(),
            in_flight: before.and_then(|before| before.in_flight),
        };
        let seen = Seen { looked: now.wall, fresh: true, presence: Presence::Present(Arc::new(present)) };
        self.memory.seen.insert(owned.identity.clone(), seen);
        self.memory.seen_at.insert(owned.identity.clone(), (now.steady, true));
    }

    /// A step whose answer says already that it is ready has come to its end.
    fn told_at_once(&mut self, owned: &Owned, outcome: &Outcome, identity: &Identity) -> Option<EventBody> {
        if !is_over(owned, outcome) {
            // What is still on its way, or has to be seen gone first, says it at its end.
            let note = outcome.note.clone().map(|note| (identity.clone(), note));
            self.memory.notes.extend(note);
            return None;
        }
        self.memory.notes.remove(identity);
        let act = self.memory.begun.remove(identity)?;
        Some(EventBody::StepDone { identity: identity.clone(), act: act.to_owned(), note: outcome.note.clone() })
    }

    /// Writes outcomes, and goes on writing them while it is not clear whether they are: what was asked for happened.
    async fn record_rows(&mut self, rows: Vec<Owned>, events: Vec<EventBody>) -> Result<(), Halt> {
        for tries in 1.. {
            let mut change = Change::new();
            rows.iter().for_each(|owned| change.push(Op::Owned(Box::new(owned.clone()))));
            events.iter().for_each(|event| change.tell(event.clone()));
            match self.commit(change).await {
                Err(Halt::Again) if tries < RECORD_TRIES => {
                    self.memory.rows = None;
                    self.reload().await?;
                }
                other => return other,
            }
        }
        unreachable!("the last try returns")
    }
}

/// Whether something has come to a bad end.
fn is_bad(condition: &Condition) -> bool {
    match condition {
        Condition::Failed(_) => true,
        Condition::Finished(exit) => exit.code != 0,
        Condition::Settling(_) | Condition::Ready | Condition::AtRest(_) | Condition::Leaving => false,
    }
}

/// Whether what an answer says is the end of its step already.
fn is_over(owned: &Owned, outcome: &Outcome) -> bool {
    match (&owned.phase, &outcome.condition) {
        (Phase::Done(exit), _) => exit.code == 0,
        (Phase::Leaving(_), _) => false,
        (_, Condition::Ready) => true,
        _ => false,
    }
}
