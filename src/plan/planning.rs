//! `Planning`: the plan as it grows. Each part adds its steps and lines; none takes one back.

use super::digest::{Known, Pins, asked_as, step_digest};
use super::index::Index;
use super::life::{Life, Standing};
use super::types::{Act, After, Base, Inputs, Is, Line, LineCode, NeedsConsent, Reason, Report, Step, StepId};
use super::wanted::{self, Goal};
use crate::graph::{Data, KindRules, Lifecycle, Need, Node, Role};
use crate::model::{Address, Digest, Identity, Kind, Piece, Value};
use crate::state::{Condition, Consent, ConsentAct, ConsentId, Mode, Owned, Phase, Presence, Present, Why, WhyCode};
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Planning<'i> {
    pub(super) i: &'i Inputs<'i>,
    pub(super) goal: Goal,
    pub(super) wanted: BTreeMap<&'i Address, &'i Node>,
    pub(super) index: Index<'i>,
    /// Which life each wanted address has in the end.
    pub(super) charge: BTreeMap<Address, u32>,
    /// The last step for each address: what those who need it come after.
    pub(super) last: BTreeMap<Address, StepId>,
    /// How the rolled groups are rolled.
    pub(super) rolls: BTreeMap<Address, super::group::Roll>,
    /// Where another life takes the place of one that stood: whoever refers to it is asked anew.
    pub(super) remade: BTreeSet<&'i Address>,
    /// The lives that a step of this plan ends.
    pub(super) ending: BTreeSet<&'i Identity>,
    pub(super) steps: BTreeMap<StepId, Step>,
    pub(super) report: Report,
    /// Why the release failed, if it did: the first reason in order.
    pub(super) bad: Option<Why>,
    /// Whether everything that is wanted is as it should be.
    pub(super) all_well: bool,
    /// Nothing new is begun: paused, or a secret is missing.
    pub(super) frozen: bool,
}

/// A step that is about to be added.
pub(super) struct Draft<'d> {
    pub(super) act: Act,
    pub(super) identity: Identity,
    pub(super) kind: &'d Kind,
    pub(super) target: Value,
    pub(super) once_for: Option<Digest>,
    pub(super) pins: Pins,
    pub(super) base: Base,
    pub(super) after: BTreeSet<After>,
    pub(super) because: Reason,
    /// Tells several steps of one act on one life apart.
    pub(super) number: u32,
}

