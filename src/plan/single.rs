//! Things that are changed where they stand: create, update, replace, adopt, put right. The lives that are replaced are
//! ended by [`super::succession`], once everything that refers to them is planned.

use super::differences::{self, Difference};
use super::digest::{Pins, shape_of, step_digest};
use super::group::Stage;
use super::life::{Life, Standing};
use super::planning::{Draft, Planning, delete_digest};
use super::types::{Act, After, Base, Is, LineCode, Reason, StepId};
use super::wanted;
use crate::graph::{KindRules, Node, Replace, Role};
use crate::model::{Digest, FieldPath, Identity, Value};
use crate::state::{Condition, ConsentAct, ConsentId, IntentAct, Owner, Presence, Present, Why, WhyCode};
use std::collections::BTreeSet;

/// One change of a life where it stands.
struct Move<'i> {
    life: Life<'i>,
    /// What it is to become, but for where its references point.
    fields: &'i Value,
    pins: Pins,
    base: Digest,
    after: BTreeSet<After>,
    because: Reason,
    number: usize,
    consent: Option<ConsentId>,
}

impl<'i> Planning<'i> {
    pub(super) fn single(&mut self, node: &'i Node, rules: &'i KindRules) {
        let mut lives = self.lives(&node.address);
        // What holds data and was kept beside another kind of the same name is in charge again when its kind is.
        let same = lives.iter().rposition(|life| life.owned.kind == node.kind);
        let Some(life) = same.map(|at| lives.remove(at)).or_else(|| lives.pop()) else {
            return self.make(node, Reason::NotThere, None);
        };
        self.charge.insert(node.address.clone(), life.number());
        match life.standing() {
            // It was to go, and is asked for again.
            Standing::Leaving if life.is_leaving() => drop(self.change(node, rules, &life, Some(Reason::Unfinished))),
            Standing::NotOurs(present) => self.not_ours(node, life.number(), present),
            Standing::Unfinished(IntentAct::Adopt) => match life.present() {
                Some(present) => self.not_ours(node, life.number(), present),
                None => self.vanished(node, &life),
            },
            // The same life is made again, by the same token if it is the same step: doing it twice is doing it once.
            Standing::Unfinished(IntentAct::Create) if life.owned.kind == node.kind => {
                self.make_life(node, life.number(), Reason::Unfinished, None);
            }
            Standing::Unfinished(_) => drop(self.change(node, rules, &life, Some(Reason::Unfinished))),
            Standing::Absent => self.vanished(node, &life),
            Standing::Leaving => self.watch(&life),
            Standing::Unknown(_) if life.is_unmade() => self.watch(&life),
            // How it is now says nothing of what it is going to be.
            _ => {
                if !self.change(node, rules, &life, None) {
                    self.watch(&life);
                }
            }
        }
    }

    /// Makes a new life.
    pub(super) fn make(&mut self, node: &'i Node, because: Reason, consent: Option<ConsentId>) {
        let number = self.next_life(&node.address);
        self.charge.insert(node.address.clone(), number);
        if self.i.record.lives_of(&node.address).next().is_some() {
            self.remade.insert(&node.address);
        }
        let seen = self.i.seen.get(&node.address.incarnation(number)).map(|seen| &seen.presence);
        match seen {
            Some(Presence::Present(present)) => self.not_ours(node, number, present),
            _ => self.make_life(node, number, because, consent),
        }
    }

    pub(super) fn make_life(&mut self, node: &'i Node, number: u32, because: Reason, consent: Option<ConsentId>) {
        let mut after = self.needs(node);
        after.extend(self.goes_first(node, number));
        let stages = self.stages(node);
        for stage in &stages {
            after.extend(stage.ready.iter().map(|(address, life)| After::Is(address.clone(), Some(*life), Is::Ready)));
        }
        let pins = self.pins(node);
        if let Some(step) = self.create(node, number, pins, after, because, consent) {
            self.moved(&stages, node, &step);
            self.last.insert(node.address.clone(), step);
        }
    }

    /// The earlier lives that have to be gone before this one is made: all, unless its kind stands beside itself.
    fn goes_first(&self, node: &'i Node, number: u32) -> Vec<After> {
        let rules = self.rules(&node.kind);
        let stands_alone = rules.is_some_and(|rules| {
            rules.lifecycle == crate::graph::Lifecycle::Standing && rules.replace != Replace::CreateFirst
        });
        let lives = self.i.record.lives_of(&node.address).filter(|_| stands_alone);
        let others = lives.map(|owned| owned.identity.incarnation).filter(|life| *life != number);
        others.map(|life| After::Is(node.address.clone(), Some(life), Is::Gone)).collect()
    }

