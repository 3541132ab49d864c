//! What is asked of a stack that is there: back, once more, not now, not at all; and resources without a service.

use super::{HELLO, SHOP, by, down_ask, name, refused, run_ask, running, up, with};
use crate::engine::bed::{Bed, stack, world_name};
use deployd::contract::Scope;
use deployd::engine::{DoorError, DownAnswer, ResourceAsk, RollbackAsk, RunAsk};
use deployd::model::{Milliseconds, Value};
use deployd::state::{DeploymentState, From, StackCondition, StackState};
use deployd::store::test_store::{Call, Fault, Point};

fn back(to: Option<deployd::model::Digest>) -> RollbackAsk {
    RollbackAsk { stack: stack("hello"), to, principal: by("alice"), once: None }
}

#[test]
fn a_rollback_holds_until_the_source_moves() {
    let (bed, mut running, hello) = running(HELLO, "hello");
    let first = bed.stack_row(&hello).unwrap().good.unwrap();
    assert!(matches!(running.asks(async |engine| engine.rollback(back(None)).await), Err(DoorError::NotFound(_))));
    bed.folder("one").write("app.py", "two");
    bed.settle(&mut running, "the change");
    let second = bed.stack_row(&hello).unwrap().good.unwrap();
    assert_ne!(first, second);

    let accepted = running.asks(async |engine| engine.rollback(back(None)).await).unwrap();
    bed.settle(&mut running, "the way back");
    assert_eq!(running.state_of(&accepted.deployment), DeploymentState::Done);
    assert_eq!(bed.stack_row(&hello).unwrap().good, Some(first));
    // Reading the folder again, and another start, is no news.
    running.life.engine.nudge_source(&run_ask("one").source);
    bed.settle(&mut running, "another read");
    running.life.stop();
    let mut running = bed.start(None);
    bed.settle(&mut running, "another start");
    assert_eq!(bed.stack_row(&hello).unwrap().good, Some(first));

    bed.folder("one").write("app.py", "three");
    bed.settle(&mut running, "the next change");
    let third = bed.stack_row(&hello).unwrap().good.unwrap();
    assert!(third != first && third != second);
    // To one that is named, as far as it is kept.
    running.asks(async |engine| engine.rollback(back(Some(second))).await).unwrap();
    bed.settle(&mut running, "the way to the second");
    assert_eq!(bed.stack_row(&hello).unwrap().good, Some(second));
    let never = running.asks(async |engine| engine.rollback(back(Some(deployd::model::Digest::of("x")))).await);
    assert!(matches!(never, Err(DoorError::NotFound(_))));
}

/// A rollback that waits for what never comes holds nobody up who goes on from the files.
#[test]
fn what_the_files_hold_takes_the_place_of_a_rollback_that_waits() {
    let needs = format!("{HELLO}requires: [{{ service: back }}]\n");
    let (bed, mut running) = with(&needs);
    bed.folder("two").write("deployd.yaml", "service: back\nrun: serve\nport: 8080\n");
    running.run(RunAsk { source: crate::engine::bed::folder_id("two"), ..run_ask("one") }).unwrap();
    up(&bed, &mut running);
    bed.folder("one").write("deployd.yaml", HELLO);
    bed.settle(&mut running, "without back");
    let down = running.down(down_ask("back"));
    assert!(matches!(down, Ok(DownAnswer::Accepted(_))), "{down:?}");
    bed.settle(&mut running, "back is gone");
    let waits = running.asks(async |engine| engine.rollback(back(None)).await).unwrap();
    running.life.run_for(Milliseconds::seconds(60));
    assert!(!running.state_of(&waits.deployment).is_terminal());
    bed.folder("one").write("app.py", "two");
    bed.settle(&mut running, "what was saved");
    assert_eq!(running.state_of(&waits.deployment), DeploymentState::Superseded);
    assert_eq!(bed.stack_row(&stack("hello")).unwrap().state, StackState::Available);
}

/// Files that are as they were before are the newest state all the same: back is to what served in between.
#[test]
fn what_its_source_asks_for_again_comes_after_what_served_meanwhile() {
    let (bed, mut running, hello) = running(HELLO, "hello");
    let first = bed.stack_row(&hello).unwrap().good.unwrap();
    bed.folder("one").write("app.py", "two");
    bed.settle(&mut running, "the change");
    let second = bed.stack_row(&hello).unwrap().good.unwrap();
    bed.folder("one").write("app.py", "one");
    bed.settle(&mut running, "the files as they were");
    assert_eq!(bed.stack_row(&hello).unwrap().good, Some(first));
    running.asks(async |engine| engine.rollback(back(None)).await).unwrap();
    bed.settle(&mut running, "the way back");
    assert_eq!(bed.stack_row(&hello).unwrap().good, Some(second));

    // Nothing failed: a retry is no way forward from where a person went back to.
    let told = refused(running.asks(async |engine| engine.retry(&hello, &by("alice")).await));
    assert!(told.contains("nothing of sim/hello failed"), "{told}");
    assert_eq!(bed.stack_row(&hello).unwrap().good, Some(second));
}

