//! The first stories: what a person does, and how it ends.

use super::bed::{Bed, stack};
use deployd::provider::simulated::Faults;
use deployd::state::{StackState, Wish};

#[test]
fn a_service_is_deployed_changed_and_taken_down() {
    let t = std::time::Instant::now();
    let mut bed = Bed::new(Faults::default());
    eprintln!("T bed {:?}", t.elapsed());
    let shop = bed.folder("shop");
    shop.write("deployd.yaml", "service: shop\nrun: serve\nport: 8080\n");
    shop.write("app.py", "one");
    bed.follow("shop");
    let mut running = bed.start(None);
    eprintln!("T started {:?}", t.elapsed());
    bed.settle(&mut running, "the first deployment");
    eprintln!(
        "T first {:?} calls {} writes {} log {}",
        t.elapsed(),
        running.provider.calls(),
        running.store.writes(),
        bed.log().len()
    );
    let state = |bed: &Bed| bed.stack_row(&stack("shop")).unwrap().state;
    assert_eq!(state(&bed), StackState::Available);
    assert_eq!(bed.there(), ["shop.1#1", "shop.address#1", "shop.copy#1", "shop.route#1"]);

    shop.write("app.py", "two");
    bed.settle(&mut running, "the second deployment");
    eprintln!(
        "T second {:?} calls {} writes {} log {}",
        t.elapsed(),
        running.provider.calls(),
        running.store.writes(),
        bed.log().len()
    );
    assert_eq!(bed.there(), ["shop.1#2", "shop.address#1", "shop.copy#1", "shop.copy#2", "shop.route#1"]);
    assert_eq!(state(&bed), StackState::Available);

    bed.wish(&mut running, &stack("shop"), Wish::Gone);
    bed.settle(&mut running, "its end");
    assert_eq!(bed.there(), [""; 0]);
    assert_eq!(state(&bed), StackState::Deleted);
    assert!(bed.owned(&stack("shop")).is_empty());
    running.life.stop();
}
