//! A store that answers `Moved`, `Fenced`, `Unclear` or `Full`, that does not answer, or has a row that cannot be read: a
//! clear word, nothing lost, nothing done twice. THREATS.md T29 and T33.

use super::bed::{Bed, Running, stack};
use super::cuts::end;
use super::life::Went;
use super::rooms::Mortal;
use super::story::{Act, tell};
use deployd::contract::{Batch, Key};
use deployd::model::Milliseconds;
use deployd::provider::simulated::Faults;
use deployd::state::StackState;
use deployd::store::test_store::{Call, Fault, Point};
use futures::FutureExt as _;

const MANIFEST: &str = "service: shop\nrun: serve\nport: 8080\nrequires: [users: postgres]\n";

/// Longer than anything is left unseen: what a fault has left undone is done at the next look.
const A_LOOK: Act = Act::Pass(Milliseconds(11 * 60_000));

fn acts() -> Vec<Act> {
    let text = |path, text| Act::Write("shop", path, text);
    let mut acts = vec![text("deployd.yaml", MANIFEST), text("app.py", "one"), Act::Up("shop"), Act::Settle];
    acts.extend([text("app.py", "two"), Act::Settle, A_LOOK, Act::Settle]);
    acts.extend([Act::Down("shop", &["users"]), Act::Settle, A_LOOK, Act::Settle]);
    acts
}

/// Tells the story with one fault, and answers whether it struck. The end is the same, and nothing was made twice.
fn told_with(at: Point, fault: Fault) -> bool {
    let mut bed = Bed::new(Faults::default());
    let mut running = bed.start(None);
    running.store.arm(at, fault.clone());
    for (number, act) in acts().iter().enumerate() {
        assert_eq!(running.act(&mut bed, number, act), Went::On, "{fault:?} at {at:?}: {act:?}");
        if number == 7 {
            assert_eq!(bed.state("shop"), StackState::Available, "{fault:?} at {at:?}\n{}", bed.told());
            assert!(bed.there().contains(&"shop.1#2".to_owned()), "{fault:?} at {at:?}: {:?}", bed.there());
        }
    }
    let end = end(&bed);
    assert_eq!(end.there, [""; 0], "{fault:?} at {at:?}\n{}", bed.told());
    assert_eq!(bed.state("shop"), StackState::Deleted, "{fault:?} at {at:?}");
    assert!(end.made.values().all(|count| *count == 1), "{fault:?} at {at:?}: {:?}", end.made);
    running.store.unstruck().is_empty()
}

/// Every call of the store in some acts.
fn calls(acts: &[Act]) -> Vec<(Point, Call)> {
    let mut bed = Bed::new(Faults::default());
    let mut running = bed.start(None);
    for (number, act) in acts.iter().enumerate() {
        assert_eq!(running.act(&mut bed, number, act), Went::On);
    }
    running.store.calls()
}

/// The same acts give the same calls, in the same order and at the same moments: what was seen to fail fails again.
#[test]
fn a_story_is_told_twice_alike() {
    let told = || {
        let mut bed = Bed::new(Faults::default());
        let mut running = bed.start(None);
        for (number, act) in acts().iter().enumerate() {
            assert_eq!(running.act(&mut bed, number, act), Went::On);
        }
        let log: Vec<String> =
            bed.log().iter().map(|call| format!("{} {} {:?}", call.at.0, call.verb, call.identity)).collect();
        (running.store.calls(), log)
    };
    let first = told();
    for _ in 0..5 {
        let again = told();
        assert_eq!(first.1, again.1);
        assert_eq!(first.0, again.0);
    }
}

fn at_each(fault: Fault, meets: impl Fn(&Call) -> bool) {
    let points: Vec<Point> =
        calls(&acts()).into_iter().filter(|(_, call)| meets(call)).map(|(point, _)| point).collect();
    assert!(points.len() > 40, "{points:?}");
    for point in points {
        assert!(told_with(point, fault.clone()), "{fault:?} did not strike at {point:?}");
    }
}

#[test]
fn a_write_that_has_moved_is_decided_anew() {
    at_each(Fault::Moved, |call| matches!(call, Call::Commit { expects: true, .. }));
}

#[test]
fn a_write_that_is_unclear_and_happened_is_read_back() {
    at_each(Fault::UnclearDone, |call| matches!(call, Call::Commit { .. } | Call::Keep));
}

#[test]
fn a_write_that_is_unclear_and_did_not_happen_is_done_again() {
    at_each(Fault::UnclearUndone, |call| matches!(call, Call::Commit { .. } | Call::Keep | Call::Acquire));
}

#[test]
fn a_full_store_is_waited_for() {
    at_each(Fault::Full, |call| matches!(call, Call::Commit { .. } | Call::Keep));
}

#[test]
fn a_store_that_cannot_be_read_is_waited_for() {
    at_each(Fault::Unreachable, |call| matches!(call, Call::Load | Call::Blob));
}

/// What was gathered and could not be written down is gathered once more: nothing else would tell of it.
#[test]
fn news_that_could_not_be_recorded_stays_news() {
    let acts = acts();
    let (before, after) = (calls(&acts[..4]).len(), calls(&acts[..6]).len());
    let writes = |(_, call): &(Point, Call)| matches!(call, Call::Commit { .. } | Call::Keep);
    let points: Vec<Point> = calls(&acts).drain(before..after).filter(writes).map(|(point, _)| point).take(6).collect();
    assert_eq!(points.len(), 6);
    for point in points {
        assert!(told_with(point, Fault::Full), "it did not strike at {point:?}");
    }
}

