//! What goes wrong stays where it goes wrong: a bad release leaves the good one serving, a branch that fails leaves the
//! others going on, a stack leaves the other stacks alone.

use super::bed::{Bed, stack};
use super::cuts::end;
use super::rooms::Ail;
use super::story::{Act, SERVICE, serving, tell};
use deployd::model::Milliseconds;
use deployd::plan::LineCode;
use deployd::provider::simulated::Faults;
use deployd::state::{DeploymentState, Phase, StackCondition, StackState};

const BAD: &str = "service: shop\nrun: serve\nport: 8080\nenv: { SIMULATED: unhealthy }\n";

const HOUR: Milliseconds = Milliseconds(3_600_000);

fn write(text: &'static str) -> Act {
    Act::Write("shop", "deployd.yaml", text)
}

fn made(bed: &Bed, identity: &str) -> usize {
    end(bed).made.get(identity).copied().unwrap_or(0)
}

#[test]
fn a_bad_release_is_rolled_back_and_not_tried_again_until_somebody_says_so() {
    let (mut bed, mut running) = serving(SERVICE);
    let good = end(&bed).runs;
    tell(&mut bed, &mut running, &[write(BAD), Act::Settle]);
    assert_eq!(running.deployments("shop"), [DeploymentState::Done, DeploymentState::RolledBack]);
    assert_eq!((bed.state("shop"), end(&bed).runs), (StackState::Available, good.clone()));
    let why = bed.condition("shop", StackCondition::Quarantined).expect("it is told");
    assert!(why.contains("GET /healthz answered 500"), "{why}");
    assert_eq!(made(&bed, "sim/shop/shop.1#2"), 1, "it was tried once");

    // Redelivery, time, a restart: none of them is another try.
    tell(&mut bed, &mut running, &[Act::Up("shop"), Act::Settle, Act::Pass(HOUR)]);
    drop(running);
    let mut running = bed.start(None);
    tell(&mut bed, &mut running, &[Act::Pass(HOUR), write(BAD), Act::Settle, Act::Up("shop"), Act::Settle]);
    assert_eq!(made(&bed, "sim/shop/shop.1#3"), 0);
    assert_eq!((bed.state("shop"), end(&bed).runs), (StackState::Available, good.clone()));
    assert!(bed.condition("shop", StackCondition::Quarantined).is_some());

    // A person says so: it is tried once more, and fails once more.
    tell(&mut bed, &mut running, &[Act::Retry("shop"), Act::Settle]);
    assert_eq!(made(&bed, "sim/shop/shop.1#3"), 1);
    assert_eq!((bed.state("shop"), end(&bed).runs), (StackState::Available, good));
    assert!(bed.condition("shop", StackCondition::Quarantined).is_some());

    // Another content is another release.
    tell(&mut bed, &mut running, &[Act::Write("shop", "app.py", "two"), write(SERVICE), Act::Settle]);
    assert_eq!(bed.state("shop"), StackState::Available);
    assert_eq!(running.deployments("shop").last(), Some(&DeploymentState::Done));
    assert_eq!(bed.condition("shop", StackCondition::Quarantined), None);
}

#[test]
fn a_first_release_that_fails_leaves_the_stack_broken_until_a_good_one() {
    let (mut bed, mut running) = serving(BAD);
    assert_eq!((bed.state("shop"), running.deployments("shop")), (StackState::Broken, vec![DeploymentState::Failed]));
    assert!(end(&bed).runs.is_empty(), "its processes are stopped");
    tell(&mut bed, &mut running, &[Act::Pass(HOUR), write(SERVICE), Act::Settle]);
    assert_eq!((bed.state("shop"), end(&bed).runs.len()), (StackState::Available, 1));
}

#[test]
fn what_a_bad_release_brought_is_parked_and_used_by_the_next_good_one() {
    let (mut bed, mut running) = serving(SERVICE);
    let bad = "service: shop\nrun: serve\nport: 8080\nenv: { SIMULATED: unhealthy }\nrequires: [users: postgres]\n";
    tell(&mut bed, &mut running, &[write(bad), Act::Settle, Act::Pass(HOUR)]);
    let users = |bed: &Bed| bed.owned(&stack("shop")).into_iter().find(|one| one.kind.as_str() == "local/postgres");
    assert_eq!(users(&bed).map(|one| one.phase), Some(Phase::Parked));
    assert!(bed.there().contains(&"users#1".to_owned()), "it is kept");
    let kept = running.shown("shop").report.kept;
    assert!(kept.iter().any(|line| line.at.name.as_str() == "users" && line.code == LineCode::Protected), "{kept:?}");

    let good = "service: shop\nrun: serve\nport: 8080\nrequires: [users: postgres]\n";
    tell(&mut bed, &mut running, &[write(good), Act::Settle]);
    assert_eq!(users(&bed).map(|one| (one.phase, one.identity.incarnation)), Some((Phase::Standing, 1)));
    assert_eq!((made(&bed, "sim/shop/users"), bed.state("shop")), (1, StackState::Available));
}

