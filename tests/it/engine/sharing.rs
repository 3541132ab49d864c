//! Stacks that use each other: addresses, a database, and who may go first.

use super::bed::{Bed, Running, stack};
use super::cuts::end;
use super::rooms::Mood;
use super::story::{Act, tell};
use deployd::model::Milliseconds;
use deployd::plan::LineCode;
use deployd::provider::simulated::Faults;
use deployd::state::{StackCondition, StackState};

fn begin() -> (Bed, Running) {
    let bed = Bed::new(Faults::default());
    let running = bed.start(None);
    (bed, running)
}

/// A service with a file, and the wish that it runs.
fn up(folder: &'static str, manifest: &'static str) -> [Act; 3] {
    [Act::Write(folder, "deployd.yaml", manifest), Act::Write(folder, "app.py", "one"), Act::Up(folder)]
}

const OWNER: &str = "service: shop\nrun: serve\nport: 8080\nrequires: [users: { use: postgres, shared: true }]\n";

const USER: &str = "service: cart\nrun: serve\nport: 8080\nrequires: [users: { of: shop.users }]\n";

const MINUTE: Milliseconds = Milliseconds(60_000);

#[test]
fn two_stacks_that_need_each_others_addresses() {
    let (mut bed, mut running) = begin();
    let shop = "service: shop\nrun: serve\nport: 8080\nrequires: [{ service: cart, wait: false }]\n";
    let cart = "service: cart\nrun: serve\nport: 8080\nrequires: [{ service: shop, wait: false }]\n";
    tell(&mut bed, &mut running, &up("shop", shop));
    tell(&mut bed, &mut running, &[Act::Pass(MINUTE)]);
    assert_eq!(bed.state("shop"), StackState::Creating, "nobody offers what it needs");
    let waiting = bed.condition("shop", StackCondition::Waiting).expect("it is told");
    assert!(waiting.contains("cart"), "{waiting}");

    tell(&mut bed, &mut running, &up("cart", cart));
    tell(&mut bed, &mut running, &[Act::Settle]);
    assert_eq!((bed.state("shop"), bed.state("cart")), (StackState::Available, StackState::Available));
    assert!(end(&bed).made.values().all(|count| *count == 1));

    // One of them changes: the other keeps its lives, since addresses stay.
    tell(&mut bed, &mut running, &[Act::Write("cart", "app.py", "two"), Act::Settle, Act::Pass(MINUTE)]);
    assert!(bed.there().contains(&"cart.1#2".to_owned()) && bed.there().contains(&"shop.1#1".to_owned()));

    // Together they can go, in whatever order it is asked for.
    let away = [Act::Down("shop", &[]), Act::Pass(MINUTE), Act::Down("cart", &[]), Act::Settle];
    tell(&mut bed, &mut running, &away);
    assert_eq!(bed.there(), [""; 0], "{}", bed.told());
    assert_eq!((bed.state("shop"), bed.state("cart")), (StackState::Deleted, StackState::Deleted));
}

#[test]
fn a_database_that_two_services_share() {
    let (mut bed, mut running) = begin();
    tell(&mut bed, &mut running, &up("cart", USER));
    tell(&mut bed, &mut running, &[Act::Pass(MINUTE)]);
    assert_eq!(bed.there(), [""; 0], "it waits for the owner, and makes no database of its own");
    tell(&mut bed, &mut running, &up("shop", OWNER));
    tell(&mut bed, &mut running, &[Act::Settle]);
    assert_eq!((bed.state("shop"), bed.state("cart")), (StackState::Available, StackState::Available));
    let databases = bed.there().iter().filter(|one| one.starts_with("users")).count();
    assert_eq!(databases, 1, "{:?}", bed.there());

    // The owner cannot go while it is used: it is told by whom, and nothing is taken away.
    let before = bed.there();
    tell(&mut bed, &mut running, &[Act::Down("shop", &["users"]), Act::Pass(MINUTE)]);
    assert_eq!(bed.there(), before, "{}", bed.told());
    let held = running.shown("shop").report.held;
    let told = held.iter().find(|line| line.code == LineCode::StillUsed).expect("it is told");
    assert!(told.why.text.contains("needed by cart"), "{}", told.why);
    assert_eq!(bed.state("cart"), StackState::Available);

    // Once nobody uses it any more, what was asked for is done.
    tell(&mut bed, &mut running, &[Act::Down("cart", &[]), Act::Settle]);
    assert_eq!(bed.there(), [""; 0], "{}", bed.told());
    assert_eq!((bed.state("shop"), bed.state("cart")), (StackState::Deleted, StackState::Deleted));
}

