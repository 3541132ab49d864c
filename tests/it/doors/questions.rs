//! What doors are asked, and what they show.

use super::{HELLO, SHOP, by, name, run_ask, running, up, with, write_row};
use crate::engine::bed::{stack, world_name};
use deployd::contract::{Cursor, LogFrom};
use deployd::engine::{Followed, LogsAsk, OutputShown, PlanOf, ResourceCondition};
use deployd::graph::Data;
use deployd::model::Milliseconds;
use deployd::plan::{LineCode, Verdict};
use deployd::state::{DeploymentState, EventBody, StackState};
use futures::StreamExt as _;
use std::collections::BTreeSet;

#[test]
fn a_plan_of_what_nobody_runs_changes_nothing_and_is_kept() {
    let (bed, mut running) = with(SHOP);
    let planned = running.plan(PlanOf::Source(run_ask("one").source, BTreeSet::new())).unwrap().remove(0);
    assert!(planned.plan.steps.len() >= 6 && planned.plan.verdict == Verdict::Proceed, "{:?}", planned.plan);
    assert!(planned.revision.is_some());
    assert!(bed.stack_row(&stack("shop")).is_none());
    assert_eq!(bed.there(), [""; 0]);
    let secrets = bed.rows(&deployd::contract::Scope::World(world_name()));
    let is_secret = |key: &deployd::contract::Key| key.table_and_id().is_some_and(|(table, _)| table == "secret");
    assert!(!secrets.iter().any(|row| is_secret(&row.key)), "a plan makes no secret");
    let again = running.plan(PlanOf::Source(run_ask("one").source, BTreeSet::new())).unwrap().remove(0);
    assert_eq!(again.plan, planned.plan);
    let kept = running.asks(async |engine| engine.plan_kept(&stack("shop"), planned.plan.digest).await).unwrap();
    assert_eq!(kept.plan, planned.plan);

    up(&bed, &mut running);
    let now = running.plan(PlanOf::Stack(name("shop"))).unwrap().remove(0);
    assert_eq!((now.plan.steps.len(), now.plan.verdict), (0, Verdict::Done));
    assert!(now.report.unchanged >= 6, "{:?}", now.report);
}

#[test]
fn services_of_one_source_that_need_each_other_are_planned_and_run_together() {
    let (bed, mut running) = with("service: front\nrun: serve\nport: 8080\nrequires: [{ service: back }]\n");
    bed.folder("one").write("back/deployd.yaml", "service: back\nrun: serve\nport: 9090\n");
    let planned = running.plan(PlanOf::Source(run_ask("one").source, BTreeSet::new())).unwrap();
    let steps: Vec<_> = planned.iter().map(|one| (one.stack.stack.as_str(), one.plan.steps.is_empty())).collect();
    assert_eq!(steps, [("back", false), ("front", false)]);
    assert_eq!(up(&bed, &mut running).len(), 2);
    let exports = running.asks(async |engine| engine.exports(&world_name()).await).unwrap();
    let (of, export) = exports.iter().find(|(of, _)| of.stack.as_str() == "back").unwrap();
    assert_eq!(of.short(), "back");
    assert!(export.ready && export.users.contains(&stack("front")), "{export:?}");
}

