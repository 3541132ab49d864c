//! Plans and reports.

use super::value::{changes, json};
use crate::engine::Planned;
use crate::graph::{Component, Data, KindSet};
use crate::model::{Address, FieldPath, Name, Value};
use crate::plan::{self, Act, After, Is, Reason};
use crate::resolve::Resolved;
use crate::server::api::plan::{About, Because, Line, NeedsConsent, Plan, Report, Step, Verdict};
use crate::server::ways_in;
use std::collections::{BTreeMap, BTreeSet};

/// What is known beside a plan.
#[derive(Clone, Copy, Debug)]
pub struct Beside<'b> {
    /// What it was made of.
    pub resolved: Option<&'b Resolved>,
    /// The port at which ways in by name answer.
    pub port: Option<u16>,
    /// The names of which something is there.
    pub there: &'b BTreeSet<Name>,
}

/// A plan, with what is known of the names that it speaks of.
#[must_use]
pub fn plan(planned: &Planned, beside: Beside<'_>, kinds: &KindSet) -> Plan {
    let resolved = beside.resolved;
    Plan {
        digest: planned.plan.digest,
        world: planned.stack.world.clone(),
        stack: planned.stack.stack.clone(),
        revision: planned.revision,
        release: planned.plan.release,
        made: planned.made.into(),
        verdict: verdict(&planned.plan.verdict),
        steps: in_order(&planned.plan).map(|(id, step)| one(id, step, planned, resolved, kinds)).collect(),
        about: resolved.map(|resolved| about_now(resolved, planned, &beside)).unwrap_or_default(),
        report: report(&planned.report),
    }
}

fn one(id: &plan::StepId, step: &plan::Step, planned: &Planned, resolved: Option<&Resolved>, kinds: &KindSet) -> Step {
    let is_made = matches!(step.act, Act::Create);
    let before = match step.act {
        Act::Update | Act::Replace => planned.before.get(&step.identity),
        Act::Create => predecessor(step, planned),
        _ => None,
    };
    let mut fields = before.map(|before| changes(before, &step.target)).unwrap_or_default();
    let component = resolved.and_then(|resolved| component_of(step, resolved));
    for change in &mut fields {
        let path = FieldPath::parse(&change.path).ok();
        let place = path.and_then(|path| component?.places.get(&path));
        change.place = place.map(Into::into);
    }
    Step {
        id: id.0.clone(),
        act: step.act,
        identity: step.identity.clone(),
        kind: step.kind.clone(),
        holds_data: kinds.get(&step.kind).is_some_and(|rules| rules.data == Data::HoldsData),
        fields: (is_made && step.target != Value::Null).then(|| json(&step.target)),
        changes: fields,
        because: because(&step.because),
        after: step.after.iter().map(after).collect(),
        consent: step.consent.as_ref().map(|consent| consent.0.clone()),
        digest: step.digest,
    }
}

/// What the life has in whose place a new one is made, if the plan takes one away.
fn predecessor<'p>(step: &plan::Step, planned: &'p Planned) -> Option<&'p Value> {
    let ends = |other: &&plan::Step| {
        matches!(other.act, Act::Retire | Act::Delete)
            && other.identity.address == step.identity.address
            && other.identity.incarnation < step.identity.incarnation
    };
    let before = planned.plan.steps.values().filter(ends).max_by_key(|other| other.identity.incarnation)?;
    planned.before.get(&before.identity)
}

/// What a step's thing is made of: the component of its name; the processes of a service have names of their own.
fn component_of<'r>(step: &plan::Step, resolved: &'r Resolved) -> Option<&'r Component> {
    let (whole, stack) = (step.identity.address.whole(), &step.identity.address.stack);
    let find = |address: &Address| {
        let mut components = resolved.asked.components.iter().map(|asked| &asked.component);
        components.find(|component| component.address == *address)
    };
    find(&step.identity.address).or_else(|| find(&whole)).or_else(|| find(&Address { name: stack.clone(), ..whole }))
}

/// The steps so that each comes after those that it waits for; by name where that leaves a choice. What waits in a
/// circle, which `verify` finds, comes last.
fn in_order(plan: &plan::Plan) -> impl Iterator<Item = (&plan::StepId, &plan::Step)> {
    let mut waits: BTreeMap<&plan::StepId, BTreeSet<&plan::StepId>> = BTreeMap::new();
    let mut then: BTreeMap<&plan::StepId, Vec<&plan::StepId>> = BTreeMap::new();
    for (id, step) in &plan.steps {
        let needed = step.after.iter().filter_map(|after| match after {
            After::Step(other) => plan.steps.get_key_value(other).map(|(other, _)| other),
            After::Is(..) | After::Brought => None,
        });
        let needed: BTreeSet<&plan::StepId> = needed.collect();
        needed.iter().for_each(|other| then.entry(other).or_default().push(id));
        waits.insert(id, needed);
    }
    let mut free: BTreeSet<&plan::StepId> =
        waits.iter().filter(|(_, needed)| needed.is_empty()).map(|(id, _)| *id).collect();
    let mut order = Vec::with_capacity(plan.steps.len());
    while let Some(id) = free.pop_first() {
        order.push(id);
        waits.remove(id);
        for later in then.remove(id).unwrap_or_default() {
            let needed = waits.get_mut(later).expect("what waits for an open step is open");
            needed.remove(id);
            if needed.is_empty() {
                free.insert(later);
            }
        }
    }
    order.extend(waits.into_keys());
    order.into_iter().map(|id| (id, &plan.steps[id]))
}