#[test]
fn who_does_not_use_it_any_more_lets_it_go() {
    let (mut bed, mut running) = begin();
    tell(&mut bed, &mut running, &up("shop", OWNER));
    tell(&mut bed, &mut running, &up("cart", USER));
    tell(&mut bed, &mut running, &[Act::Settle]);
    let alone = "service: cart\nrun: serve\nport: 8080\n";
    tell(&mut bed, &mut running, &[Act::Write("cart", "deployd.yaml", alone), Act::Settle]);
    tell(&mut bed, &mut running, &[Act::Down("shop", &["users"]), Act::Settle]);
    assert_eq!((bed.state("shop"), bed.state("cart")), (StackState::Deleted, StackState::Available));
    assert_eq!(end(&bed).runs.len(), 1);
}

#[test]
fn who_uses_it_is_made_anew_when_what_it_answers_changes() {
    let (mut bed, mut running) = begin();
    tell(&mut bed, &mut running, &up("shop", OWNER));
    tell(&mut bed, &mut running, &up("cart", USER));
    tell(&mut bed, &mut running, &[Act::Settle]);
    // A database that was lost, and that a person has made anew, answers under another name.
    let identity = stack("shop").address(deployd::model::Name::fixed("users")).incarnation(1);
    bed.with_world(|world| world.vanish(&identity));
    tell(&mut bed, &mut running, &[Act::Pass(Milliseconds(11 * 60_000))]);
    assert!(!bed.there().iter().any(|one| one.starts_with("users")), "held data is not made anew and empty in silence");
    tell(&mut bed, &mut running, &[Act::Consent("shop"), Act::Pass(Milliseconds(11 * 60_000)), Act::Settle]);
    assert!(bed.there().contains(&"users#2".to_owned()), "{:?}\n{}", bed.there(), bed.told());
    assert!(bed.there().contains(&"cart.1#2".to_owned()), "{:?}\n{}", bed.there(), bed.told());
    assert_eq!((bed.state("shop"), bed.state("cart")), (StackState::Available, StackState::Available));
}

#[test]
fn two_that_share_with_each_other() {
    let (mut bed, mut running) = begin();
    let shop = "service: shop\nrun: serve\nport: 8080\nrequires: [users: { use: postgres, shared: true }, carts: { of: cart.carts }]\n";
    let cart = "service: cart\nrun: serve\nport: 8080\nrequires: [carts: { use: postgres, shared: true }, users: { of: shop.users }]\n";
    tell(&mut bed, &mut running, &up("shop", shop));
    tell(&mut bed, &mut running, &[Act::Pass(MINUTE)]);
    assert_eq!(bed.state("shop"), StackState::Creating, "nobody offers what it needs");
    tell(&mut bed, &mut running, &up("cart", cart));
    tell(&mut bed, &mut running, &[Act::Settle]);
    assert_eq!((bed.state("shop"), bed.state("cart")), (StackState::Available, StackState::Available));

    // Together they can go. What is still needed stays until its user is gone.
    let away = [Act::Down("shop", &["users"]), Act::Pass(MINUTE), Act::Down("cart", &["carts"]), Act::Settle];
    tell(&mut bed, &mut running, &away);
    assert_eq!(bed.there(), [""; 0], "{}", bed.told());
    assert_eq!((bed.state("shop"), bed.state("cart")), (StackState::Deleted, StackState::Deleted));
}