#[test]
fn what_others_do_not_offer_yet_is_waited_for_and_planned_as_that() {
    let plan = |running: &mut super::Running| {
        running.plan(PlanOf::Source(run_ask("one").source, BTreeSet::new())).unwrap().remove(0)
    };
    let waits_for = |planned: &deployd::engine::Planned, stack: &str| {
        let lines = &planned.report.waiting;
        lines.iter().any(|line| {
            matches!(line.code, LineCode::NeedsStack | LineCode::NotOffered) && line.at.stack.as_str() == stack
        })
    };
    // Another service: what does not need it goes on.
    let (bed, mut running) = with("service: front\nrun: serve\nport: 8080\nrequires: [{ service: back }]\n");
    assert!(waits_for(&plan(&mut running), "back"));
    let accepted = running.run(run_ask("one")).unwrap().remove(0);
    running.life.run_for(Milliseconds::seconds(60));
    assert_eq!(bed.there(), ["front.address#1", "front.copy#1"]);
    assert!(!running.state_of(&accepted.deployment).is_terminal());

    // Another's resource: what it answers is not known, so nothing is planned yet.
    let (bed, mut running) =
        with("service: front\nrun: serve\nport: 8080\nrequires: [{ orders: { of: back.orders } }]\n");
    let planned = plan(&mut running);
    assert!(waits_for(&planned, "back") && planned.plan.steps.is_empty(), "{planned:?}");
    let accepted = running.run(run_ask("one")).unwrap().remove(0);
    running.life.run_for(Milliseconds::seconds(60));
    assert_eq!(bed.there(), [""; 0]);
    // Nor is that silent: whoever asks how it is hears it.
    let shown = running.asks(async |engine| engine.status(Some(&world_name())).await).unwrap();
    let said: Vec<_> = shown[0].report.waiting.iter().map(|line| line.why.text.as_str()).collect();
    assert_eq!(said, [format!("back does not share orders in {}, so far", world_name())]);
    let back = "service: back\nrun: serve\nrequires: [{ orders: { use: postgres, shared: true } }]\n";
    bed.folder("one").write("b/deployd.yaml", back);
    bed.settle(&mut running, "both");
    assert_eq!(running.state_of(&accepted.deployment), DeploymentState::Done);
    assert!(bed.there().contains(&"front.1#1".to_owned()));
}

#[test]
fn status_shows_what_is_there_without_asking_anybody() {
    let (bed, mut running, shop) = running(SHOP, "shop");
    let calls = bed.log().len();
    let shown = running.asks(async |engine| engine.status(Some(&world_name())).await).unwrap();
    assert_eq!(bed.log().len(), calls);
    assert_eq!(shown.len(), 1);
    let one = &shown[0];
    assert_eq!((&one.id, one.stack.as_ref().unwrap().state), (&shop, StackState::Available));
    assert_eq!(one.label.as_ref().unwrap().len(), 7);
    assert!(one.version.is_some() && one.looked.is_some() && one.live.is_empty() && one.set_aside.is_none());
    let users = one.resources.iter().find(|resource| resource.identity.address.name.as_str() == "users").unwrap();
    assert_eq!((&users.condition, users.data), (&ResourceCondition::Ready, Data::HoldsData));
    assert!(users.ready_since.is_some());
    assert!(users.outputs.values().any(|output| matches!(output, OutputShown::Plain(_))), "{users:?}");
    assert!(running.asks(async |engine| engine.status(Some(&name("simm"))).await).is_err());
}

/// THREATS T29: a row that cannot be read stops its stack alone, also at a start.
#[test]
fn t29_a_stack_that_is_set_aside_shows_so_and_the_others_go_on() {
    let (bed, mut running, hello) = running(HELLO, "hello");
    bed.folder("one").write("b/deployd.yaml", "service: other\nrun: serve\nport: 80\n");
    bed.settle(&mut running, "the other");
    write_row(&bed, &hello, "owned", "hello.1#7", b"garbage");
    let shown = running.asks(async |engine| engine.status(None).await).unwrap();
    let aside: Vec<_> = shown.iter().map(|one| (one.id.stack.as_str(), one.set_aside.is_some())).collect();
    assert_eq!(aside, [("hello", true), ("other", false)]);
    assert!(shown[0].stack.is_none() && shown[0].set_aside.as_ref().unwrap().text.contains("hello.1#7"));
    let other = running.asks(async |engine| engine.stop(&stack("other"), &by("alice")).await).unwrap();
    bed.settle(&mut running, "the stop of the other");
    assert_eq!(running.state_of(&other.deployment), DeploymentState::Done);

    let before = bed.there();
    running.life.stop();
    let mut running = bed.start(None);
    running.life.run_for(Milliseconds::seconds(1300));
    assert_eq!(bed.there(), before, "nothing is done with what cannot be read");
    let shown = running.asks(async |engine| engine.status(None).await).unwrap();
    assert!(shown[0].set_aside.is_some() && shown[1].set_aside.is_none());
    let again = running.run(run_ask("one"));
    assert!(again.is_err(), "no wish is taken that could not be judged: {again:?}");
    let ask = deployd::engine::RunAsk { services: [name("other")].into(), ..run_ask("one") };
    let other = running.run(ask).unwrap().remove(0);
    bed.settle(&mut running, "the other, again");
    assert_eq!(running.state_of(&other.deployment), DeploymentState::Done);
}

