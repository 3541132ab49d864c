//! Many stacks beside each other, a stack that is paused, a queue in which newer wishes take the place of older ones, and
//! a wish that is taken back.

use super::bed::{Bed, Running, folder_id, stack};
use super::cuts::end;
use super::story::{Act, SERVICE, serving, tell, up};
use deployd::model::Milliseconds;
use deployd::provider::simulated::Faults;
use deployd::state::{DeploymentState, StackCondition, StackState};
use futures::FutureExt as _;

const HOUR: Milliseconds = Milliseconds(3_600_000);

/// A folder with so many services.
fn folder_of(bed: &Bed, count: usize) {
    let folder = bed.folder("all");
    for number in 0..count {
        let manifest = format!("service: s{number}\nrun: serve\nport: 8080\n");
        folder.write(&format!("s{number}/deployd.yaml"), &manifest);
        folder.write(&format!("s{number}/app.py"), "one");
    }
}

fn run_all(running: &mut Running) {
    let engine = running.life.engine.clone();
    running.life.ask(async move { engine.run_source(up("all", None)).await }).unwrap().unwrap();
}

#[test]
fn many_stacks_at_once_and_then_a_change_of_one() {
    const COUNT: usize = 40;
    let mut bed = Bed::new(Faults::default());
    bed.limits.activations_max = 4;
    folder_of(&bed, COUNT);
    let mut running = bed.start(None);
    run_all(&mut running);
    bed.settle(&mut running, "all of them");
    let done = end(&bed);
    assert!(done.states.len() == COUNT && done.states.values().all(|state| *state == StackState::Available));
    assert!(done.made.values().all(|count| *count == 1));

    // The change of one asks nothing about the others.
    let (calls, writes) = (bed.log().len(), running.store.writes());
    bed.folder("all").write("s7/app.py", "two");
    bed.settle(&mut running, "the change");
    let about: Vec<String> = bed.log()[calls..]
        .iter()
        .filter_map(|call| call.identity.as_ref())
        .map(|one| one.address.to_string())
        .collect();
    assert!(about.iter().all(|address| address.starts_with("sim/s7/")), "{about:?}");
    assert!(running.store.writes() - writes < 60, "{}", running.store.writes() - writes);

    // Nothing to do is nothing done: but for the relist nobody is asked anything.
    tell(&mut bed, &mut running, &[Act::Pass(Milliseconds(120_000))]);
    let (calls, writes) = (bed.log().len(), running.store.writes());
    tell(&mut bed, &mut running, &[Act::Pass(Milliseconds(240_000))]);
    assert_eq!((bed.log().len() - calls, running.store.writes() - writes), (0, 0));
}

#[test]
fn a_paused_stack_is_not_changed_until_it_is_resumed() {
    let (mut bed, mut running) = serving(SERVICE);
    tell(&mut bed, &mut running, &[Act::Pause("shop")]);
    let effects = bed.effects();
    tell(&mut bed, &mut running, &[Act::Write("shop", "app.py", "two"), Act::Up("shop"), Act::Pass(HOUR)]);
    assert!(bed.condition("shop", StackCondition::Paused).is_some());
    drop(running);
    let mut running = bed.start(None);
    tell(&mut bed, &mut running, &[Act::Pass(HOUR)]);
    assert_eq!(bed.effects(), effects);
    tell(&mut bed, &mut running, &[Act::Resume("shop"), Act::Settle]);
    assert!(bed.there().contains(&"shop.1#2".to_owned()), "{:?}", bed.there());
}

#[test]
fn newer_wishes_take_the_place_of_older_ones() {
    let slowly = "service: shop\nrun: serve\nport: 8080\nenv: { SIMULATED: 25s }\n";
    let (mut bed, mut running) = serving(SERVICE);
    tell(&mut bed, &mut running, &[Act::Write("shop", "deployd.yaml", slowly), Act::Pass(Milliseconds(10_000))]);
    for text in ["two", "three", "four"] {
        tell(&mut bed, &mut running, &[Act::Write("shop", "app.py", text), Act::Pass(Milliseconds(10_000))]);
    }
    tell(&mut bed, &mut running, &[Act::Settle]);
    use DeploymentState::{Done, Superseded};
    assert_eq!(running.deployments("shop"), [Done, Superseded, Superseded, Superseded, Done]);
    assert_eq!(end(&bed).runs.len(), 1);
    let good = bed.stack_row(&stack("shop")).unwrap();
    assert_eq!(good.good, good.target);
}