#[test]
fn who_runs_may_begin_to_share_with_each_other() {
    let (mut bed, mut running) = begin();
    let alone = |name| match name {
        "shop" => "service: shop\nrun: serve\nport: 8080\n",
        _ => "service: cart\nrun: serve\nport: 8080\n",
    };
    tell(&mut bed, &mut running, &up("shop", alone("shop")));
    tell(&mut bed, &mut running, &up("cart", alone("cart")));
    tell(&mut bed, &mut running, &[Act::Settle]);
    let shop = "service: shop\nrun: serve\nport: 8080\nrequires: [users: { use: postgres, shared: true }, carts: { of: cart.carts }]\n";
    let cart = "service: cart\nrun: serve\nport: 8080\nrequires: [carts: { use: postgres, shared: true }, users: { of: shop.users }]\n";
    tell(&mut bed, &mut running, &[Act::Write("shop", "deployd.yaml", shop), Act::Pass(MINUTE)]);
    assert!(bed.there().contains(&"shop.1#1".to_owned()), "it waits, and serves as before: {:?}", bed.there());
    tell(&mut bed, &mut running, &[Act::Write("cart", "deployd.yaml", cart), Act::Settle]);
    let databases = bed.there().into_iter().filter(|one| one.starts_with("users") || one.starts_with("carts"));
    assert_eq!(databases.count(), 2, "{:?}\n{}", bed.there(), bed.told());
    assert_eq!((bed.state("shop"), bed.state("cart")), (StackState::Available, StackState::Available));
}

#[test]
fn a_host_is_free_when_who_had_it_is_gone() {
    let (mut bed, mut running) = begin();
    let shop = "service: shop\nrun: serve\nport: 8080\nentrypoints: { web: { host: at.localhost } }\n";
    let cart = "service: cart\nrun: serve\nport: 8080\nentrypoints: { web: { host: at.localhost } }\n";
    tell(&mut bed, &mut running, &up("shop", shop));
    tell(&mut bed, &mut running, &[Act::Settle, Act::Down("shop", &[]), Act::Settle]);
    tell(&mut bed, &mut running, &up("cart", cart));
    tell(&mut bed, &mut running, &[Act::Settle]);
    assert_eq!((bed.state("shop"), bed.state("cart")), (StackState::Deleted, StackState::Available), "{}", bed.told());
}

#[test]
fn what_runs_is_shared_after_a_start_although_its_files_are_gone() {
    let (mut bed, mut running) = begin();
    tell(&mut bed, &mut running, &up("shop", OWNER));
    tell(&mut bed, &mut running, &up("cart", USER));
    tell(&mut bed, &mut running, &[Act::Settle]);
    drop(running);
    bed.folder("shop").mood(Mood::Missing);
    let mut running = bed.start(None);
    tell(&mut bed, &mut running, &[Act::Write("cart", "app.py", "two"), Act::Pass(MINUTE)]);
    assert!(bed.condition("shop", StackCondition::SourceMissing).is_some(), "{}", bed.told());
    assert_eq!(bed.condition("cart", StackCondition::Waiting), None);
    assert!(bed.there().contains(&"cart.1#2".to_owned()), "{:?}\n{}", bed.there(), bed.told());
}

#[test]
fn what_others_use_is_kept_without_asking_for_leave() {
    let (mut bed, mut running) = begin();
    tell(&mut bed, &mut running, &up("shop", OWNER));
    tell(&mut bed, &mut running, &up("cart", USER));
    tell(&mut bed, &mut running, &[Act::Settle]);
    let alone = "service: shop\nrun: serve\nport: 8080\n";
    tell(&mut bed, &mut running, &[Act::Write("shop", "deployd.yaml", alone), Act::Settle]);
    // Leave that was given now would be used when cart is gone one day, and nobody thinks of it any more.
    let report = running.shown("shop").report;
    assert!(report.needs_consent.is_empty(), "{report:?}");
    let told = report.kept.iter().find(|line| line.code == LineCode::StillUsed).expect("it is told");
    assert!(told.why.text.contains("needed by cart"), "{}", told.why);
    tell(&mut bed, &mut running, &[Act::Down("cart", &[]), Act::Settle]);
    assert!(bed.there().iter().any(|one| one.starts_with("users")), "{:?}", bed.there());
    // Now leave can be given. Asked for again, it is not deleted by it.
    assert!(!running.shown("shop").report.needs_consent.is_empty());
}
