//! A source that cannot be read whole decides nothing: nothing is deleted, and it is told. `Gone` is only ever asked for.

use super::bed::{Bed, stack};
use super::rooms::Mood;
use super::story::{Act, SERVICE, serving, tell, up};
use deployd::engine::DoorError;
use deployd::model::Milliseconds;
use deployd::provider::simulated::Faults;
use deployd::state::{DeploymentState, StackCondition, StackState};

const HOUR: Milliseconds = Milliseconds(3_600_000);

/// What was done to the source changes nothing of what serves, for an hour, across a restart and when it is asked for
/// again; it is told; and once the source is whole again, it is followed as before.
fn decides_nothing(harm: impl Fn(&Bed), mend: impl Fn(&Bed), told: &str) {
    let (mut bed, mut running) = serving(SERVICE);
    let (there, effects) = (bed.there(), bed.effects());
    harm(&bed);
    tell(&mut bed, &mut running, &[Act::Pass(HOUR)]);
    let why = bed.condition("shop", StackCondition::SourceMissing).expect("it is told");
    assert!(why.contains(told), "{why}");
    drop(running);
    let mut running = bed.start(None);
    tell(&mut bed, &mut running, &[Act::Pass(HOUR)]);
    assert!(bed.condition("shop", StackCondition::SourceMissing).is_some(), "{}", bed.told());
    assert_eq!((bed.there(), bed.effects(), bed.state("shop")), (there, effects, StackState::Available));

    // What was not there when the process began gives no hints: it is looked for from time to time.
    mend(&bed);
    tell(&mut bed, &mut running, &[Act::Write("shop", "app.py", "two"), Act::Pass(Milliseconds(90_000)), Act::Settle]);
    assert_eq!(bed.condition("shop", StackCondition::SourceMissing), None);
    assert_eq!(running.deployments("shop").last(), Some(&DeploymentState::Done));
    assert!(bed.there().contains(&"shop.1#2".to_owned()), "{:?}", bed.there());
}

fn mood(mood: Mood) -> impl Fn(&Bed) {
    move |bed| bed.folder("shop").mood(mood)
}

#[test]
fn a_source_that_is_emptied_in_the_middle_of_a_read() {
    decides_nothing(mood(Mood::Torn), mood(Mood::Whole), "changed while it was read");
}

#[test]
fn a_source_that_is_empty() {
    let put_back = |bed: &Bed| bed.folder("shop").write("deployd.yaml", SERVICE);
    decides_nothing(|bed| drop(bed.folder("shop").clear()), put_back, "is empty");
}

#[test]
fn a_source_that_is_missing() {
    decides_nothing(mood(Mood::Missing), mood(Mood::Whole), "the folder");
}

#[test]
fn a_source_that_cannot_be_read() {
    decides_nothing(mood(Mood::Unreadable), mood(Mood::Whole), "the disk does not answer");
}

#[test]
fn a_source_whose_manifest_is_gone() {
    let put_back = |bed: &Bed| bed.folder("shop").write("deployd.yaml", SERVICE);
    decides_nothing(|bed| bed.folder("shop").remove("deployd.yaml"), put_back, "service: shop");
}

#[test]
fn a_source_with_mistakes_leaves_the_good_release_serving() {
    let (mut bed, mut running) = serving(SERVICE);
    let (there, effects) = (bed.there(), bed.effects());
    let typo = Act::Write("shop", "deployd.yaml", "service: shop\nrunn: serve\nport: 8080\n");
    tell(&mut bed, &mut running, &[typo, Act::Pass(HOUR)]);
    let why = bed.stack_row(&stack("shop")).unwrap().conditions.remove(&StackCondition::Mistaken).expect("it is told");
    assert!(why.text.contains("deployd.yaml:2:1"), "{why:?}");
    assert_eq!((bed.there(), bed.effects(), bed.state("shop")), (there, effects, StackState::Available));
    tell(&mut bed, &mut running, &[Act::Write("shop", "deployd.yaml", SERVICE), Act::Settle]);
    assert_eq!(bed.condition("shop", StackCondition::Mistaken), None);
    assert_eq!(bed.effects(), effects, "what serves is what is asked for");
}

#[test]
fn what_is_asked_to_run_from_a_source_that_is_not_there_is_refused() {
    let bed = Bed::new(Faults::default());
    bed.folder("shop").mood(Mood::Missing);
    let mut running = bed.start(None);
    let engine = running.life.engine.clone();
    let answer = running.life.ask(async move { engine.run_source(up("shop", None)).await }).unwrap();
    assert!(matches!(answer, Err(DoorError::Source(_))), "{answer:?}");
    assert!(bed.events().is_empty(), "nothing was written");
}

/// The files are emptied while a deployment of theirs is on its way: what it is made of was kept before.
#[test]
fn a_deployment_that_has_begun_needs_its_source_no_more() {
    let (mut bed, mut running) = serving(SERVICE);
    tell(&mut bed, &mut running, &[Act::Write("shop", "app.py", "two")]);
    bed.until(&mut running, "the second life begins", |bed| bed.there().contains(&"shop.copy#2".to_owned()));
    bed.folder("shop").clear();
    drop(running);
    let mut running = bed.start(None);
    tell(&mut bed, &mut running, &[Act::Settle]);
    assert_eq!(running.deployments("shop"), [DeploymentState::Done, DeploymentState::Done]);
    assert!(bed.there().contains(&"shop.1#2".to_owned()), "{:?}", bed.there());
    assert!(bed.condition("shop", StackCondition::SourceMissing).is_some());
}