#[test]
fn a_wish_that_is_taken_back_while_it_is_carried_out_leaves_nothing() {
    let manifest = "service: shop\nrun: serve\nport: 8080\nrequires: [users: postgres, store: slow]\n";
    let text = |path, text| Act::Write("shop", path, text);
    for seconds in [0, 1, 3, 30, 300] {
        let mut bed = Bed::new(Faults::default());
        let mut running = bed.start(None);
        let begin = [text("deployd.yaml", manifest), text("app.py", "one"), Act::Up("shop")];
        tell(&mut bed, &mut running, &begin);
        let withdraw = [Act::Pass(Milliseconds(seconds * 1_000)), Act::Away("shop"), Act::Settle];
        tell(&mut bed, &mut running, &withdraw);
        tell(&mut bed, &mut running, &[Act::Away("shop"), Act::Settle, Act::Pass(HOUR)]);
        assert_eq!(bed.there(), [""; 0], "after {seconds} s\n{}", bed.told());
        assert_eq!(bed.state("shop"), StackState::Deleted, "after {seconds} s");
        let left = bed.owned(&stack("shop"));
        assert!(left.is_empty(), "{left:?}");
    }
}

/// A service that is saved again and again does not fill the disk; what can be gone back to stays whole.
#[test]
fn what_nothing_names_any_more_is_swept() {
    let mut bed = Bed::new(Faults::default());
    bed.limits.releases_kept = 2;
    bed.limits.sweep_every = bed.limits.relist_every;
    let mut running = bed.start(None);
    let text = |path, text| Act::Write("shop", path, text);
    tell(&mut bed, &mut running, &[text("deployd.yaml", SERVICE), text("app.py", "one"), Act::Up("shop"), Act::Settle]);
    let first = bed.stack_row(&stack("shop")).unwrap().good.unwrap();
    let engine = running.life.engine.clone();
    let kept = running.life.ask(async move { engine.release(&stack("shop"), first).await }).unwrap().unwrap();
    for change in ["2", "3", "4", "5", "6", "7", "8", "9"] {
        tell(&mut bed, &mut running, &[text("app.py", change), Act::Settle]);
    }
    assert_eq!(bed.contents(), 9);
    tell(&mut bed, &mut running, &[Act::Pass(HOUR)]);
    assert_eq!(bed.contents(), 3, "what serves, and two to go back to");
    let graph = bed.store.blob(kept.release.graph).now_or_never().unwrap();
    assert!(graph.is_err(), "a release that is let go takes its graph with it");
    let serves = end(&bed).runs;
    tell(&mut bed, &mut running, &[Act::Rollback("shop"), Act::Settle]);
    assert_eq!(running.deployments("shop").last(), Some(&DeploymentState::Done));
    assert_ne!(end(&bed).runs, serves);
}

/// The same engine asked twice with one key does one thing.
#[test]
fn asked_again_with_the_same_key_it_answers_what_it_answered() {
    let bed = Bed::new(Faults::default());
    folder_of(&bed, 1);
    let mut running = bed.start(None);
    let engine = running.life.engine.clone();
    let key = || Some("k".to_owned());
    let twice = async move {
        let first = engine.run_source(up("all", key())).await.unwrap();
        (first, engine.run_source(up("all", key())).await.unwrap())
    };
    let (first, again) = running.life.ask(twice).unwrap();
    assert_eq!(first, again);
    assert_eq!(running.deployments("s0"), [DeploymentState::Queued]);
    let known = running.life.engine.sources();
    assert!(known.borrow().contains(&folder_id("all")));
    bed.settle(&mut running, "it");
    assert_eq!(running.deployments("s0"), [DeploymentState::Done]);
    running.life.stop();
}