impl<'i> Planning<'i> {
    pub(super) fn new(i: &'i Inputs<'i>) -> Planning<'i> {
        let goal = wanted::goal(i);
        let wanted = wanted::nodes(i, goal);
        Planning {
            i,
            goal,
            index: Index::new(i, &wanted),
            wanted,
            charge: BTreeMap::new(),
            last: BTreeMap::new(),
            rolls: BTreeMap::new(),
            remade: BTreeSet::new(),
            ending: BTreeSet::new(),
            steps: BTreeMap::new(),
            report: Report::default(),
            bad: None,
            all_well: true,
            frozen: false,
        }
    }

    pub(super) fn rules(&self, kind: &Kind) -> Option<&'i KindRules> {
        self.i.kinds.get(kind)
    }

    /// The lives of an address that are not going.
    pub(super) fn lives(&self, address: &'i Address) -> Vec<Life<'i>> {
        let lives = self.i.record.lives_of(address).map(|owned| Life::new(self.i, owned));
        lives.filter(|life| !life.is_leaving() || self.is_taken_back(life)).collect()
    }

    /// Whether something that was to be deleted is asked for again, and is there: the order to delete it was lost. What
    /// holds data is not deleted for that, since the leave for it went with the wish.
    pub(super) fn is_taken_back(&self, life: &Life<'_>) -> bool {
        let is_asked_for = || self.i.desired.nodes.get(life.address()).is_some_and(|node| node.kind == life.owned.kind);
        let is_there = || life.present().is_some_and(|present| present.condition != Condition::Leaving);
        life.is_leaving()
            && self.goal == Goal::Run
            && is_asked_for()
            && is_there()
            && self.is_protected(life)
            && self.consent_to_end(life).is_none()
    }

    /// The life after all that ever were.
    pub(super) fn next_life(&self, address: &'i Address) -> u32 {
        let ever = self.i.record.lives.get(address).copied().unwrap_or(0);
        let owned = self.i.record.lives_of(address).next_back().map_or(0, |owned| owned.identity.incarnation);
        ever.max(owned).saturating_add(1)
    }

    /// Which lives a node's references mean in the end.
    pub(super) fn pins(&self, node: &Node) -> Pins {
        let references = self.index.references(&node.address).iter();
        references
            .filter(|address| self.is_pinned(address) || self.is_set_aside(address))
            .filter_map(|address| Some(((*address).clone(), *self.charge.get(*address)?)))
            .collect()
    }

    pub(super) fn is_pinned(&self, address: &Address) -> bool {
        let rules = self.wanted.get(address).and_then(|node| self.rules(&node.kind));
        rules.is_some_and(|rules| rules.is_rolled() || matches!(rules.lifecycle, Lifecycle::Kept(_)))
    }

    /// Whether the newest life of an address is not the one in charge: it is of another kind, and kept. Then a reference
    /// names the one that it means.
    fn is_set_aside(&self, address: &Address) -> bool {
        let newest = self.i.record.lives_of(address).rev().find(|owned| !matches!(owned.phase, Phase::Leaving(_)));
        let newest = newest.map(|owned| owned.identity.incarnation);
        newest > self.charge.get(address).copied()
    }

    /// Whether a life was asked for with these very fields and pins, for the same thing. The row's shape is the digest of
    /// these; comparing them costs less, and outlives another way of computing digests. A pin that is there only while
    /// another life is kept makes no difference: what fills the reference does.
    pub(super) fn has_shape(&self, life: &Life<'_>, fields: &Value, pins: &Pins, once_for: Option<Digest>) -> bool {
        let owned = life.owned;
        let always = |(address, _): &(&Address, &u32)| self.is_pinned(address);
        owned.once_for == once_for
            && owned.pins.iter().filter(always).eq(pins.iter().filter(always))
            && owned.fields == *fields
    }

    /// Whether what fills a life's references is other than when it was asked for, or is going to be: something that it
    /// refers to has another life, or has one that has not answered yet.
    pub(super) fn inputs_changed(&self, life: &Life<'_>) -> bool {
        let owned = life.owned;
        let pieces = owned.fields.pieces();
        if !pieces.iter().any(|piece| matches!(piece, Piece::Output { .. } | Piece::Secret { .. })) {
            return false;
        }
        let known = self.known();
        let pins = self.pins_now(owned);
        match asked_as(owned.shape, &owned.fields, &pins, &known) {
            Some(asked) if asked != owned.asked => true,
            asked => pieces.iter().any(|piece| match piece {
                Piece::Output { of, name, .. } if !pins.contains_key(of) => {
                    let is_coming = asked.is_none() && known.output(of, name, &pins).is_none();
                    self.remade.contains(of) || (is_coming && self.charge.contains_key(of))
                }
                _ => false,
            }),
        }
    }

    /// The lives that a row's references mean now: of what it is always said for, those that it was made with.
    fn pins_now(&self, owned: &Owned) -> Pins {
        let mut pins: Pins = owned.pins.clone();
        pins.retain(|address, _| self.is_pinned(address) || !self.charge.contains_key(address));
        for address in owned.fields.references() {
            if !self.is_pinned(address)
                && self.is_set_aside(address)
                && let Some(charge) = self.charge.get(address)
            {
                pins.insert(address.clone(), *charge);
            }
        }
        pins
    }

    pub(super) fn known(&self) -> Known<'i> {
        Known { record: self.i.record, secret_versions: self.i.secret_versions, foreign: self.i.foreign }
    }

    /// What must be so before a step of this node starts: what it needs is ready, what it refers to is known.
    pub(super) fn needs(&self, node: &Node) -> BTreeSet<After> {
        self.needs_but(node, &|_| false)
    }

    /// The same, without some addresses.
    pub(super) fn needs_but(&self, node: &Node, without: &dyn Fn(&Address) -> bool) -> BTreeSet<After> {
        let mut after = BTreeSet::new();
        for need in node.needs.iter().filter(|need| !without(need.address()) && self.has_to_wait(need.address())) {
            let is = match need {
                Need::Ready(_) => Is::Ready,
                Need::Name(_) => Is::Known,
            };
            self.wait_for(need.address(), is, &mut after);
        }
        for address in self.index.references(&node.address) {
            if !without(address) && !node.needs.contains(&Need::Ready((*address).clone())) {
                self.wait_for(address, Is::Known, &mut after);
            }
        }
        after
    }

    /// Whether anything waits for that address: in the quick mode nothing waits for a migration.
    fn has_to_wait(&self, address: &Address) -> bool {
        let is_migration = || {
            let node = self.wanted.get(address);
            node.is_some_and(|node| self.is_task(&node.kind) && node.fields.get("mode").is_some())
        };
        self.i.mode != Mode::Quick || !is_migration()
    }

    pub(super) fn is_task(&self, kind: &Kind) -> bool {
        self.rules(kind).is_some_and(|rules| rules.role == Role::Task)
    }

    pub(super) fn wait_for(&self, address: &Address, is: Is, after: &mut BTreeSet<After>) {
        let life = self.charge.get(address).copied();
        after.insert(After::Is(address.clone(), life, is));
        if let (Is::Ready, Some(step)) = (is, self.last.get(address)) {
            after.insert(After::Step(step.clone()));
        }
    }

    /// Adds a step, unless nothing may be begun. Says its name.
    pub(super) fn add(&mut self, draft: Draft<'_>, consent: Option<ConsentId>) -> Option<StepId> {
        self.all_well = false;
        let is_end = matches!(draft.act, Act::Forget);
        let goes =
            self.i.record.owned.get(&draft.identity).is_some_and(|owned| matches!(owned.phase, Phase::Leaving(_)));
        if wanted::is_paused(self.i) || (self.frozen && !is_end && !goes) {
            return None;
        }
        let digest = step_digest(draft.act, &draft.identity, &draft.target, draft.once_for, &draft.pins, &draft.base);
        let id = StepId::new(draft.act, &draft.identity, draft.number);
        let step = Step {
            act: draft.act,
            identity: draft.identity,
            kind: draft.kind.clone(),
            target: draft.target,
            once_for: draft.once_for,
            pins: draft.pins,
            base: draft.base,
            after: draft.after,
            consent,
            digest,
            because: draft.because,
        };
        self.steps.insert(id.clone(), step);
        Some(id)
    }

    /// A create of one life of a node.
    pub(super) fn create(
        &mut self,
        node: &'i Node,
        life: u32,
        pins: Pins,
        after: BTreeSet<After>,
        because: Reason,
        consent: Option<ConsentId>,
    ) -> Option<StepId> {
        let identity = node.address.incarnation(life);
        let seen = self.i.seen.get(&identity).map(|seen| &seen.presence);
        let because = match (because, seen) {
            (Reason::NotThere, Some(Presence::Unknown(_))) => Reason::NotLookedAt,
            (because, _) => because,
        };
        self.add(
            Draft {
                act: Act::Create,
                identity,
                kind: &node.kind,
                target: node.fields.clone(),
                once_for: node.once_for,
                pins,
                base: Base::Absent,
                after,
                because,
                number: 0,
            },
            consent,
        )
    }

    /// The end of a life, and of its row. `after` is what the end waits for.
    pub(super) fn end(
        &mut self,
        life: &Life<'i>,
        act: Act,
        after: BTreeSet<After>,
        because: Reason,
        consent: Option<ConsentId>,
    ) {
        self.ending.insert(life.identity());
        let draft = Draft { after, ..ending(life, act, because.clone()) };
        let ended = self.add(draft, consent);
        self.forget_after(life, ended, because);
    }

    /// A row whose thing is proved gone, or is going without being asked again: the row goes.
    pub(super) fn forget(&mut self, life: &Life<'i>, because: Reason) {
        self.ending.insert(life.identity());
        self.forget_after(life, None, because);
    }

    fn forget_after(&mut self, life: &Life<'_>, step: Option<StepId>, because: Reason) {
        let gone = After::Is(life.address().clone(), Some(life.number()), Is::Gone);
        let after = step.into_iter().map(After::Step).chain([gone]).collect();
        self.add(Draft { after, ..ending(life, Act::Forget, because) }, None);
    }

    /// A row that says nothing that is true: it goes, and nothing is done to what stands there.
    pub(super) fn disown(&mut self, life: &Life<'i>, because: Reason) {
        self.ending.insert(life.identity());
        self.add(ending(life, Act::Forget, because), None);
    }

    /// A person's leave for an act on a life, if it is good: for this step, not expired, not used up by another.
    pub(super) fn consent(&self, identity: &Identity, act: ConsentAct, step: Digest) -> Option<ConsentId> {
        let good = |consent: &Consent| {
            consent.identity == *identity
                && consent.act == act
                && consent.step == step
                && match &consent.used {
                    None => consent.expires > self.i.now.wall,
                    Some(by) => Some(by) == self.i.deployment,
                }
        };
        self.i.record.consents.iter().find(|(_, consent)| good(consent)).map(|(id, _)| id.clone())
    }

    /// Tells of an act that a person's leave would allow.
    pub(super) fn ask_consent(&mut self, identity: &Identity, act: ConsentAct, step: Digest) {
        self.report.needs_consent.push(NeedsConsent { identity: identity.clone(), act, step });
    }

    /// A person's leave to end a life, whatever is to come after it.
    pub(super) fn consent_to_end(&self, life: &Life<'_>) -> Option<ConsentId> {
        let acts = [ConsentAct::Delete, ConsentAct::Replace];
        acts.into_iter().find_map(|act| self.consent(life.identity(), act, delete_digest(life)))
    }

    pub(super) fn is_protected(&self, life: &Life<'_>) -> bool {
        life.owned.protection == Data::HoldsData || self.i.policy.protect.contains(&life.owned.kind)
    }

    pub(super) fn why_protected(&self, life: &Life<'_>) -> String {
        let kind = &life.owned.kind;
        match self.i.policy.protect.contains(kind) {
            true => format!("this world protects {kind}"),
            false => format!("it holds data ({kind})"),
        }
    }

    pub(super) fn waiting(&mut self, at: &Address, code: LineCode, why: Why) {
        self.all_well = false;
        self.report.waiting.push(Line::new(at.clone(), code, why));
    }

    /// Something waits for another thing, if it is one.
    pub(super) fn waiting_on(&mut self, at: &Address, code: LineCode, why: Why, on: Option<Address>) {
        self.all_well = false;
        self.report.waiting.push(Line { on, ..Line::new(at.clone(), code, why) });
    }

    pub(super) fn held(&mut self, at: &Address, code: LineCode, why: Why) {
        self.all_well = false;
        self.report.held.push(Line::new(at.clone(), code, why));
    }

    pub(super) fn kept(&mut self, at: &Address, code: LineCode, why: Why) {
        self.report.kept.push(Line::new(at.clone(), code, why));
    }

    pub(super) fn noted(&mut self, at: &Address, code: LineCode, why: Why) {
        self.report.noted.push(Line::new(at.clone(), code, why));
    }

    /// What a life in charge means for the whole: what it waits for, or that the release failed.
    pub(super) fn watch(&mut self, life: &Life<'i>) {
        let at = life.address();
        match life.standing() {
            Standing::Ready => self.report.unchanged += 1,
            Standing::Ended(exit) if life.runs_once() && exit.code == 0 => self.report.unchanged += 1,
            Standing::Ended(exit) => {
                let text = format!("{} ended with exit code {}", ended(at), exit.code);
                self.failed(life, Why::new(WhyCode::CommandFailed, text).details(exit.last_lines.clone()));
            }
            Standing::Failed(why) => self.failed(life, why),
            Standing::Settling(what) => {
                let since = self.i.settling.get(life.identity()).copied();
                self.all_well = false;
                let is_workload = self.rules(&life.owned.kind).is_some_and(|rules| rules.role == Role::Workload);
                let text = match life.within().filter(|_| life.runs_once()) {
                    _ if life.was_ready() && is_workload => format!("{} was well and is not: {what}", at.short()),
                    // What waits for a command waits for somebody's own code: it is told how long at most.
                    Some(within) => format!("{what}, for at most {within}"),
                    None => what.to_owned(),
                };
                let why = Why::new(WhyCode::Other, text);
                // How long a service's own code takes, nobody knows but its developer.
                let runs_own_code = |rules: &&KindRules| matches!(rules.role, Role::Workload | Role::Task);
                let rules = self.rules(&life.owned.kind).filter(|rules| !runs_own_code(rules));
                let usually = rules.map(|rules| rules.usually);
                let line = Line::new(at.clone(), LineCode::Settling, why);
                self.report.waiting.push(Line { since, usually, ..line });
            }
            Standing::Unknown(why) => self.waiting(at, LineCode::Unknown, why),
            Standing::Leaving => {
                let why = Why::new(WhyCode::Other, "somebody else is deleting it");
                self.waiting(at, LineCode::Settling, why);
            }
            Standing::NotOurs(present) => self.another(at, present),
            Standing::Absent | Standing::Unfinished(_) => self.all_well = false,
        }
    }

    /// What stands there is not ours: it is left alone.
    pub(super) fn another(&mut self, at: &Address, present: &Present) {
        let text = format!("{} is not ours any more: it is left alone", present.handle.0);
        self.held(at, LineCode::NotOurs, Why::new(WhyCode::Refused, text));
    }

    /// A life does not get well: it is told, held, or the release's fault.
    pub(super) fn failed(&mut self, life: &Life<'_>, why: Why) {
        self.all_well = false;
        if life.was_ready() && !life.is_of_release() {
            self.noted(life.address(), LineCode::Drifted, why.clone());
            // It is no fault of the release, and it is waited for all the same: never in silence.
            let text = format!("{} was well and is not: {}", life.address().short(), why.text);
            return self.waiting(life.address(), LineCode::Settling, Why { text, ..why });
        }
        if wanted::is_returning(self.i) {
            return self.held(life.address(), LineCode::Other, why);
        }
        self.bad.get_or_insert(why);
    }
}

/// The end of a life without what it waits for.
fn ending<'d>(life: &Life<'d>, act: Act, because: Reason) -> Draft<'d> {
    let owned = life.owned;
    Draft {
        act,
        identity: owned.identity.clone(),
        kind: &owned.kind,
        target: Value::Null,
        once_for: None,
        pins: Pins::new(),
        base: Base::Shape(owned.shape),
        after: BTreeSet::new(),
        because,
        number: 0,
    }
}

/// The digest of the step that deletes a life.
pub(super) fn delete_digest(life: &Life<'_>) -> Digest {
    step_digest(Act::Delete, life.identity(), &Value::Null, None, &Pins::new(), &Base::Shape(life.owned.shape))
}

/// What people call what has ended: `test`, `migrate-users`, or the service, of which a process is only a number.
fn ended(at: &Address) -> &str {
    match at.part.as_deref() {
        Some(part) if !part.bytes().all(|byte| byte.is_ascii_digit()) => part,
        _ => &at.name,
    }
}