#[test]
fn events_are_followed_from_the_beginning_to_the_end_of_a_deployment() {
    let (_, mut running) = with(HELLO);
    let mut follow = running.life.engine.follow(Cursor::default());
    let accepted = running.run(run_ask("one")).unwrap().remove(0);
    let mut told = Vec::new();
    loop {
        let next = running.asks(async |_| follow.next().await).unwrap();
        let Followed::Event(event) = next else { panic!("no event: {next:?}") };
        let body: EventBody = serde_json::from_slice(&event.draft.body).unwrap();
        if let EventBody::Deployment { id, state, .. } = &body {
            assert_eq!(*id, accepted.deployment);
            told.push(*state);
            if state.is_terminal() {
                break;
            }
        }
    }
    use DeploymentState::{Available, Done, Queued, Running, Triggered};
    assert_eq!(told, [Queued, Triggered, Available, Running, Done]);
    let page = running.asks(async |engine| engine.events(Cursor::default(), 3).await).unwrap();
    assert_eq!(page.events.len(), 3);
}

#[test]
fn a_deployment_shows_how_far_its_steps_are() {
    let manifest = "service: shop\nrun: serve\nport: 8080\nrequires: [{ users: slow }]\n";
    let (bed, mut running) = with(manifest);
    let accepted = running.run(run_ask("one")).unwrap().remove(0);
    running.life.run_for(Milliseconds::seconds(60));
    let shown = running.asks(async |engine| engine.deployment(&accepted.deployment).await).unwrap();
    assert_eq!(shown.deployment.state, DeploymentState::Running);
    let of = |part: &str| {
        let step = shown.steps.iter().find(|step| step.identity.address.short() == part);
        step.unwrap_or_else(|| panic!("no step of {part}: {:?}", shown.steps)).condition.clone()
    };
    assert!(matches!(of("users"), ResourceCondition::Settling { .. }), "{:?}", shown.steps);
    assert_eq!(of("shop.address"), ResourceCondition::Ready);
    assert!(matches!(of("shop.1"), ResourceCondition::Waiting { what } if what.contains("users")), "{:?}", shown.steps);
    bed.settle(&mut running, "up");
    let shown = running.asks(async |engine| engine.deployment(&accepted.deployment).await).unwrap();
    assert!(shown.is_done() && shown.steps.iter().all(|step| step.condition == ResourceCondition::Done));
}

#[test]
fn history_goes_on_where_a_page_ended() {
    let (bed, mut running, hello) = running(HELLO, "hello");
    for text in ["two", "three", "four"] {
        bed.folder("one").write("app.py", text);
        bed.settle(&mut running, text);
    }
    let first = running.asks(async |engine| engine.history(&hello, None, 3).await).unwrap();
    let numbers = |page: &deployd::engine::HistoryPage| -> Vec<u64> {
        page.deployments.iter().map(|one| one.deployment.id.number).collect()
    };
    assert_eq!((numbers(&first), first.before), (vec![4, 3, 2], Some(2)));
    let rest = running.asks(async |engine| engine.history(&hello, first.before, 3).await).unwrap();
    assert_eq!((numbers(&rest), rest.before), (vec![1], None));
    let release = first.deployments[0].deployment.release.unwrap();
    let kept = running.asks(async |engine| engine.release(&hello, release).await).unwrap();
    assert_eq!(Some(&kept.label), first.deployments[0].label.as_ref());
    assert!(!kept.graph.nodes.is_empty());
    let compiled = running.asks(async |engine| engine.compiled(&hello).await).unwrap();
    assert_eq!(compiled.graph.as_ref().unwrap().digest(), kept.graph.digest());
}

