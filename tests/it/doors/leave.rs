//! A person's leave: bound to what was shown, used once, never given by oneself where policy says so. And what is never
//! done without it.

use super::{HELLO, SHOP, by, down_ask, forbidden, in_world, name, refused, run_ask, running, up, with, write_row};
use crate::engine::bed::{Bed, catalogue, stack};
use deployd::contract::Clock as _;
use deployd::engine::{AdoptAsk, ApproveAsk, ConsentAsk, DoorError, DownAnswer, DownAsk, PlanOf, Planned};
use deployd::model::{Address, Digest, Identity, Kind, Milliseconds};
use deployd::plan::LineCode;
use deployd::provider::simulated::name_of;
use deployd::state::{ConsentAct, DeploymentState, Handle, Owner, Receipt, StackCondition, StackState};
use std::collections::BTreeSet;

const APPROVED: &str = "policy:\n  approve: [delete, deploy]\n";

fn users() -> Identity {
    Identity::parse("sim/shop/users#1").unwrap()
}

/// Puts something under the name that the database is to have.
fn plant(bed: &Bed, owner: Owner) -> Handle {
    let handle = Handle(name_of("tested", &users()));
    let now = bed.clock.now().steady;
    bed.with_world(|world| world.plant(handle.clone(), Kind::fixed("local/postgres"), owner, now));
    handle
}

fn held(planned: &Planned, code: LineCode) -> Option<String> {
    let line = planned.report.held.iter().find(|line| line.code == code)?;
    Some(format!("{} | {}", line.why.text, line.why.way_out.clone().unwrap_or_default()))
}

/// THREATS T19: a manifest that asks to manage what is not ours.
#[test]
fn t19_what_is_not_ours_is_held_until_it_is_adopted_by_its_name() {
    let (bed, mut running) = with(SHOP);
    let handle = plant(&bed, Owner::Nobody);
    let planned = running.plan(PlanOf::Source(run_ask("one").source, BTreeSet::new())).unwrap().remove(0);
    let told = held(&planned, LineCode::NotOurs).unwrap();
    assert!(told.contains(&handle.0) && told.contains("deployd adopt shop users"), "{told}");

    running.run(run_ask("one")).unwrap();
    running.life.run_for(Milliseconds::seconds(60));
    bed.with_world(|world| assert_eq!(world.objects[&handle].owner, Owner::Nobody));
    let ask = |handle: &str| AdoptAsk {
        address: Address::parse("sim/shop/users").unwrap(),
        handle: Handle(handle.to_owned()),
        principal: by("alice"),
        once: None,
    };
    assert!(refused(running.asks(async |engine| engine.adopt(ask("another")).await)).contains("not another"));
    // Leave for a plan is none for what is not ours.
    let planned = running.plan(PlanOf::Stack(name("shop"))).unwrap().remove(0);
    let leave = ConsentAsk {
        stack: stack("shop"),
        plan: planned.plan.digest,
        acts: vec![(users(), ConsentAct::Adopt)],
        principal: by("alice"),
        once: None,
    };
    assert!(
        refused(running.asks(async |engine| engine.consent(leave).await)).contains("deployd adopt shop users HANDLE")
    );
    let other = AdoptAsk { address: Address::parse("sim/shop/uploads").unwrap(), ..ask("x") };
    let nothing = running.asks(async |engine| engine.adopt(other).await);
    assert!(matches!(nothing, Err(DoorError::NotFound(_))), "{nothing:?}");

    running.asks(async |engine| engine.adopt(ask(&handle.0)).await).unwrap();
    bed.settle(&mut running, "the adoption");
    assert_eq!(bed.stack_row(&stack("shop")).unwrap().state, StackState::Available);
    assert!(bed.there().contains(&"users#1".to_owned()));
}

/// THREATS T19: what carries another's receipt has an owner (RELIABILITY S13).
#[test]
fn t19_what_carries_anothers_receipt_is_never_adopted() {
    let (bed, mut running) = with(SHOP);
    let other = Receipt { instance: "other".to_owned(), identity: users() };
    let handle = plant(&bed, Owner::Another(other));
    running.run(run_ask("one")).unwrap();
    running.life.run_for(Milliseconds::seconds(60));
    let ask = AdoptAsk { address: users().address, handle, principal: by("alice"), once: None };
    let told = refused(running.asks(async |engine| engine.adopt(ask).await));
    assert!(told.contains("deployd other"), "{told}");
    assert!(bed.stack_row(&stack("shop")).unwrap().conditions.contains_key(&StackCondition::Waiting));
}

