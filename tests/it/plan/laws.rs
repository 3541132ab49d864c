//! The laws of DESIGN.md 6.2, asked of a stack that is about to run.
//!
//! The first two are held by every plan ([`Bed::plan`]), the seventh by the world itself ([`super::world`]).

use super::bed::{Bed, End, short};
use super::kinds::rules_of;
use deployd::graph::Role;
use deployd::model::{Address, Identity, Kind};
use deployd::plan::LineCode;
use deployd::state::{Owned, Owner, Phase, Wish};
use std::collections::BTreeSet;

/// What is left of a stack and its world, told without the numbers of lives: two that came to the same end say the same.
///
/// A release that fell leaves behind what it had brought of its own until then (parked, or kept while nothing runs), and
/// how it has set infrastructure (its kind too), and what these need. How far it got when it fell is a matter of moments, so that is no
/// part of the end: only that none of the rest runs is.
fn end_of(bed: &Bed) -> Vec<String> {
    let needed = needed_by_the_fallen(bed);
    let is_by_chance = |address: &Address, kind: &Kind| {
        bed.has_fallen() && (is_left_by_the_fallen(bed, address, kind) || needed.contains(address))
    };
    // What ran for the fallen release is remembered, if it came to run.
    let is_over = |owned: &Owned| {
        let good = bed.good().and_then(|good| good.nodes.get(&owned.identity.address).map(|node| node.once_for));
        bed.has_fallen() && matches!(owned.phase, Phase::Done(_)) && good != Some(owned.once_for)
    };
    let is_set_by_chance = |kind: &Kind| bed.has_fallen() && rules_of(kind).role == Role::Infrastructure;
    let mut told: Vec<String> = bed
        .record
        .owned
        .values()
        .filter(|owned| !is_by_chance(&owned.identity.address, &owned.kind) && !is_over(owned))
        .map(|owned| {
            let phase = match &owned.phase {
                Phase::Done(exit) => format!("done {}", exit.code),
                Phase::Standing => "standing".to_owned(),
                Phase::Parked => "parked".to_owned(),
                Phase::Intended(_) => "intended".to_owned(),
                Phase::Leaving(_) => "leaving".to_owned(),
            };
            let address = owned.identity.address.short();
            match is_set_by_chance(&owned.kind) {
                true => format!("row {address} infrastructure {phase}"),
                false => format!("row {address} {} {:?} {:?} {phase}", owned.kind, owned.fields, owned.once_for),
            }
        })
        .collect();
    let things = bed.world.things.iter().filter(|(identity, thing)| !is_by_chance(&identity.address, &thing.kind));
    told.extend(things.map(|(identity, thing)| {
        let kind = if is_set_by_chance(&thing.kind) { "infrastructure" } else { thing.kind.as_str() };
        format!("thing {} {kind}", identity.address.short())
    }));
    let stack = &bed.record.stack;
    told.push(format!("{:?} {:?} {:?}", stack.state, stack.good, stack.target));
    told.sort();
    told.dedup();
    told
}

fn is_left_by_the_fallen(bed: &Bed, address: &Address, kind: &Kind) -> bool {
    !bed.good().is_some_and(|good| good.nodes.contains_key(address)) && rules_of(kind).role != Role::Workload
}

/// What is left because something needs it that a release that fell has left.
fn needed_by_the_fallen(bed: &Bed) -> BTreeSet<Address> {
    let rows = || bed.record.owned.values();
    let left = rows().filter(|owned| is_left_by_the_fallen(bed, &owned.identity.address, &owned.kind));
    let needs = |owned: &Owned| owned.needs.iter().map(|need| need.address().clone()).collect::<Vec<Address>>();
    let mut open: Vec<Address> = left.flat_map(needs).collect();
    let mut needed = BTreeSet::new();
    while let Some(address) = open.pop() {
        let of = rows().filter(|owned| owned.identity.address == address);
        let further: Vec<Address> = of.flat_map(needs).collect();
        if needed.insert(address) {
            open.extend(further);
        }
    }
    // What the good release has too is there anyway.
    needed.retain(|address| !bed.good().is_some_and(|good| good.nodes.contains_key(address)));
    needed
}

/// Law 9: it ends in a bounded number of rounds. Law 3: done, planned again: nothing to do. Law 8: what ran was sealed
/// when the deployment was planned, unless something else happened meanwhile.
pub fn converges(mut bed: Bed, is_calm: bool) -> Vec<String> {
    let mut broken = Vec::new();
    bed.resealed.clear();
    let end = bed.run().expect("it is not cut");
    if end == End::Endless {
        broken.push("law 9: it goes on for ever".to_owned());
    }
    if end == End::Done {
        bed.look().expect("it is not cut");
        let (plan, _) = bed.plan();
        if !plan.steps.is_empty() {
            let steps: Vec<String> = plan.steps.keys().map(ToString::to_string).collect();
            broken.push(format!("law 3: done, and there is more to do: {}", steps.join(", ")));
        }
    }
    if is_calm && !bed.resealed.is_empty() {
        broken.push(format!("law 8: not sealed: {}", bed.resealed.join(", ")));
    }
    broken.append(&mut bed.world.broken);
    broken
}