/// Nothing is known before the first read: it is asked again, and the server stays.
#[test]
fn a_store_that_does_not_answer_at_the_start_is_asked_again() {
    let loads = calls(&acts()).into_iter().filter(|(_, call)| matches!(call, Call::Load | Call::Blob));
    for (point, _) in loads.take(4) {
        assert!(told_with(point, Fault::Unreachable), "it did not strike at {point:?}");
    }
}

/// The first life of a stack, until its process begins.
fn half_way(bed: &mut Bed, running: &mut Running) {
    for act in &acts()[..3] {
        tell(bed, running, std::slice::from_ref(act));
    }
    bed.until(running, "its copy is there", |bed| bed.there().contains(&"shop.copy#1".to_owned()));
}

fn changes(provider: &Mortal) -> usize {
    provider.log().iter().filter(|changes| **changes).count()
}

/// T33: who acts for a stack no longer writes nothing and changes nothing of it, and says so.
#[test]
fn an_engine_that_another_has_taken_a_stack_from_stops_acting_for_it() {
    let mut bed = Bed::new(Faults::default());
    let mut first = bed.start(None);
    half_way(&mut bed, &mut first);
    let mut second = bed.start(None);
    bed.until(&mut second, "it acts for the stack", |bed| bed.there().contains(&"shop.1#1".to_owned()));
    let changed = changes(&first.provider);
    tell(&mut bed, &mut first, &[Act::Pass(Milliseconds(20_000))]);
    assert!(changes(&first.provider) - changed <= 1, "what was on its way has ended, and nothing new was asked");
    let told = first.shown("shop").set_aside.expect("it is told").to_string();
    assert!(told.contains("another engine acts for this stack"), "{told}");
    drop(first);
    tell(&mut bed, &mut second, &[Act::Settle]);
    let end = end(&bed);
    assert_eq!(bed.state("shop"), StackState::Available);
    assert!(end.made.values().all(|count| *count == 1), "{:?}", end.made);
}

#[test]
fn a_stack_that_was_fenced_off_is_taken_up_again_at_the_next_look() {
    // It waits for the next look, which is farther than what a person would wait for.
    let patient = |act: Act| if matches!(act, Act::Settle) { A_LOOK } else { act };
    let acts: Vec<Act> = acts().into_iter().map(patient).collect();
    let fenced = calls(&acts).into_iter().filter(|(_, call)| matches!(call, Call::Commit { fenced: true, .. }));
    let fenced: Vec<Point> = fenced.map(|(point, _)| point).collect();
    for point in fenced {
        let mut bed = Bed::new(Faults::default());
        let mut running = bed.start(None);
        running.store.arm(point, Fault::Fenced);
        for (number, act) in acts.iter().enumerate() {
            assert_eq!(running.act(&mut bed, number, act), Went::On);
        }
        assert_eq!(running.store.unstruck(), [], "{point:?}");
        assert_eq!(bed.state("shop"), StackState::Deleted, "{point:?}\n{}", bed.told());
        assert!(end(&bed).made.values().all(|count| *count == 1), "{point:?}");
    }
}

/// T29: every row of a stack in turn cannot be read. Its own stack stands still and says which row; nothing of it is
/// changed; the others go on; and it goes on itself once the row is mended.
#[test]
fn a_row_that_cannot_be_read_sets_only_its_own_stack_aside() {
    let mut bed = Bed::new(Faults::default());
    let mut running = bed.start(None);
    for act in &acts()[..4] {
        tell(&mut bed, &mut running, std::slice::from_ref(act));
    }
    drop(running);
    let id = stack("shop");
    let rows = bed.rows(&deployd::contract::Scope::Stack(id.clone()));
    assert!(rows.len() > 8, "{rows:?}");
    for (number, row) in rows.into_iter().enumerate() {
        poisoned(&mut bed, &row.key, row.bytes.as_ref().unwrap(), number);
    }
}

/// Rows of a service of its own, and bytes that are none.
fn poisoned(bed: &mut Bed, key: &Key, bytes: &[u8], number: usize) {
    let store = std::sync::Arc::clone(&bed.store);
    let put = |bytes: &[u8]| {
        let put = vec![(key.clone(), bytes.to_vec())];
        store.commit(Batch { put, ..Batch::default() }).now_or_never().unwrap().unwrap();
    };
    put(b"{\"format\":");
    let there: Vec<String> = bed.there().into_iter().filter(|one| !one.starts_with("cart")).collect();
    let mut running = bed.start(None);
    let content: &'static str = ["a", "b", "c", "d", "e", "f", "g", "h"][number % 8];
    let others = [
        Act::Write("cart", "deployd.yaml", "service: cart\nrun: serve\nport: 8080\n"),
        Act::Write("cart", "app.py", content),
        Act::Up("cart"),
        Act::Pass(Milliseconds(60_000)),
    ];
    tell(bed, &mut running, &others);
    assert_eq!(bed.state("cart"), StackState::Available, "{key}");
    assert_eq!(running.deployments("cart").last(), Some(&deployd::state::DeploymentState::Done), "{key}");
    let told = running.shown("shop").set_aside.unwrap_or_else(|| panic!("{key} is not told")).to_string();
    assert!(told.contains(key.as_str()), "{told}");
    let still: Vec<String> = bed.there().into_iter().filter(|one| !one.starts_with("cart")).collect();
    assert_eq!(still, there, "{key}");
    drop(running);
    put(bytes);
    let mut running = bed.start(None);
    tell(bed, &mut running, &[Act::Pass(Milliseconds(30_000))]);
    assert_eq!(running.shown("shop").set_aside, None, "{key}");
}