/// THREATS T20: a source that is emptied, torn or gone deletes nothing, and doors say so.
#[test]
fn t20_a_source_without_its_files_deletes_nothing() {
    let (bed, mut running, shop) = running(SHOP, "shop");
    let before = bed.there();
    let folder = bed.folder("one");
    let files = folder.clear();
    bed.settle(&mut running, "the emptied folder");
    assert_eq!(bed.there(), before);
    assert!(bed.stack_row(&shop).unwrap().conditions.contains_key(&StackCondition::SourceMissing));
    let planned = running.plan(PlanOf::Source(run_ask("one").source, BTreeSet::new()));
    assert!(matches!(planned, Err(DoorError::Source(_))), "{planned:?}");
    let again = running.run(run_ask("one"));
    assert!(matches!(again, Err(DoorError::Source(_))), "{again:?}");

    // One whose manifest is gone while other files are there asks for nothing: that is no wish to be gone either.
    folder.write("app.py", "one");
    bed.settle(&mut running, "the folder without its manifest");
    assert_eq!(bed.there(), before);
    folder.write("deployd.yaml", std::str::from_utf8(&files["deployd.yaml"]).unwrap());
    bed.settle(&mut running, "the manifest again");
    assert!(!bed.stack_row(&shop).unwrap().conditions.contains_key(&StackCondition::SourceMissing));
    assert_eq!(bed.there(), before);
}

/// THREATS T21: a database under another name.
#[test]
fn t21_a_renamed_database_is_held_and_the_line_to_add_is_told() {
    let (bed, mut running, _) = running(SHOP, "shop");
    let renamed = SHOP.replace("users:", "people:");
    running.asks(async |engine| engine.pause(&stack("shop"), &by("alice")).await).unwrap();
    bed.folder("one").write("deployd.yaml", &renamed);
    let planned = running.plan(PlanOf::Stack(name("shop"))).unwrap().remove(0);
    let told = held(&planned, LineCode::Renamed).unwrap();
    assert!(told.contains("`was: users`"), "{told}");
    assert!(planned.plan.steps.values().all(|step| step.identity != users()), "{:?}", planned.plan.steps);
    let serving = bed.stack_row(&stack("shop")).unwrap().good;
    running.asks(async |engine| engine.resume(&stack("shop"), &by("alice")).await).unwrap();
    running.life.run_for(Milliseconds::seconds(60));
    // Nothing empty is made beside it, and what serves goes on.
    let there = bed.there();
    assert!(there.contains(&"users#1".to_owned()) && !there.contains(&"people#1".to_owned()), "{there:?}");
    let row = bed.stack_row(&stack("shop")).unwrap();
    assert_eq!((row.state, row.good), (StackState::Available, serving));

    // Two changes say that they are two.
    bed.folder("one").write("deployd.yaml", &SHOP.replace("  - users: postgres\n", ""));
    bed.settle(&mut running, "without users");
    bed.folder("one").write("deployd.yaml", &renamed);
    bed.settle(&mut running, "with people");
    let there = bed.there();
    assert!(there.contains(&"users#1".to_owned()) && there.contains(&"people#1".to_owned()), "{there:?}");
}

/// THREATS T21: a service under another name, with what it holds.
#[test]
fn t21_a_renamed_service_makes_no_second_database() {
    let (bed, mut running, _) = running(SHOP, "shop");
    let renamed = format!("{}was: shop\n", SHOP.replace("service: shop", "service: store"));
    bed.folder("two").write("deployd.yaml", &renamed);
    let refused = running.run(run_ask("two"));
    let Err(DoorError::Mistakes(found)) = refused else { panic!("it is not refused: {refused:?}") };
    let told: Vec<_> = found.iter().map(|one| (one.code, one.detail.clone(), one.help.join(" "))).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].0.0 == "not-built-yet" && told[0].2.contains("service: shop"), "{told:?}");
    running.life.run_for(Milliseconds::seconds(60));
    assert!(bed.stack_row(&stack("store")).is_none());
    // Where it never was under its old name, nothing is taken over.
    let (_bed, mut running) = with(&renamed);
    running.run(run_ask("one")).unwrap();
}