/// Law 4: cut before and after every write and call, and run on: the same end, and nothing twice. Law 5: cut, and
/// the wish withdrawn: nothing is left but what is named as kept; with consent, nothing.
pub fn survives(bed: &Bed, cuts_max: usize) -> Vec<String> {
    let mut whole = bed.clone();
    whole.is_trusting = true;
    whole.cuts = Some(Vec::new());
    whole.run().expect("it is not cut");
    let cuts = whole.cuts.take().expect("they were asked for");
    let end = agreed(&mut whole);
    let expected = end_of(&whole);
    let mut broken = Vec::new();
    let stride = cuts.len().div_ceil(cuts_max).max(1);
    for (cut, mut begun) in cuts.into_iter().enumerate().step_by(stride) {
        begun.restart();
        let mut on = begun.clone();
        on.run().expect("it is not cut");
        let resumed = agreed(&mut on);
        broken.extend(on.world.broken.drain(..).map(|law| format!("cut at {cut}: {law}")));
        if resumed != end || end_of(&on) != expected {
            broken.push(format!(
                "law 4: cut at {cut} it ends elsewhere ({resumed:?})\n{}",
                differ(&expected, &end_of(&on))
            ));
        }
        broken.extend(withdrawn(begun).into_iter().map(|law| format!("cut at {cut}: {law}")));
    }
    broken
}

/// What was refused holds until somebody agrees and tries again. How far it got before is a matter of moments: what was
/// asked before a cut is asked again after it. So two ends are compared after that.
fn agreed(bed: &mut Bed) -> End {
    if !bed.world.faults.is_empty() {
        bed.world.faults.clear();
        bed.begin(bed.record.stack.target);
    }
    bed.run().expect("it is not cut")
}

/// Law 5 alone.
pub fn withdrawn(mut bed: Bed) -> Vec<String> {
    bed.record.stack.wish = Wish::Gone;
    bed.record.exports.clear();
    bed.world.unreadable.clear();
    bed.world.stale.clear();
    bed.world.slow.clear();
    bed.world.faults.clear();
    bed.world.things.values_mut().for_each(|thing| thing.in_flight = thing.in_flight.map(|_| 0));
    bed.record.stack.conditions.clear();
    bed.policy.approve.clear();
    let target = bed.record.stack.target;
    bed.begin(target);
    let mut broken = Vec::new();
    let end = bed.run().expect("it is not cut");
    bed.look().expect("it is not cut");
    let (plan, report) = bed.plan();
    if end != End::Done {
        broken.push(format!("law 5: withdrawn, it is not done but {end:?}: {:?}", report.waiting));
    }
    let kept: BTreeSet<String> = report.kept.iter().map(|line| line.at.short()).collect();
    for identity in left(&bed) {
        if !kept.contains(&identity.address.short()) {
            broken.push(format!("law 5: {} is left, and not told", short(&identity)));
        }
    }
    bed.consent_all(&plan, &report);
    bed.begin(target);
    bed.run().expect("it is not cut");
    let strangers = report.kept.iter().filter(|line| line.code == LineCode::NotOurs);
    let strangers: BTreeSet<String> = strangers.map(|line| line.at.short()).collect();
    for identity in left(&bed).into_iter().filter(|identity| !strangers.contains(&identity.address.short())) {
        broken.push(format!("law 5: {} is left, with consent", short(&identity)));
    }
    broken.append(&mut bed.world.broken);
    broken
}

/// What is recorded, and what carries our receipt.
fn left(bed: &Bed) -> BTreeSet<Identity> {
    let ours = bed.world.things.iter().filter(|(_, thing)| matches!(thing.owner, Owner::Ours(_)));
    ours.map(|(identity, _)| identity.clone()).chain(bed.record.owned.keys().cloned()).collect()
}

/// Law 6: what cannot be read, or is seen as it was before, is neither deleted nor made twice; once it is read again,
/// it comes to the same end.
pub fn is_not_blind(bed: &Bed) -> Vec<String> {
    let mut whole = bed.clone();
    whole.is_trusting = true;
    let end = whole.run().expect("it is not cut");
    let expected = end_of(&whole);
    let mut broken = Vec::new();
    for blind in ["unreadable", "stale"] {
        let mut dark = bed.clone();
        dark.is_trusting = true;
        let (unreadable, stale) = (dark.world.unreadable.clone(), dark.world.stale.clone());
        let all = if blind == "stale" { &mut dark.world.stale } else { &mut dark.world.unreadable };
        all.insert("*".to_owned());
        dark.log.clear();
        dark.run().expect("it is not cut");
        let touched =
            |line: &&String| ["delete", "retire", "forget", "update", "create"].iter().any(|act| line.starts_with(act));
        // What was never there may be made by what a cache says; nothing else is touched.
        let made_first = |line: &&String| blind == "stale" && line.starts_with("create") && !bed_has(bed, line);
        if let Some(line) = dark.log.iter().filter(touched).find(|line| !made_first(line)) {
            broken.push(format!("law 6: {blind}, and yet: {line}"));
        }
        (dark.world.unreadable, dark.world.stale) = (unreadable, stale);
        let after = dark.run().expect("it is not cut");
        broken.extend(dark.world.broken.drain(..).map(|law| format!("{blind}: {law}")));
        if after != end || end_of(&dark) != expected {
            let differ = differ(&expected, &end_of(&dark));
            broken.push(format!("law 6: after {blind} it ends elsewhere ({after:?})\n{differ}"));
        }
    }
    broken
}

fn bed_has(bed: &Bed, line: &str) -> bool {
    bed.record.owned.keys().any(|identity| line == format!("create {}", short(identity)))
}

fn differ(expected: &[String], found: &[String]) -> String {
    let missing = expected.iter().filter(|line| !found.contains(line)).map(|line| format!("  - {line}\n"));
    let more = found.iter().filter(|line| !expected.contains(line)).map(|line| format!("  + {line}\n"));
    missing.chain(more).collect()
}