/// What is known of each name that a manifest gives.
#[must_use]
pub fn about(resolved: &Resolved) -> BTreeMap<String, About> {
    let one = |asked: &crate::graph::Asked| {
        let component = &asked.component;
        let about = resolved.about.get(&component.address);
        let required = about.and_then(|about| about.asked.as_ref());
        let place = required.map(|asked| &asked.slug.place).or_else(|| component.places.get(&FieldPath::root()));
        let known = About {
            kind: Some(component.kind.clone()),
            slug: required.map(|asked| asked.slug.value.clone()),
            stands_in_for: about.and_then(|about| about.stands_in_for.clone()),
            place: place.map(Into::into),
            url: None,
            missing: false,
            replicas: None,
        };
        (component.address.short(), known)
    };
    resolved.asked.components.iter().map(one).collect()
}

/// What is known of the names, and how they are now.
fn about_now(resolved: &Resolved, planned: &Planned, beside: &Beside<'_>) -> BTreeMap<String, About> {
    let mut about = about(resolved);
    for component in resolved.asked.components.iter().map(|asked| &asked.component) {
        if let Some(about) = about.get_mut(&component.address.short()) {
            about.url = ways_in::url(&component.kind, &component.fields, beside.port);
            about.missing = !beside.there.contains(&component.address.name);
            about.replicas = planned.replicas.get(&component.address.name).copied();
        }
    }
    about
}

fn verdict(verdict: &plan::Verdict) -> Verdict {
    match verdict.clone() {
        plan::Verdict::Proceed => Verdict::Proceed,
        plan::Verdict::Done => Verdict::Done,
        plan::Verdict::AwaitApproval { steps, why, .. } => {
            Verdict::AwaitApproval { steps: steps.into_iter().map(|step| step.0).collect(), why: why.into() }
        }
        plan::Verdict::RollBack { bad, to, why } => Verdict::RollBack { bad, to, why: why.into() },
        plan::Verdict::Fail(why) => Verdict::Fail { why: why.into() },
    }
}

/// A report.
#[must_use]
pub fn report(report: &plan::Report) -> Report {
    let lines = |lines: &[plan::Line]| lines.iter().map(line).collect();
    let consent = |needs: &plan::NeedsConsent| NeedsConsent {
        identity: needs.identity.clone(),
        act: needs.act,
        step: needs.step,
    };
    Report {
        waiting: lines(&report.waiting),
        held: lines(&report.held),
        kept: lines(&report.kept),
        noted: lines(&report.noted),
        needs_consent: report.needs_consent.iter().map(consent).collect(),
        unchanged: report.unchanged,
    }
}

fn line(line: &plan::Line) -> Line {
    Line {
        at: line.at.clone(),
        code: word(&line.code),
        why: line.why.clone().into(),
        since: line.since.map(|since| since.0),
        usually: line.usually.map(|usually| usually.0),
        on: line.on.clone(),
    }
}

/// The word that an enum without fields is in JSON.
fn word(code: &impl serde::Serialize) -> String {
    let json = serde_json::to_value(code).expect("an enum is JSON");
    match json {
        serde_json::Value::String(word) => word,
        // An enum with fields: its word is the one key.
        serde_json::Value::Object(map) => map.into_iter().next().map(|(word, _)| word).unwrap_or_default(),
        _ => String::new(),
    }
}

fn after(after: &After) -> String {
    match after {
        After::Step(step) => step.0.clone(),
        After::Brought => "everything that is wanted serves".to_owned(),
        After::Is(address, life, is) => {
            let life = life.map(|life| format!("#{life}")).unwrap_or_default();
            let is = match is {
                Is::Ready => "ready",
                Is::Known => "known",
                Is::Gone => "gone",
                Is::Drained => "drained",
            };
            format!("{address}{life} is {is}")
        }
    }
}

fn because(reason: &Reason) -> Because {
    Because { code: word(reason), text: sentence(reason) }
}

fn sentence(reason: &Reason) -> String {
    fn list<T: ToString>(items: &[T]) -> String {
        items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
    }
    match reason {
        Reason::NotThere => "nothing of that name is there".to_owned(),
        Reason::NotLookedAt => "it was not made yet, and whether its name is free could not be looked at".to_owned(),
        Reason::FieldsChanged(fields) => format!("changed: {}", list(fields)),
        Reason::InputsChanged(inputs) => format!("what fills it changed: {}", list(inputs)),
        Reason::FixedFieldChanged(field) => format!("{field} changed, and cannot be changed where it stands"),
        Reason::SuccessorInCharge(address) => format!("{} has a successor", address.short()),
        Reason::Drifted(fields) => format!("not as it was left: {}", list(fields)),
        Reason::Vanished => "it was there, and is not any more".to_owned(),
        Reason::Failed(why) => format!("it cannot get well by itself: {why}"),
        Reason::NoLongerDeclared => "no file asks for it any more".to_owned(),
        Reason::StackGone => "its stack is to be gone".to_owned(),
        Reason::StackStopped => "its stack is to be stopped".to_owned(),
        Reason::BeyondRetention => "newer ones took its place".to_owned(),
        Reason::OursAlready => "it is there and carries our receipt".to_owned(),
        Reason::Asked => "a person asked for it".to_owned(),
        Reason::Unfinished => "the end of an earlier order was not recorded".to_owned(),
    }
}