/// THREATS T21: a field that cannot be changed, and one that can only grow.
#[test]
fn t21_what_cannot_be_changed_is_held_with_what_to_do() {
    let manifest = "service: shop\nrun: serve\nport: 8080\nrequires: [{ users: slow }]\n";
    let (mut bed, mut running, shop) = running(manifest, "shop");
    let slow = |fields: &str| {
        let text = format!(
            "repository: test\ninherits: [builtin]\ndefinitions:\n  slow:\n    description: A database\n    exports: \
             [host, url]\n    choose: [{{ kind: simulated/database, fields: {{ {fields} }} }}]\n"
        );
        catalogue(&[("repositories/test/repository.yaml", &text)])
    };
    bed.catalogue = slow("engine: mysql, storage: 20");
    running.life.engine.replace_catalogue(bed.catalogue.clone());
    running.life.run_for(Milliseconds::seconds(30));
    let planned = running.plan(PlanOf::Stack(name("shop"))).unwrap().remove(0);
    assert!(planned.report.held.iter().any(|line| line.at == users().address), "{:?}", planned.report);

    running.life.engine.replace_catalogue(slow("engine: postgres, storage: 10"));
    running.life.run_for(Milliseconds::seconds(30));
    let planned = running.plan(PlanOf::Stack(name("shop"))).unwrap().remove(0);
    let asked = &planned.report.needs_consent;
    assert!(asked.iter().any(|one| one.act == ConsentAct::Shrink && one.identity == users()), "{:?}", planned.report);
    // Only with leave for that plan it shrinks.
    let ask = ConsentAsk {
        stack: shop.clone(),
        plan: planned.plan.digest,
        acts: vec![(users(), ConsentAct::Shrink)],
        principal: by("alice"),
        once: None,
    };
    running.asks(async |engine| engine.consent(ask).await).unwrap();
    bed.settle(&mut running, "the shrinking");
    let fields = bed.owned(&shop).into_iter().find(|owned| owned.identity == users()).unwrap().fields;
    assert_eq!(fields.get("storage").unwrap().as_whole(), Some(10));
}

/// THREATS T25: approvals are of one plan, by another person, once.
#[test]
fn t25_an_approval_is_of_the_plan_that_was_shown_by_somebody_else_and_once() {
    let (bed, mut running) = in_world(APPROVED, HELLO);
    let accepted = running.run(run_ask("one")).unwrap().remove(0);
    running.life.run_for(Milliseconds::seconds(5));
    let shown = running.asks(async |engine| engine.deployment(&accepted.deployment).await).unwrap();
    assert_eq!(shown.deployment.state, DeploymentState::AwaitingApproval);
    let plan = shown.plan.unwrap();
    assert_eq!(running.asks(async |engine| engine.plan_kept(&stack("hello"), plan).await).unwrap().plan.digest, plan);
    let ask = |who: &str, plan: Digest| ApproveAsk {
        deployment: accepted.deployment.clone(),
        plan,
        principal: by(who),
        once: None,
    };

    let own = running.asks(async |engine| engine.approve(ask("alice", plan)).await);
    assert!(forbidden(own).contains("nobody approves their own"));
    let other = running.asks(async |engine| engine.approve(ask("bob", Digest::of("another plan"))).await);
    assert!(matches!(other, Err(DoorError::Stale(_))), "{other:?}");
    assert_eq!(bed.there(), [""; 0]);

    running.asks(async |engine| engine.approve(ask("bob", plan)).await).unwrap();
    bed.settle(&mut running, "what was approved");
    assert_eq!(running.state_of(&accepted.deployment), DeploymentState::Done);
    assert!(refused(running.asks(async |engine| engine.approve(ask("bob", plan)).await)).contains("has ended"));
}