/// A migration is done once, and what it was made of does not outlive its turn in the world that only plays one.
#[test]
fn many_releases_with_migrations_follow_each_other() {
    let manifest =
        format!("{HELLO}requires: [users: postgres]\nmigrate: [{{ for: users, run: up, when: \"db/**\" }}]\n");
    let (bed, mut running, hello) = running(&manifest, "hello");
    for number in 0..6 {
        bed.folder("one").write("app.py", &format!("version {number}"));
        bed.folder("one").write("db/all.sql", &format!("version {number}"));
        bed.settle(&mut running, "the next release");
    }
    assert_eq!(bed.stack_row(&hello).unwrap().state, StackState::Available);
    let copies = bed.there().iter().filter(|one| one.starts_with("hello.copy#")).count();
    assert!(copies <= 3, "{:?}", bed.there());
}

/// A log that is written into the folder, and not ignored: each line is a change of the source.
#[test]
fn a_source_that_does_not_stand_still_piles_nothing_up() {
    let (bed, mut running, hello) = running(HELLO, "hello");
    let mut most = 0;
    for number in 0..60 {
        bed.folder("one").write("app.log", &format!("line {number}"));
        running.life.engine.nudge_source(&run_ask("one").source);
        running.life.run_for(Milliseconds(300));
        most = most.max(bed.there().iter().filter(|one| one.starts_with("hello.1#")).count());
    }
    let page = running.asks(async |engine| engine.history(&hello, None, 100).await).unwrap();
    let done = page.deployments.iter().filter(|one| one.deployment.state == DeploymentState::Done).count();
    assert!(done > 1 && most <= 6, "{done} came through, and {most} replicas stood side by side");
    bed.settle(&mut running, "the last line");
    let row = bed.stack_row(&hello).unwrap();
    assert_eq!(bed.there().iter().filter(|one| one.starts_with("hello.1#")).count(), 1);
    assert_eq!((row.state, row.good), (StackState::Available, row.target));
}

#[test]
fn a_rollback_across_a_migration_is_refused() {
    let manifest = |when: &str| {
        format!(
            "service: hello\nrun: serve\nport: 8080\nrequires: [{{ users: postgres }}]\nmigrate:\n  - {{ for: users, \
             run: ./migrate, when: \"{when}\" }}\n"
        )
    };
    let (bed, mut running) = with(&manifest("db/**"));
    bed.folder("one").write("db/1.sql", "one");
    super::up(&bed, &mut running);
    bed.folder("one").write("app.py", "two");
    bed.settle(&mut running, "a change without a migration");
    running.asks(async |engine| engine.rollback(back(None)).await).unwrap();
    bed.settle(&mut running, "the way back");
    bed.folder("one").write("db/2.sql", "two");
    bed.settle(&mut running, "a change with one");
    assert!(bed.stack_row(&stack("hello")).unwrap().quarantine.is_empty(), "{}", bed.told());
    let told = refused(running.asks(async |engine| engine.rollback(back(None)).await));
    assert!(told.contains("migrate-users has run since"), "{told}");
}

/// Makes the next version of the service bad.
fn break_it(bed: &mut Bed) {
    bed.folder("one").write("deployd.yaml", &format!("{HELLO}env: {{ SIMULATED: crash }}\n"));
}

#[test]
fn what_failed_is_quarantined_until_it_is_tried_again() {
    let (mut bed, mut running, hello) = running(HELLO, "hello");
    let good = bed.stack_row(&hello).unwrap().good.unwrap();
    break_it(&mut bed);
    bed.settle(&mut running, "the bad version");
    let row = bed.stack_row(&hello).unwrap();
    assert_eq!((row.good, row.state), (Some(good), StackState::Available));
    let bad = *row.quarantine.keys().next().unwrap();
    assert!(row.conditions.contains_key(&StackCondition::Quarantined));
    let told = refused(running.asks(async |engine| engine.rollback(back(Some(bad))).await));
    assert!(told.contains("quarantined") && told.contains("deployd retry hello"), "{told}");

    // It is really tried: the processes are made once more, and fail once more.
    let creates = |bed: &Bed| bed.log().iter().filter(|call| call.verb == "create").count();
    let before = creates(&bed);
    let again = running.asks(async |engine| engine.retry(&hello, &by("alice")).await).unwrap();
    bed.settle(&mut running, "the second try");
    assert_eq!(running.state_of(&again.deployment), DeploymentState::RolledBack);
    assert!(creates(&bed) > before);
    assert_eq!(bed.stack_row(&hello).unwrap().good, Some(good));

    // What was wrong outside is mended: now it is good.
    bed.with_world(|world| world.unhealthy.clear());
    bed.folder("one").write("deployd.yaml", HELLO);
    bed.settle(&mut running, "the mended version");
    assert!(!bed.stack_row(&hello).unwrap().conditions.contains_key(&StackCondition::Quarantined));
}

