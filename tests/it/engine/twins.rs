//! T33: two deployds in one account. Each has a state and keys of its own; what they deploy is named alike, down to the
//! world. Neither touches what carries the other's receipt.

use super::bed::{Bed, stack};
use super::story::{Act, files, person, serving_in, tell};
use deployd::engine::{AdoptAsk, DoorError};
use deployd::model::{Kind, Milliseconds, Name, Steady};
use deployd::plan::LineCode;
use deployd::provider::simulated::{Faults, Object, name_of};
use deployd::state::{Handle, Owner, Receipt, StackState};

/// Longer than anything of ours is left unseen.
const A_LOOK: Milliseconds = Milliseconds(11 * 60_000);

const OURS: &str = "tested";
const THEIRS: &str = "neighbour";

const WITH_DATA: &str = "service: shop\nrun: serve\nport: 8080\nrequires: [users: postgres]\n";

fn twins() -> (Bed, Bed) {
    let ours = Bed::new(Faults::default());
    let theirs = ours.neighbour(THEIRS);
    (ours, theirs)
}

/// What carries the receipt of one of them, as it is: fields, condition and all.
fn of(bed: &Bed, instance: &str) -> Vec<Object> {
    let is_of = |object: &Object| matches!(&object.owner, Owner::Ours(receipt) if receipt.instance == instance);
    bed.with_world(|world| world.objects.values().filter(|object| is_of(object)).cloned().collect())
}

#[test]
fn t33_two_instances_in_one_account_leave_each_others_things_alone() {
    let (mut ours, mut theirs) = twins();
    let mut we = serving_in(&mut ours, WITH_DATA);
    let mut they = serving_in(&mut theirs, WITH_DATA);
    let before = of(&ours, THEIRS);
    assert_eq!(before.len(), of(&ours, OURS).len(), "the same service stands twice");

    // A change, a restart with everything looked at anew, and the end, down to the data.
    tell(&mut ours, &mut we, &[Act::Write("shop", "app.py", "two"), Act::Settle]);
    drop(we);
    let mut we = ours.start(None);
    tell(&mut ours, &mut we, &[Act::Pass(A_LOOK), Act::Settle]);
    assert_eq!(of(&ours, THEIRS), before);
    tell(&mut ours, &mut we, &[Act::Away("shop"), Act::Settle]);
    assert_eq!(ours.state("shop"), StackState::Deleted, "{}", ours.told());
    assert_eq!(of(&ours, OURS), [], "all of ours is gone");
    assert_eq!(of(&ours, THEIRS), before, "and nothing of theirs");

    // They have not noticed.
    tell(&mut theirs, &mut they, &[Act::Pass(A_LOOK), Act::Settle]);
    assert_eq!((theirs.state("shop"), of(&theirs, THEIRS)), (StackState::Available, before));
    tell(&mut theirs, &mut they, &[Act::Away("shop"), Act::Settle]);
    assert_eq!(theirs.state("shop"), StackState::Deleted, "{}", theirs.told());
    assert_eq!(theirs.with_world(|world| world.objects.len()), 0);
}

#[test]
fn t33_a_name_that_another_instance_holds_is_refused_with_whose_it_is() {
    let (mut ours, mut theirs) = twins();
    let _they = serving_in(&mut theirs, WITH_DATA);
    // Theirs stands under the name that ours would have.
    let address = stack("shop").address(Name::fixed("shop")).with_part("address");
    let handle = Handle(name_of(OURS, &address.incarnation(1)));
    let receipt = Receipt { instance: THEIRS.to_owned(), identity: address.incarnation(1) };
    ours.with_world(|world| {
        world.plant(handle.clone(), Kind::fixed("local/address"), Owner::Ours(receipt), Steady(0));
    });
    let before = of(&ours, THEIRS);

    let mut we = ours.start(None);
    tell(&mut ours, &mut we, &files(WITH_DATA));
    tell(&mut ours, &mut we, &[Act::Up("shop"), Act::Pass(A_LOOK)]);
    assert_ne!(ours.state("shop"), StackState::Available);
    let held = we.shown("shop").report.held;
    let line = held.iter().find(|line| line.at == address).unwrap_or_else(|| panic!("{held:?}"));
    assert_eq!(line.code, LineCode::NotOurs);
    let told = line.why.to_string();
    assert!(told.contains(&handle.0) && told.contains(&format!("deployd {THEIRS}")), "{told}");
    assert!(!told.contains("deployd adopt"), "nobody adopts what another looks after: {told}");

    // A person who asks for it all the same hears whose it is.
    let engine = we.life.engine.clone();
    let ask = AdoptAsk { address, handle, principal: person(), once: None };
    let refused = we.life.ask(async move { engine.adopt(ask).await }).unwrap().unwrap_err();
    assert!(!matches!(refused, DoorError::Store(_)) && refused.to_string().contains(THEIRS), "{refused}");

    tell(&mut ours, &mut we, &[Act::Away("shop"), Act::Settle]);
    assert_eq!(ours.state("shop"), StackState::Deleted, "{}", ours.told());
    assert_eq!((of(&ours, OURS), of(&ours, THEIRS)), (Vec::new(), before));
}
