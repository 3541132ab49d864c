//! Goal 3: nothing is to be done with N things that stand. Goal 4: one file of N services changes.

use crate::bed::{Bed, Counts, THINGS_OF_A_SERVICE, source, up, world};
use crate::hand::Hand;
use crate::told::{Told, Took, Watch, both, ratio};
use deployd::clock::ManualClock;
use deployd::contract::Scope;
use deployd::contract::Store as _;
use deployd::engine::{PlanAsk, PlanOf};
use deployd::model::{Milliseconds, Name, Wall};
use deployd::state::Mode;
use deployd::store::memory::MemoryStore;
use futures::FutureExt as _;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Moments of a virtual day: none of the relists that are every ten minutes falls into the first, one into the second.
const QUIET: Milliseconds = Milliseconds(240_000);
const RELIST: Milliseconds = Milliseconds(600_000);

/// Services that stand, in a store in memory.
pub struct Standing {
    pub bed: Bed,
    pub store: Arc<MemoryStore>,
    pub hand: Hand,
}

/// Brings services from nothing to serving, and tells what that took.
pub fn standing(services: usize) -> (Standing, Took) {
    let clock = ManualClock::new(Wall(1_800_000_000_000));
    let bed = Bed::new(Arc::new(clock.clone()));
    bed.services(services);
    let store = Arc::new(MemoryStore::new(crate::bed::INSTANCE));
    let mut hand = Hand::new(bed.engine(Arc::clone(&store) as _), clock);
    let watch = Watch::start();
    let engine = hand.engine.clone();
    hand.ask(async move { engine.run_source(up()).await }).unwrap();
    hand.run_for(Milliseconds(120_000));
    let took = watch.took();
    assert_eq!(bed.provider.count(), services * THINGS_OF_A_SERVICE, "all of them are there");
    assert_eq!(live(&store), 0, "all of them serve");
    (Standing { bed, store, hand }, took)
}

/// How many deployments have not ended.
fn live(store: &MemoryStore) -> usize {
    let (rows, _) = store.load(&Scope::Everything).now_or_never().unwrap().unwrap();
    let is_live = |row: &&deployd::contract::Row| {
        row.key.stack_id().is_some() && row.key.table_and_id().is_some_and(|(table, _)| table == "deployment")
    };
    rows.iter().filter(is_live).count()
}

pub fn no_op(things: usize) {
    let services = things / THINGS_OF_A_SERVICE;
    let (mut standing, took) = standing(services);
    let mut told = Told::of(&format!("goal 3: no-op reconcile of {things} resources ({services} stacks)"));
    told.row("from nothing to serving, store in memory", &both(took, things));
    // The first look after a change is still fresh in memory: it becomes old first.
    standing.hand.run_for(RELIST);
    let idle = standing.measure(|hand| hand.run_for(QUIET));
    told.row("four quiet minutes", &format!("{}; {}", both(idle.took, things), calls(idle.calls)));
    let relist = standing.measure(|hand| hand.run_for(RELIST));
    told.row("a relist: everything is looked at", &both(relist.took, things));
    told.row("  what it asked", &calls(relist.calls));
    told.gate("no call outside", relist.calls[0] == 0 && relist.calls[2] == 0 && idle.calls == [0; 4]);
    told.gate("1 µs a resource, a relist", per_thing(relist.took, things) <= 1.0);
    let engine = standing.hand.engine.clone();
    let reread = standing.measure(|hand| {
        engine.nudge_source(&source());
        hand.run_for(Milliseconds(1_000));
    });
    told.row("its source is read again", &both(reread.took, things));
}

pub fn one_change(services: usize) {
    let clock = ManualClock::new(Wall(1_800_000_000_000));
    let bed = Bed::new(Arc::new(clock.clone()));
    bed.services(services);
    let store = Arc::new(MemoryStore::new(crate::bed::INSTANCE));
    let mut hand = Hand::new(bed.engine(Arc::clone(&store) as _), clock);
    let mut told = Told::of(&format!("goal 4: one file of {services} services changes"));
    let engine = hand.engine.clone();
    let watch = Watch::start();
    let of = PlanOf::Source(source(), BTreeSet::new());
    let ask = PlanAsk { world: world(), of, mode: Mode::default() };
    let plans = hand.ask(async move { engine.plan_now(ask).await }).unwrap();
    let cold = watch.took();
    assert_eq!(plans.len(), services);
    told.row("cold plan of all", &both(cold, services));
    drop((plans, hand));

    let (mut standing, took) = standing(services);
    told.row("from nothing to serving", &both(took, services));
    let (mut plan, mut whole): (Option<Took>, Option<Took>) = (None, None);
    for round in 0..5 {
        standing.bed.service(services / 2, &format!("content {round}"));
        let engine = standing.hand.engine.clone();
        let of = PlanOf::Stack(Name::new(format!("s{}", services / 2)).unwrap());
        let ask = PlanAsk { world: world(), of, mode: Mode::default() };
        let watch = Watch::start();
        let plans = standing.hand.ask(async move { engine.plan_now(ask).await }).unwrap();
        assert!(!plans[0].plan.steps.is_empty(), "there is something to do");
        let took = watch.took();
        plan = Some(plan.map_or(took, |best| best.min(took)));
        let measured = standing.measure(|hand| hand.run_for(Milliseconds(20_000)));
        assert!(measured.calls[2] > 0, "it was deployed");
        whole = Some(whole.map_or(measured.took, |best| best.min(measured.took)));
    }
    let (plan, whole) = (plan.unwrap(), whole.unwrap());
    told.row("  plan of the one that it concerns (door)", &format!("{}, 1/{:.0}", both(plan, 1), ratio(cold, plan)));
    told.row("  seen, planned, rolled and serving", &format!("{}, 1/{:.0}", both(whole, 1), ratio(cold, whole)));
    told.gate("1/50 of the cold plan", ratio(cold, plan) >= 50.0);
}

struct Measured {
    took: Took,
    calls: Counts,
}

impl Standing {
    fn measure(&mut self, work: impl FnOnce(&mut Hand)) -> Measured {
        let before = self.bed.provider.counts();
        let watch = Watch::start();
        work(&mut self.hand);
        let took = watch.took();
        let after = self.bed.provider.counts();
        let mut calls = [0; 4];
        calls.iter_mut().zip(after.iter().zip(before)).for_each(|(call, (after, before))| *call = after - before);
        Measured { took, calls }
    }
}

fn calls([fresh, cached, orders, listings]: Counts) -> String {
    format!("{fresh} looks afresh, {cached} from what is watched, {orders} orders, {listings} listings")
}

/// By the processors, in µs.
fn per_thing(took: Took, things: usize) -> f64 {
    took.cpu.as_secs_f64() * 1e6 / things as f64
}
