//! What is ours and was changed behind our back is told and put right; what is not ours is never touched; what holds data
//! goes with leave only; and a plan with more deletes than its world lets through stops and asks.

use super::bed::{Bed, Running, catalogue, stack};
use super::cuts::end;
use super::story::{Act, SERVICE, files, serving, tell};
use deployd::contract::Clock as _;
use deployd::engine::{AdoptAsk, ApproveAsk};
use deployd::model::{FieldPath, Identity, Kind, Milliseconds, Steady, Value, Wall};
use deployd::plan::LineCode;
use deployd::provider::simulated::{Faults, name_of};
use deployd::state::{
    DeploymentId, DeploymentState, EventBody, Handle, Owner, Principal, Receipt, StackCondition, StackState,
};

/// Longer than anything of ours is left unseen.
const A_LOOK: Milliseconds = Milliseconds(11 * 60_000);

fn begin(manifest: &'static str) -> (Bed, Running) {
    let mut bed = Bed::new(Faults::default());
    let mut running = bed.start(None);
    tell(&mut bed, &mut running, &files(manifest));
    (bed, running)
}

fn write(text: &'static str) -> Act {
    Act::Write("shop", "deployd.yaml", text)
}

/// A life of `shop` by what it is shown as: `users#1`, `shop.route#1`.
fn life(bed: &Bed, shown: &str) -> Identity {
    let owned = bed.owned(&stack("shop")).into_iter().map(|owned| owned.identity);
    let named = |one: &Identity| format!("{}#{}", one.address.short(), one.incarnation) == shown;
    owned.into_iter().find(named).unwrap_or_else(|| panic!("{shown}\n{}", bed.told()))
}

