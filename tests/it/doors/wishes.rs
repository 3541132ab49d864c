//! What people wish: up, again, otherwise, stop, down.

use super::{HELLO, SHOP, by, down_ask, name, refused, run_ask, running, up, with};
use crate::engine::bed::{Bed, folder_id, stack};
use deployd::engine::{DoorError, DownAnswer, PlanOf, RunAsk};
use deployd::state::{DeploymentState, From, StackState, Wish};
use std::collections::BTreeSet;

#[test]
fn what_a_folder_holds_is_run_and_followed() {
    let (bed, mut running) = with(HELLO);
    let accepted = up(&bed, &mut running);
    assert_eq!(accepted.len(), 1);
    assert_eq!(bed.stack_row(&stack("hello")).unwrap().state, StackState::Available);
    assert!(running.life.engine.sources().borrow().contains(&folder_id("one")));

    bed.folder("one").write("app.py", "two");
    bed.settle(&mut running, "the change");
    let page = running.asks(async |engine| engine.history(&stack("hello"), None, 10).await).unwrap();
    let told: Vec<_> = page.deployments.iter().map(|one| one.deployment.because.as_str()).collect();
    assert_eq!(told, ["app.py changed", "up"]);
    assert!(page.deployments.iter().all(|one| one.is_done()), "{page:?}");
}

#[test]
fn what_is_deployed_once_is_not_followed() {
    let (bed, mut running) = with(HELLO);
    let once = || RunAsk { follow: false, because: "apply".to_owned(), ..run_ask("one") };
    running.run(once()).unwrap();
    bed.settle(&mut running, "apply");
    let hello = stack("hello");
    let good = |bed: &Bed| bed.stack_row(&hello).unwrap().good.unwrap();
    let first = good(&bed);
    assert!(running.life.engine.sources().borrow().is_empty());

    bed.folder("one").write("app.py", "two");
    running.life.engine.nudge_source(&folder_id("one"));
    bed.settle(&mut running, "a save");
    running.life.stop();
    let mut running = bed.start(None);
    bed.settle(&mut running, "another start");
    assert_eq!(good(&bed), first, "nobody has asked for what was saved");

    running.run(once()).unwrap();
    bed.settle(&mut running, "apply again");
    let second = good(&bed);
    assert_ne!(second, first);
    // Who follows it goes on following it, whoever else deploys it once.
    up(&bed, &mut running);
    running.run(once()).unwrap();
    bed.settle(&mut running, "apply beside up");
    bed.folder("one").write("app.py", "three");
    bed.settle(&mut running, "the next save");
    assert_ne!(good(&bed), second);
}

#[test]
fn one_service_of_a_folder_is_followed_and_another_is_not() {
    let (bed, mut running) = with(HELLO);
    bed.folder("one").write("b/deployd.yaml", "service: other\nrun: serve\n");
    running.run(RunAsk { services: [name("hello")].into(), ..run_ask("one") }).unwrap();
    running.run(RunAsk { follow: false, ..run_ask("one") }).unwrap();
    bed.settle(&mut running, "both");
    let good = |name: &str| bed.stack_row(&stack(name)).unwrap().good.unwrap();
    let before = (good("hello"), good("other"));
    bed.folder("one").write("app.py", "two");
    bed.folder("one").write("b/app.py", "two");
    bed.settle(&mut running, "the saves");
    assert_ne!(good("hello"), before.0);
    assert_eq!(good("other"), before.1);
}

#[test]
fn asking_again_with_the_same_key_answers_the_same_and_does_nothing_twice() {
    let (bed, mut running) = with(HELLO);
    let ask = RunAsk { once: Some("key".to_owned()), ..run_ask("one") };
    let first = running.run(ask.clone()).unwrap();
    bed.settle(&mut running, "up");
    let again = running.run(ask.clone()).unwrap();
    assert_eq!(first, again);
    assert_eq!(bed.stack_row(&stack("hello")).unwrap().deployments, 1);

    let other = RunAsk { services: BTreeSet::from([name("hello")]), ..ask.clone() };
    let used = running.run(other);
    assert!(matches!(used, Err(DoorError::KeyUsed(_))), "{used:?}");
    // Another principal's same key is another key.
    let bob = running.run(RunAsk { principal: by("bob"), ..ask }).unwrap();
    assert_ne!(first, bob);
}

#[test]
fn mistakes_are_answered_all_at_once_and_nothing_is_written() {
    let (bed, mut running) = with("service: hello\nrun: serve\nport: 8080\nrequires: [rediss]\n");
    bed.folder("one").write("b/deployd.yaml", "service: other\nrun: serve\nrequires: [postgress]\n");
    let Err(DoorError::Mistakes(said)) = running.run(run_ask("one")) else { panic!("no mistakes") };
    assert_eq!(said.iter().filter(|one| one.code.0 == "unknown-slug").count(), 2, "{said:?}");
    assert!(bed.stack_row(&stack("hello")).is_none() && bed.stack_row(&stack("other")).is_none());
    assert!(running.life.engine.sources().borrow().is_empty());
}

#[test]
fn a_second_owner_is_refused_by_name_until_the_first_lets_go() {
    let (bed, running, hello) = running(HELLO, "hello");
    bed.folder("two").write("deployd.yaml", HELLO);
    running.life.stop();
    let mut running = bed.start(None);
    bed.settle(&mut running, "the start");

    let said = refused(running.run(run_ask("two")));
    assert!(said.contains("deployed from /one") && said.contains("/two has") && said.contains("--keep-data"), "{said}");
    let said = refused(running.run(RunAsk { from: From::Project, ..run_ask("one") }));
    assert!(said.contains("deployed from"), "{said}");

    // Stopped is not let go: its data is its owner's.
    running.asks(async |engine| engine.stop(&hello, &by("alice")).await).unwrap();
    bed.settle(&mut running, "the stop");
    assert!(refused(running.run(run_ask("two"))).contains("deployed from /one"));

    running.down(down_ask("hello")).unwrap();
    bed.settle(&mut running, "its end");
    running.run(run_ask("two")).unwrap();
    bed.settle(&mut running, "the other's");
    assert_eq!(bed.stack_row(&hello).unwrap().wish, Wish::Run { source: folder_id("two") });
}

