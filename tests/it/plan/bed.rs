//! A stack in a world: looks, plans, runs what may run and records it, round by round, as the engine does. It can be cut
//! before and after every write and every call.

use super::kinds::{kinds, rules_of};
use super::text::stack;
use super::world::{INSTANCE, World, recorded};
use deployd::act::{
    Answers, Asked, Backoff, Under, Watched, asked, broken, done, ended, failed, gone_back, order, parked, started,
    tried_anew, unparked,
};
use deployd::contract::Order;
use deployd::engine::Limits;
use deployd::graph::DesiredGraph;
use deployd::model::{Address, Digest, DigestKey, Identity, Milliseconds, Now, SecretName, SecretVersion, Value, Wall};
use deployd::plan::{
    Act, Foreign, Inputs, Known, Plan, Policy, Report, Step, StepId, Verdict, asked_of, frontier, plan, seal, shape_of,
    unsealed, verify,
};
use deployd::state::{
    Condition, Consent, ConsentId, DeploymentId, Export, Mode, Observation, Owned, Principal, Record, ReleaseId,
    SourceId, Stack, Wish,
};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The engine was cut off.
#[derive(Debug)]
pub struct Cut;

/// An order that is on its way.
struct Flying {
    step: Step,
    asked: Asked,
    before: Option<Owned>,
    order: Order,
}

/// How a run of rounds ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// Everything is as it should be.
    Done,
    /// A person has to approve.
    Awaits,
    /// Nothing can be done before something else changes.
    Waits,
    /// It did not end in a bounded number of rounds.
    Endless,
}

/// A stack and its world.
#[derive(Clone)]
pub struct Bed {
    pub record: Record,
    pub world: World,
    pub releases: BTreeMap<ReleaseId, Rc<DesiredGraph>>,
    pub names: BTreeMap<ReleaseId, String>,
    pub secrets: BTreeMap<SecretName, SecretVersion>,
    pub foreign: BTreeMap<Address, Foreign>,
    pub policy: Policy,
    pub mode: Mode,
    /// Whether a person goes back.
    pub goes_back: bool,
    pub approved: BTreeSet<Digest>,
    pub deployment: u64,
    /// The release that this deployment is to bring.
    brings: Option<ReleaseId>,
    /// What ran once and ended, and was looked at before its end.
    pub looked_at: BTreeSet<Identity>,
    pub now: Now,
    /// For how long each was seen on its way.
    pub watched: Watched,
    /// Whether a release failed in this deployment.
    fell: bool,
    pub seen: Observation,
    /// What the running deployment may run; nothing before it was planned.
    pub seal: Option<BTreeSet<Digest>>,
    /// Steps that were run and not sealed when the deployment was planned.
    pub resealed: Vec<String>,
    /// What was done, in order.
    pub log: Vec<String>,
    /// The next cut: so many moments are let through.
    pub cut_after: Option<u32>,
    /// Everything that a cut could leave behind, in order, if it is asked for: before and after each write and call.
    pub cuts: Option<Vec<Bed>>,
    /// Whether anything durable has changed since the last moment: a cut then leaves what one before did not.
    is_changed: bool,
    /// The first two laws are not asked again: another run of the same asks them.
    pub is_trusting: bool,
}

impl Bed {
    pub fn new() -> Bed {
        let wish = Wish::Run { source: SourceId("test".to_owned()) };
        let principal = Principal("test".to_owned());
        let row = Stack::new(stack(), wish, deployd::state::From::File, principal, Wall(1));
        Bed {
            record: Record::new(row),
            world: World::default(),
            releases: BTreeMap::new(),
            names: BTreeMap::new(),
            secrets: BTreeMap::new(),
            foreign: BTreeMap::new(),
            policy: Policy::default(),
            mode: Mode::Evaluated,
            goes_back: false,
            approved: BTreeSet::new(),
            deployment: 0,
            brings: None,
            looked_at: BTreeSet::new(),
            now: Now { wall: Wall(1_000_000), ..Now::default() },
            watched: Watched::default(),
            fell: false,
            seen: Observation::new(),
            seal: None,
            resealed: Vec::new(),
            log: Vec::new(),
            cut_after: None,
            cuts: None,
            is_changed: true,
            is_trusting: false,
        }
    }

    /// A graph becomes a release that can be deployed.
    pub fn release(&mut self, name: &str, graph: DesiredGraph) -> ReleaseId {
        let id = Digest::of_json("test-release", &(name, &graph));
        self.releases.insert(id, Rc::new(graph));
        self.names.insert(id, name.to_owned());
        id
    }

