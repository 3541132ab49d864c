//! Reading takes time, and what is read goes on changing meanwhile.

use super::story::{Act, SERVICE, serving, tell};
use deployd::contract::Clock as _;
use deployd::model::Milliseconds;

/// Well before anything would look at a source by itself.
const SOON: Milliseconds = Milliseconds(30_000);

#[test]
fn what_changes_while_it_is_read_is_read_again_at_once() {
    let (mut bed, mut running) = serving(SERVICE);
    let text = |path, text| Act::Write("shop", path, text);
    assert_eq!(bed.serves(&mut running, "shop"), ["app.py"]);

    let folder = bed.folder("shop");
    let (reads, begun) = (folder.reads(), bed.clock.now().steady);
    folder.hold(true);
    tell(&mut bed, &mut running, &[text("first.txt", "one")]);
    bed.until(&mut running, "the change is read", |_| folder.reads() == reads + 1);
    // The read has seen the folder, and has not answered yet. Another file is saved; whoever watches hears of it now.
    tell(&mut bed, &mut running, &[text("second.txt", "two"), Act::Pass(Milliseconds(1_000))]);
    assert_eq!(folder.reads(), reads + 1, "one read of a source at a time");
    folder.hold(false);
    tell(&mut bed, &mut running, &[Act::Settle]);
    assert_eq!(bed.serves(&mut running, "shop"), ["app.py", "first.txt", "second.txt"]);
    assert_eq!(folder.reads(), reads + 2, "what was saved once is read once");
    assert!(bed.clock.now().steady.since(begun) < SOON, "it did not wait for the next look by itself");
}
