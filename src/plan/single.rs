//! Things that are changed where they stand: create, update, replace, adopt, put right.

use super::differences::{self, Difference};
use super::digest::{Pins, shape_of, step_digest};
use super::group::Stage;
use super::life::{Life, Standing};
use super::planning::{Draft, Planning};
use super::types::{Act, After, Base, Is, LineCode, Reason};
use crate::graph::{KindRules, Node, Replace};
use crate::model::{Digest, FieldPath};
use crate::state::{ConsentAct, IntentAct, Owner, Presence, Present, Why, WhyCode};
use std::collections::BTreeSet;

impl<'i> Planning<'i> {
    pub(super) fn single(&mut self, node: &'i Node, rules: &'i KindRules) {
        let Some(life) = self.lives(&node.address).pop() else {
            return self.make(node, Reason::NotThere, BTreeSet::new());
        };
        self.charge.insert(node.address.clone(), life.number());
        match life.standing() {
            Standing::NotOurs(present) => self.not_ours(node, life.number(), present),
            Standing::Unfinished(IntentAct::Create | IntentAct::Adopt) if life.present().is_none() => {
                // Nothing is there: the same life is made again, by the same token if it is the same step.
                let (pins, after) = (self.pins(node), self.needs(node));
                let step = self.create(node, life.number(), pins, after, Reason::Unfinished);
                self.last.extend(step.map(|step| (node.address.clone(), step)));
            }
            Standing::Unfinished(_) => self.change(node, rules, &life, Some(Reason::Unfinished)),
            Standing::Absent => self.vanished(node, &life),
            Standing::Failed(why) if life.was_ready() => {
                self.noted(&node.address, LineCode::Drifted, why.clone());
                self.change(node, rules, &life, Some(Reason::Failed(why)));
            }
            Standing::Leaving => self.watch(&life),
            _ => {
                self.change(node, rules, &life, None);
                self.watch(&life);
            }
        }
    }