/// RELIABILITY.md S9, THREATS.md T25: an end that was asked for is not cancelled and done all the same, by a deployment that
/// is nobody's and that whoever asked for it could approve.
#[test]
fn what_a_wish_carries_out_is_not_cancelled_alone() {
    let (bed, mut running, _) = running(SHOP, "shop");
    let mut down = down_ask("shop");
    down.delete = [name("users"), name("uploads")].into();
    let Ok(DownAnswer::Accepted(down)) = running.down(down) else { panic!("it is asked for") };
    let cancelled = running.asks(async |engine| engine.cancel(&down.deployment, &by("bob")).await);
    let text = refused(cancelled);
    assert!(text.contains("is to be gone") && text.contains("deployd up FOLDER"), "{text}");
    let again = running.run(run_ask("one")).unwrap().remove(0);
    bed.settle(&mut running, "the wish of before");
    assert_eq!(running.state_of(&down.deployment), DeploymentState::Superseded);
    assert_eq!(running.state_of(&again.deployment), DeploymentState::Done);
    assert!(bed.there().contains(&"users#1".to_owned()), "{:?}", bed.there());
}

#[test]
fn a_deployment_is_cancelled_between_its_steps() {
    let manifest = "service: hello\nrun: serve\nport: 8080\nrequires: [{ users: slow }]\n";
    let (bed, mut running) = with(manifest);
    let accepted = running.run(run_ask("one")).unwrap().remove(0);
    running.life.run_for(Milliseconds::seconds(60));
    assert_eq!(running.state_of(&accepted.deployment), DeploymentState::Running);
    running.asks(async |engine| engine.cancel(&accepted.deployment, &by("bob")).await).unwrap();
    bed.settle(&mut running, "the cancel");
    let shown = running.asks(async |engine| engine.deployment(&accepted.deployment).await).unwrap();
    assert_eq!(shown.deployment.state, DeploymentState::Cancelled);
    assert!(shown.deployment.why.unwrap().text.contains("cli:bob"));
    let again = running.asks(async |engine| engine.cancel(&accepted.deployment, &by("bob")).await);
    assert!(refused(again).contains("has ended"));
}

#[test]
fn nothing_is_changed_while_a_stack_is_paused() {
    let (bed, mut running, hello) = running(HELLO, "hello");
    running.asks(async |engine| engine.pause(&hello, &by("alice")).await).unwrap();
    let before = bed.there();
    bed.folder("one").write("app.py", "two");
    bed.with_world(|world| world.vanish(&deployd::model::Identity::parse("sim/hello/hello.1#1").unwrap()));
    running.life.run_for(Milliseconds::seconds(1200));
    assert_eq!(bed.there().len(), before.len() - 1);
    running.asks(async |engine| engine.resume(&hello, &by("alice")).await).unwrap();
    bed.settle(&mut running, "what was saved meanwhile");
    assert!(bed.there().contains(&"hello.1#2".to_owned()), "{:?}", bed.there());
    assert!(bed.stack_row(&hello).unwrap().conditions.is_empty());
}

fn resource(slug: &str, with: Value) -> ResourceAsk {
    ResourceAsk {
        world: world_name(),
        name: name("db"),
        slug: name(slug),
        with,
        from: From::Rest,
        principal: by("alice"),
        once: None,
        must_be_new: None,
        only_if: None,
    }
}

#[test]
fn a_resource_lives_without_a_service() {
    let (bed, mut running) = with(HELLO);
    let ask = ResourceAsk { must_be_new: Some(false), ..resource("postgres", Value::map()) };
    assert!(matches!(running.asks(async |engine| engine.put_resource(ask).await), Err(DoorError::NotFound(_))));
    let wrong = running.asks(async |engine| engine.put_resource(resource("postgress", Value::map())).await);
    assert!(matches!(wrong, Err(DoorError::Mistakes(_))), "{wrong:?}");
    assert!(bed.stack_row(&stack("db")).is_none());

    let ask = ResourceAsk { must_be_new: Some(true), ..resource("postgres", Value::map()) };
    let made = running.asks(async |engine| engine.put_resource(ask.clone()).await).unwrap();
    bed.settle(&mut running, "the database");
    assert_eq!(running.state_of(&made.deployment), DeploymentState::Done);
    assert_eq!(bed.there(), ["db#1"]);
    assert!(refused(running.asks(async |engine| engine.put_resource(ask).await)).contains("already"));
    let shown = running.asks(async |engine| engine.stack(&stack("db")).await).unwrap();
    assert_eq!(shown.made_of, Some((name("postgres"), Value::map())));

    // Changed by who read it last, and by nobody who read it before.
    let change = |only_if| ResourceAsk { only_if, ..resource("postgres-small", Value::map()) };
    let old = shown.version;
    running.asks(async |engine| engine.put_resource(change(old)).await).unwrap();
    bed.settle(&mut running, "the change");
    let moved = running.asks(async |engine| engine.put_resource(change(old)).await);
    assert!(matches!(moved, Err(DoorError::Moved(_))), "{moved:?}");

    // A service of that name is a second owner.
    let bed = bed;
    running.life.stop();
    bed.folder("two").write("deployd.yaml", "service: db\nrun: serve\n");
    let mut running = bed.start(None);
    bed.settle(&mut running, "the start");
    assert!(refused(running.run(run_ask("two"))).contains("a resource that a person made"));
    let mut down = super::down_ask("db");
    down.delete = [name("db")].into();
    running.down(down).unwrap();
    bed.settle(&mut running, "its end");
    assert_eq!(bed.there(), [""; 0]);
}

