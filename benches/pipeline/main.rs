//! The rows of PERFORMANCE.md that go through more than one room: `cargo bench --bench pipeline [WHAT...] [NUMBER...]`.
//! WHAT is `noop`, `change`, `durable`, `restart`, `compile`; all of them when none is named. Numbers take the place of
//! the usual sizes. It measures and prints, each against its gate; it fails for none, since machines differ.
//!
//! Everything but the store of `durable` and `restart` is in memory, and what is deployed does nothing: what is left is
//! what deployd itself takes. `docs/performance.md` holds what was measured.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program for people, that stops where it cannot go on")]
#![expect(dead_code, reason = "the rooms of the tests can do more than is measured here")]

mod bed;
mod compiled;
mod durable;
mod hand;
mod idle;
mod planning;
#[path = "../../tests/it/engine/rooms.rs"]
mod rooms;
mod told;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let numbers: Vec<usize> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    let named: Vec<&String> = arguments.iter().filter(|argument| argument.parse::<usize>().is_err()).collect();
    let is_asked = |what: &str| named.is_empty() || named.iter().any(|name| *name == what);
    let sizes = |usual: &[usize]| if numbers.is_empty() { usual.to_vec() } else { numbers.clone() };
    let folder = tempfile::tempdir().unwrap();
    if is_asked("compile") {
        compiled::sizes(&sizes(&[1, 100, 1_000, 10_000]));
    }
    if is_asked("noop") {
        sizes(&[10_000, 100_000]).into_iter().for_each(idle::no_op);
    }
    if is_asked("change") {
        sizes(&[10_000]).into_iter().for_each(idle::one_change);
    }
    if is_asked("durable") {
        durable::bookkeeping(&sizes(&[500, 1_000, 2_000, 4_000]), folder.path());
    }
    if is_asked("restart") {
        sizes(&[100_000]).into_iter().for_each(|things| durable::restart(things, folder.path()));
    }
}