#[test]
fn a_stop_keeps_all_but_the_processes_and_ends_the_following() {
    let (bed, mut running, shop) = running(SHOP, "shop");
    let before = bed.there();
    running.asks(async |engine| engine.stop(&shop, &by("alice")).await).unwrap();
    bed.settle(&mut running, "the stop");
    let row = bed.stack_row(&shop).unwrap();
    assert_eq!((row.state, row.wish), (StackState::Stopped, Wish::Stopped));
    let there = bed.there();
    assert!(there.contains(&"users#1".to_owned()) && there.contains(&"uploads#1".to_owned()), "{there:?}");
    assert!(!there.contains(&"shop.1#1".to_owned()), "{there:?}");
    assert!(running.life.engine.sources().borrow().is_empty());

    // What is saved meanwhile, and what comes new, runs when it is asked for, not before.
    bed.folder("one").write("b/deployd.yaml", "service: other\nrun: serve\n");
    running.life.stop();
    let mut running = bed.start(None);
    bed.settle(&mut running, "another start");
    assert!(bed.stack_row(&stack("other")).is_none());
    up(&bed, &mut running);
    assert!(bed.stack_row(&stack("other")).is_some());
    assert_eq!(bed.there().iter().filter(|one| before.contains(one)).count(), before.len() - 2, "{:?}", bed.there());
}

#[test]
fn down_names_what_holds_data_and_does_nothing() {
    let (bed, mut running, shop) = running(SHOP, "shop");
    let before = bed.there();
    let Ok(DownAnswer::HoldsData(held)) = running.down(down_ask("shop")) else { panic!("not refused") };
    let names: Vec<_> = held.iter().map(|one| one.identity.address.name.as_str()).collect();
    assert_eq!(names, ["uploads", "users"]);
    bed.settle(&mut running, "nothing");
    assert_eq!(bed.there(), before);
    assert!(matches!(bed.stack_row(&shop).unwrap().wish, Wish::Run { .. }));

    // One that is named does not answer for the other.
    let mut ask = down_ask("shop");
    ask.delete = BTreeSet::from([name("users")]);
    let Ok(DownAnswer::HoldsData(held)) = running.down(ask.clone()) else { panic!("not refused") };
    assert_eq!(held.len(), 1);
    ask.delete = BTreeSet::from([name("user")]);
    assert!(refused(running.down(ask)).ends_with("did you mean `users`?"));
}

#[test]
fn down_keeps_what_it_is_told_to_keep_and_deletes_what_it_is_told_to_delete() {
    let (bed, mut running, shop) = running(SHOP, "shop");
    let mut ask = down_ask("shop");
    (ask.keep_data, ask.delete) = (true, BTreeSet::from([name("uploads")]));
    let Ok(DownAnswer::Accepted(accepted)) = running.down(ask.clone()) else { panic!("refused") };
    bed.settle(&mut running, "its end but for the data");
    assert_eq!(running.state_of(&accepted.deployment), DeploymentState::Done);
    assert_eq!(bed.there(), ["users#1"]);

    (ask.keep_data, ask.delete) = (false, BTreeSet::from([name("users")]));
    assert!(matches!(running.down(ask), Ok(DownAnswer::Accepted(_))));
    bed.settle(&mut running, "the end of the data");
    assert_eq!(bed.there(), [""; 0]);
    assert_eq!(bed.stack_row(&shop).unwrap().state, StackState::Deleted);
    assert_eq!(running.down(down_ask("shop")).unwrap(), DownAnswer::Nothing);
    assert!(matches!(running.down(down_ask("never")), Err(DoorError::NotFound(_))));
    assert!(running.asks(async |engine| engine.status(None).await).unwrap().is_empty());
}

#[test]
fn a_plan_that_is_applied_must_be_the_plan_of_now() {
    let (bed, mut running, hello) = running(HELLO, "hello");
    let apply = |plan| deployd::engine::ApplyAsk {
        stack: stack("hello"),
        plan: Some(plan),
        mode: Default::default(),
        principal: by("alice"),
        because: "apply".to_owned(),
        once: None,
    };
    // Somebody wants to look before it happens: the folder is not followed.
    running.asks(async |engine| engine.pause(&hello, &by("alice")).await).unwrap();
    bed.folder("one").write("app.py", "two");
    let shown = running.plan(PlanOf::Stack(name("hello"))).unwrap().remove(0);
    bed.folder("one").write("app.py", "three");
    let stale = running.asks(async |engine| engine.apply(apply(shown.plan.digest)).await);
    let Err(DoorError::Stale(changed)) = stale else { panic!("not stale: {stale:?}") };
    assert_eq!(changed.named, shown.plan.digest);
    assert_eq!(changed.moved.iter().map(|(_, how)| how.as_str()).next(), Some("it leads to another release now"));
    let accepted = running.asks(async |engine| engine.apply(apply(changed.now)).await).unwrap();
    running.asks(async |engine| engine.resume(&hello, &by("alice")).await).unwrap();
    bed.settle(&mut running, "the plan that was looked at");
    assert_eq!(running.state_of(&accepted.deployment), DeploymentState::Done);
}