#[test]
fn a_wish_is_durable_once_and_asked_for_once_whatever_the_store_answers() {
    let ask = || deployd::engine::RunAsk { once: Some("key".to_owned()), ..run_ask("one") };
    // The doors' own writes, by their numbers in a run in which nothing goes wrong: those without a fence.
    let (_, mut dry) = with(HELLO);
    dry.run(ask()).unwrap();
    let is_ours = |call: &Call| matches!(call, Call::Commit { fenced: false, .. });
    let ours: Vec<Point> = dry.store.calls().into_iter().filter(|(_, call)| is_ours(call)).map(|(at, _)| at).collect();
    assert_eq!(ours.len(), 2, "the wish, and the answer of all of them together");
    for fault in [Fault::Moved, Fault::UnclearDone, Fault::UnclearUndone, Fault::Full] {
        for at in &ours {
            let (bed, mut running) = with(HELLO);
            running.store.arm(*at, fault.clone());
            // Where the store had no room, the person asks again.
            let first = running.run(ask());
            assert!(first.is_ok() || fault == Fault::Full, "{fault:?} at {at:?}: {first:?}");
            let accepted = first.or_else(|_| running.run(ask())).unwrap().remove(0);
            bed.settle(&mut running, "up");
            assert!(running.store.unstruck().is_empty(), "{fault:?} at {at:?} did not strike");
            assert_eq!(running.state_of(&accepted.deployment), DeploymentState::Done);
            assert_eq!(bed.stack_row(&stack("hello")).unwrap().deployments, 1, "{fault:?} at {at:?}");
            let rows = bed.rows(&Scope::World(world_name()));
            let history = rows.iter().filter(|row| row.key.table_and_id().unwrap().0 == "history");
            assert_eq!(history.count(), 1);
        }
    }
}

/// Whoever runs a process was told its check when it was made: with another check it is another process, or the new one
/// would never be asked. How long it may take at first concerns nobody who has answered.
#[test]
fn another_health_check_makes_another_process() {
    let check = |check: &str| format!("service: hello\nrun: serve\nport: 8080\nhealth: {{ {check} }}\n");
    let (bed, mut running) = with(&check("http: /, within: 20s"));
    super::up(&bed, &mut running);
    bed.folder("one").write("deployd.yaml", &check("http: /, within: 30s"));
    bed.settle(&mut running, "more time");
    assert!(bed.there().contains(&"hello.1#1".to_owned()), "{:?}", bed.there());
    bed.folder("one").write("deployd.yaml", &check("http: /ready, within: 30s"));
    bed.settle(&mut running, "another path");
    let there = bed.there();
    assert!(there.contains(&"hello.1#2".to_owned()) && !there.contains(&"hello.1#1".to_owned()), "{there:?}");
}

/// A release is a graph and the versions of its secrets. Older values are not kept, so what differs in them alone cannot be
/// had back, and that is said.
#[test]
fn a_release_that_differs_in_secrets_alone_is_not_gone_back_to() {
    let (bed, mut running) = with(&format!("{HELLO}secrets: [API_KEY]\n"));
    let key = deployd::model::SecretName("API_KEY".to_owned());
    for value in ["one", "two"] {
        let (secrets, value) =
            (std::sync::Arc::clone(&running.secrets), deployd::contract::Plain::new(value.to_owned()));
        running.asks(async |_| secrets.set(&world_name(), &key, &value, &by("alice")).await).unwrap();
        running.asks(async |engine| engine.nudge_secret(&world_name(), &key));
        up(&bed, &mut running);
    }
    let back = running.asks(async |engine| engine.rollback(back(None)).await);
    let text = refused(back);
    assert!(text.contains("API_KEY") && text.contains("deployd secret set"), "{text}");
}