#[test]
fn what_a_bad_release_brought_is_let_go_by_the_next_good_one() {
    let (mut bed, mut running) = serving(SERVICE);
    let bad = "service: shop\nrun: serve\nport: 8080\nenv: { SIMULATED: unhealthy }\nprocesses: { side: { run: side, \
               ports: { http: 8081 } } }\n";
    tell(&mut bed, &mut running, &[write(bad), Act::Settle]);
    assert!(bed.there().contains(&"side.address#1".to_owned()), "{:?}", bed.there());
    tell(&mut bed, &mut running, &[Act::Write("shop", "app.py", "two"), write(SERVICE), Act::Settle]);
    assert_eq!(bed.there(), ["shop.1#3", "shop.address#1", "shop.copy#1", "shop.copy#2", "shop.route#1"]);
}

#[test]
fn an_independent_branch_goes_on_while_another_fails() {
    let mut bed = Bed::new(Faults::default());
    let mut running = bed.start(None);
    running.provider.ail("sim/shop/users", Some(Ail::Unreachable));
    let manifest = "service: shop\nrun: serve\nport: 8080\nrequires: [users: postgres, more: postgres]\n";
    let text = |path, text| Act::Write("shop", path, text);
    let acts = [text("deployd.yaml", manifest), text("app.py", "one"), Act::Up("shop"), Act::Pass(HOUR)];
    tell(&mut bed, &mut running, &acts);
    assert_eq!(bed.there(), ["more#1", "shop.address#1", "shop.copy#1"], "all that needs no users");
    assert_eq!(
        (bed.state("shop"), running.deployments("shop")),
        (StackState::Creating, vec![DeploymentState::Running])
    );
    let waiting = bed.condition("shop", StackCondition::Waiting).expect("it is told");
    assert!(waiting.contains("users"), "{waiting}");
    let asked = bed.log().len();
    assert!(asked < 1_000, "{asked} calls in an hour: it is not asked again and again");

    running.provider.ail("sim/shop/users", None);
    tell(&mut bed, &mut running, &[Act::Settle]);
    assert_eq!((bed.state("shop"), end(&bed).runs.len()), (StackState::Available, 1));
}

#[test]
fn what_cannot_be_read_is_neither_bad_nor_gone() {
    let (mut bed, mut running) = serving(SERVICE);
    let effects = bed.effects();
    running.provider.ail("sim/shop/shop.1", Some(Ail::Unreadable));
    tell(&mut bed, &mut running, &[Act::Write("shop", "app.py", "two"), Act::Pass(HOUR)]);
    assert_eq!(bed.state("shop"), StackState::Available);
    assert_eq!(bed.condition("shop", StackCondition::Quarantined), None, "it is not the release's fault");
    assert!(bed.there().contains(&"shop.1#1".to_owned()), "nothing is deleted because it could not be read");
    assert!(bed.log().iter().all(|call| call.verb != "delete"), "{effects} effects before");

    running.provider.ail("sim/shop/shop.1", None);
    tell(&mut bed, &mut running, &[Act::Pass(HOUR)]);
    tell(&mut bed, &mut running, &[Act::Settle]);
    assert_eq!(running.deployments("shop").last(), Some(&DeploymentState::Done));
    assert_eq!(end(&bed).runs.len(), 1);
}

/// Another service, in a folder of its own.
fn other() -> [Act; 4] {
    let text = |path, text| Act::Write("cart", path, text);
    [
        text("deployd.yaml", "service: cart\nrun: serve\nport: 8080\n"),
        text("app.py", "one"),
        Act::Up("cart"),
        Act::Settle,
    ]
}

#[test]
fn a_failure_stays_with_its_stack() {
    let (mut bed, mut running) = serving(BAD);
    tell(&mut bed, &mut running, &other());
    tell(&mut bed, &mut running, &[Act::Write("cart", "app.py", "two"), Act::Settle]);
    assert_eq!(running.deployments("cart"), [DeploymentState::Done, DeploymentState::Done]);
    assert_eq!((bed.state("shop"), bed.state("cart")), (StackState::Broken, StackState::Available));
}

#[test]
fn a_panic_stays_with_its_stack() {
    let (mut bed, mut running) = serving(SERVICE);
    running.provider.ail("sim/shop/shop.1", Some(Ail::Panics));
    tell(&mut bed, &mut running, &[Act::Write("shop", "app.py", "two"), Act::Pass(Milliseconds(20_000))]);
    let why = running.shown("shop").set_aside.expect("it is told").to_string();
    assert!(why.contains("a bug of a room"), "{why}");
    tell(&mut bed, &mut running, &other()[..3]);
    tell(&mut bed, &mut running, &[Act::Pass(Milliseconds(60_000))]);
    assert_eq!((bed.state("cart"), running.deployments("cart")), (StackState::Available, vec![DeploymentState::Done]));
    let tries = running.provider.log().len();
    tell(&mut bed, &mut running, &[Act::Pass(HOUR)]);
    assert!(running.provider.log().len() - tries < 1_000, "it is left alone for a while after each");

    running.provider.ail("sim/shop/shop.1", None);
    tell(&mut bed, &mut running, &[Act::Pass(HOUR)]);
    assert_eq!(running.shown("shop").set_aside, None);
    assert_eq!(running.deployments("shop"), [DeploymentState::Done, DeploymentState::Done]);
}