/// A policy names kinds as files do: of a service, its processes are meant.
#[test]
fn a_policy_about_kinds_of_files_is_about_what_they_are_made_of() {
    let said = "policy:\n  approve:\n    - { actions: [update], kinds: [local/postgres] }\n    - { actions: [create], kinds: [local/service] }\n";
    let (bed, mut running) = in_world(said, HELLO);
    let accepted = running.run(run_ask("one")).unwrap().remove(0);
    running.life.run_for(Milliseconds::seconds(60));
    assert_eq!(running.state_of(&accepted.deployment), DeploymentState::AwaitingApproval);
    assert_eq!(bed.there(), [""; 0]);
}

/// The limit of deletes is there to have a person look: who is alone may be that person, for that plan.
#[test]
fn what_only_the_limit_of_deletes_stops_may_be_approved_by_who_asked() {
    let said = "policy:\n  limits: { deletes: 0 }\n";
    let (bed, mut running) = in_world(said, &format!("{HELLO}entrypoints: {{ web: {{}} }}\n"));
    up(&bed, &mut running);
    bed.folder("one").write("deployd.yaml", HELLO);
    running.life.run_for(Milliseconds::seconds(60));
    assert!(bed.there().contains(&"web#1".to_owned()), "{:?}", bed.there());
    let page = running.asks(async |engine| engine.history(&stack("hello"), None, 1).await).unwrap();
    let waits = &page.deployments[0];
    assert_eq!(waits.deployment.state, DeploymentState::AwaitingApproval);
    let ask = |plan| ApproveAsk { deployment: waits.deployment.id.clone(), plan, principal: by("alice"), once: None };
    let other = running.asks(async |engine| engine.approve(ask(Digest::of("another plan"))).await);
    assert!(other.is_err(), "{other:?}");
    running.asks(async |engine| engine.approve(ask(waits.plan.unwrap())).await).unwrap();
    bed.settle(&mut running, "what was approved");
    assert!(!bed.there().contains(&"web#1".to_owned()), "{:?}", bed.there());
}

/// THREATS T25: an approval dies with the plan that it was for.
#[test]
fn t25_an_approval_of_one_plan_runs_no_other() {
    let (bed, mut running) = in_world(APPROVED, HELLO);
    let first = running.run(run_ask("one")).unwrap().remove(0);
    running.life.run_for(Milliseconds::seconds(5));
    let shown = running.asks(async |engine| engine.deployment(&first.deployment).await).unwrap();
    bed.folder("one").write("app.py", "two");
    running.life.run_for(Milliseconds::seconds(5));
    let ask = ApproveAsk {
        deployment: first.deployment.clone(),
        plan: shown.plan.unwrap(),
        principal: by("bob"),
        once: None,
    };
    assert!(refused(running.asks(async |engine| engine.approve(ask).await)).contains("has ended"));
    running.life.run_for(Milliseconds::seconds(60));
    assert_eq!(bed.there(), [""; 0]);
    let page = running.asks(async |engine| engine.history(&stack("hello"), None, 9).await).unwrap();
    let states: Vec<_> = page.deployments.iter().map(|one| one.deployment.state).collect();
    assert_eq!(states, [DeploymentState::AwaitingApproval, DeploymentState::Superseded]);
    // The change was seen by the watch; behind it stands who asked for it to be watched.
    let second = &page.deployments[0];
    let ask = ApproveAsk {
        deployment: second.deployment.id.clone(),
        plan: second.plan.unwrap(),
        principal: by("alice"),
        once: None,
    };
    assert!(forbidden(running.asks(async |engine| engine.approve(ask).await)).contains("nobody approves their own"));
}

