//! The simple life of a service: deployed, changed, stopped, taken down.

use super::bed::{Bed, stack};
use super::story::{Act, SERVICE, tell};
use deployd::provider::simulated::Faults;
use deployd::state::StackState;

#[test]
fn a_service_is_deployed_changed_and_taken_down() {
    let mut bed = Bed::new(Faults::default());
    let shop = bed.folder("shop");
    shop.write("deployd.yaml", SERVICE);
    shop.write("app.py", "one");
    let mut running = bed.start(None);
    let state = |bed: &Bed| bed.stack_row(&stack("shop")).unwrap().state;

    tell(&mut bed, &mut running, &[Act::Up("shop"), Act::Settle]);
    assert_eq!(state(&bed), StackState::Available);
    assert_eq!(bed.there(), ["shop.1#1", "shop.address#1", "shop.copy#1", "shop.route#1"]);

    tell(&mut bed, &mut running, &[Act::Write("shop", "app.py", "two"), Act::Settle]);
    assert_eq!(bed.there(), ["shop.1#2", "shop.address#1", "shop.copy#1", "shop.copy#2", "shop.route#1"]);
    assert_eq!(state(&bed), StackState::Available);

    tell(&mut bed, &mut running, &[Act::Down("shop", &[]), Act::Settle]);
    assert_eq!(bed.there(), [""; 0]);
    assert_eq!(state(&bed), StackState::Deleted);
    assert!(bed.owned(&stack("shop")).is_empty());
    running.life.stop();
}