    /// Something is there already under that name. What carries our receipt for this very life is taken over; anything
    /// else is held until a person says otherwise.
    fn not_ours(&mut self, node: &'i Node, number: u32, present: &'i Present) {
        let identity = node.address.incarnation(number);
        let base = Base::Found(present.handle.0.clone());
        let pins = self.pins(node);
        let digest = step_digest(Act::Adopt, &identity, &node.fields, node.once_for, &pins, &base);
        let is_ours = matches!(&present.owner, Owner::Ours(receipt) if receipt.identity == identity);
        let consent = self.consent(&identity, ConsentAct::Adopt, digest);
        if !is_ours && consent.is_none() {
            let whose = match &present.owner {
                Owner::Another(receipt) | Owner::Ours(receipt) => {
                    format!("it carries the receipt of {} (deployd {})", receipt.identity, receipt.instance)
                }
                Owner::Nobody => "it carries no receipt".to_owned(),
            };
            let was_ours = self.i.record.owned.contains_key(&identity);
            let how = if was_ours { "is not ours any more" } else { "is there already, and not ours" };
            let text = format!("{} {how}: {whose}", present.handle.0);
            let way_out = match &present.owner {
                // Nobody adopts what another looks after.
                Owner::Another(_) => "have that one let it go first, or take another name for ours".to_owned(),
                Owner::Ours(_) | Owner::Nobody => {
                    format!("deployd adopt {} {} {}", node.address.stack, node.address.short(), present.handle.0)
                }
            };
            self.held(&node.address, LineCode::NotOurs, Why::new(WhyCode::Refused, text).way_out(way_out));
            return self.ask_consent(&identity, ConsentAct::Adopt, digest);
        }
        let after = self.needs(node);
        let draft = Draft {
            act: Act::Adopt,
            identity,
            kind: &node.kind,
            target: node.fields.clone(),
            once_for: node.once_for,
            pins,
            base,
            after,
            because: if is_ours { Reason::OursAlready } else { Reason::Asked },
            number: 0,
        };
        let step = self.add(draft, consent);
        self.last.extend(step.map(|step| (node.address.clone(), step)));
    }

    /// It was there, and is not any more. What held data is not silently made anew and empty.
    fn vanished(&mut self, node: &'i Node, life: &Life<'i>) {
        let mut consent = None;
        if self.is_protected(life) {
            let identity = node.address.incarnation(self.next_life(&node.address));
            let digest = self.create_digest(node, &identity);
            consent = self.consent(&identity, ConsentAct::Recreate, digest);
            if consent.is_none() {
                let text = "it held data, and is not there any more; deployd did not delete it".to_owned();
                let way_out = format!("bring it back, or make an empty one: deployd approve {}", node.address.stack);
                self.held(&node.address, LineCode::Protected, Why::new(WhyCode::Missing, text).way_out(way_out));
                return self.ask_consent(&identity, ConsentAct::Recreate, digest);
            }
        }
        self.make(node, Reason::Vanished, consent);
    }

    /// The digest of the step that makes a life.
    pub(super) fn create_digest(&self, node: &Node, identity: &Identity) -> Digest {
        step_digest(Act::Create, identity, &node.fields, node.once_for, &self.pins(node), &Base::Absent)
    }

    /// Compares, and changes where it stands or replaces. Whether a step leads away from how it is.
    fn change(&mut self, node: &'i Node, rules: &'i KindRules, life: &Life<'i>, forced: Option<Reason>) -> bool {
        let owned = life.owned;
        let difference = match owned.kind == node.kind {
            false => Difference::Fixed(FieldPath::root()),
            true => differences::between(&owned.fields, &node.fields, rules),
        };
        let end = self.pins(node);
        let is_left = self.leaves_as_it_is(life, rules, &difference);
        // What is left as it is still goes with what it refers to.
        if is_left && (owned.pins == end || owned.fields.references() != node.fields.references()) {
            return false;
        }
        let fields = if is_left { &owned.fields } else { &node.fields };
        let consent = match difference {
            _ if is_left => None,
            Difference::Fixed(path) => return self.replace(node, rules, life, path),
            Difference::Shrinks(paths) => match self.shrink(node, life, &paths) {
                Some(consent) => Some(consent),
                None => return false,
            },
            Difference::InPlace(_) | Difference::None => None,
        };
        let (moved, base) = self.move_in_stages(node, fields, life, &end, consent.as_ref());
        if moved {
            // Everything further waits until it is well at the stage that it has come to.
            if owned.fields == *fields
                && let Standing::Failed(why) = life.standing()
            {
                self.failed(life, why);
            }
            return true;
        }
        let because = match forced {
            Some(because) => because,
            None if !self.has_shape(life, fields, &end, node.once_for)
                && shape_of(fields, &end, node.once_for) != base =>
            {
                why_changed(fields, life, &end)
            }
            None if self.inputs_changed(life) => Reason::InputsChanged(self.changed_inputs(life)),
            None => match rested(life).or_else(|| self.drifted(life)) {
                Some(because) => because,
                None => return false,
            },
        };
        let after = self.needs(node);
        let moving = Move { life: *life, fields, pins: end, base, after, because, number: 0, consent };
        let step = self.update(node, moving);
        self.last.extend(step.map(|step| (node.address.clone(), step)));
        true
    }

