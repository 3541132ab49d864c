//! A stack in a world: looks, plans, runs what may run and records it, round by round, as the engine does. It can be cut
//! before and after every write and every call.

use super::act::{Asked, ask, done, failed, fill};
use super::kinds::{kinds, rules_of};
use super::text::stack;
use super::world::{Answer, World, outputs};
use deployd::graph::{Data, DesiredGraph};
use deployd::model::{Address, Digest, Identity, Milliseconds, Now, SecretName, SecretVersion, Wall};
use deployd::plan::{
    Act, Foreign, Inputs, Known, Plan, Policy, Report, Step, StepId, Verdict, asked_of, frontier, parked, plan, seal,
    shape_of, unsealed, verify,
};
use deployd::state::{
    Consent, ConsentId, DeploymentId, Mode, Observation, Owned, Phase, Principal, Record, ReleaseId, SourceId, Stack,
    StackState, Wish,
};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The engine was cut off.
#[derive(Debug)]
pub struct Cut;

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
    pub approved: BTreeSet<Digest>,
    pub deployment: u64,
    /// The release that this deployment is to bring.
    brings: Option<ReleaseId>,
    /// What ran once and ended, and was looked at before its end.
    pub looked_at: BTreeSet<Identity>,
    pub now: Now,
    /// Since when each is on its way.
    pub since: BTreeMap<Identity, u64>,
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
            approved: BTreeSet::new(),
            deployment: 0,
            brings: None,
            looked_at: BTreeSet::new(),
            now: Now { wall: Wall(1_000_000), ..Now::default() },
            since: BTreeMap::new(),
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
        self.seal = None;
        let stack = &mut self.record.stack;
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
        // Another deployment is another try.
        for owned in self.record.owned.values_mut() {
            let failed = matches!(&owned.phase, Phase::Done(exit) if exit.code != 0);
            owned.once_for = owned.once_for.filter(|_| !failed);
            owned.trouble = owned.trouble.take().filter(|trouble| trouble.what_next != deployd::state::Move::Refused);
        }
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
        let (settling, deployment) = (self.settling(), self.deployment_id());
        what(&Inputs {
            desired: &desired,
            release: stack.target,
            good: good.as_deref(),
            record: &self.record,
            seen: &self.seen,
            kinds: kinds(),
            policy: &self.policy,
            secret_versions: &self.secrets,
            foreign: &self.foreign,
            settling: &settling,
            deployment: Some(&deployment),
            mode: self.mode,
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
        self.since.clear();
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
        self.resealed.extend(next.iter().map(StepId::to_string).filter(|id| news.contains(id)));
        let mut orders = Vec::new();
        for step in steps {
            self.log.push(format!("{} {}", step.act, short(&step.identity)));
            match step.act {
                Act::Forget => self.write(|record| drop(record.owned.remove(&step.identity)))?,
                _ => orders.push(self.intend(step)?),
            }
        }
        for (step, asked, before) in orders {
            self.order(&step, &asked, before.as_ref())?;
        }
        Ok(next.len())
    }

    fn intend(&mut self, step: Step) -> Result<(Step, Asked, Option<Owned>), Cut> {
        let before = self.record.owned.get(&step.identity).cloned();
        let known = Known { record: &self.record, secret_versions: &self.secrets, foreign: &self.foreign };
        let shape = shape_of(&step.target, &step.pins, step.once_for);
        let digest = match asked_of(&step.target, &step.pins, step.once_for, &known) {
            Some(digest) => digest,
            None if matches!(step.act, Act::Create | Act::Update) => {
                panic!("{} {} was started, and cannot be filled", step.act, step.identity)
            }
            None => shape,
        };
        let desired = self.graph(self.record.stack.target);
        let node = desired.nodes.get(&step.identity.address);
        let protect = self.policy.protect.contains(&step.kind);
        let asked = ask(&step, node, before.as_ref(), protect, (shape, digest), &self.deployment_id(), self.now.wall);
        let (deployment, intended) = (self.deployment_id(), asked.intended.clone());
        self.write(|record| {
            let identity = intended.identity.clone();
            let life = record.lives.entry(identity.address.clone()).or_default();
            *life = (*life).max(identity.incarnation);
            record.owned.insert(identity, intended);
            if let Some(consent) = step.consent.as_ref().and_then(|id| record.consents.get_mut(id)) {
                consent.used = Some(deployment);
            }
        })?;
        Ok((step, asked, before))
    }

    fn order(&mut self, step: &Step, asked: &Asked, before: Option<&Owned>) -> Result<(), Cut> {
        let filled = match step.act {
            Act::Create | Act::Update => fill(&step.target, &self.record, &step.pins),
            _ => deployd::model::Value::Null,
        };
        self.moment()?;
        let protected = asked.intended.protection == Data::HoldsData;
        let answer = self.world.apply(step, filled, asked.done.asked, protected);
        self.is_changed = true;
        self.moment()?;
        self.since.remove(&step.identity);
        let now = self.now.wall;
        let row = match answer {
            Answer::Done(condition) => {
                let there = self.world.things.get(&step.identity);
                let answered = there.map(|thing| outputs(&step.identity, thing)).unwrap_or_default();
                done(asked, &condition, answered, now)
            }
            Answer::Failed(fault, why) => {
                self.log.push(format!("  {} {} failed: {why}", step.act, short(&step.identity)));
                failed(asked, before, fault, why, Some(rules_of(&step.kind).create), now)
            }
        };
        self.write(|record| drop(record.owned.insert(row.identity.clone(), row)))
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
                let brought: Vec<Identity> = parked(&self.record, &good, kinds()).into_iter().cloned().collect();
                self.write(|record| {
                    record.stack.target = Some(to);
                    record.stack.quarantine.insert(bad, why);
                    for identity in brought {
                        record.owned.get_mut(&identity).expect("it is a row").phase = Phase::Parked;
                    }
                })?;
            }
            Verdict::Fail(why) => {
                self.log.push(format!("fail: {why}"));
                self.write(|record| {
                    record.stack.state = StackState::Broken;
                    record.stack.quarantine.extend(record.stack.target.map(|target| (target, why)));
                })?;
            }
        }
        // The way back was approved with the way there.
        self.seal = None;
        Ok(None)
    }

    fn done(&mut self) -> Result<(), Cut> {
        let desired = self.graph(self.record.stack.target);
        self.write(|record| {
            let stack = &mut record.stack;
            let is_broken = stack.target.is_some_and(|target| stack.quarantine.contains_key(&target));
            match stack.wish {
                Wish::Run { .. } if is_broken => {}
                Wish::Run { .. } => {
                    stack.good = stack.target;
                    stack.state = StackState::Available;
                    let is_used = |owned: &&mut Owned| {
                        owned.phase == Phase::Parked && desired.nodes.contains_key(&owned.identity.address)
                    };
                    record.owned.values_mut().filter(is_used).for_each(|owned| owned.phase = Phase::Standing);
                }
                Wish::Stopped => stack.state = StackState::Stopped,
                Wish::Gone if record.owned.is_empty() => {
                    stack.state = StackState::Deleted;
                    (stack.target, stack.good) = (None, None);
                    stack.quarantine.clear();
                }
                Wish::Gone => stack.state = StackState::Stopped,
            }
        })
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