/// THREATS T25: what is under way does not become what somebody else asks for meanwhile, with the approval that is its own.
#[test]
fn t25_who_asks_for_the_end_of_what_is_under_way_approves_nothing_of_it() {
    let (bed, mut running) = in_world("policy: { approve: [delete] }\n", SHOP);
    let made = running.run(run_ask("one")).unwrap().remove(0);
    running.life.run_for(Milliseconds::seconds(2));
    assert_eq!(running.state_of(&made.deployment), DeploymentState::Running);
    let mut down = down_ask("shop");
    (down.principal, down.delete) = (by("bob"), [name("users"), name("uploads")].into());
    let down = running.down(down);
    let Ok(DownAnswer::Accepted(down)) = down else { panic!("it is asked for: {down:?}") };
    running.life.run_for(Milliseconds::seconds(60));
    assert_eq!(running.state_of(&made.deployment), DeploymentState::Superseded);
    assert_eq!(running.state_of(&down.deployment), DeploymentState::AwaitingApproval);
    let shown = running.asks(async |engine| engine.deployment(&down.deployment).await).unwrap().plan.unwrap();
    let ask = |deployment: &deployd::state::DeploymentId, who: &str| ApproveAsk {
        deployment: deployment.clone(),
        plan: shown,
        principal: by(who),
        once: None,
    };
    assert!(refused(running.asks(async |engine| engine.approve(ask(&made.deployment, "bob")).await)).contains("ended"));
    assert!(forbidden(running.asks(async |engine| engine.approve(ask(&down.deployment, "bob")).await)).contains("own"));
    assert!(bed.there().contains(&"users#1".to_owned()), "{:?}", bed.there());
    running.asks(async |engine| engine.approve(ask(&down.deployment, "alice")).await).unwrap();
    bed.settle(&mut running, "the end");
    assert_eq!(bed.there(), [""; 0]);
}

/// THREATS T25: a consent is for one plan's act on one life, and not one's own where deletes are approved.
#[test]
fn t25_a_consent_is_for_what_was_shown_and_is_used_once() {
    let (bed, mut running, shop) = running(SHOP, "shop");
    let mut down = down_ask("shop");
    down.keep_data = true;
    assert!(matches!(running.down(down), Ok(DownAnswer::Accepted(_))));
    bed.settle(&mut running, "its end but for the data");
    let planned = running.plan(PlanOf::Gone(name("shop"))).unwrap().remove(0);
    let ask = |plan: Digest, act: ConsentAct| ConsentAsk {
        stack: stack("shop"),
        plan,
        acts: vec![(users(), act)],
        principal: by("bob"),
        once: None,
    };
    let stale = running.asks(async |engine| engine.consent(ask(Digest::of("x"), ConsentAct::Delete)).await);
    assert!(matches!(stale, Err(DoorError::Stale(_))), "{stale:?}");
    let plan = planned.plan.digest;
    let replace = running.asks(async |engine| engine.consent(ask(plan, ConsentAct::Replace)).await);
    assert!(refused(replace).contains("no leave to replace"));

    running.asks(async |engine| engine.consent(ask(plan, ConsentAct::Delete)).await).unwrap();
    bed.settle(&mut running, "the delete");
    assert_eq!(bed.there(), ["uploads#1"]);
    let again = running.asks(async |engine| engine.consent(ask(plan, ConsentAct::Delete)).await);
    assert!(again.is_err(), "{again:?}");

    // Another life of that name is not what leave was given for.
    up(&bed, &mut running);
    assert!(bed.there().contains(&"users#2".to_owned()), "{:?}", bed.there());
    let mut down = down_ask("shop");
    down.keep_data = true;
    running.down(down).unwrap();
    bed.settle(&mut running, "its end again");
    assert_eq!(bed.there(), ["uploads#1", "users#2"]);
    assert_eq!(bed.stack_row(&shop).unwrap().state, StackState::Stopped);
}

/// THREATS T25: leave that was given for a `down` goes with that wish.
#[test]
fn t25_leave_that_was_given_for_a_down_is_taken_back_with_it() {
    let (bed, mut running, shop) = running(SHOP, "shop");
    // Nothing runs while it is paused: leave is given, and not used.
    running.asks(async |engine| engine.pause(&shop, &by("alice")).await).unwrap();
    let mut down = down_ask("shop");
    down.delete = BTreeSet::from([name("users"), name("uploads")]);
    assert!(matches!(running.down(down.clone()), Ok(DownAnswer::Accepted(_))));
    running.run(run_ask("one")).unwrap();
    running.asks(async |engine| engine.resume(&shop, &by("alice")).await).unwrap();
    bed.settle(&mut running, "the wish to run");
    bed.folder("one").write("deployd.yaml", HELLO.replace("hello", "shop").as_str());
    bed.settle(&mut running, "without its data");
    let there = bed.there();
    assert!(there.contains(&"users#1".to_owned()) && there.contains(&"uploads#1".to_owned()), "{there:?}");

    // So does a `down` that keeps what an earlier one was to delete.
    running.asks(async |engine| engine.pause(&shop, &by("alice")).await).unwrap();
    assert!(matches!(running.down(down), Ok(DownAnswer::Accepted(_))));
    assert!(matches!(running.down(DownAsk { keep_data: true, ..down_ask("shop") }), Ok(DownAnswer::Accepted(_))));
    running.asks(async |engine| engine.resume(&shop, &by("alice")).await).unwrap();
    bed.settle(&mut running, "its end but for the data");
    assert_eq!(bed.there(), ["uploads#1", "users#1"]);
}