    /// What refers to rolled groups moves with them, stage by stage, from where it is. Whether it moves, and to which shape.
    fn move_in_stages(
        &mut self,
        node: &'i Node,
        fields: &'i Value,
        life: &Life<'i>,
        end: &Pins,
        consent: Option<&ConsentId>,
    ) -> (bool, Digest) {
        let mut base = life.owned.shape;
        let stages = self.stages(node);
        if stages.is_empty() || self.has_shape(life, fields, end, node.once_for) {
            return (false, base);
        }
        let shapes: Vec<(Pins, Digest)> = stages
            .iter()
            .map(|stage| pins_at(end, stage))
            .map(|pins| (pins.clone(), shape_of(fields, &pins, node.once_for)))
            .collect();
        let first = shapes.iter().rposition(|(_, shape)| *shape == base).map_or(0, |here| here + 1);
        let mut before: Option<StepId> = None;
        for (number, (stage, (pins, shape))) in stages.iter().zip(shapes).enumerate().skip(first) {
            if shape == base {
                continue;
            }
            let mut after = self.needs_of_stage(node, stage);
            after.extend(before.take().map(After::Step));
            let because = why_changed(fields, life, &pins);
            let consent = consent.cloned();
            let step = self.update(node, Move { life: *life, fields, pins, base, after, because, number, consent });
            if let Some(step) = &step {
                self.moved(std::slice::from_ref(stage), node, step);
                self.last.insert(node.address.clone(), step.clone());
            }
            before = step;
            base = shape;
        }
        (before.is_some(), base)
    }

    fn update(&mut self, node: &'i Node, moving: Move<'i>) -> Option<StepId> {
        let draft = Draft {
            act: Act::Update,
            identity: moving.life.identity().clone(),
            kind: &moving.life.owned.kind,
            target: moving.fields.clone(),
            once_for: node.once_for,
            pins: moving.pins,
            base: Base::Shape(moving.base),
            after: moving.after,
            because: moving.because,
            number: u32::try_from(moving.number).unwrap_or(u32::MAX),
        };
        self.add(draft, moving.consent)
    }

    /// On the way back to what was good, what the other release has done to infrastructure stays where undoing it would
    /// delete, replace or shrink it, or change what holds data. Where a person goes back, only what holds data stays.
    fn leaves_as_it_is(&mut self, life: &Life<'i>, rules: &KindRules, difference: &Difference) -> bool {
        // What the other release never came to make is no more than a row.
        let is_there = !(life.is_unmade() && life.present().is_none());
        let goes_back = self.i.goes_back && self.is_protected(life);
        if !(wanted::is_returning(self.i) || goes_back) || rules.role != Role::Infrastructure || !is_there {
            return false;
        }
        let paths = match difference {
            Difference::Fixed(path) => std::slice::from_ref(path),
            Difference::Shrinks(paths) => paths.as_slice(),
            Difference::InPlace(paths) if self.is_protected(life) => paths.as_slice(),
            Difference::InPlace(_) | Difference::None => return false,
        };
        let text = format!("{} stays as a later release has set it", named(paths));
        self.kept(life.address(), LineCode::Parked, Why::new(WhyCode::Other, text));
        true
    }

    /// What a stage of a roll waits for: all that the node needs but the members of the group, and of these the lives
    /// that this stage moves to.
    fn needs_of_stage(&self, node: &Node, stage: &Stage) -> BTreeSet<After> {
        let mut after = self.needs_but(node, &|address| stage.pins.contains_key(address));
        after.extend(stage.ready.iter().map(|(address, life)| After::Is(address.clone(), Some(*life), Is::Ready)));
        after
    }