fn drifted(bed: &Bed) -> Vec<String> {
    let told = bed.events().into_iter().filter_map(|event| match event {
        EventBody::Drifted { identity, how } => Some(format!("{}: {how}", identity.address.short())),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_field_that_somebody_changed_is_told_and_put_right() {
    let (mut bed, mut running) = serving(SERVICE);
    let address = life(&bed, "shop.address#1");
    let path = FieldPath::fixed("ports.http.protocol");
    bed.with_world(|world| world.edit(&address, &path, Value::from("tcp")));
    tell(&mut bed, &mut running, &[Act::Pass(A_LOOK), Act::Settle]);
    assert_eq!(drifted(&bed), ["shop.address: ports.http.protocol differs from what was asked"]);
    let now = bed.with_world(|world| world.of(&address)[0].fields.at(&path).cloned());
    assert_eq!(now, Some(Value::from("http")));
    assert_eq!(running.deployments("shop"), [DeploymentState::Done, DeploymentState::Done]);
    assert_eq!(bed.condition("shop", StackCondition::Drifted), None);
}

#[test]
fn a_process_that_vanished_is_told_and_made_again() {
    let (mut bed, mut running) = serving(SERVICE);
    let process = life(&bed, "shop.1#1");
    bed.with_world(|world| world.vanish(&process));
    tell(&mut bed, &mut running, &[Act::Pass(A_LOOK), Act::Settle]);
    assert_eq!(drifted(&bed), ["shop.1: it is not there any more"]);
    assert_eq!(end(&bed).runs.len(), 1);
    assert_eq!(bed.state("shop"), StackState::Available);
}

const WITH_DATA: &str = "service: shop\nrun: serve\nport: 8080\nrequires: [users: postgres]\n";

#[test]
fn data_that_vanished_is_not_made_anew_and_empty_in_silence() {
    let (mut bed, mut running) = serving(WITH_DATA);
    let users = life(&bed, "users#1");
    bed.with_world(|world| world.vanish(&users));
    tell(&mut bed, &mut running, &[Act::Pass(A_LOOK), Act::Pass(A_LOOK)]);
    assert!(!bed.there().iter().any(|one| one.starts_with("users")), "{:?}", bed.there());
    let held = running.shown("shop").report.held;
    assert!(held.iter().any(|line| line.at == users.address), "{held:?}");
    tell(&mut bed, &mut running, &[Act::Consent("shop"), Act::Pass(A_LOOK), Act::Settle]);
    assert!(bed.there().contains(&"users#2".to_owned()), "{:?}\n{}", bed.there(), bed.told());
}

#[test]
fn lines_that_are_taken_away_do_not_take_the_data_away() {
    let (mut bed, mut running) = serving(WITH_DATA);
    tell(&mut bed, &mut running, &[write(SERVICE), Act::Settle, Act::Pass(A_LOOK)]);
    assert!(bed.there().contains(&"users#1".to_owned()), "it is kept");
    let kept = running.shown("shop").report.kept;
    assert!(kept.iter().any(|line| line.code == LineCode::Protected), "{kept:?}");

    // Leave that has run out is none.
    tell(&mut bed, &mut running, &[Act::Pause("shop"), Act::Consent("shop"), Act::Pass(Milliseconds(3 * 3_600_000))]);
    tell(&mut bed, &mut running, &[Act::Resume("shop"), Act::Settle, Act::Pass(A_LOOK)]);
    assert!(bed.there().contains(&"users#1".to_owned()), "{}", bed.told());

    // Leave that is good is used once, after a backup.
    tell(&mut bed, &mut running, &[Act::Consent("shop"), Act::Pass(A_LOOK), Act::Settle]);
    assert!(!bed.there().contains(&"users#1".to_owned()), "{}", bed.told());
    let saved = bed.events().into_iter().any(|event| match event {
        EventBody::StepDone { note: Some(note), .. } => note.contains("saved to backups/"),
        _ => false,
    });
    assert!(saved, "{:?}", bed.events());

    // It is no leave for the next one.
    tell(&mut bed, &mut running, &[write(WITH_DATA), Act::Settle, write(SERVICE), Act::Settle, Act::Pass(A_LOOK)]);
    assert!(bed.there().contains(&"users#2".to_owned()), "{:?}", bed.there());
}

/// Something stands under the name that ours would have.
fn planted(owner: Owner) -> (Bed, Running, Handle) {
    let (bed, running) = begin(SERVICE);
    let identity = stack("shop").address(deployd::model::Name::fixed("shop")).with_part("address").incarnation(1);
    let handle = Handle(name_of("tested", &identity));
    bed.with_world(|world| {
        world.plant(handle.clone(), Kind::fixed("local/address"), owner, Steady(0));
        let path = FieldPath::fixed("ports.http.protocol");
        world.objects.get_mut(&handle).unwrap().fields.put(&path, Value::from("tcp"));
    });
    (bed, running, handle)
}

/// T33: another deployd in the same account.
#[test]
fn what_belongs_to_another_deployd_is_never_touched() {
    let identity = stack("shop").address(deployd::model::Name::fixed("shop")).incarnation(1);
    let theirs = Owner::Another(Receipt { instance: "another".to_owned(), identity });
    let (mut bed, mut running, handle) = planted(theirs.clone());
    tell(&mut bed, &mut running, &[Act::Up("shop"), Act::Pass(A_LOOK)]);
    let asked =
        bed.log().iter().any(|call| call.verb != "observe" && call.verb != "list" && is_of(call, "shop.address"));
    assert!(!asked, "{}", bed.told());
    let told = format!("{:?}", running.shown("shop").report);
    assert!(told.contains("NotOurs"), "{told}");
    tell(&mut bed, &mut running, &[Act::Away("shop"), Act::Settle]);
    assert_eq!(bed.state("shop"), StackState::Deleted, "{}", bed.told());
    assert_eq!(bed.with_world(|world| world.objects[&handle].owner.clone()), theirs);
}

fn is_of(call: &deployd::provider::simulated::CallRecord, short: &str) -> bool {
    call.identity.as_ref().is_some_and(|identity| identity.address.short() == short)
}

#[test]
fn what_belongs_to_nobody_is_held_until_a_person_adopts_it() {
    let (mut bed, mut running, handle) = planted(Owner::Nobody);
    tell(&mut bed, &mut running, &[Act::Up("shop"), Act::Pass(A_LOOK)]);
    assert_eq!(bed.with_world(|world| world.objects[&handle].owner.clone()), Owner::Nobody);
    assert_ne!(bed.state("shop"), StackState::Available);
    let engine = running.life.engine.clone();
    let address = stack("shop").address(deployd::model::Name::fixed("shop")).with_part("address");
    let ask = AdoptAsk { address, handle: handle.clone(), principal: Principal("cli:ann".to_owned()), once: None };
    running.life.ask(async move { engine.adopt(ask).await }).unwrap().unwrap();
    tell(&mut bed, &mut running, &[Act::Pass(A_LOOK), Act::Settle]);
    assert!(matches!(bed.with_world(|world| world.objects[&handle].owner.clone()), Owner::Ours(_)), "{}", bed.told());
    assert_eq!(bed.state("shop"), StackState::Available, "{}", bed.told());
}

#[test]
fn a_plan_with_more_deletes_than_the_limit_stops_and_asks() {
    let world = "world: sim\ncapabilities:\n  deploy:simulated: { plays: [deploy:local] }\nrepositories: [test]\npolicy: \
                 { limits: { deletes: 3 } }\n";
    let many = "service: shop\nrun: serve\nport: 8080\nprocesses:\n  a: { run: a, ports: { http: 1 } }\n  b: { run: b, \
                ports: { http: 1 } }\n";
    let mut bed = Bed::new(Faults::default());
    bed.catalogue = catalogue(&[("worlds/sim.yaml", world)]);
    let mut running = bed.start(None);
    tell(&mut bed, &mut running, &files(many));
    tell(&mut bed, &mut running, &[Act::Up("shop"), Act::Settle]);
    let before = bed.there();
    tell(&mut bed, &mut running, &[write(SERVICE), Act::Pass(A_LOOK)]);
    assert_eq!(bed.there(), before, "nothing of it is done by half");
    assert_eq!(running.deployments("shop"), [DeploymentState::Done, DeploymentState::AwaitingApproval]);

    let shown = running.shown("shop").live.remove(0);
    let deployment = DeploymentId { stack: stack("shop"), number: 2 };
    let ask =
        ApproveAsk { deployment, plan: shown.plan.unwrap(), principal: Principal("cli:bob".to_owned()), once: None };
    let engine = running.life.engine.clone();
    running.life.ask(async move { engine.approve(ask).await }).unwrap().unwrap();
    tell(&mut bed, &mut running, &[Act::Settle]);
    assert_eq!(bed.there(), ["shop.1#1", "shop.address#1", "shop.copy#1", "shop.route#1"], "{}", bed.told());
    assert_eq!(running.deployments("shop"), [DeploymentState::Done, DeploymentState::Done]);
}

#[test]
fn the_wall_clock_may_go_back() {
    let (mut bed, mut running) = serving(SERVICE);
    let now = bed.clock.now().wall;
    bed.clock.set_wall(Wall(now.0 - 365 * 86_400_000));
    tell(&mut bed, &mut running, &[Act::Write("shop", "app.py", "two"), Act::Settle]);
    assert_eq!(running.deployments("shop"), [DeploymentState::Done, DeploymentState::Done]);
    let since = bed.stack_row(&stack("shop")).unwrap().since;
    assert!(since <= now, "{since:?}");
    tell(&mut bed, &mut running, &[Act::Down("shop", &[]), Act::Settle]);
    assert!(bed.stack_row(&stack("shop")).unwrap().since >= now, "it never tells of an earlier moment");
}
