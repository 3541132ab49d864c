//! The engine's rows of PERFORMANCE.md: `cargo bench --bench engine [SERVICES]`. It measures and prints; it judges nothing.
//!
//! The world is simulated, the store is memory and the clock is moved by hand: what is left is what the engine itself
//! takes. The bed is the one of the engine's tests.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program for people, that stops where it cannot go on")]
#![expect(dead_code, reason = "the bed of the tests can do more than is measured here")]

#[path = "../tests/it/engine/bed.rs"]
mod bed;
#[path = "../tests/it/engine/film.rs"]
mod film;
#[path = "../tests/it/engine/life.rs"]
mod life;
#[path = "../tests/it/engine/rooms.rs"]
mod rooms;
#[path = "../tests/it/engine/story.rs"]
mod story;

use bed::{Bed, Running};
use deployd::model::Milliseconds;
use deployd::provider::simulated::Faults;
use std::time::Instant;

fn main() {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let count: usize = wanted.map_or(1_000, |text| text.parse().unwrap());
    let bed = Bed::new(Faults::default());
    let folder = bed.folder("all");
    for number in 0..count {
        let manifest = format!("service: s{number}\nrun: serve\nport: 8080\n");
        folder.write(&format!("s{number}/deployd.yaml"), &manifest);
        folder.write(&format!("s{number}/app.py"), "one");
    }
    let mut running = bed.start(None);
    measure(&bed, &mut running, &format!("{count} services, from nothing to serving"), |bed, running| {
        let engine = running.life.engine.clone();
        running.life.ask(async move { engine.run_source(story::up("all", None)).await }).unwrap().unwrap();
        running.life.run_for(Milliseconds(300_000));
        assert_eq!(bed.live(), 0, "all of them serve");
    });
    measure(&bed, &mut running, "four idle minutes, without a relist", |_, running| {
        running.life.run_for(Milliseconds(240_000));
    });
    measure(&bed, &mut running, "ten idle minutes, with a relist: everything is looked at once", |_, running| {
        running.life.run_for(Milliseconds(600_000));
    });
    measure(&bed, &mut running, "one service changes, until the new version serves", |bed, running| {
        bed.folder("all").write("s7/app.py", "two");
        running.life.run_for(Milliseconds(20_000));
        assert_eq!(bed.live(), 0, "it serves");
    });
    drop(running);
    let mut again = bed.start(None);
    measure(&bed, &mut again, "a restart: everything is loaded, read and looked at", |_, running| {
        running.life.run_for(Milliseconds(30_000));
    });
}

fn measure(bed: &Bed, running: &mut Running, what: &str, work: impl FnOnce(&Bed, &mut Running)) {
    let (calls, writes) = (bed.log().len(), running.store.writes());
    let began = Instant::now();
    work(bed, running);
    let took = began.elapsed().as_secs_f64();
    let (calls, writes) = (bed.log().len() - calls, running.store.writes() - writes);
    println!("{took:>10.3} s  {calls:>8} calls of the provider  {writes:>8} writes   {what}");
}