    /// Which inputs are other than they were; the record does not say which, so all that can change are named.
    pub(super) fn changed_inputs(&self, life: &Life<'_>) -> Vec<String> {
        let outputs = life.owned.fields.references().into_iter().map(|address| address.short());
        outputs.chain(life.owned.fields.secrets().into_iter().map(|secret| secret.0.clone())).collect()
    }

    /// Whether it is not as we left it.
    fn drifted(&mut self, life: &Life<'i>) -> Option<Reason> {
        let present = life.present()?;
        let paths = differences::drift(&life.owned.fields, &present.fields);
        let is_other = present.asked.is_some_and(|asked| asked != life.owned.asked);
        if paths.is_empty() && !is_other {
            return None;
        }
        let text = match paths.is_empty() {
            true => "it was changed by another".to_owned(),
            false => format!("changed by another: {}", named(&paths)),
        };
        self.noted(life.address(), LineCode::Drifted, Why::new(WhyCode::Other, text));
        Some(Reason::Drifted(paths))
    }

    /// A person's leave to shrink, or what is told instead.
    fn shrink(&mut self, node: &'i Node, life: &Life<'i>, paths: &[FieldPath]) -> Option<ConsentId> {
        let pins = self.pins(node);
        let base = Base::Shape(life.owned.shape);
        let digest = step_digest(Act::Update, life.identity(), &node.fields, node.once_for, &pins, &base);
        let consent = self.consent(life.identity(), ConsentAct::Shrink, digest);
        if consent.is_none() {
            let text = format!("{} only grows: it stays as it is", named(paths));
            let way_out = format!("write the larger value, or give leave: deployd approve {}", node.address.stack);
            self.held(&node.address, LineCode::Refused, Why::new(WhyCode::Refused, text).way_out(way_out));
            self.ask_consent(life.identity(), ConsentAct::Shrink, digest);
        }
        consent
    }

    /// A fixed field changed: another life takes its place, where that loses nothing. Whether it does.
    fn replace(&mut self, node: &'i Node, rules: &'i KindRules, life: &Life<'i>, path: FieldPath) -> bool {
        let what = if path.is_root() { "its kind".to_owned() } else { format!("`{path}`") };
        let was_made = !(life.is_unmade() && life.is_proved_absent());
        let is_fixed = life.rules.is_some_and(|old| old.replace == Replace::Never) || rules.replace == Replace::Never;
        if is_fixed && was_made {
            let text = format!("{what} of {} is fixed once it is made, and it is never replaced", life.owned.kind);
            let way_out = "put the old value back; or require another one beside it, and move the data".to_owned();
            self.held(&node.address, LineCode::Refused, Why::new(WhyCode::Refused, text).way_out(way_out));
            return false;
        }
        if self.is_protected(life) && was_made && self.consent_to_end(life).is_none() {
            let text = format!("{what} is fixed: it would be replaced, and what it holds would be lost");
            let way_out = format!("put the old value back, or give leave: deployd approve {}", node.address.stack);
            self.held(&node.address, LineCode::Protected, Why::new(WhyCode::Refused, text).way_out(way_out));
            self.ask_consent(life.identity(), ConsentAct::Replace, delete_digest(life));
            return false;
        }
        self.make(node, Reason::FixedFieldChanged(path), None);
        true
    }
}

fn why_changed(fields: &Value, life: &Life<'_>, pins: &Pins) -> Reason {
    let paths = differences::paths(&life.owned.fields, fields);
    if !paths.is_empty() {
        return Reason::FieldsChanged(paths);
    }
    let moved = pins.iter().find(|(address, number)| life.owned.pins.get(*address) != Some(number));
    moved.map_or_else(|| Reason::FieldsChanged(Vec::new()), |(address, _)| Reason::SuccessorInCharge(address.clone()))
}

/// The pins at one stage of a roll: the end's, but for lives that have not been moved to yet.
fn pins_at(end: &Pins, stage: &Stage) -> Pins {
    end.iter().map(|(address, life)| (address.clone(), stage.pins.get(address).copied().unwrap_or(*life))).collect()
}

fn named(paths: &[FieldPath]) -> String {
    match paths {
        [path] if path.is_root() => "its kind".to_owned(),
        paths => paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// What is at rest is asked for again as it is: that brings it back.
fn rested(life: &Life<'_>) -> Option<Reason> {
    match &life.present()?.condition {
        Condition::AtRest(why) => Some(Reason::Failed(why.clone())),
        _ => None,
    }
}