    /// Makes a new life.
    pub(super) fn make(&mut self, node: &'i Node, because: Reason, mut after: BTreeSet<After>) {
        let number = self.next_life(&node.address);
        self.charge.insert(node.address.clone(), number);
        let identity = node.address.incarnation(number);
        if let Some(Presence::Present(present)) = self.i.seen.get(&identity).map(|seen| &seen.presence) {
            return self.not_ours(node, number, present);
        }
        after.extend(self.needs(node));
        let stages = self.stages(node);
        let pins = self.pins(node);
        for stage in &stages {
            after.extend(stage.ready.iter().map(|(address, life)| After::Is(address.clone(), Some(*life), Is::Ready)));
        }
        let step = self.create(node, number, pins, after, because);
        if let Some(step) = step {
            self.routed(&stages, &step);
            self.last.insert(node.address.clone(), step);
        }
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
                Owner::Another(receipt) => {
                    format!("it carries the receipt of {} (deployd {})", receipt.identity, receipt.instance)
                }
                _ => "it carries no receipt".to_owned(),
            };
            let text = format!("{} is there already, and not ours: {whose}", present.handle.0);
            let way_out = format!("deployd adopt {} {} {}", node.address.stack, node.address.short(), present.handle.0);
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
            because: Reason::Asked,
            number: 0,
        };
        let step = self.add(draft, consent);
        self.last.extend(step.map(|step| (node.address.clone(), step)));
    }

    /// It was there, and is not any more. What held data is not silently made anew and empty.
    fn vanished(&mut self, node: &'i Node, life: &Life<'i>) {
        let number = self.next_life(&node.address);
        if self.is_protected(life) {
            let identity = node.address.incarnation(number);
            let digest =
                step_digest(Act::Create, &identity, &node.fields, node.once_for, &self.pins(node), &Base::Absent);
            if self.consent(&identity, ConsentAct::Recreate, digest).is_none() {
                let text = "it held data, and is not there any more; deployd did not delete it".to_owned();
                let way_out = format!("bring it back, or make an empty one: deployd approve {}", node.address.stack);
                self.held(&node.address, LineCode::Protected, Why::new(WhyCode::Missing, text).way_out(way_out));
                return self.ask_consent(&identity, ConsentAct::Recreate, digest);
            }
        }
        self.forget(life, Reason::Vanished);
        self.make(node, Reason::Vanished, BTreeSet::new());
    }

    /// Compares, and changes where it stands or replaces.
    fn change(&mut self, node: &'i Node, rules: &'i KindRules, life: &Life<'i>, forced: Option<Reason>) {
        let owned = life.owned;
        if owned.kind != node.kind {
            return self.replace(node, rules, life, FieldPath::root());
        }
        let allowed = match differences::between(&owned.fields, &node.fields, rules) {
            Difference::Fixed(path) => return self.replace(node, rules, life, path),
            Difference::Shrinks(paths) => match self.shrink(node, life, &paths) {
                Some(consent) => Some(consent),
                None => return,
            },
            Difference::InPlace(_) | Difference::None => None,
        };
        let stages = self.stages(node);
        let last_pins = self.pins(node);
        let mut base = owned.shape;
        let mut after_last = None;
        for (number, stage) in stages.iter().enumerate() {
            let pins = pins_at(&last_pins, stage);
            let shape = shape_of(&node.fields, &pins, node.once_for);
            // Only what is not in charge yet is moved to; where it is already, nothing has to be done.
            if shape == base {
                continue;
            }
            let mut after = self.needs_of_stage(node, stage);
            after.extend(after_last.take().map(After::Step));
            let because = self.why_changed(node, life, &pins);
            let step = self.update(node, life, pins, base, after, because, number, allowed.clone());
            if let Some(step) = step {
                self.routed(std::slice::from_ref(stage), &step);
                after_last = Some(step.clone());
                self.last.insert(node.address.clone(), step);
            }
            base = shape;
        }
        if after_last.is_some() {
            return;
        }
        let shape = shape_of(&node.fields, &last_pins, node.once_for);
        let because = match forced {
            Some(because) => because,
            None if shape != base => self.why_changed(node, life, &last_pins),
            None if self.inputs_changed(life) => Reason::InputsChanged(self.changed_inputs(life)),
            None => match self.drifted(life) {
                Some(because) => because,
                None => return,
            },
        };
        let after = self.needs(node);
        let number = stages.len();
        let step = self.update(node, life, last_pins, base, after, because, number, allowed);
        self.last.extend(step.map(|step| (node.address.clone(), step)));
    }

    #[expect(clippy::too_many_arguments, reason = "each is a part of the step, and the callers differ in all of them")]
    fn update(
        &mut self,
        node: &'i Node,
        life: &Life<'i>,
        pins: Pins,
        base: Digest,
        after: BTreeSet<After>,
        because: Reason,
        number: usize,
        consent: Option<crate::state::ConsentId>,
    ) -> Option<super::StepId> {
        let draft = Draft {
            act: Act::Update,
            identity: life.identity().clone(),
            kind: &node.kind,
            target: node.fields.clone(),
            once_for: node.once_for,
            pins,
            base: Base::Shape(base),
            after,
            because,
            number: u32::try_from(number).unwrap_or(u32::MAX),
        };
        self.add(draft, consent)
    }

    /// What a stage of a roll waits for: all that the node needs, but of rolled groups only the lives of this stage.
    fn needs_of_stage(&self, node: &Node, stage: &Stage) -> BTreeSet<After> {
        let of_rolls = |after: &After| match after {
            After::Is(address, ..) => self.rolls.contains_key(&address.whole()) && self.is_pinned(address),
            After::Step(step) => self.last.iter().any(|(address, last)| last == step && self.is_pinned(address)),
        };
        let mut after: BTreeSet<After> = self.needs(node).into_iter().filter(|after| !of_rolls(after)).collect();
        after.extend(stage.ready.iter().map(|(address, life)| After::Is(address.clone(), Some(*life), Is::Ready)));
        after
    }

    fn why_changed(&self, node: &Node, life: &Life<'_>, pins: &Pins) -> Reason {
        let paths = differences::paths(&life.owned.fields, &node.fields);
        if !paths.is_empty() {
            return Reason::FieldsChanged(paths);
        }
        let moved = pins.iter().find(|(address, number)| life.owned.pins.get(*address) != Some(number));
        moved.map_or_else(
            || Reason::FieldsChanged(Vec::new()),
            |(address, _)| Reason::SuccessorInCharge(address.clone()),
        )
    }

    /// Which inputs are other than they were; the record does not say which, so all that can change are named.
    fn changed_inputs(&self, life: &Life<'_>) -> Vec<String> {
        let outputs = life.owned.fields.references().into_iter().map(|address| address.short());
        outputs.chain(life.owned.fields.secrets().into_iter().map(|secret| secret.0.clone())).collect()
    }

    /// Whether it is not as we left it.
    pub(super) fn drifted(&mut self, life: &Life<'i>) -> Option<Reason> {
        let present = life.present()?;
        let paths = differences::drift(&life.owned.fields, &present.fields);
        let is_other = present.asked.is_some_and(|asked| asked != life.owned.asked);
        if paths.is_empty() && !is_other {
            return None;
        }
        let named: Vec<String> = paths.iter().map(ToString::to_string).collect();
        let text = if named.is_empty() {
            "it was changed by another".to_owned()
        } else {
            format!("changed by another: {}", named.join(", "))
        };
        self.noted(life.address(), LineCode::Drifted, Why::new(WhyCode::Other, text));
        Some(Reason::Drifted(paths))
    }

    /// A person's leave to shrink, or what is told instead.
    fn shrink(&mut self, node: &'i Node, life: &Life<'i>, paths: &[FieldPath]) -> Option<crate::state::ConsentId> {
        let pins = self.pins(node);
        let base = Base::Shape(life.owned.shape);
        let digest = step_digest(Act::Update, life.identity(), &node.fields, node.once_for, &pins, &base);
        let consent = self.consent(life.identity(), ConsentAct::Shrink, digest);
        if consent.is_none() {
            let named: Vec<String> = paths.iter().map(ToString::to_string).collect();
            let text = format!("{} only grows: it stays as it is", named.join(", "));
            let way_out = format!("write the larger value, or give leave: deployd approve {}", node.address.stack);
            self.held(&node.address, LineCode::Refused, Why::new(WhyCode::Refused, text).way_out(way_out));
            self.ask_consent(life.identity(), ConsentAct::Shrink, digest);
        }
        consent
    }

    /// A fixed field changed: another life takes its place, where that loses nothing.
    fn replace(&mut self, node: &'i Node, rules: &'i KindRules, life: &Life<'i>, path: FieldPath) {
        let number = self.next_life(&node.address);
        let identity = node.address.incarnation(number);
        let what = if path.is_root() { "its kind".to_owned() } else { format!("`{path}`") };
        let mut consent = None;
        if rules.replace == Replace::Never {
            let text = format!("{what} of {} is fixed once it is made, and it is never replaced", life.owned.kind);
            let way_out = "put the old value back; or require another one beside it, and move the data".to_owned();
            return self.held(&node.address, LineCode::Refused, Why::new(WhyCode::Refused, text).way_out(way_out));
        }
        if self.is_protected(life) {
            let base = Base::Shape(life.owned.shape);
            let digest =
                step_digest(Act::Delete, life.identity(), &crate::model::Value::Null, None, &Pins::new(), &base);
            consent = self.consent(life.identity(), ConsentAct::Replace, digest);
            if consent.is_none() {
                let text = format!("{what} is fixed: it would be replaced, and what it holds would be lost");
                let way_out = format!("put the old value back, or give leave: deployd approve {}", node.address.stack);
                self.held(&node.address, LineCode::Protected, Why::new(WhyCode::Refused, text).way_out(way_out));
                return self.ask_consent(life.identity(), ConsentAct::Replace, digest);
            }
        }
        self.charge.insert(node.address.clone(), number);
        let pins = self.pins(node);
        let mut after = self.needs(node);
        let because = Reason::FixedFieldChanged(path);
        let gone = After::Is(node.address.clone(), Some(life.number()), Is::Gone);
        let ready = After::Is(node.address.clone(), Some(number), Is::Ready);
        match rules.replace {
            Replace::CreateFirst => {
                let step = self.create(node, number, pins, after, because.clone());
                self.last.extend(step.clone().map(|step| (node.address.clone(), step)));
                let before: BTreeSet<After> = step.map(After::Step).into_iter().chain([ready]).collect();
                self.end(life, Act::Delete, before, because, consent);
            }
            Replace::DeleteFirst | Replace::Never => {
                self.end(life, Act::Delete, BTreeSet::new(), because.clone(), consent);
                after.insert(gone);
                let step = self.create(node, identity.incarnation, pins, after, because);
                self.last.extend(step.map(|step| (node.address.clone(), step)));
            }
        }
    }
}

/// The pins at one stage of a roll: the end's, but for lives that have not been moved to yet.
fn pins_at(end: &Pins, stage: &Stage) -> Pins {
    end.iter().map(|(address, life)| (address.clone(), stage.pins.get(address).copied().unwrap_or(*life))).collect()
}