    /// A deployment of a release begins.
    pub fn begin(&mut self, release: Option<ReleaseId>) {
        self.deployment += 1;
        self.brings = release;
        (self.seal, self.fell) = (None, false);
        let anew = tried_anew(&self.record);
        put(&mut self.record, anew);
        self.record.stack = started(&self.record.stack, release);
    }

    pub fn deployment_id(&self) -> DeploymentId {
        DeploymentId { stack: stack(), number: self.deployment.max(1) }
    }

    /// The graph of a release; an empty one without.
    pub fn graph(&self, release: Option<ReleaseId>) -> Rc<DesiredGraph> {
        let empty = || Rc::new(DesiredGraph::empty(stack()));
        release.and_then(|release| self.releases.get(&release)).cloned().unwrap_or_else(empty)
    }

    /// The last good graph.
    pub fn good(&self) -> Option<Rc<DesiredGraph>> {
        self.record.stack.good.map(|good| self.graph(Some(good)))
    }

    /// Whether a release of this deployment failed, and the stack went back or broke.
    pub fn has_fallen(&self) -> bool {
        self.brings.is_some_and(|release| self.record.stack.quarantine.contains_key(&release))
    }

    /// Calls something with all that a plan depends on.
    pub fn with<T>(&self, what: impl FnOnce(&Inputs<'_>) -> T) -> T {
        let stack = &self.record.stack;
        let (desired, good) = (self.graph(stack.target), stack.good.map(|good| self.graph(Some(good))));
        let (settling, deployment) = (self.watched.spans(), self.deployment_id());
        what(&Inputs {
            desired: &desired,
            release: stack.target,
            good: good.as_deref(),
            record: &self.record,
            seen: &self.seen,
            kinds: kinds(),
            policy: &self.policy,
            secret_versions: &self.secrets,
            secrets_missing: &BTreeMap::new(),
            foreign: &self.foreign,
            settling: &settling,
            deployment: Some(&deployment),
            mode: self.mode,
            goes_back: self.goes_back,
            approved: &self.approved,
            now: &self.now,
        })
    }

    /// Plans what was seen, and holds the first two laws.
    pub fn plan(&mut self) -> (Plan, Report) {
        if self.is_trusting {
            return self.with(plan);
        }
        let (one, other, later, violations) = self.with(|inputs| {
            let one = plan(inputs);
            let later = Now { wall: inputs.now.wall, ..Now::default() };
            let violations = verify(inputs, &one.0);
            (one, plan(inputs), plan(&Inputs { now: &later, ..*inputs }).0.digest, violations)
        });
        if one != other {
            self.world.broken.push("law 1: the same input gave another plan".to_owned());
        }
        if one.0.digest != later {
            self.world.broken.push("law 1: the plan's digest depends on the time".to_owned());
        }
        for violation in violations {
            self.world.broken.push(format!("law 2: {}: {}", violation.rule, violation.how));
        }
        one
    }

    /// A moment at which the engine can be cut off.
    fn moment(&mut self) -> Result<(), Cut> {
        if let Some(mut cuts) = self.cuts.take() {
            if std::mem::take(&mut self.is_changed) {
                cuts.push(self.clone());
            }
            self.cuts = Some(cuts);
        }
        match self.cut_after {
            Some(0) => Err(Cut),
            Some(left) => {
                self.cut_after = Some(left - 1);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// One durable change of the record.
    pub fn write(&mut self, change: impl FnOnce(&mut Record)) -> Result<(), Cut> {
        self.moment()?;
        change(&mut self.record);
        self.is_changed = true;
        self.moment()
    }

    /// After a cut: nothing is left but what was written.
    pub fn restart(&mut self) {
        self.cut_after = None;
        self.watched = Watched::default();
        self.seen.clear();
        self.looked_at.clear();
        self.now.steady = deployd::model::Steady(0);
        self.now.wall = self.now.wall.plus(Milliseconds::seconds(1));
    }

    /// Runs the steps that may start now. How many did.
    pub fn round(&mut self, plan: &Plan) -> Result<usize, Cut> {
        let mut next = self.with(|inputs| frontier(plan, inputs));
        if self.look_before(plan, &next) {
            // It is not as it was taken to be: it is planned anew.
            return Ok(1);
        }
        next.retain(|id| self.is_sure(&plan.steps[id]));
        let sealed = self.seal.get_or_insert_with(|| seal(plan));
        let news: Vec<String> = unsealed(plan, sealed).iter().map(|id| id.to_string()).collect();
        sealed.extend(seal(plan));
        let steps: Vec<Step> = next.iter().map(|id| plan.steps[id].clone()).collect();
        // What fails or ends only on the way down is of no use from then on: nobody could have sealed its end before.
        let is_useless = |id: &&StepId| {
            let thing = self.world.things.get(&plan.steps[*id].identity);
            self.fell
                && plan.steps[*id].act == Act::Delete
                && thing.is_some_and(|thing| matches!(thing.condition, Condition::Failed(_) | Condition::Finished(_)))
        };
        let run = next.iter().filter(|id| !is_useless(id)).map(StepId::to_string);
        self.resealed.extend(run.filter(|id| news.contains(id)).collect::<Vec<_>>());
        let mut orders = Vec::new();
        for step in steps {
            self.log.push(format!("{} {}", step.act, short(&step.identity)));
            match step.act {
                Act::Forget => self.write(|record| drop(record.owned.remove(&step.identity)))?,
                _ => orders.push(self.intend(step)?),
            }
        }
        let steady = self.now.steady;
        orders.iter().for_each(|flying| self.watched.begin(&flying.order.identity, steady));
        for flying in orders {
            self.send(&flying)?;
        }
        Ok(next.len())
    }

    fn intend(&mut self, step: Step) -> Result<Flying, Cut> {
        let record = &self.record;
        let before = record.owned.get(&step.identity).cloned();
        let known = Known { record, secret_versions: &self.secrets, foreign: &self.foreign };
        let shape = shape_of(&step.target, &step.pins, step.once_for);
        let has_fields = matches!(step.act, Act::Create | Act::Update);
        let digest = match asked_of(&step.target, &step.pins, step.once_for, &known) {
            Some(digest) => digest,
            None if has_fields => panic!("{} {} was started, and cannot be filled", step.act, step.identity),
            None => shape,
        };
        let desired = self.graph(record.stack.target);
        let node = desired.nodes.get(&step.identity.address);
        let protect = self.policy.protect.contains(&step.kind);
        let (under, key) = (self.under(), DigestKey::new([7; 32]));
        let asked = asked(&step, node, before.as_ref(), protect, shape, digest, &key, &under);
        let filled = if has_fields { self.fill(&step) } else { Value::Null };
        let order = order(&step, node, &asked, filled, &under);
        let intended = asked.owned.clone();
        self.write(|record| {
            let identity = intended.identity.clone();
            let life = record.lives.entry(identity.address.clone()).or_default();
            *life = (*life).max(identity.incarnation);
            record.owned.insert(identity, intended);
            if let Some(consent) = step.consent.as_ref().and_then(|id| record.consents.get_mut(id)) {
                consent.used = Some(under.deployment);
            }
        })?;
        Ok(Flying { step, asked, before, order })
    }

    fn under(&self) -> Under {
        Under {
            instance: INSTANCE.to_owned(),
            epoch: 1,
            deployment: self.deployment_id(),
            principal: Principal("test".to_owned()),
            now: self.now.wall,
            limit: Milliseconds::seconds(60),
        }
    }

    fn fill(&self, step: &Step) -> Value {
        let offered = |foreign: &Foreign| {
            let outputs = foreign.outputs.keys().map(|name| (name.clone(), Value::from(format!("theirs:{name}"))));
            Export { outputs: recorded(outputs.collect()), ..Export::default() }
        };
        let exports = self.foreign.iter().map(|(of, foreign)| (of.clone(), offered(foreign))).collect();
        let filled = Answers { record: &self.record, exports: &exports, pins: &step.pins }.fill(&step.target);
        let open = filled.references();
        assert!(open.is_empty(), "{} was started, and {open:?} has not answered", step.identity);
        filled
    }

    fn send(&mut self, flying: &Flying) -> Result<(), Cut> {
        let Flying { step, asked, before, order } = flying;
        self.moment()?;
        let answer = self.world.apply(order, step.consent.is_some());
        self.is_changed = true;
        self.moment()?;
        let now = self.now.wall;
        let row = match answer {
            Ok(outcome) => done(asked, &outcome, recorded(outcome.outputs.plain.clone()), now),
            Err(failure) => {
                self.log.push(format!("  {} {} failed: {failure}", step.act, short(&step.identity)));
                let limits = Limits::default();
                let backoff = Backoff { min: limits.backoff_min, max: limits.backoff_max };
                failed(asked, before.as_ref(), &failure, Some(rules_of(&step.kind).create), backoff, now)
            }
        };
        self.write(|record| put(record, vec![row]))
    }

    /// The verdict's one commit, and whether there is more to do.
    pub fn react(&mut self, plan: &Plan) -> Result<Option<End>, Cut> {
        match plan.verdict.clone() {
            Verdict::Proceed => return Ok(None),
            Verdict::AwaitApproval { .. } => return Ok(Some(End::Awaits)),
            Verdict::Done => {
                self.done()?;
                return Ok(Some(End::Done));
            }
            Verdict::RollBack { bad, to, why } => {
                self.log.push(format!("roll back from {} to {}: {why}", self.names[&bad], self.names[&to]));
                let good = self.graph(Some(to));
                self.put(parked(&self.record, &good, kinds()))?;
                self.fall(gone_back(&self.record.stack, bad, to, &why))?;
            }
            Verdict::Fail(why) => {
                self.log.push(format!("fail: {why}"));
                // What fell already, and fails on its way down too, is left as it is.
                let Some(stack) = broken(&self.record.stack, self.fell, &why) else { return Ok(Some(End::Waits)) };
                self.fall(stack)?;
            }
        }
        // The way back was approved with the way there.
        self.seal = None;
        Ok(None)
    }

    fn done(&mut self) -> Result<(), Cut> {
        let desired = self.graph(self.record.stack.target);
        self.put(unparked(&self.record, &desired))?;
        let (stack, _) = ended(&self.record, self.fell);
        self.write(|record| record.stack = stack)
    }

    /// The stack's row and the deployment's, in one durable change.
    fn fall(&mut self, stack: Stack) -> Result<(), Cut> {
        self.moment()?;
        (self.record.stack, self.fell) = (stack, true);
        self.is_changed = true;
        self.moment()
    }

    /// Durable changes of some rows.
    fn put(&mut self, rows: Vec<Owned>) -> Result<(), Cut> {
        match rows.is_empty() {
            true => Ok(()),
            false => self.write(|record| put(record, rows)),
        }
    }

    /// Rounds until there is nothing to do, or nothing that can be done. Things settle when nothing else moves.
    pub fn run(&mut self) -> Result<End, Cut> {
        let nodes = self.graph(self.record.stack.target).nodes.len() + self.record.owned.len();
        let rounds_max = 60 + 24 * nodes;
        let (mut idle, mut waited) = (0, 0);
        for _ in 0..rounds_max {
            self.look()?;
            let (plan, report) = self.plan();
            let before = self.record.stack.clone();
            if let Some(end) = self.react(&plan)? {
                return Ok(end);
            }
            if self.record.stack != before {
                continue;
            }
            if self.round(&plan)? > 0 {
                (idle, waited) = (0, 0);
                continue;
            }
            match self.world.settle() {
                true => (idle, waited) = (0, 0),
                false => idle += 1,
            }
            let Some(at) = report.wake_at else { return Ok(End::Waits) };
            // Looking later than asked is always allowed: so every limit in time is met in a few looks.
            let wait = (at.0.saturating_sub(self.now.steady.0).max(100) << idle).min(PATIENCE.0 / 2);
            self.pass(Milliseconds(wait));
            waited += wait;
            if waited > PATIENCE.0 {
                return Ok(End::Waits);
            }
        }
        Ok(End::Endless)
    }

    /// Time passes.
    pub fn pass(&mut self, span: Milliseconds) {
        self.now.wall = self.now.wall.plus(span);
        self.now.steady = self.now.steady.plus(span);
    }

    /// A person gives leave for everything that is asked for; how much that was.
    pub fn consent_all(&mut self, plan: &Plan, report: &Report) -> usize {
        for needs in &report.needs_consent {
            let consent = Consent {
                identity: needs.identity.clone(),
                act: needs.act,
                step: needs.step,
                plan: plan.digest,
                principal: Principal("person".to_owned()),
                expires: self.now.wall.plus(Milliseconds::seconds(3600)),
                used: None,
            };
            let id = ConsentId(format!("{} {:?} {}", needs.identity, needs.act, needs.step.short()));
            self.record.consents.insert(id, consent);
        }
        report.needs_consent.len()
    }
}

fn put(record: &mut Record, rows: Vec<Owned>) {
    record.owned.extend(rows.into_iter().map(|owned| (owned.identity.clone(), owned)));
}

/// The time in which nothing moved, after which it counts as waiting: longer than any kind may settle here, and shorter
/// than leave is good for.
const PATIENCE: Milliseconds = Milliseconds::seconds(600);

/// `app.1#2`.
pub fn short(identity: &Identity) -> String {
    match identity.incarnation {
        1 => identity.address.short(),
        life => format!("{}#{life}", identity.address.short()),
    }
}