#[test]
fn logs_are_of_all_lives_of_one_name_or_of_one_release() {
    let (bed, mut running, hello) = running(HELLO, "hello");
    let first = bed.stack_row(&hello).unwrap().good.unwrap();
    bed.folder("one").write("app.py", "two");
    bed.settle(&mut running, "the change");
    let second = bed.stack_row(&hello).unwrap().good.unwrap();
    let mut lines = |name: Option<&str>, release| {
        let ask = LogsAsk {
            stack: stack("hello"),
            name: name.map(super::name),
            release,
            from: LogFrom { tail: 100, follow: false },
        };
        let lines = running.asks(async |engine| match engine.logs(ask).await {
            Ok(lines) => Ok(lines.collect::<Vec<_>>().await),
            Err(error) => Err(error),
        });
        let lines = lines.unwrap();
        assert!(lines.is_sorted_by_key(|line| line.at));
        lines.iter().map(|line| format!("{}#{}", line.identity.address.short(), line.identity.incarnation)).collect()
    };
    let all: BTreeSet<String> = lines(None, None);
    assert!(all.contains("hello.1#2") && all.contains("hello.copy#1") && all.contains("hello.copy#2"), "{all:?}");
    assert!(lines(None, Some(first)).contains("hello.copy#1") && !lines(None, Some(first)).contains("hello.copy#2"));
    let new: BTreeSet<String> = lines(Some("hello"), Some(second));
    assert!(new.contains("hello.1#2") && !new.contains("hello.copy#1"), "{new:?}");
}

#[test]
fn who_follows_logs_gets_lives_that_begin_later_and_nothing_twice() {
    let (bed, mut running, _) = running(HELLO, "hello");
    let ask = LogsAsk {
        stack: stack("hello"),
        name: Some(name("hello")),
        release: None,
        from: LogFrom { tail: 100, follow: true },
    };
    let mut lines = running.asks(async |engine| engine.logs(ask).await).unwrap();
    bed.folder("one").write("app.py", "two");
    let mut told = Vec::new();
    // The simulated world's logs end at once: what is there is told, and then only what begins.
    while !told.contains(&"hello.1#2 made".to_owned()) {
        let line = running.asks(async |_| lines.next().await).unwrap();
        told.push(format!("{}#{} {}", line.identity.address.short(), line.identity.incarnation, line.text));
    }
    bed.settle(&mut running, "the change");
    let once: BTreeSet<_> = told.iter().collect();
    assert_eq!(once.len(), told.len(), "{told:?}");
    assert!(told.contains(&"hello.1#1 made".to_owned()), "{told:?}");
}

#[test]
fn what_is_compiled_tells_mistakes_and_outlives_the_files() {
    let (bed, mut running, hello) = running(HELLO, "hello");
    assert!(running.asks(async |engine| engine.compiled(&hello).await).unwrap().resolved.is_some());
    bed.folder("one").write("deployd.yaml", "service: hello\nrun: serve\nrequires: [rediss]\n");
    bed.settle(&mut running, "the mistake");
    let compiled = running.asks(async |engine| engine.compiled(&hello).await);
    assert!(matches!(compiled, Err(deployd::engine::DoorError::Mistakes(_))));
    bed.folder("one").clear();
    bed.settle(&mut running, "no files");
    assert!(running.asks(async |engine| engine.compiled(&hello).await).unwrap().graph.is_some());
}
