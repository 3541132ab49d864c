//! Everything goes wrong by chance for a while: throttling, lost replies, late effects, reads that fail, are stale or end
//! in the middle, and a process that dies now and then. Whatever the seed, the end is the one that it has when nothing
//! goes wrong, nothing was made twice, and nothing is left.

use super::bed::{Bed, Cut, is_thorough};
use super::cuts::{End, end};
use super::life::Went;
use super::rooms::Side;
use super::story::Act;
use deployd::model::{Milliseconds, Steady};
use deployd::provider::simulated::{Chance, Faults};

/// How many seeds are told.
fn seeds() -> u64 {
    if is_thorough() { 200 } else { 8 }
}

/// From then on nothing goes wrong any more.
const CALM: Steady = Steady(2 * 3_600_000);

const ONE: &str = "service: shop\nrun: serve\nport: 8080\nscale: { replicas: 2 }\nrequires: [users: postgres]\n";

const TWO: &str = "service: shop\nrun: serve\nport: 8080\nrequires: [users: postgres, more: postgres]\n";

const WAY_IN: &str = "service: gate\nrun: serve\nport: 8080\nentrypoints: { web: { host: shop.example.com } }\n";

fn chance() -> Chance {
    Chance {
        throttled: 80,
        unreachable: 60,
        lost_reply: 100,
        late_effect: 60,
        unreadable: 60,
        stale: 100,
        torn_listing: 300,
    }
}

/// Acts, each given its time.
fn acts() -> Vec<Act> {
    let text = |path, text| Act::Write("shop", path, text);
    let time = Act::Pass(Milliseconds(10 * 60_000));
    let mut acts = vec![text("deployd.yaml", ONE), text("app.py", "one"), Act::Up("shop"), time.clone()];
    acts.extend([Act::Write("cloud/gate", "deployd.yaml", WAY_IN), Act::Write("cloud/gate", "app.py", "one")]);
    acts.extend([Act::Up("cloud/gate"), text("app.py", "two"), time.clone()]);
    acts.extend([text("deployd.yaml", TWO), time.clone(), text("app.py", "three"), time]);
    acts
}

/// What takes all of it away.
fn away() -> [Act; 4] {
    let time = Act::Pass(Milliseconds(15 * 60_000));
    [Act::Away("shop"), Act::Away("cloud/gate"), time.clone(), time]
}

/// Tells it with faults of a seed; the process dies now and then, at a call that the seed names.
fn told(faults: Faults, withdrawn_after: Option<usize>) -> (End, Bed, u64) {
    let seed = faults.seed;
    let dies = faults.chance != Chance::default();
    let mut bed = Bed::new(faults);
    let mut deaths = 0;
    let cut = |deaths: u64| {
        let at = 5 + (seed * 31 + deaths * 17) % 60;
        let side = if (seed + deaths).is_multiple_of(2) { Side::Before } else { Side::After };
        let cut = if deaths.is_multiple_of(2) { Cut::Store(at, side) } else { Cut::Provider(at, side) };
        (dies && deaths < 8).then_some(cut)
    };
    let mut running = bed.start(cut(0));
    let mut all = acts();
    if let Some(count) = withdrawn_after {
        all.truncate(count);
        all.extend(away());
    }
    all.push(Act::Pass(Milliseconds(CALM.0)));
    if withdrawn_after.is_some() {
        all.extend(away());
    }
    for (number, act) in all.iter().enumerate() {
        while running.act(&mut bed, number, act) == Went::Dead {
            deaths += 1;
            running = bed.start(cut(deaths));
        }
    }
    (end(&bed), bed, deaths)
}

fn faults(seed: u64) -> Faults {
    Faults { seed, chance: chance(), until: Some(CALM), ..Faults::default() }
}

/// What stands in the end, whatever lives it took.
fn addresses(end: &End) -> Vec<String> {
    let mut all: Vec<String> = end.there.iter().map(|one| one.split('#').next().unwrap().to_owned()).collect();
    all.dedup();
    all
}

#[test]
fn every_seed_ends_as_if_nothing_had_gone_wrong() {
    let (calm, ..) = told(Faults::default(), None);
    assert_eq!(calm.states.len(), 2);
    let mut died = 0;
    for seed in 1..=seeds() {
        let (end, bed, deaths) = told(faults(seed), None);
        died += deaths;
        assert_eq!(addresses(&end), addresses(&calm), "seed {seed}\n{}", bed.told());
        assert_eq!(end.runs, calm.runs, "seed {seed}\n{}", bed.told());
        assert_eq!(end.states, calm.states, "seed {seed}\n{}", bed.told());
        assert!(end.made.values().all(|count| *count == 1), "seed {seed}: {:?}", end.made);
    }
    assert!(died > 3 * seeds(), "{died} deaths");
}

#[test]
fn every_seed_leaves_nothing_when_the_wish_is_withdrawn() {
    let count = acts().len();
    for seed in 1..=seeds() {
        let after = 3 + usize::try_from(seed).unwrap() % (count - 3);
        let (end, bed, _) = told(faults(seed), Some(after));
        assert_eq!(end.there, [""; 0], "seed {seed}\n{}", bed.told());
        assert!(end.made.values().all(|count| *count == 1), "seed {seed}: {:?}", end.made);
    }
}