/// THREATS T25: expired leave is none.
#[test]
fn t25_a_consent_that_expired_is_none() {
    let (bed, mut running, shop) = running(SHOP, "shop");
    let mut down = down_ask("shop");
    down.keep_data = true;
    running.down(down).unwrap();
    bed.settle(&mut running, "its end but for the data");
    running.asks(async |engine| engine.pause(&shop, &by("alice")).await).unwrap();
    let planned = running.plan(PlanOf::Gone(name("shop"))).unwrap().remove(0);
    let ask = ConsentAsk {
        stack: shop.clone(),
        plan: planned.plan.digest,
        acts: vec![(users(), ConsentAct::Delete)],
        principal: by("alice"),
        once: None,
    };
    running.asks(async |engine| engine.consent(ask).await).unwrap();
    running.life.run_for(Milliseconds::seconds(3700));
    running.asks(async |engine| engine.resume(&shop, &by("alice")).await).unwrap();
    bed.settle(&mut running, "nothing");
    assert!(bed.there().contains(&"users#1".to_owned()));
}

/// THREATS T25: where policy has deletes approved, data goes only with two people.
#[test]
fn t25_nobody_deletes_data_alone_where_deletes_are_approved() {
    let (bed, mut running) = in_world("policy:\n  approve: [delete]\n", SHOP);
    up(&bed, &mut running);
    let mut down = down_ask("shop");
    down.keep_data = true;
    let Ok(DownAnswer::Accepted(first)) = running.down(down.clone()) else { panic!("refused") };
    running.life.run_for(Milliseconds::seconds(5));
    let shown = running.asks(async |engine| engine.deployment(&first.deployment).await).unwrap();
    assert_eq!(shown.deployment.state, DeploymentState::AwaitingApproval);
    let planned = running.plan(PlanOf::Gone(name("shop"))).unwrap().remove(0);
    let ask = ConsentAsk {
        stack: stack("shop"),
        plan: planned.plan.digest,
        acts: vec![(users(), ConsentAct::Delete)],
        principal: by("alice"),
        once: None,
    };
    assert!(forbidden(running.asks(async |engine| engine.consent(ask).await)).contains("somebody else"));

    (down.keep_data, down.delete) = (false, BTreeSet::from([name("users"), name("uploads")]));
    let Ok(DownAnswer::Accepted(second)) = running.down(down) else { panic!("refused") };
    running.life.run_for(Milliseconds::seconds(60));
    let before = bed.there();
    assert!(before.contains(&"users#1".to_owned()) && before.contains(&"shop.1#1".to_owned()), "{before:?}");
    let shown = running.asks(async |engine| engine.deployment(&second.deployment).await).unwrap();
    let ask = |who: &str| ApproveAsk {
        deployment: second.deployment.clone(),
        plan: shown.plan.unwrap(),
        principal: by(who),
        once: None,
    };
    forbidden(running.asks(async |engine| engine.approve(ask("alice")).await));
    running.asks(async |engine| engine.approve(ask("bob")).await).unwrap();
    bed.settle(&mut running, "its end");
    assert_eq!(bed.there(), [""; 0]);
}

/// A stack whose row cannot be read takes no wishes: what it means for what is there is not known.
#[test]
fn t29_a_stack_that_is_set_aside_takes_no_wishes() {
    let (bed, mut running, hello) = running(HELLO, "hello");
    write_row(&bed, &hello, "owned", "hello.1#7", b"garbage");
    let told = refused(running.asks(async |engine| engine.stop(&hello, &by("alice")).await));
    assert!(told.contains("hello.1#7") && told.contains("the other stacks go on"), "{told}");
    assert!(matches!(running.down(down_ask("hello")), Err(DoorError::Refused(_))));
}
